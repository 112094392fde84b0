"""How two values compare, said once for every dialect.

Numbers compare by value, whatever their widths: an AMQP `byte` 1 is a `long` 1 is a `double`
1.0. A decimal meets a double as the decimal that the double is written as, so that a price of
0.1 is 0.1. Strings compare by code points, case counts. Values of unlike kinds have no
relation; what a comparison of them means is the dialect's choice.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from peeklock.filters.values import Number, Value

# What `relation` finds.
LESS: Final = -1
SAME: Final = 0
MORE: Final = 1
DIFFERENT: Final = 2  # not the same, and neither is less: booleans, binaries, NaN
UNLIKE: Final = 3

# Operators, as the programs hold them.
EQUAL: Final = 0
NOT_EQUAL: Final = 1
LESS_THAN: Final = 2
AT_MOST: Final = 3
MORE_THAN: Final = 4
AT_LEAST: Final = 5

OPERATORS: Final = {
    "=": EQUAL, "<>": NOT_EQUAL, "<": LESS_THAN, "<=": AT_MOST, ">": MORE_THAN, ">=": AT_LEAST,
}  # fmt: skip
# `a < b` is `b > a`.
MIRRORED: Final = {
    EQUAL: EQUAL, NOT_EQUAL: NOT_EQUAL, LESS_THAN: MORE_THAN, AT_MOST: AT_LEAST,
    MORE_THAN: LESS_THAN, AT_LEAST: AT_MOST,
}  # fmt: skip


def relation(left: Value, right: Value) -> int:
    """How two values that are there stand to each other."""
    if isinstance(left, str):
        return order_texts(left, right) if isinstance(right, str) else UNLIKE
    if isinstance(left, bool):
        return sameness(left == right) if isinstance(right, bool) else UNLIKE
    if isinstance(left, (int, float, Decimal)):
        if isinstance(right, bool) or not isinstance(right, (int, float, Decimal)):
            return UNLIKE
        return order_numbers(left, right)
    if isinstance(left, datetime):
        return order_instants(left, right) if isinstance(right, datetime) else UNLIKE
    if isinstance(left, timedelta):
        return order_durations(left, right) if isinstance(right, timedelta) else UNLIKE
    if isinstance(left, UUID):
        return sameness(left == right) if isinstance(right, UUID) else UNLIKE
    if isinstance(left, bytes):
        return sameness(left == right) if isinstance(right, bytes) else UNLIKE
    return UNLIKE


def sameness(same: bool) -> int:
    return SAME if same else DIFFERENT


def order_texts(left: str, right: str) -> int:
    if left == right:
        return SAME
    return LESS if left < right else MORE


def order_instants(left: datetime, right: datetime) -> int:
    if left == right:
        return SAME
    return LESS if left < right else MORE


def order_durations(left: timedelta, right: timedelta) -> int:
    if left == right:
        return SAME
    return LESS if left < right else MORE


def order_numbers(left: Number, right: Number) -> int:
    if isinstance(left, int) and isinstance(right, int):
        if left == right:
            return SAME
        return LESS if left < right else MORE
    if left != left or right != right:  # NaN is like nothing, itself included
        return DIFFERENT
    if isinstance(left, Decimal) and isinstance(right, float):
        right = exactly(right)
    elif isinstance(left, float) and isinstance(right, Decimal):
        left = exactly(left)
    if left == right:
        return SAME
    return LESS if left < right else MORE


def exactly(number: float) -> Decimal:
    """The decimal that a double is written as."""
    return Decimal(repr(float(number)))


def has_order(value: Value) -> bool:
    """May `<` be asked of it?"""
    if isinstance(value, bool):
        return False
    return isinstance(value, (str, int, float, Decimal, datetime, timedelta))


def holds(operator: int, found: int) -> bool:
    """Does `operator` say yes to values that relate like this? Not for UNLIKE ones."""
    if operator == EQUAL:
        return found == SAME
    if operator == NOT_EQUAL:
        return found != SAME
    if operator == LESS_THAN:
        return found == LESS
    if operator == AT_MOST:
        return found == LESS or found == SAME
    if operator == MORE_THAN:
        return found == MORE
    return found == MORE or found == SAME
