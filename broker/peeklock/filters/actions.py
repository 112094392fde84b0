"""SQL actions: what a rule changes on the copy of a message that it takes.

SET and REMOVE, one after the other, each seeing what those before it did. An action says what
is to change (`Changes`); whoever knows the message's encoding makes the new message of it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, final
from uuid import UUID

from peeklock.errors import FilterError
from peeklock.filters.arithmetic import INTEGER_MAX, INTEGER_MIN
from peeklock.filters.compiler import Compiler
from peeklock.filters.dialects import SQL_ACTION
from peeklock.filters.filter import NO_PARAMETERS
from peeklock.filters.program import Program
from peeklock.filters.tree import Assignment, Property, Scope
from peeklock.filters.values import Value, text_of
from peeklock.filters.view import JmsHeader, PropertyView, SystemProperty
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX, FILTERS_CACHED_MAX


@final
class Change:
    """What becomes of one application property."""

    __slots__ = ("name", "removed", "value")

    def __init__(self, name: str, value: Value, removed: bool) -> None:
        self.name: Final = name  # as the action spells it
        self.value: Final = value
        self.removed: Final = removed


@final
class Changes:
    """Properties that get other values, or go. Names of application properties are found in
    any case; one that is there keeps its spelling."""

    __slots__ = ("system", "user")

    def __init__(self) -> None:
        self.system: Final[dict[SystemProperty, str | None]] = {}
        self.user: Final[dict[str, Change]] = {}  # by name in lower case

    def set_user(self, name: str, value: Value) -> None:
        self.user[name.lower()] = Change(name, value, False)

    def remove_user(self, name: str) -> None:
        self.user[name.lower()] = Change(name, None, True)

    def set_system(self, which: SystemProperty, text: str | None) -> None:
        self.system[which] = text


@final
class ChangedView:
    """The message as it is after some changes: `filters.view.PropertyView`."""

    __slots__ = ("_changes", "_view")

    def __init__(self, view: PropertyView, changes: Changes) -> None:
        self._view: Final = view
        self._changes: Final = changes

    def system(self, which: SystemProperty) -> Value:
        if which in self._changes.system:
            return self._changes.system[which]
        return self._view.system(which)

    def jms_header(self, which: JmsHeader) -> Value:
        return self._view.jms_header(which)  # no action speaks of them

    def user(self, name: str) -> Value:
        return self.user_any_case(name)

    def user_any_case(self, name: str) -> Value:
        change = self._changes.user.get(name.lower())
        return self._view.user_any_case(name) if change is None else change.value

    def has_user(self, name: str) -> bool:
        change = self._changes.user.get(name.lower())
        return self._view.has_user(name) if change is None else not change.removed

    def attribute(self, name: str) -> Value:
        return self._view.attribute(name)  # nor of a CloudEvent's

    def new_id(self) -> UUID:
        return self._view.new_id()


@final
class Step:
    """One statement, ready to run; without a program it removes."""

    __slots__ = ("program", "target")

    def __init__(self, target: Property, program: Program | None) -> None:
        self.target: Final = target
        self.program: Final = program


@final
class Action:
    """What a text of SET and REMOVE statements does."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str, steps: Sequence[Step]) -> None:
        self.text: Final = text
        self._steps: Final = list(steps)

    def apply(self, view: PropertyView) -> Changes:
        """What is to change on the message that `view` shows.

        Raises `FilterError` where a value cannot be worked out, and then nothing is changed.
        """
        changes = Changes()
        shown = ChangedView(view, changes)
        for step in self._steps:
            value = None if step.program is None else step.program.evaluate(shown)
            name = step.target.name
            if step.target.scope is Scope.SYSTEM:
                changes.set_system(SystemProperty(name), as_id(value))
            elif step.program is None:
                changes.remove_user(name)
            else:
                changes.set_user(name, converted(shown.user_any_case(name), value))
        return changes


def as_id(value: Value) -> str | None:
    """For the message's own properties, which are text; unknown unsets them."""
    if value is None:
        return None
    text = text_of(value)
    if len(text) > FILTER_VALUE_CHARACTERS_MAX:
        raise FilterError(f"a property of more than {FILTER_VALUE_CHARACTERS_MAX} characters")
    return text


def converted(before: Value, value: Value) -> Value:
    """`value` in the kind that the property had: text stays text, and a number whole if it
    can, so that a receiver finds the type that it knows."""
    if value is None or before is None:
        return value
    if isinstance(before, str):
        return text_of(value)
    if isinstance(before, bool) or isinstance(value, bool):
        return value
    if isinstance(before, int) and isinstance(value, (float, Decimal)):
        if is_whole(value):
            return int(value)
        return value
    if isinstance(before, float) and isinstance(value, (int, Decimal)):
        return float(value)
    if isinstance(before, Decimal) and isinstance(value, int):
        return Decimal(value)
    return value


def is_whole(number: float | Decimal) -> bool:
    if isinstance(number, float):
        return number.is_integer() and INTEGER_MIN <= number <= INTEGER_MAX
    if not number.is_finite() or not INTEGER_MIN <= number <= INTEGER_MAX:
        return False
    return number == int(number)


def sql_action(text: str, parameters: Mapping[str, Value] = NO_PARAMETERS) -> Action:
    """A rule's action, as Service Bus has them; raises `InvalidFilter`."""
    return compiled(text, parameters) if parameters else compiled_once(text)


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def compiled_once(text: str) -> Action:
    return compiled(text, NO_PARAMETERS)


def compiled(text: str, parameters: Mapping[str, Value]) -> Action:
    from peeklock.filters.parser import parse_statements

    compiler = Compiler(text, SQL_ACTION, parameters)
    steps: list[Step] = []
    for statement in parse_statements(text):
        program = None
        if isinstance(statement, Assignment):
            program = compiler.compile(statement.value)
        steps.append(Step(statement.target, program))
    return Action(text, steps)
