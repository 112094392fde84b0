"""Arithmetic, at the edges of its types."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import FilterError
from peeklock.filters.arithmetic import calculate, negative, positive
from peeklock.filters.values import Value
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX
from tests.support.filters import values

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("left", "operator", "right", "result"),
    [
        (7, "+", 2, 9),
        (7, "/", 2, 3),
        (-7, "/", 2, -3),  # towards zero
        (7, "/", -2, -3),
        (-7, "/", -2, 3),
        (7, "%", 2, 1),
        (-7, "%", 2, -1),  # the sign of the dividend
        (7, "%", -2, 1),
        (7, "/", 2.0, 3.5),
        (7.5, "%", 2, 1.5),
        (-7.5, "%", 2, -1.5),
        (1.0, "/", 0, inf),
        (-1.0, "/", 0, -inf),
        (1.0, "/", -0.0, -inf),
        (Decimal("1.10"), "+", 1, Decimal("2.10")),
        (Decimal("0.1"), "+", 0.2, Decimal("0.3")),
        (Decimal(7), "%", 2, Decimal(1)),
        ("a", "+", "b", "ab"),
        ("a", "+", 1, "a1"),
        (1.5, "+", "a", "1.5a"),
        (True, "+", "a", "truea"),
        (NOON, "-", NOON - HOUR, HOUR),
        (NOON, "-", HOUR, NOON - HOUR),
        (NOON, "+", HOUR, NOON + HOUR),
        (HOUR, "+", NOON, NOON + HOUR),
        (HOUR, "-", HOUR, timedelta(0)),
    ],
)
def test_results(left: Value, operator: str, right: Value, result: Value) -> None:
    found = calculate(operator, left, right)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [(0.0, "/", 0.0), (nan, "/", 0.0), (1.0, "%", 0.0), (inf, "%", 2.0), (inf, "-", inf)],
)
def test_doubles_may_be_no_number(left: float, operator: str, right: float) -> None:
    found = calculate(operator, left, right)
    assert isinstance(found, float)
    assert isnan(found)


@pytest.mark.parametrize(
    ("left", "operator", "right", "says"),
    [
        (1, "/", 0, "by zero"),
        (1, "%", 0, "by zero"),
        (2**63 - 1, "+", 1, "64 bits"),
        (-(2**63), "/", -1, "64 bits"),
        (2**62, "*", 2, "64 bits"),
        (Decimal(1), "/", 0, "decimal"),
        (Decimal("9E+999999"), "*", 10, "decimal"),
        ("a", "-", "b", r"- does not go with a string \('a'\)"),
        (True, "+", 1, "a boolean"),
        (b"a", "+", b"a", "binary"),
        (NOON, "*", 2, "an instant"),
        (NOON, "+", NOON, "does not go"),
        (HOUR, "*", 2, "a duration"),
        (datetime.max.replace(tzinfo=UTC), "+", HOUR, "9999"),
        ("a" * FILTER_VALUE_CHARACTERS_MAX, "+", "b", "characters"),
        ("a", "+", b"b" * FILTER_VALUE_CHARACTERS_MAX, "characters"),  # twice that, in hex
        ("a", "+", b"b" * (FILTER_VALUE_CHARACTERS_MAX - 1), "characters"),
    ],
)
def test_what_has_no_result_says_why(
    left: Value, operator: str, right: Value, says: str
) -> None:
    with pytest.raises(FilterError, match=says):
        calculate(operator, left, right)


def test_signs() -> None:
    assert negative(5) == -5
    assert negative(HOUR) == -HOUR
    exact = "1.1234567890123456789012345678901234567890"  # more digits than `-` would leave
    assert negative(Decimal(exact)) == Decimal("-" + exact)
    assert positive(1.5) == 1.5
    for value in (True, "a", -(2**63), timedelta.max):
        with pytest.raises(FilterError):
            negative(value)
    for wrong in (True, "a", HOUR):
        with pytest.raises(FilterError):
            positive(wrong)


@given(values, st.sampled_from("+-*/%"), values)
def test_nothing_but_filter_errors_is_raised(left: Value, operator: str, right: Value) -> None:
    try:
        found = calculate(operator, left, right)
    except FilterError:
        return
    if isinstance(found, int):
        assert -(2**63) <= found < 2**63
