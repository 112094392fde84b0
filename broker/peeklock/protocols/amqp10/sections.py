"""Message sections (§3.2): found where they lie, and read only when somebody asks.

The broker splits a message into header, annotations and the bare message (§3.2), which it
passes on byte for byte. Clients write and read whole messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from peeklock.errors import ProtocolViolation
from peeklock.limits import AMQP_ELEMENTS_MAX
from peeklock.protocols.amqp10.composites import UBYTE_MAX, Fields, encode_composite
from peeklock.protocols.amqp10.primitives import (
    read_value,
    skip_value,
    write_value,
)
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
)

HEADER: Final = 0x70
DELIVERY_ANNOTATIONS: Final = 0x71
MESSAGE_ANNOTATIONS: Final = 0x72
PROPERTIES: Final = 0x73
APPLICATION_PROPERTIES: Final = 0x74
DATA: Final = 0x75
SEQUENCE: Final = 0x76
VALUE: Final = 0x77
FOOTER: Final = 0x78

PRIORITY_DEFAULT: Final = 4  # §3.2.1
NO_TTL: Final = -1

# A header's five fields take 25 bytes at most; more is not built to find that out.
HEADER_BYTES_MAX: Final = 64
# The format codes of what can be a section's descriptor: ulong0, ulong, sym8, sym32.
DESCRIPTOR_CODES: Final = (0x44, 0x80, 0xA3, 0xB3)

# The order of §3.2: a section may not be followed by one of a lower rank.
RANKS: Final = {
    HEADER: 0,
    DELIVERY_ANNOTATIONS: 1,
    MESSAGE_ANNOTATIONS: 2,
    PROPERTIES: 3,
    APPLICATION_PROPERTIES: 4,
    DATA: 5,
    SEQUENCE: 5,
    VALUE: 5,
    FOOTER: 6,
}


@final
class MessageSections:
    """A message, split. Maps are their encoded value, b"" for none; times in milliseconds."""

    __slots__ = (
        "bare",
        "delivery_annotations",
        "delivery_count",
        "durable",
        "first_acquirer",
        "message_annotations",
        "priority",
        "ttl_ms",
    )

    def __init__(self, bare: bytes) -> None:
        self.bare: bytes = bare  # from the properties on, footer included
        self.durable = False
        self.priority = PRIORITY_DEFAULT
        self.ttl_ms = NO_TTL
        self.first_acquirer = False
        self.delivery_count = 0
        self.delivery_annotations = b""
        self.message_annotations = b""


def bad_message(what: str) -> ProtocolViolation:
    return ProtocolViolation("AMQP 1.0 §3.2", what)


def section_code(data: bytes, at: int) -> int:
    """The descriptor code of the section that begins at `at`."""
    if at + 3 > len(data) or data[at] != 0:
        raise bad_message("bytes that are no section")
    if data[at + 1] == 0x53:
        code = data[at + 2]
    elif data[at + 1] not in DESCRIPTOR_CODES:
        raise bad_message("a section of unknown type")
    else:
        descriptor, _after = read_value(data, at + 1)
        if isinstance(descriptor, ULong):
            code = int(descriptor)
        elif isinstance(descriptor, Symbol) and descriptor in SYMBOLIC:
            code = SYMBOLIC[descriptor]
        else:
            raise bad_message("a section of unknown type")
    if code not in RANKS:
        raise bad_message(f"0x{code:x} is no section")
    return code


SYMBOLIC: Final = {
    "amqp:header:list": HEADER,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
    "amqp:properties:list": PROPERTIES,
    "amqp:application-properties:map": APPLICATION_PROPERTIES,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}


def value_at(data: bytes, at: int) -> int:
    """Where a section's value begins: behind its descriptor."""
    return at + 3 if data[at + 1] == 0x53 else skip_value(data, at + 1)


def split_message(payload: bytes) -> MessageSections:
    """Split a delivery's payload; raises `ProtocolViolation` when it is no message."""
    at = 0
    found = MessageSections(b"")
    size = len(payload)
    while at < size:
        code = section_code(payload, at)
        if code >= PROPERTIES:
            break
        start = value_at(payload, at)
        end = skip_value(payload, start)
        if code == HEADER:
            if at != 0:
                raise bad_message("a header that is not the first section")
            if end - start > HEADER_BYTES_MAX:
                raise bad_message(f"a header of {end - start} bytes")
            read_header(found, payload, start)
        elif code == DELIVERY_ANNOTATIONS:
            if found.delivery_annotations or found.message_annotations:
                raise bad_message("delivery annotations out of their order")
            found.delivery_annotations = map_bytes(payload, start, end)
        else:
            if found.message_annotations:
                raise bad_message("message annotations twice")
            found.message_annotations = map_bytes(payload, start, end)
        at = end
    check_bare(payload, at)
    found.bare = payload[at:] if at else payload
    return found


def map_bytes(payload: bytes, start: int, end: int) -> bytes:
    code = payload[start]
    if code != 0xC1 and code != 0xD1:
        raise bad_message("annotations that are no map")
    return payload[start:end]


def read_header(found: MessageSections, payload: bytes, start: int) -> None:
    """§3.2.1."""
    value, _after = read_value(payload, start)
    if not isinstance(value, list):
        raise bad_message("a header that is no list")
    fields = Fields("header", value, 5)
    found.durable = fields.flag("durable", False)
    found.priority = fields.number("priority", PRIORITY_DEFAULT, UBYTE_MAX)
    found.ttl_ms = fields.number("ttl", NO_TTL)
    found.first_acquirer = fields.flag("first-acquirer", False)
    found.delivery_count = fields.number("delivery-count", 0)


def check_bare(payload: bytes, at: int) -> None:
    """Sections in order up to the end (§3.2), values skipped over and not built."""
    size = len(payload)
    rank = 3
    body = 0
    count = 0
    while at < size:
        code = section_code(payload, at)
        count += 1
        if count > AMQP_ELEMENTS_MAX:
            raise bad_message(f"more than {AMQP_ELEMENTS_MAX} sections")
        next_rank = RANKS[code]
        if next_rank < rank:
            raise bad_message("sections out of their order")
        if next_rank == 5:
            if body and (body != code or code == VALUE):
                raise bad_message("bodies of two kinds, or two values")
            body = code
            rank = 5
        else:
            rank = next_rank + 1  # these come at most once
        at = skip_value(payload, value_at(payload, at))


# ---- whole messages, for clients


@dataclass(frozen=True)
class Properties:
    """§3.2.4. Times are milliseconds since 1970-01-01 UTC."""

    message_id: AmqpValue = None
    user_id: bytes | None = None
    to: str | None = None
    subject: str | None = None
    reply_to: str | None = None
    correlation_id: AmqpValue = None
    content_type: str | None = None
    content_encoding: str | None = None
    absolute_expiry_time: int | None = None
    creation_time: int | None = None
    group_id: str | None = None
    group_sequence: int | None = None
    reply_to_group_id: str | None = None


@dataclass(frozen=True)
class Header:
    """§3.2.1."""

    durable: bool = False
    priority: int = PRIORITY_DEFAULT
    ttl_ms: int | None = None
    first_acquirer: bool = False
    delivery_count: int = 0


@dataclass(frozen=True)
class DataBody:
    """§3.2.6: one or more sections of bytes."""

    parts: list[bytes]


@dataclass(frozen=True)
class SequenceBody:
    """§3.2.7: one or more lists."""

    parts: list[list[AmqpValue]]


@dataclass(frozen=True)
class ValueBody:
    """§3.2.8: one value of any type."""

    value: AmqpValue


Body: TypeAlias = DataBody | SequenceBody | ValueBody


def sections_of(bare: bytes) -> Iterable[tuple[int, AmqpValue]]:
    """Every section of an encoded message, with its value built."""
    found: list[tuple[int, AmqpValue]] = []
    at = 0
    while at < len(bare):
        code = section_code(bare, at)
        value, at = read_value(bare, value_at(bare, at))
        found.append((code, value))
    return found


def find_section(bare: bytes, wanted: int) -> AmqpValue:
    """The value of the first section of this kind, None when there is none; skips the rest."""
    at = 0
    while at < len(bare):
        code = section_code(bare, at)
        start = value_at(bare, at)
        if code == wanted:
            return read_value(bare, start)[0]
        at = skip_value(bare, start)
    return None


def read_properties(bare: bytes) -> Properties | None:
    value = find_section(bare, PROPERTIES)
    if value is None:
        return None
    if not isinstance(value, list):
        raise bad_message("properties that are no list")
    fields = Fields("properties", value, 13)
    return Properties(
        message_id=fields.raw(),
        user_id=fields.binary("user-id"),
        to=fields.text("to"),
        subject=fields.text("subject"),
        reply_to=fields.text("reply-to"),
        correlation_id=fields.raw(),
        content_type=fields.text("content-type"),
        content_encoding=fields.text("content-encoding"),
        absolute_expiry_time=fields.timestamp("absolute-expiry-time"),
        creation_time=fields.timestamp("creation-time"),
        group_id=fields.text("group-id"),
        group_sequence=fields.number_or_none("group-sequence"),
        reply_to_group_id=fields.text("reply-to-group-id"),
    )


def read_map(bare: bytes, section: int) -> dict[AmqpValue, AmqpValue]:
    value = find_section(bare, section)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_message("a map section that is no map")
    return value


def read_application_properties(bare: bytes) -> dict[AmqpValue, AmqpValue]:
    return read_map(bare, APPLICATION_PROPERTIES)


def read_body(bare: bytes) -> Body | None:
    """The body, of whichever kind; None for a message that has none."""
    data: list[bytes] = []
    lists: list[list[AmqpValue]] = []
    for code, value in sections_of(bare):
        if code == VALUE:
            return ValueBody(value)
        if code == DATA:
            if not isinstance(value, bytes):
                raise bad_message("a data section that is no binary")
            data.append(value)
        elif code == SEQUENCE:
            if not isinstance(value, list):
                raise bad_message("a sequence section that is no list")
            lists.append(value)
    if data:
        return DataBody(data)
    return SequenceBody(lists) if lists else None


def encode_header(header: Header) -> bytes:
    ttl = None if header.ttl_ms is None else UInt(header.ttl_ms)
    fields: list[AmqpValue] = [
        header.durable,
        UByte(header.priority),
        ttl,
        header.first_acquirer,
        UInt(header.delivery_count),
    ]
    return encode_composite(HEADER, fields)


def encode_properties(properties: Properties) -> bytes:
    expiry = properties.absolute_expiry_time
    created = properties.creation_time
    sequence = properties.group_sequence
    fields: list[AmqpValue] = [
        properties.message_id,
        properties.user_id,
        properties.to,
        properties.subject,
        properties.reply_to,
        properties.correlation_id,
        None if properties.content_type is None else Symbol(properties.content_type),
        None if properties.content_encoding is None else Symbol(properties.content_encoding),
        None if expiry is None else Timestamp(expiry),
        None if created is None else Timestamp(created),
        properties.group_id,
        None if sequence is None else UInt(sequence),
        properties.reply_to_group_id,
    ]
    return encode_composite(PROPERTIES, fields)


def encode_section(code: int, value: AmqpValue) -> bytes:
    out = bytearray((0x00, 0x53, code))
    write_value(out, value)
    return bytes(out)


def encode_body(body: Body | None) -> bytes:
    if body is None:
        return b""
    if isinstance(body, DataBody):
        return b"".join([encode_section(DATA, part) for part in body.parts])
    if isinstance(body, SequenceBody):
        return b"".join([encode_section(SEQUENCE, part) for part in body.parts])
    return encode_section(VALUE, body.value)


def encode_bare(
    properties: Properties | None = None,
    application_properties: dict[AmqpValue, AmqpValue] | None = None,
    body: Body | None = None,
    footer: dict[AmqpValue, AmqpValue] | None = None,
) -> bytes:
    """The bare message and footer."""
    parts: list[bytes] = []
    if properties is not None:
        parts.append(encode_properties(properties))
    if application_properties:
        parts.append(encode_section(APPLICATION_PROPERTIES, application_properties))
    parts.append(encode_body(body))
    if footer:
        parts.append(encode_section(FOOTER, footer))
    return b"".join(parts)


def encode_message(
    bare: bytes,
    header: Header | None = None,
    message_annotations: dict[AmqpValue, AmqpValue] | None = None,
) -> bytes:
    """A whole message, ready to be sent."""
    parts: list[bytes] = []
    if header is not None:
        parts.append(encode_header(header))
    if message_annotations:
        parts.append(encode_section(MESSAGE_ANNOTATIONS, message_annotations))
    parts.append(bare)
    return b"".join(parts)
