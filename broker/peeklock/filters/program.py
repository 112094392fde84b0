"""A filter that is ready to run: nodes that know how to work themselves out for one message.

Here are those that have a value; conditions.py has those that are true, false or unknown.

The nodes are classes and not closures because mypyc calls a class's method directly: compiled
they are half again as fast, and as plain Python they cost the same (ADR 0018). That is also
why they have a common parent, which everywhere else in this project would be a `Protocol`.
"""

from typing import Final, final

from peeklock.errors import FilterError
from peeklock.filters.arithmetic import calculate, negative, positive, unfit
from peeklock.filters.values import Value, shown
from peeklock.filters.view import (
    SYSTEM_PROPERTIES,
    JmsHeader,
    PropertyView,
    SystemProperty,
)


class Program:
    """One node: `evaluate` works out its value for the message that `view` shows."""

    __slots__ = ()

    def evaluate(self, view: PropertyView) -> Value:
        """Raises `FilterError`, where the dialect is strict, for values that do not fit."""
        raise NotImplementedError


@final
class Trouble:
    """What becomes of a value that does not fit: an error that says where, or nothing.

    `strict` dialects raise; the others have an answer, which the node that met it gives.
    """

    __slots__ = ("_strict", "_where", "text_operators")

    def __init__(self, where: str, strict: bool, text_operators: bool) -> None:
        self._where: Final = where
        self._strict: Final = strict
        self.text_operators: Final = text_operators  # may strings be ordered and joined, here?

    def tell(self, what: str) -> None:
        """Raise, or return so that the node can go on."""
        if self._strict:
            raise FilterError(f"{self._where}: {what}")


@final
class Constant(Program):
    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value: Final = value

    def evaluate(self, view: PropertyView) -> Value:
        return self.value


@final
class UserProperty(Program):
    """An application property by its very name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def evaluate(self, view: PropertyView) -> Value:
        return view.user(self._name)


@final
class UserPropertyAnyCase(Program):
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def evaluate(self, view: PropertyView) -> Value:
        return view.user_any_case(self._name)


@final
class SystemValue(Program):
    __slots__ = ("_which",)

    def __init__(self, which: SystemProperty) -> None:
        self._which: Final = which

    def evaluate(self, view: PropertyView) -> Value:
        return view.system(self._which)


@final
class Header(Program):
    __slots__ = ("_which",)

    def __init__(self, which: JmsHeader) -> None:
        self._which: Final = which

    def evaluate(self, view: PropertyView) -> Value:
        return view.jms_header(self._which)


@final
class NamedProperty(Program):
    """`property(name)`: the name is worked out first; `sys.` before it is understood."""

    __slots__ = ("_name", "_trouble")

    def __init__(self, name: Program, trouble: Trouble) -> None:
        self._name: Final = name
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        name = self._name.evaluate(view)
        if name is None:
            return None
        if not isinstance(name, str):
            self._trouble.tell(f"property() takes a name, not {shown(name)}")
            return None
        scope, _dot, rest = name.partition(".")
        if scope.lower() == "user":
            return view.user_any_case(rest)
        if scope.lower() != "sys":
            return view.user_any_case(name)
        which = SYSTEM_PROPERTIES.get(rest.lower())
        if which is None:
            self._trouble.tell(f"no system property {shown(rest)}")
            return None
        return view.system(which)


@final
class NewId(Program):
    __slots__ = ()

    def evaluate(self, view: PropertyView) -> Value:
        return view.new_id()


@final
class Signed(Program):
    __slots__ = ("_minus", "_operand", "_trouble")

    def __init__(self, minus: bool, operand: Program, trouble: Trouble) -> None:
        self._minus: Final = minus
        self._operand: Final = operand
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        if value is None:
            return None
        try:
            return negative(value) if self._minus else positive(value)
        except FilterError as error:
            self._trouble.tell(str(error))
            return None


@final
class Calculation(Program):
    __slots__ = ("_left", "_operator", "_right", "_trouble")

    def __init__(self, operator: str, left: Program, right: Program, trouble: Trouble) -> None:
        self._operator: Final = operator
        self._left: Final = left
        self._right: Final = right
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        left = self._left.evaluate(view)
        right = self._right.evaluate(view)
        if left is None or right is None:
            return None
        texts = isinstance(left, str) or isinstance(right, str)
        try:
            if texts and not self._trouble.text_operators:
                raise unfit(self._operator, left, right)
            return calculate(self._operator, left, right)
        except FilterError as error:
            self._trouble.tell(str(error))
            return None
