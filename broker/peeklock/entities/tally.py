"""What became of a queue's messages, counted where it becomes so (docs/adr/0012).

Since the broker started: recovery tells the queue again what it has read, and not how much of
that there once was. How many came is the queue's `next_number`, which outlives a restart.
"""

from typing import Final, final

from peeklock.entities.facts import Cause

CAUSES: Final = max(Cause) + 1


@final
class Tally:
    """Of one queue, in messages."""

    __slots__ = ("_left", "failed_count", "released_count", "turned_away_count")

    def __init__(self) -> None:
        self._left: Final = [0] * CAUSES  # by the cause
        self.failed_count = 0  # given back, or its lock ran out: an attempt
        self.released_count = 0  # given back without counting one
        # Signals for which nothing could give way: all that the queue has was held.
        self.turned_away_count = 0

    def leave(self, cause: Cause, count: int) -> None:
        """So many have left the queue."""
        self._left[cause] += count

    def give_back(self, count: int, *, failed: bool) -> None:
        """So many are held no more, and are still there."""
        if failed:
            self.failed_count += count
        else:
            self.released_count += count

    def left(self, cause: Cause) -> int:
        return self._left[cause]

    @property
    def lost_count(self) -> int:
        """Those that nobody was given: the queue was full, or they outlived their time."""
        gone = self._left[Cause.DROPPED] + self._left[Cause.EXPIRED]
        return gone + self.turned_away_count

    def clear(self) -> None:
        for cause in range(CAUSES):
            self._left[cause] = 0
        self.failed_count = 0
        self.released_count = 0
        self.turned_away_count = 0
