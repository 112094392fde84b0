"""The protobuf codec: its wire format, and messages that nobody should write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.attribute import integer, timestamp
from peeklock.cloudevents.data import Data, DataForm
from peeklock.cloudevents.protobuf_format import (
    read_protobuf,
    read_protobuf_batch,
    write_protobuf,
)
from peeklock.cloudevents.protobuf_wire import (
    bytes_field,
    fields,
    number_field,
    read_varint,
    signed,
    write_varint,
)
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_ITEMS_MAX
from tests.support.events import event

MINIMAL = write_protobuf(event())


def attribute(name: str, value: bytes) -> bytes:
    return bytes_field(5, bytes_field(1, name.encode()) + bytes_field(2, value))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_come_back(value: int) -> None:
    written = write_varint(value)
    read, end = read_varint(written, 0)
    assert end == len(written)
    assert signed(read, 64) == value


@pytest.mark.parametrize("value", [-(1 << 31), -1, 0, 1, (1 << 31) - 1])
def test_integers_come_back(value: int) -> None:
    one = event(x=integer(value))
    assert read_protobuf(write_protobuf(one)) == one


@pytest.mark.parametrize(
    "message",
    [
        *(b"\x80", b"\xff" * 11, b"\x00\x01", b"\x0b", b"\x0e", b"\x0a\x05ab", b"\x09\x01"),
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(InvalidEvent, match="no protobuf message"):
        read_protobuf(message)


def test_fields_have_a_number() -> None:
    with pytest.raises(InvalidEvent, match="more than 65536 fields"):
        fields(b"\x08\x01" * (EVENT_ITEMS_MAX + 1))


def test_unknown_fields_are_skipped() -> None:
    unknown = number_field(99, 5) + b"\x35\1\2\3\4" + b"\x31" + bytes(8) + bytes_field(77, b"x")
    assert read_protobuf(unknown + MINIMAL + unknown) == event()


def test_a_refusal_names_the_attribute() -> None:
    for message, name in (
        (bytes_field(2, b"\xff"), "source"),
        (number_field(1, 5), "id"),
        (MINIMAL + attribute("x", bytes_field(3, b"\xff")), "x"),
        (MINIMAL + attribute("x", bytes_field(5, b"no uri")), "x"),
        (MINIMAL + attribute("x", b"") + attribute("id", bytes_field(3, b"2")), "id"),
        (MINIMAL + attribute("X", bytes_field(3, b"2")), "'X'"),
        (MINIMAL + attribute("t", bytes_field(7, number_field(2, 1 << 30))), "t"),
        (MINIMAL + attribute("t", bytes_field(7, number_field(1, 1 << 62))), "t"),
        (MINIMAL + bytes_field(7, b"\xff"), "data"),
    ):
        with pytest.raises(InvalidEvent) as refused:
            read_protobuf(message)
        assert refused.value.attribute == name


def test_the_last_of_a_oneof_counts() -> None:
    got = read_protobuf(MINIMAL + bytes_field(6, b"a") + bytes_field(7, b"b"))
    assert got.data == Data(DataForm.TEXT, b"b")
    both = number_field(2, 1) + number_field(2, 7)
    assert read_protobuf(MINIMAL + attribute("x", both)).attributes["x"] == integer(7)
    nothing = read_protobuf(MINIMAL + attribute("x", b""))
    assert nothing == event()


def test_a_timestamp_of_the_year_0_is_text() -> None:
    one = event(x=timestamp("0000-01-01T00:00:00Z"))
    assert read_protobuf(write_protobuf(one)).says_the_same_as(one)


def test_a_batch_keeps_what_is_good() -> None:
    batch = (
        bytes_field(1, MINIMAL)
        + bytes_field(1, b"\xff")
        + bytes_field(2, b"")
        + bytes_field(1, MINIMAL)
    )
    first, bad, last = read_protobuf_batch(batch)
    assert (first, last) == (event(), event())
    assert isinstance(bad, InvalidEvent)
    with pytest.raises(InvalidEvent, match="batch of more than 10000"):
        read_protobuf_batch(bytes_field(1, b"") * 10_001)
