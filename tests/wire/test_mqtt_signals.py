"""Signals by publish: topics as trees, the built-in topic, what AMQP gets of them."""

import asyncio
from pathlib import Path

import peeklock_client
from peeklock.protocols.amqp10.sections import read_properties
from peeklock.protocols.mqtt.events import PublishAcknowledged, PublishCompleted
from peeklock.protocols.mqtt.properties import CONTENT_TYPE, REASON_STRING, Properties
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_mqtt_publish import CONFIG


def subscribe(broker: BrokerProcess, topic: str, name: str = "all") -> str:
    """A topic, made unless it is there, with a subscription that takes everything."""

    async def create() -> None:
        async with peeklock_client.connect(broker.url) as client:
            if topic != "signals":
                await client.create_topic(topic)
            await client.topic(topic).subscribe(name)

    asyncio.run(create())
    return f"{topic}/Subscriptions/{name}"


def subjects(peer: AmqpPeer, address: str, count: int) -> list[tuple[object, object]]:
    """Subject and body of each message."""
    peer.attach_receiver(address, 5, credit=count + 1)
    found = []
    for _ in range(count):
        _heard, message = peer.receive()
        described = read_properties(message.bare)
        found.append((described.subject if described else None, message.body))
    peer.expect_silence()
    return found


class TestPublishing:
    def test_a_topic_is_the_tree_under_its_name(
        self, client: MqttPeer, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        address = subscribe(shared, queue)
        client.publish(f"{queue}/a/b", b"0", 0)
        client.put(f"{queue}/a", b"1")
        client.publish(queue, b"2", 2)
        client.expect(PublishCompleted)
        assert subjects(ready, address, 3) == [("a/b", b"0"), ("a", b"1"), (None, b"2")]

    def test_what_is_under_none_is_in_the_built_in_topic(
        self, client: MqttPeer, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        client.put("first/use", b"makes it")
        address = subscribe(shared, "signals", "mine")
        client.put("a/b", b"1")
        client.put("signals/a", b"2")
        client.put(f"{queue}/a", b"3")
        found = subjects(ready, address, 3)
        assert found == [("a/b", b"1"), ("signals/a", b"2"), (f"{queue}/a", b"3")]

    def test_properties_go_along(
        self, client: MqttPeer, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        address = subscribe(shared, queue)
        found = Properties({CONTENT_TYPE: "text/plain"}, (("a", "1"),))
        client.put(f"{queue}/x", b"warm", properties=found)
        ready.attach_receiver(address, 5, credit=1)
        _heard, message = ready.receive()
        assert message.application_properties == {"a": "1"}
        assert read_properties(message.bare).content_type == "text/plain"

    def test_nobody_takes_it(self, client: MqttPeer) -> None:
        for qos in (0, 1, 2):
            client.publish("nobody/listens", b"", qos)
        assert client.expect(PublishAcknowledged).reason_code == 0
        client.expect(PublishCompleted)

    def test_amqp_sends_to_the_built_in_topic(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path) as broker:
            with ready_peer(broker.amqp_port) as peer:
                peer.attach_sender("Signals", 0)
                peer.put(b"made at the attach")
            address = subscribe(broker, "signals")
            with mqtt_peer(broker.mqtt_port) as one, ready_peer(broker.amqp_port) as peer:
                one.put("x", b"1")
                assert subjects(peer, address, 1) == [("x", b"1")]


class TestRefusals:
    def refused(self, client: MqttPeer, topic: str) -> tuple[int, str]:
        client.publish(topic, b"1")
        answer = client.expect(PublishAcknowledged)
        return answer.reason_code, answer.properties.text(REASON_STRING) or ""

    def test_names_of_the_servers_own(self, client: MqttPeer) -> None:
        """§4.7.2"""
        for topic in ("$SYS/a", "$queues/a", "$", "$share/g/a"):
            assert self.refused(client, topic)[0] == 0x90

    def test_a_name_that_is_too_long(self, client: MqttPeer) -> None:
        code, why = self.refused(client, "é" * 2049)
        assert code == 0x83
        assert "4098" in why
        client.put("é" * 2048, b"1")

    def test_a_queue_with_the_built_in_topics_name(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path) as broker:
            operator = AmqpOperator(broker.amqp_port)
            operator.create("signals")
            operator.close()
            with mqtt_peer(broker.mqtt_port) as one:
                code, why = self.refused(one, "a")
                assert code == 0x83
                assert "'signals'" in why

    def test_rights(self) -> None:
        with BrokerProcess(config=CONFIG, dev=False) as broker:
            login = {"user_name": "worker", "password": b"secret"}
            with mqtt_peer(broker.mqtt_port, **login) as one:
                code, why = self.refused(one, "a/b")
                assert code == 0x87
                assert "no right to send" in why
            with mqtt_peer(broker.mqtt_port, **{**login, "user_name": "boss"}) as one:
                one.put("a/b", b"1")
