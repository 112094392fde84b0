"""The client's end of a WebSocket (RFC 6455), by hand: it can be wrong on purpose."""

import base64
import json
import os
import socket
import ssl
import struct
from hashlib import sha1

from tests.support.amqp_peer import AmqpPeer
from tests.support.socket_peer import PeerClosed, SocketPeer

PATIENCE_SECONDS = 20.0
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def framed(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    masked: bool = True,
    announced: int | None = None,
    reserved: int = 0,
) -> bytes:
    """A frame (§5.2); `announced` is a length that may be another than the payload's."""
    size = len(payload) if announced is None else announced
    head = bytes([final << 7 | reserved << 4 | opcode])
    flag = masked << 7
    if size < 126:
        head += bytes([flag | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", flag | 126, size)
    else:
        head += struct.pack(">BQ", flag | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + whole.to_bytes(len(payload), "big")


class WebSocketPeer(SocketPeer):
    """A connection to the HTTP port. `open` shakes hands."""

    def __init__(self, port: int, *, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        super().__init__(
            context.wrap_socket(plain, server_hostname="localhost") if context else plain
        )
        self._port = port
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def request(self, path: str, protocol: str | None, **changes: str | None) -> bytes:
        """Headers may be changed, or left out with None; `_` stands for `-`."""
        self.key = base64.b64encode(os.urandom(16)).decode()
        headers: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self._port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": self.key,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": protocol,
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"GET {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode()

    def open(self, path: str, protocol: str | None, **changes: str | None) -> int:
        """Returns the status; a refusal is in `body`."""
        self.socket.sendall(self.request(path, protocol, **changes))
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _end, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _colon, value in (x.partition(":") for x in lines)
        }
        if self.status == 101:
            wanted = base64.b64encode(sha1((self.key + SUFFIX).encode()).digest()).decode()
            assert self.headers["sec-websocket-accept"] == wanted
        else:
            self.body = self.take(int(self.headers["content-length"]))
        return self.status

    @property
    def problem(self) -> str:
        """What a refusal says."""
        document = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert document["status"] == self.status
        return str(document["detail"])

    def send(self, opcode: int, payload: bytes = b"", **given: int | bool) -> None:
        self.socket.sendall(framed(opcode, payload, **given))  # type: ignore[arg-type]

    def read(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload; servers do not mask theirs (§5.1)."""
        first, second = self.take(2)
        assert first & 0x80, "ours are whole messages"
        size = second
        if size == 126:
            (size,) = struct.unpack(">H", self.take(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.take(8))
        assert size < 1 << 32
        return first & 0x0F, self.take(size)

    def expect_close(self) -> tuple[int, str]:
        """Code and reason of the close frame, after whatever comes before; then the end."""
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                break
        code, reason = struct.unpack(">H", payload[:2])[0], payload[2:].decode()
        return code, reason

    def expect_end(self) -> None:
        try:
            while True:
                self._fill()
        except PeerClosed:
            pass


class WebSocketWire:
    """What a peer of ours takes for its socket: its bytes go in frames cut anywhere."""

    def __init__(self, peer: WebSocketPeer, cut: int = 7) -> None:
        self.peer = peer
        self._cut = cut
        self._heard = b""

    def sendall(self, data: bytes) -> None:
        """A message of two fragments with a ping between, then the rest as one."""
        first, second, rest = data[: self._cut], data[self._cut : 9], data[max(self._cut, 9) :]
        frames = framed(BINARY, first, final=False) + framed(PING, b"?")
        frames += framed(CONTINUATION, second)
        if rest:
            frames += framed(BINARY, rest)
        self.peer.socket.sendall(frames)

    def recv(self, size: int) -> bytes:
        """b"" when the WebSocket is closed, or its socket."""
        while not self._heard:
            try:
                opcode, payload = self.peer.read()
            except PeerClosed:
                return b""
            if opcode == CLOSE:
                return b""
            if opcode == PONG:
                assert payload == b"?"
                continue
            assert opcode == BINARY
            self._heard = payload
        taken, self._heard = self._heard[:size], self._heard[size:]
        return taken

    def settimeout(self, seconds: float) -> None:
        self.peer.socket.settimeout(seconds)

    def close(self) -> None:
        self.peer.socket.close()


def amqp_over_websocket(port: int, context: ssl.SSLContext | None = None) -> AmqpPeer:
    """Opened, with a session on channel 0."""
    socket_peer = WebSocketPeer(port, context=context)
    assert socket_peer.open("/$servicebus/websocket", "AMQPWSB10") == 101
    peer = AmqpPeer(port, WebSocketWire(socket_peer))
    peer.open()
    peer.begin()
    return peer
