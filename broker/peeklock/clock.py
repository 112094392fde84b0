"""Where time and chance come in. The real ones: server/system.py; the fakes: tests/support."""

from typing import Protocol

from peeklock.types import UnixMs


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> UnixMs:
        """Milliseconds since 1970-01-01 UTC; may jump when the machine's clock is set."""
        ...


class IdSource(Protocol):
    """Makes what nobody can guess."""

    def nonce(self) -> bytes:
        """Eight fresh random bytes: the first half of the lock tokens of one hand-out."""
        ...

    def name(self) -> str:
        """A fresh name, for temporary entities and for messages that came without an id."""
        ...
