"""Waiting for the disk, for a front-end that answers by returning."""

import asyncio
from collections.abc import Callable
from typing import Final

from peeklock.engine.effects import Effect, Replied
from peeklock.engine.engine import Engine


class Desk:
    """A peer of the engine without a connection: its effects are futures to fulfil."""

    def __init__(self, engine: Engine, turn: Callable[[], None]) -> None:
        self._engine: Final = engine
        self._turn: Final = turn

    async def durable(self) -> None:
        """Returns when all that the engine was asked so far is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._engine.reply(self, done)
        self._turn()
        await done

    def on_effect(self, effect: Effect) -> None:
        if not isinstance(effect, Replied):
            return
        done = effect.reply
        assert isinstance(done, asyncio.Future)
        if not done.done():  # who asked may have gone meanwhile
            done.set_result(None)
