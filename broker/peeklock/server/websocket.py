"""AMQP and MQTT through a WebSocket (RFC 6455): a tunnel for bytes, in binary messages.

What is inside is a `SocketConnection` like any, whose transport is `Tunnel`: it knows nothing
of frames, as this file knows nothing of protocols. Where one message ends and the next begins
says nothing (MQTT 5.0 [MQTT-6.0.0-2]; the AMQP binding §2.4), so bytes go on as they come, also
of a message that is not whole yet: nothing is gathered here.

Pings are answered. We send none: AMQP and MQTT look for themselves who is still there.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from peeklock.frontends.http.problems import PROBLEM_TYPE
from peeklock.limits import (
    LINGER_TIMEOUT,
    WEBSOCKET_MESSAGE_BYTES_MAX,
    WEBSOCKET_SENT_BYTES,
)
from peeklock.server.connection import SocketConnection
from peeklock.server.tunnel_door import NoEntry, TunnelDoor

log = structlog.get_logger()


class Tunnel(asyncio.Transport):
    """The transport of the connection inside: what it writes goes out as binary messages."""

    def __init__(self, socket: "WebSocket", transport: asyncio.Transport) -> None:
        super().__init__()
        self._socket: Final = socket
        self._transport: Final = transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._socket.send(bytes(data))

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._socket.is_closing or self._transport.is_closing()

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        self._socket.set_reading(wanted=False)

    def resume_reading(self) -> None:
        self._socket.set_reading(wanted=True)


class WebSocket(asyncio.Protocol):
    """One WebSocket, from its handshake to its end."""

    def __init__(self, door: TunnelDoor) -> None:
        self._door: Final = door
        self._engine: Final = WSConnection(ConnectionType.SERVER)
        self._inside: SocketConnection | None = None
        self._message_bytes = 0  # of the message that is coming
        self._is_read_inside = True  # what is inside takes bytes
        self._is_full = False  # the socket's buffer
        self._is_choked = False  # it is full, also of answers to pings: we do not read
        self._is_over = False  # what comes is dropped
        self._transport: asyncio.Transport

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods but are none of its subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        chunks: list[bytes] = []
        ending: CloseConnection | None = None
        try:
            self._engine.receive_data(data)
            for event in self._engine.events():
                ending = self._take(event, chunks)
                if ending is not None:
                    break
        except RemoteProtocolError as error:  # of the handshake; later there are events
            self._refuse_handshake(error)
            return
        except UnicodeError:  # of a header whose text is looked at
            self._reject(400, "a header of the handshake is no text", [])
            return
        if chunks and self._inside is not None:
            self._inside.data_received(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if ending is not None:
            self._end(ending)

    def eof_received(self) -> bool:
        """A peer that hangs up without a word: as it is on a plain socket."""
        if self._inside is not None and not self._is_over:
            self._inside.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inside is not None:
            self._inside.connection_lost(exc)

    def pause_writing(self) -> None:
        self._is_full = True
        if self._inside is not None:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._is_choked:
            self._is_choked = False
            if self._is_read_inside:
                self._transport.resume_reading()
        if self._inside is not None:
            self._inside.resume_writing()

    # ---- what comes

    def _take(self, event: Event, chunks: list[bytes]) -> CloseConnection | None:
        """Bytes into `chunks`; returns how it is to end, when it is."""
        if isinstance(event, BytesMessage):
            self._message_bytes += len(event.data)
            if self._message_bytes > WEBSOCKET_MESSAGE_BYTES_MAX:
                what = f"a message has at most {WEBSOCKET_MESSAGE_BYTES_MAX} bytes"
                return CloseConnection(CloseReason.MESSAGE_TOO_BIG, what)
            if event.message_finished:
                self._message_bytes = 0
            if event.data:
                chunks.append(bytes(event.data))
        elif isinstance(event, Ping):
            self._write(event.response())
            if self._is_full and not self._is_choked:
                self._is_choked = True
                self._transport.pause_reading()
        elif isinstance(event, TextMessage):  # [MQTT-6.0.0-1]
            what = "text, where binary messages are exchanged"
            return CloseConnection(CloseReason.UNSUPPORTED_DATA, what)
        elif isinstance(event, CloseConnection):
            return event
        elif isinstance(event, Request):
            self._answer(event)
        return None

    def _end(self, said: CloseConnection) -> None:
        """Of the peer's own will, or because of what it did; `said` is what it is answered."""
        self._is_over = True
        is_peers = self._engine.state is not ConnectionState.OPEN
        if self._engine.state is ConnectionState.REMOTE_CLOSING:
            self._write(said.response())
        elif not is_peers:
            log.info("websocket ended", peer=self._peer, code=int(said.code), why=said.reason)
            self._write(CloseConnection(said.code, said.reason))
        if self._inside is not None:
            self._inside.eof_received()
        if is_peers:
            self._transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """What the peer still sends is read and dropped: a socket that is closed over unread
        bytes is reset, and that may take our last words with it."""
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
            loop = asyncio.get_running_loop()
            loop.call_later(LINGER_TIMEOUT / 1000, self._transport.abort)
        else:  # TLS
            self._transport.close()

    # ---- the handshake

    def _answer(self, request: Request) -> None:
        headers = dict(request.extra_headers)
        origin = headers.get(b"origin")
        try:
            protocol, make = self._door.open(
                request.target.partition("?")[0],
                request.subprotocols,
                request.host,
                None if origin is None else origin.decode("latin-1"),
            )
        except NoEntry as error:
            log.info("websocket refused", peer=self._peer, why=error.what)
            self._reject(error.status, error.what, [])
            return
        self._write(AcceptConnection(subprotocol=protocol))
        self._inside = make()
        self._inside.connection_made(Tunnel(self, self._transport))

    def _refuse_handshake(self, error: RemoteProtocolError) -> None:
        hint = error.event_hint
        rejection = hint if isinstance(hint, RejectConnection) else RejectConnection()
        self._reject(rejection.status_code, str(error), list(rejection.headers))

    def _reject(self, status: int, what: str, headers: list[tuple[bytes, bytes]]) -> None:
        problem = {"title": HTTPStatus(status).phrase, "status": status, "detail": what}
        body = json.dumps(problem).encode()
        headers += [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        self._write(RejectConnection(status_code=status, headers=headers, has_body=True))
        self._write(RejectData(body))
        self._is_over = True
        self._linger()

    # ---- what goes

    @property
    def _peer(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if peer else "?"

    @property
    def is_closing(self) -> bool:
        return self._engine.state is not ConnectionState.OPEN

    def _write(self, event: Event) -> None:
        self._transport.write(self._engine.send(event))

    def send(self, data: bytes) -> None:
        """In messages that any client's buffers can hold."""
        for at in range(0, len(data), WEBSOCKET_SENT_BYTES):
            if self._engine.state is not ConnectionState.OPEN:
                return  # nobody is there to be told
            self._write(BytesMessage(data[at : at + WEBSOCKET_SENT_BYTES]))

    def close(self) -> None:
        """What is inside has said all; the peer's answer ends it, or who is inside, in time."""
        if self._engine.state is ConnectionState.OPEN:
            code = CloseReason.NORMAL_CLOSURE
            if self._door.is_ending():
                code = CloseReason.GOING_AWAY
            self._write(CloseConnection(code))

    def set_reading(self, *, wanted: bool) -> None:
        self._is_read_inside = wanted
        if not wanted:
            self._transport.pause_reading()
        elif not self._is_choked:
            self._transport.resume_reading()
