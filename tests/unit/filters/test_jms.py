"""JMS selectors: where they differ from Service Bus' filters (JMS 2.0 §3.8.1.1)."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.errors import InvalidFilter
from peeklock.filters.compiler import Compiler
from peeklock.filters.dialects import JMS
from peeklock.filters.filter import TrueFilter, selector
from peeklock.filters.parser import parse_expression
from peeklock.filters.printer import print_expression
from peeklock.filters.tree import Expression
from peeklock.filters.values import Value
from peeklock.filters.view import JmsHeader
from tests.support.fake_view import FakeView
from tests.support.filters import any_values, jms_expressions


def value_of(text: str, user: Mapping[str, Value] | None = None) -> Value:
    program = Compiler(text, JMS, {}).compile(parse_expression(text, JMS))
    return program.evaluate(FakeView(user))


USER: Mapping[str, Value] = {
    "i": 5, "f": 2.5, "s": "red", "t": True, "$x": 1, "_y": 2,
    "cloudEvents:type": "a",
}  # fmt: skip


class TestWhatSelectorsSay:
    @pytest.mark.parametrize(
        "text",
        [
            "i = 5", "i = 5L", "i = 0x5", "i = 05", "i > 4.9", "f = 2.5", "f = 2.5f",
            "f = 25e-1d", "f < 3.", "f > .5", "i BETWEEN 1 AND 5", "i NOT BETWEEN 6 AND 7",
            "i + 1 BETWEEN f AND 6 * 1", "s = 'red'", "s <> 'blue'", "s IN ('blue', 'red')",
            "s NOT IN ('blue')", "s LIKE 'r__'", "s NOT LIKE '%b%'",
            "s NOT LIKE 'r!__' ESCAPE '!'",
            "t", "NOT t = FALSE", "i / 2 = 2", "-i + 10 = i", "x IS NULL", "s IS NOT NULL",
            "$x + _y = 3", '"cloudEvents:type" = \'a\'', "t AND (i = 5 OR x = 1)",
            "s LIKE 'red' and not s like 'RED'",
        ],
    )  # fmt: skip
    def test_true(self, text: str) -> None:
        assert value_of(text, USER) is True

    @pytest.mark.parametrize(
        "text",
        [
            # Values of unlike kinds: the comparison is false, whichever way round.
            "i = 'a'", "i <> 'a'", "s = 5", "s <> 5", "s < 5", "t = 1", "t <> 1",
            "s BETWEEN 1 AND 2", "s NOT BETWEEN 1 AND 2", "i LIKE '5'", "i NOT LIKE '5'",
            "i IN ('5')", "i NOT IN ('5')",
            "s < t", "t > t",
            # Strings have no order.
            "s >= s", "s BETWEEN s AND s",
        ],
    )  # fmt: skip
    def test_false(self, text: str) -> None:
        assert value_of(text, USER) is False

    @pytest.mark.parametrize(
        "text",
        [
            "x = 1", "x <> 1", "x = 'a'", "x LIKE 'a'", "x NOT IN ('a')", "x BETWEEN 1 AND 2",
            "x + 1 = 1", "x", "NOT x", "i BETWEEN x AND 7", "S = 'red'",  # case counts in names
            # What has no result is unknown: no error, which nobody would hear of.
            "i / 0 = 1", "s + 1 = 1", "-s = 1", "i * 9223372036854775807 = 1",
            "s AND t", "i OR x", "NOT s",
        ],
    )  # fmt: skip
    def test_unknown(self, text: str) -> None:
        assert value_of(text, USER) is None

    def test_between_knows_what_one_side_tells(self) -> None:
        assert value_of("i BETWEEN x AND 4", USER) is False
        assert value_of("i NOT BETWEEN x AND 4", USER) is True

    def test_headers(self) -> None:
        view = FakeView({}, None, {JmsHeader.PRIORITY: 7, JmsHeader.TYPE: "order"})
        assert selector("JMSPriority > 4 AND JMSType LIKE 'o%'").matches(view)
        assert not selector("JMSCorrelationID = 'c'").matches(view)

    def test_names_that_vendors_have_are_the_applications(self) -> None:
        assert selector("JMS_vendor = 1").matches(FakeView({"JMS_vendor": 1}))
        assert selector("jmspriority = 1").matches(FakeView({"jmspriority": 1}))

    def test_an_empty_selector_selects_everything(self) -> None:
        assert isinstance(selector(""), TrueFilter)
        assert isinstance(selector("  "), TrueFilter)

    def test_a_property_that_is_no_boolean_selects_nothing(self) -> None:
        assert not selector("s").matches(FakeView(USER))


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "column", "says"),
        [
            ("a != 1", 3, "'!' means nothing here"),
            ("a % 2 = 1", 3, "'%' means nothing here"),
            ("a < 'b'", 3, "= and <> alone"),
            ("TRUE >= a", 6, "= and <> alone"),
            ("a = 09", 5, "octal"),
            ("a + 1 IN ('a')", 3, "before IN stands a property"),
            ("a IN (1)", 7, "IN takes 'strings' alone"),
            ("'a' LIKE 'a'", 1, "before LIKE stands a property"),
            ("a LIKE b", 8, "LIKE takes 'strings' alone"),
            ("a LIKE 'b' ESCAPE 'cc'", 19, "one character"),
            ("1 IS NULL", 1, "before IS NULL stands a property"),
            ("JMSReplyTo = 'q'", 1, "JMSReplyTo cannot be selected by; these can: JMSC"),
            ("JMSXState = 1", 1, "cannot be selected by"),
            ("between = 1", 1, "found between"),
            ("a = 1 +", 8, "found the end"),
            ("a + 1", 1, "a selector is a condition"),
            ("sys.Label = 'a'", 4, "'.' means nothing here"),
        ],
    )
    def test_say_where_and_what(self, text: str, column: int, says: str) -> None:
        with pytest.raises(InvalidFilter, match=says) as caught:
            selector(text)
        assert caught.value.column == column

    def test_length(self) -> None:
        assert selector("a = 1" + " " * 4091)
        with pytest.raises(InvalidFilter, match="4097 characters; a selector has at most 4096"):
            selector("a = 1" + " " * 4092)


@settings(max_examples=300)
@given(jms_expressions())
def test_what_is_printed_parses_to_the_same_tree(tree: Expression) -> None:
    text = print_expression(tree, JMS)
    if len(text) <= JMS.characters_max:
        assert repr(parse_expression(text, JMS)) == repr(tree)


@settings(max_examples=300)
@given(
    jms_expressions(),
    st.dictionaries(st.sampled_from(["a", "b", "Color", "$a", "AND", "x]y"]), any_values),
    st.dictionaries(st.sampled_from(JmsHeader), any_values),
)
def test_selectors_never_fail(
    tree: Expression, user: dict[str, Value], headers: dict[JmsHeader, Value]
) -> None:
    Compiler("", JMS, {}).compile(tree).evaluate(FakeView(user, None, headers))
