"""A WebSocket without a socket: whatever comes, cut anywhere."""

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.server.connection import SocketConnection
from peeklock.server.tunnel_door import AMQP, TunnelDoor
from peeklock.server.websocket import WebSocket
from tests.support.websocket_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, framed

HEAD = (
    b"GET /amqp HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
OFFER = b"Sec-WebSocket-Protocol: amqp\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = b""
        self.is_closed = False
        self.is_reading_now = True

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True

    def get_write_buffer_size(self) -> int:
        return 0


class Inside:
    """In the place of a `SocketConnection`."""

    def __init__(self) -> None:
        self.heard = b""
        self.ends = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert data
        self.heard += data

    def eof_received(self) -> None:
        self.ends += 1

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class Opened:
    """A WebSocket after its handshake."""

    def __init__(self, head: bytes = HEAD + OFFER) -> None:
        self.inside = Inside()
        door = TunnelDoor(
            makers={AMQP: lambda: cast(SocketConnection, self.inside)},
            origins=(),
            local_pages=False,
            is_expected_host=lambda _host: True,
            is_ending=lambda: False,
        )
        self.transport = Transport()
        self.socket = WebSocket(door)
        self.socket.connection_made(self.transport)
        self.socket.data_received(head)
        self.answer, self.transport.written = self.transport.written, b""


def feed(opened: Opened, data: bytes, cuts: list[int]) -> None:
    """In pieces of these sizes, over and over."""
    at = 0
    place = 0
    while at < len(data) and not opened.transport.is_closed:
        size = cuts[place % len(cuts)] if cuts else len(data)
        opened.socket.data_received(data[at : at + size])
        at += size
        place += 1


sizes = st.lists(st.integers(1, 50), max_size=4)
fragments = st.lists(st.binary(max_size=300), min_size=1, max_size=3)
messages = st.lists(st.tuples(fragments, st.sampled_from([b"", b"ping"])), max_size=5)


@given(messages, sizes)
def test_bytes_come_out_as_they_went_in(
    sent: list[tuple[list[bytes], bytes]], cuts: list[int]
) -> None:
    opened, data, wanted, pongs = Opened(), b"", b"", b""
    for parts, ping in sent:
        for place, part in enumerate(parts):
            if ping:
                data += framed(PING, ping)
                pongs += framed(PONG, ping, masked=False)
            final = place == len(parts) - 1
            data += framed(CONTINUATION if place else BINARY, part, final=final)
            wanted += part
    feed(opened, data, cuts)
    assert opened.inside.heard == wanted
    assert opened.transport.written == pongs
    assert not opened.transport.is_closed


frames = st.one_of(
    st.binary(max_size=40),
    st.builds(
        framed,
        st.sampled_from([CONTINUATION, TEXT, BINARY, 3, CLOSE, PING, PONG, 11]),
        st.binary(max_size=200),
        final=st.booleans(),
        masked=st.booleans(),
        announced=st.none() | st.integers(0, 2**63 - 1),
        reserved=st.integers(0, 7),
    ),
)


@given(st.lists(frames, max_size=6), sizes)
@settings(max_examples=300)
def test_anything_is_taken_or_ends_it(sent: list[bytes], cuts: list[int]) -> None:
    opened = Opened()
    feed(opened, b"".join(sent), cuts)
    assert opened.inside.ends == int(opened.transport.is_closed)


@given(st.binary(max_size=100), st.integers(0, len(HEAD)))
def test_any_handshake_is_answered(changed: bytes, at: int) -> None:
    opened = Opened(HEAD[:at] + changed + HEAD[at:] + OFFER)
    assert opened.answer.startswith(b"HTTP/1.1 ") or not opened.answer


def test_headers_that_are_no_text() -> None:
    for name in (b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Version", b"Connection", b"Host"):
        opened = Opened(HEAD + name + b": \xff\xfe\r\n" + OFFER)
        assert opened.answer.startswith(b"HTTP/1.1 4")
        assert opened.transport.is_closed


def test_reading_pauses_for_two_reasons_and_goes_on_when_none_is_left() -> None:
    opened = Opened()
    transport, inside = opened.transport, opened.inside
    assert inside.transport is not None
    opened.socket.pause_writing()
    assert transport.is_reading_now  # nothing was answered yet
    opened.socket.data_received(framed(PING, b"x"))
    assert not transport.is_reading_now
    inside.transport.pause_reading()
    opened.socket.resume_writing()
    assert not transport.is_reading_now
    opened.socket.pause_writing()
    opened.socket.data_received(framed(PING, b"x"))
    inside.transport.resume_reading()
    assert not transport.is_reading_now
    opened.socket.resume_writing()
    assert transport.is_reading_now


def test_large_writes_go_in_messages_that_clients_have_room_for() -> None:
    opened = Opened()
    assert opened.inside.transport is not None
    opened.inside.transport.write(b"x" * 150_000)
    first = framed(BINARY, b"x" * 65_536, masked=False)
    rest = framed(BINARY, b"x" * (150_000 - 2 * 65_536), masked=False)
    assert opened.transport.written == first + first + rest


def test_after_the_end_nothing_is_said() -> None:
    opened = Opened()
    assert opened.inside.transport is not None
    opened.inside.transport.close()
    closing, opened.transport.written = opened.transport.written, b""
    assert closing == framed(CLOSE, b"\x03\xe8", masked=False)
    opened.inside.transport.write(b"late")
    opened.inside.transport.close()
    assert opened.transport.written == b""
    assert opened.inside.transport.is_closing()
    opened.socket.data_received(framed(CLOSE, b"\x03\xe8"))
    assert opened.transport.is_closed
