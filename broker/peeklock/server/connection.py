"""asyncio.Protocol ⇄ Wire: all the asyncio that a protocol ever sees."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from peeklock.types import NEVER, Millis, UnixMs

# Above this many bytes in the socket's buffer the peer's receivers are not served.
WRITE_PAUSE_BYTES: Final = 1024 * 1024
# Deadlines are looked at this often even if no earlier one was seen.
LOOK_AGAIN: Final = Millis(30_000)


class Wire(Protocol):
    """What a front-end offers to a socket. Nothing in it raises for what a peer does."""

    @property
    def closed(self) -> bool:
        """The socket is to be closed, after what is to be sent."""
        ...

    def receive_data(self, data: bytes, now: UnixMs) -> None: ...

    def receive_eof(self, now: UnixMs) -> None: ...

    def data_to_send(self) -> bytes: ...

    def tick(self, now: UnixMs) -> None: ...

    def next_deadline(self) -> UnixMs: ...

    def set_writable(self, writable: bool) -> None: ...


class SocketConnection(asyncio.Protocol):
    """One socket and its wire."""

    def __init__(
        self,
        make_wire: Callable[["SocketConnection", str], Wire],
        now: Callable[[], UnixMs],
        after_read: Callable[["SocketConnection"], None],
        on_lost: Callable[["SocketConnection"], None],
    ) -> None:
        self._make_wire: Final = make_wire
        self._now: Final = now
        self._after_read: Final = after_read
        self._on_lost: Final = on_lost
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: UnixMs = NEVER
        self.wire: Wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods but are none of its subclasses.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_PAUSE_BYTES)
        peer = transport.get_extra_info("peername")
        self.wire = self._make_wire(self, f"{peer[0]}:{peer[1]}" if peer else "?")
        self._set_timer()

    def data_received(self, data: bytes) -> None:
        self.wire.receive_data(data, self._now())
        self._after_read(self)

    def eof_received(self) -> bool:
        self.wire.receive_eof(self._now())
        self._after_read(self)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self.wire.receive_eof(self._now())
        self._after_read(self)
        self._on_lost(self)

    def flush(self) -> None:
        """Also called when effects were released for this connection."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        data = self.wire.data_to_send()
        if data:
            transport.write(data)
        if self.wire.closed:
            transport.close()
        at = self.wire.next_deadline()
        if at != NEVER and at < self._timer_at:
            self._set_timer()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self.wire.set_writable(False)

    def resume_writing(self) -> None:
        self.wire.set_writable(True)
        self._after_read(self)

    def _set_timer(self) -> None:
        """Look again when the wire's deadline comes; it mostly has moved on by then."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._now()
        at = self.wire.next_deadline()
        latest = UnixMs(now + LOOK_AGAIN)
        self._timer_at = latest if at == NEVER else min(latest, max(at, UnixMs(now + 10)))
        delay = (self._timer_at - now) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self.wire.tick(self._now())
        self._after_read(self)
        if self._transport is not None:
            self._set_timer()
