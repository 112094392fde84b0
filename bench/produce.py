"""A producer process: sends, and counts what the broker has taken on.

Messages are made once and then only numbered, so that the generator is not the limit.
"""

import select
import struct
import time

from bench.peer import READ_BYTES, FrameScanner, Peer, PeerFailed, remote_window
from peeklock.protocols.amqp10.outcomes import Accepted
from peeklock.protocols.amqp10.performatives import (
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Performative,
    encode_transfer,
)
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Header,
    Properties,
    encode_bare,
    encode_message,
)

RUN = 64  # messages written in one go
STAMP = struct.Struct(">Q")  # the body's first bytes: when it was due, in ns
NUMBER = struct.Struct(">I")
TAG_BYTES = 4
KIND = "k000"  # application property `kind`: k000, k001 … in turn, when kinds are wanted
ID_MARK = b"\xa0\x08MESSAGE-"  # properties.message-id: 8 bytes of binary, numbered


class Producer:
    """Keeps `window` messages unsettled, or sends at `rate` a second when that is given."""

    def __init__(self, url: str, address: str, size: int, window: int, kinds: int = 0) -> None:
        self._peer = Peer.connect(url, "bench-producer")
        link, self._credit = self._peer.attach_sender(address)
        self._frames_left = remote_window(link)
        self._window = window
        self._scanner = FrameScanner()
        self.sent = 0
        self.settled = 0
        self.refused = 0
        self._kinds = kinds
        self._make_run(link.handle, link.session.channel, size)

    def _make_run(self, handle: int, channel: int, size: int) -> None:
        """RUN frames in one buffer, and where in each the numbers and the stamp are."""
        properties: dict[object, object] | None = {"kind": KIND} if self._kinds else None
        bare = encode_bare(
            Properties(message_id=b"MESSAGE-"), properties, DataBody([bytes(size)])
        )
        payload = encode_message(bare, Header(durable=True), {})
        body = encode_transfer(handle, 0, bytes(TAG_BYTES), 0, False, False) + payload
        frame = struct.pack(">IBBH", 8 + len(body), 2, 0, channel) + body
        self._frame_bytes = len(frame)
        # Descriptor, list8 head, handle; the delivery-id; the tag's code and size; the tag.
        self._id_at = frame.index(b"\x00\x53\x14") + 3 + 3 + 5 + 1
        self._tag_at = self._id_at + 4 + 2
        self._message_id_at = frame.index(ID_MARK) + 2 + 4
        self._kind_at = frame.index(KIND.encode()) + 1 if self._kinds else 0
        self._stamp_at = len(frame) - size
        self._stamped = size >= STAMP.size
        self._run = bytearray(frame * RUN)

    def _write(self, count: int, due_ns: list[int] | None) -> None:
        run = self._run
        at = 0
        pack = NUMBER.pack_into
        for number in range(self.sent, self.sent + count):
            low = number & 0xFFFFFFFF
            pack(run, at + self._id_at, low)
            pack(run, at + self._tag_at, low)
            pack(run, at + self._message_id_at, low)
            if self._kinds:
                kind = at + self._kind_at
                run[kind : kind + 3] = b"%03d" % (number % self._kinds)
            if due_ns is not None:
                STAMP.pack_into(run, at + self._stamp_at, due_ns[number - self.sent])
            at += self._frame_bytes
        self._peer.socket.sendall(memoryview(run)[:at])
        self.sent += count
        self._credit -= count
        self._frames_left -= count

    @property
    def room(self) -> int:
        return min(
            self._window - (self.sent - self.settled), self._credit, self._frames_left, RUN
        )

    def _read(self) -> None:
        data = self._peer.socket.recv(READ_BYTES)
        if not data:
            raise PeerFailed("the broker closed the connection")
        for performative in self._scanner.feed(data):
            self._on_performative(performative)

    def _on_performative(self, performative: Performative) -> None:
        if isinstance(performative, Disposition):
            count = performative.last - performative.first + 1
            self.settled += count
            if not isinstance(performative.state, Accepted):
                self.refused += count
        elif isinstance(performative, Flow):
            if performative.link_credit is not None:
                self._credit = (
                    (performative.delivery_count or 0) + performative.link_credit - self.sent
                )
            taken = performative.next_incoming_id or 0
            self._frames_left = taken + performative.incoming_window - self.sent
        elif isinstance(performative, Detach | End | Close):
            raise PeerFailed(f"the broker ended it: {performative.error}")

    def send_for(self, seconds: float) -> None:
        """As fast as it is taken on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            room = self.room
            if room > 0:
                self._write(room, None)
            else:
                self._read()

    def send_count(self, count: int) -> None:
        while self.sent < count:
            room = min(self.room, count - self.sent)
            if room > 0:
                self._write(room, None)
            else:
                self._read()

    def send_at(self, rate: float, seconds: float) -> None:
        """Open loop: each message has an instant at which it is due, however it goes."""
        assert self._stamped
        began = time.monotonic_ns()
        gap_ns = 1e9 / rate
        total = int(rate * seconds)
        while self.sent < total:
            now = time.monotonic_ns()
            due = min(int((now - began) / gap_ns) + 1, total) - self.sent
            count = min(due, self.room)
            if count > 0:
                stamps = [int(began + (self.sent + i) * gap_ns) for i in range(count)]
                self._write(count, stamps)
            next_ns = began + self.sent * gap_ns - time.monotonic_ns()
            wait = max(0.0, next_ns / 1e9) if self.room > 0 else 1.0
            if select.select([self._peer.socket], [], [], min(wait, 1.0))[0]:
                self._read()

    def finish(self) -> None:
        """Wait for the broker's word on everything."""
        while self.settled < self.sent:
            self._read()
