"""uvicorn's connections, without its server: our event loop, our signals, our limits.

A connection that asks to be a WebSocket is handed on (websocket.py).
"""

import asyncio
from typing import Any, Final

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from peeklock.frontends.http.job_routes import FIELD_NAMES
from peeklock.frontends.http.problems import problem
from peeklock.limits import (
    HTTP_BODY_RATE_MIN,
    HTTP_HEADER_BYTES_MAX,
    HTTP_REQUEST_TIMEOUT,
)
from peeklock.server.tunnel_door import TunnelDoor

REQUEST_SECONDS: Final = HTTP_REQUEST_TIMEOUT / 1000


class HttpConnections:
    """All that are open. h11 reads them, since it bounds what headers may take."""

    def __init__(self, application: ASGIApp, door: TunnelDoor) -> None:
        self._door: Final = door
        self._config: Final = Config(
            application,
            interface="asgi3",
            http=H11Protocol,
            ws=self._make_websocket,  # type: ignore[arg-type]  # made as a class of theirs is
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(REQUEST_SECONDS),
            h11_max_incomplete_event_size=HTTP_HEADER_BYTES_MAX,
        )
        self._config.load()
        self._state: Final = ServerState()

    def make(self) -> asyncio.Protocol:
        return Connection(self._config, self._state, {})

    def _make_websocket(self, **_theirs: object) -> asyncio.Protocol:
        from peeklock.server.websocket import WebSocket  # brings a library that few need

        return WebSocket(self._door)

    @property
    def open(self) -> list["Connection"]:
        return [one for one in self._state.connections if isinstance(one, Connection)]

    @property
    def is_busy(self) -> bool:
        """Does anybody wait for an answer?"""
        return any(connection.is_answering for connection in self.open)

    def look(self, now: float) -> None:
        for connection in self.open:
            if connection.is_late(now):
                connection.abort()

    def set_date(self, date: str) -> None:
        self._state.default_headers = [(b"date", date.encode())]

    def shut_down(self) -> None:
        """Idle ones end, others after their answer."""
        for connection in self.open:
            connection.shutdown()

    def abort(self) -> None:
        for connection in self.open:
            connection.abort()


class AttentiveReader(h11.Connection):
    """Remembers how names of header fields were written, which uvicorn has in lower case; and
    what is wrong with what is no HTTP, which it does not say."""

    field_names: list[bytes] = []  # noqa: RUF012 (replaced with each request, never changed)
    fault: h11.RemoteProtocolError | None = None

    def next_event(self) -> Any:
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.fault = error
            raise
        if isinstance(event, h11.Request):
            self.field_names = [name for name, _value in event.headers.raw_items()]
        return event


class Connection(H11Protocol):
    """One connection that may not take for ever to send a request, or to read an answer."""

    def __init__(
        self, config: Config, state: ServerState, app_state: dict[str, object]
    ) -> None:
        super().__init__(config, state, app_state)
        self._reader: Final = AttentiveReader(h11.SERVER, HTTP_HEADER_BYTES_MAX)
        self.conn = self._reader
        self._application: Final = self.app
        self.app = self._answer
        self._read_bytes = 0  # since then
        self._unsent_bytes = 0
        self._stuck_since = 0.0  # since when nothing of these was read
        self._reading_since: float | None = None
        self._seen: RequestResponseCycle | None = None  # the request that was read last

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {FIELD_NAMES: self._reader.field_names}
        await self._application(scope, receive, send)

    @property
    def is_answering(self) -> bool:
        """Is there a request, read to its end, without its whole answer?"""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def data_received(self, data: bytes) -> None:
        self._read_bytes += len(data)
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """uvicorn's word for what is no HTTP; with a status that says more where h11 knows."""
        fault = self._reader.fault
        status = 400 if fault is None else fault.error_status_hint
        told = problem(status, f"no HTTP request: {msg if fault is None else fault}")
        headers = [*told.raw_headers, (b"connection", b"close")]
        start = h11.Response(status_code=status, headers=headers, reason=b"")
        for event in (start, h11.Data(data=bytes(told.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def is_late(self, now: float) -> bool:
        """Has it taken too long for the request that it is sending, or for the next?

        A body that is large has longer. Or does it not read its answer?
        """
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self._stuck_since = now
        if unsent_bytes:
            self._reading_since = now
            return now - self._stuck_since > REQUEST_SECONDS
        cycle = self.cycle
        if self.is_answering or cycle is not self._seen or self._reading_since is None:
            self._seen = cycle
            self._reading_since = now
            self._read_bytes = 0
            return False
        allowed_seconds = REQUEST_SECONDS + self._read_bytes / HTTP_BODY_RATE_MIN
        return now - self._reading_since > allowed_seconds

    def abort(self) -> None:
        self.transport.abort()
