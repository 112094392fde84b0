"""Sessions that outlive their connections: what is kept, for how long, and for whom."""

import itertools
import time
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.connect import MQTT_3_1_1, Connect
from peeklock.protocols.mqtt.events import (
    Connected,
    ConnectRefused,
    PublishCompleted,
    PublishRecorded,
    PublishReleased,
)
from peeklock.protocols.mqtt.properties import (
    MESSAGE_EXPIRY_INTERVAL,
    SESSION_EXPIRY_INTERVAL,
    Properties,
)
from peeklock.protocols.mqtt.publish import write_publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

NUMBERS = itertools.count(1)
STEPWISE = ConnectionSettings(answers_by_itself=False)


@pytest.fixture
def name() -> str:
    """A client identifier, and a first level of topic names, that no other test uses."""
    return f"kept-{next(NUMBERS)}"


def connect(
    broker: BrokerProcess,
    client_id: str,
    seconds: int = 600,
    *,
    v5: bool = True,
    kept: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
    **more: object,
) -> MqttPeer:
    """A client whose session outlives it; `kept` are packet identifiers that it knows."""
    settings = more.pop("settings", None)
    more.setdefault("clean_start", False)
    found = Properties({SESSION_EXPIRY_INTERVAL: seconds}) if v5 else Properties()
    wanted = Connect(
        client_id,
        5 if v5 else MQTT_3_1_1,
        properties=found,
        **more,  # type: ignore[arg-type]  # fields of it
    )
    one = MqttPeer(broker.mqtt_port, wanted, settings=settings, has_session=True)  # type: ignore[arg-type]  # as given
    one.engine.messages.keep(*kept)
    one.connack = one.expect(Connected).connack
    return one


def is_present(peer: MqttPeer) -> bool:
    assert peer.connack is not None
    return peer.connack.session_present


@pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
class TestKept:
    def test_what_was_published_meanwhile_is_there(
        self, shared: BrokerProcess, name: str, v5: bool
    ) -> None:
        """[MQTT-3.1.2-5] [MQTT-3.2.2-3]"""
        with connect(shared, name, v5=v5) as one:
            assert not is_present(one)
            one.subscribe(f"{name}/+", qos=2)
            one.put(f"{name}/a", b"here")
            one.acknowledge(one.take())
            one.disconnect()
        with mqtt_peer(shared.mqtt_port) as other:
            other.publish(f"{name}/0", b"0", 0)
            other.put(f"{name}/a", b"1", b"2")
            other.publish(f"{name}/b", b"3", 2)
            other.expect(PublishCompleted)
        with connect(shared, name, v5=v5) as one:
            assert is_present(one)
            heard = [one.take() for _ in range(3)]
            assert [(each.payload, each.qos) for each in heard] == [
                (b"1", 1), (b"2", 1), (b"3", 2),
            ]  # fmt: skip
            assert not any(each.dup for each in heard)
            for each in heard:
                one.acknowledge(each)
            one.expect(PublishReleased)
            one.put(f"{name}/x", b"4")
            assert one.take().payload == b"4"
            one.expect_silence()

    def test_what_was_not_acknowledged_comes_again(
        self, shared: BrokerProcess, name: str, v5: bool
    ) -> None:
        """[MQTT-4.4.0-1] [MQTT-3.3.1-1]: with its packet identifier, and DUP."""
        with connect(shared, name, v5=v5) as one:
            one.subscribe(f"{name}/#")
            one.put(f"{name}/a", b"1", b"2", b"3")
            first = [one.take() for _ in range(3)]
            one.acknowledge(first[0])
            one.put(f"{name}/flush", b"4")
            first.append(one.take())
        kept = tuple(each.packet_id for each in first[1:])
        with connect(shared, name, v5=v5) as one:
            again = [one.take() for _ in range(3)]
            assert [each.payload for each in again] == [b"2", b"3", b"4"]
            assert tuple(each.packet_id for each in again) == kept
            assert all(each.dup for each in again)
            for each in again:
                one.acknowledge(each)
            one.expect_silence()

    def test_what_was_begun_with_qos_2_does_not_expire(
        self, shared: BrokerProcess, name: str, v5: bool
    ) -> None:
        """[MQTT-4.3.3-7]: the client has its identifier in use, and has to hear how it ends."""
        brief = Properties({MESSAGE_EXPIRY_INTERVAL: 1})
        with connect(shared, name, v5=v5, settings=STEPWISE) as one:
            one.subscribe(f"{name}/#", qos=2)
            with mqtt_peer(shared.mqtt_port) as other:
                for payload in (b"1", b"2"):
                    other.publish(f"{name}/a", payload, 2, properties=brief)
                    other.expect(PublishCompleted)
                begun = [one.take() for _ in range(2)]
                one.socket.close()
                other.publish(f"{name}/a", b"3", 2, properties=brief)
                other.expect(PublishCompleted)
        time.sleep(1.2)
        with connect(shared, name, v5=v5) as one:
            again = [one.take() for _ in range(2)]
            assert [(each.payload, each.packet_id) for each in again] == [
                (each.payload, each.packet_id) for each in begun
            ]
            assert all(each.dup for each in again)
            for each in again:
                one.acknowledge(each)
                one.expect(PublishReleased)
            one.expect_silence()

    def test_a_clean_start_forgets_it(self, shared: BrokerProcess, name: str, v5: bool) -> None:
        """[MQTT-3.1.2-4] [MQTT-3.2.2-2]"""
        with connect(shared, name, v5=v5) as one:
            one.subscribe(f"{name}/#")
        with connect(shared, name, 0, v5=v5, clean_start=True) as one:
            assert not is_present(one)
            one.put(f"{name}/a", b"1")
            one.expect_silence()
        with connect(shared, name, v5=v5) as one:
            assert not is_present(one)

    def test_qos_2_in_is_once_over_connections(
        self, shared: BrokerProcess, name: str, v5: bool
    ) -> None:
        """[MQTT-4.3.3-10]: the identifier is known until PUBREL, also on the next one."""
        with mqtt_peer(shared.mqtt_port) as other:
            other.subscribe(f"{name}/#", qos=0)
            with connect(shared, name, v5=v5, settings=STEPWISE) as one:
                packet_id = one.publish(f"{name}/a", b"once", 2)
                one.expect(PublishRecorded)
            with connect(shared, name, v5=v5, kept=((packet_id,), ())) as one:
                again = write_publish(
                    f"{name}/a", b"once", 2, False, True, packet_id, Properties(), is_v5=v5
                )
                one.socket.sendall(again)
                one.engine.messages.redeliver_release(packet_id)
                one.flush()
                one.expect(PublishCompleted)
                # Now it is another message's.
                fresh = write_publish(
                    f"{name}/a", b"two", 2, False, False, packet_id, Properties(), is_v5=v5
                )
                one.socket.sendall(fresh)
                assert other.take().payload == b"once"
                assert other.take().payload == b"two"
            other.expect_silence()

    def test_qos_2_out_goes_on_with_its_release(
        self, shared: BrokerProcess, name: str, v5: bool
    ) -> None:
        """[MQTT-4.3.3-6]: after PUBREC the message itself is not sent again."""
        with connect(shared, name, v5=v5, settings=STEPWISE) as one:
            one.subscribe(f"{name}/#", qos=2)
            one.publish(f"{name}/a", b"1", 2)
            heard = one.take()
            one.acknowledge(heard)
            one.expect(PublishReleased)
        for _ in range(2):
            with connect(
                shared, name, v5=v5, settings=STEPWISE, kept=((), (heard.packet_id,))
            ) as one:
                assert one.expect(PublishReleased).packet_id == heard.packet_id
                one.expect_silence()
        with connect(shared, name, v5=v5, kept=((), (heard.packet_id,))) as one:
            one.expect(PublishReleased)
            one.put(f"{name}/b", b"2")
            one.acknowledge(one.take())
        with connect(shared, name, v5=v5) as one:
            one.expect_silence()


class TestLifetime:
    def test_it_ends_in_time(self, shared: BrokerProcess, name: str) -> None:
        """[MQTT-4.1.0-2]"""
        with connect(shared, name, 1) as one:
            one.subscribe(f"{name}/#")
        until = time.monotonic() + 20
        present = True
        while present and time.monotonic() < until:
            time.sleep(1.5)
            with connect(shared, name, 1) as one:
                present = is_present(one)
        assert not present

    def test_a_disconnect_may_end_it(self, shared: BrokerProcess, name: str) -> None:
        with connect(shared, name) as one:
            one.engine.disconnect(session_expiry_interval=0)
            one.flush()
            while one.socket.recv(100):  # until it has heard of it
                pass
        with connect(shared, name) as one:
            assert not is_present(one)

    @pytest.mark.parametrize(("asked", "told"), [(60, 60), (0xFFFFFFFF, 2_592_000)])
    def test_longer_than_is_kept(
        self, shared: BrokerProcess, name: str, asked: int, told: int
    ) -> None:
        """§3.2.2.3.2"""
        with connect(shared, name, asked) as one:
            assert one.connack is not None
            assert one.connack.properties.number(SESSION_EXPIRY_INTERVAL, asked) == told

    def test_without_an_expiry_it_ends_with_its_connection(
        self, shared: BrokerProcess, name: str
    ) -> None:
        for _ in range(2):
            with connect(shared, name, 0) as one:
                assert not is_present(one)
                one.subscribe(f"{name}/#")


class TestTakeOver:
    def test_the_session_goes_over(self, shared: BrokerProcess, name: str) -> None:
        """[MQTT-3.1.4-3]"""
        with connect(shared, name) as one:
            one.subscribe(f"{name}/#")
            one.put(f"{name}/a", b"1")
            first = one.take()
            with connect(shared, name) as other:
                one.expect_closed(0x8E)
                assert is_present(other)
                again = other.take()
                assert (again.payload, again.packet_id, again.dup) == (
                    b"1",
                    first.packet_id,
                    True,
                )
                other.acknowledge(again)
                other.put(f"{name}/b", b"2")
                assert other.take().payload == b"2"

    def test_not_by_another_user(self, shared: BrokerProcess, name: str) -> None:
        with connect(shared, name, user_name="anna") as one:
            one.subscribe(f"{name}/#")
        for clean_start in (False, True):
            wanted = Connect(name, user_name="bert", clean_start=clean_start)
            with MqttPeer(shared.mqtt_port, wanted) as other:
                assert other.expect(ConnectRefused).connack.reason_code == 0x87
        with connect(shared, name, user_name="anna") as one:
            assert is_present(one)


class TestJobs:
    def test_their_filters_are_kept(self, shared: BrokerProcess, name: str) -> None:
        with connect(shared, name) as one:
            assert one.subscribe(f"$queue/{name}", qos=2).suback.reason_codes == (1,)
        with connect(shared, name) as one:
            one.put(f"$queue/{name}", b"1")
            job = one.take()
            assert (job.qos, job.payload, job.dup) == (1, b"1", False)
            one.acknowledge(job)
            assert one.unsubscribe(f"$queue/{name}").unsuback.reason_codes == (0,)
        with connect(shared, name) as one:
            one.put(f"$queue/{name}", b"2")
            one.expect_silence()

    def test_a_queue_that_hands_out_nothing_for_now(
        self, shared: BrokerProcess, operator: AmqpOperator, name: str
    ) -> None:
        operator.create(name)
        with connect(shared, name) as one:
            one.subscribe(f"$queue/{name}")
        operator.change(name, status="receive-disabled")
        with connect(shared, name) as one:
            one.put(f"$queue/{name}", b"1")
            one.expect_silence()
        operator.change(name, status="active")
        with connect(shared, name) as one:
            assert one.take().payload == b"1"

    def test_signals_and_jobs_have_identifiers_of_their_own(
        self, shared: BrokerProcess, name: str
    ) -> None:
        with connect(shared, name) as one:
            one.subscribe(f"$queue/{name}", f"{name}/#")
            for number in range(5):
                one.put(f"$queue/{name}", b"%d" % number)
                one.put(f"{name}/a", b"%d" % number)
            heard = [one.take() for _ in range(10)]
            assert len({each.packet_id for each in heard}) == 10
            for each in heard:
                one.acknowledge(each)
            one.expect_silence()


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_sessions_are_there_after_a_restart(tmp_path: Path, end: str) -> None:
    """Filters, what waits, what was not acknowledged; jobs go back to their queue."""
    with BrokerProcess(data_dir=tmp_path) as broker:
        with connect(broker, "a") as one:
            one.subscribe("a/#", "$queue/orders", qos=2)
            one.subscribe("A/#", qos=1)
            one.publish("a/1", b"sent", 2)
            first = one.take()
        with mqtt_peer(broker.mqtt_port) as other:
            other.put("A/2", b"waits")
        getattr(broker, end)()
        broker.restart()
        with connect(broker, "a") as one:
            assert is_present(one)
            again = one.take()
            assert (again.payload, again.packet_id) == (b"sent", first.packet_id)
            assert again.dup
            assert one.take().payload == b"waits"
            one.put("$queue/orders", b"job")
            assert one.take().payload == b"job"
