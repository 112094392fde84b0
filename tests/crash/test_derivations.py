"""kill -9 under signals: each accepted one has its job, once, however often it was sent.

And counts once where signals make a job together.
"""

import asyncio
import contextlib
import os
import random
from pathlib import Path

import pytest

from peeklock_client import Client, PeeklockError, connect
from peeklock_client.message import encode_job
from tests.support.broker_process import BrokerProcess

ROUNDS = 8
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
# Small, so that segments roll, snapshots are taken and segments are freed in these rounds.
SMALL_JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "262144",
    "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "524288",
}
CONFIG = """
[[queues]]
name = "jobs"
max_delivery_count = 1_000_000

[[topics]]
name = "site"

[[topics.derivations]]
name = "hot"
to = "jobs"
path = "room/{room}"
sql = "[data.hot] = TRUE"
body = { room = "${path.room}", number = "${data.number}" }

[[topics.derivations]]
name = "batch"
to = "batches"
kind = "coalesce"
period_ms = 150
path = "room/{room}"
key = "${path.room}"
body = { count = "${count}" }

[[queues]]
name = "batches"
"""

pytestmark = pytest.mark.crash


class Load:
    """A producer that sends again what it has no answer for, and a worker."""

    def __init__(self, broker: BrokerProcess, chance: random.Random) -> None:
        self.broker = broker
        self.chance = chance
        self.made = 0
        self.in_doubt: list[int] = []
        self.accepted: set[int] = set()
        self.seen: dict[int, int] = {}  # the job's sequence number, by its signal's
        self.completed: set[int] = set()

    def encode(self, number: int) -> bytes:
        body = {"number": number, "hot": is_hot(number), "more": "x" * (number % 997)}
        return encode_job(body, message_id=f"s-{number}", subject=f"room/{number % 7}")

    async def produce(self, client: Client) -> None:
        site = client.topic("site")
        while True:
            again = self.in_doubt[:20]
            new = range(self.made + 1, self.made + 1 + self.chance.randint(1, 20))
            batch = again or list(new)
            if not again:
                self.made = batch[-1]
                self.in_doubt += batch
            await site.send_encoded([self.encode(number) for number in batch])
            self.accepted.update(batch)
            self.in_doubt = [number for number in self.in_doubt if number not in batch]
            if self.chance.random() < 0.2:  # a gateway that does not know what it has sent
                await site.send_encoded([self.encode(number) for number in batch])

    async def work(self, client: Client) -> None:
        async for job in client.queue("jobs").receive(prefetch=30):
            number = self.check(job.json(), dict(job.properties), job.sequence_number)
            assert number not in self.completed, f"{number} was completed, and is back"
            if self.chance.random() < 0.7:
                await job.complete()
                self.completed.add(number)
            else:
                await job.release()

    def check(
        self, body: dict[str, int | str], properties: dict[str, object], sequence_number: int
    ) -> int:
        """It is that of its signal, and of no other."""
        number = int(body["number"])
        assert is_hot(number)
        assert body["room"] == str(number % 7)
        assert properties["cause_id"] == f"s-{number}"
        assert self.seen.setdefault(number, sequence_number) == sequence_number, "two jobs"
        return number

    async def run_until_killed(self, seconds: float) -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connect(self.broker.url, patience=0))
                for _ in range(2)
            ]
            work = [self.produce(clients[0]), self.work(clients[1])]
            tasks = [asyncio.ensure_future(one) for one in work]
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.broker.kill)
            for done in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(done, PeeklockError), done


def is_hot(number: int) -> bool:
    return number % 3 == 0


async def test_each_accepted_signal_has_its_job_once(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    broker = BrokerProcess(config=CONFIG, data_dir=tmp_path / "data", env=SMALL_JOURNAL)
    load = Load(broker, chance)
    with broker:
        for _ in range(ROUNDS):
            await load.run_until_killed(chance.choice((0.2, 0.4, 0.8)))
            broker.restart()
        async with connect(broker.url) as client:
            async for job in client.queue("jobs").receive(prefetch=500, wait=2):
                load.check(job.json(), dict(job.properties), job.sequence_number)
                await job.complete()
            counted = 0
            async for job in client.queue("batches").receive(prefetch=500, wait=2):
                counted += job.json()["count"]
                await job.complete()
    wanted = {number for number in load.accepted if is_hot(number)}
    assert len(wanted) > 100, "the rounds were too short"
    assert wanted <= set(load.seen)
    assert set(load.seen) - wanted <= set(load.in_doubt)
    assert len(load.accepted) <= counted <= len(load.accepted) + len(load.in_doubt)
    assert "journal damage" not in broker.stderr
    assert "snapshot taken" in broker.stderr
    print(f"{len(load.accepted)} accepted, {len(load.seen)} jobs")
