"""Wills: when they are published, when not, and what refuses them."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.limits import MQTT_WILL_GRACE
from peeklock.protocols.mqtt.connect import Connect, Will
from peeklock.protocols.mqtt.events import ConnectRefused, SubackReceived
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    WILL_DELAY_INTERVAL,
    Properties,
)
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.support.stepped_broker import stepped_broker
from tests.wire.test_mqtt_publish import CONFIG
from tests.wire.test_mqtt_sessions import connect

NUMBERS = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A client identifier, and a topic name, that no other test uses."""
    return f"will-{next(NUMBERS)}"


@pytest.fixture
def witness(shared: BrokerProcess, name: str) -> Iterator[MqttPeer]:
    with mqtt_peer(shared.mqtt_port) as one:
        one.subscribe(f"{name}/#", qos=2)
        yield one


def will(name: str, delay: int = 0, **more: object) -> Will:
    found = Properties({CONTENT_TYPE: "text/plain", WILL_DELAY_INTERVAL: delay})
    return Will(f"{name}/gone", b"gone", properties=found, **more)  # type: ignore[arg-type]  # fields of it


@pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
class TestBothVersions:
    def test_a_cut_connection(
        self, shared: BrokerProcess, witness: MqttPeer, name: str, v5: bool
    ) -> None:
        """[MQTT-3.1.2-8] [MQTT-3.1.2-14]"""
        left = Will(f"{name}/gone", b"gone", 1)
        mqtt_peer(shared.mqtt_port, name, v5=v5, will=left).socket.close()
        heard = witness.take()
        assert (heard.payload, heard.qos, heard.retain) == (b"gone", 1, False)

    def test_a_client_that_says_good_bye(
        self, shared: BrokerProcess, witness: MqttPeer, name: str, v5: bool
    ) -> None:
        """[MQTT-3.14.4-3]"""
        with mqtt_peer(shared.mqtt_port, name, v5=v5, will=will(name)) as one:
            one.disconnect()
            witness.expect_silence()

    def test_a_violation(
        self, shared: BrokerProcess, witness: MqttPeer, name: str, v5: bool
    ) -> None:
        with mqtt_peer(shared.mqtt_port, name, v5=v5, will=will(name)) as one:
            one.socket.sendall(b"\x00\x00")
            assert witness.take().payload == b"gone"

    def test_a_retained_one(
        self, shared: BrokerProcess, witness: MqttPeer, name: str, v5: bool
    ) -> None:
        """[MQTT-3.1.2-15]"""
        left = will(name, retain=True)
        mqtt_peer(shared.mqtt_port, name, v5=v5, will=left).socket.close()
        assert not witness.take().retain
        with mqtt_peer(shared.mqtt_port) as late:
            late.subscribe(f"{name}/#")
            assert late.take().retain

    def test_a_job(self, shared: BrokerProcess, name: str, v5: bool) -> None:
        left = Will(f"$queue/{name}", b"look after it", 1)
        mqtt_peer(shared.mqtt_port, name, v5=v5, will=left).socket.close()
        with mqtt_peer(shared.mqtt_port) as one:
            one.subscribe(f"$queue/{name}")
            assert one.take().payload == b"look after it"


class TestFive:
    def test_its_properties(self, shared: BrokerProcess, witness: MqttPeer, name: str) -> None:
        mqtt_peer(shared.mqtt_port, name, will=will(name)).socket.close()
        heard = witness.take().properties
        assert heard.values == {CONTENT_TYPE: "text/plain"}

    def test_disconnect_with_will(
        self, shared: BrokerProcess, witness: MqttPeer, name: str
    ) -> None:
        with mqtt_peer(shared.mqtt_port, name, will=will(name)) as one:
            one.disconnect(0x04)
            assert witness.take().payload == b"gone"

    def test_its_delay(self, shared: BrokerProcess, witness: MqttPeer, name: str) -> None:
        """[MQTT-3.1.3-9]"""
        connect(shared, name, will=will(name, 1)).socket.close()
        witness.expect_silence(0.5)
        assert witness.take().payload == b"gone"

    def test_the_client_is_back_before(
        self, shared: BrokerProcess, witness: MqttPeer, name: str
    ) -> None:
        connect(shared, name, will=will(name, 1)).socket.close()
        with connect(shared, name):
            witness.expect_silence(1.5)

    @pytest.mark.parametrize("clean", [True, False])
    def test_the_session_ends_before(
        self, shared: BrokerProcess, witness: MqttPeer, name: str, clean: bool
    ) -> None:
        """Whichever comes first (§3.1.3.2.2)."""
        seconds = 600 if clean else 1
        connect(shared, name, seconds, will=will(name, 600)).socket.close()
        if clean:
            witness.expect_silence()
            connect(shared, name, clean_start=True).socket.close()
        assert witness.take().payload == b"gone"
        witness.expect_silence()

    def test_without_a_session_there_is_no_delay(
        self, shared: BrokerProcess, witness: MqttPeer, name: str
    ) -> None:
        mqtt_peer(shared.mqtt_port, name, will=will(name, 600)).socket.close()
        assert witness.take().payload == b"gone"

    def test_it_is_no_news_to_its_own_session(
        self, shared: BrokerProcess, witness: MqttPeer, name: str
    ) -> None:
        """[MQTT-3.8.3-3]: where it wants nothing of its own."""
        with connect(shared, name, will=will(name, qos=1)) as one:
            own = FilterRequest(f"{name}/#", 1, no_local=True)
            one.engine.requests.subscribe((own,))
            one.flush()
            one.expect(SubackReceived)
        assert witness.take().payload == b"gone"
        with connect(shared, name) as one:
            one.expect_silence()

    def test_take_over(self, shared: BrokerProcess, witness: MqttPeer, name: str) -> None:
        with connect(shared, name, will=will(name)), connect(shared, name):
            assert witness.take().payload == b"gone"
        with connect(shared, name, will=will(name, 600)), connect(shared, name):
            witness.expect_silence()


class TestRefused:
    def test_nowhere_to_go(self, shared: BrokerProcess, name: str) -> None:
        for left, code in (
            (Will("$SYS/x", b""), 0x90),
            (Will(f"$queue/{name}", b"", retain=True), 0x83),
        ):
            with MqttPeer(shared.mqtt_port, Connect(name, will=left)) as one:
                assert one.expect(ConnectRefused).connack.reason_code == code

    def test_without_the_right(self) -> None:
        with BrokerProcess(config=CONFIG, dev=False) as broker:
            wanted = Connect("a", user_name="worker", password=b"secret", will=Will("t", b""))
            with MqttPeer(broker.mqtt_port, wanted) as one:
                assert one.expect(ConnectRefused).connack.reason_code == 0x87


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """What is added to the wall clock."""
    return tmp_path / "clock"


@pytest.fixture
def stepped(tmp_path: Path, clock: Path) -> Iterator[BrokerProcess]:
    with stepped_broker(tmp_path / "data", clock) as broker:
        with connect(broker, "witness") as one:
            one.subscribe("#")
        yield broker


def step(clock: Path, ms: int) -> None:
    clock.write_text(str(int(clock.read_text() if clock.exists() else "0") + ms))


@pytest.mark.parametrize("end", ["kill", "terminate"])
class TestTheBrokerEnds:
    """Everybody is cut off then: that says nothing of anybody (docs/adr/0028)."""

    def test_wills_of_kept_sessions_wait_for_their_clients(
        self, stepped: BrokerProcess, clock: Path, end: str
    ) -> None:
        """[MQTT-3.1.2-7]"""
        with (
            connect(stepped, "gone", will=will("gone", qos=1)),
            connect(stepped, "back", will=will("back", qos=1)),
            connect(stepped, "five", v5=False, will=Will("five/gone", b"3.1.1", 1, True)),
            connect(stepped, "other", will=will("other", qos=1)) as other,
            mqtt_peer(stepped.mqtt_port, "passing", will=will("passing", qos=1)),
        ):
            other.disconnect()
            other.expect_silence()
            getattr(stepped, end)()
        stepped.restart()
        with connect(stepped, "witness") as witness:
            with connect(stepped, "back") as back:
                witness.expect_silence()
                step(clock, MQTT_WILL_GRACE)
                heard = {}
                for _ in range(2):
                    one = witness.take()
                    witness.acknowledge(one)
                    heard[one.topic_name] = (one.payload, one.qos, one.properties.values)
                assert heard == {
                    "gone/gone": (b"gone", 1, {CONTENT_TYPE: "text/plain"}),
                    "five/gone": (b"3.1.1", 1, {}),
                }
                back.put("x", b"all is well")
                witness.acknowledge(witness.take())
                for _ in range(2):  # what came before the second one is on disk
                    witness.unsubscribe("none")
            stepped.kill()
        stepped.restart()
        step(clock, 2 * MQTT_WILL_GRACE)
        with connect(stepped, "witness") as witness:
            witness.expect_silence()  # each once
            with mqtt_peer(stepped.mqtt_port) as late:
                late.subscribe("five/gone")
                assert late.take().retain

    def test_a_delay_that_runs_goes_on(
        self, stepped: BrokerProcess, clock: Path, end: str
    ) -> None:
        connect(stepped, "short", 30, will=will("short", 600, qos=1)).socket.close()
        connect(stepped, "long", 6000, will=will("long", 600, qos=1)).socket.close()
        with connect(stepped, "witness") as witness:
            witness.expect_silence()
            getattr(stepped, end)()
        stepped.restart()
        for after, name in ((30, "short"), (600, "long")):
            step(clock, 1000 * after)
            with connect(stepped, "witness") as witness:
                one = witness.take()
                assert one.topic_name == f"{name}/gone"
                witness.acknowledge(one)
                witness.expect_silence()
