"""Which message-ids an entity has taken lately; another message with one is a duplicate.

Taken means accepted, whatever became of the message since. The first one wins; a duplicate
is accepted and dropped, so that a sender that missed the answer may send again.
"""

from typing import Final, final

from peeklock.types import Millis, UnixMs


@final
class Deduplication:
    """Keys by when they were taken, oldest first. The window is the owner's setting."""

    def __init__(self) -> None:
        self._taken_at: Final[dict[bytes, UnixMs]] = {}

    def is_duplicate(self, key: bytes, window_ms: Millis, now: UnixMs) -> bool:
        """Was a message with this key taken within `window_ms` before `now`?"""
        at = self._taken_at.get(key)
        return at is not None and now < at + window_ms

    def fresh(self, keys: list[bytes], window_ms: Millis, now: UnixMs) -> list[bool]:
        """Which of these are no duplicates: of what was taken, or of one before it here.

        A key of b"" is nobody's duplicate, and nothing is where there is no window.
        """
        before: set[bytes] = set()
        found: list[bool] = []
        for key in keys:
            is_known = key in before or self.is_duplicate(key, window_ms, now)
            found.append(window_ms == 0 or not key or not is_known)
            before.add(key)
        return found

    def add(self, key: bytes, at: UnixMs, window_ms: Millis, count_max: int = 0) -> None:
        """Remember it, and forget what is older than the window.

        With `count_max`, only so many, the newest.
        """
        taken_at = self._taken_at
        taken_at.pop(key, None)  # to the end: the order is that of the instants
        taken_at[key] = at
        while taken_at:
            oldest = next(iter(taken_at))
            is_young = taken_at[oldest] + window_ms > at
            if is_young and not 0 < count_max < len(taken_at):
                break
            del taken_at[oldest]

    def items(self) -> list[tuple[bytes, UnixMs]]:
        """Everything remembered, oldest first: for a snapshot."""
        return list(self._taken_at.items())

    def __len__(self) -> int:
        return len(self._taken_at)
