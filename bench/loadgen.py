"""One process of the load generator. bench/run.py starts several.

It prints `ready` when its link is attached, waits for a line on stdin, works, and prints one
JSON document with what it saw. Instants are those of the machine's monotonic clock.
"""

import argparse
import gc
import json
import socket
import sys
import time
from collections.abc import Callable

from bench.consume import Consumer
from bench.mqtt_work import Signals
from bench.peer import Peer
from bench.produce import Producer
from bench.session_work import drain, fill

UNBOUNDED = 1 << 62


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=list(ROLES))
    parser.add_argument("--url", default="")
    parser.add_argument("--address", default="")
    parser.add_argument("--size", type=int, default=1024, help="body, bytes")
    parser.add_argument("--window", type=int, default=500, help="unsettled; or credit")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--publishers", type=int, default=1)
    parser.add_argument("--subscribers", type=int, default=1)
    parser.add_argument("--qos", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--kinds", type=int, default=0, help="produce: a property, in turn")
    parser.add_argument("--stamped", action="store_true", help="consume: measure latency")
    return parser.parse_args()


def await_start() -> None:
    # It makes no cycles, and what a collection takes would pass for the broker's latency.
    gc.disable()
    print("ready", flush=True)
    sys.stdin.readline()


def produce(given: argparse.Namespace) -> dict[str, object]:
    producer = Producer(given.url, given.address, given.size, given.window, given.kinds)
    await_start()
    began = time.monotonic()
    if given.rate:
        producer.send_at(given.rate, given.seconds)
    elif given.count:
        producer.send_count(given.count)
    else:
        producer.send_for(given.seconds)
    producer.finish()
    return {
        "sent": producer.sent,
        "refused": producer.refused,
        "began": began,
        "ended": time.monotonic(),
    }


def consume(given: argparse.Namespace) -> dict[str, object]:
    if given.role == "null":
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        peer, link = Peer.accept(listener)
    else:
        peer = Peer.connect(given.url, "bench-consumer")
        link = peer.attach_receiver(given.address)
    consumer = Consumer(peer, link, given.window)
    if given.role == "consume":
        await_start()
    consumer.receive(
        given.seconds, given.count or UNBOUNDED, given.size if given.stamped else None
    )
    peer.close()
    return {
        "received": consumer.received,
        "series": consumer.series,
        "latencies_us": percentiles(sorted(consumer.latencies_ns)),
    }


def percentiles(ordered: list[int]) -> dict[str, float]:
    """Microseconds."""
    if not ordered:
        return {}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000, 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }


def fill_sessions(given: argparse.Namespace) -> dict[str, object]:
    await_start()
    began = time.monotonic()
    fill(given.url, given.address, given.count, given.sessions, given.size, given.window)
    return {"began": began, "ended": time.monotonic()}


def drain_sessions(given: argparse.Namespace) -> dict[str, object]:
    await_start()
    return dict(drain(given.url, given.address).items())


def signals(given: argparse.Namespace) -> dict[str, object]:
    counts = (given.publishers, given.subscribers)
    work = Signals(given.url, given.address, counts, given.qos, given.size, given.window)
    await_start()
    work.work(given.seconds)
    work.close()
    return {"sent": work.answered, "received": work.received, "series": work.series}


ROLES: dict[str, Callable[[argparse.Namespace], dict[str, object]]] = {
    "produce": produce,
    "consume": consume,
    "null": consume,
    "fill-sessions": fill_sessions,
    "drain-sessions": drain_sessions,
    "signals": signals,
}


def main() -> None:
    given = read_arguments()
    print(json.dumps(ROLES[given.role](given)))


main()
