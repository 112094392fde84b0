"""AMQP types that Python has no type for (§1.6).

Decoding yields these and encoding takes them, so that what was a `uint` stays one. Plain
Python types stand for the AMQP type they are closest to: `int` long, `float` double, `str`
string, `bytes` binary, `bool` boolean, `list` list, `dict` map, `uuid.UUID` uuid, `None` null.

This module stays uncompiled: mypyc's native classes cannot extend `int`, `str` and `bytes`.
"""

from collections.abc import Iterable
from typing import TypeAlias

AmqpValue: TypeAlias = object  # any of the types above and below


class Symbol(str):
    """§1.6.21: a word of a constrained domain, in ASCII."""

    __slots__ = ()


class Char(str):
    """§1.6.16: a single Unicode character."""

    __slots__ = ()


class UByte(int):
    """§1.6.3: 0 to 2**8 - 1."""


class UShort(int):
    """§1.6.4: 0 to 2**16 - 1."""


class UInt(int):
    """§1.6.5: 0 to 2**32 - 1."""


class ULong(int):
    """§1.6.6: 0 to 2**64 - 1."""


class Byte(int):
    """§1.6.7: -2**7 to 2**7 - 1."""


class Short(int):
    """§1.6.8: -2**15 to 2**15 - 1."""


class Int(int):
    """§1.6.9: -2**31 to 2**31 - 1."""


class Timestamp(int):
    """§1.6.17: milliseconds since 1970-01-01 UTC."""


class Float(float):
    """§1.6.11: 32 bits."""

    __slots__ = ()


class Decimal32(bytes):
    """§1.6.13: four bytes, IEEE 754-2008 decimal32; passed on, not interpreted."""


class Decimal64(bytes):
    """§1.6.14: eight bytes, IEEE 754-2008 decimal64."""


class Decimal128(bytes):
    """§1.6.15: sixteen bytes, IEEE 754-2008 decimal128."""


class Described:
    """§1.1.2: a value of a type that somebody defined, by its descriptor."""

    __slots__ = ("descriptor", "value")

    def __init__(self, descriptor: AmqpValue, value: AmqpValue) -> None:
        self.descriptor = descriptor
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Described):
            return NotImplemented
        return self.descriptor == other.descriptor and self.value == other.value

    def __hash__(self) -> int:
        return hash((Described, str(self.descriptor)))

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"


class AmqpArray(list[object]):
    """§1.6.24: values of one type; `code` is its constructor's format code.

    `descriptor` is there when the elements are described. Elements that differ only in
    width (0x54 and 0x71 are both `int`) are written in the full one.
    """

    def __init__(
        self, code: int, values: Iterable[AmqpValue] = (), descriptor: AmqpValue = None
    ) -> None:
        super().__init__(values)
        self.code = code
        self.descriptor = descriptor

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AmqpArray):
            same = self.code == other.code and self.descriptor == other.descriptor
            return same and list.__eq__(self, other)
        return list.__eq__(self, other)

    __hash__ = None  # a list: it can change


ARRAY_STRING = 0xA1
ARRAY_SYMBOL = 0xA3
ARRAY_LONG = 0x81
ARRAY_TIMESTAMP = 0x83


def symbols(*words: str) -> AmqpArray:
    """An array of symbols, as capabilities and mechanisms are written."""
    return AmqpArray(ARRAY_SYMBOL, [Symbol(word) for word in words])
