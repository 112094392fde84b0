"""Time that moves when a test says so."""

from peeklock.types import UnixMs


class FakeClock:
    """Starts at a round instant."""

    def __init__(self, at: int = 1_000_000) -> None:
        self._at = at

    def now(self) -> UnixMs:
        return UnixMs(self._at)

    def advance(self, ms: int) -> UnixMs:
        self._at += ms
        return self.now()
