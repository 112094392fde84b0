"""kill -9 under a sender and a receiver that resume: each message is processed exactly once.

The queue detects no duplicates. The two keep their unsettled deliveries over all crashes, as
AMQP 1.0 §2.6.13 asks, and put them into each attach; nothing else tells one try from another.
"""

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.amqp_bytes import (
    ACCEPTED,
    Composite,
    Raw,
    binary,
    composite,
    data_section,
    map_,
    null,
    read_message,
)
from tests.support.amqp_peer import AmqpPeer, Heard
from tests.support.broker_process import BrokerProcess
from tests.support.socket_peer import PeerClosed

ROUNDS = 12
BATCH = 20
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
# Small, so that snapshots are taken and segments freed while links are remembered.
SMALL_JOURNAL = {
    "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "262144",
    "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "524288",
}
QUEUE = "orders"
KEPT = {"durable": 2, "expiry_policy": "never"}

pytestmark = pytest.mark.crash


def connect(port: int, name: str) -> AmqpPeer:
    peer = AmqpPeer(port)
    try:
        peer.open(container_id=name)
        peer.begin()
    except BaseException:
        peer.socket.close()
        raise
    return peer


def tags(states: dict[bytes, Raw]) -> Raw:
    return map_((binary(tag), state) for tag, state in states.items())


def told(attach: Heard) -> dict[bytes, str | None]:
    found = attach["unsettled"] or {}
    assert isinstance(found, dict)
    return {
        bytes(tag): state.name if isinstance(state, Composite) else None
        for tag, state in found.items()
    }


def ids_of(heard: Heard) -> range:
    first, last = heard["first"], heard["last"]
    assert isinstance(first, int)
    assert last is None or isinstance(last, int)
    return range(first, (first if last is None else last) + 1)


class Producer:
    """Sends numbered messages; forgets one only when it has settled it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.made = 0
        self.unsettled: dict[bytes, bytes] = {}
        self.number = 0  # of the next delivery on its link
        self.told_count = 0  # accepted, as only a broker's map could tell

    def run(self, port: int, seconds: float) -> None:
        """Until the broker is killed, or so long, or its own connection breaks."""
        ends_at = time.monotonic() + seconds
        with connect(port, "producer") as peer:
            mine = dict.fromkeys(self.unsettled, null())
            attach = peer.attach_sender(
                QUEUE, 0, name="out", snd_settle_mode=0, rcv_settle_mode=1,
                target=composite("target", address=QUEUE, **KEPT), unsettled=tags(mine),
            )  # fmt: skip
            for tag in told(attach):
                del self.unsettled[tag]
                self.told_count += 1
            self.number = 0
            self.send(peer, dict(self.unsettled))
            while time.monotonic() < ends_at:
                fresh = {b"tag-%d" % n: b"%d" % n for n in range(self.made, self.made + BATCH)}
                self.made += BATCH
                self.unsettled.update(fresh)
                is_cut = self.chance.random() < 0.2
                self.send(peer, fresh, hear=not is_cut)
                if is_cut:  # and whatever the broker answers is lost
                    time.sleep(self.chance.choice((0.0, 0.02)))
                    return

    def run_again(self, port: int) -> None:
        """Until the broker is killed."""
        while True:
            self.run(port, 60.0)

    def send(self, peer: AmqpPeer, messages: dict[bytes, bytes], *, hear: bool = True) -> None:
        """And hear of all of them."""
        tag_of: dict[int, bytes] = {}
        for tag, body in messages.items():
            tag_of[self.number] = tag
            peer.transfer(self.number, data_section(body + bytes(500)), delivery_tag=tag)
            self.number += 1
        while tag_of and hear:
            heard = peer.next_frame()
            if heard.name != "disposition":
                assert heard.name == "flow", heard
                continue
            state = heard["state"]
            assert isinstance(state, Composite)
            assert state.name == "accepted"
            assert not heard["settled"]
            for number in ids_of(heard):
                del self.unsettled[tag_of.pop(number)]
            peer.send(
                "disposition", role=False, first=heard["first"], last=heard["last"],
                settled=True,
            )  # fmt: skip


class Consumer:
    """Processes what comes, notes that, and forgets it only when the broker has settled it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.processed: Counter[bytes] = Counter()
        self.mine: dict[bytes, Raw] = {}  # tag → what is done with it: nothing yet, or accepted
        self.resumed_count = 0

    def run(self, port: int, patience: float = 10.0) -> None:
        """Until it is killed, or nothing comes for so long."""
        with connect(port, "consumer") as peer:
            attach = peer.attach_receiver(
                QUEUE, 0, name="in", snd_settle_mode=0, rcv_settle_mode=1,
                source=composite("source", address=QUEUE, **KEPT), unsettled=tags(self.mine),
            )  # fmt: skip
            states = told(attach)
            for tag, said in self.mine.items():
                assert tag in states, "its lock lasts longer than all this"
                assert states[tag] == (None if said == null() else "accepted")
            peer.socket.settimeout(patience)
            peer.credit(1 << 20)
            tag_of: dict[int, bytes] = {}
            while True:
                try:
                    heard = peer.next_frame()
                except TimeoutError:
                    return
                if heard.name == "transfer":
                    self.on_transfer(peer, heard, tag_of)
                elif heard.name == "disposition":
                    state = heard["state"]
                    assert isinstance(state, Composite)
                    assert state.name == "accepted"
                    assert heard["settled"]
                    for number in ids_of(heard):
                        del self.mine[tag_of.pop(number)]

    def on_transfer(self, peer: AmqpPeer, heard: Heard, tag_of: dict[int, bytes]) -> None:
        tag, number = heard["delivery-tag"], heard["delivery-id"]
        assert isinstance(tag, bytes)
        assert isinstance(number, int)
        tag = bytes(tag)
        if heard["resume"]:
            self.resumed_count += 1
        else:
            assert tag not in self.mine
        if heard["settled"]:  # it was resumed to say that what we said is done
            del self.mine[tag]
            return
        tag_of[number] = tag
        self.mine.setdefault(tag, null())
        if self.chance.random() < 0.05:
            return  # held for another time
        body = read_message(heard.payload).body
        assert isinstance(body, bytes)
        self.processed[body.rstrip(b"\0")] += 1
        self.mine[tag] = ACCEPTED
        peer.dispose(number, ACCEPTED, settled=False)


class Worker(threading.Thread):
    """A producer or a consumer, for as long as the broker lives; keeps what went wrong."""

    def __init__(self, run: object, *args: object) -> None:
        super().__init__()
        assert callable(run)
        self._run = run
        self._args = args
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._run(*self._args)
        except TimeoutError as error:
            self.error = error
        except (PeerClosed, OSError):
            return  # it was killed
        except (AssertionError, KeyError) as error:
            self.error = error


def test_each_message_is_processed_once(tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    producer, consumer = Producer(chance), Consumer(chance)
    config = f"[[queues]]\nname = '{QUEUE}'\nlock_duration_ms = 3600000\n"
    broker = BrokerProcess(config=config, data_dir=tmp_path / "data", env=SMALL_JOURNAL)
    with broker:
        for _ in range(ROUNDS):
            workers = [
                Worker(producer.run_again, broker.amqp_port),
                Worker(consumer.run, broker.amqp_port),
            ]
            for worker in workers:
                worker.start()
            time.sleep(chance.choice((0.1, 0.2, 0.4, 0.8)))
            broker.kill()
            for worker in workers:
                worker.join()
                assert worker.error is None, worker.error
            broker.restart()
        producer.run(broker.amqp_port, 0.0)
        assert producer.unsettled == {}
        while consumer.mine or sum(consumer.processed.values()) < producer.made:
            consumer.run(broker.amqp_port, 2.0)
    print(
        f"{producer.made} sent, {producer.told_count} heard of by a map, "
        f"{consumer.resumed_count} resumed"
    )
    assert consumer.processed == Counter(b"%d" % n for n in range(producer.made))
    assert producer.told_count, "no answer was lost: the rounds were too short"
    assert consumer.resumed_count, "nothing was held in a crash: the rounds were too short"
    assert "journal damage" not in broker.stderr
