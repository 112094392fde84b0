"""The state as facts, slice by slice, for a snapshot taken while the broker works on."""

from collections.abc import Iterator
from itertools import chain
from typing import Final, final

from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivation_facts import CauseSeen, DerivationCreated
from peeklock.entities.facts import (
    Captured,
    Deferred,
    Enqueued,
    Fact,
    HeldFor,
    Locked,
    MessageIdSeen,
    Numbered,
    QueueCreated,
    QueueUpdated,
    RuleCreated,
    SessionStateSet,
    SubscriptionCreated,
    TopicCreated,
)
from peeklock.entities.last_values import LastValues
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, LOCKED, WAITING, Entry
from peeklock.entities.topic import Topic
from peeklock.limits import SNAPSHOT_SLICE_BYTES, SNAPSHOT_SLICE_COUNT
from peeklock.types import NEVER, NO_LINK, Lsn, QueueId, SequenceNumber


@final
class Capture:
    """One pass over all entities. Call `next_slice` until it returns nothing."""

    def __init__(self, namespace: Namespace, slice_count: int = SNAPSHOT_SLICE_COUNT) -> None:
        self._queues: Final = list(namespace.by_id.values())
        self._namespace: Final = namespace
        self._slice_count: Final = slice_count
        self._began = False
        self._queue_index = 0
        self._numbers: list[SequenceNumber] = []
        self._next_number = SequenceNumber(1)
        self._at = 0
        self._beside: Iterator[Fact] = iter(())  # what an entity has beside its messages

    def next_slice(self, now_at: Lsn) -> list[Fact]:
        """The next facts, as of journal position `now_at`, which is the journal's end."""
        if not self._began:
            self._began = True
            remembered: list[Fact] = []
            for topic in self._namespace.topics():
                remembered.append(Numbered(topic.topic_id, topic.next_number))
                remembered.extend(seen_facts(topic.topic_id, topic.seen))
            kept = [last_value_facts(topic.last_values) for topic in self._namespace.topics()]
            kept += [derivation_facts(one) for one in self._namespace.topics()]
            self._beside = chain(remembered, self._namespace.links.facts(), *kept)
            return definitions(self._namespace)
        facts = self._slice_beside()
        if facts:
            return facts
        while self._queue_index < len(self._queues):
            queue = self._queues[self._queue_index]
            if queue.queue_id not in self._namespace.by_id:  # deleted meanwhile
                self._next_queue()
                continue
            if self._at == 0:
                self._numbers = list(queue.entries)
                self._next_number = queue.next_number
            return self._slice(queue, now_at)
        return []

    def _next_queue(self) -> None:
        self._queue_index += 1
        self._numbers = []
        self._at = 0

    def _slice_beside(self) -> list[Fact]:
        """These say how it is when they are written; what the tail says again does no harm."""
        facts: list[Fact] = []
        state_bytes = 0
        for fact in self._beside:
            facts.append(fact)
            if isinstance(fact, SessionStateSet):
                state_bytes += len(fact.state or b"")
            if len(facts) >= self._slice_count or state_bytes >= SNAPSHOT_SLICE_BYTES:
                break
        return facts

    def _slice(self, queue: Queue, now_at: Lsn) -> list[Fact]:
        stop = self._at + self._slice_count
        facts: list[Fact] = []
        for number in self._numbers[self._at : stop]:
            entry = queue.entries.get(number)
            if entry is not None:
                facts.extend(entry_facts(queue, entry))
        if stop < len(self._numbers):
            through = self._numbers[stop - 1]
            self._at = stop
        else:
            # What came after the list was made is in the journal's tail.
            # Numbers before the list's end that are not in it were gone when it was made.
            through = SequenceNumber(self._next_number - 1)
            facts.append(Numbered(queue.queue_id, self._next_number))
            self._beside = beside_facts(queue)
            self._next_queue()
        facts.append(Captured(queue.queue_id, through, now_at))
        return facts


def definitions(namespace: Namespace) -> list[Fact]:
    """All entities and rules; a topic before its subscriptions."""
    facts: list[Fact] = [
        TopicCreated(
            topic.topic_id, topic.path, topic.settings, topic.created_at, topic.updated_at
        )
        for topic in namespace.topics()
    ]
    for topic in namespace.topics():
        for ledger in topic.derivations.by_name.values():
            facts.append(DerivationCreated(topic.topic_id, ledger.settings, ledger.created_at))
    for queue in namespace.by_id.values():
        facts.extend(definition(namespace, queue))
    return facts


def definition(namespace: Namespace, queue: Queue) -> list[Fact]:
    owner = namespace.subscription_of(queue)
    if owner is None:
        return [
            QueueCreated(
                queue.queue_id,
                queue.path,
                queue.settings,
                queue.dead_letters_of,
                queue.created_at,
                queue.updated_at,
            )
        ]
    topic, subscription = owner
    facts: list[Fact] = [
        SubscriptionCreated(
            queue.queue_id,
            queue.path,
            subscription.name,
            queue.settings,
            topic.topic_id,
            queue.created_at,
            queue.updated_at,
        )
    ]
    if queue.queue_id in namespace.listeners.by_queue:
        for settings in namespace.listeners.rules_of(queue.queue_id):
            facts.append(RuleCreated(queue.queue_id, settings, queue.created_at))
    for rule in subscription.rules.values():
        facts.append(RuleCreated(queue.queue_id, rule.settings, rule.created_at))
    return facts


def seen_facts(owner: QueueId, seen: Deduplication) -> list[Fact]:
    return [MessageIdSeen(owner, key, at) for key, at in seen.items()]


def last_value_facts(last_values: LastValues) -> Iterator[Fact]:
    """Each as of when it is asked for; what is set meanwhile is in the journal's tail."""
    for number in list(last_values.entries):
        yield from last_values.facts_of(number)


def derivation_facts(topic: Topic) -> Iterator[Fact]:
    """What a topic's derivations remember, each as of when it is asked for."""
    for key, at in topic.derivations.causes.items():
        yield CauseSeen(topic.topic_id, key, at)
    for ledger in list(topic.derivations.by_name.values()):
        for name in list(ledger.accounts):
            yield from ledger.facts(name)


def beside_facts(queue: Queue) -> Iterator[Fact]:
    """What a queue has beside its messages, each as of when it is asked for."""
    seen = seen_facts(queue.queue_id, queue.seen)
    if seen:  # how long they are remembered may have changed since the definitions
        yield QueueUpdated(queue.queue_id, queue.settings, queue.updated_at)
        yield from seen
    sessions = queue.sessions
    if sessions is not None:
        for session_id in list(sessions.by_id):
            yield from sessions.facts_of(session_id)


def entry_facts(queue: Queue, entry: Entry) -> list[Fact]:
    """What makes this entry again."""
    facts: list[Fact] = [
        Enqueued(
            queue.queue_id,
            entry.number,
            None,
            entry.enqueued_at,
            entry.size,
            entry.priority,
            entry.expires_at,
            entry.not_before if entry.state == WAITING else NEVER,
            entry.delivery_count,
            entry.origin,
            entry.body_at,
            entry.session_id,
            entry.source_number,
        )
    ]
    lock = entry.lock
    if entry.state == LOCKED and lock is not None:
        if entry.set_aside:
            facts.append(Deferred(queue.queue_id, [entry.number]))
        facts.append(Locked(queue.queue_id, [entry.number], lock.nonce, lock.until))
        if lock.link_id != NO_LINK:
            facts.append(HeldFor(queue.queue_id, [entry.number], lock.link_id))
    elif entry.state == DEFERRED:
        facts.append(Deferred(queue.queue_id, [entry.number]))
    return facts
