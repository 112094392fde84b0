"""Filters of the CloudEvents Subscriptions API (§3.2.4), ready to run.

Two-valued: a condition on an attribute that an event does not have is false, and its `not` is
true. What is no event passes none of them.
"""

from typing import Final, final

from peeklock.errors import FilterError
from peeklock.filters.cesql_values import to_boolean, to_text
from peeklock.filters.program import Program
from peeklock.filters.values import Value
from peeklock.filters.view import PropertyView

# The attribute by which a message is an event, in every mode.
SIGN_OF_AN_EVENT: Final = "specversion"


@final
class AttributeIs(Program):
    """`exact`, of one attribute."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name: Final = name
        self._text: Final = text

    def evaluate(self, view: PropertyView) -> Value:
        value = view.attribute(self._name)
        return value is not None and to_text(value) == self._text


@final
class AttributeBegins(Program):
    """`prefix`, of one attribute."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name: Final = name
        self._text: Final = text

    def evaluate(self, view: PropertyView) -> Value:
        value = view.attribute(self._name)
        return value is not None and to_text(value).startswith(self._text)


@final
class AttributeEnds(Program):
    """`suffix`, of one attribute."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name: Final = name
        self._text: Final = text

    def evaluate(self, view: PropertyView) -> Value:
        value = view.attribute(self._name)
        return value is not None and to_text(value).endswith(self._text)


@final
class TrueOrNot(Program):
    """`sql`: what the expression gives is made a boolean; an error is false."""

    __slots__ = ("_expression",)

    def __init__(self, expression: Program) -> None:
        self._expression: Final = expression

    def evaluate(self, view: PropertyView) -> Value:
        try:
            return to_boolean(self._expression.evaluate(view))
        except FilterError:
            return False


@final
class EventFilter:
    """Events for which a program of these is true; `text` is the JSON that says so."""

    __slots__ = ("_program", "text")

    def __init__(self, text: str, program: Program) -> None:
        self.text: Final = text
        self._program: Final = program

    def matches(self, view: PropertyView) -> bool:
        if view.attribute(SIGN_OF_AN_EVENT) is None:
            return False
        return self._program.evaluate(view) is True
