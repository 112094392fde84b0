"""CloudEvents by PUBLISH: right ones in AMQP, and the same again for whoever subscribes."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp
from peeklock.cloudevents.attribute import integer
from peeklock.cloudevents.data import json_data, text_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.json_format import read_json, write_json
from peeklock.cloudevents.mqtt_binding import (
    MqttParts,
    mqtt_mode,
    read_mqtt,
    write_mqtt_binary,
    write_mqtt_structured,
)
from peeklock.cloudevents.structured import ContentMode, EventFormat
from peeklock.cloudevents.timestamps import from_milliseconds
from peeklock.cloudevents.transcode import Form, Hop, write_exactly
from peeklock.entities.queue import Queue
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidEvent, InvalidRequest
from peeklock.frontends.amqp_event import bare_of, parts_of
from peeklock.frontends.amqp_message import PARTITION_KEY, annotations_of
from peeklock.frontends.mqtt_message import contents_of, submission_of_publish
from peeklock.limits import MQTT_EVENT_BYTES_MAX
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.sections import (
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
)
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    MESSAGE_EXPIRY_INTERVAL,
    PAYLOAD_FORMAT_INDICATOR,
    Properties,
    PropertyValue,
)
from peeklock.protocols.mqtt.publish import Publish
from tests.support.events import event, events
from tests.support.house import House

JSON_EVENT = "application/cloudevents+json"
REQUIRED = (("specversion", "1.0"), ("id", "7"), ("source", "/a"), ("type", "t"))
OTHERS = st.sampled_from(["X-a", "x_b", "é", "cloudEvents:id", "cloudEvents_x", ""])
VERSIONS = st.sampled_from(["3.1.1", "5"])


def packet(parts: MqttParts, **more: int) -> Publish:
    values: dict[int, PropertyValue] = {}
    if parts.content_type is not None:
        values[CONTENT_TYPE] = parts.content_type
    if "utf8" in more:
        values[PAYLOAD_FORMAT_INDICATOR] = more["utf8"]
    if "expiry" in more:
        values[MESSAGE_EXPIRY_INTERVAL] = more["expiry"]
    return Publish(
        "a/b", parts.payload, 1, properties=Properties(values, parts.user_properties)
    )


def taken(
    publish: Publish, *, is_v5: bool = True, entity: Queue | Topic | None = None
) -> Message:
    house = House()
    given_in = house.queue() if entity is None else entity
    submission = submission_of_publish(
        publish, "a/b", given_in, house.ids, house.now, is_v5=is_v5
    )
    return submission.message


def told(message: Message, *, is_v5: bool = True) -> MqttParts:
    payload, found = contents_of(message.bare, message, is_v5=is_v5)
    return MqttParts(found.text(CONTENT_TYPE), found.user, payload)


def event_in(message: Message) -> CloudEvent:
    """As an AMQP receiver reads it."""
    parts = parts_of(message.bare)
    assert amqp_mode(parts) in (ContentMode.BINARY, ContentMode.STRUCTURED)
    return read_amqp(parts)


def same(one: MqttParts, two: MqttParts) -> bool:
    return (one.content_type, one.user_properties, one.payload) == (
        two.content_type,
        two.user_properties,
        two.payload,
    )


class TestEveryEvent:
    @given(events(), st.sampled_from(Form), st.lists(st.tuples(OTHERS, st.text(max_size=3))))
    def test_over_mqtt_5(
        self, sent: CloudEvent, form: Form, others: list[tuple[str, str]]
    ) -> None:
        parts = cast(MqttParts, write_exactly(sent, Hop.MQTT, form))
        others = [(name, text.replace("\0", "")) for name, text in others]
        parts = MqttParts(parts.content_type, [*others, *parts.user_properties], parts.payload)
        message = taken(packet(parts))
        assert sent.says_the_same_as(event_in(message))
        again = told(message)
        assert sent.says_the_same_as(read_mqtt(again))
        if parts.content_type is None or parts.content_type.isascii():
            assert same(again, parts), "to the letter"
        assert sent.says_the_same_as(read_json(told(message, is_v5=False).payload))

    @given(events())
    def test_over_mqtt_3_1_1(self, sent: CloudEvent) -> None:
        document = b" " + write_json(sent)
        message = taken(Publish("a/b", document), is_v5=False)
        assert sent.says_the_same_as(event_in(message))
        assert told(message, is_v5=False).payload == document
        assert same(told(message), MqttParts(JSON_EVENT, (), document))

    @given(events(), st.sampled_from(Form))
    def test_from_amqp(self, sent: CloudEvent, form: Form) -> None:
        parts = cast(AmqpParts, write_exactly(sent, Hop.AMQP, form))
        message = Message(bare_of(parts))
        again = told(message)
        assert sent.says_the_same_as(read_mqtt(again))
        if amqp_mode(parts) is ContentMode.STRUCTURED:
            assert (again.content_type, again.payload) == (parts.content_type, parts.body)
        assert sent.says_the_same_as(read_json(told(message, is_v5=False).payload))


NAMES = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "x", "X", "cloudEvents:id", "data"]
)
TEXTS = st.sampled_from(
    ["1.0", "1", "/a", "2018-04-05T17:31:00Z", "2018-04-05T17:31:00.5Z", ""]
)
CONTENT_TYPES = st.none() | st.sampled_from(
    ["text/plain", JSON_EVENT, "application/cloudevents+avro", "application/cloudevents", "x"]
)


@given(
    st.lists(st.tuples(NAMES, TEXTS), max_size=8),
    st.booleans(),
    CONTENT_TYPES,
    st.binary(max_size=3) | st.just(write_json(event())),
)
def test_any_packet_is_refused_or_reaches_its_version_as_it_came(
    user: list[tuple[str, str]], is_claimed: bool, content_type: str | None, payload: bytes
) -> None:
    if is_claimed:
        user = [*REQUIRED, *user]
    parts = MqttParts(content_type, user, payload)
    try:
        message = taken(packet(parts))
    except InvalidEvent:
        return
    assert same(told(message), parts)


class TestIn:
    def test_what_the_broker_acts_upon(self) -> None:
        house = House()
        queue = house.queue()
        sent = event(subject="room", partitionkey="p", expirytime="2099-01-01T00:00:00Z")
        for parts, is_v5 in (
            (write_mqtt_binary(sent), True),
            (write_mqtt_structured(sent, EventFormat.AVRO), True),
            (MqttParts(None, (), write_json(sent)), False),
        ):
            publish = packet(parts)
            message = taken(publish, is_v5=is_v5, entity=queue)
            properties = read_properties(message.bare)
            assert properties is not None
            assert properties.message_id == "/site/berlin A234-1234"
            assert properties.subject == "room"
            assert annotations_of(message)[PARTITION_KEY] == "p"
            assert message.ttl_ms == NO_TTL  # beyond 49 days

    def test_a_signals_subject_is_its_name(self) -> None:
        house = House()
        message = taken(
            packet(write_mqtt_binary(event(subject="room"))), entity=house.topic("a")
        )
        properties = read_properties(message.bare)
        assert properties is not None
        assert properties.subject == "a/b"
        assert event_in(message).text("subject") == "room"

    def test_it_expires_with_the_first_of_both(self) -> None:
        house = House()
        at = from_milliseconds(house.now + 10_000) or ""
        for expiry, ttl_ms in ((5, 5_000), (60, 10_000)):
            parts = write_mqtt_binary(event(expirytime=at))
            assert taken(packet(parts, expiry=expiry)).ttl_ms == ttl_ms
        assert taken(packet(write_mqtt_binary(event()), expiry=60)).ttl_ms == 60_000

    def test_what_is_said_of_its_payload(self) -> None:
        parts = write_mqtt_binary(event(text_data("é")))
        message = taken(packet(parts, utf8=1))
        assert read_body(message.bare) == read_body(bare_of(AmqpParts(None, {}, "é".encode())))
        _payload, found = contents_of(message.bare, message, is_v5=True)
        assert found.number(PAYLOAD_FORMAT_INDICATOR, 0) == 1
        wrong = MqttParts(None, REQUIRED, b"\xff")
        with pytest.raises(InvalidRequest, match="UTF-8"):
            taken(packet(wrong, utf8=1))

    @pytest.mark.parametrize(
        ("parts", "attribute"),
        [
            (MqttParts(None, (*REQUIRED, ("time", "yesterday")), b""), "time"),
            (MqttParts(None, (*REQUIRED, ("subject", "")), b""), "subject"),
            (MqttParts(None, (*REQUIRED, ("note", "a\nb")), b""), "note"),
            (MqttParts("no type", REQUIRED, b""), "datacontenttype"),
            (MqttParts(None, (*REQUIRED, ("expirytime", "1969-01-01T00:00:00Z")), b""), "exp"),
            (MqttParts(JSON_EVENT, (), b"{}"), "specversion"),
            (MqttParts(JSON_EVENT, REQUIRED, b""), "event"),
            (MqttParts("application/cloudevents+protobuf", (), b"x"), "event"),
        ],
    )
    def test_a_wrong_one_is_refused(self, parts: MqttParts, attribute: str) -> None:
        with pytest.raises(InvalidEvent, match=f"CloudEvents {attribute}"):
            taken(packet(parts))

    @pytest.mark.parametrize(
        ("document", "attribute"),
        [
            (b'{"specversion":"1.0","id":"","source":"/a","type":"t"}', "id"),
            (b'{"specversion":"1.0","id":"1","source":null,"type":"t"}', "source"),
            (b'{"specversion":"1.0","id":"1","id":"1","source":"/a","type":"t"}', "id"),
            (b'{"specversion":"1.0","id":"1","source":"/a","type":"t","A":1}', "'A'"),
        ],
    )
    def test_a_wrong_one_of_3_1_1_is_refused(self, document: bytes, attribute: str) -> None:
        with pytest.raises(InvalidEvent, match=f"CloudEvents {attribute}"):
            taken(Publish("a/b", document), is_v5=False)

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"21.5",
            b"{}",
            b'{"specversion":"1.0"}',
            b'{"specversion":"1.0","id":"","source":"/a"}',
            b'[{"specversion":"1.0","id":"1","source":"/a","type":"t"}]',
            b'{"specversion":"1.0","id":"1","source":"/a","type":"t"',
            b'"specversion"',
        ],
    )
    def test_what_is_none_passes(self, payload: bytes) -> None:
        for is_v5 in (True, False):
            message = taken(Publish("a/b", payload), is_v5=is_v5)
            found = read_properties(message.bare)
            assert found is not None
            assert found.content_type is None
            for version in (True, False):
                assert same(told(message, is_v5=version), MqttParts(None, (), payload))

    @pytest.mark.parametrize(
        "parts",
        [
            MqttParts(None, REQUIRED[:3], b"x"),
            MqttParts(None, (*REQUIRED, ("id", "8")), b"x"),
            MqttParts("application/cloudevents+cbor", (), b"x"),
            MqttParts("application/cloudevents-batch+json", (), b"[{}]"),
            MqttParts("application/json", (), write_json(event())),
            MqttParts(None, [("cloudEvents:" + name, text) for name, text in REQUIRED], b"x"),
        ],
    )
    def test_what_is_none_to_mqtt_5_passes(self, parts: MqttParts) -> None:
        message = taken(packet(parts))
        assert same(told(message), parts)

    def test_long_documents_pass_unread(self) -> None:
        spaces = b" " * MQTT_EVENT_BYTES_MAX
        assert same(
            told(taken(packet(MqttParts(JSON_EVENT, (), spaces + b"{}")))),
            MqttParts(JSON_EVENT, (), spaces + b"{}"),
        )
        document = spaces + write_json(event())
        message = taken(Publish("a/b", document), is_v5=False)
        assert amqp_mode(parts_of(message.bare)) is ContentMode.PLAIN
        assert told(message, is_v5=False).payload == document


class TestOut:
    def test_long_data_is_not_looked_through(self) -> None:
        sent = event(
            json_data(b'"%s"' % (b"x" * MQTT_EVENT_BYTES_MAX)), datacontenttype="text/json"
        )
        message = taken(packet(write_mqtt_binary(sent)))
        document = told(message, is_v5=False).payload
        assert b'"data_base64"' in document
        assert sent.says_the_same_as(read_json(document))
        assert same(told(message), write_mqtt_binary(sent))

    def test_a_property_that_would_be_an_attribute(self) -> None:
        """Beside an event in binary mode it would become one."""
        sent = event(level=integer(5))
        for name, mode in (("color", ContentMode.STRUCTURED), ("Color", ContentMode.BINARY)):
            parts = cast(AmqpParts, write_exactly(sent, Hop.AMQP))
            given = AmqpParts(parts.content_type, {name: "red", **parts.properties}, parts.body)
            again = told(Message(bare_of(given)))
            assert mqtt_mode(again) is mode
            assert sent.says_the_same_as(read_mqtt(again))
            assert again.user_properties[0] == (name, "red")

    def test_an_action_has_changed_it(self) -> None:
        """What came with it is told no more, where that is another thing now."""
        parts = MqttParts(None, (*REQUIRED, ("X", "1"), ("X", "2")), b"")
        message = taken(packet(parts))
        properties = read_application_properties(message.bare)
        properties["cloudEvents:type"] = "other"
        bare = encode_bare(read_properties(message.bare), properties, read_body(message.bare))
        again = told(Message(bare, message.annotations))
        assert again.user_properties == (*REQUIRED[:3], ("type", "other"), ("X", "1"))

    def test_an_event_of_amqp_that_is_wrong_goes_as_it_is(self) -> None:
        given = {"cloudEvents:" + name: text for name, text in REQUIRED}
        given["cloudEvents:time"] = "yesterday"
        message = Message(bare_of(AmqpParts("text/plain", dict(given), b"x")))
        assert same(told(message), MqttParts("text/plain", given.items(), b"x"))
        assert told(message, is_v5=False).payload == b"x"

    def test_datacontenttype_as_a_user_property(self) -> None:
        """npm's SDK writes it so, against the binding's rule; it reads nothing else."""
        parts = MqttParts(
            "application/json", (*REQUIRED, ("datacontenttype", "text/plain")), b"{}"
        )
        message = taken(packet(parts))
        assert event_in(message).content_type == "application/json"
        assert same(told(message), parts)
