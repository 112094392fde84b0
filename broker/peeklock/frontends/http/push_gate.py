"""When a webhook may be asked for something: its rate, its pauses, and what went wrong last.

All in milliseconds by the clock that nobody sets: a pause is as long as it is said to be.
"""

from typing import Final, final

from peeklock.limits import PUSH_ASK_FIRST, PUSH_ASK_MAX, PUSH_PAUSE_FIRST, PUSH_PAUSE_MAX
from peeklock.types import ElapsedMs, Millis, UnixMs

MINUTE: Final = 60_000


@final
class PushGate:
    """One receiver's. It holds no message, and knows of none."""

    def __init__(self) -> None:
        self.delivered_count = 0
        self.error = ""  # the last one; "": none since it last went well
        self.error_at = UnixMs(0)
        self.is_held_up = False  # by a failure, not by the rate alone
        self._failures = 0  # in a row
        self._refusals = 0  # of leave, in a row
        self._open_at = ElapsedMs(0)
        self._next_at = ElapsedMs(0)  # by the rate

    def wait(self, now: ElapsedMs) -> Millis:
        """How long nothing may be sent yet; 0: it may now."""
        if now >= self._open_at:
            self.is_held_up = False
        return Millis(max(0, self._open_at - now, self._next_at - now))

    def began(self, now: ElapsedMs, per_minute: int) -> None:
        """A request was sent; 0: there may be any number of them."""
        if per_minute:
            space = -(-MINUTE // per_minute)
            self._next_at = ElapsedMs(max(now, self._next_at) + space)

    def went_well(self) -> None:
        self.delivered_count += 1
        self._failures = 0
        self.error = ""

    def failed(self, now: ElapsedMs, at: UnixMs, error: str, at_least: Millis) -> None:
        """A delivery did; `at_least` is how long the receiver wants to be left alone."""
        self._failures += 1
        pause = doubled(PUSH_PAUSE_FIRST, self._failures, PUSH_PAUSE_MAX)
        self._note(now, at, error, Millis(max(pause, at_least)))

    def not_allowed(self, now: ElapsedMs, at: UnixMs, error: str, at_least: Millis) -> None:
        """The receiver was asked for leave, and has not given it."""
        self._refusals += 1
        pause = doubled(PUSH_ASK_FIRST, self._refusals, PUSH_ASK_MAX)
        self._note(now, at, error, Millis(max(pause, at_least)))

    def allowed(self) -> None:
        """It has: nothing of what was before holds it up."""
        self._refusals = 0
        self._open_at = ElapsedMs(0)
        self.is_held_up = False
        self.error = ""

    def stopped(self, at: UnixMs, error: str) -> None:
        """It is over, until the owner says otherwise."""
        self.error = error
        self.error_at = at

    def _note(self, now: ElapsedMs, at: UnixMs, error: str, pause: Millis) -> None:
        self.error = error
        self.error_at = at
        self.is_held_up = True
        self._open_at = ElapsedMs(max(self._open_at, now + pause))


def doubled(first: Millis, times: int, most: Millis) -> Millis:
    """`first`, and twice as much each further time, `most` at most."""
    return Millis(min(most, first << min(times - 1, 30)))
