"""Which message bytes stay in memory, and which are still wanted in the journal."""

from typing import Protocol, final

from peeklock.types import Lsn


class BodyKeeper(Protocol):
    """Hears which bytes of the journal some entity still needs."""

    def add(self, body_at: Lsn, size: int) -> None: ...

    def drop(self, body_at: Lsn, size: int) -> None: ...


@final
class NobodyKeeps:
    """The keeper of a broker without a journal on disk."""

    def add(self, body_at: Lsn, size: int) -> None:
        """Nothing to remember."""

    def drop(self, body_at: Lsn, size: int) -> None:
        """Nothing to free."""


@final
class Residency:
    """A budget of bytes, shared by all queues, for message bodies in memory.

    What arrives while the budget is used up is left to the journal and read back when its
    turn comes. A queue is served oldest first, so what stays is what is wanted next.
    """

    def __init__(self, budget_bytes: int, keeper: BodyKeeper) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self.keeper = keeper
