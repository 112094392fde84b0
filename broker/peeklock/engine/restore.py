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
    HeldFor,
    Locked,
    Numbered,
    QueueCreated,
    QueueDeleted,
    Relocated,
    Removed,
    Renewed,
    Rewritten,
    SubscriptionCreated,
    TopicCreated,
    Unlocked,
)
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import LOCKED
from peeklock.types import EntityPath, Lsn, QueueId, SequenceNumber

# Facts that the snapshot may know already, message by message.
OF_MESSAGES: Final = (
    Relocated,
    Rewritten,
    Locked,
    Removed,
    Unlocked,
    Renewed,
    Deferred,
    HeldFor,
)


@final
class Restorer:
    """Applies what recovery reads, in its order."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace: Final = namespace
        # Per queue: up to which number a slice of the snapshot goes, and as of when.
        self._through: Final[dict[QueueId, list[SequenceNumber]]] = {}
        self._as_of: Final[dict[QueueId, list[Lsn]]] = {}
        self._deleted: Final[set[QueueId]] = set()
        self.left_out_count = 0
        self.stand_ins: Final[list[EntityPath]] = []  # of queues whose own record was lost

    def apply(self, facts: list[Fact], end: Lsn) -> None:
        """The facts of one record that ends at `end`."""
        for fact in facts:
            if isinstance(fact, Captured):
                self._through.setdefault(fact.queue_id, []).append(fact.through)
                self._as_of.setdefault(fact.queue_id, []).append(fact.at)
            elif isinstance(fact, (QueueCreated, SubscriptionCreated, TopicCreated)):
                self._create(fact)
            elif isinstance(fact, Enqueued):
                self._enqueue(fact, end)
            elif isinstance(fact, Numbered):
                if fact.next_number > self._next_number(fact.queue_id):
                    self._namespace.apply(fact)  # else the snapshot knows more
            elif isinstance(fact, OF_MESSAGES):
                queue = self._namespace.by_id.get(fact.queue_id)
                if queue is not None:
                    self._apply_to(queue, fact, end)
                elif isinstance(fact, Relocated):
                    self._namespace.apply(fact)  # a last value, perhaps
            else:
                if isinstance(fact, QueueDeleted):
                    self._deleted.add(fact.queue_id)
                self._namespace.apply(fact)

    def _create(self, fact: QueueCreated | SubscriptionCreated | TopicCreated) -> None:
        namespace = self._namespace
        if fact.queue_id in namespace.by_id or fact.queue_id in namespace.topics_by_id:
            return  # the snapshot knows it
        gone: list[Fact] = []  # what had this path before, and whose deletion was lost
        if namespace.has(fact.path):
            gone = [QueueDeleted(namespace.find(fact.path).queue_id)]
        elif namespace.has_topic(fact.path):
            gone = namespace.delete_topic(fact.path)
        for deletion in gone:
            namespace.apply(deletion)
        self.left_out_count += len(gone)
        namespace.apply(fact)

    def _enqueue(self, fact: Enqueued, end: Lsn) -> None:
        if self._is_known(fact.queue_id, fact.number, end) or fact.queue_id in self._deleted:
            return
        queue = self._namespace.by_id.get(fact.queue_id)
        if queue is None:  # its own record was lost, its messages were not
            is_dead_letters = fact.origin is not None
            stand_in = self._namespace.stand_in(fact.queue_id, is_dead_letters=is_dead_letters)
            for creation in stand_in:
                self._namespace.apply(creation)
            queue = self._namespace.by_id[fact.queue_id]
            self.stand_ins.append(queue.path)
        if fact.number >= queue.next_number:
            queue.apply(fact)

    def _apply_to(self, queue: Queue, fact: Fact, end: Lsn) -> None:
        if isinstance(fact, Relocated):
            if not self._is_known(queue.queue_id, fact.number, end):
                queue.apply(fact)
            return
        if isinstance(fact, Rewritten):
            if not self._is_known(queue.queue_id, fact.number, end):
                self._rewrite(queue, fact)
            return
        assert isinstance(fact, (Locked, Removed, Unlocked, Renewed, Deferred, HeldFor))
        news = fact.numbers
        if queue.queue_id in self._through:
            news = [n for n in news if not self._is_known(queue.queue_id, n, end)]
        numbers = [number for number in news if number in queue.entries]
        if isinstance(fact, (Renewed, HeldFor)):
            numbers = held_of(queue, numbers)
        elif isinstance(fact, Locked):
            held = held_of(queue, numbers)
            if held:  # how their last lock ended was lost
                queue.apply(Unlocked(queue.queue_id, held, failed=False))
        self.left_out_count += len(news) - len(numbers)
        if len(numbers) == len(fact.numbers):
            queue.apply(fact)
        elif numbers:
            queue.apply(narrowed(fact, numbers))

    def _rewrite(self, queue: Queue, fact: Rewritten) -> None:
        if fact.number in queue.entries:
            queue.apply(fact)
        else:
            self.left_out_count += 1

    def _next_number(self, entity_id: QueueId) -> SequenceNumber:
        queue = self._namespace.by_id.get(entity_id)
        if queue is not None:
            return queue.next_number
        topic = self._namespace.topics_by_id.get(entity_id)
        return SequenceNumber(0) if topic is None else topic.next_number

    def _is_known(self, queue_id: QueueId, number: SequenceNumber, end: Lsn) -> bool:
        """Does the snapshot's slice with this message already tell of this position?"""
        through = self._through.get(queue_id)
        if through is None:
            return False
        place = bisect_left(through, number)
        return place < len(through) and end <= self._as_of[queue_id][place]


def held_of(queue: Queue, numbers: list[SequenceNumber]) -> list[SequenceNumber]:
    return [number for number in numbers if queue.entries[number].state == LOCKED]


def narrowed(
    fact: Locked | Removed | Unlocked | Renewed | Deferred | HeldFor,
    numbers: list[SequenceNumber],
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
    if isinstance(fact, HeldFor):
        return HeldFor(fact.queue_id, numbers, fact.link_id)
    return Deferred(fact.queue_id, numbers)
