"""Somebody's webhook on a real socket: it answers as a test has scripted, and remembers."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

PATIENCE_SECONDS = 20.0
ORIGIN = "broker.example"


@dataclass(frozen=True)
class Asked:
    """A request; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


Script = Callable[[socket.socket, Asked], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Script:
    """Headers by their names, with `_` for `-`."""

    def give(peer: socket.socket, _asked: Asked) -> None:
        lines = [f"HTTP/1.1 {status} as scripted", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return give


def raw(sent: bytes) -> Script:
    """These bytes, and the end of the connection."""

    def give(peer: socket.socket, _asked: Asked) -> None:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_RDWR)

    return give


def allow(rate: str | None = None, origin: str = "*") -> Script:
    """Leave for everything (§4.2)."""
    granted = {} if rate is None else {"WebHook_Allowed_Rate": rate}
    return answer(200, WebHook_Allowed_Origin=origin, Allow="POST", **granted)


class WebhookReceiver:
    """Each POST is answered by the next of the `script`, or with 204; OPTIONS by `leave`.

    Use it as a context manager. Requests of all connections, in the order in which they came.
    """

    def __init__(
        self,
        *script: Script,
        leave: Script | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.script = list(script)
        self.leave = leave or allow()
        self.asked: list[Asked] = []
        self.under_way_max = 0
        self._under_way = 0
        self._changed = threading.Condition()
        self._is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._threads: list[threading.Thread] = []
        self._peers: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self.port}/events"

    @property
    def connection_count(self) -> int:
        """How many there have been."""
        return len(self._peers)

    @property
    def posted(self) -> list[Asked]:
        with self._changed:
            return [one for one in self.asked if one.method == "POST"]

    @property
    def was_asked_for_leave(self) -> list[Asked]:
        with self._changed:
            return [one for one in self.asked if one.method == "OPTIONS"]

    def wait_for_posts(self, count: int) -> list[Asked]:
        self.wait_until(lambda: sum(one.method == "POST" for one in self.asked) >= count)
        return self.posted

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, PATIENCE_SECONDS), self.asked[-4:]

    def hang(self, _peer: socket.socket, _asked: Asked) -> None:
        """A script: no answer, ever."""
        self._is_over.wait(PATIENCE_SECONDS)

    # ---- life

    def __enter__(self) -> "WebhookReceiver":
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _address = self._listener.accept()
            except OSError:
                return
            self._peers.append(peer)
            self._start(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        try:
            if self._context is not None:
                plain = self._peers.index(peer)
                peer = self._context.wrap_socket(peer, server_side=True)
                self._peers[plain] = peer
            with peer, peer.makefile("rb") as stream:
                while asked := read_request(stream):
                    self._answer(peer, asked)
        except (OSError, ValueError):
            pass  # the other end has gone, or the script has closed it

    def _answer(self, peer: socket.socket, asked: Asked) -> None:
        with self._changed:
            self.asked.append(asked)
            self._under_way += 1
            self.under_way_max = max(self.under_way_max, self._under_way)
            script = self.leave
            if asked.method != "OPTIONS":
                script = self.script.pop(0) if self.script else answer(204)
            self._changed.notify_all()
        try:
            script(peer, asked)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()


def read_request(stream: object) -> Asked | None:
    """None at the end of the connection."""
    line = stream.readline()  # type: ignore[attr-defined]  # a socket's file
    if not line:
        return None
    method, target, _version = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (line := stream.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]
        name, _colon, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))  # type: ignore[attr-defined]
    return Asked(method, target, headers, body)
