"""What lives in old segments, copied forward slice by slice, so that they can go."""

from bisect import bisect_right
from typing import Final, TypeAlias, final

from peeklock.entities.facts import Cause, Fact, LastValueCleared, Relocated, Removed
from peeklock.entities.last_values import LastValues
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.limits import EMPTYING_SLICE_BYTES, EMPTYING_SLICE_COUNT
from peeklock.store.journal import Journal, MessageDamaged
from peeklock.types import Lsn, SequenceNumber

Holder: TypeAlias = Queue | LastValues


@final
class Emptying:
    """One pass over all queues and last values, for all messages whose bytes lie in these
    stretches.

    Call `next_slice`, and commit what it returns at once, until it returns None. A message
    that moves to another queue meanwhile may be missed.
    """

    def __init__(
        self,
        namespace: Namespace,
        journal: Journal,
        stretches: list[tuple[Lsn, Lsn]],
        look_count: int = EMPTYING_SLICE_COUNT,
    ) -> None:
        self._journal: Final = journal
        self._look_count: Final = look_count
        self._starts: Final = [start for start, _end in stretches]
        self._ends: Final = [end for _start, end in stretches]
        self._queues: Final[list[Holder]] = [
            *namespace.by_id.values(),
            *(topic.last_values for topic in namespace.topics()),
        ]
        self._queue_index = -1
        self._numbers: list[SequenceNumber] = []
        self._at = 0
        # Messages that several queues share stay shared: where their bytes went.
        self._copied_to: Final[dict[Lsn, Lsn]] = {}
        self._under_way: dict[Lsn, Relocated] = {}
        self.kept: Final[set[Lsn]] = set()  # starts of stretches that could not be emptied

    def next_slice(self) -> list[Fact] | None:
        """The next facts, perhaps none; None when all was looked at."""
        for old, copy in self._under_way.items():
            self._copied_to[old] = copy.body_at
        self._under_way = {}
        facts: list[Fact] = []
        copied_bytes = 0
        for _ in range(self._look_count):
            while self._at >= len(self._numbers):
                if self._queue_index + 1 >= len(self._queues):
                    return facts or None
                self._queue_index += 1
                self._numbers = list(self._queues[self._queue_index].entries)
                self._at = 0
            queue = self._queues[self._queue_index]
            entry = queue.entries.get(self._numbers[self._at])
            self._at += 1
            if entry is None or entry.body_at >= self._ends[-1]:
                continue
            place = bisect_right(self._starts, entry.body_at) - 1
            if place < 0 or entry.body_at >= self._ends[place]:
                continue
            self._copy(queue, entry, self._starts[place], facts)
            copied_bytes += entry.size
            if copied_bytes >= EMPTYING_SLICE_BYTES:
                break
        return facts

    def _copy(self, queue: Holder, entry: Entry, start: Lsn, facts: list[Fact]) -> None:
        old = entry.body_at
        shared = self._under_way.get(old)
        if shared is None and old in self._copied_to:
            shared = Relocated(queue.queue_id, entry.number, None, self._copied_to[old])
        if shared is not None:
            facts.append(Relocated(queue.queue_id, entry.number, None, shares=shared))
            return
        message = entry.message
        if message is None:
            try:
                message = self._journal.fetch(old)
            except MessageDamaged:
                self._give_up(queue, entry, start, facts)
                return
        copy = Relocated(queue.queue_id, entry.number, message)
        self._under_way[old] = copy
        facts.append(copy)

    def _give_up(self, queue: Holder, entry: Entry, start: Lsn, facts: list[Fact]) -> None:
        """Nobody can have it any more; who holds it has it, and may still settle."""
        if isinstance(queue, LastValues):
            facts.append(LastValueCleared(queue.queue_id, [entry.number], Cause.DAMAGED))
        elif entry.lock is None:
            facts.append(Removed(queue.queue_id, [entry.number], Cause.DAMAGED))
        else:
            self.kept.add(start)
