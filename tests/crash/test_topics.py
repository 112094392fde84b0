"""kill -9 under a topic: the accepted is with all who take it, the rest with all or none."""

import asyncio
import contextlib
import os
import random
from pathlib import Path
from zlib import crc32

import pytest

from peeklock_client import Client, Job, PeeklockError, connect
from peeklock_client.message import encode_job
from tests.support.broker_process import BrokerProcess
from tests.support.invariants import Audit

ROUNDS = 12
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
# Small, so that segments roll, snapshots are taken and segments are freed in these rounds.
SMALL_JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "262144",
    "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "524288",
}
CONFIG = """
[[topics]]
name = "tickets"
duplicate_window_ms = 600_000

[[topics.subscriptions]]
name = "all"
max_delivery_count = 1_000_000

[[topics.subscriptions]]
name = "even"
max_delivery_count = 1_000_000
[[topics.subscriptions.rules]]
name = "even"
correlation = { parity = 0 }

[[topics.subscriptions]]
name = "marked"
max_delivery_count = 1_000_000
[[topics.subscriptions.rules]]
name = "third"
sql = "number % 3 = 0"
action = "SET marked = number"
"""

pytestmark = pytest.mark.crash


def takes(subscription: str, message: str) -> bool:
    number = int(message.removeprefix("m-"))
    if subscription == "even":
        return number % 2 == 0
    return number % 3 == 0 if subscription == "marked" else True


class Load:
    """A producer, and a consumer for each subscription, for as long as the broker lives."""

    def __init__(self, broker: BrokerProcess, chance: random.Random) -> None:
        self.broker = broker
        self.chance = chance
        self.made = 0
        self.sent: set[str] = set()
        self.accepted: set[str] = set()
        self.audits = {name: Audit(sent=self.sent) for name in ("all", "even", "marked")}
        self.seen: dict[str, set[str]] = {name: set() for name in self.audits}

    def make(self) -> tuple[str, bytes]:
        self.made += 1
        name = f"m-{self.made}"
        filling = self.chance.randbytes(self.chance.choice((10, 200, 1000, 8000)))
        body = crc32(filling).to_bytes(4, "big") + filling
        properties = {"parity": self.made % 2, "number": self.made}
        self.sent.add(name)
        return name, encode_job(body, message_id=name, properties=properties)

    async def produce(self, client: Client) -> None:
        tickets = client.topic("tickets")
        while True:
            batch = [self.make() for _ in range(self.chance.randint(1, 20))]
            await tickets.send_encoded([payload for _name, payload in batch])
            self.accepted.update(name for name, _payload in batch)

    async def consume(self, client: Client, subscription: str) -> None:
        audit = self.audits[subscription]
        async for job in client.subscription("tickets", subscription).receive(prefetch=30):
            self.check(subscription, job)
            name = str(job.message_id)
            audit.receive(name, job.attempt, job.sequence_number)
            audit.held.discard(name)
            if self.chance.random() < 0.7:
                audit.in_doubt.add(name)
                await job.complete()
                audit.completed.add(name)
            else:
                await job.release()

    def check(self, subscription: str, job: Job) -> None:
        """It is whole, it is this subscription's, and its action was done."""
        assert crc32(job.body[4:]).to_bytes(4, "big") == job.body[:4]
        name = str(job.message_id)
        assert takes(subscription, name), f"{name} is not for {subscription}"
        marked = job.properties.get("marked")
        assert marked == (job.properties["number"] if subscription == "marked" else None)
        self.seen[subscription].add(name)

    async def run_until_killed(self, seconds: float) -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connect(self.broker.url, patience=0))
                for _ in range(1 + len(self.audits))
            ]
            work = [self.produce(clients[0])]
            for client, name in zip(clients[1:], self.audits, strict=True):
                work.append(self.consume(client, name))
            tasks = [asyncio.ensure_future(one) for one in work]
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.broker.kill)
            for done in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(done, PeeklockError), done
        for audit in self.audits.values():
            audit.drop_all()

    async def left_over(self, client: Client, subscription: str) -> set[str]:
        found: list[str] = []
        async for job in client.subscription("tickets", subscription).receive(
            prefetch=500, wait=2
        ):
            self.check(subscription, job)
            found.append(str(job.message_id))
            await job.complete()
        assert len(found) == len(set(found)), "a copy is there twice"
        return set(found)


async def test_all_takers_have_it_or_none(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    broker = BrokerProcess(config=CONFIG, data_dir=tmp_path / "data", env=SMALL_JOURNAL)
    load = Load(broker, chance)
    with broker:
        for _ in range(ROUNDS):
            await load.run_until_killed(chance.choice((0.2, 0.4, 0.8)))
            broker.restart()
        async with connect(broker.url) as client:
            left = {name: await load.left_over(client, name) for name in load.audits}
    for name, audit in load.audits.items():
        audit.accepted = {message for message in load.accepted if takes(name, message)}
        audit.nothing_accepted_is_lost(left[name])
        audit.nothing_is_invented(left[name])
    everywhere = load.seen["all"]
    assert len(everywhere) > 100, "the rounds were too short"
    for name in ("even", "marked"):
        wanted = {message for message in everywhere if takes(name, message)}
        assert load.seen[name] == wanted, "one append, and some have it and some have not"
    assert "journal damage" not in broker.stderr
    assert "snapshot taken" in broker.stderr
    print(f"{len(load.accepted)} accepted, {len(everywhere)} seen by all")
