"""Decimals (§1.6.13–1.6.15): IEEE 754-2008, the binary encoding of the coefficient.

They pass through the broker as bytes; only a filter that looks at one wants its number.
"""

from decimal import Decimal
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
