"""Subscribing to signals: filters, QoS, options, limits of the client; from MQTT and AMQP."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.protocols.amqp10.sections import DataBody, encode_bare
from peeklock.protocols.amqp10.sections import Properties as AmqpProperties
from peeklock.protocols.mqtt.events import PublishReleased, SubackReceived
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    MESSAGE_EXPIRY_INTERVAL,
    REASON_STRING,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_mqtt_publish import CONFIG, create_topic


@pytest.fixture
def other(shared: BrokerProcess) -> Iterator[MqttPeer]:
    with mqtt_peer(shared.mqtt_port) as one:
        yield one


def subscribe(peer: MqttPeer, *requests: FilterRequest, identifier: int = 0) -> tuple[int, ...]:
    found = Properties(None, (), (identifier,)) if identifier else Properties()
    peer.engine.requests.subscribe(requests, found)
    peer.flush()
    return peer.expect(SubackReceived).suback.reason_codes


def names(peer: MqttPeer, count: int) -> list[str]:
    found = [peer.take().topic_name for _ in range(count)]
    peer.expect_silence()
    return found


class TestFilters:
    @pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
    def test_wildcards(
        self, shared: BrokerProcess, other: MqttPeer, tree: str, v5: bool
    ) -> None:
        """§4.7.1: what they match, and nothing else [MQTT-3.3.2-3] [MQTT-4.5.0-1]."""
        with mqtt_peer(shared.mqtt_port, v5=v5) as one:
            wanted = (f"{tree}/+/b", f"{tree}/deep/#", f"{tree}/exact")
            assert one.subscribe(*wanted).suback.reason_codes == (1, 1, 1)
            for rest in ("a/b", "a/c", "deep", "deep/x/y", "exact", "exact/not"):
                other.put(f"{tree}/{rest}", b"")
            expected = ["a/b", "deep", "deep/x/y", "exact"]
            assert names(one, 4) == [f"{tree}/{rest}" for rest in expected]

    def test_over_topics(
        self, client: MqttPeer, other: MqttPeer, shared: BrokerProcess, tree: str
    ) -> None:
        create_topic(shared, f"{tree}/here", "s")
        client.subscribe(f"{tree}/+/a")
        other.put(f"{tree}/here/a", b"mounted")
        other.put(f"{tree}/there/a", b"not")
        assert [client.take().payload, client.take().payload] == [b"mounted", b"not"]

    def test_unsubscribed(self, client: MqttPeer, other: MqttPeer, tree: str) -> None:
        """[MQTT-3.10.4-1]"""
        client.subscribe(f"{tree}/a", f"{tree}/b")
        codes = client.unsubscribe(f"{tree}/a", f"{tree}/c").unsuback.reason_codes
        assert codes == (0, 0x11)
        other.put(f"{tree}/a", b"")
        other.put(f"{tree}/b", b"")
        assert names(client, 1) == [f"{tree}/b"]

    def test_of_the_servers_own(self, client: MqttPeer) -> None:
        filters = ("$SYSTEM/#", "$share/g/$SYS/a", "$queues/a")
        codes = client.subscribe(*filters).suback.reason_codes
        assert codes == (0x8F, 0x8F, 0x8F)

    def test_one_that_is_too_long(self, client: MqttPeer) -> None:
        suback = client.subscribe("x" * 4096, "x" * 4097).suback
        assert suback.reason_codes == (1, 0x83)
        assert "4097" in (suback.properties.text(REASON_STRING) or "")

    def test_rights(self) -> None:
        with BrokerProcess(
            config=CONFIG.replace('["listen"]', '["send"]'), dev=False
        ) as broker:
            login = {"user_name": "worker", "password": b"secret"}
            with mqtt_peer(broker.mqtt_port, **login) as one:
                assert one.subscribe("#").suback.reason_codes == (0x87,)
                one.put("a", b"")
                one.expect_silence()


class TestQos:
    @pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
    def test_the_lower_of_both(
        self, shared: BrokerProcess, other: MqttPeer, tree: str, v5: bool
    ) -> None:
        """[MQTT-3.8.4-8]"""
        with mqtt_peer(shared.mqtt_port, v5=v5) as one:
            for wanted in range(3):
                one.subscribe(f"{tree}/{wanted}", qos=wanted)
            for given, wanted in itertools.product(range(3), range(3)):
                other.publish(f"{tree}/{wanted}", b"%d" % given, given)
                heard = one.take()
                assert heard.qos == min(given, wanted)
                assert heard.payload == b"%d" % given
                assert not heard.dup
                if heard.qos == 1:
                    one.acknowledge(heard)
                elif heard.qos == 2:
                    one.acknowledge(heard)

    def test_many_in_their_order(self, client: MqttPeer, other: MqttPeer, tree: str) -> None:
        """[MQTT-4.6.0-5] [MQTT-4.6.0-6], with more than may be under way."""
        client.subscribe(f"{tree}/#")
        payloads = [b"%d" % number for number in range(600)]
        other.put(f"{tree}/a", *payloads)
        for payload in payloads:
            heard = client.take()
            assert heard.payload == payload
            client.acknowledge(heard)

    def test_the_clients_receive_maximum(
        self, shared: BrokerProcess, other: MqttPeer, tree: str
    ) -> None:
        """[MQTT-3.3.4-9]; QoS 0 is not held up (§4.9)."""
        settings = ConnectionSettings(receive_maximum=2)
        with mqtt_peer(shared.mqtt_port, settings=settings) as one:
            one.subscribe(f"{tree}/#")
            other.put(f"{tree}/a", *[b"%d" % number for number in range(5)])
            first, second = one.take(), one.take()
            one.expect_silence()
            other.publish(f"{tree}/a", b"at once", 0)
            assert one.take().payload == b"at once"
            one.acknowledge(first)
            assert one.take().payload == b"2"
            one.acknowledge(second)
            assert one.take().payload == b"3"

    def test_of_amqp_the_subscriptions_own(
        self, client: MqttPeer, shared: BrokerProcess, ready: AmqpPeer, tree: str
    ) -> None:
        create_topic(shared, tree, "s")
        client.subscribe(f"{tree}/#", qos=2)
        ready.attach_sender(tree, 0)
        for number, subject in enumerate(("a/b", None, "no/+", "")):
            properties = AmqpProperties(subject=subject, content_type="text/plain")
            ready.transfer(number, encode_bare(properties, None, DataBody([b"x"])))
        ready.hear_accepted(0, 3)
        heard = [client.take() for _ in range(3)]
        assert [one.topic_name for one in heard] == [f"{tree}/a/b", tree, f"{tree}/"]
        assert {one.qos for one in heard} == {2}
        assert heard[0].properties.text(CONTENT_TYPE) == "text/plain"
        client.expect_silence()


class TestOptions:
    def test_overlapping_filters_are_one_message(
        self, client: MqttPeer, other: MqttPeer, tree: str
    ) -> None:
        """[MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4]"""
        twice = (FilterRequest(f"{tree}/+", 0), FilterRequest("+/a", 0))
        subscribe(client, *twice, identifier=7)
        subscribe(client, FilterRequest(f"{tree}/a", 2), identifier=9)
        subscribe(client, FilterRequest(f"{tree}/#", 1))
        other.publish(f"{tree}/a", b"", 2)
        heard = client.take()
        assert heard.qos == 2
        assert sorted(heard.properties.subscription_identifiers) == [7, 7, 9]
        client.acknowledge(heard)
        client.expect(PublishReleased)
        client.expect_silence()

    def test_no_local(self, client: MqttPeer, other: MqttPeer, tree: str) -> None:
        """[MQTT-3.8.3-3]"""
        subscribe(client, FilterRequest(f"{tree}/a", 1, no_local=True))
        subscribe(client, FilterRequest(f"{tree}/b", 1))
        for topic in ("a", "b"):
            client.put(f"{tree}/{topic}", b"mine")
            other.put(f"{tree}/{topic}", b"others")
        found = sorted((one.topic_name[-1], one.payload) for one in (
            client.take(), client.take(), client.take()))  # fmt: skip
        assert found == [("a", b"others"), ("b", b"mine"), ("b", b"others")]
        client.expect_silence()

    def test_properties_pass(self, client: MqttPeer, other: MqttPeer, tree: str) -> None:
        """[MQTT-3.3.2-17] [MQTT-3.3.2-20]"""
        client.subscribe(f"{tree}/#")
        found = Properties({CONTENT_TYPE: "a/b"}, (("x", "1"), ("x", "2")))
        other.put(f"{tree}/a", b"", properties=found)
        heard = client.take().properties
        assert heard.text(CONTENT_TYPE) == "a/b"
        assert heard.user == (("x", "1"), ("x", "2"))

    def test_what_has_expired_is_not_sent(
        self, shared: BrokerProcess, other: MqttPeer, tree: str
    ) -> None:
        """[MQTT-3.3.2-5] [MQTT-3.3.2-6]"""
        settings = ConnectionSettings(receive_maximum=1)
        with mqtt_peer(shared.mqtt_port, settings=settings) as one:
            one.subscribe(f"{tree}/#")
            other.put(f"{tree}/a", b"1", properties=Properties({MESSAGE_EXPIRY_INTERVAL: 60}))
            other.put(f"{tree}/a", b"2", properties=Properties({MESSAGE_EXPIRY_INTERVAL: 1}))
            other.put(f"{tree}/a", b"3")
            heard = one.take()
            assert 0 < heard.properties.number(MESSAGE_EXPIRY_INTERVAL, 0) <= 60
            one.expect_silence(1.3)
            one.acknowledge(heard)
            assert one.take().payload == b"3"

    @pytest.mark.parametrize("qos", [0, 1, 2])
    def test_larger_than_the_client_takes(
        self, shared: BrokerProcess, other: MqttPeer, tree: str, qos: int
    ) -> None:
        """[MQTT-3.1.2-25]: dropped for it, and for nobody else."""
        small = ConnectionSettings(packet_bytes_max=1000)
        with mqtt_peer(shared.mqtt_port, settings=small) as one:
            for peer in (one, other):
                peer.subscribe(f"{tree}/#", qos=qos)
            other.put(f"{tree}/a", bytes(2000))
            assert len(other.take().payload) == 2000
            other.put(f"{tree}/a", b"small")
            assert one.take().payload == b"small"


def test_filters_that_cost_every_signal_too_much_are_refused(
    shared: BrokerProcess, client: MqttPeer, other: MqttPeer, tree: str
) -> None:
    """`+` at ever other places: a signal would look at each of them."""
    ways = ["/".join(one) for one in itertools.product(["a", "+"], repeat=10)]
    codes: list[int] = []
    for start in range(0, len(ways), 256):
        filters = [f"{tree}/{one}" for one in ways[start : start + 256]]
        codes += client.subscribe(*filters).suback.reason_codes
    assert set(codes) == {1, 0x97}
    refused = ways[codes.index(0x97)]
    told = client.subscribe(f"{tree}/{refused}").suback
    assert told.reason_codes == (0x97,)
    assert "'+' at too many different places" in (told.properties.text(REASON_STRING) or "")
    shared_one = client.subscribe(f"$share/g/{tree}/{refused}").suback
    assert shared_one.reason_codes == (0x97,)
    assert other.subscribe(f"{tree}/{refused}").suback.reason_codes == (
        1,
    )  # it is not others' fault
    assert client.subscribe(f"{tree}/x/y/z").suback.reason_codes == (1,)
    other.put(f"{tree}/x/y/z", b"still")
    assert client.take().payload == b"still"


def test_a_client_that_acknowledges_nothing_holds_up_nobody(
    shared: BrokerProcess, client: MqttPeer, other: MqttPeer, tree: str
) -> None:
    settings = ConnectionSettings(receive_maximum=1)
    with mqtt_peer(shared.mqtt_port, settings=settings) as slow:
        slow.subscribe(f"{tree}/#")
        client.subscribe(f"{tree}/#")
        first: Publish | None = None
        for number in range(1500):
            other.put(f"{tree}/a", b"%d" % number)
            heard = client.take()
            assert heard.payload == b"%d" % number
            client.acknowledge(heard)
            first = first or slow.take()
        assert first is not None
        slow.acknowledge(first)
        assert slow.take().payload == b"500"  # the oldest gave way to newer ones


def test_qos_0_costs_the_disk_nothing(tmp_path: Path) -> None:
    """docs/adr/0028: with nobody for whom it is stored, there is no fact."""
    with BrokerProcess(data_dir=tmp_path) as broker:
        with mqtt_peer(broker.mqtt_port) as one, mqtt_peer(broker.mqtt_port) as two:
            one.subscribe("a", qos=1)
            two.put("a", b"makes the built-in topic")
            one.acknowledge(one.take())
            end = journal_end(broker)
            for number in range(50):
                two.publish("a", b"%d" % number, 0)
                assert one.take().payload == b"%d" % number
            two.put("a", b"nor does this")
            assert one.take().payload == b"nor does this"
            assert journal_end(broker) == end


def journal_end(broker: BrokerProcess) -> int:
    operator = AmqpOperator(broker.amqp_port)
    found = operator.ask("peeklock:stats", "", {})
    operator.close()
    assert isinstance(found, dict)
    return int(found["journal_end"])
