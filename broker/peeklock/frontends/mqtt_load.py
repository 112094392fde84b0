"""`$SYS/broker/load/…`: how much there is a minute, averaged over the last minutes.

Averages decay exponentially, as those of Unix and of Mosquitto do. They need no look at fixed
times: what came since the last look counts as if it had come evenly.
"""

from math import exp
from typing import Final, final

MINUTES: Final = (1, 5, 15)
MINUTE_MS: Final = 60_000


@final
class LoadAverages:
    """Of some counters, which began with 0 when the broker started."""

    def __init__(self, counter_count: int) -> None:
        self._rates: Final = [[0.0] * len(MINUTES) for _ in range(counter_count)]
        self._counts: list[int] = [0] * counter_count
        self._looked_at_ms = 0

    def look(self, counts: list[int], uptime_ms: int) -> list[list[float]]:
        """Of each counter its averages a minute, in the order of `MINUTES`."""
        gap = uptime_ms - self._looked_at_ms
        if gap > 0:
            weights = [exp(-gap / (minutes * MINUTE_MS)) for minutes in MINUTES]
            for place, count in enumerate(counts):
                rate = (count - self._counts[place]) * MINUTE_MS / gap
                rates = self._rates[place]
                for which, weight in enumerate(weights):
                    rates[which] = rate + weight * (rates[which] - rate)
            self._counts = counts
            self._looked_at_ms = uptime_ms
        return self._rates
