"""A worker: handlers, failures, renewal, the end."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from peeklock_client import Client, DeadLetter, Job, Retry, Worker, connect
from peeklock_client.receiver import Receiver
from tests.support.broker_process import BrokerProcess


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


async def run_until(worker: Worker, done: asyncio.Event) -> None:
    """Stop the worker once the test has seen enough."""
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(done.wait(), 30)
    worker.stop()
    await asyncio.wait_for(running, 30)


async def test_handlers_run_side_by_side_up_to_their_number(client: Client) -> None:
    queue = await client.create_queue("orders")
    await queue.send_batch([str(number) for number in range(20)])
    now, most, count = 0, 0, 0
    done = asyncio.Event()

    async def handle(job: Job) -> None:
        nonlocal now, most, count
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        count += 1
        if count == 20:
            done.set()

    worker = Worker(client, "orders", handle, concurrency=4)
    await run_until(worker, done)
    assert most == 4
    assert worker.completed_count == 20
    assert (await queue.info())["messages"] == 0


async def test_failures_are_retried_delayed_or_put_aside(client: Client) -> None:
    queue = await client.create_queue("orders")
    await queue.send_batch(["crash", "later", "never", "fine"])
    attempts: dict[str, int] = {}
    done = asyncio.Event()

    async def handle(job: Job) -> None:
        attempts[job.text()] = job.attempt
        if job.text() == "never":
            raise DeadLetter("Malformed", "no price")
        if job.attempt == 1 and job.text() == "crash":
            raise RuntimeError("a bug")
        if job.attempt == 1 and job.text() == "later":
            raise Retry(0.1)
        if attempts == {"crash": 2, "later": 2, "never": 1, "fine": 1}:
            done.set()

    worker = Worker(client, "orders", handle, concurrency=1)
    await run_until(worker, done)
    assert worker.failed_count == 3
    assert await queue.dead_letters.dead_letter_reasons() == {"Malformed": 1}
    assert (await queue.info())["messages"] == 0


async def test_a_long_job_keeps_its_lock(client: Client) -> None:
    queue = await client.create_queue("orders", lock_duration_ms=300)
    await queue.send_batch(["a", "b"])
    attempts: list[int] = []
    done = asyncio.Event()

    async def handle(job: Job) -> None:
        attempts.append(job.attempt)
        await asyncio.sleep(1.5)
        if len(attempts) == 2:
            done.set()

    worker = Worker(client, "orders", handle, concurrency=2)
    await run_until(worker, done)
    assert attempts == [1, 1]
    assert worker.completed_count == 2


@pytest.mark.parametrize("wrong_by", [-3600.0, 3600.0])
async def test_a_wrong_clock_loses_no_lock_and_asks_no_more_often(
    client: Client, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    """Locks end by the broker's clock; ours is an hour slow, or fast."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + wrong_by)
    queue = await client.create_queue("orders", lock_duration_ms=800)
    await queue.send_batch(["a", "b"])
    attempts: list[int] = []
    done = asyncio.Event()

    async def handle(job: Job) -> None:
        attempts.append(job.attempt)
        if job.attempt == 1:
            assert 0 < job.seconds_locked() <= 0.8
            await asyncio.sleep(2)
            await job.abandon(delay=0.3)
        elif len(attempts) == 4:
            done.set()

    asked = count_renewals(monkeypatch)
    worker = Worker(client, "orders", handle, concurrency=2)
    await run_until(worker, done)
    assert sorted(attempts) == [1, 1, 2, 2]
    assert worker.lost_count == 0
    assert len(asked) < 30


def count_renewals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many locks each request renews, from now on."""
    asked: list[int] = []
    renew_all = Receiver.renew_all

    async def counted(self: Receiver, tokens: list[bytes]) -> list[int]:
        asked.append(len(tokens))
        return await renew_all(self, tokens)

    monkeypatch.setattr(Receiver, "renew_all", counted)
    return asked


async def test_stopping_lets_handlers_finish_and_gives_the_rest_back(client: Client) -> None:
    queue = await client.create_queue("orders")
    await queue.send_batch(["a", "b", "c"])
    begun = asyncio.Event()

    async def handle(job: Job) -> None:
        begun.set()
        await asyncio.sleep(0.3)

    worker = Worker(client, "orders", handle, concurrency=1)
    await run_until(worker, begun)
    assert worker.completed_count == 1
    assert (await queue.info())["active"] == 2


async def test_a_handler_that_outlives_the_grace_gives_its_job_back(client: Client) -> None:
    queue = await client.create_queue("orders")
    await queue.send("a")
    begun = asyncio.Event()

    async def handle(job: Job) -> None:
        begun.set()
        await asyncio.sleep(60)

    await run_until(Worker(client, "orders", handle, grace=0.1), begun)
    async for job in queue.receive(count=1, wait=10):
        assert job.attempt == 1


async def test_a_handler_whose_lock_is_lost_is_cancelled(
    broker: BrokerProcess, client: Client
) -> None:
    queue = await client.create_queue("orders", lock_duration_ms=400)
    await queue.send("a")
    cancelled = asyncio.Event()

    async def handle(job: Job) -> None:
        if job.attempt > 1 or cancelled.is_set():
            return
        broker.kill()
        broker.restart()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    worker = Worker(client, "orders", handle)
    await run_until(worker, cancelled)
    assert worker.lost_count >= 1  # on a busy machine the next attempts may lose theirs, too
