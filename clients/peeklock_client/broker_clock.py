"""The broker's clock, seen from here: locks end by it, and ours may be wrong by minutes."""

import time


def monotonic_ms() -> float:
    """Ours, for differences: nobody sets it."""
    return time.monotonic() * 1000


class BrokerClock:
    """Tells the broker's time. As long as nothing was learned, it is taken to be ours."""

    def __init__(self) -> None:
        self._ahead_ms = time.time() * 1000 - monotonic_ms()

    def learn(self, until_ms: int, lock_ms: int) -> None:
        """A lock of `lock_ms` has just come, which ends at `until_ms` by the broker's clock."""
        self._ahead_ms = until_ms - lock_ms - monotonic_ms()

    def now_ms(self) -> float:
        """Unix milliseconds, as the broker has them."""
        return self._ahead_ms + monotonic_ms()

    def seconds_until(self, until_ms: int) -> float:
        """From now to an instant of the broker's; negative when it has passed."""
        return (until_ms - self.now_ms()) / 1000
