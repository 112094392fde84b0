"""What a queue's owner may choose, validated once, when it is made."""

from dataclasses import dataclass
from enum import StrEnum

from peeklock.errors import InvalidRequest
from peeklock.limits import (
    DURATION_MAX,
    LOCK_DURATION_DEFAULT,
    LOCK_DURATION_MAX,
    LOCK_DURATION_MIN,
    MAX_DELIVERY_COUNT_DEFAULT,
    MAX_DELIVERY_COUNT_MAX,
    MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX,
    QUEUE_BYTES_DEFAULT,
)
from peeklock.types import Millis


def within(name: str, value: float, least: float, most: float) -> None:
    """Refuse a setting outside its range, naming the range."""
    if not least <= value <= most:
        raise InvalidRequest(f"{name} is {value}; allowed is {least} to {most}")


class Overflow(StrEnum):
    """What a full queue does with one more message."""

    REJECT = "reject"  # refuse it: the sender hears `resource-limit-exceeded`
    DROP_OLDEST = "drop-oldest"  # make room: the oldest free messages go


@dataclass(frozen=True)
class RetryPolicy:
    """How long a failed message waits: first × factor^(failures-1), at most `cap_ms`.

    `jitter` is the share of the delay that chance may take off, 0 to 1. A first delay of 0
    means: again at once.
    """

    first_ms: int = 0
    factor: float = 2.0
    cap_ms: int = 600_000
    jitter: float = 0.0

    def __post_init__(self) -> None:
        within("retry.first_ms", self.first_ms, 0, DURATION_MAX)
        within("retry.cap_ms", self.cap_ms, 0, DURATION_MAX)
        within("retry.factor", self.factor, 1.0, 100.0)
        within("retry.jitter", self.jitter, 0.0, 1.0)

    def delay(self, failures: int, chance: float) -> Millis:
        """Milliseconds to wait after the `failures`-th failure; `chance` is in [0, 1)."""
        if self.first_ms == 0:
            return Millis(0)
        # The exponent is bounded so that the power stays a finite float: 100 ** 100.
        raw = min(self.first_ms * self.factor ** min(failures - 1, 100), float(self.cap_ms))
        return Millis(int(raw * (1.0 - self.jitter * chance)))


@dataclass(frozen=True)
class QueueSettings:
    """One queue's choices. Durations in milliseconds, sizes in bytes; 0 means none."""

    lock_duration_ms: int = LOCK_DURATION_DEFAULT
    max_delivery_count: int = MAX_DELIVERY_COUNT_DEFAULT
    default_ttl_ms: int = 0  # 0: messages live as long as their senders say, or for ever
    dead_letter_on_expiry: bool = False
    priorities: bool = False  # strict order by priority 0–9, highest first
    max_bytes: int = QUEUE_BYTES_DEFAULT
    max_messages: int = 0  # 0: no bound but max_bytes
    max_message_bytes: int = MESSAGE_BYTES_DEFAULT
    overflow: Overflow = Overflow.REJECT
    retry: RetryPolicy = RetryPolicy()
    dispatch: bool = True  # False: paused; messages come in and are not handed out
    temporary: bool = False  # goes with the link that made it (a dynamic node), or at a restart

    def __post_init__(self) -> None:
        within("lock_duration_ms", self.lock_duration_ms, LOCK_DURATION_MIN, LOCK_DURATION_MAX)
        within("max_delivery_count", self.max_delivery_count, 1, MAX_DELIVERY_COUNT_MAX)
        within("default_ttl_ms", self.default_ttl_ms, 0, DURATION_MAX)
        within("max_bytes", self.max_bytes, 1, 1 << 62)
        within("max_messages", self.max_messages, 0, 1 << 62)
        within("max_message_bytes", self.max_message_bytes, 1, MESSAGE_BYTES_MAX)
