"""Filters as subscriptions use them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from peeklock.errors import FilterError, InvalidFilter
from peeklock.filters.filter import FalseFilter, TrueFilter, rule_filter, sql_filter
from tests.support.fake_view import FakeView


def test_true_and_false_look_at_nothing() -> None:
    view = FakeView()
    assert TrueFilter().matches(view)
    assert not FalseFilter().matches(view)
    assert view.asked == 0


def test_unknown_is_no_match() -> None:
    assert not sql_filter("a = 1").matches(FakeView())
    assert not sql_filter("NOT (a = 1)").matches(FakeView())


def test_a_property_is_a_condition_when_it_is_a_boolean() -> None:
    one = sql_filter("urgent")
    assert one.matches(FakeView({"urgent": True}))
    assert not one.matches(FakeView({"urgent": False}))
    assert not one.matches(FakeView())
    with pytest.raises(FilterError, match="the filter is a condition, and gave a string"):
        one.matches(FakeView({"urgent": "yes"}))


def test_service_bus_own_examples() -> None:
    message = FakeView({"StoreId": "Store8", "tag": "queue"})
    for text in (
        "1=1",
        "StoreId IN('Store7', 'Store8')",
        "sys.To IN ('Store5','Store6','Store7') OR StoreId = 'Store8'",
        "sys.Label LIKE '%bus%' OR user.tag IN ('queue', 'topic', 'subscription')",
    ):
        assert sql_filter(text).matches(message), text


class TestParameters:
    def test_have_values_of_any_type(self) -> None:
        noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
        view = FakeView({"source": "orders", "at": noon, "until": noon + timedelta(minutes=5)})
        assert sql_filter("source = @s", {"s": "orders"}).matches(view)
        assert sql_filter("until - at <= @span", {"span": timedelta(minutes=5)}).matches(view)
        # An instant without a zone is UTC; one with another zone is the same instant.
        assert sql_filter("at = @t", {"t": noon.replace(tzinfo=None)}).matches(view)
        cet = noon.astimezone(timezone(timedelta(hours=1)))
        assert sql_filter("at = @t", {"t": cet}).matches(view)

    def test_are_constants_to_what_is_fast_with_them(self) -> None:
        one = sql_filter("a IN (@x, @y) AND b LIKE @z", {"x": "1", "y": "2", "z": "%3"})
        assert one.matches(FakeView({"a": "2", "b": "123"}))

    def test_a_pattern_may_be_one(self) -> None:
        one = sql_filter("a LIKE @p ESCAPE @e", {"p": "x!%%", "e": "!"})
        assert one.matches(FakeView({"a": "x%y"}))
        assert not one.matches(FakeView({"a": "xy"}))
        with pytest.raises(InvalidFilter, match="a pattern has at most 512 characters"):
            sql_filter("a LIKE @p", {"p": "x" * 513})

    def test_without_a_value_are_refused(self) -> None:
        with pytest.raises(InvalidFilter, match="line 1, column 7: no value was given for @p"):
            sql_filter("a AND @p", {"q": True})
        with pytest.raises(InvalidFilter, match="@p"):
            sql_filter("a AND @p")

    def test_names_count_in_any_case_and_without_their_sign(self) -> None:
        one = sql_filter("a = @Limit AND b = @other", {"@limit": 1, "OTHER": 2})
        assert one.matches(FakeView({"a": 1, "b": 2}))
        with pytest.raises(InvalidFilter, match="two values for the parameter @x"):
            sql_filter("a = @x", {"@X": 1, "x": 2})

    @pytest.mark.parametrize("kind", ["true", "false", "correlation", "jms", "cesql"])
    def test_are_for_sql_alone(self, kind: str) -> None:
        with pytest.raises(InvalidFilter, match=f"of kind '{kind}' has no parameters"):
            rule_filter(kind, parameters={"x": 1})


def test_the_same_text_is_compiled_once() -> None:
    assert sql_filter("a = 'once'") is sql_filter("a = 'once'")
    assert sql_filter("a = @p", {"p": 1}) is not sql_filter("a = @p", {"p": 1})


def test_the_filters_of_rules() -> None:
    view = FakeView({"a": 1})
    assert rule_filter("true").matches(view)
    assert not rule_filter("false").matches(view)
    assert rule_filter("sql", "a = 1").matches(view)
    assert rule_filter("correlation", properties=[("a", 1)]).matches(view)
    with pytest.raises(
        InvalidFilter, match="no filter is called 'regex'; there are true, false,"
    ):
        rule_filter("regex", "a")
    with pytest.raises(InvalidFilter, match="expected"):
        rule_filter("sql", "a =")
