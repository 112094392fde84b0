"""A message with some of its properties changed, as actions of rules and settlements want it.

Only what changes is encoded anew; every other entry, field and section stays the bytes that it
was. An application property keeps its AMQP type where the new value has room in it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from peeklock.entities.dispositions import Properties
from peeklock.errors import (
    FilterError,
    InvalidRequest,
    MessageTooLarge,
    ProtocolViolation,
)
from peeklock.filters.actions import Change, Changes
from peeklock.filters.values import Value
from peeklock.filters.view import SystemProperty
from peeklock.frontends.amqp_view import EPOCH, FIELDS, MILLISECOND, TIMESPAN
from peeklock.limits import AMQP_MAP_BYTES_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.decimals import write_decimal
from peeklock.protocols.amqp10.primitives import (
    compound_bounds,
    encode_value,
    read_value,
    skip_value,
    write_encoded_map,
    write_list,
)
from peeklock.protocols.amqp10.sections import (
    APPLICATION_PROPERTIES,
    PROPERTIES,
    section_code,
    value_at,
)
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Byte,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

NULL: Final = b"\x40"
SECTION_HEAD_BYTES: Final = 3
LIST: Final = 0x0  # of a format code's lower four bits (§1.6.22)
MAP: Final = 0x1  # §1.6.23
TICK: Final = timedelta(microseconds=1)  # ten of .NET's
# Whole numbers narrower than `long`, and what they hold.
NARROWER: Final[list[tuple[type[int], int, int]]] = [
    (UByte, 0, 2**8 - 1),
    (UShort, 0, 2**16 - 1),
    (UInt, 0, 2**32 - 1),
    (ULong, 0, 2**64 - 1),
    (Byte, -(2**7), 2**7 - 1),
    (Short, -(2**15), 2**15 - 1),
    (Int, -(2**31), 2**31 - 1),
]
LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
ULONG_MAX: Final = 2**64 - 1


def rewritten(message: Message, changes: Changes) -> Message:
    """`message` with `changes` made; raises `FilterError` where that cannot be."""
    try:
        bare = rewritten_bare(message.bare, changes)
    except ProtocolViolation as error:
        raise FilterError(f"the message's properties cannot be changed: {error}") from None
    return Message(bare, message.annotations, message.durable, message.priority, message.ttl_ms)


def with_properties(message: Message, given: Properties) -> Message:
    """`message` with these application properties set, in place or behind those it has.

    A footer (§3.2.8) stays as it is, even if it signs what is changed here: the broker cannot
    know what it says. Raises `InvalidRequest` where none can be set, and `MessageTooLarge`.
    """
    try:
        properties, user, rest = divided(message.bare)
        user = with_encoded(user, given)
    except ProtocolViolation as error:
        raise InvalidRequest(f"the message's properties cannot be changed: {error}") from None
    size = len(user) - SECTION_HEAD_BYTES
    if size > AMQP_MAP_BYTES_MAX:
        raise MessageTooLarge(size, AMQP_MAP_BYTES_MAX, "map of application properties")
    bare = properties + user + rest
    return Message(bare, message.annotations, message.durable, message.priority, message.ttl_ms)


def rewritten_bare(bare: bytes, changes: Changes) -> bytes:
    properties, user, rest = divided(bare)
    if changes.system:
        properties = with_fields(properties, changes.system)
    if changes.user:
        user = with_entries(user, changes.user)
    return properties + user + rest


def divided(bare: bytes) -> tuple[bytes, bytes, bytes]:
    """The properties' section, the application properties', and what is behind them."""
    at = 0
    properties = b""
    if section_at(bare, at) == PROPERTIES:
        end = skip_value(bare, value_at(bare, at))
        properties = bare[at:end]
        at = end
    user = b""
    if section_at(bare, at) == APPLICATION_PROPERTIES:
        end = skip_value(bare, value_at(bare, at))
        user = bare[at:end]
        at = end
    return properties, user, bare[at:]


def section_at(bare: bytes, at: int) -> int:
    return section_code(bare, at) if at < len(bare) else -1


def elements(section: bytes, kind: int) -> list[bytes]:
    """The encoded elements of a section's list or map; raises `ProtocolViolation`."""
    if not section:
        return []
    start = value_at(section, 0)
    code = section[start]
    if code == 0x45 and kind == LIST:  # list0
        return []
    if code not in (0xC0 | kind, 0xD0 | kind):
        raise ProtocolViolation("AMQP 1.0 §3.2", "a section that is no list or map")
    at, _end, count = compound_bounds(section, start + 1, code >> 4 == 0xD)
    found: list[bytes] = []
    for _ in range(count):
        end = skip_value(section, at)
        found.append(section[at:end])
        at = end
    return found


# ---- the message's own properties


def with_fields(section: bytes, texts: dict[SystemProperty, str | None]) -> bytes:
    """The properties section (§3.2.4) with some fields set, or null."""
    fields = elements(section, LIST)
    for which, text in texts.items():
        place = FIELDS[which]
        fields += [NULL] * (place + 1 - len(fields))
        fields[place] = encoded_field(which, text)
    while fields and fields[-1] == NULL:
        fields.pop()  # what is left out is null (§1.4)
    if not fields:
        return b""
    out = bytearray((0x00, 0x53, PROPERTIES))
    write_list(out, fields)
    return bytes(out)


def encoded_field(which: SystemProperty, text: str | None) -> bytes:
    if text is None:
        return NULL
    if which is not SystemProperty.CONTENT_TYPE:
        return encode_value(text)
    if not text.isascii():
        raise FilterError(f"a content type is ASCII, which {text!r} is not")
    return encode_value(Symbol(text))


# ---- application properties


def with_entries(section: bytes, changes: dict[str, Change]) -> bytes:
    """The application properties (§3.2.5) with some set, added or taken out."""
    flat = elements(section, MAP)
    if len(flat) % 2:
        raise ProtocolViolation("AMQP 1.0 §1.6.23", "a map with a key that has no value")
    keys = [read_value(key, 0)[0] for key in flat[::2]]
    chosen = entries_to_change(keys, changes)
    entries: list[bytes] = []
    for place, key in enumerate(keys):
        change = changes.get(key.lower()) if isinstance(key, str) else None
        encoded = flat[2 * place + 1]
        if change is not None and change.removed:
            continue
        if change is not None and chosen[change.name.lower()] == place:
            encoded = encoded_as_before(encoded, change.value)
        entries += [flat[2 * place], encoded]
    for folded, change in changes.items():
        if folded not in chosen and not change.removed:
            entries += [encode_value(change.name), encode_value(amqp_value(change.value))]
    if not entries:
        return b""
    out = bytearray((0x00, 0x53, APPLICATION_PROPERTIES))
    write_encoded_map(out, b"".join(entries), len(entries))
    return bytes(out)


def with_encoded(section: bytes, given: Properties) -> bytes:
    """The application properties with some set, by their exact names, to encoded values."""
    flat = elements(section, MAP)
    if len(flat) % 2:
        raise ProtocolViolation("AMQP 1.0 §1.6.23", "a map with a key that has no value")
    left = dict(given)
    entries: list[bytes] = []
    for place in range(0, len(flat), 2):
        key = read_value(flat[place], 0)[0]
        encoded = flat[place + 1]
        if isinstance(key, str):
            encoded = left.pop(key, encoded)
        entries += [flat[place], encoded]
    for name, encoded in left.items():
        entries += [encode_value(name), encoded]
    out = bytearray((0x00, 0x53, APPLICATION_PROPERTIES))
    write_encoded_map(out, b"".join(entries), len(entries))
    return bytes(out)


def entries_to_change(keys: list[AmqpValue], changes: dict[str, Change]) -> dict[str, int]:
    """Which entry each change is for, by the change's name: the one that a filter sees."""
    chosen: dict[str, int] = {}
    for place, key in enumerate(keys):
        if not isinstance(key, str):
            continue
        folded = key.lower()
        change = changes.get(folded)
        if change is not None and (folded not in chosen or key == change.name):
            chosen[folded] = place
    return chosen


def encoded_as_before(before: bytes, value: Value) -> bytes:
    """`value` in the AMQP type that `before` has, where there is room in it for that."""
    old, _end = read_value(before, 0)
    if isinstance(value, bool) or value is None:
        return encode_value(value)
    if isinstance(value, int):
        for kind, least, most in NARROWER:
            if isinstance(old, kind) and least <= value <= most:
                return encode_value(as_kind(kind, value))
    if isinstance(value, float) and isinstance(old, Float):
        return encode_value(Float(value))
    if isinstance(value, str) and isinstance(old, Symbol) and value.isascii():
        return encode_value(Symbol(value))
    return encode_value(amqp_value(value))


def as_kind(kind: Callable[[int], AmqpValue], value: int) -> AmqpValue:
    return kind(value)


def amqp_value(value: Value) -> AmqpValue:
    """A value as AMQP has it, and .NET's clients where AMQP has nothing."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        number = within(LONG_MIN, ULONG_MAX, value)
        if number > LONG_MAX:
            return ULong(number)
        return number
    if isinstance(value, Decimal):
        return write_decimal(value)
    if isinstance(value, datetime):
        return Timestamp((value - EPOCH) // MILLISECOND)
    if isinstance(value, timedelta):
        return Described(Symbol(TIMESPAN), within(LONG_MIN, LONG_MAX, 10 * (value // TICK)))
    assert value is None or isinstance(value, (str, float, bytes, UUID))
    return value


def within(least: int, most: int, number: int) -> int:
    if not least <= number <= most:
        raise FilterError(f"{number} is more than AMQP's numbers can say")
    return number
