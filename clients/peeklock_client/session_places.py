"""A worker's places for message sessions: each holds one, works it off, and takes the next."""

import asyncio
import logging
from collections.abc import Callable

from peeklock_client.errors import LockLost, PeeklockError
from peeklock_client.job import Job
from peeklock_client.message_session import MessageSession
from peeklock_client.queue import Queue

log = logging.getLogger("peeklock.worker")

# A lock is renewed when this share of its time has passed: two more tries fit into the rest.
RENEW_AFTER_SHARE = 0.5
LOOK_SECONDS_MIN = 0.02
LOOK_SECONDS_MAX = 5.0
# One job at a time: a job that fails comes again before the next, which must not be here yet.
PREFETCH = 1

Begin = Callable[[Job], "asyncio.Task[None]"]


class Place:
    """Holds one message session at a time; `begin` starts a job's handler."""

    def __init__(self, queue: Queue, begin: Begin) -> None:
        self._queue = queue
        self._begin = begin
        self._is_stopping = False
        self._seeking: asyncio.Task[MessageSession] | None = None
        self._handling: asyncio.Task[None] | None = None
        self._session: MessageSession | None = None

    async def work(self) -> None:
        """Until `stop`, and then until the job in hand is done. Raises what ends it before."""
        while not self._is_stopping:
            session = await self._seek()
            if session is not None:
                await self._work_off(session)

    def stop(self) -> None:
        """Take no more jobs, and leave the session behind the one in hand."""
        self._is_stopping = True
        if self._seeking is not None:
            self._seeking.cancel()
        if self._session is not None and self._handling is None:
            self._session.close()

    async def _seek(self) -> MessageSession | None:
        """The session that has waited longest, when there is one; None: we are to stop."""
        found = self._queue.accept_session(prefetch=PREFETCH)
        self._seeking = asyncio.ensure_future(found.open())
        try:
            return await self._seeking
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            return None
        finally:
            self._seeking = None

    async def _work_off(self, session: MessageSession) -> None:
        self._session = session
        renewing = asyncio.ensure_future(self._renew_forever(session))
        try:
            while not self._is_stopping:
                job = await session.next_there()
                if job is None:
                    return
                self._handling = self._begin(job)
                await asyncio.wait([self._handling])
                self._handling = None
        except LockLost as error:
            log.warning("session %r lost: %s", session.session_id, error)
        finally:
            self._session = None
            self._handling = None
            renewing.cancel()
            session.close()

    # ---- renewal

    async def _renew_forever(self, session: MessageSession) -> None:
        """Its lock holds all that is held in it. Lost, it takes the job in hand along."""
        try:
            while True:
                seconds = session.seconds_locked()
                renew_in = max(LOOK_SECONDS_MIN, seconds * RENEW_AFTER_SHARE)
                await asyncio.sleep(min(LOOK_SECONDS_MAX, renew_in))
                if renew_in <= LOOK_SECONDS_MAX:
                    await self._renew(session)
        except PeeklockError:
            if self._handling is not None:
                self._handling.cancel()

    async def _renew(self, session: MessageSession) -> None:
        try:
            await session.renew()
        except LockLost:
            raise
        except PeeklockError as error:
            log.warning("session %r was not renewed: %s", session.session_id, error)


class SessionPlaces:
    """So many places, side by side."""

    def __init__(self, queue: Queue, count: int, begin: Begin) -> None:
        self._places = [Place(queue, begin) for _ in range(count)]
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()

    async def work(self) -> None:
        """Returns after `stop`, when jobs may still be in hand; raises what ends it before."""
        self._tasks = [asyncio.ensure_future(place.work()) for place in self._places]
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            done, _rest = await asyncio.wait(
                {*self._tasks, stopped}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        finally:
            stopped.cancel()

    def stop(self) -> None:
        for place in self._places:
            place.stop()
        self._stopped.set()

    async def leave(self) -> None:
        """The jobs in hand are done: the sessions that are still ours are left."""
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
