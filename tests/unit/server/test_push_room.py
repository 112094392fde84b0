"""How much webhooks may have under way at a time: counted, and who comes first goes first."""

import asyncio

from peeklock.server.push_room import PushRoom
from tests.support.loop import settled


class Visitor:
    """Takes room, and keeps it until it is told to go."""

    def __init__(self, room: PushRoom, size: int) -> None:
        self._room = room
        self._size = size
        self._may_go = asyncio.Event()
        self.is_in = False
        self.task = asyncio.ensure_future(self._visit())

    async def _visit(self) -> None:
        async with self._room.taken(self._size):
            self.is_in = True
            await self._may_go.wait()
        self.is_in = False

    async def go(self) -> None:
        self._may_go.set()
        await self.task
        await settled()


async def come(room: PushRoom, *sizes: int) -> list[Visitor]:
    visitors = [Visitor(room, size) for size in sizes]
    await settled()
    return visitors


async def test_so_many_at_a_time() -> None:
    one, two, three = await come(PushRoom(2, 1000), 1, 1, 1)
    assert (one.is_in, two.is_in, three.is_in) == (True, True, False)
    await one.go()
    assert three.is_in
    await two.go()
    await three.go()


async def test_so_many_bytes_and_nobody_passes() -> None:
    room = PushRoom(10, 100)
    first, large, small = await come(room, 60, 60, 1)
    assert (first.is_in, large.is_in, small.is_in) == (True, False, False)
    await first.go()
    assert (large.is_in, small.is_in) == (True, True)
    await large.go()
    await small.go()
    assert (room.count, room.used_bytes) == (0, 0)


async def test_one_that_is_larger_than_all_goes_alone() -> None:
    room = PushRoom(10, 100)
    huge, small = await come(room, 1000, 1)
    assert (huge.is_in, small.is_in) == (True, False)
    await huge.go()
    assert small.is_in
    await small.go()


async def test_who_gives_up_waiting_takes_no_room() -> None:
    room = PushRoom(1, 100)
    first, second, third = await come(room, 1, 1, 1)
    second.task.cancel()
    await settled()
    await first.go()
    assert third.is_in
    await third.go()
    assert (room.count, room.used_bytes) == (0, 0)


async def test_who_gives_up_in_the_moment_of_being_let_in() -> None:
    room = PushRoom(1, 100)
    room._take(1)
    first, second = await come(room, 1, 1)
    room._leave(1)
    first.task.cancel()
    await settled()
    assert (first.is_in, second.is_in) == (False, True)
    await second.go()
    assert (room.count, room.used_bytes) == (0, 0)
