"""AMQP's decimals (§1.6.13–1.6.15), from bytes that others wrote."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.protocols.amqp10.decimals import AS_128, SHAPES, read_decimal, write_decimal
from peeklock.protocols.amqp10.values import Decimal32, Decimal64, Decimal128


def encoded(kind: type[bytes], width: int, number: Decimal) -> bytes:
    """The same from the other end: sign, exponent and coefficient into their bits."""
    exponent_bits, bias, _digits = SHAPES[width]
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    coefficient = int("".join(map(str, digits)))
    room = 8 * width - 1 - exponent_bits
    bits = sign << (8 * width - 1)
    if coefficient < 1 << room:
        bits |= exponent + bias << room | coefficient
    else:
        room -= 2
        bits |= 0b11 << (8 * width - 3) | exponent + bias << room
        bits |= coefficient & ((1 << room) - 1)
    return kind(bits.to_bytes(width, "big"))


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        # IEEE 754-2008 examples, as decNumber and Intel's library write them.
        (Decimal32(bytes.fromhex("32800001")), "1"),
        (Decimal32(bytes.fromhex("b2800001")), "-1"),
        (Decimal32(bytes.fromhex("77f8967f")), "9.999999E+96"),
        (Decimal64(bytes.fromhex("31c0000000000001")), "1"),
        (Decimal64(bytes.fromhex("3180000000000019")), "0.25"),
        (Decimal128(bytes.fromhex("30400000000000000000000000000001")), "1"),
        (Decimal128(bytes.fromhex("303c00000000000000000000000000fa")), "2.50"),
        (Decimal128(bytes.fromhex("78000000000000000000000000000000")), "Infinity"),
        (Decimal64(bytes.fromhex("f800000000000000")), "-Infinity"),
    ],
)
def test_known_numbers(raw: Decimal32 | Decimal64 | Decimal128, number: str) -> None:
    assert str(read_decimal(raw)) == number


def test_what_is_no_number_is_quiet() -> None:
    for first in ("7c", "7e", "fc"):  # quiet, signalling, negative
        found = read_decimal(Decimal32(bytes.fromhex(first + "000001")))
        assert found.is_qnan()


def test_a_coefficient_beyond_its_digits_is_zero() -> None:
    assert read_decimal(Decimal32(bytes.fromhex("77f8967f"))) != 0
    assert read_decimal(Decimal32(bytes.fromhex("77ffffff"))) == 0


@given(st.data(), st.sampled_from([(Decimal32, 4), (Decimal64, 8), (Decimal128, 16)]))
def test_there_and_back(data: st.DataObject, kind: tuple[type[bytes], int]) -> None:
    made, width = kind
    exponent_bits, bias, digits = SHAPES[width]
    coefficient = data.draw(st.integers(0, 10**digits - 1))
    exponent = data.draw(st.integers(0, 3 * 2 ** (exponent_bits - 2) - 1)) - bias
    number = Decimal(
        (data.draw(st.integers(0, 1)), tuple(map(int, str(coefficient))), exponent)
    )
    raw = encoded(made, width, number)
    assert isinstance(raw, (Decimal32, Decimal64, Decimal128))
    assert read_decimal(raw).as_tuple() == number.as_tuple()


@given(st.sampled_from([(Decimal32, 4), (Decimal64, 8), (Decimal128, 16)]), st.data())
def test_any_bytes_are_a_number(kind: tuple[type[bytes], int], data: st.DataObject) -> None:
    made, width = kind
    raw = made(data.draw(st.binary(min_size=width, max_size=width)))
    assert isinstance(raw, (Decimal32, Decimal64, Decimal128))
    found = read_decimal(raw)
    assert found.is_qnan() or found == found


@given(st.decimals(allow_nan=False))
def test_what_is_written_is_read_rounded_to_34_digits(number: Decimal) -> None:
    found = read_decimal(write_decimal(number))
    if not number or not number.is_finite() or -6000 < number.adjusted() < 6000:
        assert found == AS_128.plus(number)
        assert found.is_signed() is number.is_signed()


@pytest.mark.parametrize(
    ("number", "raw"),
    [
        ("1", "30400000000000000000000000000001"),
        ("-2.50", "b03c00000000000000000000000000fa"),
        ("NaN", "7c000000000000000000000000000000"),
        ("-Infinity", "f8000000000000000000000000000000"),
        ("1E+9999", "78000000000000000000000000000000"),  # beyond what there is
    ],
)
def test_known_bytes(number: str, raw: str) -> None:
    assert write_decimal(Decimal(number)).hex() == raw
