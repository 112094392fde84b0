"""JSON → filters of the CloudEvents Subscriptions API (§3.2.4).

A filter is an object with one member, whose name is the dialect: `exact`, `prefix`, `suffix`,
`all`, `any`, `not` and `sql` are the specification's, `mqtt` is ours. A refusal says by path
which part of the JSON is wrong: `filters[0].any[2].exact.type`.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, final

from peeklock.errors import InvalidFilter
from peeklock.filters.cesql import Every, Inverse, Some
from peeklock.filters.event_filter import (
    AttributeBegins,
    AttributeEnds,
    AttributeIs,
    EventFilter,
    TrueOrNot,
)
from peeklock.filters.program import Program
from peeklock.filters.subject_path import AttributeUnder
from peeklock.filters.values import SHOWN_CHARACTERS_MAX
from peeklock.limits import (
    EVENT_FILTERS_CHARACTERS_MAX,
    FILTER_DEPTH_MAX,
    FILTER_NODES_MAX,
    FILTERS_CACHED_MAX,
)

ROOT: Final = "filters"
DIALECTS: Final = ("exact", "prefix", "suffix", "all", "any", "not", "sql", "mqtt")
NAME: Final = re.compile("[a-z0-9]+")  # an attribute's (CloudEvents §3.1.1)
OBJECT: Final = 'an object with one member, as {"exact": {"type": "…"}}'
ARRAY: Final = "an array of at least one filter"
ATTRIBUTES: Final = 'an object of attributes and strings, as {"type": "…"}'


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def event_filters(text: str) -> EventFilter:
    """The filters that a JSON text says, all of which an event has to pass.

    It is an array; an empty one takes every event. Raises `InvalidFilter`.
    """
    return EventFilter(text, Reader().filters(read_json(text)))


def filters_text(filters: object) -> str:
    """The JSON text of filters that came as lists and dictionaries; raises `InvalidFilter`."""
    Reader().filters(filters)
    text = json.dumps(filters, ensure_ascii=False, separators=(",", ":"))
    check_text(text)
    return text


def check_text(text: str) -> None:
    """What the journal cannot keep is refused, too."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refused(ROOT, "half of a character, which is none") from None
    if len(text) > EVENT_FILTERS_CHARACTERS_MAX:
        most = EVENT_FILTERS_CHARACTERS_MAX
        raise refused(ROOT, f"{len(text)} characters of JSON; there may be {most}")


def read_json(text: str) -> object:
    check_text(text)
    try:
        # Numbers are refused wherever they stand: as floats, no number is too long to be read.
        return json.loads(text, object_pairs_hook=without_doubles, parse_int=float)
    except json.JSONDecodeError as error:
        raise InvalidFilter(f"no JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise too_deep(ROOT) from None


def without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise refused(ROOT, f"{name[:SHOWN_CHARACTERS_MAX]!r} is there twice in one object")
        found[name] = value
    return found


@final
class Reader:
    """Of one array of filters; counts what an event would cost."""

    def __init__(self) -> None:
        self._count = 0

    def filters(self, value: object) -> Program:
        """All of them; there may be none."""
        if not isinstance(value, list):
            raise refused(ROOT, f"{shown(value)}, where an array of filters is wanted")
        return Every(self._each(value, ROOT, 1))

    def _each(self, values: list[object], path: str, depth: int) -> list[Program]:
        return [
            self._one(value, f"{path}[{place}]", depth) for place, value in enumerate(values)
        ]

    def _one(self, value: object, path: str, depth: int) -> Program:
        if depth > FILTER_DEPTH_MAX:
            raise too_deep(path)
        if not isinstance(value, dict) or len(value) != 1:
            raise wanted(path, OBJECT, value)
        dialect, given = next(iter(value.items()))
        below = f"{path}.{named(dialect)}"
        self._cost(1, below)
        if dialect == "not":
            return Inverse(self._one(given, below, depth + 1))
        if dialect == "all" or dialect == "any":
            if not isinstance(given, list) or not given:
                raise wanted(below, ARRAY, given)
            parts = self._each(given, below, depth + 1)
            return Every(parts) if dialect == "all" else Some(parts)
        if dialect == "sql":
            return self._sql(given, below)
        make = ON_ATTRIBUTES.get(dialect) if isinstance(dialect, str) else None
        if make is None:
            what = f"no dialect {named(dialect)!r}; there are {', '.join(DIALECTS)}"
            raise refused(path, what)
        return self._on_attributes(make, given, below)

    def _on_attributes(
        self, make: Callable[[str, str], Program], given: object, path: str
    ) -> Program:
        """All of them have to hold."""
        if not isinstance(given, dict) or not given:
            raise wanted(path, ATTRIBUTES, given)
        parts: list[Program] = []
        for name, text in given.items():
            below = f"{path}.{named(name)}"
            self._cost(1, below)
            if not isinstance(name, str) or not NAME.fullmatch(name):
                what = "no attribute's name: those have small letters a-z and digits alone"
                raise refused(below, what)
            if not isinstance(text, str) or not text:
                raise wanted(below, "a string of at least one character", text)
            parts.append(within(below, make, str(name), str(text)))
        return parts[0] if len(parts) == 1 else Every(parts)

    def _sql(self, given: object, path: str) -> Program:
        if not isinstance(given, str):
            raise wanted(path, "a CESQL expression, as a string", given)
        # These bring the parser, which is loaded when somebody needs it (ADR 0018).
        from peeklock.filters.cesql_compiler import compile_known
        from peeklock.filters.dialects import CESQL
        from peeklock.filters.parser import parse_expression
        from peeklock.filters.tree import walk

        text = str(given)
        try:
            tree = parse_expression(text, CESQL)
            program = compile_known(text, tree)
        except InvalidFilter as error:
            raise InvalidFilter(
                str(error), error.line, error.column, error.expected, path
            ) from None
        self._cost(sum(1 for _node in walk(tree)), path)
        return TrueOrNot(program)

    def _cost(self, nodes: int, path: str) -> None:
        self._count += nodes
        if self._count > FILTER_NODES_MAX:
            what = f"more than {FILTER_NODES_MAX} filters, attributes and operators in all"
            raise refused(path, what)


def within(path: str, make: Callable[[str, str], Program], name: str, text: str) -> Program:
    try:
        return make(name, text)
    except InvalidFilter as error:
        raise InvalidFilter(
            f"{error} in {text[:SHOWN_CHARACTERS_MAX]!r}",
            error.line,
            error.column,
            error.expected,
            path,
        ) from None


ON_ATTRIBUTES: Final[dict[str, Callable[[str, str], Program]]] = {
    "exact": AttributeIs,
    "prefix": AttributeBegins,
    "suffix": AttributeEnds,
    "mqtt": AttributeUnder,
}


# ---- errors


def wanted(path: str, what: str, found: object) -> InvalidFilter:
    return refused(path, f"{what} is wanted, not {shown(found)}", (what,))


def too_deep(path: str) -> InvalidFilter:
    return refused(path, f"nested more than {FILTER_DEPTH_MAX} deep")


def refused(path: str, what: str, expected: Sequence[str] = ()) -> InvalidFilter:
    return InvalidFilter(what, expected=tuple(expected), path=path)


def named(key: object) -> str:
    """A member's name as paths show it."""
    return str(key)[:SHOWN_CHARACTERS_MAX]


def shown(value: object) -> str:
    """A value as JSON calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "an empty string" if not value else f"{value[:SHOWN_CHARACTERS_MAX]!r}"
    if isinstance(value, dict):
        return "an empty object" if not value else f"an object of {len(value)}"
    if isinstance(value, list):
        return "an empty array" if not value else f"an array of {len(value)}"
    if isinstance(value, (int, float)):
        return "a number"
    return f"a {type(value).__name__}"
