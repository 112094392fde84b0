"""Protocol Buffers' wire format, as far as CloudEvents' messages need it.

A message is fields: number, wire type, value (https://protobuf.dev/programming-guides/encoding).
"""

from typing import Final, final

from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_ITEMS_MAX

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5
VARINT_BYTES_MAX: Final = 10
UINT64_MASK: Final = (1 << 64) - 1


@final
class Field:
    """A field as it lies there: a number for a varint, else bytes."""

    __slots__ = ("content", "is_number", "number", "value")

    def __init__(self, number: int, is_number: bool, value: int, content: bytes) -> None:
        self.number: Final = number
        self.is_number: Final = is_number
        self.value: Final = value  # 64 bits, without a sign
        self.content: Final = content


def bad_protobuf(what: str) -> InvalidEvent:
    return InvalidEvent("event", f"no protobuf message: {what}")


def fields(message: bytes) -> list[Field]:
    """Every field in order, unknown ones included; raises `InvalidEvent`."""
    found: list[Field] = []
    at = 0
    size = len(message)
    while at < size:
        if len(found) == EVENT_ITEMS_MAX:
            raise bad_protobuf(f"more than {EVENT_ITEMS_MAX} fields")
        key, at = read_varint(message, at)
        number = key >> 3
        wire_type = key & 7
        if number == 0:
            raise bad_protobuf("a field with the number 0")
        if wire_type == VARINT:
            value, at = read_varint(message, at)
            found.append(Field(number, True, value, b""))
            continue
        if wire_type == LENGTH_DELIMITED:
            length, at = read_varint(message, at)
        elif wire_type == FIXED64 or wire_type == FIXED32:
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise bad_protobuf(f"a field of wire type {wire_type}")
        if length > size - at:
            raise bad_protobuf(f"field {number} is longer than the message")
        content = message[at : at + length]
        at += length
        # Nothing of CloudEvents' is fixed; as unknown fields they are told apart by that.
        known = wire_type == LENGTH_DELIMITED
        found.append(Field(number if known else -number, False, 0, content))
    return found


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 64 bits, without a sign, and the offset after it."""
    value = 0
    shift = 0
    for place in range(VARINT_BYTES_MAX):
        if at + place >= len(data):
            raise bad_protobuf("it ends within a number")
        byte = data[at + place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & UINT64_MASK, at + place + 1
        shift += 7
    raise bad_protobuf("a number of more than ten bytes")


def write_varint(value: int) -> bytes:
    """A number; a negative one as 64 bits, as int32 and int64 have it."""
    value &= UINT64_MASK
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def signed(value: int, bits: int) -> int:
    """A varint's value as an int32 or int64: its low bits, the highest of them the sign."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def number_field(number: int, value: int) -> bytes:
    return write_varint(number << 3 | VARINT) + write_varint(value)


def bytes_field(number: int, content: bytes) -> bytes:
    head = write_varint(number << 3 | LENGTH_DELIMITED)
    return head + write_varint(len(content)) + content


def text_of(field: Field, name: str) -> str:
    """A string's text; raises `InvalidEvent` with the attribute's name."""
    if field.is_number:
        raise InvalidEvent(name, "a number where the protobuf format has a string")
    try:
        return field.content.decode()
    except UnicodeDecodeError:
        raise InvalidEvent(name, "bytes that are not UTF-8") from None
