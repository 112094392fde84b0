"""Where time and chance come in. The real ones: server/system.py; the fakes: tests/support."""

from typing import Protocol

from peeklock.types import ElapsedMs, UnixMs


class Clock(Protocol):
    """Tells the time, twice: instants outlive a restart, and durations a clock that is set."""

    def now(self) -> UnixMs:
        """Milliseconds since 1970-01-01 UTC; may jump when the machine's clock is set."""
        ...

    def elapsed(self) -> ElapsedMs:
        """Milliseconds since some moment, by a clock that nobody sets; it only goes forward."""
        ...


class IdSource(Protocol):
    """Makes what nobody can guess."""

    def nonce(self) -> bytes:
        """Eight fresh random bytes: the first half of the lock tokens of one hand-out."""
        ...

    def name(self) -> str:
        """A fresh name, for temporary entities and for messages that came without an id."""
        ...
