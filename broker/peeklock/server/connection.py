"""asyncio.Protocol ⇄ Wire: all the asyncio that a protocol ever sees.

What goes wrong in here is ours, and costs one connection: it is logged, and the peer is told
so. Nobody else notices.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, cast

import structlog

from peeklock.clock import Clock
from peeklock.engine.effects import Peer
from peeklock.frontends.closing import Closing
from peeklock.limits import (
    CONNECTION_LOOK_AGAIN,
    LINGER_TIMEOUT,
    PROBE_AFTER,
    PROBE_COUNT,
    PROBE_EVERY,
    READ_PAUSE_BYTES,
    WRITE_PAUSE_BYTES,
)
from peeklock.security.authenticators import Answer, Login
from peeklock.security.certificates import common_name
from peeklock.server.login_desk import Verified
from peeklock.types import NO_TIMEOUT, ElapsedMs, UnixMs

log = structlog.get_logger()


class Wire(Peer, Protocol):
    """What a front-end offers to a socket. Nothing in it raises for what a peer does.

    It is told the time twice: `now` for entities, whose instants outlive a restart, and
    `elapsed` for the connection's own time-outs, which no setting of a clock may touch.
    """

    login: Login | None  # the server takes it, checks it, calls `on_login`

    @property
    def closed(self) -> bool:
        """The socket is to be closed, after what is to be sent."""
        ...

    def receive_data(self, data: bytes, now: UnixMs, elapsed: ElapsedMs) -> None: ...

    def receive_eof(self, now: UnixMs, elapsed: ElapsedMs) -> None: ...

    def data_to_send(self) -> bytes: ...

    def tick(self, now: UnixMs, elapsed: ElapsedMs) -> None: ...

    def next_deadline(self) -> ElapsedMs: ...

    def set_writable(self, writable: bool) -> None: ...

    def on_login(self, answer: Answer, now: UnixMs) -> None: ...

    def close(self, closing: Closing, why: str) -> None: ...

    def refuse(self, why: str) -> None: ...


WireMaker: TypeAlias = Callable[["SocketConnection", str, str], Wire]


class SocketConnection(asyncio.Protocol):
    """One socket and its wire."""

    def __init__(
        self,
        make_wire: WireMaker,
        clock: Clock,
        after_read: Callable[["SocketConnection"], None],
        on_lost: Callable[["SocketConnection"], None],
    ) -> None:
        self._make_wire: Final = make_wire
        self._clock: Final = clock
        self._after_read: Final = after_read
        self._on_lost: Final = on_lost
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: ElapsedMs = NO_TIMEOUT
        self._is_full = False  # the socket's buffer has more than WRITE_PAUSE_BYTES
        self._is_finished = False  # all was said
        self._is_deaf = False  # it has more than READ_PAUSE_BYTES: we do not read
        self.peer_name = "?"  # HOST:PORT, for the log
        self.verified: Verified | None = None  # the password that it has come by
        self.wire: Wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods but are none of its subclasses.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_PAUSE_BYTES)
        opened = transport.get_extra_info("socket")
        if opened is not None:
            probe_silence(opened)
        peer = transport.get_extra_info("peername")
        if peer:
            self.peer_name = f"{peer[0]}:{peer[1]}"
        proved = common_name(transport.get_extra_info("peercert"))
        self.wire = self._make_wire(self, self.peer_name, proved)
        self._set_timer()

    def data_received(self, data: bytes) -> None:
        if self._is_finished:
            return
        try:
            self.wire.receive_data(data, self._clock.now(), self._clock.elapsed())
        except Exception as error:  # noqa: BLE001 (whatever it is, it ends one connection)
            self.fail(error)
        self._after_read(self)

    def eof_received(self) -> bool:
        self._end_of_bytes()
        self._after_read(self)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._end_of_bytes()
        self._after_read(self)
        self._on_lost(self)

    def _end_of_bytes(self) -> None:
        try:
            self.wire.receive_eof(self._clock.now(), self._clock.elapsed())
        except Exception as error:  # noqa: BLE001 (whatever it is, it ends one connection)
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Our own code broke on this connection: it ends, with a word if that is possible."""
        log.error("connection failed", peer=self.peer_name, exc_info=error)
        try:
            self.wire.close(Closing.MISTAKE, f"a mistake of ours: {type(error).__name__}")
        except Exception:  # then it ends without a word
            log.exception("closing it failed, too", peer=self.peer_name)
            self.abort()

    def flush(self) -> None:
        """Also called when effects were released for this connection."""
        transport = self._transport
        if transport is None or self._is_finished or transport.is_closing():
            return
        try:
            data = self.wire.data_to_send()
        except Exception as error:  # noqa: BLE001 (whatever it is, it ends one connection)
            self.fail(error)
            self.abort()
            return
        if data:
            transport.write(data)
            if self._is_full and not self._is_deaf:
                self._is_deaf = transport.get_write_buffer_size() > READ_PAUSE_BYTES
                if self._is_deaf:
                    transport.pause_reading()
        if self.wire.closed:
            self._finish(transport)
            return
        at = self.wire.next_deadline()
        if at != NO_TIMEOUT and at < self._timer_at:
            self._set_timer()

    def _finish(self, transport: asyncio.Transport) -> None:
        """Say no more, and wait a little for the peer to hang up.

        What it still sends is read and dropped: a socket closed over unread bytes is reset,
        and that may take our last words with it.
        """
        self._is_finished = True
        if transport.can_write_eof():
            transport.write_eof()
        else:  # TLS
            transport.close()
        self._set_timer()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._is_full = True
        self.wire.set_writable(False)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._is_deaf and self._transport is not None:
            self._is_deaf = False
            self._transport.resume_reading()
        self.wire.set_writable(True)
        self._after_read(self)

    def _set_timer(self) -> None:
        """Look again when the wire's deadline comes; it mostly has moved on by then."""
        if self._timer is not None:
            self._timer.cancel()
        elapsed = self._clock.elapsed()
        if self.wire.closed:
            self._timer_at = ElapsedMs(elapsed + LINGER_TIMEOUT)
        else:
            at = self.wire.next_deadline()
            soonest = ElapsedMs(elapsed + 10)
            latest = ElapsedMs(elapsed + CONNECTION_LOOK_AGAIN)
            self._timer_at = latest if at == NO_TIMEOUT else min(latest, max(at, soonest))
        delay = (self._timer_at - elapsed) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        if self.wire.closed:
            self.abort()
            return
        try:
            self.wire.tick(self._clock.now(), self._clock.elapsed())
        except Exception as error:  # noqa: BLE001 (whatever it is, it ends one connection)
            self.fail(error)
        self._after_read(self)
        if self._transport is not None and not self._transport.is_closing():
            self._set_timer()


def probe_silence(opened: socket.socket) -> None:
    """Whoever asked for no heartbeat, and whose machine is gone, is missed all the same."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", PROBE_AFTER),
        ("TCP_KEEPINTVL", PROBE_EVERY),
        ("TCP_KEEPCNT", PROBE_COUNT),
    ):
        if hasattr(socket, option):  # macOS has no TCP_KEEPIDLE before Python 3.14, say
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
