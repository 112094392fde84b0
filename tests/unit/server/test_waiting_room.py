"""Requests that wait for a message, on an event loop without sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from peeklock.errors import Busy, NotFound
from peeklock.frontends.http.waiting import ClientGone, Taken
from peeklock.server import waiting_room
from peeklock.server.waiting_room import WaitingRoom
from peeklock.types import Millis
from tests.support.house import House


class Place:
    """A house whose effects reach the room; nothing is durable before `sync`."""

    def __init__(self) -> None:
        self.house = House()
        self.queue = self.house.queue()
        self.room = WaitingRoom(self.house.engine, self.house.clock, self.house.turn)
        self.gone = asyncio.Event()

    async def until_gone(self) -> None:
        await self.gone.wait()

    def wait(self, patience_ms: int = 60_000) -> "asyncio.Task[Taken | None]":
        return asyncio.ensure_future(
            self.room.wait(self.queue, Millis(patience_ms), self.until_gone, outlasts=True)
        )

    async def settle(self) -> None:
        """Let everybody do what there is to do."""
        for _ in range(10):
            await one_pass()
            self.house.turn()

    async def sync(self) -> None:
        self.house.turn()
        self.house.journal.sync()
        for effect in self.house.engine.take_effects():
            effect.peer.on_effect(effect)
        await self.settle()

    @property
    def free(self) -> list[int]:
        """The messages that anybody can have, with their failed attempts."""
        return [entry.delivery_count for entry in self.queue.first_ready(10)]


async def one_pass() -> None:
    """Of the event loop."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    one = Place()
    yield one
    assert not one.house.engine.receivers_of(one.queue), "nobody is left behind"


async def test_a_message_comes(place: Place) -> None:
    waiting = place.wait()
    await place.settle()
    place.house.send(place.queue)
    await place.sync()
    taken = await waiting
    assert taken is not None
    assert place.queue.held_by(taken.token, place.house.now) == taken.entry.number


async def test_there_is_none(place: Place) -> None:
    waiting = place.wait(0)
    await place.settle()
    await place.sync()
    assert await waiting is None


async def test_its_time_is_over(place: Place) -> None:
    waiting = place.wait(1)
    await asyncio.wait({waiting}, timeout=0.05)
    await place.sync()
    assert await waiting is None


async def test_what_is_on_its_way_when_time_is_over_still_comes(place: Place) -> None:
    waiting = place.wait(1)
    await place.settle()
    place.house.send(place.queue)
    place.house.turn()  # handed out, and not durable
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()
    await place.sync()
    assert await waiting is not None


@pytest.mark.parametrize("is_handed", [False, True])
async def test_a_client_goes(place: Place, is_handed: bool) -> None:
    waiting = place.wait()
    await place.settle()
    if is_handed:
        place.house.send(place.queue)
        place.house.turn()
    place.gone.set()
    with pytest.raises(ClientGone):
        await waiting
    if not is_handed:
        place.house.send(place.queue)
    await place.sync()
    assert place.free == [0], "at once, and no attempt is counted"


async def test_a_client_has_gone_when_its_message_is_durable(place: Place) -> None:
    waiting = place.wait()
    await place.settle()
    place.house.send(place.queue)
    place.house.turn()
    place.house.journal.sync()
    for effect in place.house.engine.take_effects():
        effect.peer.on_effect(effect)
    place.gone.set()  # the loop hears of it after the message
    with pytest.raises(ClientGone):
        await waiting
    await place.sync()
    assert place.free == [0]


async def test_a_request_is_cancelled(place: Place) -> None:
    waiting = place.wait()
    await place.settle()
    place.house.send(place.queue)
    place.house.turn()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await place.sync()
    assert place.free == [0]


async def test_the_queue_goes(place: Place) -> None:
    waiting = place.wait()
    await place.settle()
    place.house.engine.commit_registry(place.house.namespace.delete(place.queue.path))
    await place.sync()
    with pytest.raises(NotFound):
        await waiting


async def test_the_broker_shuts_down(place: Place) -> None:
    waiting = place.wait()
    await place.settle()
    place.room.close()
    assert await waiting is None
    assert await place.wait() is None


async def test_no_more_than_may_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_room, "HTTP_WAITING_MAX", 1)
    first = place.wait()
    await place.settle()
    with pytest.raises(Busy):
        await place.wait()
    place.gone.set()
    with pytest.raises(ClientGone):
        await first
