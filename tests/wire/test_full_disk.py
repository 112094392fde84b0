"""A disk that is full: senders are refused, receivers settle, and that makes room.

On a file system of a few MiB, which only root can mount.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock_client import Client, Job, connect
from peeklock_client.errors import QueueFull
from tests.support.broker_process import BrokerFailed, BrokerProcess

MIB = 1 << 20
SEGMENT_BYTES = MIB // 4
BODY = b"x" * 10_000
JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": str(SEGMENT_BYTES),
    "PEEKLOCK_JOURNAL__FREE_BYTES_MIN": str(2 * SEGMENT_BYTES),
}
REASON = "r" * 4000  # of a dead letter: what a settlement may take at most
PATIENCE_SECONDS = 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={6 * MIB}", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def broker(small_disk: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(data_dir=small_disk / "data", env=JOURNAL) as broker:
        yield broker


def fill_up(disk: Path) -> Path:
    """Take what is left, to the last byte."""
    path = disk / "somebody-else"
    with path.open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    return path


async def send_until_refused(client: Client) -> int:
    """How many messages were accepted; the refusal says why."""
    queue = client.queue("orders")
    for number in range(1000):
        try:
            await queue.send(b"%d:" % number + BODY)
        except QueueFull:
            break
    with pytest.raises(QueueFull, match="disk") as refusal:
        await queue.send(BODY)
    assert refusal.value.condition == "amqp:resource-limit-exceeded"
    return number


async def send_when_taken(client: Client) -> None:
    """Refused now, perhaps, but not for long."""
    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        try:
            await client.queue("orders").send(b"after")
            return
        except QueueFull:
            assert asyncio.get_running_loop().time() < until, "still refused"
            await asyncio.sleep(0.1)


async def receive_all(client: Client, count: int) -> list[Job]:
    jobs: list[Job] = []
    async for job in client.queue("orders").receive(prefetch=1000):
        assert job.body == b"%d:" % len(jobs) + BODY
        jobs.append(job)
        if len(jobs) == count:
            return jobs
    raise AssertionError("the broker ended it")


async def test_consumers_make_room_by_consuming(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        sent = await send_until_refused(client)
        assert 6 * MIB - 5 * SEGMENT_BYTES < sent * len(BODY) < 6 * MIB - SEGMENT_BYTES
        jobs = await receive_all(client, sent)
        with pytest.raises(QueueFull):
            await client.queue("orders").send(b"still full")
        for job in jobs:
            await job.complete()
        await send_when_taken(client)
    assert broker.terminate() == 0


async def test_settling_goes_on_when_others_took_the_last_byte(
    broker: BrokerProcess, small_disk: Path
) -> None:
    async with connect(broker.url) as client:
        for number in range(30):
            await client.queue("orders").send(b"%d:" % number + BODY)
        jobs = await receive_all(client, 30)
        others = fill_up(small_disk)
        for job in jobs[:20]:
            await job.complete()
        await jobs[20].dead_letter(REASON, REASON)
        # Killed, and started again while the disk is full.
        broker.kill()
        broker.restart()
        async for job in client.queue("orders").receive(wait=1):
            assert int(job.body.split(b":")[0]) > 20
            await job.complete()
        info = await client.queue("orders").info()
        assert info["messages"] == 0
        others.unlink()
        await send_when_taken(client)
    assert broker.terminate() == 0


async def test_what_cannot_be_written_waits_and_ends_nothing(
    broker: BrokerProcess, small_disk: Path
) -> None:
    """More settlements than a whole segment of reserve has room for."""
    count = 150
    async with connect(broker.url) as client:
        for number in range(count):
            await client.queue("orders").send(b"%d:" % number + BODY)
        jobs = await receive_all(client, count)
        others = fill_up(small_disk)
        settling = [
            asyncio.ensure_future(job.dead_letter(REASON, f"{number}{REASON}"))
            for number, job in enumerate(jobs)
        ]
        await asyncio.to_thread(broker.wait_for, "no room on the disk, not even for settling")
        done, waiting = await asyncio.wait(settling, timeout=0.5)
        assert len(waiting) > count / 2
        # Reason and description twice: where it left, and where it arrived.
        assert 4 * len(REASON) * (len(done) + 2) > SEGMENT_BYTES, "a segment at least had room"
        with pytest.raises(QueueFull):  # and need not wait for it
            await asyncio.wait_for(client.queue("orders").send(b"no"), PATIENCE_SECONDS)
        others.unlink()
        await asyncio.wait_for(asyncio.gather(*settling), PATIENCE_SECONDS)
        await asyncio.to_thread(broker.wait_for, "the disk has room again")
        assert (await client.queue("orders").dead_letters.info())["messages"] == count
        await send_when_taken(client)
    assert broker.terminate() == 0


def test_a_disk_without_room_for_a_segment_is_refused_in_one_line(small_disk: Path) -> None:
    os.truncate(fill_up(small_disk), 5 * MIB)
    env = {"PEEKLOCK_JOURNAL__SEGMENT_BYTES": str(3 * MIB)}
    with pytest.raises(BrokerFailed, match="exit code 2") as refused:
        BrokerProcess(data_dir=small_disk / "data", env=env).start()
    last = str(refused.value).splitlines()[-1]
    assert "No space left on device: the journal needs 3145728 bytes" in last
