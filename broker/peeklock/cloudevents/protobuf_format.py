"""Protobuf event format and batch (CloudEvents protobuf format 1.0).

A Timestamp has seconds and nanoseconds, and so an event's offset from UTC, and whether its
fraction was written with all its digits, does not survive this format. Whoever needs them takes
another: `transcode.write_exactly` does.
"""

from collections.abc import Iterable
from typing import Final

from peeklock.cloudevents.attribute import (
    INTEGER_MAX,
    INTEGER_MIN,
    AttributeValue,
    Kind,
    binary,
    boolean,
    bytes_of,
    integer,
    named,
    string,
    timestamp,
    uri,
    uri_reference,
)
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    binary_data,
    decoded,
    is_json_type,
    is_plain_json,
    proto_data,
    text_data,
    written_form,
)
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.protobuf_wire import (
    Field,
    bad_protobuf,
    bytes_field,
    fields,
    number_field,
    signed,
    text_of,
)
from peeklock.cloudevents.timestamps import from_seconds, instant
from peeklock.errors import InvalidEvent
from peeklock.limits import BATCH_MESSAGES_MAX

PROTOBUF_EVENT: Final = "application/cloudevents+protobuf"
PROTOBUF_BATCH: Final = "application/cloudevents-batch+protobuf"

# Fields of CloudEvent, by their numbers in the schema.
REQUIRED_FIELDS: Final = {1: "id", 2: "source", 3: "specversion", 4: "type"}
REQUIRED_NUMBERS: Final = {"id": 1, "source": 2, "specversion": 3, "type": 4}
ATTRIBUTES: Final = 5
BINARY_DATA: Final = 6
TEXT_DATA: Final = 7
PROTO_DATA: Final = 8

# Variants of CloudEventAttributeValue.
CE_BOOLEAN: Final = 1
CE_INTEGER: Final = 2
CE_STRING: Final = 3
CE_BYTES: Final = 4
CE_URI: Final = 5
CE_URI_REF: Final = 6
CE_TIMESTAMP: Final = 7


def read_protobuf(message: bytes) -> CloudEvent:
    """One event; raises `InvalidEvent`."""
    attributes: dict[str, AttributeValue] = {}
    payload: Field | None = None
    for field in fields(message):
        name = REQUIRED_FIELDS.get(field.number)
        if name is not None:
            attributes[name] = string(text_of(field, name))
        elif field.number == ATTRIBUTES:
            name, value = read_entry(field)
            if name in attributes:
                raise InvalidEvent(named(name), "twice; allowed is once")
            if value is not None:
                attributes[name] = value
        elif field.number in (BINARY_DATA, TEXT_DATA, PROTO_DATA):
            payload = field  # of a oneof, the last one counts
    content_type = attributes.get("datacontenttype")
    data = None
    if payload is not None:
        data = read_data(payload, None if content_type is None else content_type.text)
    return CloudEvent(attributes, data)


def read_protobuf_batch(message: bytes) -> list[CloudEvent | InvalidEvent]:
    """The events of a batch (§5); a wrong one stands there as its refusal."""
    events: list[CloudEvent | InvalidEvent] = []
    for field in fields(message):
        if field.number != 1:
            continue
        if len(events) == BATCH_MESSAGES_MAX:
            raise InvalidEvent(
                "event", f"a batch of more than {BATCH_MESSAGES_MAX} events; that is the limit"
            )
        try:
            events.append(read_protobuf(content_of(field)))
        except InvalidEvent as error:
            events.append(error)
    return events


def content_of(field: Field) -> bytes:
    if field.is_number:
        raise bad_protobuf(f"field {field.number} is a number")
    return field.content


def read_entry(entry: Field) -> tuple[str, AttributeValue | None]:
    """An entry of the map: name, and value; None for one that says nothing."""
    name = ""
    value: AttributeValue | None = None
    for field in fields(content_of(entry)):
        if field.number == 1:
            name = text_of(field, "event")
        elif field.number == 2:
            value = read_value(named(name), content_of(field))
    return name, value


def read_value(name: str, message: bytes) -> AttributeValue | None:
    """§2.4: the variant that is set, the last one if there are several."""
    value: AttributeValue | None = None
    for field in fields(message):
        number = field.number
        if number == CE_BOOLEAN and field.is_number:
            value = boolean(field.value != 0)
        elif number == CE_INTEGER and field.is_number:
            value = integer(signed(field.value, 32))
        elif number == CE_STRING:
            value = string(text_of(field, name))
        elif number == CE_BYTES and not field.is_number:
            value = binary(field.content)
        elif number == CE_URI:
            value = uri(text_of(field, name))
        elif number == CE_URI_REF:
            value = uri_reference(text_of(field, name))
        elif number == CE_TIMESTAMP and not field.is_number:
            value = timestamp(read_timestamp(name, field.content))
    return value


def read_timestamp(name: str, message: bytes) -> str:
    seconds = 0
    nanos = 0
    for field in fields(message):
        if field.number == 1 and field.is_number:
            seconds = signed(field.value, 64)
        elif field.number == 2 and field.is_number:
            nanos = signed(field.value, 32)
    text = from_seconds(seconds, nanos)
    if text is None:
        raise InvalidEvent(name, "a Timestamp outside of the years 1 to 9999, or of its second")
    return text


def read_data(field: Field, content_type: str | None) -> Data:
    """§3."""
    content = content_of(field)
    if field.number == BINARY_DATA:
        return binary_data(content)
    if field.number == TEXT_DATA:
        text = text_of(field, "data")
        if content_type is None or not is_json_type(content_type):
            return text_data(text, content_type)
        return Data(DataForm.JSON if is_plain_json(content) else DataForm.TEXT, content)
    type_url = ""
    value = b""
    for part in fields(content):
        if part.number == 1:
            type_url = text_of(part, "data")
        elif part.number == 2:
            value = content_of(part)
    return proto_data(type_url, value)


def write_protobuf(event: CloudEvent) -> bytes:
    """One event. Of timestamps it keeps the instant, to the nanosecond."""
    event = explicit(event)
    parts: list[bytes] = []
    for name, value in event.attributes.items():
        number = REQUIRED_NUMBERS.get(name)
        if number is not None:
            parts.append(bytes_field(number, value.text.encode()))
            continue
        entry = bytes_field(1, name.encode()) + bytes_field(2, write_value(value))
        parts.append(bytes_field(ATTRIBUTES, entry))
    if event.data is not None:
        parts.append(write_data(event.data, event.content_type))
    return b"".join(parts)


def write_protobuf_batch(events: Iterable[CloudEvent]) -> bytes:
    """§5."""
    return b"".join([bytes_field(1, write_protobuf(event)) for event in events])


def write_value(value: AttributeValue) -> bytes:
    kind = value.kind
    text = value.text
    if kind is Kind.BOOLEAN:
        return number_field(CE_BOOLEAN, 1 if text == "true" else 0)
    if kind is Kind.INTEGER:
        number = int(text)
        assert INTEGER_MIN <= number <= INTEGER_MAX, "an event's Integer"
        return number_field(CE_INTEGER, number)
    if kind is Kind.BINARY:
        return bytes_field(CE_BYTES, bytes_of(value))
    if kind is Kind.URI:
        return bytes_field(CE_URI, text.encode())
    if kind is Kind.URI_REFERENCE:
        return bytes_field(CE_URI_REF, text.encode())
    at = instant(text) if kind is Kind.TIMESTAMP else None
    if at is None:  # or a timestamp of the year 0, which protobuf has no number for
        return bytes_field(CE_STRING, text.encode())
    written = number_field(1, at[0]) if at[0] else b""
    if at[1]:
        written += number_field(2, at[1])
    return bytes_field(CE_TIMESTAMP, written)


def write_data(data: Data, content_type: str | None) -> bytes:
    if data.form is DataForm.PROTO:
        type_url = bytes_field(1, data.type_url.encode()) if data.type_url else b""
        value = bytes_field(2, data.content) if data.content else b""
        return bytes_field(PROTO_DATA, type_url + value)
    form = written_form(data, content_type)
    if form is DataForm.JSON:
        return bytes_field(TEXT_DATA, data.content)
    if form is DataForm.TEXT or data.form is DataForm.TEXT:
        text = decoded(data.content, content_type)
        if text is not None:  # a protobuf string is UTF-8, whatever the charset
            return bytes_field(TEXT_DATA, text.encode())
    return bytes_field(BINARY_DATA, data.content)
