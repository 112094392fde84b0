"""CESQL beyond its conformance kit: how a text is read, bounds, and refusals."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.errors import InvalidFilter
from peeklock.filters.cesql import result_of
from peeklock.filters.cesql_compiler import compile_cesql
from peeklock.filters.cesql_values import Fault
from peeklock.filters.dialects import CESQL
from peeklock.filters.filter import cesql_filter
from peeklock.filters.parser import parse_expression
from peeklock.filters.printer import print_expression
from peeklock.filters.tree import Expression
from peeklock.filters.values import Value
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX
from tests.support.fake_view import FakeView
from tests.support.filters import ATTRIBUTES, cesql_expressions, texts

EVENT: Mapping[str, Value] = {"type": "com.example.fire", "level": 7, "on": True, "hop": "5"}


def result(text: str) -> tuple[Value, Fault | None]:
    program = compile_cesql(parse_expression(text, CESQL))
    return result_of(program, FakeView(attributes=EVENT))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1-2", -1),  # a difference, not two integers
        ("1 -2", -1),
        ("2 - -3", 5),
        ("+5", 5),
        ("2 * 3 + 4 * 5", 26),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7 % -2", 1),
        ("NOT FALSE = TRUE", True),  # NOT binds closest
        ("NOT level LIKE 'false'", True),  # also than LIKE
        ("TRUE OR TRUE AND FALSE", False),  # one level, from the left (§3.6)
        ("FALSE AND FALSE OR TRUE", True),
        ("TRUE XOR TRUE XOR TRUE", True),
        ("FALSE AND TRUE XOR TRUE", True),
        ("1 = 1 = TRUE", True),
        ("(2 + 3) IN (5)", True),
        ("-5 IN (-5)", True),
        ("5 IN (6) LIKE 'false'", True),
        ("'it''s' = \"it's\"", True),
        (r"'a\'b' = " + '"a\'b"', True),
        (r"'a\d'", r"a\d"),
        ("TYPE = 'com.example.fire'", True),  # names are of any case
        ("level + 1 = 8", True),
        ("hop * 2", 10),
        ("on", True),
        ("upper(substring(type, 13))", "FIRE"),
    ],
)
def test_how_texts_are_read(text: str, value: Value) -> None:
    assert result(text) == (value, None)


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        ("2147483647 + 1", 0, Fault.MATH),
        ("-2147483648 - 1", 0, Fault.MATH),
        ("2147483647 * 2", 0, Fault.MATH),
        ("-2147483648 / -1", 0, Fault.MATH),
        ("ABS(-2147483648) + 1", 0, Fault.MATH),  # the sum's zero, and not what ABS gave
        ("CONCAT(LEFT('abc', -2), 'x')", "", Fault.FUNCTION),
        ("LENGTH(nothing)", 0, Fault.MISSING_ATTRIBUTE),
        ("STRING(nothing)", "", Fault.MISSING_ATTRIBUTE),
        ("1 IN ('x')", False, Fault.CAST),
        ("1 IN (1, 'x')", True, None),
        ("LEFT('a')", False, Fault.MISSING_FUNCTION),
        ("INT('99999999999')", 0, Fault.CAST),
        ("INT('1.5')", 0, Fault.CAST),
        ("INT('+007')", 7, None),
        ("BOOL('TrUe')", True, None),
        ("SUBSTRING('abc', 2, -1)", "", Fault.FUNCTION),
        ("SUBSTRING('abc', -3)", "abc", None),
        ("TRIM('\u2003\x1ca\x85')", "\x1ca", None),  # Unicode's spaces and no others
    ],
)
def test_errors_and_what_comes_with_them(text: str, value: Value, fault: Fault | None) -> None:
    assert result(text) == (value, fault)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "expected an attribute, a number"),
        ("type =", 7, "found the end"),
        ("type LIKE 5", 11, "expected a 'string', found 5"),
        ("type LIKE level", 11, "expected a 'string', found level"),
        ("type IN ()", 10, r"found \)"),
        ("EXISTS (type)", 8, r"expected an attribute, found \("),
        ("my_type = 1", 1, "my_type cannot be an attribute"),
        ("f1(2) = 1", 1, "f1 cannot be a function's name"),
        ("2147483648 = level", 1, "at most 2147483647"),
        ("- -2147483648 = level", 1, "at most 2147483647"),
        ("type ~ 5", 6, "'~' means nothing here"),
        ("'type", 1, "this string has no end"),
        ("NOSUCH(type) = 1", 1, "no function NOSUCH; there are ABS, BOOL,"),
        ("level = 1 AND LEFT(type) = 'a'", 15, "LEFT does not take 1 arguments"),
        ("level + 1", 1, "a filter is true or false"),
        ("'a'", 1, "a filter is true or false"),
        ("LENGTH(type)", 1, "a filter is true or false"),
        ("NOT " * 100 + "on", 257, "nested more than 64 deep"),
    ],
)
def test_filters_that_are_refused(text: str, column: int, says: str) -> None:
    with pytest.raises(InvalidFilter, match=says) as caught:
        cesql_filter(text)
    assert caught.value.column == column


def test_an_error_does_not_pass() -> None:
    for text in ("nothing = 'x'", "nothing", "NOT nothing", "INT(type) = 1", "type"):
        assert not cesql_filter(text).matches(FakeView(attributes=EVENT)), text
    assert cesql_filter("on AND type LIKE '%.fire'").matches(FakeView(attributes=EVENT))


def test_texts_that_are_made_are_bounded() -> None:
    event = FakeView(attributes={"a": "x" * (FILTER_VALUE_CHARACTERS_MAX // 2 + 1)})
    for text in ("CONCAT(a, a)", "CONCAT_WS(a, a, '')", "CONCAT(a, a) LIKE 'x%'"):
        program = compile_cesql(parse_expression(text, CESQL))
        assert result_of(program, event)[1] is Fault.GENERIC
    long = FakeView(attributes={"a": "x" * (FILTER_VALUE_CHARACTERS_MAX + 1)})
    program = compile_cesql(parse_expression("a LIKE 'x%'", CESQL))
    assert result_of(program, long) == (False, Fault.GENERIC)


@settings(max_examples=300)
@given(cesql_expressions())
def test_what_is_printed_parses_to_the_same_tree(tree: Expression) -> None:
    text = print_expression(tree, CESQL)
    if len(text) <= CESQL.characters_max:
        assert repr(parse_expression(text, CESQL)) == repr(tree)


attributes = st.dictionaries(
    st.sampled_from(ATTRIBUTES), st.booleans() | st.integers(-(2**31), 2**31 - 1) | texts
)


@settings(max_examples=400)
@given(cesql_expressions(), attributes)
def test_every_expression_has_a_result(tree: Expression, event: dict[str, Value]) -> None:
    value, _fault = result_of(compile_cesql(tree), FakeView(attributes=event))
    assert isinstance(value, (bool, int, str))
    if isinstance(value, int):
        assert -(2**31) <= value < 2**31
