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
from peeklock.protocols.amqp10.values import AmqpArray, AmqpValue, Described, Symbol, ULong

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

    def number_or_none(self, name: str) -> int | None:
        value = self.raw()
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_field(f"{self._name}'s {name}", "whole number", value)
        if value < 0:
            raise bad_field(f"{self._name}'s {name}", "number from 0 on", value)
        return int(value)

    def number(self, name: str, default: int) -> int:
        value = self.number_or_none(name)
        return default if value is None else value

    def number_required(self, name: str) -> int:
        value = self.number_or_none(name)
        if value is None:
            raise ProtocolViolation("AMQP 1.0 §1.4", f"{self._name} lacks its {name}")
        return value

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
        if value is not None and not isinstance(value, str):
            raise bad_field(f"{self._name}'s {name}", "string", value)
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
        if isinstance(value, str):
            return [value]
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return [str(item) for item in value]
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
    """A map of the type `fields` (§2.8.13): its keys are symbols, whatever was given."""
    if fields is None:
        return None
    return {Symbol(key) if isinstance(key, str) else key: fields[key] for key in fields}
