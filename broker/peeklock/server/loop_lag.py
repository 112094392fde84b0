"""How late the event loop is: what is due waits for whatever holds it up."""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from peeklock.limits import LOOP_LAG_IDLE, LOOP_LAG_INTERVAL, LOOP_LAG_LOOKS

INTERVAL_SECONDS: Final = LOOP_LAG_INTERVAL / 1000
IDLE_SECONDS: Final = LOOP_LAG_IDLE / 1000


class Timers(Protocol):
    """What an event loop has."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> object: ...


class LoopLag:
    """Looks now and then, while somebody wants to know."""

    def __init__(self, loop: Timers) -> None:
        self._loop: Final = loop
        self._lags: Final[deque[float]] = deque(maxlen=LOOP_LAG_LOOKS)
        self._asked_at = 0.0
        self._due_at = 0.0
        self._is_looking = False

    def worst(self) -> float:
        """Seconds, of the last minute; 0 when nobody has asked for long."""
        self._asked_at = self._loop.time()
        if not self._is_looking:
            self._is_looking = True
            self._lags.clear()
            self._wait()
        return max(self._lags, default=0.0)

    def _wait(self) -> None:
        self._due_at = self._loop.time() + INTERVAL_SECONDS
        self._loop.call_at(self._due_at, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._lags.append(max(0.0, now - self._due_at))
        self._is_looking = now - self._asked_at < IDLE_SECONDS
        if self._is_looking:
            self._wait()
