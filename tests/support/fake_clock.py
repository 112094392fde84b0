"""Time that moves when a test says so."""

from peeklock.types import ElapsedMs, UnixMs


class FakeClock:
    """Starts at a round instant."""

    def __init__(self, at: int = 1_000_000) -> None:
        self._at = at
        self._elapsed = 5_000

    def now(self) -> UnixMs:
        return UnixMs(self._at)

    def elapsed(self) -> ElapsedMs:
        return ElapsedMs(self._elapsed)

    def advance(self, ms: int) -> UnixMs:
        self._at += ms
        self._elapsed += ms
        return self.now()

    def step(self, ms: int) -> UnixMs:
        """Somebody sets the machine's clock: no time passes."""
        self._at += ms
        return self.now()
