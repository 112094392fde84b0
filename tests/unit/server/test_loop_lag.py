"""How late an event loop is, by one whose clock a test sets."""

from collections.abc import Callable

import pytest

from peeklock.limits import LOOP_LAG_LOOKS
from peeklock.server.loop_lag import IDLE_SECONDS, INTERVAL_SECONDS, LoopLag


class Loop:
    """It does what is due when it is told that so much time has passed."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> None:
        self.due.append((when, callback))

    def pass_time(self, *, late: float = 0.0) -> None:
        """Until the next thing is due, and this much more."""
        when, callback = self.due.pop()
        self.now = when + late
        callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_nothing_is_looked_at_before_somebody_asks(loop: Loop) -> None:
    lag = LoopLag(loop)
    assert loop.due == []
    assert lag.worst() == 0.0
    assert [when for when, _callback in loop.due] == [loop.now + INTERVAL_SECONDS]


def test_the_worst_of_the_last_minute(loop: Loop) -> None:
    lag = LoopLag(loop)
    lag.worst()
    for late in (0.0, 0.25, 0.125):
        loop.pass_time(late=late)
    assert lag.worst() == pytest.approx(0.25)
    for _ in range(LOOP_LAG_LOOKS - 2):
        loop.pass_time()
    assert lag.worst() == pytest.approx(0.25)
    loop.pass_time()
    assert lag.worst() == pytest.approx(0.125)
    assert len(loop.due) == 1


def test_when_nobody_asks_any_more_nobody_looks(loop: Loop) -> None:
    lag = LoopLag(loop)
    lag.worst()
    loop.pass_time(late=1.0)
    while loop.due:
        loop.pass_time()
    assert loop.now - 1000.0 >= IDLE_SECONDS
    assert lag.worst() == 0.0  # of that minute nothing is known
    loop.pass_time(late=0.5)
    assert lag.worst() == pytest.approx(0.5)
