"""kill -9 under workers of message sessions: order, state and one holder survive it."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from peeklock_client import Client, MessageSession, PeeklockError, TimedOut, connect
from tests.support.broker_process import BrokerProcess

ROUNDS = 10
SESSIONS = 8
JOBS = 900  # of each session
WORKERS = 3
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
# Small, so that snapshots with sessions in them are taken and read.
SMALL_JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "262144",
    "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "524288",
}
QUEUE = "bookings"

pytestmark = pytest.mark.crash


class Ledger:
    """What is known of one session: jobs are numbered from 0, and done in that order."""

    def __init__(self) -> None:
        self.done = 0  # so many, from the first on, are confirmed
        self.asked = 0  # so many may be done: the broker died before it answered
        self.state = 0  # the last confirmed one: how many were done
        self.state_asked = 0
        self.is_held = False


class Workers:
    """Each takes the next session, does some jobs of it, notes how far it came, leaves."""

    def __init__(self, chance: random.Random) -> None:
        self.ledgers = {f"s{number}": Ledger() for number in range(SESSIONS)}
        self.chance = chance
        self.session_count = 0

    async def work(self, client: Client) -> None:
        while True:
            try:
                async with client.queue(QUEUE).accept_session(wait=0.5) as session:
                    await self.work_in(session, self.ledgers[session.session_id])
            except TimedOut:
                return

    async def work_in(self, session: MessageSession, ledger: Ledger) -> None:
        assert not ledger.is_held, "held by two"
        ledger.is_held = True
        self.session_count += 1
        try:
            state = int(await session.state() or b"0")
            assert ledger.state <= state <= max(ledger.state, ledger.state_asked)
            expected = None
            async for job in session.receive(wait=0.2, count=self.chance.randint(1, 60)):
                number = int(job.body.split(b" ")[0])
                if expected is None:
                    assert ledger.done <= number <= max(ledger.done, ledger.asked)
                else:
                    assert number == expected, "out of order"
                ledger.asked = number + 1
                await job.complete()
                ledger.done = expected = number + 1
            ledger.state_asked = ledger.done
            await session.set_state(b"%d" % ledger.done)
            ledger.state = ledger.done
        finally:
            ledger.is_held = False

    async def run_until_killed(self, broker: BrokerProcess, seconds: float) -> bool:
        """Says whether they were done before."""
        clients = [await connect(broker.url, patience=0).open() for _ in range(WORKERS)]
        tasks = [asyncio.create_task(self.work(client)) for client in clients]
        _done, pending = await asyncio.wait(tasks, timeout=seconds)
        await asyncio.to_thread(broker.kill)
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert ended is None or isinstance(ended, PeeklockError), ended
        for client in clients:
            await client.close()
        return not pending


async def test_sessions_keep_their_order_and_state(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    config = (
        f"[[queues]]\nname = '{QUEUE}'\nrequires_session = true\nmax_delivery_count = 1000000\n"
    )
    broker = BrokerProcess(config=config, data_dir=tmp_path / "data", env=SMALL_JOURNAL)
    workers = Workers(chance)
    filling = bytes(1000)
    with broker:
        async with connect(broker.url) as client:
            for name in workers.ledgers:
                jobs = [b"%d " % number + filling for number in range(JOBS)]
                await client.queue(QUEUE).send_batch(jobs, session_id=name)
        rounds = 0
        while not await workers.run_until_killed(broker, chance.choice((0.1, 0.2, 0.4))):
            broker.restart()
            rounds += 1
            if rounds >= ROUNDS:  # now they may finish
                await workers.run_until_killed(broker, 60)
                break
        broker.restart()
        async with connect(broker.url) as client:
            assert (await client.queue(QUEUE).info())["messages"] == 0
    for name, ledger in workers.ledgers.items():
        assert max(ledger.done, ledger.asked) == JOBS, name
    print(f"{rounds} kills, {workers.session_count} sessions held")
    assert rounds >= 3
    assert "snapshot taken" in broker.stderr
    assert "journal damage" not in broker.stderr
