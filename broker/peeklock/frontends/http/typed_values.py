"""Values with their types in XML, as Service Bus' clients write them.

Each is a `KeyValueOfstringanyType`; the types are XML Schema's: string, int, long, double,
boolean, dateTime, duration.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from peeklock.entities.settings import Scalar
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.xml_tree import Element
from peeklock.management.iso_durations import read_span, write_span

SCHEMA: Final = {"xmlns:d6p1": "http://www.w3.org/2001/XMLSchema"}
PAIR: Final = "KeyValueOfstringanyType"
TYPES: Final = "string, int, long, double, boolean, dateTime, duration"
INT_MAX: Final = 2**31 - 1
BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
# §3.2.7 of XML Schema's part 2; what is finer than a microsecond is cut off.
INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
SHOWN_CHARACTERS_MAX: Final = 40


# ---- theirs → ours


def read_pairs(given: Element | None) -> dict[str, object]:
    """Values by their names, in the order given; raises `InvalidRequest`."""
    found: dict[str, object] = {}
    for pair in given.below if given is not None else ():
        name, value = pair.text_at("Key"), pair.find("Value")
        if value is None:
            raise InvalidRequest(f"{name!r} has no value")
        if name in found:
            raise InvalidRequest(f"{name!r} is there twice")
        try:
            found[name] = read_value(value)
        except InvalidRequest as error:
            raise InvalidRequest(f"the value of {name!r}: {error}") from None
    return found


def read_value(given: Element) -> Scalar:
    kind = given.attributes.get("type", "string").rpartition(":")[2]
    text = given.text
    try:
        if kind == "string":
            return text
        if kind in ("int", "long"):
            return int(text)
        if kind == "double":
            return float(text)
        if kind == "boolean":
            return BOOLEANS[text.strip().lower()]
        if kind == "dateTime":
            return read_instant(text)
    except (ValueError, KeyError, OverflowError):
        raise InvalidRequest(f"{text[:SHOWN_CHARACTERS_MAX]!r} is no {kind}") from None
    if kind == "duration":
        return read_span(text)
    raise InvalidRequest(f"there is no type {kind[:SHOWN_CHARACTERS_MAX]!r}; there are {TYPES}")


def read_instant(text: str) -> datetime:
    """In UTC, or without a zone when none is said; raises `ValueError` or `OverflowError`."""
    found = INSTANT.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    fraction = (found[2] or "").ljust(6, "0")[:6]
    at = datetime.fromisoformat(f"{found[1]}.{fraction}{found[3] or ''}")
    return at if at.tzinfo is None else at.astimezone(UTC)


# ---- ours → theirs


def write_pairs(name: str, values: Iterable[tuple[str, Scalar]]) -> Element:
    """An element of this name with a pair for each value."""
    pairs = [Element(PAIR, Element("Key", text=key), write_value(one)) for key, one in values]
    return Element(name, *pairs)


def write_value(value: Scalar) -> Element:
    """A whole number is an `int` where it fits, whatever it came as: JavaScript's client reads
    no `long`."""
    kind, text = "string", str(value)
    if isinstance(value, bool):
        kind, text = "boolean", text.lower()
    elif isinstance(value, int):
        kind = "int" if abs(value) <= INT_MAX else "long"
    elif isinstance(value, float):
        kind, text = "double", repr(value)
    elif isinstance(value, datetime):
        kind, text = "dateTime", value.isoformat().replace("+00:00", "Z")
    elif isinstance(value, timedelta):
        kind, text = "duration", write_span(value)
    return Element("Value", text=text, attributes={"i:type": f"d6p1:{kind}", **SCHEMA})
