"""kill -9 under load, again and again: what was accepted is there, what was done is not."""

import asyncio
import contextlib
import os
import random
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from peeklock_client import Client, Job, PeeklockError, connect
from peeklock_client.message import encode_job
from tests.support.broker_process import BrokerProcess
from tests.support.invariants import Audit

ROUNDS = 30
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
# Small, so that segments roll, snapshots are taken and segments are freed in these rounds.
SMALL_JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "262144",
    "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "524288",
}
QUEUE = "orders"

pytestmark = pytest.mark.crash


class Load:
    """Two producers and two consumers, for as long as the broker lives."""

    def __init__(self, broker: BrokerProcess, audit: Audit, chance: random.Random) -> None:
        self.broker = broker
        self.audit = audit
        self.chance = chance
        self.made = 0

    def make(self) -> tuple[str, bytes]:
        self.made += 1
        name = f"job-{self.made}"
        filling = self.chance.randbytes(self.chance.choice((10, 200, 1000, 1000, 8000)))
        body = crc32(filling).to_bytes(4, "big") + filling
        self.audit.sent.add(name)
        return name, encode_job(body, message_id=name)

    async def produce(self, client: Client) -> None:
        queue = client.queue(QUEUE)
        while True:
            batch = [self.make() for _ in range(self.chance.randint(1, 40))]
            await queue.send_encoded([payload for _name, payload in batch])
            self.audit.accepted.update(name for name, _payload in batch)

    async def consume(self, client: Client) -> None:
        settling: set[asyncio.Task[None]] = set()
        async for job in client.queue(QUEUE).receive(prefetch=50):
            self.audit.receive(str(job.message_id), job.attempt, job.sequence_number)
            assert crc32(job.body[4:]).to_bytes(4, "big") == job.body[:4]
            check_tries(job, self.audit)
            task = asyncio.create_task(self.settle(job))
            settling.add(task)
            task.add_done_callback(settling.discard)

    async def settle(self, job: Job) -> None:
        name = str(job.message_id)
        what = self.chance.random()
        self.audit.held.discard(name)  # before others may have it
        try:
            if what < 0.8:
                self.audit.in_doubt.add(name)
                await job.complete()
                self.audit.completed.add(name)
            elif what < 0.9:
                await job.abandon(properties=tried(job.attempt))
                self.audit.failures[name] = job.attempt
            else:
                await job.release()
        except PeeklockError:
            return  # the broker died before it could answer

    async def run_until_killed(self, seconds: float) -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connect(self.broker.url, patience=0))
                for _ in range(4)
            ]
            tasks = [
                asyncio.create_task(work(client))
                for work, client in zip(
                    (self.produce, self.produce, self.consume, self.consume),
                    clients,
                    strict=True,
                )
            ]
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.broker.kill)
            for done in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(done, PeeklockError), done
        self.audit.drop_all()


def tried(attempt: int) -> dict[str, Any]:
    """What a failed attempt leaves on its job; each time of another size."""
    return {"tries": attempt, "log": "x" * (attempt * 97 % 600)}


def check_tries(job: Job, audit: Audit) -> None:
    """What was set is there as a whole, and that of the last attempt that was confirmed."""
    tries = job.properties.get("tries", 0)
    assert job.properties == (tried(tries) if tries else {})
    assert audit.failures.get(str(job.message_id), 0) <= tries < job.attempt


async def left_over(broker: BrokerProcess) -> list[str]:
    """Everything that is in the queue at the end, in order of arrival."""
    found: list[str] = []
    numbers: list[int] = []
    async with connect(broker.url) as client:
        async for job in client.queue(QUEUE).receive(prefetch=500, wait=2):
            assert crc32(job.body[4:]).to_bytes(4, "big") == job.body[:4]
            found.append(str(job.message_id))
            numbers.append(job.sequence_number)
            await job.complete()
        assert (await client.queue(QUEUE).info())["messages"] == 0
    assert numbers == sorted(numbers)
    return found


async def test_thirty_rounds_lose_nothing(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    audit = Audit()
    config = f"[[queues]]\nname = '{QUEUE}'\nmax_delivery_count = 1000000\n"
    broker = BrokerProcess(config=config, data_dir=tmp_path / "data", env=SMALL_JOURNAL)
    load = Load(broker, audit, chance)
    with broker:
        for _ in range(ROUNDS):
            await load.run_until_killed(chance.choice((0.1, 0.3, 0.6, 1.2)))
            if chance.random() < 0.2:  # and killed again while it recovers
                with contextlib.suppress(OSError):
                    broker.start_and_kill(chance.random() * 0.6)
            broker.restart()
        found = await left_over(broker)
    left = set(found)
    assert len(left) == len(found)
    audit.nothing_accepted_is_lost(left)
    audit.nothing_is_invented(left)
    assert "journal damage" not in broker.stderr
    assert "snapshot taken" in broker.stderr
    assert "segments freed" in broker.stderr
    print(
        f"{len(audit.accepted)} accepted, {len(audit.completed)} completed, "
        f"{audit.delivery_count} deliveries, {len(found)} left over"
    )
