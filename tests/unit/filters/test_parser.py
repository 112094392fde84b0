"""Text → tree, and what is said about texts that have none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.errors import InvalidFilter
from peeklock.filters.dialects import SQL, SQL_ACTION
from peeklock.filters.parser import parse_expression, parse_statements
from peeklock.filters.printer import print_expression, print_statement
from peeklock.filters.tree import (
    And,
    Arithmetic,
    Assignment,
    Comparison,
    Exists,
    Expression,
    Literal,
    Not,
    Or,
    Parameter,
    Property,
    Removal,
    Scope,
    Sign,
    Statement,
)
from tests.support.filters import sql_expressions

LIKELY = "ab1'\"[].()=<>%_ -NOTANDINLIKE"
A, B, C = (Property(Scope.USER, name) for name in "abc")


def number(value: int) -> Literal:
    return Literal(value)


def minus(left: Expression, right: Expression) -> Expression:
    return Arithmetic("-", left, right)


class TestTrees:
    @pytest.mark.parametrize(
        ("text", "tree"),
        [
            ("a OR b AND NOT c", Or((A, And((B, Not(C)))))),
            ("(a OR b) AND c", And((Or((A, B)), C))),
            ("a AND (b AND c)", And((A, B, C))),
            ("NOT a = b", Not(Comparison("=", A, B))),
            ("a != b", Comparison("<>", A, B)),
            ("a - b - c > 0", Comparison(">", minus(minus(A, B), C), number(0))),
            ("a - b / c = 0", Comparison("=", minus(A, Arithmetic("/", B, C)), number(0))),
            ("-a = -1", Comparison("=", Sign("-", A), number(-1))),
            ("a-1 = b", Comparison("=", minus(A, number(1)), B)),
            ("a = 0x1F", Comparison("=", A, number(31))),
            ("a = -9223372036854775808", Comparison("=", A, number(-(2**63)))),
            ("a = 1.5E-2", Comparison("=", A, Literal(0.015))),
            ("a = 'it''s'", Comparison("=", A, Literal("it's"))),
            ("a = @p", Comparison("=", A, Parameter("p"))),
            ("user.a", A),
            ("USER.[a]", A),
            ('"a"', A),
            ("sys.subject = b", Comparison("=", Property(Scope.SYSTEM, "Label"), B)),
            ("[a]]b].[c]", None),
            ("exists(a)", Exists(A)),
            ("[AND]", Property(Scope.USER, "AND")),
        ],
    )  # fmt: skip
    def test_what_texts_say(self, text: str, tree: Expression | None) -> None:
        if tree is None:
            with pytest.raises(InvalidFilter):
                parse_expression(text, SQL)
            return
        assert repr(parse_expression(text, SQL)) == repr(tree)

    @settings(max_examples=300)
    @given(sql_expressions())
    def test_what_is_printed_parses_to_the_same_tree(self, tree: Expression) -> None:
        text = print_expression(tree, SQL)
        if len(text) <= SQL.characters_max:
            # By what they look like: 1, 1.0 and True are equal, and are not the same tree.
            assert repr(parse_expression(text, SQL)) == repr(tree)


class TestStatements:
    SET = Assignment(A, Arithmetic("/", B, number(2)))
    REMOVE = Removal(Property(Scope.SYSTEM, "CorrelationId"))

    @pytest.mark.parametrize(
        "text",
        [
            "SET a = b / 2; REMOVE sys.CorrelationId",
            "set a=b/2;remove sys.correlationid;",
            "SET a = b / 2 REMOVE sys.CorrelationId",
            "SET a = b / 2, REMOVE sys.CorrelationId",
        ],
    )
    def test_statements_and_what_stands_between_them(self, text: str) -> None:
        found = parse_statements(text)
        assert found == [self.SET, self.REMOVE]
        assert parse_statements(" ".join(map(print_statement_of, found))) == found

    def test_words_of_actions_are_names_in_filters(self) -> None:
        assert parse_expression("set = remove", SQL) == Comparison(
            "=", Property(Scope.USER, "set"), Property(Scope.USER, "remove")
        )


def print_statement_of(statement: Statement) -> str:
    return print_statement(statement, SQL_ACTION)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "line", "column", "says"),
        [
            ("", 1, 1, "expected a property"),
            ("a = ", 1, 5, "found the end"),
            ("a == 5", 1, 4, "found ="),
            ("a = 'x", 1, 5, "this string has no end"),
            ("[a = 5", 1, 1, "this name in brackets has no end"),
            ('a = "b', 1, 5, "this quoted name has no end"),
            ("a AND AND b", 1, 7, "found AND"),
            ("(a=1", 1, 5, r'AND, OR or "\)", found the end'),
            ("a=1)", 1, 4, r"OR or the end, found \)"),
            ("a\n = \n\n  b c", 4, 5, "found c"),
            ("a $ b", 1, 3, "'\\$' means nothing here"),
            ("a + 1", 1, 1, "a SQL filter is a condition"),
            ("a = 1 AND 5", 1, 11, "a condition is wanted"),
            ("NOT 'a'", 1, 5, "a condition is wanted"),
            ("a = and", 1, 5, "found and"),
            ("foo.bar = 1", 1, 1, r"sys or user, not foo; .*\[a.b\]"),
            ("sys.bar = 1", 1, 5, "no system property bar; there are ContentType,"),
            ("len(a) = 1", 1, 1, r"no function len; there are newid\(\)"),
            ("newid(1) = a", 1, 1, r"newid\(\) takes 0 arguments, not 1"),
            ("a = 9223372036854775808", 1, 5, "at most 9223372036854775807"),
            ("a = 99999999999999999999", 1, 5, "at most 9223372036854775807"),
            ("a = 1e999", 1, 5, "beyond the range of a double"),
            ("a LIKE 'b' ESCAPE 'cd'", 1, 19, "ESCAPE takes one character"),
            ("a LIKE 'b' ESCAPE ''", 1, 19, "ESCAPE takes one character"),
            ("a = '\ud800'", 1, 6, "half of a character"),
            ("a LIKE '" + "x" * 513 + "'", 1, 8, "at most 512 characters"),
            ("a IN ()", 1, 7, r"found \)"),
            ("NOT " * 100 + "a", 1, 257, "nested more than 64 deep"),
            ("a = " + "- " * 100 + "b", 1, 131, "nested more than 64 deep"),
            ("a" * 1025, 1, 1, "it has 1025 characters; a SQL filter has at most 1024"),
        ],
    )  # fmt: skip
    def test_say_where_and_what(self, text: str, line: int, column: int, says: str) -> None:
        with pytest.raises(InvalidFilter, match=says) as caught:
            parse_expression(text, SQL)
        assert (caught.value.line, caught.value.column) == (line, column)
        assert str(caught.value).startswith(f"line {line}, column {column}: ")

    def test_what_could_have_stood_there_is_a_list_too(self) -> None:
        with pytest.raises(InvalidFilter) as caught:
            parse_expression("(a = 1 b", SQL)
        assert caught.value.expected == ("an arithmetic operator", "AND", "OR", '")"')

    @pytest.mark.parametrize(
        ("text", "column", "says"),
        [
            ("", 1, "expected SET or REMOVE, found the end"),
            ("SET a", 6, "expected .*=.*, found the end"),
            ("SET sys.Size = 1", 5, "sys.Size is the broker's; these can change: ContentType"),
            ("SET a = 1 = 2", 11, "found ="),
            ("REMOVE a.b", 8, "sys or user"),
            ("SET a = 1;" * 33, 321, "33 statements; an action has at most 32"),
            ("SET a = " + "- " * 100 + "b", 137, "nested more than 64 deep"),
        ],
    )
    def test_of_actions(self, text: str, column: int, says: str) -> None:
        with pytest.raises(InvalidFilter, match=says) as caught:
            parse_statements(text)
        assert caught.value.column == column

    def test_brackets_alone_nest_as_deep_as_they_like(self) -> None:
        """The parser is not recursive, and brackets leave nothing in the tree."""
        assert parse_expression("(" * 500 + "a" + ")" * 500, SQL) == A

    @given(st.text(max_size=60) | st.text(st.sampled_from(LIKELY), max_size=60))
    def test_any_text_is_a_tree_or_a_refusal(self, text: str) -> None:
        try:
            parse_expression(text, SQL)
        except InvalidFilter as error:
            refused = error
        else:
            return
        assert 1 <= refused.line <= text.count("\n") + 1
        assert 1 <= refused.column <= len(text) + 1
