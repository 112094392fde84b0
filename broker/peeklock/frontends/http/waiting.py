"""Waiting for one message: what the server does for a request (server/waiting_room.py)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.types import LockToken, Millis, UnixMs


class ClientGone(Exception):
    """Nobody is there any more to be answered. What was for them is free again."""


@dataclass(frozen=True)
class Taken:
    """A message under a lock that ends by time; whoever gets this has to see to it."""

    entry: Entry
    token: LockToken
    until: UnixMs


class Wait(Protocol):
    """Waits for one message as a receiver with a credit of one does."""

    async def __call__(
        self,
        queue: Queue,
        patience: Millis,
        until_gone: Callable[[], Awaitable[None]],
        *,
        outlasts: bool,
    ) -> Taken | None:
        """The message, or None when there is none within `patience`.

        Raises `ClientGone` when `until_gone` ends first, `Busy`, `NotFound` when the queue is
        deleted meanwhile, and what `Engine.attach` raises. `outlasts`: the lock goes on after
        a restart of the broker.
        """
        ...
