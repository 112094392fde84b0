"""A worker: takes jobs from a queue, runs a handler for each, says how it went."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from peeklock_client.client import Client
from peeklock_client.errors import LockLost, PeeklockError, Refused
from peeklock_client.job import Job
from peeklock_client.receiver import Receiver
from peeklock_client.session_places import (
    LOOK_SECONDS_MAX,
    LOOK_SECONDS_MIN,
    RENEW_AFTER_SHARE,
    SessionPlaces,
)
from peeklock_client.source_filter import SourceFilter

log = logging.getLogger("peeklock.worker")

Handler = Callable[[Job], Awaitable[None]]

CONCURRENCY_DEFAULT = 10
GRACE_SECONDS = 30.0


class DeadLetter(Exception):
    """Raised by a handler: this job can never be done, put it aside with this reason."""

    def __init__(self, reason: str, description: str = "") -> None:
        super().__init__(f"{reason}: {description}" if description else reason)
        self.reason = reason
        self.description = description


class Retry(Exception):
    """Raised by a handler: not now, and no reason for a log with a traceback.

    The job comes again after `delay` (seconds or timedelta), else as the queue's back-off says.
    """

    def __init__(self, delay: timedelta | float | None = None) -> None:
        super().__init__("again" if delay is None else f"again in {delay}")
        self.delay = delay


class Running:
    """A job whose handler runs, and when its lock is to be renewed."""

    def __init__(self, job: Job, task: "asyncio.Task[None]") -> None:
        self.job = job
        self.task = task
        self.renew_at = 0.0  # seconds of `time.monotonic`
        self.hold()

    def hold(self) -> None:
        """Its lock was had or renewed just now."""
        self.renew_at = time.monotonic() + self.job.seconds_locked() * RENEW_AFTER_SHARE


class Worker:
    """Runs `handler` for up to `concurrency` jobs at a time.

    A handler that returns has done the job (it is completed, unless the handler settled it
    itself). One that raises has failed: the job is abandoned, and comes again as the queue's
    back-off says; `Retry` and `DeadLetter` say it more precisely. Locks are renewed while
    handlers run, for as long as it takes; a handler whose lock is lost all the same (the
    connection broke) is cancelled, because somebody else may have the job by now. With a
    `selector` it has only jobs for which that is true; see `Queue.receive`.

    With `sessions` it works on so many message sessions at a time, in place of so many jobs:
    in each on one job after the other, in their order. A session that has no job left is left,
    and the one that has waited longest is taken. Its lock is renewed as long as it is held;
    when it is lost, the handler of the job in hand is cancelled.
    """

    def __init__(
        self,
        client: Client,
        queue: str,
        handler: Handler,
        *,
        concurrency: int = CONCURRENCY_DEFAULT,
        grace: float = GRACE_SECONDS,
        selector: str | SourceFilter | None = None,
        sessions: int | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; at least 1 is needed")
        if sessions is not None and sessions < 1:
            raise ValueError(f"sessions is {sessions}; at least 1 is needed")
        if sessions is not None and selector is not None:
            raise ValueError("a session's jobs come in their order: no selector with sessions")
        self._handler = handler
        self._grace = grace
        source = client.queue(queue)
        self._places: SessionPlaces | None = None
        if sessions is not None:
            self._places = SessionPlaces(source, sessions, self._begin)
        self._receiver: Receiver = source.receiver(concurrency, selector)
        self._running: dict[bytes, Running] = {}  # by lock token
        self._began = asyncio.Event()
        self._failure: PeeklockError | None = None
        self._is_stopping = False
        self.completed_count = 0
        self.failed_count = 0
        self.lost_count = 0

    async def run(self, *, handle_signals: bool = False) -> None:
        """Work until `stop`; with `handle_signals` SIGTERM and SIGINT call it.

        A second signal cancels running handlers at once.
        On the way out, jobs that no handler has begun go back at once; running handlers get
        `grace` seconds, then they are cancelled and their jobs go back, too. Raises
        `NotFound`, `Unreachable` and the like when no more jobs can be had.
        """
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT) if handle_signals else ()
        for number in signals:
            loop.add_signal_handler(number, self._on_signal)
        try:
            if self._places is not None:
                await self._work_on_sessions(self._places)
            else:
                await self._work_side_by_side()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def _work_side_by_side(self) -> None:
        self._receiver.open()
        renewing = asyncio.ensure_future(self._renew_forever())
        try:
            while (job := await self._receiver.next()) is not None:
                self._begin(job)
        finally:
            await self._finish()
            renewing.cancel()

    async def _work_on_sessions(self, places: SessionPlaces) -> None:
        try:
            if not self._is_stopping:
                await places.work()
        finally:
            await self._finish()
            await places.leave()

    def _begin(self, job: Job) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._handle(job))
        self._running[job.lock_token] = Running(job, task)
        self._began.set()
        return task

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those in hand are done."""
        self._is_stopping = True
        self._receiver.stop()
        if self._places is not None:
            self._places.stop()

    def _on_signal(self) -> None:
        """The first asks, the second insists."""
        if self._is_stopping:
            for running in list(self._running.values()):
                running.task.cancel()
        elif self._running:
            log.info("ending, when %s jobs in hand are done", len(self._running))
        self.stop()

    async def _finish(self) -> None:
        self.stop()
        tasks = [running.task for running in self._running.values()]
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=self._grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _handle(self, job: Job) -> None:
        try:
            await self._run_handler(job)
        except LockLost as error:
            self.lost_count += 1
            log.warning("lock lost: message %s: %s", job.sequence_number, error)
        except PeeklockError as error:
            log.error("message %s could not be settled: %s", job.sequence_number, error)
        except asyncio.CancelledError:
            await self._give_up(job)
        finally:
            self._running.pop(job.lock_token, None)

    async def _run_handler(self, job: Job) -> None:
        try:
            await self._handler(job)
        except Retry as retry:
            self.failed_count += 1
            await job.abandon(delay=retry.delay)
        except DeadLetter as verdict:
            self.failed_count += 1
            await job.dead_letter(verdict.reason, verdict.description)
        except Exception as error:  # the handler is not ours: it may raise anything
            self.failed_count += 1
            log.warning(
                "handler failed: message %s, attempt %s: %r",
                job.sequence_number,
                job.attempt,
                error,
                exc_info=error,
            )
            if not job.is_settled:
                await job.abandon()
        else:
            if not job.is_settled:
                await job.complete()
            self.completed_count += 1

    async def _give_up(self, job: Job) -> None:
        """Cancelled: by the end of grace, or because the lock is lost."""
        try:
            await job.release()
        except PeeklockError:
            self.lost_count += 1

    # ---- renewal

    async def _renew_forever(self) -> None:
        while True:
            if not self._running:
                self._began.clear()
                await self._began.wait()
            await asyncio.sleep(self._next_look())
            now = time.monotonic()
            due = [running for running in self._running.values() if running.renew_at <= now]
            if due:
                await self._renew(due)

    def _next_look(self) -> float:
        soonest = min(one.renew_at for one in self._running.values())
        return min(LOOK_SECONDS_MAX, max(LOOK_SECONDS_MIN, soonest - time.monotonic()))

    async def _renew(self, due: list[Running]) -> None:
        """All in one request; where that is refused, one by one, to see whose lock is lost."""
        try:
            await self._renew_together(due)
        except LockLost:
            for one in due:
                if one.job.lock_token in self._running:
                    await self._renew_alone(one)
        except PeeklockError as error:
            log.warning("locks were not renewed: %s", error)

    async def _renew_together(self, due: list[Running]) -> None:
        tokens = [one.job.lock_token for one in due]
        for one, until in zip(due, await self._receiver.renew_all(tokens), strict=True):
            one.job.locked_until_ms = until
            one.hold()

    async def _renew_alone(self, one: Running) -> None:
        try:
            await self._renew_together([one])
        except Refused:
            if not one.job.is_settled and one.job.lock_token in self._running:
                one.task.cancel()
        except PeeklockError as error:
            log.warning("a lock was not renewed: %s", error)
