"""Cuts a stream of bytes into packets (§2.1): one byte, a length, and as many bytes.

One buffer and an offset; a packet is told by where it lies, so only payloads are copied. What
has to wait, such as a large packet's beginning, is gathered aside: it costs its bytes, however
small the pieces are in which it comes, and is copied once more when it is whole.
"""

from typing import Final, final

from peeklock.protocols.mqtt.reason_codes import PACKET_TOO_LARGE, MqttViolation
from peeklock.protocols.mqtt.varint import read_varint

EMPTY: Final = b""


@final
class PacketReader:
    """After `next_packet` said yes, the packet is `first` and then `data[at:end]`."""

    def __init__(self, packet_bytes_max: int) -> None:
        self.packet_bytes_max = packet_bytes_max  # header and all (§3.1.2.11.4)
        self.data = EMPTY
        self.first = 0
        self.at = 0
        self.end = 0  # also where the next packet begins
        self._aside = bytearray()  # what follows behind `data`
        self._missing = 0  # bytes of the next packet that have not come, as far as is known
        self.byte_count = 0  # that came
        self.packet_count = 0  # that were told

    def feed(self, data: bytes) -> None:
        self.byte_count += len(data)
        if len(data) < self._missing:
            self._aside += data
            self._missing -= len(data)
            return
        rest = self.data[self.end :]
        if self._aside:
            self.data = b"".join((rest, self._aside, data))
            self._aside = bytearray()
        else:
            self.data = rest + data if rest else data
        self._missing = 0
        self.end = 0

    def keep(self, data: bytes) -> None:
        """As `feed`, while nobody asks for packets; a `feed` comes before somebody does."""
        self.byte_count += len(data)
        self._aside += data
        self._missing = 0

    def clear(self) -> None:
        """Nothing that has come is wanted any more."""
        self.data = EMPTY
        self.end = 0
        self._aside = bytearray()
        self._missing = 0

    @property
    def unread_bytes(self) -> int:
        """What has come and was not taken."""
        return len(self.data) - self.end + len(self._aside)

    def peek(self) -> int:
        """The first byte of what comes next; -1 when nothing has come."""
        return self.data[self.end] if self.end < len(self.data) else -1

    def next_packet(self) -> bool:
        """Find the next whole packet; raises `MqttViolation` as soon as it cannot be one."""
        if self._missing:
            return False
        data = self.data
        start = self.end
        there = len(data)
        if there - start < 2:
            return False
        length = data[start + 1]
        at = start + 2
        if length >= 0x80:
            found = read_varint(data, start + 1, there)
            if found is None:
                return False
            length, at = found
        if at - start + length > self.packet_bytes_max:
            what = f"a packet of {at - start + length} bytes; {self.packet_bytes_max} are taken"
            raise MqttViolation("MQTT-3.2.2-15", what, PACKET_TOO_LARGE)
        if there - at < length:
            self._missing = length - (there - at)
            return False
        self.first = data[start]
        self.at = at
        self.end = at + length
        self.packet_count += 1
        return True
