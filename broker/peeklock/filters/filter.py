"""Filters: what a subscription or a receiver asks of each message.

Made once, asked often. A text is parsed by lark, which is imported when the first one comes.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, Protocol, final

from peeklock.errors import FilterError, InvalidFilter
from peeklock.filters.compiler import Compiler
from peeklock.filters.correlation import correlation_filter
from peeklock.filters.dialects import JMS, SQL, Dialect
from peeklock.filters.event_dialects import event_filters
from peeklock.filters.program import Program
from peeklock.filters.subject_path import PathFilter
from peeklock.filters.values import Value, shown
from peeklock.filters.view import PropertyView
from peeklock.limits import FILTERS_CACHED_MAX, SELECTOR_CHARACTERS_MAX

NO_PARAMETERS: Final[Mapping[str, Value]] = {}


class Filter(Protocol):
    """A predicate over a message."""

    def matches(self, view: PropertyView) -> bool:
        """Does the message pass? Unknown is no. Raises `FilterError` and nothing else."""
        ...


@final
class TrueFilter:
    """Every message passes."""

    __slots__ = ()

    def matches(self, view: PropertyView) -> bool:
        return True


@final
class FalseFilter:
    """No message passes."""

    __slots__ = ()

    def matches(self, view: PropertyView) -> bool:
        return False


@final
class ExpressionFilter:
    """What a text says, in one of the dialects."""

    __slots__ = ("_program", "_strict", "text")

    def __init__(self, text: str, program: Program, strict: bool) -> None:
        self.text: Final = text
        self._program: Final = program
        self._strict: Final = strict

    def matches(self, view: PropertyView) -> bool:
        value = self._program.evaluate(view)
        if value is True:
            return True
        if self._strict and value is not None and value is not False:
            raise FilterError(f"the filter is a condition, and gave {shown(value)}")
        return False


def rule_filter(
    kind: str,
    expression: str = "",
    properties: Iterable[tuple[str, Value]] = (),
    parameters: Mapping[str, Value] = NO_PARAMETERS,
) -> Filter:
    """The filter of a subscription's rule; raises `InvalidFilter`.

    `kind` is "true", "false", "correlation" or a dialect's name. `properties` are a
    correlation filter's, the message's own with "sys." before their names; `parameters` are
    the values of a SQL filter's `@names`.
    """
    if kind == "sql":
        return sql_filter(expression, parameters)
    if parameters:
        raise InvalidFilter(f"a filter of kind {kind!r} has no parameters: those of sql have")
    if kind == "true":
        return TrueFilter()
    if kind == "false":
        return FalseFilter()
    if kind == "correlation":
        return correlation_filter(properties)
    make = DIALECTS.get(kind)
    if make is None:
        known = ", ".join(("true", "false", "correlation", *DIALECTS))
        raise InvalidFilter(f"no filter is called {kind!r}; there are {known}")
    return make(expression)


@final
class CesqlFilter:
    """A CESQL expression as a predicate: with an error an event does not pass (§1.2)."""

    __slots__ = ("_program", "text")

    def __init__(self, text: str, program: Program) -> None:
        self.text: Final = text
        self._program: Final = program

    def matches(self, view: PropertyView) -> bool:
        try:
            return self._program.evaluate(view) is True
        except FilterError:
            return False


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def cesql_filter(text: str) -> CesqlFilter:
    """A CloudEvents SQL expression; raises `InvalidFilter`."""
    from peeklock.filters.cesql_compiler import compile_predicate

    return CesqlFilter(text, compile_predicate(text))


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def path_filter(text: str) -> PathFilter:
    """Subjects under a path with MQTT's wildcards; raises `InvalidFilter`."""
    if len(text) > SELECTOR_CHARACTERS_MAX:
        what = f"it has {len(text)} characters; a path has at most {SELECTOR_CHARACTERS_MAX}"
        raise InvalidFilter(what)
    return PathFilter(text)


def selector(text: str) -> Filter:
    """A JMS selector; raises `InvalidFilter`. An empty one selects everything (§3.8.1.1)."""
    return compiled_once(text, JMS) if text.strip() else TrueFilter()


def sql_filter(text: str, parameters: Mapping[str, Value] = NO_PARAMETERS) -> ExpressionFilter:
    """A rule's SQL filter, as Service Bus has them; raises `InvalidFilter`.

    `parameters` are the values of its `@names`, with or without the `@`, in any case.
    """
    if parameters:
        return compiled(text, SQL, parameters)
    return compiled_once(text, SQL)


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def compiled_once(text: str, dialect: Dialect) -> ExpressionFilter:
    return compiled(text, dialect, NO_PARAMETERS)


def compiled(text: str, dialect: Dialect, parameters: Mapping[str, Value]) -> ExpressionFilter:
    from peeklock.filters.parser import parse_expression

    tree = parse_expression(text, dialect)
    program = Compiler(text, dialect, parameters).compile(tree)
    return ExpressionFilter(text, program, dialect.strict)


DIALECTS: Final[dict[str, Callable[[str], Filter]]] = {
    "sql": sql_filter,
    "jms": selector,
    "cesql": cesql_filter,
    "events": event_filters,
    "path": path_filter,
}
