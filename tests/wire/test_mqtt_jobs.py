"""Jobs by subscription: leased, completed, dead-lettered, released; from AMQP and to it."""

import signal
import time
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import PublishReleased
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    CORRELATION_DATA,
    REASON_STRING,
    RESPONSE_TOPIC,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from tests.support.amqp_bytes import application_properties, composite, data_section
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

VERSIONS = pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])


def narrow(receive_maximum: int) -> ConnectionSettings:
    return ConnectionSettings(receive_maximum=receive_maximum)


def left_in(broker: BrokerProcess, queue: str) -> list[bytes]:
    """What a receive-and-delete subscription gets."""
    with mqtt_peer(broker.mqtt_port) as one:
        one.subscribe(f"$queue/{queue}", qos=0)
        found = []
        try:
            while True:
                found.append(one.expect(Publish, 0.3).payload)
        except AssertionError:
            return found


class TestSettlement:
    @VERSIONS
    def test_puback_completes(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str, v5: bool
    ) -> None:
        ready.attach_sender(queue)
        ready.put(b"1", b"2")
        with mqtt_peer(shared.mqtt_port, v5=v5) as one:
            assert one.subscribe(f"$queue/{queue}").suback.reason_codes == (1,)
            for body in (b"1", b"2"):
                job = one.take()
                assert (job.payload, job.qos, job.topic_name) == (body, 1, f"$queue/{queue}")
                one.acknowledge(job)
            one.expect_silence()
        assert left_in(shared, queue) == []

    @pytest.mark.parametrize("qos", [1, 2])
    def test_a_failure_dead_letters_with_its_reason(
        self, shared: BrokerProcess, client: MqttPeer, ready: AmqpPeer, queue: str, qos: int
    ) -> None:
        client.put(f"$queue/{queue}", b"bad", b"good")
        client.subscribe(f"$queue/{queue}", qos=qos)
        client.acknowledge(client.take(), 0x83, "no such article")
        client.acknowledge(client.take())
        client.expect_silence() if qos == 1 else client.expect(PublishReleased)
        ready.attach_receiver(f"{queue}/$DeadLetterQueue", 0, credit=5)
        _heard, message = ready.receive()
        assert message.body == b"bad"
        assert message.application_properties["DeadLetterReason"] == "mqtt:0x83"
        text = message.application_properties["DeadLetterErrorDescription"]
        assert text == "no such article"
        ready.expect_silence()

    def test_qos_2_is_complete_with_pubrec_and_released_when_that_is_durable(
        self, shared: BrokerProcess, client: MqttPeer, queue: str
    ) -> None:
        client.put(f"$queue/{queue}", b"1")
        client.subscribe(f"$queue/{queue}", qos=2)
        job = client.take()
        assert job.qos == 2
        client.acknowledge(job)
        client.expect(PublishReleased)
        client.socket.close()
        assert left_in(shared, queue) == []

    def test_a_lock_that_ran_out_is_lost(
        self, shared: BrokerProcess, operator: AmqpOperator, client: MqttPeer, queue: str
    ) -> None:
        """The job comes again; what is said about its first delivery is late."""
        operator.create(queue, lock_duration_ms=300)
        client.put(f"$queue/{queue}", b"1")
        client.subscribe(f"$queue/{queue}", qos=2)
        late = client.take()
        again = client.take()
        client.acknowledge(late)
        client.expect(PublishReleased)
        client.acknowledge(again)
        client.expect(PublishReleased)
        assert left_in(shared, queue) == []

    @pytest.mark.parametrize("how", ["cut", "disconnect", "unsubscribe"])
    def test_what_it_holds_is_free_at_once(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str, how: str
    ) -> None:
        with mqtt_peer(shared.mqtt_port) as one:
            one.put(f"$queue/{queue}", b"1", b"2")
            one.subscribe(f"$queue/{queue}")
            jobs = [one.take(), one.take()]
            one.acknowledge(jobs[0])
            if how == "unsubscribe":
                assert one.unsubscribe(f"$queue/{queue}").unsuback.reason_codes == (0,)
            elif how == "disconnect":
                one.disconnect()
            else:
                one.socket.close()
            ready.attach_receiver(queue, 0, credit=5)
            _heard, message = ready.receive()
            assert message.body == b"2"
            assert message.header is not None
            assert message.header["delivery-count"] == 0
            ready.expect_silence()

    def test_qos_0_takes_for_good(
        self, shared: BrokerProcess, client: MqttPeer, queue: str
    ) -> None:
        client.put(f"$queue/{queue}", *[b"%d" % number for number in range(250)])
        client.subscribe(f"$queue/{queue}", qos=0)
        jobs = [client.take() for _ in range(250)]
        assert [job.payload for job in jobs] == [b"%d" % number for number in range(250)]
        assert {job.qos for job in jobs} == {0}
        assert left_in(shared, queue) == []


class TestCredit:
    def test_no_more_than_its_receive_maximum(self, shared: BrokerProcess, queue: str) -> None:
        """[MQTT-3.3.4-9]: our engine ends a connection that gets more."""
        with mqtt_peer(shared.mqtt_port, settings=narrow(3)) as one:
            one.put(f"$queue/{queue}", *[b"%d" % number for number in range(20)])
            one.subscribe(f"$queue/{queue}")
            for number in range(20):
                first = one.take()
                assert first.payload == b"%d" % number
                one.acknowledge(first)
            one.expect_silence()

    def test_waiting_jobs_stay_for_others(self, shared: BrokerProcess, queue: str) -> None:
        with mqtt_peer(shared.mqtt_port, settings=narrow(2)) as one:
            one.put(f"$queue/{queue}", b"1", b"2", b"3", b"4")
            one.subscribe(f"$share/g/$queue/{queue}")
            held = [one.take().payload, one.take().payload]
            one.expect_silence()
            with mqtt_peer(shared.mqtt_port) as other:
                other.subscribe(f"$share/g/$queue/{queue}")
                assert [other.take().payload, other.take().payload] == [b"3", b"4"]
            assert held == [b"1", b"2"]

    def test_an_empty_queue_holds_up_no_other(self, shared: BrokerProcess, queue: str) -> None:
        """A receive maximum of 1, and three queues to serve."""
        with mqtt_peer(shared.mqtt_port, settings=narrow(1)) as one:
            names = [f"$queue/{queue}-{letter}" for letter in "abc"]
            one.subscribe(*names)
            with mqtt_peer(shared.mqtt_port) as other:
                for name in names[1:]:
                    other.put(name, b"1", b"2", b"3")
            found = []
            for _ in range(6):
                job = one.take()
                found.append(job.topic_name)
                one.expect_silence(0.05)
                one.acknowledge(job)
            assert sorted(found) == [names[1]] * 3 + [names[2]] * 3
            one.expect_silence()
        assert left_in(shared, f"{queue}-b") == []

    def test_two_share_a_queue(self, shared: BrokerProcess, queue: str) -> None:
        with mqtt_peer(shared.mqtt_port) as one, mqtt_peer(shared.mqtt_port) as other:
            for peer in (one, other):
                peer.subscribe(f"$queue/{queue}")
            with mqtt_peer(shared.mqtt_port) as sender:
                for number in range(10):
                    sender.put(f"$queue/{queue}", b"%d" % number)
            jobs = [peer.take().payload for peer in (one, other) for _ in range(5)]
            assert sorted(jobs) == [b"%d" % number for number in range(10)]


class TestWhatComes:
    def test_of_an_amqp_message(self, client: MqttPeer, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue)
        properties = composite(
            "properties", message_id="m", reply_to="replies", correlation_id="c",
            content_type="application/json",
        )  # fmt: skip
        payload = properties + application_properties({"b": "1", "a": 2}) + data_section(b"{}")
        ready.transfer(0, payload)
        ready.hear_accepted(0, 0)
        identified = Properties(subscription_identifiers=(7,))
        client.subscribe(f"$queue/{queue}", properties=identified)
        job = client.take()
        assert job.payload == b"{}"
        assert job.properties.values == {
            CONTENT_TYPE: "application/json",
            RESPONSE_TOPIC: "$queue/replies",
            CORRELATION_DATA: b"c",
        }
        assert job.properties.user == (("b", "1"), ("a", "2"))
        assert job.properties.subscription_identifiers == (7,)

    def test_duplicates_of_user_properties(self, client: MqttPeer, queue: str) -> None:
        """[MQTT-3.3.2-18]"""
        user = (("a", "1"), ("b", "2"), ("a", "3"))
        client.put(f"$queue/{queue}", b"x", properties=Properties(None, user))
        client.subscribe(f"$queue/{queue}")
        assert client.take().properties.user == user

    def test_larger_than_the_client_takes(self, shared: BrokerProcess, queue: str) -> None:
        """It stands in nobody's way: a dead letter, not a lost job."""
        small = ConnectionSettings(packet_bytes_max=1000)
        with mqtt_peer(shared.mqtt_port, settings=small) as one:
            with mqtt_peer(shared.mqtt_port) as other:
                other.put(f"$queue/{queue}", bytes(2000), b"small")
            one.subscribe(f"$queue/{queue}")
            assert one.take().payload == b"small"
        assert left_in(shared, f"{queue}/$DeadLetterQueue") == [bytes(2000)]


class TestRefusals:
    @pytest.mark.parametrize(
        ("topic_filter", "code"),
        [
            ("$a/b", 0x8F),
            ("$queue/", 0x83),
            ("$queue/x/$DeadLetterQueue", 0x8F),
            ("$share/g/$a", 0x8F),
        ],
    )
    def test_what_is_no_queue(self, client: MqttPeer, topic_filter: str, code: int) -> None:
        suback = client.subscribe("$queue/fine", topic_filter).suback
        assert suback.reason_codes == (1, code)
        assert suback.properties.text(REASON_STRING)

    def test_a_queue_of_message_sessions(self, client: MqttPeer, sessions: str) -> None:
        assert client.subscribe(f"$queue/{sessions}").suback.reason_codes == (0x83,)

    def test_a_queue_that_is_deleted(
        self, client: MqttPeer, operator: AmqpOperator, queue: str
    ) -> None:
        client.subscribe(f"$queue/{queue}")
        operator.ask("DELETE", queue, {})
        assert queue in client.expect_closed(0x98)


class TestEnds:
    def test_subscribing_again_changes_the_qos(self, client: MqttPeer, queue: str) -> None:
        """[MQTT-3.8.4-3]"""
        for qos in (1, 1, 0, 2):
            assert client.subscribe(f"$queue/{queue}", qos=qos).suback.reason_codes == (qos,)
        client.put(f"$queue/{queue}", b"1")
        assert client.take().qos == 2
        client.expect_silence()

    def test_take_over_frees_the_jobs(self, shared: BrokerProcess, queue: str) -> None:
        with mqtt_peer(shared.mqtt_port, f"w-{queue}") as one:
            one.put(f"$queue/{queue}", b"1")
            one.subscribe(f"$queue/{queue}")
            one.take()
            with mqtt_peer(shared.mqtt_port, f"w-{queue}") as other:
                other.subscribe(f"$queue/{queue}")
                assert other.take().payload == b"1"

    def test_told_to_end_it_lets_a_client_settle(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path, env={"PEEKLOCK_DRAIN_SECONDS": "20"}) as broker:
            with mqtt_peer(broker.mqtt_port) as one:
                one.put("$queue/orders", b"1", b"2")
                one.subscribe("$queue/orders")
                jobs = [one.take(), one.take()]
                broker.send_signal(signal.SIGTERM)
                broker.wait_for("draining")
                for job in jobs:
                    one.acknowledge(job)
                one.expect_closed(0x8B)
                assert broker.wait() == 0
            with broker.restart():
                assert left_in(broker, "orders") == []

    def test_what_was_not_acknowledged_survives_a_crash(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path) as broker:
            with mqtt_peer(broker.mqtt_port) as one:
                one.put("$queue/orders", b"1", b"2")
                one.subscribe("$queue/orders", qos=2)
                jobs = [one.take(), one.take()]
                one.acknowledge(jobs[0])
                one.expect(PublishReleased)
                broker.kill()
            with broker.restart():
                assert left_in(broker, "orders") == [b"2"]

    def test_a_client_that_does_not_read(self, shared: BrokerProcess, queue: str) -> None:
        """It is not handed a whole backlog: others find their jobs."""
        with mqtt_peer(shared.mqtt_port) as one, mqtt_peer(shared.mqtt_port) as other:
            for _ in range(100):
                one.put(f"$queue/{queue}", bytes(500_000))
            one.subscribe(f"$queue/{queue}", qos=0)
            time.sleep(0.5)
            other.subscribe(f"$queue/{queue}", qos=0)
            other.take()
