"""Avro event format (CloudEvents Avro format 1.0): one record, in Avro's binary encoding.

The record is a map of attributes and a union for the data, whose members have the numbers that
are below. Its numbers are doubles, and its arrays and inner objects can hold no plain value. So
JSON goes as itself only where it is a truth value, a string or a number that comes out as it
went in; all other JSON goes as its text, in bytes, with a `datacontenttype` that says so.
"""

from struct import Struct
from typing import Final, final

import orjson

from peeklock.cloudevents.attribute import (
    AttributeValue,
    Kind,
    binary,
    boolean,
    bytes_of,
    integer,
    named,
    untyped,
)
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    decoded,
    is_json_type,
    json_string,
    payload_data,
    text_data,
    written_form,
)
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.protobuf_wire import write_varint
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_ATTRIBUTES_MAX, EVENT_AVRO_DEPTH_MAX, EVENT_ITEMS_MAX

AVRO_EVENT: Final = "application/cloudevents+avro"

# Members of an attribute's union.
NULL: Final = 0
BOOLEAN: Final = 1
INT: Final = 2
STRING: Final = 3
BYTES: Final = 4

# Members of the data's union, of an object's in it, and of CloudEventData's.
DATA_UNION: Final = ("bytes", "null", "boolean", "object", "array", "double", "string")
OBJECT_UNION: Final = ("null", "boolean", "record", "double", "string")
RECORD_UNION: Final = ("null", "boolean", "records", "array", "double", "string")

DOUBLE: Final = Struct("<d")
VARINT_BYTES_MAX: Final = 10


def read_avro(record: bytes) -> CloudEvent:
    """One event; raises `InvalidEvent`."""
    reader = AvroReader(record)
    attributes = reader.attributes()
    content_type = attributes.get("datacontenttype")
    data = reader.data(None if content_type is None else content_type.text)
    if reader.at != len(record):
        raise bad_avro("bytes behind the record")
    return CloudEvent(attributes, data)


def bad_avro(what: str) -> InvalidEvent:
    return InvalidEvent("event", f"no Avro record of a CloudEvent: {what}")


@final
class AvroReader:
    """Reads one record from its beginning."""

    __slots__ = ("_items", "_record", "at")

    def __init__(self, record: bytes) -> None:
        self._record: Final = record
        self._items = 0
        self.at = 0

    def attributes(self) -> dict[str, AttributeValue]:
        found: dict[str, AttributeValue] = {}
        items = self._items_of_blocks()
        while items.more():
            name = self._text("event")
            if name in found:
                raise InvalidEvent(named(name), "twice; allowed is once")
            value = self._attribute(named(name))
            if value is not None:
                found[name] = value
            if len(found) > EVENT_ATTRIBUTES_MAX:
                raise InvalidEvent(
                    "event", f"more attributes than {EVENT_ATTRIBUTES_MAX}, which are allowed"
                )
        return found

    def data(self, content_type: str | None) -> Data | None:
        member = self._member(DATA_UNION)
        if member == "null":
            return None
        if member == "bytes":
            content = self._bytes()
            # With a type that is JSON or text, these are its text: see the module's words.
            found = payload_data(content, content_type)
            return Data(DataForm.BINARY, b"") if found is None else found
        if member == "string" and content_type is not None and not is_json_type(content_type):
            return text_data(self._text("data"), content_type)
        return Data(DataForm.JSON, self._json(member, 0))

    def _attribute(self, name: str) -> AttributeValue | None:
        member = self._number()
        if member == NULL:
            return None
        if member == BOOLEAN:
            return boolean(self._truth())
        if member == INT:
            return integer(self._number())
        if member == STRING:
            return untyped(name, self._text(name))
        if member == BYTES:
            return binary(self._bytes())
        raise bad_avro(f"attribute {name} of the unknown type {member}")

    def _json(self, member: str, depth: int) -> bytes:
        """A value of the union as JSON's text."""
        if depth > EVENT_AVRO_DEPTH_MAX:
            raise InvalidEvent("data", f"nesting of more than {EVENT_AVRO_DEPTH_MAX}")
        if member == "null":
            return b"null"
        if member == "boolean":
            return b"true" if self._truth() else b"false"
        if member == "string":
            return json_string(self._text("data"))
        if member == "double":
            return self._double()
        parts: list[bytes] = []
        if member == "array":
            items = self._items_of_blocks()
            while items.more():
                parts.append(self._json("record", depth + 1))
            return b"[" + b",".join(parts) + b"]"
        items = self._items_of_blocks()
        while items.more():
            name = json_string(self._text("data"))
            if member == "object":
                inner = self._member(OBJECT_UNION)
            else:
                inner = "record" if member == "records" else self._member(RECORD_UNION)
            parts.append(name + b":" + self._json(inner, depth + 1))
        return b"{" + b",".join(parts) + b"}"

    def _double(self) -> bytes:
        (value,) = DOUBLE.unpack(self._take(8))
        written = orjson.dumps(value)
        if written == b"null":
            raise InvalidEvent("data", "infinite or no number, which JSON does not have")
        return written

    def _member(self, union: tuple[str, ...]) -> str:
        number = self._number()
        if not 0 <= number < len(union):
            raise bad_avro(f"data of the unknown type {number}")
        return union[number]

    def _items_of_blocks(self) -> "AvroItems":
        """The items of a map or an array, which lie in blocks."""
        return AvroItems(self)

    def count_item(self) -> None:
        self._items += 1
        if self._items > EVENT_ITEMS_MAX:
            raise bad_avro(f"more than {EVENT_ITEMS_MAX} items")

    def block_length(self) -> int:
        """How many items follow; 0 at the end."""
        count = self._number()
        if count < 0:
            self._number()  # the block's size in bytes: nobody skips it here
            return -count
        return count

    def _truth(self) -> bool:
        byte = self._take(1)[0]
        if byte > 1:
            raise bad_avro(f"a boolean of {byte}")
        return byte == 1

    def _text(self, what: str) -> str:
        try:
            return self._bytes().decode()
        except UnicodeDecodeError:
            raise InvalidEvent(what, "bytes that are not UTF-8") from None

    def _bytes(self) -> bytes:
        return self._take(self._number())

    def _take(self, size: int) -> bytes:
        at = self.at
        if not 0 <= size <= len(self._record) - at:
            raise bad_avro("it ends too soon")
        self.at = at + size
        return self._record[at : at + size]

    def _number(self) -> int:
        """An int or long: zigzag, seven bits a byte."""
        value = 0
        shift = 0
        for _ in range(VARINT_BYTES_MAX):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
        raise bad_avro("a number of more than ten bytes")


@final
class AvroItems:
    """Counts the items of a map or an array, and reads what lies between their blocks."""

    __slots__ = ("_left", "_reader")

    def __init__(self, reader: AvroReader) -> None:
        self._reader: Final = reader
        self._left = 0

    def more(self) -> bool:
        """Is there another item? It begins where the reader is now."""
        if self._left == 0:
            self._left = self._reader.block_length()
            if self._left == 0:
                return False
        self._reader.count_item()
        self._left -= 1
        return True


def write_avro(event: CloudEvent) -> bytes:
    """One event."""
    event = explicit(event)
    parts = [write_number(len(event.attributes))]
    for name, value in event.attributes.items():
        parts.append(write_bytes(name.encode()))
        parts.append(write_attribute(value))
    parts.append(write_number(0))
    parts.append(write_data(event.data, event.content_type))
    return b"".join(parts)


def write_attribute(value: AttributeValue) -> bytes:
    kind = value.kind
    if kind is Kind.BOOLEAN:
        return write_number(BOOLEAN) + (b"\1" if value.text == "true" else b"\0")
    if kind is Kind.INTEGER:
        return write_number(INT) + write_number(int(value.text))
    if kind is Kind.BINARY:
        return write_number(BYTES) + write_bytes(bytes_of(value))
    return write_number(STRING) + write_bytes(value.text.encode())


def write_data(data: Data | None, content_type: str | None) -> bytes:
    if data is None:
        return data_member("null")
    form = written_form(data, content_type)
    if form is DataForm.JSON:
        scalar = json_scalar(data.content)
        if scalar is not None:
            return scalar
    if form is DataForm.TEXT:
        text = decoded(data.content, content_type)
        assert text is not None, "written_form has looked"
        return data_member("string") + write_bytes(text.encode())
    return data_member("bytes") + write_bytes(data.content)


def json_scalar(text: bytes) -> bytes | None:
    """A JSON value that the union has as it is; None for all others. Null is none of them: in
    the union it says that there is no data."""
    if text[:1] in (b"{", b"[", b"n"):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, bool):
        return data_member("boolean") + (b"\1" if value else b"\0")
    if isinstance(value, str):
        exact = json_string(value) == text
        return data_member("string") + write_bytes(value.encode()) if exact else None
    if isinstance(value, float) and orjson.dumps(value) == text:
        return data_member("double") + DOUBLE.pack(value)
    return None


def data_member(name: str) -> bytes:
    return write_number(DATA_UNION.index(name))


def write_bytes(content: bytes) -> bytes:
    return write_number(len(content)) + content


def write_number(value: int) -> bytes:
    return write_varint(value << 1 if value >= 0 else (-value << 1) - 1)
