"""The nodes of a program that are true, false or unknown, and three-valued logic.

It is said here, once: True, False, and `None` for unknown. What is not there is unknown; so is
what is made of it, with the exceptions that AND, OR and IS NULL are.
"""

from collections.abc import Sequence
from typing import Final, final

from peeklock.filters.comparison import (
    AT_LEAST,
    AT_MOST,
    DIFFERENT,
    EQUAL,
    LESS_THAN,
    MORE_THAN,
    SAME,
    UNLIKE,
    has_order,
    holds,
    relation,
)
from peeklock.filters.like import LikePattern
from peeklock.filters.program import Program, Trouble
from peeklock.filters.values import Value, kind_of, shown
from peeklock.filters.view import PropertyView
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX, LIKE_PATTERN_CHARACTERS_MAX


def decided(operator: int, left: Value, right: Value, trouble: Trouble) -> bool | None:
    """A comparison of two values; of unlike ones it is false where that is no error."""
    if left is None or right is None:
        return None
    found = relation(left, right)
    if found == UNLIKE:
        trouble.tell(f"{shown(left)} cannot be compared with {shown(right)}")
        return False
    if operator >= LESS_THAN and not is_ordered(left, found, trouble.text_operators):
        trouble.tell(f"{kind_of(left)} is neither less nor more than another")
        return False
    return holds(operator, found)


def is_ordered(value: Value, found: int, text_operators: bool) -> bool:
    if isinstance(value, str):
        return text_operators
    return (found != SAME and found != DIFFERENT) or has_order(value)


@final
class Compared(Program):
    __slots__ = ("_left", "_operator", "_right", "_trouble")

    def __init__(self, operator: int, left: Program, right: Program, trouble: Trouble) -> None:
        self._operator: Final = operator
        self._left: Final = left
        self._right: Final = right
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        left = self._left.evaluate(view)
        right = self._right.evaluate(view)
        return decided(self._operator, left, right, self._trouble)


@final
class SameText(Program):
    """`operand = 'text'`, or `<>`: what most filters are made of."""

    __slots__ = ("_negated", "_operand", "_text", "_trouble")

    def __init__(self, operand: Program, text: str, negated: bool, trouble: Trouble) -> None:
        self._operand: Final = operand
        self._text: Final = text
        self._negated: Final = negated
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        if value is None:
            return None
        if isinstance(value, str):
            return (value == self._text) is not self._negated
        self._trouble.tell(f"{shown(value)} cannot be compared with {shown(self._text)}")
        return False


@final
class OneOfTexts(Program):
    """`operand IN ('a', 'b', …)`, all of them text."""

    __slots__ = ("_negated", "_operand", "_texts", "_trouble")

    def __init__(
        self, operand: Program, texts: frozenset[str], negated: bool, trouble: Trouble
    ) -> None:
        self._operand: Final = operand
        self._texts: Final = texts
        self._negated: Final = negated
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        if value is None:
            return None
        if isinstance(value, str):
            return (value in self._texts) is not self._negated
        self._trouble.tell(f"{shown(value)} cannot be compared with strings")
        return False


@final
class OneOf(Program):
    """`operand IN (…)`: an OR of equalities, so unknown items leave it unknown."""

    __slots__ = ("_items", "_negated", "_operand", "_trouble")

    def __init__(
        self, operand: Program, items: Sequence[Program], negated: bool, trouble: Trouble
    ) -> None:
        self._operand: Final = operand
        self._items: Final = list(items)
        self._negated: Final = negated
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        if value is None:
            return None
        unknown = False
        for item in self._items:
            found = decided(EQUAL, value, item.evaluate(view), self._trouble)
            if found is None:
                unknown = True
            elif found:
                return not self._negated
        return None if unknown else self._negated


@final
class InRange(Program):
    """`operand BETWEEN low AND high`, both included."""

    __slots__ = ("_high", "_low", "_negated", "_operand", "_trouble")

    def __init__(
        self, operand: Program, low: Program, high: Program, negated: bool, trouble: Trouble
    ) -> None:
        self._operand: Final = operand
        self._low: Final = low
        self._high: Final = high
        self._negated: Final = negated
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        low = self._low.evaluate(view)
        high = self._high.evaluate(view)
        if self._negated:
            below = decided(LESS_THAN, value, low, self._trouble)
            return disjunction(below, decided(MORE_THAN, value, high, self._trouble))
        above = decided(AT_LEAST, value, low, self._trouble)
        return conjunction(above, decided(AT_MOST, value, high, self._trouble))


@final
class LikeText(Program):
    """`operand LIKE 'pattern'`, the pattern known beforehand."""

    __slots__ = ("_negated", "_operand", "_pattern", "_trouble")

    def __init__(
        self, operand: Program, pattern: LikePattern, negated: bool, trouble: Trouble
    ) -> None:
        self._operand: Final = operand
        self._pattern: Final = pattern
        self._negated: Final = negated
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        return alike(value, self._pattern, self._negated, self._trouble)


@final
class LikeValue(Program):
    """`operand LIKE pattern ESCAPE escape`, where the message decides what the pattern is."""

    __slots__ = ("_escape", "_negated", "_operand", "_pattern", "_trouble")

    def __init__(
        self,
        operand: Program,
        pattern: Program,
        escape: Program | None,
        negated: bool,
        trouble: Trouble,
    ) -> None:
        self._operand: Final = operand
        self._pattern: Final = pattern
        self._escape: Final = escape
        self._negated: Final = negated
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        pattern = self._pattern.evaluate(view)
        escape: Value = "" if self._escape is None else self._escape.evaluate(view)
        if value is None or pattern is None or escape is None:
            return None
        if not isinstance(pattern, str) or len(pattern) > LIKE_PATTERN_CHARACTERS_MAX:
            most = LIKE_PATTERN_CHARACTERS_MAX
            what = f"LIKE takes a pattern of up to {most} characters, not {shown(pattern)}"
            self._trouble.tell(what)
            return False
        if not isinstance(escape, str) or len(escape) > 1:
            self._trouble.tell(f"ESCAPE takes one character, not {shown(escape)}")
            return False
        return alike(value, LikePattern(pattern, escape), self._negated, self._trouble)


def alike(value: Value, pattern: LikePattern, negated: bool, trouble: Trouble) -> bool | None:
    if value is None:
        return None
    if not isinstance(value, str):
        trouble.tell(f"LIKE matches strings, not {shown(value)}")
        return False
    if len(value) > FILTER_VALUE_CHARACTERS_MAX:
        trouble.tell(f"LIKE matches up to {FILTER_VALUE_CHARACTERS_MAX} characters")
        return False
    return pattern.matches(value) is not negated


@final
class Missing(Program):
    """`operand IS NULL`: never unknown."""

    __slots__ = ("_negated", "_operand")

    def __init__(self, operand: Program, negated: bool) -> None:
        self._operand: Final = operand
        self._negated: Final = negated

    def evaluate(self, view: PropertyView) -> Value:
        return (self._operand.evaluate(view) is None) is not self._negated


@final
class HasUser(Program):
    """`EXISTS(name)`: a property that is there and null exists."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def evaluate(self, view: PropertyView) -> Value:
        return view.has_user(self._name)


# ---- three-valued logic


def not_(value: bool | None) -> bool | None:
    return None if value is None else not value


def conjunction(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def disjunction(left: bool | None, right: bool | None) -> bool | None:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


@final
class AllOf(Program):
    """AND: false as soon as one part is, then unknown if one is, else true."""

    __slots__ = ("_parts", "_trouble")

    def __init__(self, parts: Sequence[Program], trouble: Trouble) -> None:
        self._parts: Final = list(parts)
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        unknown = False
        for part in self._parts:
            value = part.evaluate(view)
            if value is False:
                return False
            if value is not True:
                unknown = True
                if value is not None:
                    self._trouble.tell(f"AND takes conditions, not {shown(value)}")
        return None if unknown else True


@final
class AnyOf(Program):
    """OR: true as soon as one part is, then unknown if one is, else false."""

    __slots__ = ("_parts", "_trouble")

    def __init__(self, parts: Sequence[Program], trouble: Trouble) -> None:
        self._parts: Final = list(parts)
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        unknown = False
        for part in self._parts:
            value = part.evaluate(view)
            if value is True:
                return True
            if value is not False:
                unknown = True
                if value is not None:
                    self._trouble.tell(f"OR takes conditions, not {shown(value)}")
        return None if unknown else False


@final
class Negation(Program):
    """NOT: unknown stays unknown."""

    __slots__ = ("_operand", "_trouble")

    def __init__(self, operand: Program, trouble: Trouble) -> None:
        self._operand: Final = operand
        self._trouble: Final = trouble

    def evaluate(self, view: PropertyView) -> Value:
        value = self._operand.evaluate(view)
        if value is None or isinstance(value, bool):
            return not_(value)
        self._trouble.tell(f"NOT takes a condition, not {shown(value)}")
        return None
