"""Tree → program: what can be known beforehand is worked out here, once."""

from collections.abc import Mapping
from typing import Final, final

from peeklock.errors import InvalidFilter
from peeklock.filters.comparison import EQUAL, NOT_EQUAL, OPERATORS
from peeklock.filters.conditions import (
    AllOf,
    AnyOf,
    Compared,
    HasUser,
    InRange,
    LikeText,
    LikeValue,
    Missing,
    Negation,
    OneOf,
    OneOfTexts,
    SameText,
)
from peeklock.filters.dialects import Dialect
from peeklock.filters.like import LikePattern
from peeklock.filters.places import refusal, where
from peeklock.filters.program import (
    Calculation,
    Constant,
    Header,
    NamedProperty,
    NewId,
    Program,
    Signed,
    SystemValue,
    Trouble,
    UserProperty,
    UserPropertyAnyCase,
)
from peeklock.filters.tree import (
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Exists,
    Expression,
    In,
    IsNull,
    Like,
    Literal,
    Not,
    Or,
    Parameter,
    Property,
    Scope,
    Sign,
)
from peeklock.filters.values import Value, in_utc
from peeklock.filters.view import JmsHeader, SystemProperty
from peeklock.limits import LIKE_PATTERN_CHARACTERS_MAX

Parameters = Mapping[str, Value]
TOO_LONG: Final = f"a pattern has at most {LIKE_PATTERN_CHARACTERS_MAX} characters"


@final
class Compiler:
    """For one text of one dialect, with the values of its parameters."""

    __slots__ = ("_dialect", "_parameters", "_text")

    def __init__(self, text: str, dialect: Dialect, parameters: Parameters) -> None:
        """Names of parameters count without their @, in any case; raises `InvalidFilter` for
        two that are the same then."""
        self._text = text
        self._dialect = dialect
        self._parameters: dict[str, Value] = {}
        for name, value in parameters.items():
            folded = name.removeprefix("@").lower()
            if folded in self._parameters:
                raise InvalidFilter(f"there are two values for the parameter @{folded}")
            self._parameters[folded] = value

    def compile(self, node: Expression) -> Program:
        """Raises `InvalidFilter` for a parameter that has no value."""
        if isinstance(node, Literal):
            return Constant(node.value)
        if isinstance(node, Property):
            return self._property(node)
        if isinstance(node, Comparison):
            return self._comparison(node)
        if isinstance(node, And):
            return AllOf([self.compile(part) for part in node.parts], self._trouble(node))
        if isinstance(node, Or):
            return AnyOf([self.compile(part) for part in node.parts], self._trouble(node))
        if isinstance(node, Not):
            return Negation(self.compile(node.operand), self._trouble(node))
        if isinstance(node, (Like, In, Between, IsNull, Exists)):
            return self._test(node)
        return self._value(node)

    def _trouble(self, node: Expression) -> Trouble:
        dialect = self._dialect
        return Trouble(where(self._text, node.at), dialect.strict, not dialect.jms)

    def _property(self, node: Property) -> Program:
        if node.scope is Scope.SYSTEM:
            return SystemValue(SystemProperty(node.name))
        if node.scope is Scope.HEADER:
            return Header(JmsHeader(node.name))
        if self._dialect.scopes:
            return UserPropertyAnyCase(node.name)
        return UserProperty(node.name)

    def _value(self, node: Expression) -> Program:
        if isinstance(node, Parameter):
            return Constant(self._parameter(node))
        if isinstance(node, Sign):
            minus = node.operator == "-"
            return Signed(minus, self.compile(node.operand), self._trouble(node))
        if isinstance(node, Arithmetic):
            left, right = self.compile(node.left), self.compile(node.right)
            return Calculation(node.operator, left, right, self._trouble(node))
        assert isinstance(node, Call)
        if node.name == "newid":
            return NewId()
        return NamedProperty(self.compile(node.arguments[0]), self._trouble(node))

    def _parameter(self, node: Parameter) -> Value:
        name = node.name.lower()
        if name not in self._parameters:
            raise refusal(self._text, node.at, f"no value was given for @{node.name}")
        return in_utc(self._parameters[name])

    def _comparison(self, node: Comparison) -> Program:
        operator = OPERATORS[node.operator]
        left, right = self.compile(node.left), self.compile(node.right)
        trouble = self._trouble(node)
        if operator == EQUAL or operator == NOT_EQUAL:
            if isinstance(left, Constant):
                left, right = right, left  # both ways say the same
            if isinstance(right, Constant) and isinstance(right.value, str):
                return SameText(left, right.value, operator == NOT_EQUAL, trouble)
        return Compared(operator, left, right, trouble)

    def _test(self, node: Like | In | Between | IsNull | Exists) -> Program:
        if isinstance(node, Exists):
            if node.operand.scope is Scope.USER:
                return HasUser(node.operand.name)
            return Missing(self.compile(node.operand), True)
        operand = self.compile(node.operand)
        trouble = self._trouble(node)
        if isinstance(node, IsNull):
            return Missing(operand, node.negated)
        if isinstance(node, Like):
            return self._like(node, operand, trouble)
        if isinstance(node, Between):
            low, high = self.compile(node.low), self.compile(node.high)
            return InRange(operand, low, high, node.negated, trouble)
        items = [self.compile(item) for item in node.items]
        texts = [text for text in map(known_text, items) if text is not None]
        if len(texts) == len(items):
            return OneOfTexts(operand, frozenset(texts), node.negated, trouble)
        return OneOf(operand, items, node.negated, trouble)

    def _like(self, node: Like, operand: Program, trouble: Trouble) -> Program:
        pattern = self.compile(node.pattern)
        escape = None if node.escape is None else self.compile(node.escape)
        text = known_text(pattern)
        character = "" if escape is None else known_text(escape)
        if text is None or character is None or len(character) > 1:
            return LikeValue(operand, pattern, escape, node.negated, trouble)
        if len(text) > LIKE_PATTERN_CHARACTERS_MAX:  # a parameter's; what is written is shorter
            raise refusal(self._text, node.at, TOO_LONG)
        return LikeText(operand, LikePattern(text, character), node.negated, trouble)


def known_text(program: Program) -> str | None:
    """The string that a program gives for every message; None if it is none."""
    if isinstance(program, Constant) and isinstance(program.value, str):
        return program.value
    return None
