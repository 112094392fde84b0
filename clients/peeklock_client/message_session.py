"""A message session in our hands: its jobs in their order, and what it remembers."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from peeklock_client.errors import PeeklockError, TimedOut
from peeklock_client.job import Job
from peeklock_client.message import TTL_MS_MAX, milliseconds
from peeklock_client.receiver import Receiver
from peeklock_client.seat import Seat, session_lost

if TYPE_CHECKING:
    from peeklock_client.client import Client
    from peeklock_client.queue import DeferredJob, Queue


class MessageSession:
    """One message session of a queue, held by us alone until we leave it or lose it.

    Made by `Queue.accept_session`, to be used as `async with queue.accept_session(…) as
    session:`. What is held in it shares the session's lock: `renew` renews all of that. When
    the lock runs out or the connection breaks, everything here raises `SessionLost`.
    """

    def __init__(
        self,
        client: "Client",
        queue: "Queue",
        wanted: str | None,
        prefetch: int,
        wait: float | None,
    ) -> None:
        self._client = client
        self._queue = queue
        self._wanted = wanted
        self._prefetch = prefetch
        self._wait_ms = None if wait is None else milliseconds("wait", wait, TTL_MS_MAX)
        self._seat: Seat | None = None
        self._receiver: Receiver | None = None
        self._has_left = False

    # ---- having it

    async def open(self) -> "MessageSession":
        """Returns when it is ours; raises `SessionInUse`, `TimedOut`, `Refused`."""
        while self._seat is None:
            seat = Seat(self._wanted, self._wait_ms)
            receiver = Receiver(self._client, self._queue.name, self._prefetch, seat=seat)
            receiver.open()
            try:
                await seat.granted
            except TimedOut:
                if self._wait_ms is not None:
                    raise  # else the broker's patience was over, and ours is not
            except BaseException:
                receiver.stop()
                raise
            else:
                self._seat = seat
                self._receiver = receiver
        return self

    def close(self) -> None:
        """Leave it: it is free at once; jobs in it that are not settled go back uncounted."""
        self._has_left = True
        if self._receiver is not None:
            self._receiver.leave()

    async def __aenter__(self) -> "MessageSession":
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def session_id(self) -> str:
        """Its id; before it is ours, the one that was asked for."""
        return (self._wanted or "") if self._seat is None else self._seat.session_id

    @property
    def locked_until(self) -> datetime:
        return datetime.fromtimestamp(self._held()[0].locked_until_ms / 1000, UTC)

    async def renew(self) -> datetime:
        """Hold it for the queue's lock duration from now, as often as one likes."""
        seat, receiver = self._held()
        await receiver.renew_session(seat)
        return self.locked_until

    def seconds_locked(self) -> float:
        """How much longer it is ours, unrenewed, whatever our own clock says."""
        seat, receiver = self._held()
        return receiver.clock.seconds_until(seat.locked_until_ms)

    def _held(self) -> tuple[Seat, Receiver]:
        if self._seat is None or self._receiver is None:
            raise session_lost("this session has not been accepted yet")
        if self._receiver.failure is not None:
            raise self._receiver.failure
        if self._has_left:
            raise session_lost("this session was left")
        return self._seat, self._receiver

    # ---- its jobs

    async def receive(
        self, *, wait: float | None = None, count: int | None = None
    ) -> AsyncIterator[Job]:
        """Its jobs in their order. It ends after `count`, or when none came for `wait` s."""
        _seat, receiver = self._held()
        given = 0
        while count is None or given < count:
            job = await receiver.next(wait)
            if job is None:
                return
            given += 1
            yield job

    async def next_there(self) -> Job | None:
        """Its next job; None when it has none at the moment: then it is time to leave it."""
        return await self._held()[1].next_there()

    async def receive_deferred(self, numbers: Iterable[int]) -> "list[DeferredJob]":
        """Lease deferred messages of it by their sequence numbers."""
        seat, _receiver = self._held()
        return await self._queue.receive_deferred(numbers, session_id=seat.session_id)

    # ---- what it remembers

    async def state(self) -> bytes | None:
        """What a holder has left here; None: nothing."""
        result = await self._ask("com.microsoft:get-session-state", {})
        found = result.get("session-state")
        if found is not None and not isinstance(found, bytes):
            raise PeeklockError("the broker's answer has an unknown form")
        return found

    async def set_state(self, state: bytes | None) -> None:
        """Leave something for the next holder, who may be us; None: nothing any more."""
        await self._ask("com.microsoft:set-session-state", {"session-state": state})

    async def _ask(self, operation: str, more: dict[str, object]) -> dict[str, object]:
        seat, _receiver = self._held()
        arguments: dict[str, object] = {"session-id": seat.session_id, **more}
        return await self._client.request(self._queue.name, operation, "", arguments)
