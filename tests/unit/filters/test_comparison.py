"""How values relate: numbers by value, unlike kinds not at all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, nan
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.filters.comparison import (
    DIFFERENT,
    LESS,
    MORE,
    OPERATORS,
    SAME,
    UNLIKE,
    has_order,
    holds,
    relation,
)
from peeklock.filters.values import Value
from tests.support.filters import values

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        (1, 1, SAME),
        (1, 1.0, SAME),
        (1, Decimal("1.00"), SAME),
        (0.1, Decimal("0.1"), SAME),  # as it is written, and not as its bits are
        (2**53 + 1, float(2**53), MORE),  # exactly; C# would round the whole number
        (2**64 - 1, 2**63, MORE),  # ulong
        (-0.0, 0, SAME),
        (1, inf, LESS),
        (nan, nan, DIFFERENT),
        (1, nan, DIFFERENT),
        (Decimal("NaN"), 1, DIFFERENT),
        (Decimal(1), nan, DIFFERENT),
        (Decimal("Infinity"), inf, SAME),
        ("a", "a", SAME),
        ("a", "A", MORE),
        ("a", "ab", LESS),
        ("é", "e", MORE),
        (True, True, SAME),
        (True, False, DIFFERENT),
        (b"a", b"b", DIFFERENT),
        (UUID(int=1), UUID(int=1), SAME),
        (NOON, NOON + timedelta(1), LESS),
        (timedelta(1), timedelta(0), MORE),
        (True, 1, UNLIKE),
        (1, True, UNLIKE),
        (1, "1", UNLIKE),
        ("1", 1, UNLIKE),
        (b"a", "a", UNLIKE),
        (UUID(int=1), str(UUID(int=1)), UNLIKE),
        (NOON, 1, UNLIKE),
        (NOON, timedelta(1), UNLIKE),
    ],
)
def test_relations(left: Value, right: Value, found: int) -> None:
    assert relation(left, right) == found


@given(values, values)
def test_both_ways_say_the_same(left: Value, right: Value) -> None:
    mirror = {LESS: MORE, MORE: LESS}
    found = relation(left, right)
    assert relation(right, left) == mirror.get(found, found)


@given(values)
def test_a_value_is_the_same_as_itself_or_nan(value: Value) -> None:
    assert relation(value, value) == SAME or value != value


@given(values, values, st.sampled_from(list(OPERATORS)))
def test_operators_agree_with_each_other(left: Value, right: Value, symbol: str) -> None:
    found = relation(left, right)
    if found == UNLIKE:
        return
    opposite = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}[symbol]
    one, other = holds(OPERATORS[symbol], found), holds(OPERATORS[opposite], found)
    if found == DIFFERENT and symbol not in ("=", "<>"):
        assert not one  # NaN is neither less nor more
        assert not other
        return
    assert one is not other


def test_which_values_have_an_order() -> None:
    assert all(has_order(one) for one in ("a", 1, 1.5, Decimal(1), NOON, timedelta(1)))
    assert not any(has_order(one) for one in (True, b"a", UUID(int=1), None))
