"""Integers, texts, binary data and pairs (§1.5): a reader and a writer each.

A reader takes `(data, at, end)` and returns the value with the offset after it. The packet is
whole when it is read, so what goes beyond `end` is malformed, never "not yet".
"""

from typing import Final

from peeklock.protocols.mqtt.reason_codes import MqttViolation, malformed

U16_MAX: Final = 0xFFFF
U32_MAX: Final = 0xFFFFFFFF


def truncated(what: str) -> MqttViolation:
    return malformed("MQTT-4.13.1-1", f"the packet ends inside {what}")


def read_byte(data: bytes, at: int, end: int, what: str) -> tuple[int, int]:
    if at >= end:
        raise truncated(what)
    return data[at], at + 1


def read_u16(data: bytes, at: int, end: int, what: str) -> tuple[int, int]:
    """§1.5.2."""
    if at + 2 > end:
        raise truncated(what)
    return data[at] << 8 | data[at + 1], at + 2


def read_u32(data: bytes, at: int, end: int, what: str) -> tuple[int, int]:
    """§1.5.3."""
    if at + 4 > end:
        raise truncated(what)
    return int.from_bytes(data[at : at + 4]), at + 4


def read_text(data: bytes, at: int, end: int, what: str) -> tuple[str, int]:
    """§1.5.4. U+FEFF is a character like any and stays [MQTT-1.5.4-3]."""
    start = at + 2
    if start > end:
        raise truncated(what)
    after = start + (data[at] << 8 | data[at + 1])
    if after > end:
        raise truncated(what)
    return decode_text(data[start:after], what), after


def decode_text(encoded: bytes, what: str) -> str:
    try:
        text = encoded.decode("utf-8")  # strict: no surrogates, no overlong forms
    except UnicodeDecodeError:
        raise malformed("MQTT-1.5.4-1", f"{what} is not well-formed UTF-8") from None
    if "\0" in text:
        # In topic names and filters, too [MQTT-4.7.3-2].
        raise malformed("MQTT-1.5.4-2", f"{what} has a null character")
    return text


def read_binary(data: bytes, at: int, end: int, what: str) -> tuple[bytes, int]:
    """§1.5.6."""
    start = at + 2
    if start > end:
        raise truncated(what)
    after = start + (data[at] << 8 | data[at + 1])
    if after > end:
        raise truncated(what)
    return data[start:after], after


def write_u16(value: int) -> bytes:
    assert 0 <= value <= U16_MAX
    return bytes((value >> 8, value & 0xFF))


def write_text(text: str) -> bytes:
    """At most 65,535 bytes and no U+0000: the caller's to see to; `fits_text` tells."""
    encoded = text.encode("utf-8")
    assert len(encoded) <= U16_MAX, "text of more than 65,535 bytes"
    return write_u16(len(encoded)) + encoded


def write_binary(value: bytes) -> bytes:
    assert len(value) <= U16_MAX, "binary data of more than 65,535 bytes"
    return write_u16(len(value)) + value


def fits_text(text: str) -> bool:
    """Can MQTT carry this text (§1.5.4)? Others' may be longer, or have U+0000."""
    if "\0" in text:
        return False
    try:
        return len(text.encode("utf-8")) <= U16_MAX
    except UnicodeEncodeError:
        return False
