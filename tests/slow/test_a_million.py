"""A million messages of 1 KiB: loaded, killed, recovered, drained in order, in bounded memory.

`make test-slow`. It prints figures and asserts none but the memory, which is a contract: at no
moment of its life may the broker take more than 600 MB.
"""

import multiprocessing
import os
import shutil
import struct
import threading
import time
from pathlib import Path

import pytest

from bench.consume import Consumer
from bench.peer import Peer
from bench.produce import STAMP, Producer
from peeklock.limits import SEGMENT_BYTES_DEFAULT
from tests.support.broker_process import SEGMENT_BYTES, BrokerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = int(os.environ.get("COUNT", "1000000"))
BODY_BYTES = 1024
PRODUCER_COUNT = 2
WINDOW = 500
RSS_BYTES_MAX = 600_000_000
QUEUE = "orders"
SEQUENCE_NUMBER = b"x-opt-sequence-number"  # the annotation; a small or a large long follows
LONG = struct.Struct(">q")


class NumberingProducer(Producer):
    """Each body begins with who sent it and as which of his messages."""

    def send_numbered(self, producer: int, count: int) -> None:
        while self.sent < count:
            room = min(self.room, count - self.sent)
            if room > 0:
                first = producer << 32 | self.sent
                self._write(room, list(range(first, first + room)))
            else:
                self._read()
        self.finish()
        assert self.refused == 0


def produce(url: str, producer: int, count: int) -> None:
    NumberingProducer(url, QUEUE, BODY_BYTES, WINDOW).send_numbered(producer, count)


class CheckingConsumer(Consumer):
    """Looks at every message before it settles it."""

    def __init__(self, url: str) -> None:
        peer = Peer.connect(url, "million-consumer")
        super().__init__(peer, peer.attach_receiver(QUEUE), WINDOW)
        self._next_number = 1
        self._next_of_producer = [0] * PRODUCER_COUNT

    def close(self) -> None:
        self._peer.close()

    def _settle(self, count: int) -> None:
        data = self._scanner.data
        for end in self._scanner.transfer_ends:
            stamp = STAMP.unpack_from(data, end - BODY_BYTES)[0]
            producer, number = stamp >> 32, stamp & 0xFFFFFFFF
            assert number == self._next_of_producer[producer], "each producer's in their order"
            self._next_of_producer[producer] += 1
            at = data.rindex(SEQUENCE_NUMBER, 0, end) + len(SEQUENCE_NUMBER)
            is_small = data[at] == 0x55
            found = data[at + 1] if is_small else LONG.unpack_from(data, at + 1)[0]
            assert found == self._next_number
            self._next_number += 1
        super()._settle(count)


class Pinger(threading.Thread):
    """Sends one message after the other, and notes how long each confirmation took."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._producer = Producer(url, "pings", 100, 1)
        self._stop_asked = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        while not self._stop_asked.wait(0.002):
            began = time.perf_counter()
            self._producer.send_count(self._producer.sent + 1)
            self._producer.finish()
            self.seconds.append(time.perf_counter() - began)

    def stop(self) -> str:
        self._stop_asked.set()
        self.join()
        self._producer._peer.close()
        ordered = sorted(self.seconds)
        p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, slowest {ordered[-1] * 1000:.0f} ms"


def load(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    share = COUNT // PRODUCER_COUNT
    producers = [
        spawn.Process(target=produce, args=(url, number, share))
        for number in range(PRODUCER_COUNT)
    ]
    for process in producers:
        process.start()
    for process in producers:
        process.join()
        assert process.exitcode == 0


def check_memory(broker: BrokerProcess, when: str) -> None:
    print(f"  memory at most {broker.rss_bytes_max / 1e6:.0f} MB {when}")
    assert broker.rss_bytes_max <= RSS_BYTES_MAX


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def test_a_million_messages(tmp_path: Path) -> None:
    as_a_user_has_them = {SEGMENT_BYTES: str(SEGMENT_BYTES_DEFAULT)}
    with BrokerProcess(data_dir=tmp_path / "data", env=as_a_user_has_them) as broker:
        print(f"\n{COUNT:,} messages of {BODY_BYTES} bytes")
        pinger = Pinger(broker.url)
        pinger.start()
        began = time.monotonic()
        load(broker.url)
        seconds = time.monotonic() - began
        print(f"  loaded in {seconds:.1f} s, {COUNT / seconds:,.0f} a second")
        print(f"  meanwhile a message at a time was confirmed in {pinger.stop()}")
        assert "snapshot taken" in broker.stderr or COUNT < 1_000_000
        check_memory(broker, "while loading")
        print(f"  disk {folder_bytes(broker.data_dir) / 1e6:,.0f} MB")

        broker.kill()
        began = time.monotonic()
        broker.restart()
        print(f"  recovered in {time.monotonic() - began:.1f} s, from the start of the process")
        assert "peeklock: recovering, " in broker.stderr or COUNT < 1_000_000
        assert "journal damage" not in broker.stderr
        check_memory(broker, "while recovering")

        consumer = CheckingConsumer(broker.url)
        pinger = Pinger(broker.url)
        pinger.start()
        began = time.monotonic()
        consumer.receive(60, COUNT, None)
        seconds = time.monotonic() - began
        print(f"  drained in {seconds:.1f} s, {COUNT / seconds:,.0f} a second")
        print(f"  meanwhile a message at a time was confirmed in {pinger.stop()}")
        consumer.close()
        assert consumer.received == COUNT
        check_memory(broker, "while draining")
        assert broker.terminate() == 0
    shutil.rmtree(tmp_path / "data")  # a gigabyte: pytest would keep it
