"""A disk that changes bytes: what is damaged is named and never handed out; the rest is."""

from pathlib import Path

import pytest

from peeklock_client import connect
from tests.support.amqp_bytes import composite
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.disk_house import flip
from tests.support.http_peer import HttpPeer

COUNT = 20
DAMAGED = 7
ON_DISK_ONLY = {"PEEKLOCK_RESIDENT_BYTES": "0"}


def body(number: int) -> bytes:
    return b"job number %03d " % number + b"x" * 1000


async def fill(broker: BrokerProcess) -> tuple[Path, int]:
    """Messages in a queue; the journal's file, and where in it is the one to be damaged."""
    async with connect(broker.url) as client:
        for number in range(COUNT):
            await client.queue("orders").send(body(number))
    (file,) = (broker.data_dir / "journal").glob("*.journal")
    return file, file.read_bytes().index(b"job number %03d" % DAMAGED)


async def everything(broker: BrokerProcess) -> list[bytes]:
    async with connect(broker.url) as client:
        queue = client.queue("orders")
        bodies: list[bytes] = []
        async for job in queue.receive(wait=1):
            bodies.append(job.body)
            await job.complete()
        assert (await queue.info())["messages"] == 0
        return bodies


WANTED = [body(number) for number in range(COUNT) if number != DAMAGED]


async def test_at_start_it_is_stepped_over_and_named(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as broker:
        file, offset = await fill(broker)
        broker.kill()
        flip(file, offset)
        broker.restart()
        assert await everything(broker) == WANTED
    (line,) = (line for line in broker.stderr.splitlines() if "journal damage" in line)
    assert str(file) in line
    named = int(line.split("at offset ")[1].split(":")[0])
    assert 0 < offset - named < 300, "where its record begins"


async def test_under_way_it_is_given_up_and_named(tmp_path: Path) -> None:
    """Nobody reads old segments at start, and disks also change while a broker runs."""
    with BrokerProcess(data_dir=tmp_path, env=ON_DISK_ONLY) as broker:
        file, offset = await fill(broker)
        flip(file, offset)
        assert await everything(broker) == WANTED
        broker.wait_for("journal damage")
        broker.kill()
        broker.restart()
        assert await everything(broker) == []
    line = next(line for line in broker.stderr.splitlines() if "journal damage" in line)
    assert f"{file} at offset" in line


async def test_over_http_the_next_one_comes(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, env=ON_DISK_ONLY) as broker:
        file, offset = await fill(broker)
        flip(file, offset)
        http = HttpPeer(broker)
        found: list[bytes] = []
        for _ in range(COUNT // 2):
            found.append(http.take("orders").body)
            held = http.lock("orders")
            if held.status == 201:
                found.append(held.body)
                assert http.ask("DELETE", held.place).status == 200
        assert found == WANTED
        broker.wait_for("journal damage")


@pytest.mark.parametrize("browse", [False, True])
async def test_a_receiver_with_one_credit_gets_the_next_one(
    tmp_path: Path, browse: bool
) -> None:
    """It still waits for a message; nothing tells it to ask again."""
    with BrokerProcess(data_dir=tmp_path, env=ON_DISK_ONLY) as broker:
        file, _offset = await fill(broker)
        flip(file, file.read_bytes().index(b"job number 000"))
        with ready_peer(broker.amqp_port) as peer:
            given = {"distribution_mode": "copy"} if browse else {}
            source = composite("source", address="orders", **given)
            peer.attach_receiver("orders", source=source, credit=1)
            assert peer.receive()[1].body == body(1)


async def test_a_look_steps_over_it(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, env=ON_DISK_ONLY) as broker:
        file, offset = await fill(broker)
        flip(file, offset)
        async with connect(broker.url) as client:
            seen = [message.body for message in await client.queue("orders").peek(count=COUNT)]
            assert seen == WANTED
            assert (await client.queue("orders").info())["messages"] == COUNT - 1
