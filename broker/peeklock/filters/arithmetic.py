"""`+ - * / %` on values that are there, as C# and Java have them on theirs.

Whole numbers are 64 bits: division cuts towards zero, the remainder has the dividend's sign,
and a result that does not fit is an error rather than a wrong number. With a double the rest
is a double; a decimal stays one. `+` also joins strings, and instants have a difference.
"""

from datetime import datetime, timedelta
from decimal import Context, Decimal, DecimalException
from math import copysign, fmod, inf, isnan, nan
from typing import Final

from peeklock.errors import FilterError
from peeklock.filters.comparison import exactly
from peeklock.filters.values import Value, shown, text_of
from peeklock.limits import FILTER_VALUE_CHARACTERS_MAX

INTEGER_MIN: Final = -(1 << 63)
INTEGER_MAX: Final = (1 << 63) - 1
# IEEE 754 decimal128 has 34 digits; what it cannot do is raised, not returned as NaN.
DECIMALS: Final = Context(prec=34)


def calculate(operator: str, left: Value, right: Value) -> Value:
    """`left operator right`; `FilterError` where there is no such operation or result."""
    if is_number(left) and is_number(right):
        return numbers(operator, left, right)
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        return joined(left, right)
    if isinstance(left, datetime) or isinstance(left, timedelta):
        return times(operator, left, right)
    raise unfit(operator, left, right)


def unfit(operator: str, left: Value, right: Value) -> FilterError:
    return FilterError(f"{operator} does not go with {shown(left)} and {shown(right)}")


def is_number(value: Value) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def numbers(operator: str, left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        return integers(operator, int(left), int(right))
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return decimals(operator, as_decimal(left), as_decimal(right))
    assert isinstance(left, (int, float))
    assert isinstance(right, (int, float))
    return doubles(operator, float(left), float(right))


def integers(operator: str, left: int, right: int) -> int:
    if operator == "+":
        return fitting(left + right)
    if operator == "-":
        return fitting(left - right)
    if operator == "*":
        return fitting(left * right)
    if right == 0:
        raise FilterError(f"{left} {operator} 0: a division by zero")
    quotient = abs(left) // abs(right)
    if (left < 0) != (right < 0):
        quotient = -quotient
    return fitting(quotient) if operator == "/" else left - quotient * right


def fitting(number: int) -> int:
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise FilterError("the result is beyond 64 bits")
    return number


def doubles(operator: str, left: float, right: float) -> float:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        if right != 0.0:
            return left / right
        if left == 0.0 or isnan(left):
            return nan
        return copysign(inf, left) * copysign(1.0, right)
    if right == 0.0 or left in (inf, -inf):
        return nan
    return fmod(left, right)


def as_decimal(value: Value) -> Decimal:
    if isinstance(value, float):
        return exactly(value)
    assert isinstance(value, (int, Decimal))
    return Decimal(value)


def decimals(operator: str, left: Decimal, right: Decimal) -> Decimal:
    try:
        if operator == "+":
            return DECIMALS.add(left, right)
        if operator == "-":
            return DECIMALS.subtract(left, right)
        if operator == "*":
            return DECIMALS.multiply(left, right)
        if operator == "/":
            return DECIMALS.divide(left, right)
        return DECIMALS.remainder(left, right)
    except DecimalException:
        raise FilterError(f"{left} {operator} {right} is no decimal") from None


def joined(left: Value, right: Value) -> str:
    size = size_of(left) + size_of(right)
    text = text_of(left) + text_of(right) if size <= FILTER_VALUE_CHARACTERS_MAX else ""
    if size > FILTER_VALUE_CHARACTERS_MAX or len(text) > FILTER_VALUE_CHARACTERS_MAX:
        raise FilterError(f"a string of more than {FILTER_VALUE_CHARACTERS_MAX} characters")
    return text


def size_of(value: Value) -> int:
    """What of a message's value may be long, before a longer text is made of it."""
    return len(value) if isinstance(value, (str, bytes)) else 0


def times(operator: str, left: Value, right: Value) -> Value:
    """Instants have a difference; an instant and a duration make an instant."""
    try:
        if operator == "-":
            if isinstance(left, datetime) and isinstance(right, datetime):
                return left - right
            if isinstance(left, datetime) and isinstance(right, timedelta):
                return left - right
            if isinstance(left, timedelta) and isinstance(right, timedelta):
                return left - right
        if operator == "+":
            if isinstance(left, datetime) and isinstance(right, timedelta):
                return left + right
            if isinstance(left, timedelta) and isinstance(right, timedelta):
                return left + right
            if isinstance(left, timedelta) and isinstance(right, datetime):
                return right + left
    except OverflowError:
        raise FilterError("the result is before the year 1 or after 9999") from None
    raise unfit(operator, left, right)


def negative(value: Value) -> Value:
    """`-value`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, timedelta)):
        raise FilterError(f"- does not go with {shown(value)}")
    if isinstance(value, int):
        return fitting(-value)
    if isinstance(value, Decimal):
        return value.copy_negate()  # `-` would round
    try:
        return -value
    except OverflowError:  # the shortest duration has no opposite
        raise FilterError(f"-({value}) is too long a duration") from None


def positive(value: Value) -> Value:
    """`+value`: itself, if it is a number."""
    if not is_number(value):
        raise FilterError(f"+ does not go with {shown(value)}")
    return value
