"""One port for HTTP and HTTPS: the first byte tells which (RFC 8446 §5.1: a handshake is 22).

Service Bus' administration clients always speak HTTPS, its emulator's port is plain HTTP;
both are to be found at the same address. uvicorn takes over once that is known. It, and the
application, are loaded when the first client comes.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import structlog

from peeklock.limits import (
    HTTP_ACCEPT_PAUSE,
    HTTP_CONNECTIONS_MAX,
    HTTP_FAREWELL_TIMEOUT,
    HTTP_HANDSHAKE_TIMEOUT,
    HTTP_LOOK_AGAIN,
)
from peeklock.server.tunnel_door import TunnelDoor

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from peeklock.server.http_connection import HttpConnections

TLS_HANDSHAKE: Final = b"\x16"
HANDSHAKE_SECONDS: Final = HTTP_HANDSHAKE_TIMEOUT / 1000
FAREWELL_SECONDS: Final = HTTP_FAREWELL_TIMEOUT / 1000
BACKLOG: Final = 128
NOT_PLAIN: Final = (
    b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/problem+json\r\n"
    b"content-length: 86\r\nconnection: close\r\n\r\n"
    b'{"title": "Forbidden", "status": 403, "detail": "this address is for HTTPS only here"}'
)

log = structlog.get_logger()


class HttpListener:
    """Takes connections in, finds out what they speak, and hands them to uvicorn."""

    def __init__(
        self,
        make_application: Callable[[], "ASGIApp"],
        context: ssl.SSLContext | None,
        door: TunnelDoor,
        *,
        plain_from_afar: bool,
    ) -> None:
        """`plain_from_afar`: HTTP without TLS is for other machines, too."""
        self._make_application: Final = make_application
        self._context: Final = context
        self._door: Final = door
        self._plain_from_afar: Final = plain_from_afar
        self._connections: HttpConnections | None = None
        self._arriving: Final[set[asyncio.Task[None]]] = set()
        self._chores: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    async def listen(self, host: str, port: int) -> None:
        """Raises `OSError`."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _type, _protocol, _name, address = found[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        self._socket = listening
        loop.add_reader(listening, self._accept)
        self._chores = asyncio.ensure_future(self._look_after())

    @property
    def address(self) -> str:
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def open_count(self) -> int:
        """Connections that speak HTTP, or nothing yet."""
        return (len(self._connections.open) if self._connections else 0) + len(self._arriving)

    # ---- arriving

    def _accept(self) -> None:
        """Everybody who is at the door."""
        assert self._socket is not None
        while True:
            try:
                arrived, _address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            if self.open_count >= HTTP_CONNECTIONS_MAX:
                log.warning("http connection refused", connections=self.open_count)
                arrived.close()
                continue
            task = asyncio.ensure_future(self._welcome(arrived))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _pause(self, error: OSError) -> None:
        """Out of file descriptors: trying again at once would only keep us busy."""
        log.error("http connections cannot be taken for now", error=str(error))
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)  # type: ignore[arg-type]  # it listens
        loop.call_later(HTTP_ACCEPT_PAUSE / 1000, self._resume)

    def _resume(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    async def _welcome(self, arrived: socket.socket) -> None:
        try:
            arrived.setblocking(False)
            arrived.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                first = await first_byte(arrived)
            if not first:
                arrived.close()
                return
            context = self._context if first == TLS_HANDSHAKE else None
            if context is None and not self._may_be_plain(arrived):
                arrived.send(NOT_PLAIN)
                arrived.close()
                return
            await asyncio.get_running_loop().connect_accepted_socket(
                self._loaded().make,
                arrived,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if context else None,
                ssl_shutdown_timeout=FAREWELL_SECONDS if context else None,
            )
        except (OSError, TimeoutError, asyncio.CancelledError):
            arrived.close()  # TLS errors are OSErrors, too

    def _may_be_plain(self, arrived: socket.socket) -> bool:
        return self._plain_from_afar or is_loopback(arrived.getpeername()[0])

    def _loaded(self) -> "HttpConnections":
        if self._connections is None:
            from peeklock.server.http_connection import HttpConnections

            self._connections = HttpConnections(self._make_application(), self._door)
        return self._connections

    # ---- time

    async def _look_after(self) -> None:
        """Ends who is too slow; tells the time for the Date header (RFC 9110 §6.6.1)."""
        loop = asyncio.get_running_loop()
        while True:
            if self._connections is not None:
                self._connections.look(loop.time())
                self._connections.set_date(formatdate(usegmt=True))
            await asyncio.sleep(HTTP_LOOK_AGAIN / 1000)

    # ---- ending

    def close(self) -> None:
        """Take nobody in any more; who is there gets its answer."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for task in self._arriving:
            task.cancel()
        if self._connections is not None:
            self._connections.shut_down()

    async def drain(self, seconds: float) -> None:
        """Wait for answers under way, for so long; then end all that is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        connections = self._connections
        while connections is not None and connections.is_busy and loop.time() < deadline:
            await asyncio.sleep(0.02)
        if connections is not None:
            connections.abort()
        if self._chores is not None:
            self._chores.cancel()


async def first_byte(arrived: socket.socket) -> bytes:
    """What the client begins with, left where it is; b"" when it went without a word."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(arrived, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(arrived)
    return arrived.recv(1, socket.MSG_PEEK)


def is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
