"""kill -9 under transactions that move jobs between queues: each job is in one of them."""

import os
import random
import threading
from pathlib import Path

import pytest

from peeklock_client import connect
from tests.support.amqp_bytes import ACCEPTED, data_section, read_message
from tests.support.amqp_controller import Controller, within
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.socket_peer import PeerClosed

ROUNDS = 8
JOBS = 400
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)

pytestmark = pytest.mark.crash


def move_until_killed(port: int) -> None:
    """Take a job from `here`, send it to `there`, both in one transaction; again and again."""
    with ready_peer(port) as peer:
        controller = Controller(peer)
        peer.attach_sender("there", 0)
        peer.attach_receiver("here", 1)
        received = 0
        try:
            while True:
                txn_id = controller.declare()
                peer.credit(1, 1, count=received)
                heard, message = receive(peer)
                received += 1
                peer.dispose(heard, within(txn_id, ACCEPTED))
                peer.transfer(received, data_section(message), state=within(txn_id))
                assert controller.discharge(txn_id).name == "accepted"
        except (PeerClosed, OSError):
            return  # it was killed, or `here` is empty


def receive(peer: AmqpPeer) -> tuple[object, bytes]:
    while True:
        heard = peer.next_frame()
        if heard.name == "transfer":
            body = read_message(heard.payload).body
            assert isinstance(body, bytes)
            return heard["delivery-id"], body


async def jobs_in(broker: BrokerProcess, name: str) -> list[bytes]:
    found: list[bytes] = []
    async with connect(broker.url) as client:
        async for job in client.queue(name).receive(prefetch=500, wait=2):
            found.append(job.body)
            await job.complete()
    return found


async def test_a_job_is_here_or_there(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    config = "[[queues]]\nname = 'here'\n[[queues]]\nname = 'there'\n"
    broker = BrokerProcess(config=config, data_dir=tmp_path / "data")
    with broker:
        async with connect(broker.url) as client:
            await client.queue("here").send_batch([b"%d" % n for n in range(JOBS)])
        for _ in range(ROUNDS):
            movers = [
                threading.Thread(target=move_until_killed, args=(broker.amqp_port,))
                for _ in range(2)
            ]
            for mover in movers:
                mover.start()
            threading.Event().wait(chance.choice((0.05, 0.1, 0.2)))
            broker.kill()
            for mover in movers:
                mover.join()
            broker.restart()
        here, there = await jobs_in(broker, "here"), await jobs_in(broker, "there")
    print(f"{len(here)} here, {len(there)} there")
    assert there, "nothing was moved: the rounds were too short"
    assert sorted(here + there) == sorted(b"%d" % n for n in range(JOBS))
