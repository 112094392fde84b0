"""What is measured. Each scenario takes a target and returns figures with their units."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.brokers import Target, spawn, stop
from bench.generator import Generator
from bench.idle import idle
from bench.peer import Peer
from bench.sessions import sessions
from bench.signals import SIGNALS
from bench.system import cpu_seconds, rss_mib
from bench.topics import TOPICS
from bench.window import WARM_SECONDS, Effort, Figures, watch

IDLE_SECONDS = 2.0  # a consumer that got nothing for so long is done
CONNECTION_COUNT = 1000
START_COUNT = 5
WINDOW = 500  # unsettled messages of a producer, credit of a consumer


def through(
    pairs: int, size: int, *, rate_of: float | None = None
) -> Callable[[Target, Effort], Figures]:
    """`pairs` producers and as many consumers on one queue; `rate_of`: open loop, msgs/s."""

    def measure(target: Target, effort: Effort) -> Figures:
        name = f"bench-{pairs}-{size}-{time.monotonic_ns()}"
        address = target.make_queue(name)
        seconds = effort.seconds + WARM_SECONDS
        common = {"url": target.url, "address": address, "size": size, "window": WINDOW}
        paced = {} if rate_of is None else {"stamped": True}
        consumers = [
            Generator("consume", seconds=IDLE_SECONDS, **common, **paced) for _ in range(pairs)
        ]
        producers = [
            Generator("produce", seconds=seconds, rate=(rate_of or 0) / pairs, **common)
            for _ in range(pairs)
        ]
        window = watch(target, effort, consumers + producers)
        sent = [producer.result() for producer in producers]
        got = [consumer.result() for consumer in consumers]
        target.drop_queue(name)
        figures = window.figures([result["series"] for result in got])
        figures["lost"] = sum(r["sent"] - r["refused"] for r in sent) - sum(
            r["received"] for r in got
        )
        if rate_of is not None:
            for name_, value in got[0]["latencies_us"].items():
                figures[f"{name_}_ms"] = round(value / 1000, 2)
        return figures

    return measure


def half_load(size: int) -> Callable[[Target, Effort], Figures]:
    """Latency from when a message was due to its receipt, at half of what was reached."""

    def measure(target: Target, effort: Effort) -> Figures:
        full = through(1, size)(target, effort)["msgs_per_s"]
        figures = through(1, size, rate_of=full / 2)(target, effort)
        return {"rate": round(full / 2)} | figures

    return measure


def backlog(target: Target, effort: Effort) -> Figures:
    """Fill a queue without a consumer, look at the memory, then drain it."""
    count = effort.backlog_count
    name = f"bench-backlog-{time.monotonic_ns()}"
    address = target.make_queue(name)
    common = {"url": target.url, "address": address, "window": WINDOW, "count": count}
    rss_before = rss_mib(target.pid) if target.pid else 0.0
    producer = Generator("produce", **common)
    producer.go()
    sent = producer.result()
    figures: Figures = {"fill_msgs_per_s": round(count / (sent["ended"] - sent["began"]))}
    if target.pid:
        figures["rss_mib_before"] = round(rss_before, 1)
        figures["rss_mib_queued"] = round(rss_mib(target.pid), 1)
    consumer = Generator("consume", seconds=10, **common)
    began = time.monotonic()
    cpu = cpu_seconds(target.pid) if target.pid else 0.0
    consumer.go()
    got = consumer.result()
    if target.pid:
        figures["drain_cpu_us_per_msg"] = round(
            (cpu_seconds(target.pid) - cpu) * 1e6 / count, 1
        )
    figures["drain_msgs_per_s"] = round(got["received"] / (got["series"][-1][0] - began))
    figures["lost"] = count - got["received"]
    target.drop_queue(name)
    return figures


def idle_connections(target: Target, effort: Effort) -> Figures:
    """Open connections with a session each, doing nothing."""
    return idle(target, CONNECTION_COUNT, lambda n: Peer.connect(target.url, f"idle-{n}"))


def start_up() -> Figures:
    """Our broker, from nothing to its ready line, with an empty journal and all its ports."""
    seconds: list[float] = []
    idle: list[float] = []
    for _ in range(START_COUNT):
        with tempfile.TemporaryDirectory(prefix="peeklock-bench-") as folder:
            process, _url, took = spawn(Path(folder), "")
            seconds.append(took)
            idle.append(rss_mib(process.pid))
            stop(process)
    return {
        "ready_s": round(statistics.median(seconds), 3),
        "ready_s_max": round(max(seconds), 3),
        "idle_rss_mib": round(statistics.median(idle), 1),
    }


def generator_alone(size: int, seconds: float) -> Figures:
    """A producer process straight into a consumer process: what the generator itself can do."""
    null = Generator("null", seconds=IDLE_SECONDS, window=WINDOW, size=size)
    url = f"amqp://127.0.0.1:{null.first_line}"
    common = {"url": url, "address": "null", "size": size, "window": WINDOW}
    producer = Generator("produce", seconds=seconds, **common)
    producer.go()
    sent = producer.result()
    null.result()
    return {"msgs_per_s": round(sent["sent"] / (sent["ended"] - sent["began"]))}


SCENARIOS: dict[str, Callable[[Target, Effort], Figures]] = {
    "1-1-1k": through(1, 1024),
    "1-1-100": through(1, 100),
    "4-4-1k": through(4, 1024),
    "backlog": backlog,
    "half-load": half_load(1024),
    "idle-connections": idle_connections,
    **TOPICS,
    "sessions": sessions,
    **SIGNALS,
}
