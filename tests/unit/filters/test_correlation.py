"""Correlation filters: equality, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import InvalidFilter
from peeklock.filters.correlation import CORRELATED, CorrelationFilter, correlation_filter
from peeklock.filters.values import Value
from peeklock.filters.view import SystemProperty
from tests.support.fake_view import FakeView
from tests.support.filters import any_values, values

LABEL = SystemProperty.LABEL
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_all_of_it_must_hold() -> None:
    one = CorrelationFilter({LABEL: "Important"}, {"color": "Red", "level": 3})
    assert one.matches(FakeView({"color": "Red", "level": 3, "more": 1}, {LABEL: "Important"}))
    assert not one.matches(FakeView({"color": "Red", "level": 3}, {LABEL: "important"}))
    assert not one.matches(FakeView({"color": "red", "level": 3}, {LABEL: "Important"}))
    assert not one.matches(FakeView({"color": "Red"}, {LABEL: "Important"}))
    assert not one.matches(FakeView({"color": "Red", "level": 3}))


@pytest.mark.parametrize(
    ("wanted", "value", "matches"),
    [
        (1, 1, True),
        (1, 1.0, True),  # whatever the width
        (1.5, Decimal("1.5"), True),
        (1, "1", False),
        ("1", 1, False),
        (NOON, NOON, True),
        (NOON.replace(tzinfo=None), NOON, True),  # without a zone it is UTC
        (NOON.astimezone(timezone(timedelta(hours=1))), NOON, True),
        (NOON, NOON + timedelta(milliseconds=1), False),
        (NOON, "2026-01-01T12:00:00Z", False),
        (timedelta(minutes=1), timedelta(seconds=60), True),
        (timedelta(minutes=1), 60, False),
        (True, True, True),
        (True, 1, False),
        ("a", None, False),
    ],
)
def test_values_compare_as_in_filters_but_never_fail(
    wanted: Value, value: Value, matches: bool
) -> None:
    assert CorrelationFilter({}, {"p": wanted}).matches(FakeView({"p": value})) is matches


def test_names_are_found_in_any_case() -> None:
    assert CorrelationFilter({}, {"COLOR": "x"}).matches(FakeView({"color": "x"}))


def test_what_could_not_be_meant_is_refused() -> None:
    with pytest.raises(InvalidFilter, match="at least one"):
        CorrelationFilter({}, {})
    with pytest.raises(InvalidFilter, match=r"33 properties; .* at most 32"):
        CorrelationFilter({}, {f"p{number}": 1 for number in range(33)})
    with pytest.raises(InvalidFilter, match="p is to equal null"):
        CorrelationFilter({}, {"p": None})
    with pytest.raises(InvalidFilter, match="Size is not correlated; these are: ContentType"):
        CorrelationFilter({SystemProperty.SIZE: "1"}, {})
    for which in CORRELATED:
        CorrelationFilter({which: "x"}, {})


def test_made_of_names() -> None:
    one = correlation_filter([("sys.label", "x"), ("Sys.Subject", "y"), ("color", 1)])
    assert one.matches(FakeView({"color": 1}, {LABEL: "y"})), "the last one of a name counts"
    with pytest.raises(InvalidFilter, match=r"no system property sys\.colour"):
        correlation_filter([("sys.colour", "x")])
    with pytest.raises(
        InvalidFilter, match=r"sys\.To is compared with a string, not with a num"
    ):
        correlation_filter([("sys.To", 5)])


@given(values, any_values)
def test_it_never_raises(wanted: Value, value: Value) -> None:
    CorrelationFilter({LABEL: "x"}, {"p": wanted}).matches(FakeView({"p": value}, {LABEL: "x"}))
    CorrelationFilter({}, {"p": wanted}).matches(FakeView({"p": value}))


@given(st.dictionaries(st.sampled_from("abc"), values, min_size=1))
def test_a_message_matches_its_own_properties(user: dict[str, Value]) -> None:
    own = {name: value for name, value in user.items() if value == value}  # no NaN
    if own:
        assert CorrelationFilter({}, own).matches(FakeView(user))
