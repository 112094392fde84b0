"""Wills: when they are published, when not, and what refuses them."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.connect import Connect, Will
from peeklock.protocols.mqtt.events import ConnectRefused
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    SESSION_EXPIRY_INTERVAL,
    WILL_DELAY_INTERVAL,
    Properties,
)
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
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
        """[MQTT-3.1.2-8]"""
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

    def test_without_the_right(self, tmp_path: Path) -> None:
        config = tmp_path / "peeklock.toml"
        config.write_text(CONFIG)
        with BrokerProcess("--config", str(config), dev=False, data_dir=tmp_path) as broker:
            wanted = Connect("a", user_name="worker", password=b"secret", will=Will("t", b""))
            with MqttPeer(broker.mqtt_port, wanted) as one:
                assert one.expect(ConnectRefused).connack.reason_code == 0x87


def test_when_the_broker_ends_none_is_sent(tmp_path: Path) -> None:
    """Everybody is cut off then: that says nothing of anybody."""
    kept = Properties({SESSION_EXPIRY_INTERVAL: 600})
    for end in ("kill", "terminate"):
        with BrokerProcess(data_dir=tmp_path / end) as broker:
            with mqtt_peer(broker.mqtt_port, "w", clean_start=False, properties=kept) as one:
                one.subscribe("#")
                with connect(broker, "x", will=will("x")):
                    getattr(broker, end)()
            broker.restart()
            with connect(broker, "w") as one:
                assert one.connack is not None
                assert one.connack.session_present
                one.expect_silence()
