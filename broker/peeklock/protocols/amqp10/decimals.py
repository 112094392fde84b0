"""Decimals (§1.6.13–1.6.15): IEEE 754-2008, the binary encoding of the coefficient.

They pass through the broker as bytes; only filters that look at one and actions that make one
want its number.
"""

from decimal import Context, Decimal
from typing import Final, TypeAlias

from peeklock.protocols.amqp10.values import Decimal32, Decimal64, Decimal128

AnyDecimal: TypeAlias = Decimal32 | Decimal64 | Decimal128

# By width in bytes: bits of the exponent, its bias, digits of the largest coefficient.
SHAPES: Final = {4: (8, 101, 7), 8: (10, 398, 16), 16: (14, 6176, 34)}


def read_decimal(raw: AnyDecimal) -> Decimal:
    """The number; NaN for all that is none. A coefficient beyond its digits counts as 0."""
    exponent_bits, bias, digits = SHAPES[len(raw)]
    bits = int.from_bytes(raw, "big")
    width = 8 * len(raw)
    negative = bits >> (width - 1)
    combined = bits >> (width - 6) & 0x1F  # five bits behind the sign
    if combined == 0x1F:
        return Decimal("NaN")
    if combined == 0x1E:
        return Decimal("-Infinity" if negative else "Infinity")
    if combined >> 3 == 3:  # the exponent begins two bits later; the coefficient with 100
        shift = width - 3 - exponent_bits
        coefficient = bits & ((1 << shift) - 1) | 4 << shift
    else:
        shift = width - 1 - exponent_bits
        coefficient = bits & ((1 << shift) - 1)
    exponent = (bits >> shift & ((1 << exponent_bits) - 1)) - bias
    if coefficient >= 10**digits:
        coefficient = 0
    return Decimal((negative, tuple(map(int, str(coefficient))), exponent))


EXPONENT_MIN_128: Final = -6176
EXPONENT_MAX_128: Final = 6111
# Rounds to what a decimal128 can hold; what is too large is infinite, not an error.
AS_128: Final = Context(prec=34, Emin=-6143, Emax=6144, clamp=1, traps=[])


def write_decimal(number: Decimal) -> Decimal128:
    """The number as a decimal128, rounded to its 34 digits."""
    fitted = AS_128.plus(number)
    sign = 1 << 127 if fitted.is_signed() else 0
    if fitted.is_nan():
        return Decimal128((0x7C << 120).to_bytes(16, "big"))
    if fitted.is_infinite():
        return Decimal128((sign | 0x78 << 120).to_bytes(16, "big"))
    _sign, digits, exponent = fitted.as_tuple()
    assert isinstance(exponent, int)
    # 34 digits fit into 113 bits, so the longer form of the exponent is never needed.
    coefficient = int("".join(map(str, digits)))
    bits = sign | exponent - EXPONENT_MIN_128 << 113 | coefficient
    return Decimal128(bits.to_bytes(16, "big"))
