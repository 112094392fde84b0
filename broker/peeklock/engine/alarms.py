"""What is to be done at an instant, and is no fact: a crash forgets it."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, final

from peeklock.types import NEVER, UnixMs


@final
class Alarm:
    """One of them, until it is due or cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[UnixMs], object]) -> None:
        self.action: Callable[[UnixMs], object] | None = action  # None: cancelled


@final
class Alarms:
    """By their instants; those of the same one in their order."""

    def __init__(self) -> None:
        self._heap: Final[list[tuple[UnixMs, int, Alarm]]] = []
        self._count = 0

    def set(self, at: UnixMs, action: Callable[[UnixMs], object]) -> Alarm:
        alarm = Alarm(action)
        self._count += 1
        heappush(self._heap, (at, self._count, alarm))
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        alarm.action = None
        heap = self._heap
        while heap and heap[0][2].action is None:
            heappop(heap)

    def next_deadline(self) -> UnixMs:
        """NEVER when there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def ring(self, now: UnixMs) -> None:
        """Do what is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            action = heappop(heap)[2].action
            if action is not None:
                action(now)
        while heap and heap[0][2].action is None:
            heappop(heap)
