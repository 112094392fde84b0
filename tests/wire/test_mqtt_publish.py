"""Jobs by publish: `$queue/<name>` with each QoS, what AMQP gets of it, and refusals."""

import asyncio

import pytest

import peeklock_client
from peeklock.protocols.amqp10.sections import read_properties
from peeklock.protocols.mqtt.events import (
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
)
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    MESSAGE_EXPIRY_INTERVAL,
    PAYLOAD_FORMAT_INDICATOR,
    REASON_STRING,
    Properties,
)
from peeklock.protocols.mqtt.publish import write_publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.security.passwords import hash_password
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

CONFIG = f"""
[[users]]
name = "worker"
password_hash = "{hash_password("secret")}"
rights = ["listen"]

[[users]]
name = "boss"
password_hash = "{hash_password("secret")}"

[[queues]]
name = "orders"
"""


def create_topic(broker: BrokerProcess, name: str, subscription: str) -> None:
    async def create() -> None:
        async with peeklock_client.connect(broker.url) as client:
            topic = await client.create_topic(name)
            await topic.subscribe(subscription)

    asyncio.run(create())


def bodies(peer: AmqpPeer, queue: str, count: int) -> list[bytes]:
    peer.attach_receiver(queue, 5, credit=count + 1)
    found = [peer.receive()[1].body for _ in range(count)]
    peer.expect_silence()
    return [body for body in found if isinstance(body, bytes)]


class TestQos:
    def test_each_reaches_an_amqp_receiver(
        self, client: MqttPeer, ready: AmqpPeer, queue: str
    ) -> None:
        client.publish(f"$queue/{queue}", b"0", 0)
        client.publish(f"$queue/{queue}", b"1", 1)
        client.publish(f"$queue/{queue}", b"2", 2)
        assert client.expect(PublishAcknowledged).reason_code == 0
        client.expect(PublishCompleted)
        assert bodies(ready, queue, 3) == [b"0", b"1", b"2"]

    def test_many_are_acknowledged_in_their_order(
        self, client: MqttPeer, ready: AmqpPeer, queue: str
    ) -> None:
        """[MQTT-4.6.0-2]"""
        sent = [client.publish(f"$queue/{queue}", b"%d" % number) for number in range(300)]
        heard = [client.expect(PublishAcknowledged).packet_id for _ in sent]
        assert heard == sent
        assert bodies(ready, queue, 300) == [b"%d" % number for number in range(300)]

    def test_qos_2_said_twice_is_one_job(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        """[MQTT-4.3.3-10]: until PUBREL, the packet identifier is remembered."""
        settings = ConnectionSettings(answers_by_itself=False)
        with mqtt_peer(shared.mqtt_port, settings=settings) as one:
            packet_id = one.publish(f"$queue/{queue}", b"a", 2)
            one.expect(PublishRecorded)
            again = write_publish(
                *(f"$queue/{queue}", b"a", 2, False, True, packet_id, Properties()), is_v5=True
            )
            one.socket.sendall(again)
            one.engine.messages.release(packet_id)
            one.flush()
            one.expect(PublishCompleted)
        assert bodies(ready, queue, 1) == [b"a"]

    def test_3_1_1(self, shared: BrokerProcess, ready: AmqpPeer, queue: str) -> None:
        with mqtt_peer(shared.mqtt_port, v5=False) as one:
            one.publish(f"$queue/{queue}", b"0", 0)
            one.put(f"$queue/{queue}", b"1")
            one.publish(f"$queue/{queue}", b"2", 2)
            one.expect(PublishCompleted)
        assert bodies(ready, queue, 3) == [b"0", b"1", b"2"]

    def test_a_large_payload(self, client: MqttPeer, ready: AmqpPeer, queue: str) -> None:
        client.put(f"$queue/{queue}", bytes(900_000))
        client.socket.sendall(b"\x32\x90\xa1\x43")  # one of 1,100,000 bytes begins
        client.expect_closed(0x95)


def test_what_amqp_sees_of_it(client: MqttPeer, ready: AmqpPeer, queue: str) -> None:
    found = Properties(
        {CONTENT_TYPE: "application/json", MESSAGE_EXPIRY_INTERVAL: 90},
        (("order", "4711"), ("kind", "new")),
    )
    client.put(f"$queue/{queue}", b"{}", properties=found)
    ready.attach_receiver(queue, 5, credit=1)
    _heard, message = ready.receive()
    assert message.body == b"{}"
    assert message.application_properties == {"order": "4711", "kind": "new"}
    assert message.header is not None
    assert message.header["ttl"] == 90_000
    assert read_properties(message.bare).content_type == "application/json"


class TestRefusals:
    def refused(self, client: MqttPeer, topic: str, qos: int = 1, **more: Properties) -> str:
        client.publish(topic, b"\xff", qos, **more)
        answer = client.expect(PublishAcknowledged)
        self.code = answer.reason_code
        return answer.properties.text(REASON_STRING) or ""

    def test_a_subscriptions_queue(
        self, client: MqttPeer, shared: BrokerProcess, queue: str
    ) -> None:
        create_topic(shared, queue, "s")
        assert "alone" in self.refused(client, f"$queue/{queue}/Subscriptions/s")
        assert self.code == 0x83
        assert "is a topic" in self.refused(client, f"$queue/{queue}")

    @pytest.mark.parametrize("qos", [1, 2])
    def test_a_full_queue(
        self, client: MqttPeer, operator: AmqpOperator, queue: str, qos: int
    ) -> None:
        operator.create(queue, max_messages=1)
        client.put(f"$queue/{queue}", b"1")
        assert queue in self.refused(client, f"$queue/{queue}", qos)
        assert self.code == 0x97

    def test_names_that_none_is_made_of(self, client: MqttPeer) -> None:
        for topic in (
            "$queue/temporary/x",
            "$queue/x/$DeadLetterQueue",
            "$queue/t/Subscriptions/s",
        ):
            self.refused(client, topic)
            assert self.code == 0x90
        self.refused(client, "$queue/")
        assert self.code == 0x83
        self.refused(client, "$queue/" + "x" * 300)
        assert self.code == 0x83

    def test_text_that_is_none(self, client: MqttPeer, queue: str) -> None:
        found = Properties({PAYLOAD_FORMAT_INDICATOR: 1})
        assert "UTF-8" in self.refused(client, f"$queue/{queue}", properties=found)

    def test_others_are_taken_meanwhile(self, client: MqttPeer, queue: str) -> None:
        self.refused(client, "$nowhere")
        client.put(f"$queue/{queue}", b"1")

    def test_with_qos_0_nobody_hears(self, client: MqttPeer) -> None:
        client.publish("$queue/", b"1", 0)
        client.expect_silence()

    def test_3_1_1_closes(
        self, shared: BrokerProcess, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, max_messages=1)
        with mqtt_peer(shared.mqtt_port, v5=False) as one:
            one.put(f"$queue/{queue}", b"1")
            one.publish(f"$queue/{queue}", b"2")
            one.expect_closed()

    def test_unknown_queues_are_not_made_for_known_users(self) -> None:
        with BrokerProcess(config=CONFIG, dev=False) as broker:
            login = {"user_name": "worker", "password": b"secret"}
            with mqtt_peer(broker.mqtt_port, **login) as one:
                assert "'nowhere'" in self.refused(one, "$queue/nowhere")
                assert self.code == 0x87
                assert "no right to send" in self.refused(one, "$queue/orders")
                assert self.code == 0x87
            login["user_name"] = "boss"
            with mqtt_peer(broker.mqtt_port, **login) as one:
                self.refused(one, "$queue/nowhere")
                assert self.code == 0x90
                one.put("$queue/orders", b"1")
