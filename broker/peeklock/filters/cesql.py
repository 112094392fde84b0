"""Programs of CESQL: two values and errors, where SQL has three values.

Every operator casts what it is given (CloudEvents SQL 1.0.0 §3.7). An error ends the
evaluation (§4.1's fail-fast mode, which §1.2 recommends for filters).
"""

from collections.abc import Sequence
from typing import Final, final

from peeklock.filters.cesql_functions import Function
from peeklock.filters.cesql_values import (
    CesqlError,
    Fault,
    Kind,
    cast,
    fitting,
    to_boolean,
    to_integer,
    to_text,
    zero,
)
from peeklock.filters.comparison import EQUAL, NOT_EQUAL, SAME, holds, relation
from peeklock.filters.like import LikePattern
from peeklock.filters.program import Constant, Program
from peeklock.filters.values import Value
from peeklock.filters.view import PropertyView
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX


@final
class Attribute(Program):
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def evaluate(self, view: PropertyView) -> Value:
        value = view.attribute(self._name)
        if value is None:
            raise CesqlError(Fault.MISSING_ATTRIBUTE, f"no attribute {self._name}")
        return value


@final
class HasAttribute(Program):
    """§3.4.4."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def evaluate(self, view: PropertyView) -> Value:
        return view.attribute(self._name) is not None


@final
class Inverse(Program):
    """NOT (§3.4.1)."""

    __slots__ = ("_operand",)

    def __init__(self, operand: Program) -> None:
        self._operand: Final = operand

    def evaluate(self, view: PropertyView) -> Value:
        return not to_boolean(self._operand.evaluate(view))


@final
class Minus(Program):
    __slots__ = ("_operand",)

    def __init__(self, operand: Program) -> None:
        self._operand: Final = operand

    def evaluate(self, view: PropertyView) -> Value:
        return fitting(-to_integer(self._operand.evaluate(view)))


@final
class Every(Program):
    """AND; what follows a false part is not evaluated (§3.4.2)."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Program]) -> None:
        self._parts: Final = list(parts)

    def evaluate(self, view: PropertyView) -> Value:
        for part in self._parts:
            if not to_boolean(part.evaluate(view)):
                return False
        return True


@final
class Some(Program):
    """OR; what follows a true part is not evaluated (§3.4.2)."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Program]) -> None:
        self._parts: Final = list(parts)

    def evaluate(self, view: PropertyView) -> Value:
        for part in self._parts:
            if to_boolean(part.evaluate(view)):
                return True
        return False


@final
class Exclusive(Program):
    """XOR."""

    __slots__ = ("_left", "_right")

    def __init__(self, left: Program, right: Program) -> None:
        self._left: Final = left
        self._right: Final = right

    def evaluate(self, view: PropertyView) -> Value:
        left = to_boolean(self._left.evaluate(view))
        return left is not to_boolean(self._right.evaluate(view))


@final
class Matched(Program):
    """A comparison: `=` and `<>` in the right side's type, the others of numbers (§3.7)."""

    __slots__ = ("_left", "_operator", "_right")

    def __init__(self, operator: int, left: Program, right: Program) -> None:
        self._operator: Final = operator
        self._left: Final = left
        self._right: Final = right

    def evaluate(self, view: PropertyView) -> Value:
        left = self._left.evaluate(view)
        right = self._right.evaluate(view)
        operator = self._operator
        if operator == EQUAL or operator == NOT_EQUAL:
            return holds(operator, relation(cast(left, right), right))
        return holds(operator, relation(to_integer(left), to_integer(right)))


@final
class Sum(Program):
    """`+ - * / %` on whole numbers of 32 bits (§3.4.2)."""

    __slots__ = ("_left", "_operator", "_right")

    def __init__(self, operator: str, left: Program, right: Program) -> None:
        self._operator: Final = operator
        self._left: Final = left
        self._right: Final = right

    def evaluate(self, view: PropertyView) -> Value:
        left = to_integer(self._left.evaluate(view))
        right = to_integer(self._right.evaluate(view))
        operator = self._operator
        if operator == "+":
            return fitting(left + right)
        if operator == "-":
            return fitting(left - right)
        if operator == "*":
            return fitting(left * right)
        if right == 0:
            raise CesqlError(Fault.MATH, f"{left} {operator} 0: a division by zero")
        quotient = abs(left) // abs(right)
        if (left < 0) != (right < 0):
            quotient = -quotient
        return fitting(quotient) if operator == "/" else left - quotient * right


@final
class Alike(Program):
    """LIKE (§3.4.3)."""

    __slots__ = ("_negated", "_operand", "_pattern")

    def __init__(self, operand: Program, pattern: LikePattern, negated: bool) -> None:
        self._operand: Final = operand
        self._pattern: Final = pattern
        self._negated: Final = negated

    def evaluate(self, view: PropertyView) -> Value:
        text = to_text(self._operand.evaluate(view))
        if len(text) > FILTER_VALUE_CHARACTERS_MAX:
            what = f"LIKE matches up to {FILTER_VALUE_CHARACTERS_MAX} characters"
            raise CesqlError(Fault.GENERIC, what)
        return self._pattern.matches(text) is not self._negated


@final
class Within(Program):
    """IN: equality, in the left side's type (§3.4.5)."""

    __slots__ = ("_items", "_negated", "_operand")

    def __init__(self, operand: Program, items: Sequence[Program], negated: bool) -> None:
        self._operand: Final = operand
        self._items: Final = list(items)
        self._negated: Final = negated

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        for item in self._items:
            if relation(cast(item.evaluate(view), value), value) == SAME:
                return not self._negated
        return self._negated


@final
class Invocation(Program):
    __slots__ = ("_arguments", "_function", "gives")

    def __init__(self, function: Function, arguments: Sequence[Program]) -> None:
        self.gives: Final = function.gives
        self._function: Final = function
        self._arguments: Final = list(arguments)

    def evaluate(self, view: PropertyView) -> Value:
        given: list[Value] = [argument.evaluate(view) for argument in self._arguments]
        try:
            return self._function.work(given)
        except CesqlError as error:
            error.whose = self
            raise


@final
class NoFunction(Program):
    """A call of what is not there (§3.5): an error of every event."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def evaluate(self, view: PropertyView) -> Value:
        raise CesqlError(Fault.MISSING_FUNCTION, f"no function {self._name}")


def result_of(program: Program, view: PropertyView) -> tuple[Value, Fault | None]:
    """What an expression gives for an event, and the error that it met."""
    try:
        return program.evaluate(view), None
    except CesqlError as error:
        if error.whose is program and error.value is not None:
            return error.value, error.fault
        return zero(kind_given(program)), error.fault


def kind_given(program: Program) -> Kind:
    """The type of what a program gives; ANY where only the event knows."""
    if isinstance(program, Constant):
        value = program.value
        if isinstance(value, bool):
            return Kind.BOOLEAN
        return Kind.STRING if isinstance(value, str) else Kind.INTEGER
    if isinstance(program, (Minus, Sum)):
        return Kind.INTEGER
    if isinstance(program, Invocation):
        return program.gives
    return Kind.ANY if isinstance(program, Attribute) else Kind.BOOLEAN
