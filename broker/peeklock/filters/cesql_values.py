"""CESQL's three types, its casts, and its errors (CloudEvents SQL 1.0.0 §3.1, §3.3, §3.7)."""

import re
from enum import Enum
from typing import Final

from peeklock.errors import FilterError
from peeklock.filters.values import Value, shown

INTEGER_MIN: Final = -(1 << 31)
INTEGER_MAX: Final = (1 << 31) - 1
INTEGER: Final = re.compile("[+-]?[0-9]+")
INTEGER_CHARACTERS_MAX: Final = 64  # with all the zeros that somebody might put before it


class Kind(Enum):
    """A type (§3.1)."""

    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    ANY = "any"  # an attribute's, which the event knows


class Fault(Enum):
    """The kinds of errors (§3.3), as the specification's test kit names them."""

    PARSE = "parse"
    MATH = "math"
    CAST = "cast"
    MISSING_ATTRIBUTE = "missingAttribute"
    MISSING_FUNCTION = "missingFunction"
    FUNCTION = "functionEvaluation"
    GENERIC = "generic"


class CesqlError(FilterError):
    """An expression has an error, and gives the zero of its type; but a function may give
    `value` beside its error, which counts if the function is the whole expression."""

    def __init__(self, fault: Fault, what: str, value: Value = None) -> None:
        super().__init__(what)
        self.fault = fault
        self.value = value
        self.whose: object = None  # the call that gives the value


def zero(kind: Kind) -> Value:
    """§3.1; where the type is not known it counts as a boolean's (§3.2)."""
    if kind is Kind.STRING:
        return ""
    if kind is Kind.INTEGER:
        return 0
    return False


def to_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def to_integer(value: Value) -> int:
    if isinstance(value, int):
        return int(value)  # a boolean is 0 or 1
    text = to_text(value)
    if len(text) <= INTEGER_CHARACTERS_MAX and INTEGER.fullmatch(text):
        number = int(text)
        if INTEGER_MIN <= number <= INTEGER_MAX:
            return number
    raise CesqlError(Fault.CAST, f"{shown(value)} is no whole number of 32 bits")


def to_boolean(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    text = to_text(value)
    if len(text) <= len("false"):
        folded = text.lower()
        if folded == "true" or folded == "false":
            return folded == "true"
    raise CesqlError(Fault.CAST, f"{shown(value)} is neither true nor false")


def cast(value: Value, like: Value) -> Value:
    """`value` in the type of `like`."""
    # One by one: of `a if … else b`, mypyc would make a boolean an integer.
    if isinstance(like, str):
        return to_text(value)
    if isinstance(like, bool):
        return to_boolean(value)
    return to_integer(value)


def fitting(number: int) -> int:
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise CesqlError(Fault.MATH, f"{number} is beyond 32 bits")
    return number
