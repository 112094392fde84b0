"""What a derivation remembers for one key: the signals that count towards its next job.

Of a threshold, their values, and on which side of its bounds their figure was.
"""

from typing import Any, Final, final

import orjson

from peeklock.entities.derivation_facts import SampleTaken, SignalTaken
from peeklock.entities.signal_reader import Cause
from peeklock.entities.threshold import WITHIN, Threshold
from peeklock.types import NEVER, UnixMs


@final
class KeyAccount:
    """Opened by a signal, and closed when its job is made."""

    __slots__ = (
        "cause",
        "context",
        "count",
        "first",
        "heard_at",
        "opened_at",
        "samples",
        "serial",
        "side",
        "wake_at",
    )

    def __init__(self, opened_at: UnixMs, first: Cause) -> None:
        self.opened_at: Final = opened_at
        self.first: Final = first  # by which it was opened
        self.serial = 0  # of the last fact about it
        self.heard_at = opened_at
        self.cause = first  # the last one
        self.count = 0
        self.context = b""  # of the last one
        # When each came, and its value, oldest first; by what tells them apart.
        self.samples: dict[str, tuple[UnixMs, float]] = {}
        self.side = WITHIN
        self.wake_at: UnixMs = NEVER  # when it is to be looked at; not a part of its state

    def note(self, fact: SignalTaken) -> None:
        self.serial = fact.serial
        self.heard_at = fact.at
        self.cause = Cause(fact.cause_source, fact.cause_id)
        self.count += 1
        self.context = fact.context

    def sample(self, fact: SampleTaken, threshold: Threshold) -> None:
        """One more value; those that are too old, or too many, are forgotten."""
        self.serial = fact.serial
        self.heard_at = fact.at
        samples = self.samples
        part = fact.part or str(fact.serial)
        samples.pop(part, None)  # to the end
        samples[part] = (fact.at, fact.value)
        most = threshold.samples_max
        while samples:
            oldest = next(iter(samples))
            is_old = 0 < threshold.over_ms <= fact.at - samples[oldest][0]
            if not is_old and len(samples) <= most:
                break
            del samples[oldest]
        self.count = len(samples)

    def first_at(self) -> UnixMs:
        """When the oldest of the values that are there came."""
        for at, _value in self.samples.values():
            return at
        return self.opened_at

    def values(self) -> list[float]:
        return [value for _at, value in self.samples.values()]

    def values_within(self, threshold: Threshold, now: UnixMs) -> list[float]:
        """Those of them that this other window has."""
        over_ms = threshold.over_ms
        found = [value for at, value in self.samples.values() if not 0 < over_ms <= now - at]
        return found[-threshold.samples_max :]

    def copy(self) -> "KeyAccount":
        """To be changed while the append that changes this one is not whole."""
        other = KeyAccount(self.opened_at, self.first)
        other.serial = self.serial
        other.heard_at = self.heard_at
        other.cause = self.cause
        other.count = self.count
        other.context = self.context
        other.samples = dict(self.samples)
        other.side = self.side
        return other

    def as_json(self) -> bytes:
        return orjson.dumps(
            {
                "opened_at": self.opened_at,
                "heard_at": self.heard_at,
                "count": self.count,
                "first": [self.first.source, self.first.id],
                "cause": [self.cause.source, self.cause.id],
                "context": self.context.decode(),
                "samples": [[part, at, value] for part, (at, value) in self.samples.items()],
                "side": self.side,
            }
        )


def account_from(text: bytes, serial: int) -> KeyAccount:
    """As `as_json` wrote it; raises `TypeError` or `ValueError` for anything else."""
    try:
        return read_account(orjson.loads(text), serial)
    except (KeyError, OverflowError) as error:
        raise TypeError(f"no account: {error}") from None


def read_account(found: dict[str, Any], serial: int) -> KeyAccount:
    account = KeyAccount(UnixMs(int(found["opened_at"])), cause_from(found["first"]))
    account.serial = serial
    account.heard_at = UnixMs(int(found["heard_at"]))
    account.count = int(found["count"])
    account.cause = cause_from(found["cause"])
    account.context = str(found["context"]).encode()
    for part, at, value in found["samples"]:
        account.samples[str(part)] = (UnixMs(int(at)), float(value))
    account.side = int(found["side"])
    return account


def cause_from(pair: object) -> Cause:
    if not isinstance(pair, list) or len(pair) != 2:
        raise TypeError("a cause is a pair of source and id")
    return Cause(str(pair[0]), str(pair[1]))
