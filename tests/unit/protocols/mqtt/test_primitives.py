"""Texts and binary data at their bounds (§1.5)."""

import pytest

from peeklock.protocols.mqtt.primitives import (
    fits_text,
    read_binary,
    read_byte,
    read_text,
    read_u16,
    read_u32,
    write_binary,
    write_text,
    write_u16,
)
from peeklock.protocols.mqtt.reason_codes import MALFORMED_PACKET, MqttViolation


def test_integers_are_big_endian() -> None:
    assert read_u16(b"\x12\x34", 0, 2, "it") == (0x1234, 2)
    assert read_u32(b"\x00\x12\x34\x56\x78", 1, 5, "it") == (0x12345678, 5)
    assert write_u16(0x1234) == b"\x12\x34"


def test_a_text_may_have_65_535_bytes_and_no_more() -> None:
    longest = "é" * 32_767 + "a"
    assert read_text(write_text(longest), 0, 65_537, "it") == (longest, 65_537)
    assert fits_text(longest)
    assert not fits_text(longest + "a")
    with pytest.raises(AssertionError):
        write_text(longest + "a")
    with pytest.raises(AssertionError):
        write_binary(bytes(65_536))


def test_what_other_protocols_may_write_and_mqtt_cannot() -> None:
    assert not fits_text("a\0b")
    assert not fits_text("\ud800")
    assert fits_text("\U0010ffff")


@pytest.mark.parametrize(
    "encoded", [b"\xc0\x80", b"\xed\xa0\x80", b"\xff", b"\xf4\x90\x80\x80"]
)
def test_text_that_is_not_well_formed(encoded: bytes) -> None:
    """[MQTT-1.5.4-1]: overlong, a surrogate, no UTF-8 at all, beyond Unicode."""
    with pytest.raises(MqttViolation, match=r"\[MQTT-1\.5\.4-1\]"):
        read_text(write_binary(encoded), 0, len(encoded) + 2, "it")


def test_a_reader_never_looks_beyond_its_end() -> None:
    data = b"\x00\x02ab"
    for read in (read_text, read_binary):
        for end in range(4):
            with pytest.raises(MqttViolation, match="ends inside it") as caught:
                read(data, 0, end, "it")
            assert caught.value.reason_code == MALFORMED_PACKET
    with pytest.raises(MqttViolation):
        read_byte(data, 4, 4, "it")
    with pytest.raises(MqttViolation):
        read_u16(data, 3, 4, "it")
    with pytest.raises(MqttViolation):
        read_u32(data, 1, 4, "it")
