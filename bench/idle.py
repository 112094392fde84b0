"""Open connections that do nothing: how long they take to open, and their memory."""

import time
from collections.abc import Callable
from typing import Protocol

from bench.brokers import Target
from bench.system import rss_mib
from bench.window import Figures


class Connection(Protocol):
    def close(self) -> None: ...


def idle(target: Target, count: int, connect: Callable[[int], Connection]) -> Figures:
    """`count` connections; `connect` makes one, and is told which."""
    before = rss_mib(target.pid) if target.pid else 0.0
    began = time.perf_counter()
    peers = [connect(number) for number in range(count)]
    opened = time.perf_counter() - began
    figures: Figures = {"open_all_s": round(opened, 2)}
    if target.pid:
        time.sleep(1.0)
        after = rss_mib(target.pid)
        figures["rss_mib"] = round(after, 1)
        figures["kib_per_connection"] = round((after - before) * 1024 / count, 1)
    for peer in peers:
        peer.close()
    return figures
