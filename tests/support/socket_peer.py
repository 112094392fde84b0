"""What scripted peers have in common: a socket, and the bytes that have come and wait."""

import socket
from types import TracebackType
from typing import Any, Self


class PeerClosed(Exception):
    """The broker closed the socket."""


class SocketPeer:
    """Use it as a context manager. `through` is a socket, or what stands for one."""

    def __init__(self, through: Any) -> None:
        self.socket: socket.socket = through
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def _read(self) -> bytes:
        """What comes next; nothing when the broker has closed the socket."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:  # it went with something of ours unread
            return b""

    def read_to_end(self) -> bytes:
        """All that comes until the broker ends the connection."""
        heard = self._buffer
        while data := self._read():
            heard += data
        self.socket.close()
        return heard

    def _fill(self) -> None:
        """Some more bytes; raises `PeerClosed` when there will be none."""
        data = self._read()
        if not data:
            raise PeerClosed(f"after {self._buffer!r}")
        self._buffer += data

    def take(self, count: int) -> bytes:
        """So many bytes; raises `PeerClosed` when they end before."""
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken
