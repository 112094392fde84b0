"""Waiting for the disk, for a front-end that answers by returning."""

import asyncio
from collections.abc import Callable
from typing import Final

from peeklock.clock import Clock
from peeklock.engine.effects import Accepted, Effect, Refused, Replied
from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic


class Desk:
    """A peer of the engine without a connection: its effects are futures to fulfil."""

    def __init__(self, engine: Engine, clock: Clock, turn: Callable[[], None]) -> None:
        self._engine: Final = engine
        self._clock: Final = clock
        self._turn: Final = turn

    async def durable(self) -> None:
        """Returns when all that the engine was asked so far is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._engine.reply(self, done)
        self._turn()
        await done

    async def send(self, entity: Queue | Topic, given: list[Submission]) -> None:
        """All of these or none; returns when they are on disk, raises `BrokerError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now = self._clock.now()
        if len(given) == 1:
            self._engine.send(self, done, 0, entity, given[0], now, settled=False)
        else:
            self._engine.send_all(self, done, 0, entity, given, now, settled=False)
        self._turn()
        await done

    def on_effect(self, effect: Effect) -> None:
        if isinstance(effect, Replied):
            done = effect.reply
        elif isinstance(effect, (Accepted, Refused)):
            done = effect.link
        else:
            return
        assert isinstance(done, asyncio.Future)
        if done.done():  # who asked may have gone meanwhile
            return
        if isinstance(effect, Refused):
            done.set_exception(effect.error)
        else:
            done.set_result(None)
