"""Text → tree, or an error that says where it goes wrong and what could have stood there.

lark makes the tables and reads the tokens. Importing it and making the tables take some 50 ms
(10 ms for each further dialect): that is paid when the first text comes, not at start-up.
The parser is not recursive, and bounds are checked before anything that is.
"""

from functools import cache
from typing import Final

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from peeklock.errors import InvalidFilter
from peeklock.filters.builder import Refused, TreeBuilder, may_be_condition
from peeklock.filters.dialects import SQL_ACTION, Dialect
from peeklock.filters.places import refusal
from peeklock.filters.tree import Assignment, Expression, Literal, Removal, Statement, walk
from peeklock.limits import ACTION_STATEMENTS_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX

# What people call the terminals, in the order in which a list of them reads well.
WORDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("a number", frozenset({"INTEGER", "DECIMAL"})),
    ("a 'string'", frozenset({"STRING"})),
    ("@parameter", frozenset({"PARAMETER"})),
    ("TRUE", frozenset({"TRUE"})),
    ("FALSE", frozenset({"FALSE"})),
    ("NULL", frozenset({"NULL"})),
    ("NOT", frozenset({"NOT"})),
    ("EXISTS", frozenset({"EXISTS"})),
    ('"("', frozenset({"LPAR"})),
    ('"="', frozenset({"EQUALS"})),
    ("another comparison", frozenset({"COMPARE"})),
    ("an arithmetic operator", frozenset({"PLUS", "MINUS", "TIMES"})),
    ("LIKE", frozenset({"LIKE"})),
    ("IN", frozenset({"IN"})),
    ("IS", frozenset({"IS"})),
    ("BETWEEN", frozenset({"BETWEEN"})),
    ("ESCAPE", frozenset({"ESCAPE"})),
    ("AND", frozenset({"AND"})),
    ("OR", frozenset({"OR"})),
    ("XOR", frozenset({"XOR"})),
    ("SET", frozenset({"SET"})),
    ("REMOVE", frozenset({"REMOVE"})),
    ('"."', frozenset({"DOT"})),
    ('","', frozenset({"COMMA"})),
    ('";"', frozenset({"SEMICOLON"})),
    ('")"', frozenset({"RPAR"})),
    ("the end", frozenset({"$END"})),
)
NAMES: Final = frozenset({"NAME", "DELIMITED", "QUOTED"})
# Where a value may begin, that a sign may stand before it goes without saying.
SIGNS: Final = frozenset({"PLUS", "MINUS"})
# A character that opens something and that no token begins with: what it opens has no end.
OPENING: Final = {"'": "string", '"': "quoted name", "[": "name in brackets"}
FOUND_CHARACTERS_MAX: Final = 40  # of what stands in a wrong place, as the error shows it


def parse_expression(text: str, dialect: Dialect) -> Expression:
    """The tree of a filter or selector; raises `InvalidFilter`."""
    found = parse(text, dialect)
    assert not isinstance(found, list)
    check_bounds(text, found, dialect)
    if not dialect.casts and not may_be_condition(found):
        raise refusal(text, 0, f"a {dialect.called} is a condition, and this is a value")
    return found


def parse_statements(text: str) -> list[Statement]:
    """The statements of a SQL action, at least one; raises `InvalidFilter`."""
    found = parse(text, SQL_ACTION)
    assert isinstance(found, list)
    if len(found) > ACTION_STATEMENTS_MAX:
        what = f"{len(found)} statements; an action has at most {ACTION_STATEMENTS_MAX}"
        raise refusal(text, found[ACTION_STATEMENTS_MAX].at, what)
    for statement in found:
        if isinstance(statement, Assignment):
            check_bounds(text, statement.value, SQL_ACTION)
    return found


def parse(text: str, dialect: Dialect) -> Expression | list[Statement]:
    if len(text) > dialect.characters_max:
        what = f"it has {len(text)} characters; a {dialect.called} has at most"
        raise InvalidFilter(f"{what} {dialect.characters_max}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise refusal(text, error.start, "half of a character, which is none") from None
    try:
        return parsed(lark_parser(dialect).parse(text))
    except UnexpectedToken as error:
        raise unexpected(text, dialect, error.token) from None
    except UnexpectedCharacters as error:
        raise illegal(text, int(error.pos_in_stream or 0)) from None
    except Refused as error:
        raise refusal(text, error.at, error.what) from None


@cache
def lark_parser(dialect: Dialect) -> Lark:
    # lark's `basic` lexer, and not the contextual one, so that a keyword is one everywhere:
    # `a = and` is refused where the word stands.
    return Lark(
        dialect.grammar,
        parser="lalr",
        lexer="basic",
        transformer=TreeBuilder(dialect),
    )


def parsed(result: object) -> Expression | list[Statement]:
    """What the builder made: lark's types speak of its own trees only."""
    if isinstance(result, list):
        return [one for one in result if isinstance(one, (Assignment, Removal))]
    assert isinstance(result, Expression)
    return result


def check_bounds(text: str, root: Expression, dialect: Dialect) -> None:
    count = 0
    for node, depth in walk(root):
        count += 1
        if depth > FILTER_DEPTH_MAX:
            raise refusal(text, node.at, f"nested more than {FILTER_DEPTH_MAX} deep")
        if count > FILTER_NODES_MAX:
            what = f"more than {FILTER_NODES_MAX} operators, properties and constants"
            raise refusal(text, node.at, what)
        if isinstance(node, Literal) and isinstance(node.value, int):
            if node.value > dialect.integer_max:
                raise refusal(text, node.at, f"at most {dialect.integer_max} can be said here")


# ---- errors


def illegal(text: str, at: int) -> InvalidFilter:
    """A character that no token begins with."""
    character = text[at]
    if character in OPENING:
        return refusal(text, at, f"this {OPENING[character]} has no end")
    return refusal(text, at, f"{character!r} means nothing here")


def unexpected(text: str, dialect: Dialect, token: Token) -> InvalidFilter:
    at = len(text) if token.type == "$END" else int(token.start_pos or 0)
    expected = tuple(in_words(acceptable(text, dialect, at), dialect))
    listed = ", ".join(expected[:-1]) + " or " if len(expected) > 1 else ""
    found = "the end" if token.type == "$END" else str(token)[:FOUND_CHARACTERS_MAX]
    what = f"expected {listed}{expected[-1]}, found {found}"
    return refusal(text, at, what, expected)


def acceptable(text: str, dialect: Dialect, at: int) -> set[str]:
    """The terminals that could stand at `at`, where the parser stopped.

    Asked before the wrong token is shown to it: afterwards it has reduced what it could, and
    would not name all of them.
    """
    state = lark_parser(dialect).parse_interactive(text)
    for token in state.iter_parse():
        if int(token.start_pos or 0) >= at:
            break  # the token comes before it is taken
    accepted: set[str] = state.accepts()  # type: ignore[no-untyped-call]  # lark's typing ends here
    return accepted


def in_words(accepted: set[str], dialect: Dialect) -> list[str]:
    if "INTEGER" in accepted:
        accepted = accepted - SIGNS
    named = [dialect.property_called] if accepted & NAMES else []
    return named + [word for word, terminals in WORDS if terminals & accepted]
