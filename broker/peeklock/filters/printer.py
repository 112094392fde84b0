"""Tree → text that parses to the same tree: how a filter is shown, with its brackets."""

from peeklock.filters.dialects import Dialect
from peeklock.filters.tree import (
    And,
    Arithmetic,
    Assignment,
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
    Statement,
    Xor,
)
from peeklock.filters.values import Value


def print_expression(node: Expression, dialect: Dialect) -> str:
    """The text of `node`, whose literals are those that a text can say."""
    if isinstance(node, (And, Or)):
        word = " AND " if isinstance(node, And) else " OR "
        return word.join([operand(part, dialect) for part in node.parts])
    if isinstance(node, Not):
        return f"NOT {operand(node.operand, dialect)}"
    if isinstance(node, Xor):
        return f"{operand(node.left, dialect)} XOR {operand(node.right, dialect)}"
    if isinstance(node, (Comparison, Arithmetic)):
        left, right = operand(node.left, dialect), operand(node.right, dialect)
        return f"{left} {node.operator} {right}"
    if isinstance(node, Sign):
        return f"{node.operator} {operand(node.operand, dialect)}"
    if isinstance(node, (Like, In, Between, IsNull)):
        return print_test(node, dialect)
    return print_atom(node, dialect)


def operand(node: Expression, dialect: Dialect) -> str:
    """`node` as a part of something: what is not an atom stands in brackets."""
    text = print_expression(node, dialect)
    if isinstance(node, (Property, Parameter, Call, Exists)):
        return text
    if isinstance(node, Literal) and not text.startswith("-"):
        return text
    return f"({text})"


def print_test(node: Like | In | Between | IsNull, dialect: Dialect) -> str:
    """`operand [NOT] …`."""
    subject = operand(node.operand, dialect)
    negation = "NOT " if node.negated else ""
    if isinstance(node, IsNull):
        return f"{subject} IS {negation}NULL"
    if isinstance(node, In):
        items = ", ".join([operand(item, dialect) for item in node.items])
        return f"{subject} {negation}IN ({items})"
    if isinstance(node, Between):
        low, high = operand(node.low, dialect), operand(node.high, dialect)
        return f"{subject} {negation}BETWEEN {low} AND {high}"
    text = f"{subject} {negation}LIKE {operand(node.pattern, dialect)}"
    if node.escape is None:
        return text
    return f"{text} ESCAPE {operand(node.escape, dialect)}"


def print_atom(node: Expression, dialect: Dialect) -> str:
    if isinstance(node, Literal):
        return print_literal(node.value, dialect)
    if isinstance(node, Property):
        return print_property(node, dialect)
    if isinstance(node, Parameter):
        return f"@{node.name}"
    if isinstance(node, Exists):
        name = print_property(node.operand, dialect)
        return f"EXISTS {name}" if dialect.casts else f"EXISTS({name})"
    assert isinstance(node, Call)
    arguments = [print_expression(argument, dialect) for argument in node.arguments]
    return f"{node.name}({', '.join(arguments)})"


def print_literal(value: Value, dialect: Dialect) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'" if dialect.casts else "''") + "'"
    assert isinstance(value, (int, float))
    return repr(value)


def print_property(node: Property, dialect: Dialect) -> str:
    name = node.name
    if node.scope is Scope.SYSTEM:
        return f"sys.{name}"
    if node.scope is Scope.ATTRIBUTE:
        return name
    if dialect.jms:
        plain = is_regular(name) and name.upper() not in dialect.reserved
        if node.scope is Scope.HEADER or (plain and not name.startswith("JMS")):
            return name
        return '"' + name.replace('"', '""') + '"'
    if is_regular(name) and name.upper() not in dialect.reserved:
        return name
    return "[" + name.replace("]", "]]") + "]"


def is_regular(name: str) -> bool:
    """May it stand without brackets: a letter, then letters, digits and underscores?"""
    return name[:1].isalpha() and name.replace("_", "a").isalnum() and name.isascii()


def print_statement(node: Statement, dialect: Dialect) -> str:
    target = print_property(node.target, dialect)
    if isinstance(node, Assignment):
        return f"SET {target} = {operand(node.value, dialect)}"
    return f"REMOVE {target}"
