"""What the parser reads → nodes: one method a rule of the grammar, called from the leaves up.

What a grammar cannot say is checked here: ranges of numbers, which properties and functions
there are, where a condition is wanted. A method gets what its rule is made of, tokens and
nodes, in the order of the text.
"""

import math
import re
from collections.abc import Sequence
from typing import Final, TypeAlias, TypeVar

from lark import Token

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
    Removal,
    Scope,
    Sign,
    Statement,
    Xor,
)
from peeklock.filters.view import SYSTEM_PROPERTIES, JmsHeader, SystemProperty
from peeklock.limits import LIKE_PATTERN_CHARACTERS_MAX

Piece: TypeAlias = "Token | Expression | Statement"
Wanted = TypeVar("Wanted")

# Functions of Service Bus' dialect, by what they are called with, and how many arguments.
FUNCTIONS: Final = {"newid": 0, "property": 1, "p": 1}
# What SET and REMOVE may change: the sender's own words about the message.
CHANGEABLE: Final = frozenset(
    {
        SystemProperty.CONTENT_TYPE,
        SystemProperty.CORRELATION_ID,
        SystemProperty.LABEL,
        SystemProperty.MESSAGE_ID,
        SystemProperty.REPLY_TO,
        SystemProperty.REPLY_TO_SESSION_ID,
        SystemProperty.SESSION_ID,
        SystemProperty.TO,
    }
)


class Refused(Exception):
    """The text is no filter; `at` is where, as an offset."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at
        self.what = what


def tokens(pieces: Sequence[Piece]) -> list[Token]:
    return [piece for piece in pieces if isinstance(piece, Token)]


def nodes(pieces: Sequence[Piece]) -> list[Expression]:
    found: list[Expression] = []
    for piece in pieces:
        assert not isinstance(piece, (Assignment, Removal))
        if not isinstance(piece, Token):
            found.append(piece)
    return found


def offset(token: Token) -> int:
    assert token.start_pos is not None
    return token.start_pos


def says(pieces: Sequence[Piece], keyword: str) -> bool:
    return any(token.type == keyword for token in tokens(pieces))


class TreeBuilder:
    """For texts of one dialect; keeps nothing between them."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    # ---- conditions

    def either(self, pieces: Sequence[Piece]) -> Expression:
        parts: list[Expression] = []
        for part in nodes(pieces):
            self._check_condition(part)
            parts += part.parts if isinstance(part, Or) else [part]
        return Or(tuple(parts), at=offset(tokens(pieces)[0]))

    def both(self, pieces: Sequence[Piece]) -> Expression:
        parts: list[Expression] = []
        for part in nodes(pieces):
            self._check_condition(part)
            parts += part.parts if isinstance(part, And) else [part]
        return And(tuple(parts), at=offset(tokens(pieces)[0]))

    def exclusive(self, pieces: Sequence[Piece]) -> Expression:
        left, right = nodes(pieces)
        return Xor(left, right, at=offset(tokens(pieces)[0]))

    def negation(self, pieces: Sequence[Piece]) -> Expression:
        (operand,) = nodes(pieces)
        self._check_condition(operand)
        return Not(operand, at=offset(tokens(pieces)[0]))

    def comparison(self, pieces: Sequence[Piece]) -> Expression:
        left, right = nodes(pieces)
        (operator,) = tokens(pieces)
        symbol = "<>" if operator == "!=" else str(operator)
        if self._dialect.jms and symbol not in ("=", "<>"):
            for side in (left, right):
                if isinstance(side, Literal) and isinstance(side.value, (str, bool)):
                    what = "strings and booleans are compared with = and <> alone"
                    raise Refused(offset(operator), what)
        return Comparison(symbol, left, right, at=offset(operator))

    def is_null(self, pieces: Sequence[Piece]) -> Expression:
        (operand,) = nodes(pieces)
        self._check_asked(operand, "IS NULL")
        return IsNull(operand, says(pieces, "NOT"), at=offset(tokens(pieces)[0]))

    def like(self, pieces: Sequence[Piece]) -> Expression:
        found = nodes(pieces)
        operand, pattern = found[0], found[1]
        escape = found[2] if len(found) == 3 else None
        self._check_asked(operand, "LIKE", *found[1:])
        if isinstance(escape, Literal):
            if not isinstance(escape.value, str) or len(escape.value) != 1:
                raise Refused(escape.at, "ESCAPE takes one character, as a 'string'")
        if isinstance(pattern, Literal) and isinstance(pattern.value, str):
            if len(pattern.value) > LIKE_PATTERN_CHARACTERS_MAX:
                most = LIKE_PATTERN_CHARACTERS_MAX
                raise Refused(pattern.at, f"a pattern has at most {most} characters")
        at = offset(tokens(pieces)[0])
        return Like(operand, pattern, escape, says(pieces, "NOT"), at=at)

    def one_of(self, pieces: Sequence[Piece]) -> Expression:
        operand, *items = nodes(pieces)
        self._check_asked(operand, "IN", *items)
        at = offset(tokens(pieces)[0])
        return In(operand, tuple(items), says(pieces, "NOT"), at=at)

    def between(self, pieces: Sequence[Piece]) -> Expression:
        operand, low, high = nodes(pieces)
        at = offset(tokens(pieces)[0])
        return Between(operand, low, high, says(pieces, "NOT"), at=at)

    def exists(self, pieces: Sequence[Piece]) -> Expression:
        (operand,) = nodes(pieces)
        assert isinstance(operand, Property)
        return Exists(operand, at=offset(tokens(pieces)[0]))

    def _check_condition(self, node: Expression) -> None:
        if not self._dialect.casts and not may_be_condition(node):
            raise Refused(node.at, "a condition is wanted here, and this is a value")

    def _check_asked(self, operand: Expression, word: str, *texts: Expression) -> None:
        """JMS lets LIKE, IN and IS NULL ask properties alone, and of strings."""
        if not self._dialect.jms:
            return
        if not isinstance(operand, Property):
            raise Refused(operand.at, f"before {word} stands a property")
        for text in texts:
            if not isinstance(text, Literal) or not isinstance(text.value, str):
                raise Refused(text.at, f"{word} takes 'strings' alone")

    # ---- values

    def arithmetic(self, pieces: Sequence[Piece]) -> Expression:
        left, right = nodes(pieces)
        (operator,) = tokens(pieces)
        return Arithmetic(str(operator), left, right, at=offset(operator))

    def sign(self, pieces: Sequence[Piece]) -> Expression:
        (operand,) = nodes(pieces)
        (operator,) = tokens(pieces)
        at = offset(operator)
        if isinstance(operand, Literal) and not isinstance(operand.value, bool):
            value = operand.value
            if isinstance(value, (int, float)):
                return Literal(-value if operator == "-" else value, at=at)
        return Sign(str(operator), operand, at=at)

    def integer(self, pieces: Sequence[Piece]) -> Expression:
        (token,) = tokens(pieces)
        value = self._whole(token)
        # The largest is for a minus to stand before it; alone, it is refused afterwards.
        if value > self._dialect.integer_max + 1:
            raise Refused(
                offset(token), f"at most {self._dialect.integer_max} can be said here"
            )
        return Literal(value, at=offset(token))

    def _whole(self, token: Token) -> int:
        text = str(token).lower().removesuffix("l")
        if text.startswith("0x"):
            return int(text, 16)
        if not self._dialect.jms or not text.startswith("0"):
            return int(text)
        if set(text) & {"8", "9"}:
            raise Refused(
                offset(token), "a number that begins with 0 is octal, and has no 8 or 9"
            )
        return int(text, 8)

    def decimal(self, pieces: Sequence[Piece]) -> Expression:
        (token,) = tokens(pieces)
        value = float(token.rstrip("fFdD"))
        if math.isinf(value):
            raise Refused(offset(token), "a number beyond the range of a double")
        return Literal(value, at=offset(token))

    def string(self, pieces: Sequence[Piece]) -> Expression:
        (token,) = tokens(pieces)
        body, quote = str(token[1:-1]), str(token[0])
        if self._dialect.casts:  # \' for ', and every other \ stands for itself
            pairs = re.compile(rf"\\({quote})|({quote}){quote}|(\\.)", re.DOTALL)
            text = pairs.sub(lambda pair: str(pair.group(pair.lastindex or 0)), body)
        else:
            text = body.replace(quote + quote, quote)
        return Literal(text, at=offset(token))

    def constant(self, pieces: Sequence[Piece]) -> Expression:
        (token,) = tokens(pieces)
        value = None if token.type == "NULL" else token.type == "TRUE"
        return Literal(value, at=offset(token))

    def parameter(self, pieces: Sequence[Piece]) -> Expression:
        (token,) = tokens(pieces)
        return Parameter(str(token[1:]), at=offset(token))

    def call(self, pieces: Sequence[Piece]) -> Expression:
        (token,) = tokens(pieces)
        arguments = nodes(pieces)
        if self._dialect.casts:
            if not re.fullmatch("[A-Za-z][A-Za-z_]*", token):
                raise Refused(offset(token), f"{token} cannot be a function's name")
            return Call(token.upper(), tuple(arguments), at=offset(token))
        name = token.lower()
        wanted = FUNCTIONS.get(name)
        if wanted is None:
            raise Refused(
                offset(token), f"no function {token}; there are newid() and property(name)"
            )
        if len(arguments) != wanted:
            raise Refused(
                offset(token), f"{name}() takes {wanted} arguments, not {len(arguments)}"
            )
        return Call("property" if name == "p" else name, tuple(arguments), at=offset(token))

    # ---- properties

    def property(self, pieces: Sequence[Piece]) -> Expression:
        """`name`, `user.name` or `sys.name`."""
        parts = tokens(pieces)
        at = offset(parts[0])
        name = unquoted(parts[-1])
        if self._dialect.casts:
            if "_" in name:
                raise Refused(
                    at, f"{name} cannot be an attribute: they have letters and digits"
                )
            return Property(Scope.ATTRIBUTE, name.lower(), at=at)
        if not self._dialect.scopes:
            return jms_property(parts[0], name)
        if len(parts) == 1:
            return Property(Scope.USER, name, at=at)
        scope = unquoted(parts[0]).lower()
        if scope == Scope.USER.value:
            return Property(Scope.USER, name, at=at)
        if scope != Scope.SYSTEM.value:
            raise Refused(
                at,
                f"before the dot stands sys or user, not {parts[0]}; "
                "a name with a dot in it is written [a.b]",
            )
        found = SYSTEM_PROPERTIES.get(name.lower())
        if found is None:
            known = ", ".join(one.value for one in SystemProperty)
            raise Refused(offset(parts[1]), f"no system property {name}; there are {known}")
        return Property(Scope.SYSTEM, found.value, at=at)

    # ---- actions

    def statements(self, pieces: Sequence[Piece]) -> list[Statement]:
        return [piece for piece in pieces if isinstance(piece, (Assignment, Removal))]

    def assignment(self, pieces: Sequence[Piece]) -> Statement:
        target, value = nodes(pieces)
        return Assignment(changeable(target), value, at=offset(tokens(pieces)[0]))

    def removal(self, pieces: Sequence[Piece]) -> Statement:
        (target,) = nodes(pieces)
        return Removal(changeable(target), at=offset(tokens(pieces)[0]))


def changeable(target: Expression) -> Property:
    assert isinstance(target, Property)
    if target.scope is Scope.SYSTEM and SystemProperty(target.name) not in CHANGEABLE:
        names = ", ".join(sorted(one.value for one in CHANGEABLE))
        raise Refused(
            target.at, f"sys.{target.name} is the broker's; these can change: {names}"
        )
    return target


def jms_property(token: Token, name: str) -> Property:
    """A header field or property of JMS' own, or one of the application's."""
    at = offset(token)
    if token.type == "NAME" and name.startswith("JMS") and not name.startswith("JMS_"):
        known = [one.value for one in JmsHeader]
        if name not in known:
            raise Refused(at, f"{name} cannot be selected by; these can: {', '.join(known)}")
        return Property(Scope.HEADER, name, at=at)
    return Property(Scope.USER, name, at=at)


def unquoted(token: Token) -> str:
    """A name without its brackets or quotes."""
    if token.type == "DELIMITED":
        return str(token[1:-1]).replace("]]", "]")
    if token.type == "QUOTED":
        return str(token[1:-1]).replace('""', '"')
    return str(token)


def may_be_condition(node: Expression) -> bool:
    """Could this be true or false? What a property or a parameter holds is not known yet."""
    if isinstance(node, Literal):
        return node.value is None or isinstance(node.value, bool)
    if isinstance(node, Call):
        return node.name == "property"
    return not isinstance(node, (Sign, Arithmetic))
