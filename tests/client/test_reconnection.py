"""What a broken connection does to a client: nothing that its user must handle."""

import asyncio
import contextlib
import time

import pytest

from peeklock_client import LockLost, Unreachable, connect
from tests.support.broker_process import BrokerProcess


async def restart(broker: BrokerProcess) -> None:
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.restart)


async def test_what_was_not_confirmed_is_sent_again(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        queue = await client.create_queue("orders")
        ids: list[str] = []

        async def produce() -> None:
            for number in range(400):
                ids.append(await queue.send(str(number)))

        producing = asyncio.create_task(produce())
        for _ in range(2):
            await asyncio.sleep(0.1)
            await restart(broker)
        await producing
        found = [message.message_id for message in await queue.peek(count=1000)]
        assert set(found) == set(ids)
        assert len(found) <= len(ids) + 2  # one in doubt a crash, since nobody deduplicates


async def test_a_receiver_goes_on_and_a_held_job_is_lost(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        queue = await client.create_queue("orders")
        await queue.send_batch(["a", "b"])
        seen: list[tuple[str, int]] = []
        async for job in queue.receive(prefetch=1, wait=20):
            seen.append((job.text(), job.attempt))
            if len(seen) == 1:
                await restart(broker)
                with pytest.raises(LockLost):
                    await job.complete()
                continue
            with contextlib.suppress(LockLost):
                await job.complete()
            if len(seen) == 3:
                break
        # The crash may have forgotten the lock, and with it that there was an attempt.
        assert [text for text, _attempt in seen] == ["a", "a", "b"]
        assert seen[1][1] in (1, 2)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_is_no_silence(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    async with connect(broker.url) as client:
        await client.stats()
        before = client._transport
        assert before is not None
        right = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: right() + hours * 3_600_000_000_000)
        before._on_timer()
        await client.stats()
        assert client._transport is before


async def test_patience_ends(broker: BrokerProcess) -> None:
    async with connect(broker.url, patience=0.3) as client:
        queue = await client.create_queue("orders")
        broker.kill()
        with pytest.raises(Unreachable):
            await queue.send("a")
        with pytest.raises(Unreachable):
            await queue.info()
