"""A consumer process: receives, settles by ranges, and says when it had how many."""

import struct
import time
from array import array

from bench.peer import READ_BYTES, FrameScanner, Peer, first_transfer_id
from peeklock.protocols.amqp10.link import ReceiverLink
from peeklock.protocols.amqp10.performatives import (
    Flow,
    Transfer,
    decode_performative,
    encode_disposition,
    encode_performative,
)

ACCEPTED = b"\x00\x53\x24\x45"
HEADER = struct.Struct(">IBBH")
STAMP = struct.Struct(">Q")
SERIES_SECONDS = 0.01
WINDOW_FRAMES = 1 << 30


class Consumer:
    """Keeps `credit` messages on their way to it."""

    def __init__(self, peer: Peer, link: ReceiverLink, credit: int) -> None:
        self._peer = peer
        self._channel = link.session.channel
        self._handle = link.handle
        self._initial_count = link.delivery_count
        self._initial_id = first_transfer_id(link)
        self._credit = credit
        self._granted = 0  # up to which message it may send
        self._scanner = FrameScanner()
        self._first_id: int | None = None
        self.received = 0
        self.series: list[tuple[float, int]] = []
        self.latencies_ns = array("q")

    def _write(self, body: bytes) -> None:
        head = HEADER.pack(8 + len(body), 2, 0, self._channel)
        self._peer.socket.sendall(head + body)

    def _grant(self) -> None:
        if self._granted - self.received > self._credit // 2:
            return
        self._granted = self.received + self._credit
        self._write(
            encode_performative(
                Flow(
                    next_incoming_id=(self._initial_id + self.received) & 0xFFFFFFFF,
                    incoming_window=WINDOW_FRAMES,
                    next_outgoing_id=0,
                    outgoing_window=WINDOW_FRAMES,
                    handle=self._handle,
                    delivery_count=(self._initial_count + self.received) & 0xFFFFFFFF,
                    link_credit=self._credit,
                )
            )
        )

    def _settle(self, count: int) -> None:
        assert self._first_id is not None
        first = self._first_id + self.received
        last = first + count - 1
        self._write(
            encode_disposition(True, first & 0xFFFFFFFF, last & 0xFFFFFFFF, True, ACCEPTED)
        )

    def receive(self, seconds: float, count_max: int, body_bytes: int | None) -> None:
        """Until so many have come, or none did for `seconds`.

        With `body_bytes`, the bodies begin with the instant at which they were due.
        """
        self._grant()
        self._peer.socket.settimeout(seconds)
        noted = 0.0
        while self.received < count_max:
            try:
                data = self._peer.socket.recv(READ_BYTES)
            except (TimeoutError, ConnectionResetError):
                break
            if not data:
                break
            self._scanner.feed(data)
            ends = self._scanner.transfer_ends
            if not ends:
                continue
            if self._first_id is None:
                self._first_id = self._read_first_id()
            if body_bytes is not None:
                now = time.monotonic_ns()
                for end in ends:
                    due = STAMP.unpack_from(self._scanner.data, end - body_bytes)[0]
                    self.latencies_ns.append(now - due)
            self._settle(len(ends))
            self.received += len(ends)
            self._grant()
            now_s = time.monotonic()
            if now_s - noted > SERIES_SECONDS:
                noted = now_s
                self.series.append((now_s, self.received))
        self.series.append((time.monotonic(), self.received))

    def _read_first_id(self) -> int:
        data = self._scanner.data
        at = 0
        while True:  # frames before the first transfer
            size = int.from_bytes(data[at : at + 4], "big")
            if size > 8 and data[at + 10] == 0x14:
                break
            at += size
        transfer, _at = decode_performative(data, at + 8, at + size)
        assert isinstance(transfer, Transfer)
        return transfer.delivery_id or 0
