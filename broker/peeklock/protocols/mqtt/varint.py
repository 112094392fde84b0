"""Variable Byte Integer (§1.5.5): seven bits a byte, least significant first."""

from typing import Final

from peeklock.protocols.mqtt.reason_codes import malformed

VARINT_BYTES_MAX: Final = 4
VARINT_MAX: Final = (1 << 7 * VARINT_BYTES_MAX) - 1  # 268,435,455

ONE_BYTE: Final = [bytes([value]) for value in range(0x80)]


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """The integer at `data[at:end]` and the offset after it; `None` when it goes on beyond."""
    value = 0
    shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift > 0:
                raise malformed("MQTT-1.5.5-1", "an integer that is not in its shortest form")
            return value, at
        shift += 7
        if shift == 7 * VARINT_BYTES_MAX:
            raise malformed("MQTT-1.5.5-1", "an integer of more than four bytes")
    return None


def write_varint(value: int) -> bytes:
    """The shortest form of `value`, which is at least 0 and at most `VARINT_MAX`."""
    if value < 0x80:
        return ONE_BYTE[value]
    assert value <= VARINT_MAX
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varint_bytes(value: int) -> int:
    """How many bytes `write_varint` gives."""
    if value < 0x80:
        return 1
    if value < 0x4000:
        return 2
    return 3 if value < 0x200000 else VARINT_BYTES_MAX
