"""Effects, each waiting for the facts behind it to be durable."""

from collections import deque
from typing import Final, final

from peeklock.engine.effects import Effect
from peeklock.types import Lsn


@final
class Outbox:
    """First in, first out: an effect never overtakes one that was held before it.

    Except by `release_now`, which is for deliveries whose messages are durable already: a
    backlog is handed out without waiting for the disk.
    """

    def __init__(self) -> None:
        self.released = Lsn(0)  # what was held up to here has gone
        self._held: Final[deque[tuple[Lsn, Effect]]] = deque()
        self._due: list[Effect] = []

    def hold(self, until: Lsn, effect: Effect) -> Lsn:
        """Keep it until the journal is durable up to `until`, at least; returns up to what."""
        held = self._held
        if held and held[-1][0] > until:
            until = held[-1][0]
        held.append((until, effect))
        return until

    def release_now(self, effect: Effect) -> None:
        """Nothing that a crash could take back stands behind it."""
        self._due.append(effect)

    def hold_behind_all(self, effect: Effect) -> None:
        """Keep it until all that is held now has gone."""
        if self._held:
            self._held.append((self._held[-1][0], effect))
        else:
            self._due.append(effect)

    def release(self, durable: Lsn) -> list[Effect]:
        """Take out what may be told now, in order."""
        self.released = durable
        due = self._due
        held = self._held
        while held and held[0][0] <= durable:
            due.append(held.popleft()[1])
        self._due = []
        return due

    def __len__(self) -> int:
        return len(self._held) + len(self._due)
