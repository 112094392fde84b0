"""The Avro codec: records that nobody should write."""

import pytest

from peeklock.cloudevents.avro_format import read_avro, write_avro, write_number
from peeklock.cloudevents.data import json_data
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_AVRO_DEPTH_MAX, EVENT_ITEMS_MAX
from tests.support.events import event

WITHOUT_DATA = write_avro(event())[:-1]


def test_blocks_may_tell_their_size() -> None:
    """A negative count, and then the size in bytes (Avro 1.9, maps)."""
    items = WITHOUT_DATA[1:-1]
    sized = write_number(-4) + write_number(len(items)) + items + b"\0"
    assert read_avro(sized + b"\x02") == event()


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (b"", "ends too soon"),
        (b"\x02", "ends too soon"),
        (b"\xff" * 11, "more than ten bytes"),
        (b"\x02\x02x\x0a", "unknown type 5"),
        (b"\x02\x02x\x02\x02", "a boolean of 2"),
        (b"\x02\x01", "ends too soon"),  # a negative length
        (b"\x02\x02\xff\x00\x00\x02", "not UTF-8"),
        (b"\x04\x02x\x06\x00\x02x\x06\x00\x00\x02", "twice"),
        (WITHOUT_DATA + b"\x0e", "unknown type 7"),
        (WITHOUT_DATA + b"\x02\x02", "bytes behind"),
        (WITHOUT_DATA + b"\x0a" + bytes(6) + b"\xf0\x7f", "infinite"),
    ],
)
def test_what_is_no_record_is_refused(record: bytes, what: str) -> None:
    with pytest.raises(InvalidEvent, match=what):
        read_avro(record)


def test_null_attributes_are_absent() -> None:
    assert read_avro(b"\x02\x02x\x00" + WITHOUT_DATA + b"\x02") == event()


def test_data_nests_up_to_a_limit() -> None:
    def nested(depth: int) -> bytes:
        return (
            WITHOUT_DATA + b"\x08" + b"\x02\x02\x02a\x06" * depth + b"\0" * (2 * depth) + b"\0"
        )

    got = read_avro(nested(3))
    assert got.data == json_data(b'[{"a":[{"a":[{"a":[]}]}]}]')
    with pytest.raises(InvalidEvent, match="nesting of more than 32"):
        read_avro(nested(EVENT_AVRO_DEPTH_MAX))


def test_items_have_a_number() -> None:
    count = EVENT_ITEMS_MAX + 1
    with pytest.raises(InvalidEvent, match="more than 65536 items"):
        read_avro(WITHOUT_DATA + b"\x08" + write_number(count) + bytes(count + 1))
