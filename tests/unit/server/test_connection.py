"""One connection's misfortune is its own: over real sockets, with wires that a test breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from peeklock.engine.effects import Effect
from peeklock.frontends.closing import Closing
from peeklock.limits import READ_PAUSE_BYTES
from peeklock.security.authenticators import Answer, Login
from peeklock.server.connection import SocketConnection
from peeklock.types import NO_TIMEOUT, ElapsedMs, UnixMs
from tests.support.fake_clock import FakeClock


class EchoWire:
    """Says back what it hears. Told `break …` it raises, there or when it is to be written."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.closed = False
        self.login: Login | None = None
        self.breaks_on_write = False
        self.breaks_on_close = False

    def receive_data(self, data: bytes, now: UnixMs, elapsed: ElapsedMs) -> None:
        if data == b"break":
            raise RuntimeError("on reading")
        self.breaks_on_write = data == b"break on writing"
        self.breaks_on_close = data == b"break on both"
        if self.breaks_on_close:
            raise RuntimeError("on reading")
        self.out.append(data)

    def receive_eof(self, now: UnixMs, elapsed: ElapsedMs) -> None:
        self.closed = True

    def data_to_send(self) -> bytes:
        if self.breaks_on_write:
            raise RuntimeError("on writing")
        data = b"".join(self.out)
        self.out.clear()
        return data

    def tick(self, now: UnixMs, elapsed: ElapsedMs) -> None: ...

    def next_deadline(self) -> ElapsedMs:
        return NO_TIMEOUT

    def set_writable(self, writable: bool) -> None: ...

    def on_login(self, answer: Answer, now: UnixMs) -> None: ...

    def on_effect(self, effect: Effect) -> None: ...

    def refuse(self, why: str) -> None: ...

    def close(self, closing: Closing, why: str) -> None:
        if self.breaks_on_close:
            raise RuntimeError("on closing")
        self.out.append(closing.name.encode())
        self.closed = True


class Listener:
    """Connections with echo wires, on a free port."""

    def __init__(self) -> None:
        self.lost: asyncio.Queue[SocketConnection] = asyncio.Queue()
        self.accepted: list[SocketConnection] = []
        self._clock = FakeClock()
        self._server: asyncio.Server | None = None

    async def start(self, flush: Callable[[SocketConnection], None]) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SocketConnection(self._wire, self._clock, flush, self.lost.put_nowait),
            "127.0.0.1",
            0,
        )

    def _wire(self, connection: SocketConnection, peer: str, certificate: str) -> EchoWire:
        self.accepted.append(connection)
        return EchoWire()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return await asyncio.open_connection("127.0.0.1", port)

    def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.accepted:
            connection.abort()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    one = Listener()
    await one.start(lambda connection: connection.flush())
    yield one
    one.close()


async def ask(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], what: bytes) -> bytes:
    stream[1].write(what)
    return await asyncio.wait_for(stream[0].read(100), 10)


@pytest.mark.parametrize(
    ("what", "heard"),
    [
        (b"break", b"MISTAKE"),
        (b"break on both", b""),
        (b"break on writing", b""),
    ],
)
async def test_an_exception_ends_its_connection_alone(
    listener: Listener, what: bytes, heard: bytes
) -> None:
    broken, other = await listener.connect(), await listener.connect()
    assert await ask(other, b"a") == b"a"
    try:
        assert await ask(broken, what) == heard
        assert await asyncio.wait_for(broken[0].read(), 10) == b""
    except ConnectionResetError:
        assert heard == b""
    assert await ask(other, b"b") == b"b"
    broken[1].close()
    assert await asyncio.wait_for(listener.lost.get(), 10) is listener.accepted[0]
    assert await ask(other, b"c") == b"c"
    assert listener.lost.empty()
    other[1].close()


async def test_last_words_survive_what_the_peer_still_sends(listener: Listener) -> None:
    """A socket closed over unread bytes is reset, and the peer would never read the error."""
    reader, writer = await listener.connect()
    writer.write(b"break")
    await asyncio.wait_for(reader.readexactly(1), 10)
    for _ in range(100):
        writer.write(bytes(100_000))
    assert await asyncio.wait_for(reader.read(), 10) == b"ISTAKE"
    writer.close()


async def test_a_peer_that_only_writes_is_not_read_without_bound(listener: Listener) -> None:
    """What it asks for would pile up in memory; when it reads again, so do we."""
    reader, writer = await listener.connect()
    await ask((reader, writer), b"a")
    piece = bytes(1024 * 1024)
    sent = 0
    while sent < 8 * READ_PAUSE_BYTES:
        writer.write(piece)
        try:
            await asyncio.wait_for(writer.drain(), 0.5)
        except TimeoutError:
            break
        sent += len(piece)
    else:
        raise AssertionError("it was read on and on")
    transport = listener.accepted[0]._transport
    assert transport is not None
    assert transport.get_write_buffer_size() < 2 * READ_PAUSE_BYTES
    writer.write(b"the end")
    heard = b""
    while not heard.endswith(b"the end"):
        heard = heard[-10:] + await asyncio.wait_for(reader.read(1 << 20), 10)
    writer.close()


def test_an_effect_that_breaks_one_peer_reaches_the_others() -> None:
    """The switchboard hands out effects of all: what one breaks, the rest still gets."""
    from peeklock.engine.effects import Accepted
    from peeklock.security.authenticators import AnyoneIn
    from peeklock.server.login_desk import LoginDesk
    from peeklock.server.switchboard import Switchboard
    from tests.support.house import House, Recorder

    class Broken(Recorder):
        def on_effect(self, effect: Effect) -> None:
            raise RuntimeError("on being told")

    class Failing(SocketConnection):
        error: Exception | None = None

        def fail(self, error: Exception) -> None:
            self.error = error

        def flush(self) -> None: ...

    house = House()
    clock = house.clock
    board = Switchboard(house.engine, clock, LoginDesk(AnyoneIn(), clock), None)
    peers = [Recorder(), Broken(), Recorder()]
    connections = []
    for peer in peers:
        connection = Failing(lambda *_: EchoWire(), clock, lambda _: None, lambda _: None)
        board.connections[peer] = connection
        connections.append(connection)
        house.engine.outbox.release_now(Accepted(peer, None, 7))
    board.release()
    assert [len(peer.told) for peer in peers] == [1, 0, 1]
    assert [connection.error is not None for connection in connections] == [False, True, False]
