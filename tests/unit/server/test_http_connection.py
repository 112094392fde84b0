"""How long a client may take for its request; without waiting for it."""

import asyncio
from typing import Any, cast

import pytest

from peeklock.frontends.http.job_routes import FIELD_NAMES
from peeklock.limits import HTTP_BODY_RATE_MIN, HTTP_REQUEST_TIMEOUT
from peeklock.server.http_connection import Connection, HttpConnections
from peeklock.server.http_listener import is_loopback
from peeklock.server.tunnel_door import TunnelDoor

LATE = HTTP_REQUEST_TIMEOUT / 1000 + 1


class Transport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""
        self.aborted = False
        self.unsent_bytes = 0

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes


class Door:
    """Connections of an application that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.connections = HttpConnections(self.application, cast(TunnelDoor, None))

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def connect(self) -> tuple[Connection, Transport]:
        connection = cast(Connection, self.connections.make())
        transport = Transport()
        connection.connection_made(transport)
        return connection, transport


GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET[:-2], PUT, PUT + b"half"])
async def test_half_a_request_is_late(sent: bytes) -> None:
    door = Door()
    connection, transport = door.connect()
    door.connections.look(0)
    if sent:
        connection.data_received(sent)
    door.connections.look(1)
    door.connections.look(LATE - 1)
    assert not transport.aborted
    door.connections.look(LATE + 1)
    assert transport.aborted
    await end(connection)


async def test_a_slow_answer_is_ours() -> None:
    door = Door()
    connection, transport = door.connect()
    connection.data_received(GET)
    assert door.connections.is_busy
    for now in (0, LATE, 2 * LATE):
        door.connections.look(now)
    assert not transport.aborted
    door.may_answer.set()
    await answered(connection)
    assert transport.written.startswith(b"HTTP/1.1 204 ")
    await end(connection)


async def test_each_request_has_its_own_time() -> None:
    door = Door()
    door.may_answer.set()
    connection, transport = door.connect()
    for now in range(0, int(5 * LATE), int(LATE - 2)):
        door.connections.look(now)
        connection.data_received(GET)
        await answered(connection)
        door.connections.look(now)
    assert not transport.aborted
    await end(connection)


async def test_a_large_body_may_take_its_time() -> None:
    """As long as it keeps coming."""
    door = Door()
    connection, transport = door.connect()
    connection.data_received(PUT.replace(b": 9", b": 99999999"))
    door.connections.look(0)
    now = 0
    for _ in range(100):
        connection.data_received(b"x" * HTTP_BODY_RATE_MIN)
        now += 1
        door.connections.look(now)
    assert now > LATE
    assert not transport.aborted
    door.connections.look(now + LATE + 1)
    assert transport.aborted
    await end(connection)


async def test_an_answer_that_nobody_reads() -> None:
    """As long as any of it is read, it may take its time."""
    door = Door()
    connection, transport = door.connect()
    connection.data_received(GET)
    door.connections.look(0)
    transport.unsent_bytes = 1000
    for now in range(0, int(5 * LATE), int(LATE - 2)):
        transport.unsent_bytes -= 1
        door.connections.look(now)
        assert not transport.aborted
    door.connections.look(now + LATE)
    assert transport.aborted
    await end(connection)


async def test_names_of_fields_stay_as_they_were_written() -> None:
    seen: list[object] = []

    class Listening(Door):
        async def application(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["extensions"][FIELD_NAMES])
            await super().application(scope, receive, send)

    door = Listening()
    door.may_answer.set()
    connection, _transport = door.connect()
    for name in (b"Priority", b"pRIORITY"):
        connection.data_received(GET[:-2] + name + b": High\r\n\r\n")
        await answered(connection)
    assert seen == [[b"host", b"Priority"], [b"host", b"pRIORITY"]]
    await end(connection)


async def answered(connection: Connection) -> None:
    await asyncio.gather(*connection.tasks)


async def end(connection: Connection) -> None:
    connection.connection_lost(None)
    for task in connection.tasks:
        task.cancel()
    await asyncio.gather(*connection.tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1", False),
        ("", False),
    ],
)
def test_whose_http_may_be_plain(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
