"""CloudEvents over MQTT in a running broker: from and to AMQP, HTTP, and the other version."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp, write_amqp_binary
from peeklock.cloudevents.attribute import boolean, integer
from peeklock.cloudevents.data import Data, DataForm, binary_data, json_data, text_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    HttpParts,
    read_http,
    write_http_binary,
    write_http_structured,
)
from peeklock.cloudevents.json_format import read_json, write_json
from peeklock.cloudevents.mqtt_binding import (
    MqttParts,
    mqtt_mode,
    read_mqtt,
    write_mqtt_binary,
    write_mqtt_structured,
)
from peeklock.cloudevents.structured import ContentMode, EventFormat
from peeklock.cloudevents.transcode import Form, Hop, write_exactly
from peeklock.frontends.amqp_event import bare_of, parts_of
from peeklock.protocols.amqp10.sections import Properties as AmqpProperties
from peeklock.protocols.amqp10.sections import read_properties
from peeklock.protocols.mqtt.events import PublishAcknowledged
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    MESSAGE_EXPIRY_INTERVAL,
    REASON_STRING,
    SESSION_EXPIRY_INTERVAL,
    Properties,
    PropertyValue,
)
from peeklock.protocols.mqtt.publish import Publish
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_http_events import make_topic, post

NUMBERS = itertools.count(1)
JSON_EVENT = "application/cloudevents+json"
TIME = "2018-04-05T17:31:00.120000+02:00"
EVENTS = [
    event(),
    event(json_data(b'{"b":1.10,"a":1e400}'), datacontenttype="application/json", time=TIME),
    event(text_data("grün"), subject="Zimmer ü", datacontenttype="text/plain"),
    event(binary_data(b"\0\xff"), datacontenttype="image/png", partitionkey="p"),
    event(Data(DataForm.PAYLOAD, b""), datacontenttype="text/plain"),
    event(json_data(b"null"), datacontenttype="application/json"),
]


@pytest.fixture
def topic(shared: BrokerProcess) -> str:
    """With a subscription `erp`."""
    name = f"events-{next(NUMBERS)}"
    make_topic(HttpPeer(shared), name)
    return name


@pytest.fixture
def old(shared: BrokerProcess) -> Iterator[MqttPeer]:
    with mqtt_peer(shared.mqtt_port, v5=False) as one:
        yield one


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


def properties_of(parts: MqttParts) -> Properties:
    values: dict[int, PropertyValue] = {}
    if parts.content_type is not None:
        values[CONTENT_TYPE] = parts.content_type
    return Properties(values, parts.user_properties)


def put(peer: MqttPeer, name: str, parts: MqttParts) -> None:
    peer.put(name, parts.payload, properties=properties_of(parts))


def parts_in(publish: Publish) -> MqttParts:
    found = publish.properties
    return MqttParts(found.text(CONTENT_TYPE), found.user, publish.payload)


def take(peer: MqttPeer) -> MqttParts:
    publish = peer.take()
    if publish.qos:
        peer.acknowledge(publish)
    return parts_in(publish)


def by_amqp(peer: AmqpPeer, address: str) -> AmqpParts:
    peer.attach_receiver(address, 9, credit=1)
    return parts_of(peer.receive()[1].bare)


def by_http(peer: HttpPeer, entity: str, accept: str = "*/*") -> CloudEvent:
    got = peer.ask("DELETE", f"/{entity}/events/head?timeout=0", Accept=accept)
    assert got.status == 200
    return read_http(HttpParts(got.headers.items(), got.body))


@pytest.mark.parametrize("sent", EVENTS, ids=lambda sent: str(sent.data))
class TestCrossing:
    @pytest.mark.parametrize("form", Form)
    def test_from_mqtt_5(
        self,
        client: MqttPeer,
        old: MqttPeer,
        ready: AmqpPeer,
        http: HttpPeer,
        topic: str,
        sent: CloudEvent,
        form: Form,
    ) -> None:
        parts = cast(MqttParts, write_exactly(sent, Hop.MQTT, form))
        for peer in (client, old):
            peer.subscribe(f"{topic}/#", qos=0)
        for _ in range(2):
            put(client, f"{topic}/a/b", parts)
        again = take(client)
        assert (again.content_type, again.user_properties, again.payload) == (
            parts.content_type,
            parts.user_properties,
            parts.payload,
        )
        assert sent.says_the_same_as(read_json(take(old).payload))
        in_amqp = by_amqp(ready, f"{topic}/Subscriptions/erp")
        assert amqp_mode(in_amqp) is mqtt_mode(parts)
        assert sent.says_the_same_as(read_amqp(in_amqp))
        assert sent.says_the_same_as(by_http(http, f"{topic}/subscriptions/erp"))

    def test_from_mqtt_3_1_1(
        self,
        client: MqttPeer,
        old: MqttPeer,
        ready: AmqpPeer,
        http: HttpPeer,
        topic: str,
        sent: CloudEvent,
    ) -> None:
        document = write_json(sent)
        for peer in (client, old):
            peer.subscribe(f"{topic}/#", qos=0)
        for _ in range(2):
            old.put(f"{topic}/a", document)
        again = take(client)
        assert (again.content_type, again.payload) == (JSON_EVENT, document)
        assert take(old).payload == document
        in_amqp = by_amqp(ready, f"{topic}/Subscriptions/erp")
        assert sent.says_the_same_as(read_amqp(in_amqp))
        assert sent.says_the_same_as(by_http(http, f"{topic}/subscriptions/erp"))

    def test_from_amqp_and_http(
        self,
        client: MqttPeer,
        old: MqttPeer,
        ready: AmqpPeer,
        http: HttpPeer,
        topic: str,
        sent: CloudEvent,
    ) -> None:
        for peer in (client, old):
            peer.subscribe(f"{topic}/#")
        ready.attach_sender(topic)
        for number, form in enumerate(Form):
            parts = cast(AmqpParts, write_exactly(sent, Hop.AMQP, form))
            ready.transfer(number, bare_of(parts))
            ready.hear_accepted(number, number)
            again = take(client)
            assert mqtt_mode(again) is amqp_mode(parts)
            assert sent.says_the_same_as(read_mqtt(again))
            assert sent.says_the_same_as(read_json(take(old).payload))
        for given in (write_http_binary, write_http_structured):
            assert post(http, topic, given(sent)).status == 202
            assert sent.says_the_same_as(read_mqtt(take(client)))
            assert sent.says_the_same_as(read_json(take(old).payload))

    def test_jobs(
        self, client: MqttPeer, old: MqttPeer, http: HttpPeer, queue: str, sent: CloudEvent
    ) -> None:
        assert post(http, queue, write_http_binary(sent)).status == 202
        client.subscribe(f"$queue/{queue}")
        assert sent.says_the_same_as(read_mqtt(take(client)))
        client.unsubscribe(f"$queue/{queue}")
        old.subscribe(f"$queue/{queue}")
        put(client, f"$queue/{queue}", write_mqtt_binary(sent))
        assert sent.says_the_same_as(read_json(take(old).payload))


class TestTypes:
    def test_documents_keep_them(self, client: MqttPeer, ready: AmqpPeer, topic: str) -> None:
        sent = event(level=integer(5), fresh=boolean(True))
        put(client, topic, write_mqtt_structured(sent))
        assert read_amqp(by_amqp(ready, f"{topic}/Subscriptions/erp")) == sent

    def test_binary_mode_has_texts(self, client: MqttPeer, ready: AmqpPeer, topic: str) -> None:
        """As the binding says; `time` is AMQP's own timestamp again."""
        sent = event(level=integer(5), time="2018-04-05T17:31:00Z")
        client.subscribe(topic)
        ready.attach_sender(topic)
        ready.transfer(0, bare_of(write_amqp_binary(sent)))
        ready.hear_accepted(0, 0)
        put(client, topic, take(client))
        take(client)
        ready.attach_receiver(f"{topic}/Subscriptions/erp", 9, credit=2)
        first, second = (parts_of(ready.receive()[1].bare) for _ in range(2))
        assert first.properties["cloudEvents:level"] == 5
        assert second.properties["cloudEvents:level"] == "5"
        assert first.properties["cloudEvents:time"] == second.properties["cloudEvents:time"]


class TestSessions:
    @pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
    def test_what_waits_is_converted_when_it_is_sent(
        self, shared: BrokerProcess, http: HttpPeer, topic: str, v5: bool
    ) -> None:
        given: dict[str, Any] = {"client_id": topic, "v5": v5, "clean_start": False}
        if v5:
            given["properties"] = Properties({SESSION_EXPIRY_INTERVAL: 3600})
        with mqtt_peer(shared.mqtt_port, **given) as one:
            one.subscribe(f"{topic}/#")
        for sent in EVENTS:
            assert post(http, topic, write_http_binary(sent)).status == 202
        with mqtt_peer(shared.mqtt_port, **given, has_session=True) as one:
            for sent in EVENTS:
                found = take(one)
                got = read_mqtt(found) if v5 else read_json(found.payload)
                assert sent.says_the_same_as(got)


class TestRefusals:
    WRONG = write_mqtt_binary(event(type="t")).user_properties

    def test_in_mqtt_5(self, client: MqttPeer, topic: str) -> None:
        wrong = Properties(None, (*self.WRONG, ("time", "yesterday")))
        client.publish(f"{topic}/a", b"", 1, properties=wrong)
        answer = client.expect(PublishAcknowledged)
        assert answer.reason_code == 0x83
        why = answer.properties.text(REASON_STRING)
        assert why is not None
        assert why.startswith("CloudEvents time: 'yesterday' is no Timestamp")
        client.publish(f"{topic}/a", b"", 2, properties=wrong)
        client.publish(f"{topic}/a", b"", 0, properties=wrong)
        document = Properties({CONTENT_TYPE: JSON_EVENT})
        client.publish(f"{topic}/a", b'{"id":"1"}', 1, properties=document)
        answers = [client.expect(PublishAcknowledged) for _ in range(2)]
        assert [one.reason_code for one in answers] == [0x83, 0x83]
        assert "specversion" in (answers[1].properties.text(REASON_STRING) or "")
        client.put(f"{topic}/a", b"the connection goes on")

    def test_in_mqtt_3_1_1(self, shared: BrokerProcess, old: MqttPeer, topic: str) -> None:
        document = b'{"specversion":"1.0","id":"","source":"/a","type":"t"}'
        old.put(topic, document[:-1], b"{}", b'{"specversion":"1.0"}')
        old.publish(topic, document, 0)
        old.put(topic, b"the connection goes on")
        old.publish(topic, document)
        old.expect_closed()

    def test_one_that_has_expired(self, client: MqttPeer, topic: str) -> None:
        late = event(expirytime="2018-04-05T17:31:00Z")
        client.publish(topic, b"", 1, properties=properties_of(write_mqtt_binary(late)))
        answer = client.expect(PublishAcknowledged)
        assert "expirytime" in (answer.properties.text(REASON_STRING) or "")


class TestBeside:
    def test_what_the_broker_acts_upon(
        self, client: MqttPeer, ready: AmqpPeer, topic: str
    ) -> None:
        at = datetime.now(UTC) + timedelta(seconds=60)
        sent = event(expirytime=at.isoformat(), subject="room")
        client.subscribe(f"{topic}/#")
        put(client, f"{topic}/a", write_mqtt_structured(sent, EventFormat.PROTOBUF))
        publish = client.take()
        assert 50 < publish.properties.number(MESSAGE_EXPIRY_INTERVAL, 0) <= 60
        ready.attach_receiver(f"{topic}/Subscriptions/erp", 9, credit=1)
        message = ready.receive()[1]
        found = read_properties(message.bare)
        assert found is not None
        assert found.message_id == "/site/berlin A234-1234"
        assert found.subject == "a"

    def test_duplicates_are_found(
        self, client: MqttPeer, ready: AmqpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, duplicate_window_ms=60_000)
        for id_ in ("1", "1", "2"):
            put(client, f"$queue/{queue}", write_mqtt_binary(event(id=id_)))
        ready.attach_receiver(queue, 9, credit=3)
        found = [read_amqp(parts_of(ready.receive()[1].bare)).id for _ in range(2)]
        assert found == ["1", "2"]
        ready.expect_silence()

    def test_user_properties_that_are_no_attributes(
        self, client: MqttPeer, ready: AmqpPeer, topic: str
    ) -> None:
        parts = write_mqtt_binary(event(), [("X", "1"), ("X", "2")])
        client.subscribe(f"{topic}/#")
        put(client, topic, parts)
        assert take(client).user_properties == parts.user_properties
        assert by_amqp(ready, f"{topic}/Subscriptions/erp").properties["X"] == "1"

    def test_properties_of_amqp(self, client: MqttPeer, ready: AmqpPeer, topic: str) -> None:
        sent = event(text_data("x"), datacontenttype="text/plain")
        client.subscribe(f"{topic}/#")
        ready.attach_sender(topic)
        own = AmqpProperties(subject="a", correlation_id="c")
        ready.transfer(0, bare_of(write_amqp_binary(sent, {"Color": "red"}), own))
        publish = client.take()
        assert publish.topic_name == f"{topic}/a"
        assert publish.properties.user[-1] == ("Color", "red")
        found = read_mqtt(parts_in(publish))
        assert found.says_the_same_as(sent)
        assert mqtt_mode(parts_in(publish)) is ContentMode.BINARY
