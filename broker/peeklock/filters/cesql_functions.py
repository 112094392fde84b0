"""CESQL's built-in functions (CloudEvents SQL 1.0.0 §3.5): a table of names and arities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from peeklock.filters.cesql_values import (
    INTEGER_MAX,
    INTEGER_MIN,
    CesqlError,
    Fault,
    Kind,
    to_boolean,
    to_integer,
    to_text,
)
from peeklock.filters.values import Value
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX

# Unicode's White_Space; Python's strip() takes four control characters with it.
WHITE_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True)
class Function:
    """What takes values of these types; `rest` is the type of any number more."""

    takes: tuple[Kind, ...]
    gives: Kind
    work: Callable[[Sequence[Value]], Value]
    rest: Kind | None = None

    def takes_count(self, count: int) -> bool:
        least = len(self.takes)
        return count == least or (count > least and self.rest is not None)


def find_function(name: str, count: int) -> Function | None:
    """The function of this name that takes so many arguments."""
    for function in FUNCTIONS.get(name, ()):
        if function.takes_count(count):
            return function
    return None


def bounded(text: str) -> str:
    if len(text) > FILTER_VALUE_CHARACTERS_MAX:
        what = f"a string of more than {FILTER_VALUE_CHARACTERS_MAX} characters"
        raise CesqlError(Fault.GENERIC, what)
    return text


def join(separator: str, parts: Sequence[Value]) -> str:
    size = 0
    for part in parts:
        size += len(to_text(part)) + len(separator)
        if size > FILTER_VALUE_CHARACTERS_MAX + len(separator):
            return bounded(" " * (FILTER_VALUE_CHARACTERS_MAX + 1))
    return separator.join([to_text(part) for part in parts])


def left(given: Sequence[Value]) -> Value:
    text, count = to_text(given[0]), to_integer(given[1])
    if count < 0:
        raise CesqlError(Fault.FUNCTION, f"LEFT of {count} characters", text)
    return text[:count]


def right(given: Sequence[Value]) -> Value:
    text, count = to_text(given[0]), to_integer(given[1])
    if count < 0:
        raise CesqlError(Fault.FUNCTION, f"RIGHT of {count} characters", text)
    return text[len(text) - count :] if count < len(text) else text


def substring(given: Sequence[Value]) -> Value:
    text, place = to_text(given[0]), to_integer(given[1])
    count = to_integer(given[2]) if len(given) == 3 else len(text)
    if abs(place) > len(text) or count < 0:
        what = f"SUBSTRING at {place} of {len(text)} characters"
        raise CesqlError(Fault.FUNCTION, what)
    if place == 0:
        return ""
    start = place - 1 if place > 0 else len(text) + place
    return text[start : start + count]


def absolute(given: Sequence[Value]) -> Value:
    number = to_integer(given[0])
    if number == INTEGER_MIN:
        raise CesqlError(Fault.MATH, f"ABS({number}) is beyond 32 bits", INTEGER_MAX)
    return abs(number)


def length(given: Sequence[Value]) -> Value:
    return len(to_text(given[0]))


def concat(given: Sequence[Value]) -> Value:
    return join("", given)


def concat_with(given: Sequence[Value]) -> Value:
    return join(to_text(given[0]), given[1:])


def lower(given: Sequence[Value]) -> Value:
    return bounded(to_text(given[0]).lower())


def upper(given: Sequence[Value]) -> Value:
    return bounded(to_text(given[0]).upper())


def trim(given: Sequence[Value]) -> Value:
    return to_text(given[0]).strip(WHITE_SPACE)


def integer(given: Sequence[Value]) -> Value:
    return to_integer(given[0])


def boolean(given: Sequence[Value]) -> Value:
    return to_boolean(given[0])


def string(given: Sequence[Value]) -> Value:
    return to_text(given[0])


TEXT, WHOLE, TRUTH, ANY = Kind.STRING, Kind.INTEGER, Kind.BOOLEAN, Kind.ANY
FUNCTIONS: Final[dict[str, tuple[Function, ...]]] = {
    "ABS": (Function((WHOLE,), WHOLE, absolute),),
    "BOOL": (Function((ANY,), TRUTH, boolean),),
    "CONCAT": (Function((), TEXT, concat, TEXT),),
    "CONCAT_WS": (Function((TEXT,), TEXT, concat_with, TEXT),),
    "INT": (Function((ANY,), WHOLE, integer),),
    "LEFT": (Function((TEXT, WHOLE), TEXT, left),),
    "LENGTH": (Function((TEXT,), WHOLE, length),),
    "LOWER": (Function((TEXT,), TEXT, lower),),
    "RIGHT": (Function((TEXT, WHOLE), TEXT, right),),
    "STRING": (Function((ANY,), TEXT, string),),
    "SUBSTRING": (
        Function((TEXT, WHOLE), TEXT, substring),
        Function((TEXT, WHOLE, WHOLE), TEXT, substring),
    ),
    "TRIM": (Function((TEXT,), TEXT, trim),),
    "UPPER": (Function((TEXT,), TEXT, upper),),
}
