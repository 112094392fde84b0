"""Framing (§2.3): eight bytes of header, then extended header and body.

The reader keeps one buffer and an offset; a frame is told by where it lies in it, so nothing
is copied but what a payload needs.
"""

from struct import Struct
from typing import Final, final

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.conditions import FRAMING_ERROR

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"  # §2.2
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"  # §5.3.1
TLS_HEADER: Final = b"AMQP\x02\x01\x00\x00"  # §5.2.1: TLS inside AMQP, which nobody speaks
HEADER_BYTES: Final = 8

AMQP_FRAME: Final = 0  # §2.3.1 frame types
SASL_FRAME: Final = 1

FRAME_HEADER: Final = Struct(">IBBH")


@final
class FrameReader:
    """Cuts a stream of bytes into frames.

    After `next_frame` said yes, the frame's body is `data[body_at:body_end]`.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.data = b""
        self.frame_type = AMQP_FRAME
        self.channel = 0
        self.body_at = 0
        self.body_end = 0
        self._at = 0  # where the next frame begins

    def feed(self, data: bytes) -> None:
        rest = self.data[self._at :]
        self.data = rest + data if rest else data
        self._at = 0

    @property
    def unread_bytes(self) -> int:
        """What has come and was not taken."""
        return len(self.data) - self._at

    def take_header(self) -> bytes | None:
        """The eight bytes of a protocol header (§2.2), once they are there."""
        end = self._at + HEADER_BYTES
        if len(self.data) < end:
            return None
        header = self.data[self._at : end]
        self._at = end
        return header

    def peek(self) -> bytes:
        """What has come and was not taken, at most a protocol header's length."""
        return self.data[self._at : self._at + HEADER_BYTES]

    def next_frame(self) -> bool:
        """Find the next whole frame; raises `ProtocolViolation` as soon as it cannot be one."""
        data = self.data
        at = self._at
        if len(data) - at < HEADER_BYTES:
            return False
        size = data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]
        doff = data[at + 4]
        if size < HEADER_BYTES or size > self.frame_bytes_max:
            raise framing_error(
                f"a frame of {size} bytes; allowed is {HEADER_BYTES} to {self.frame_bytes_max}"
            )
        if doff < 2 or doff * 4 > size:
            raise framing_error(f"a data offset of {doff} in a frame of {size} bytes")
        if len(data) - at < size:
            return False
        self.frame_type = data[at + 5]
        self.channel = data[at + 6] << 8 | data[at + 7]
        self.body_at = at + doff * 4
        self.body_end = at + size
        self._at = self.body_end
        return True


def framing_error(what: str) -> ProtocolViolation:
    return ProtocolViolation("AMQP 1.0 §2.3.1", what, FRAMING_ERROR)


def frame_header(body_bytes: int, channel: int, frame_type: int = AMQP_FRAME) -> bytes:
    """The header of a frame whose body has so many bytes."""
    return FRAME_HEADER.pack(HEADER_BYTES + body_bytes, 2, frame_type, channel)


EMPTY_FRAME: Final = frame_header(0, 0)  # §2.4.5: only says that we are here
