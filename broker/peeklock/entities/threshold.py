"""Thresholds: when a figure made of signals' values is out of its bounds, and back in them."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, isfinite
from typing import Final

from peeklock.limits import DERIVATION_PERIOD_MAX, DERIVATION_SAMPLES_MAX

ABOVE: Final = 1
WITHIN: Final = 0
BELOW: Final = -1
SIDES: Final = {ABOVE: "above", BELOW: "below"}


class Aggregate(StrEnum):
    """What is made of a key's values."""

    LAST = "last"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT = "count"


def mean(values: Collection[float]) -> float:
    """Their average; of values whose sum is beyond all floats, infinite."""
    try:
        return fsum(values) / len(values)
    except OverflowError:
        return sum(values) / len(values)


@dataclass(frozen=True)
class Threshold:
    """Which values of a key are looked at, what is made of them, and its bounds.

    The figure is out of bounds when it is more than `above` or less than `below`, and back when
    it is `hysteresis` within them.
    """

    value: str = ""  # a number in the signal, as ${data.temperature}
    aggregate: Aggregate = Aggregate.LAST  # what is made of a key's values
    over_ms: int = 0  # values that are younger; 0: of any age
    over_count: int = 0  # so many, the newest, once there are so many; 0: any number
    latest_per: str = ""  # only the last value for each text that comes out of this template
    above: float | None = None  # a job when the figure is more than it
    below: float | None = None  # a job when the figure is less than it
    hysteresis: float = 0.0  # by how much it must be back before it can make another job

    def mistake(self) -> tuple[str, str] | None:
        """The setting that is wrong, and how; None when all is well."""
        if self.above is None and self.below is None:
            return "above", "and below are missing; expected one of them, or both"
        for name, bound in (("above", self.above), ("below", self.below)):
            if bound is not None and not isfinite(bound):
                return name, f"is {bound}; expected a finite number"
        if self.above is not None and self.below is not None and self.above < self.below:
            return "above", f"is {self.above:g}, and below is more: nothing is within bounds"
        if not isfinite(self.hysteresis) or self.hysteresis < 0:
            return "hysteresis", f"is {self.hysteresis:g}; expected 0 or more"
        if not 0 <= self.over_ms <= DERIVATION_PERIOD_MAX:
            return "over_ms", f"is {self.over_ms}; allowed is 0 to {DERIVATION_PERIOD_MAX}"
        if not 0 <= self.over_count <= DERIVATION_SAMPLES_MAX:
            return (
                "over_count",
                f"is {self.over_count}; allowed is 0 to {DERIVATION_SAMPLES_MAX}",
            )
        return self.mistake_of_the_window()

    def mistake_of_the_window(self) -> tuple[str, str] | None:
        aggregate = self.aggregate
        if aggregate is not Aggregate.COUNT and not self.value:
            return (
                "value",
                "is missing; expected a number in the signal, as ${data.temperature}",
            )
        if aggregate is Aggregate.COUNT and self.value:
            return "value", "is none of a count's: it counts signals; leave it out"
        if self.over_count and self.latest_per:
            return "over_count", "goes not with latest_per, which has one value for each text"
        if aggregate is Aggregate.LAST:
            if self.over_ms or self.over_count or self.latest_per:
                return "aggregate", "is last, which is of no window; expected avg, min or max"
        elif aggregate is Aggregate.COUNT:
            if self.over_count or not (self.over_ms or self.latest_per):
                return "over_ms", "or latest_per says what is counted; over_count does not"
        elif not (self.over_ms or self.over_count or self.latest_per):
            return (
                "over_ms",
                f"is missing; {aggregate} is over over_ms, over_count or latest_per",
            )
        return None

    @property
    def samples_max(self) -> int:
        """How many values of a key are kept, the newest."""
        if self.aggregate is Aggregate.LAST:
            return 1
        return self.over_count or DERIVATION_SAMPLES_MAX

    def figure(self, values: Collection[float]) -> float | None:
        """What these make, oldest first; None: there are not enough."""
        if not values or len(values) < self.over_count:
            return None
        aggregate = self.aggregate
        if aggregate is Aggregate.COUNT:
            return float(len(values))
        if aggregate is Aggregate.AVG:
            return mean(values)
        if aggregate is Aggregate.MIN:
            return min(values)
        return max(values) if aggregate is Aggregate.MAX else list(values)[-1]

    def side(self, figure: float, before: int) -> int:
        """Where the figure is; `before` is where the last one was."""
        if self.above is not None and figure > self.above:
            return ABOVE
        if self.below is not None and figure < self.below:
            return BELOW
        if before == ABOVE and self.above is not None and figure > self.above - self.hysteresis:
            return ABOVE
        if before == BELOW and self.below is not None and figure < self.below + self.hysteresis:
            return BELOW
        return WITHIN
