"""Recovery's end of the journal: facts from disk, applied.

Live, every fact applies. Read back, some do not: what the snapshot knows already, and what is
about a message whose own record was damaged and skipped. Those are left out here, once, so
that `apply` need not doubt anything.
"""

from bisect import bisect_left
from typing import Final, final

from peeklock.entities.facts import (
    Captured,
    Deferred,
    Enqueued,
    Fact,
    Locked,
    QueueCreated,
    Relocated,
    Removed,
    Renewed,
    SubscriptionCreated,
    TopicCreated,
    Unlocked,
)
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import LOCKED
from peeklock.types import Lsn, QueueId, SequenceNumber

# Facts that the snapshot may know already, message by message.
OF_MESSAGES: Final = (Enqueued, Relocated, Locked, Removed, Unlocked, Renewed, Deferred)


@final
class Restorer:
    """Applies what recovery reads, in its order."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace: Final = namespace
        # Per queue: up to which number a slice of the snapshot goes, and as of when.
        self._through: Final[dict[QueueId, list[SequenceNumber]]] = {}
        self._as_of: Final[dict[QueueId, list[Lsn]]] = {}
        self.left_out_count = 0

    def apply(self, facts: list[Fact], end: Lsn) -> None:
        """The facts of one record that ends at `end`."""
        for fact in facts:
            if isinstance(fact, Captured):
                self._through.setdefault(fact.queue_id, []).append(fact.through)
                self._as_of.setdefault(fact.queue_id, []).append(fact.at)
            elif isinstance(fact, (QueueCreated, SubscriptionCreated)):
                if fact.queue_id not in self._namespace.by_id:
                    self._namespace.apply(fact)
            elif isinstance(fact, TopicCreated):
                if fact.queue_id not in self._namespace.topics_by_id:
                    self._namespace.apply(fact)
            elif isinstance(fact, OF_MESSAGES):
                queue = self._namespace.by_id.get(fact.queue_id)
                if queue is not None:
                    self._apply_to(queue, fact, end)
            else:
                self._namespace.apply(fact)

    def _apply_to(self, queue: Queue, fact: Fact, end: Lsn) -> None:
        if isinstance(fact, Enqueued):
            if not self._is_known(queue.queue_id, fact.number, end) and (
                fact.number >= queue.next_number
            ):
                queue.apply(fact)
            return
        if isinstance(fact, Relocated):
            if not self._is_known(queue.queue_id, fact.number, end):
                queue.apply(fact)
            return
        assert isinstance(fact, (Locked, Removed, Unlocked, Renewed, Deferred))
        numbers = [
            number
            for number in fact.numbers
            if number in queue.entries and not self._is_known(queue.queue_id, number, end)
        ]
        if isinstance(fact, Renewed):
            numbers = [number for number in numbers if queue.entries[number].state == LOCKED]
        if len(numbers) == len(fact.numbers):
            queue.apply(fact)
            return
        self.left_out_count += len(fact.numbers) - len(numbers)
        if numbers:
            queue.apply(narrowed(fact, numbers))

    def _is_known(self, queue_id: QueueId, number: SequenceNumber, end: Lsn) -> bool:
        """Does the snapshot's slice with this message already tell of this position?"""
        through = self._through.get(queue_id)
        if through is None:
            return False
        place = bisect_left(through, number)
        return place < len(through) and end <= self._as_of[queue_id][place]


def narrowed(
    fact: Locked | Removed | Unlocked | Renewed | Deferred, numbers: list[SequenceNumber]
) -> Fact:
    """The same fact about fewer messages."""
    if isinstance(fact, Locked):
        return Locked(fact.queue_id, numbers, fact.nonce, fact.until)
    if isinstance(fact, Removed):
        return Removed(fact.queue_id, numbers, fact.cause, fact.reason, fact.description)
    if isinstance(fact, Unlocked):
        return Unlocked(fact.queue_id, numbers, fact.failed, fact.not_before)
    if isinstance(fact, Renewed):
        return Renewed(fact.queue_id, numbers, fact.until)
    return Deferred(fact.queue_id, numbers)
