"""Described lists (§1.4): what performatives, termini, outcomes and sections are made of.

A composite's fields are a list whose tail may be left out. These helpers read one field with
its type checked, so that a wrong type is the peer's mistake with a name, and never ours.
"""

from typing import Final

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.primitives import (
    encode_value,
    write_list,
)
from peeklock.protocols.amqp10.values import (
    AmqpArray,
    AmqpValue,
    Char,
    Described,
    Symbol,
    ULong,
)

# The largest number of a field's type (§1.6.3–1.6.6). Peers may write it in a wider one.
UBYTE_MAX: Final = (1 << 8) - 1
USHORT_MAX: Final = (1 << 16) - 1
UINT_MAX: Final = (1 << 32) - 1
ULONG_MAX: Final = (1 << 64) - 1

# Symbolic descriptors (§1.1.2 allows them beside the numeric ones) of what a peer may send
# us inside a performative.
SYMBOLIC: Final = {
    "amqp:error:list": 0x1D,
    "amqp:received:list": 0x23,
    "amqp:accepted:list": 0x24,
    "amqp:rejected:list": 0x25,
    "amqp:released:list": 0x26,
    "amqp:modified:list": 0x27,
    "amqp:source:list": 0x28,
    "amqp:target:list": 0x29,
    "amqp:coordinator:list": 0x30,
    "amqp:declare:list": 0x31,
    "amqp:discharge:list": 0x32,
    "amqp:declared:list": 0x33,
    "amqp:transactional-state:list": 0x34,
}


def bad_field(name: str, wanted: str, value: AmqpValue) -> ProtocolViolation:
    return ProtocolViolation(
        "AMQP 1.0 §1.4", f"{name} is a {type(value).__name__}, not a {wanted}"
    )


class Fields:
    """The fields of one composite, read in the order of the specification.

    Each reader takes the next field and names it in its complaint; `default` stands for a
    field that is null or left out.
    """

    def __init__(self, name: str, values: list[AmqpValue], most: int) -> None:
        if len(values) > most:
            raise ProtocolViolation(
                "AMQP 1.0 §1.4", f"{name} has {most} fields, not {len(values)}"
            )
        self._name = name
        self._values = values
        self._next = 0

    def raw(self) -> AmqpValue:
        at = self._next
        self._next = at + 1
        return self._values[at] if at < len(self._values) else None

    def required(self, name: str) -> AmqpValue:
        value = self.raw()
        if value is None:
            raise ProtocolViolation("AMQP 1.0 §1.4", f"{self._name} lacks its {name}")
        return value

    def number_or_none(self, name: str, most: int = UINT_MAX) -> int | None:
        """A number that fits its field's type, whichever integer type it came as."""
        value = self.raw()
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_field(f"{self._name}'s {name}", "whole number", value)
        number = int(value)
        if not 0 <= number <= most:
            raise ProtocolViolation(
                "AMQP 1.0 §1.4", f"{self._name}'s {name} is {number}, not from 0 to {most}"
            )
        return number

    def number(self, name: str, default: int, most: int = UINT_MAX) -> int:
        value = self.number_or_none(name, most)
        return default if value is None else value

    def number_required(self, name: str, most: int = UINT_MAX) -> int:
        value = self.number_or_none(name, most)
        if value is None:
            raise ProtocolViolation("AMQP 1.0 §1.4", f"{self._name} lacks its {name}")
        return value

    def timestamp(self, name: str) -> int | None:
        """Milliseconds since 1970-01-01 UTC; before that they are negative (§1.6.17)."""
        value = self.raw()
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise bad_field(f"{self._name}'s {name}", "timestamp", value)
        return None if value is None else int(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.raw()
        if value is None:
            return default
        if not isinstance(value, bool):
            raise bad_field(f"{self._name}'s {name}", "boolean", value)
        return value

    def text(self, name: str) -> str | None:
        """A string or a symbol; which of them it was is kept."""
        value = self.raw()
        if value is None:
            return None
        if not isinstance(value, str) or isinstance(value, Char):
            raise bad_field(f"{self._name}'s {name}", "string", value)
        return value

    def symbol(self, name: str) -> str | None:
        """A symbol, which has only ASCII in it; also as a string, as some peers write it."""
        value = self.text(name)
        if value is not None and not value.isascii():
            raise bad_field(f"{self._name}'s {name}", "symbol", value)
        return value

    def binary(self, name: str) -> bytes | None:
        value = self.raw()
        if value is not None and not isinstance(value, bytes):
            raise bad_field(f"{self._name}'s {name}", "binary", value)
        return value

    def mapping(self, name: str) -> dict[AmqpValue, AmqpValue] | None:
        value = self.raw()
        if value is not None and not isinstance(value, dict):
            raise bad_field(f"{self._name}'s {name}", "map", value)
        return value

    def words(self, name: str) -> list[str]:
        """A multiple field of symbols (§1.3): null, one, or an array."""
        value = self.raw()
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        if all(isinstance(item, str) and item.isascii() for item in items):
            return [str(item) for item in items]
        raise bad_field(f"{self._name}'s {name}", "symbol or array of symbols", value)


def described_fields(value: AmqpValue) -> tuple[int, list[AmqpValue]] | None:
    """The descriptor's code and the fields, if this is a described list we could know."""
    if not isinstance(value, Described) or not isinstance(value.value, list):
        return None
    descriptor = value.descriptor
    if isinstance(descriptor, ULong):
        return int(descriptor), value.value
    if isinstance(descriptor, Symbol) and descriptor in SYMBOLIC:
        return SYMBOLIC[descriptor], value.value
    return None


def encode_composite(code: int, fields: list[AmqpValue]) -> bytes:
    """A described list with the small numeric descriptor `00 53 code` and all its fields."""
    return described_list(code, [encode_value(field) for field in fields])


def described_list(code: int, encoded: list[bytes]) -> bytes:
    """The same, of fields that are encoded already."""
    out = bytearray((0x00, 0x53, code))
    write_list(out, encoded)
    return bytes(out)


def symbol_or_none(text: str | None) -> AmqpValue:
    return None if text is None else Symbol(text)


def symbol_array(words: list[str]) -> AmqpValue:
    """How a multiple field is written: null for none, else always an array."""
    return AmqpArray(0xA3, [Symbol(word) for word in words]) if words else None


def with_symbol_keys(fields: dict[AmqpValue, AmqpValue] | None) -> AmqpValue:
    """A map of the type `fields` (§2.8.13): its keys are symbols, where they can be."""
    if fields is None:
        return None
    return {
        Symbol(key) if isinstance(key, str) and key.isascii() else key: fields[key]
        for key in fields
    }
