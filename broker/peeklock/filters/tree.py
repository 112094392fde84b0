"""What a filter's text says, as a tree. The same nodes for every dialect.

Two trees that say the same thing are equal: where in the text a node came from (`at`, an
offset) does not count. Chains of AND or OR are one node, as the operators are associative.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from peeklock.filters.values import Value


class Scope(Enum):
    """Where a property is looked up."""

    USER = "user"  # an application property
    SYSTEM = "sys"  # the message's own
    HEADER = "JMS"  # the message's own, as JMS calls and shows them
    ATTRIBUTE = "attribute"  # a CloudEvent's


def place() -> int:
    """A node's offset in its text: told in errors, no part of what it says."""
    offset: int = field(default=0, compare=False, repr=False, kw_only=True)
    return offset


@dataclass(frozen=True)
class Literal:
    value: Value
    at: int = place()


@dataclass(frozen=True)
class Property:
    scope: Scope
    name: str
    at: int = place()


@dataclass(frozen=True)
class Parameter:
    """`@name`: a value that comes beside the text."""

    name: str
    at: int = place()


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple["Expression", ...]
    at: int = place()


@dataclass(frozen=True)
class Sign:
    """`-x` or `+x`; of a literal, minus is part of its value."""

    operator: str
    operand: "Expression"
    at: int = place()


@dataclass(frozen=True)
class Arithmetic:
    operator: str  # + - * / %
    left: "Expression"
    right: "Expression"
    at: int = place()


@dataclass(frozen=True)
class Comparison:
    operator: str  # = <> < <= > >=
    left: "Expression"
    right: "Expression"
    at: int = place()


@dataclass(frozen=True)
class And:
    parts: tuple["Expression", ...]  # none of which is an And
    at: int = place()


@dataclass(frozen=True)
class Or:
    parts: tuple["Expression", ...]  # none of which is an Or
    at: int = place()


@dataclass(frozen=True)
class Xor:
    left: "Expression"
    right: "Expression"
    at: int = place()


@dataclass(frozen=True)
class Not:
    operand: "Expression"
    at: int = place()


@dataclass(frozen=True)
class Like:
    operand: "Expression"
    pattern: "Expression"
    escape: "Expression | None"
    negated: bool
    at: int = place()


@dataclass(frozen=True)
class In:
    operand: "Expression"
    items: tuple["Expression", ...]
    negated: bool
    at: int = place()


@dataclass(frozen=True)
class Between:
    operand: "Expression"
    low: "Expression"
    high: "Expression"
    negated: bool
    at: int = place()


@dataclass(frozen=True)
class IsNull:
    operand: "Expression"
    negated: bool
    at: int = place()


@dataclass(frozen=True)
class Exists:
    operand: Property
    at: int = place()


Expression: TypeAlias = (
    Literal
    | Property
    | Parameter
    | Call
    | Sign
    | Arithmetic
    | Comparison
    | And
    | Or
    | Xor
    | Not
    | Like
    | In
    | Between
    | IsNull
    | Exists
)


@dataclass(frozen=True)
class Assignment:
    """`SET target = value`."""

    target: Property
    value: Expression
    at: int = place()


@dataclass(frozen=True)
class Removal:
    """`REMOVE target`."""

    target: Property
    at: int = place()


Statement: TypeAlias = Assignment | Removal


def children(node: Expression) -> Sequence[Expression]:
    """The expressions that a node is made of, from left to right."""
    if isinstance(node, (And, Or)):
        return node.parts
    if isinstance(node, (Arithmetic, Comparison, Xor)):
        return (node.left, node.right)
    if isinstance(node, Like):
        pair = (node.operand, node.pattern)
        return pair if node.escape is None else (*pair, node.escape)
    if isinstance(node, In):
        return (node.operand, *node.items)
    if isinstance(node, Between):
        return (node.operand, node.low, node.high)
    if isinstance(node, (Not, Sign, IsNull, Exists)):
        return (node.operand,)
    if isinstance(node, Call):
        return node.arguments
    return ()


def walk(root: Expression) -> Iterator[tuple[Expression, int]]:
    """Every node with its depth, from 1. Not recursive: the tree may be as deep as it likes."""
    open_nodes: list[tuple[Expression, int]] = [(root, 1)]
    while open_nodes:
        node, depth = open_nodes.pop()
        yield node, depth
        for child in children(node):
            open_nodes.append((child, depth + 1))
