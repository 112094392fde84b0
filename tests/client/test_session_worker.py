"""A worker on message sessions: order within each, many side by side, renewal, the end."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from peeklock_client import Client, Job, Queue, Refused, Retry, Worker, connect
from tests.client.test_worker import run_until
from tests.support.broker_process import BrokerProcess


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def bookings(client: Client) -> Queue:
    return await client.create_queue("bookings", requires_session=True)


async def fill(queue: Queue, sessions: int, jobs: int) -> None:
    """So many sessions of so many jobs, interleaved; each body is its place."""
    for number in range(jobs):
        for session in range(sessions):
            await queue.send(str(number), session_id=f"s{session}")


async def test_each_session_in_its_order_and_so_many_at_a_time(
    client: Client, bookings: Queue
) -> None:
    await fill(bookings, sessions=7, jobs=5)
    done = asyncio.Event()
    seen: dict[str, list[str]] = defaultdict(list)
    in_hand: set[str] = set()
    most = 0

    async def handle(job: Job) -> None:
        nonlocal most
        assert job.session_id is not None
        assert job.session_id not in in_hand, "one after the other"
        in_hand.add(job.session_id)
        most = max(most, len(in_hand))
        await asyncio.sleep(0.01)
        in_hand.discard(job.session_id)
        seen[job.session_id].append(job.text())
        if sum(map(len, seen.values())) == 35:
            done.set()

    worker = Worker(client, "bookings", handle, sessions=3)
    await run_until(worker, done)
    assert most == 3
    assert dict(seen) == {f"s{n}": ["0", "1", "2", "3", "4"] for n in range(7)}
    assert worker.completed_count == 35
    assert (await bookings.info())["messages"] == 0


async def test_many_short_sessions_are_not_waited_in(client: Client, bookings: Queue) -> None:
    """A session with nothing left is left at once: the broker says so, no time-out does."""
    for number in range(60):
        await bookings.send("job", session_id=f"s{number}")
    done = asyncio.Event()
    count = 0

    async def handle(job: Job) -> None:
        nonlocal count
        count += 1
        if count == 60:
            done.set()

    began = time.monotonic()
    await run_until(Worker(client, "bookings", handle, sessions=1), done)
    assert time.monotonic() - began < 20
    assert await bookings.sessions() == []


async def test_a_worker_that_waits_takes_what_comes(client: Client, bookings: Queue) -> None:
    done = asyncio.Event()
    seen: list[str] = []

    async def handle(job: Job) -> None:
        seen.append(job.text())
        if len(seen) == 3:
            done.set()

    worker = Worker(client, "bookings", handle, sessions=2)
    running = asyncio.create_task(run_until(worker, done))
    for number in range(3):
        await asyncio.sleep(0.2)
        await bookings.send(str(number), session_id="a")
    await running
    assert seen == ["0", "1", "2"]


async def test_a_job_that_fails_comes_again_before_the_next(
    client: Client, bookings: Queue
) -> None:
    await fill(bookings, sessions=1, jobs=4)
    done = asyncio.Event()
    seen: list[tuple[str, int]] = []

    async def handle(job: Job) -> None:
        seen.append((job.text(), job.attempt))
        if job.text() == "1" and job.attempt < 3:
            raise Retry
        if job.text() == "3":
            done.set()

    worker = Worker(client, "bookings", handle, sessions=2)
    await run_until(worker, done)
    assert seen == [("0", 1), ("1", 1), ("1", 2), ("1", 3), ("2", 1), ("3", 1)]
    assert worker.failed_count == 2


async def test_a_session_that_waits_for_a_delay_lets_another_be_taken(
    client: Client, bookings: Queue
) -> None:
    await fill(bookings, sessions=2, jobs=2)
    done = asyncio.Event()
    seen: list[tuple[str | None, str, int]] = []

    async def handle(job: Job) -> None:
        seen.append((job.session_id, job.text(), job.attempt))
        if seen[-1] == ("s0", "0", 1):
            raise Retry(0.5)
        if len(seen) == 5:
            done.set()

    await run_until(Worker(client, "bookings", handle, sessions=1), done)
    assert seen == [
        ("s0", "0", 1), ("s1", "0", 1), ("s1", "1", 1), ("s0", "0", 2), ("s0", "1", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("wrong_by", [0.0, -3600.0, 3600.0])
async def test_a_long_job_keeps_its_session(
    client: Client, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    """Also where our clock is an hour slow, or fast."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + wrong_by)
    queue = await client.create_queue("brief", requires_session=True, lock_duration_ms=500)
    await fill(queue, sessions=2, jobs=1)
    done = asyncio.Event()
    attempts: list[int] = []

    async def handle(job: Job) -> None:
        attempts.append(job.attempt)
        await asyncio.sleep(1.6)
        if len(attempts) == 2:
            done.set()

    worker = Worker(client, "brief", handle, sessions=2)
    await run_until(worker, done)
    assert attempts == [1, 1]
    assert (worker.completed_count, worker.lost_count) == (2, 0)


async def test_stopping_finishes_the_jobs_in_hand_and_leaves(
    client: Client, bookings: Queue
) -> None:
    await fill(bookings, sessions=1, jobs=3)
    begun = asyncio.Event()

    async def handle(job: Job) -> None:
        begun.set()
        await asyncio.sleep(0.3)

    worker = Worker(client, "bookings", handle, sessions=4)  # three of them wait for a session
    await run_until(worker, begun)
    assert worker.completed_count == 1
    info = await bookings.info()
    assert (info["active"], info["sessions_held"], info["receivers"]) == (2, 0, 0)
    async with bookings.accept_session("s0", wait=5) as session:
        job = await session.next_there()
        assert job is not None
        assert (job.text(), job.attempt) == ("1", 1)


async def test_a_handler_that_outlives_the_grace_gives_its_job_back(
    client: Client, bookings: Queue
) -> None:
    await fill(bookings, sessions=1, jobs=1)
    begun = asyncio.Event()

    async def handle(job: Job) -> None:
        begun.set()
        await asyncio.sleep(60)

    await run_until(Worker(client, "bookings", handle, sessions=1, grace=0.1), begun)
    async with bookings.accept_session(wait=5) as session:
        job = await session.next_there()
        assert job is not None
        assert job.attempt == 1


async def test_a_lost_session_takes_its_handler_along_and_the_worker_goes_on(
    broker: BrokerProcess, client: Client
) -> None:
    queue = await client.create_queue("brief", requires_session=True, lock_duration_ms=400)
    await queue.send("a", session_id="s")
    cancelled, done = asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> None:
        if cancelled.is_set():
            done.set()
            return
        broker.kill()
        broker.restart()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    worker = Worker(client, "brief", handle, sessions=1)
    await run_until(worker, done)
    assert cancelled.is_set()
    assert worker.lost_count >= 1


async def test_a_queue_without_sessions_is_refused(client: Client) -> None:
    await client.create_queue("plain")

    async def handle(job: Job) -> None: ...

    with pytest.raises(Refused, match="session"):
        await asyncio.wait_for(Worker(client, "plain", handle, sessions=2).run(), 10)


async def test_wrong_numbers_are_refused(client: Client) -> None:
    async def handle(job: Job) -> None: ...

    with pytest.raises(ValueError, match="at least 1"):
        Worker(client, "bookings", handle, sessions=0)
    with pytest.raises(ValueError, match="selector"):
        Worker(client, "bookings", handle, sessions=1, selector="a = 1")
