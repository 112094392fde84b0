"""One MQTT 3.1.1 connection of the load generator: packets made once, and counted.

Our protocol engine stays out of it: a generator has to be cheaper than the brokers it loads,
Mosquitto among them, and all that it says are five kinds of packet.
"""

import socket
import struct
from urllib.parse import urlsplit

CONNACK_OK = b"\x20\x02\x00\x00"
CONNACK_RESUMED = b"\x20\x02\x01\x00"
READ_BYTES = 1 << 18
PATIENCE_SECONDS = 60.0
PUBLISH = 0x30
PUBACK = 0x40
U16 = struct.Struct(">H")


class MqttFailed(Exception):
    """The other end closed, refused, or said something else."""


def text(value: str) -> bytes:
    data = value.encode()
    return U16.pack(len(data)) + data


def packet(first_byte: int, body: bytes) -> bytes:
    left = len(body)
    length = bytearray()
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first_byte]) + bytes(length) + body


def publish_packet(topic: str, qos: int, body: bytes) -> tuple[bytearray, int]:
    """A PUBLISH, and where its packet identifier is."""
    head = text(topic)
    made = packet(PUBLISH | qos << 1, head + (b"\0\0" if qos else b"") + body)
    return bytearray(made), len(made) - len(body) - 2


class MqttPeer:
    """An open connection. After `subscribe` or before publishing, make it `unblocked`."""

    def __init__(self, url: str, client_id: str, *, keep: bool = False) -> None:
        """`keep`: the session outlives the connection."""
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flags = (0 if keep else 0x02) | (0x80 if place.username else 0)
        flags |= 0x40 if place.password else 0
        login = b"".join(text(word) for word in (place.username, place.password) if word)
        hello = text("MQTT") + bytes([4, flags]) + U16.pack(0) + text(client_id) + login
        self.socket.sendall(packet(0x10, hello))
        answer = self._exactly(4)
        if answer not in (CONNACK_OK, CONNACK_RESUMED):
            raise MqttFailed(f"the broker answered CONNECT with {answer.hex()}")
        self._rest = b""
        self._unsent = b""

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            data = self.socket.recv(size - len(found))
            if not data:
                raise MqttFailed("the broker closed the connection")
            found += data
        return found

    def subscribe(self, topic_filter: str, qos: int) -> None:
        self.socket.sendall(packet(0x82, U16.pack(1) + text(topic_filter) + bytes([qos])))
        answer = self._exactly(5)
        if answer[:2] != b"\x90\x03" or answer[4] != qos:
            raise MqttFailed(f"the broker answered SUBSCRIBE with {answer.hex()}")

    def unblocked(self) -> "MqttPeer":
        self.socket.setblocking(False)
        return self

    # ---- without blocking

    def send(self, data: bytes | memoryview) -> None:
        """Now, or with the next `flush`."""
        if self._unsent:
            self._unsent += bytes(data)
            return
        try:
            done = self.socket.send(data)
        except BlockingIOError:
            done = 0
        self._unsent = bytes(data[done:])

    @property
    def is_stuck(self) -> bool:
        """The broker does not read what we write."""
        return bool(self._unsent)

    def flush(self) -> None:
        data, self._unsent = self._unsent, b""
        if data:
            self.send(data)

    def read(self, size: int) -> tuple[int, list[bytes]]:
        """How many packets have come, and they; all are `size` bytes long."""
        data = self._rest + self._received()
        count, rest = divmod(len(data), size)
        self._rest = data[len(data) - rest :] if rest else b""
        return count, [data[at : at + size] for at in range(0, count * size, size)]

    def count(self, size: int) -> int:
        """The same without the packets."""
        count, rest = divmod(len(self._rest) + len(self._received()), size)
        # Only the number of bytes that are over matters.
        self._rest = bytes(rest)
        return count

    def _received(self) -> bytes:
        """b"": nothing yet."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise MqttFailed("the broker closed the connection")
        return data

    def close(self) -> None:
        self.socket.close()
