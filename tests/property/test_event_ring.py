"""Events go around a ring of all protocols and modes, and come back as they were."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.amqp_binding import AmqpParts, read_amqp_binary
from peeklock.cloudevents.attribute import AttributeValue, Kind
from peeklock.cloudevents.avro_format import read_avro, write_avro
from peeklock.cloudevents.event import CloudEvent, same_types
from peeklock.cloudevents.http_binding import HttpParts, read_http_batch, read_http_binary
from peeklock.cloudevents.json_format import read_json, read_json_batch, write_json
from peeklock.cloudevents.mqtt_binding import Mqtt311Parts, MqttParts, read_mqtt_binary
from peeklock.cloudevents.protobuf_format import (
    read_protobuf,
    read_protobuf_batch,
    write_protobuf,
)
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.timestamps import milliseconds
from peeklock.cloudevents.transcode import (
    Form,
    Hop,
    Parts,
    mode_of,
    read_parts,
    transcode,
    write_exactly,
)
from peeklock.errors import InvalidEvent
from tests.support.events import ALL_WAYS, events, over_the_wire, values

PLAIN_KINDS = (Kind.BOOLEAN, Kind.INTEGER, Kind.STRING)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-specversion", "CE-Time", "ce-x"])
        | st.just("content-type")
        | st.text(max_size=5).map("ce-".__add__),
        st.text(max_size=12) | st.sampled_from(['"a\\"b"', '"', "%", "%C0%A0", "%20", "1.0"]),
    ),
    max_size=8,
)


@given(events(), st.permutations(ALL_WAYS))
def test_around_the_ring(event: CloudEvent, ways: list[tuple[Hop, Form]]) -> None:
    """Each hop reads what the one before has written, and writes it in its own way."""
    now = event
    for hop, form in ways:
        parts = over_the_wire(write_exactly(now, hop, form))
        now = read_parts(parts)
        assert event.says_the_same_as(now), (hop, form)


@given(events(), st.permutations(ALL_WAYS))
def test_around_the_ring_as_a_broker_forwards(
    event: CloudEvent, ways: list[tuple[Hop, Form]]
) -> None:
    """The same with `transcode`, which passes on unread what stays in its protocol."""
    parts: Parts = write_exactly(event, *ways[0])
    for hop, form in ways[1:]:
        [parts] = transcode(over_the_wire(parts), hop, form)
    assert event.says_the_same_as(read_parts(parts))


@given(
    events(values.filter(lambda value: value.kind in PLAIN_KINDS and value.text != "-0")),
    st.permutations(ALL_WAYS),
)
def test_booleans_integers_and_strings_keep_their_types_everywhere(
    event: CloudEvent, ways: list[tuple[Hop, Form]]
) -> None:
    now = event
    for hop, form in ways:
        now = read_parts(over_the_wire(write_exactly(now, hop, form, keep_types=True)))
        assert same_types(event, now), (hop, form)
        assert event.says_the_same_as(now), (hop, form)


def is_exact_everywhere(value: AttributeValue) -> bool:
    plain_time = value.kind is not Kind.TIMESTAMP or milliseconds(value.text) is not None
    return value.text != "-0" and plain_time


@given(
    events(values.filter(is_exact_everywhere)).filter(
        lambda event: event.text("time") is None or milliseconds(event.text("time") or "")
    ),
    st.permutations([way for way in ALL_WAYS if way[0] is not Hop.MQTT_311]),
)
def test_all_types_are_kept_where_protobuf_may_be_written(
    event: CloudEvent, ways: list[tuple[Hop, Form]]
) -> None:
    now = event
    for hop, form in ways:
        now = read_parts(over_the_wire(write_exactly(now, hop, form, keep_types=True)))
        assert same_types(event, now), (hop, form)
        assert event.says_the_same_as(now), (hop, form)


@given(events())
def test_a_format_is_read_as_it_was_written(event: CloudEvent) -> None:
    assert event.says_the_same_as(read_json(write_json(event)))
    for again in (read_protobuf(write_protobuf(event)), read_avro(write_avro(event))):
        assert (again.data is None) == (event.data is None)
        assert set(event.attributes) <= set(again.attributes)


def read_or_refused(read: Callable[[Any], Any], what: object) -> Any:
    """None: refused, with the name of what is wrong."""
    try:
        return read(what)
    except InvalidEvent as error:
        if not error.attribute or not error.what:
            raise AssertionError("a refusal that says nothing") from error
    return None


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    for read in (read_json, read_protobuf, read_avro, read_json_batch, read_protobuf_batch):
        read_or_refused(read, document)
    mode_of(Mqtt311Parts(document))


@given(events(), st.data())
def test_damaged_documents_are_read_or_refused(event: CloudEvent, data: st.DataObject) -> None:
    """What is read of them can be written again."""
    for write, read in (
        (write_json, read_json),
        (write_protobuf, read_protobuf),
        (write_avro, read_avro),
    ):
        document = bytearray(write(event))
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(document) - 1))
            document[at] = data.draw(st.integers(0, 255))
        again = read_or_refused(read, bytes(document))
        if again is not None:
            for hop, form in ALL_WAYS:
                write_exactly(again, hop, form)


@given(HEADERS, st.binary(max_size=5))
def test_any_headers_are_read_or_refused(headers: list[tuple[str, str]], body: bytes) -> None:
    parts = HttpParts(headers, body)
    mode_of(parts)
    for read in (read_http_binary, read_http_batch, read_parts):
        read_or_refused(read, parts)


@given(
    st.dictionaries(
        st.sampled_from(["cloudEvents:id", "cloudEvents_id", "cloudEvents:source", "x"])
        | st.text(max_size=3).map("cloudEvents:".__add__),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=9)
        | st.binary(max_size=9)
        | st.lists(st.integers(), max_size=1),
    ),
    st.none() | st.text(max_size=9),
)
def test_any_properties_are_read_or_refused(
    properties: dict[str, object], content_type: str | None
) -> None:
    amqp = AmqpParts(content_type, properties, b"x")
    mqtt = MqttParts(
        content_type, [(key[12:], str(value)) for key, value in properties.items()], b"x"
    )
    for parts, read in ((amqp, read_amqp_binary), (mqtt, read_mqtt_binary)):
        assert isinstance(mode_of(parts), ContentMode)
        assert read_or_refused(read, parts) is None
