"""The journal of a broker that keeps nothing: for `--ephemeral`, and for tests."""

from collections.abc import Iterator
from typing import Final, final

from peeklock.entities.facts import Fact
from peeklock.message import Message
from peeklock.store.journal import MessageDamaged
from peeklock.types import Lsn


@final
class MemoryJournal:
    """Same contract, no disk. Positions count facts; messages stay in their entities.

    With `keep`, `read` gives the synced facts back, as a test wants after a "crash".
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep: Final = keep
        self._facts: list[tuple[Lsn, list[Fact]]] = []
        self._end = Lsn(0)
        self._durable = Lsn(0)

    @property
    def end(self) -> Lsn:
        return self._end

    @property
    def durable(self) -> Lsn:
        return self._durable

    @property
    def has_room(self) -> bool:
        return True

    def append(self, facts: list[Fact]) -> Lsn:
        if facts:
            self._end = Lsn(self._end + len(facts))
            if self._keep:
                self._facts.append((self._end, facts))
        return self._end

    def sync(self) -> Lsn:
        self._durable = self._end
        return self._durable

    def fetch(self, body_at: Lsn) -> Message:
        raise MessageDamaged(f"a journal in memory holds no message at {body_at}")

    def read(self) -> Iterator[list[Fact]]:
        for end, facts in self._facts:
            if end <= self._durable:
                yield facts
