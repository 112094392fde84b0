"""What a derivation remembers for one key: the signals that count towards its next job."""

from typing import Any, Final, final

import orjson

from peeklock.entities.derivation_facts import SignalTaken
from peeklock.entities.job_draft import Cause
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
        "serial",
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
        self.wake_at: UnixMs = NEVER  # when it is to be looked at; not a part of its state

    def note(self, fact: SignalTaken) -> None:
        self.serial = fact.serial
        self.heard_at = fact.at
        self.cause = Cause(fact.cause_source, fact.cause_id)
        self.count += 1
        self.context = fact.context

    def copy(self) -> "KeyAccount":
        """To be changed while the append that changes this one is not whole."""
        other = KeyAccount(self.opened_at, self.first)
        other.serial = self.serial
        other.heard_at = self.heard_at
        other.cause = self.cause
        other.count = self.count
        other.context = self.context
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
    return account


def cause_from(pair: object) -> Cause:
    if not isinstance(pair, list) or len(pair) != 2:
        raise TypeError("a cause is a pair of source and id")
    return Cause(str(pair[0]), str(pair[1]))
