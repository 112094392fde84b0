"""Tree → program, for CESQL."""

from peeklock.filters.cesql import (
    Alike,
    Attribute,
    Every,
    Exclusive,
    HasAttribute,
    Inverse,
    Invocation,
    Matched,
    Minus,
    NoFunction,
    Some,
    Sum,
    Within,
    kind_given,
)
from peeklock.filters.cesql_functions import FUNCTIONS, find_function
from peeklock.filters.cesql_values import Kind
from peeklock.filters.comparison import OPERATORS
from peeklock.filters.dialects import CESQL
from peeklock.filters.like import LikePattern
from peeklock.filters.parser import parse_expression
from peeklock.filters.places import refusal
from peeklock.filters.program import Constant, Program
from peeklock.filters.tree import (
    And,
    Arithmetic,
    Call,
    Comparison,
    Exists,
    Expression,
    In,
    Like,
    Literal,
    Not,
    Or,
    Property,
    Sign,
    Xor,
    walk,
)

ESCAPE = "\\"  # before % and _ in a pattern (§3.4.3)


def compile_predicate(text: str) -> Program:
    """A filter: what it cannot do on any event is refused here, with its place."""
    program = compile_known(text, parse_expression(text, CESQL))
    if kind_given(program) in (Kind.STRING, Kind.INTEGER):
        raise refusal(text, 0, "a filter is true or false, and this is a value")
    return program


def compile_known(text: str, tree: Expression) -> Program:
    """An expression whose functions are all there; raises `InvalidFilter`."""
    for node, _depth in walk(tree):
        if isinstance(node, Call) and find_function(node.name, len(node.arguments)) is None:
            raise refusal(text, node.at, no_such(node))
    return compile_cesql(tree)


def no_such(node: Call) -> str:
    if node.name not in FUNCTIONS:
        return f"no function {node.name}; there are {', '.join(FUNCTIONS)}"
    return f"{node.name} does not take {len(node.arguments)} arguments"


def compile_cesql(node: Expression) -> Program:
    """Any expression. A function that is not there is an error of every event (§3.5)."""
    if isinstance(node, Literal):
        return Constant(node.value)
    if isinstance(node, Property):
        return Attribute(node.name)
    if isinstance(node, Exists):
        return HasAttribute(node.operand.name)
    if isinstance(node, Comparison):
        left, right = compile_cesql(node.left), compile_cesql(node.right)
        return Matched(OPERATORS[node.operator], left, right)
    if isinstance(node, Arithmetic):
        return Sum(node.operator, compile_cesql(node.left), compile_cesql(node.right))
    if isinstance(node, Sign):
        return Minus(compile_cesql(node.operand))
    if isinstance(node, Call):
        arguments = [compile_cesql(argument) for argument in node.arguments]
        function = find_function(node.name, len(arguments))
        return NoFunction(node.name) if function is None else Invocation(function, arguments)
    return compile_test(node)


def compile_test(node: Expression) -> Program:
    if isinstance(node, And):
        return Every([compile_cesql(part) for part in node.parts])
    if isinstance(node, Or):
        return Some([compile_cesql(part) for part in node.parts])
    if isinstance(node, Xor):
        return Exclusive(compile_cesql(node.left), compile_cesql(node.right))
    if isinstance(node, Not):
        return Inverse(compile_cesql(node.operand))
    if isinstance(node, In):
        items = [compile_cesql(item) for item in node.items]
        return Within(compile_cesql(node.operand), items, node.negated)
    assert isinstance(node, Like)
    assert isinstance(node.pattern, Literal)
    assert isinstance(node.pattern.value, str)
    pattern = LikePattern(node.pattern.value, ESCAPE)
    return Alike(compile_cesql(node.operand), pattern, node.negated)
