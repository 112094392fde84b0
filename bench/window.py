"""How long to look, and what was seen between two instants."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench.brokers import Target
from bench.generator import Generator
from bench.system import cpu_seconds

Figures = dict[str, float]

WARM_SECONDS = 1.5  # before the measured window
BACKLOG_COUNT = 100_000


@dataclass(frozen=True)
class Effort:
    """How long to look."""

    seconds: float
    backlog_count: int = BACKLOG_COUNT


def at(series: list[list[float]], instant: float) -> float:
    """How many there were at an instant, between two notes of the consumer."""
    before = [0.0, 0.0]
    for time_s, count in series:
        if time_s >= instant:
            span = time_s - before[0]
            share = (instant - before[0]) / span if before[0] else 1.0
            return before[1] + share * (count - before[1])
        before = [time_s, count]
    return before[1]


class Window:
    """The measured stretch of time: broker CPU at both ends, message counts between."""

    def __init__(self, target: Target) -> None:
        self._pid = target.pid
        self._from = time.monotonic()
        self._cpu = cpu_seconds(self._pid) if self._pid else 0.0
        self._to = 0.0

    def close(self) -> None:
        self._to = time.monotonic()
        if self._pid:
            self._cpu = cpu_seconds(self._pid) - self._cpu

    def figures(self, series: list[list[list[float]]], *, copies: bool = False) -> Figures:
        count = sum(at(one, self._to) - at(one, self._from) for one in series)
        many, one = ("copies", "copy") if copies else ("msgs", "msg")
        figures = {f"{many}_per_s": round(count / (self._to - self._from))}
        if self._pid and count:
            figures[f"cpu_us_per_{one}"] = round(self._cpu * 1e6 / count, 1)
        return figures


def watch(target: Target, effort: Effort, processes: Iterable[Generator]) -> Window:
    """Starts them, and looks once they are warm, until just before they end."""
    for process in processes:
        process.go()
    time.sleep(WARM_SECONDS)
    window = Window(target)
    time.sleep(effort.seconds - 0.3)
    window.close()
    return window
