"""ForwardLife: however entities forward, and whatever becomes of them, no message is lost.

Queues `a`, `b` and `c` and topic `t`, which may lead to one another, with bounds, duplicates,
statuses, deletions and crashes in between.
"""

import os
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from peeklock.engine.transactions import Transactions
from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
    Verdict,
)
from peeklock.entities.facts import (
    Cause,
    Enqueued,
    Fact,
    MessageIdSeen,
    QueueDeleted,
    Removed,
)
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import READY
from peeklock.entities.settings import Overflow, QueueSettings
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import BrokerError, NotAllowed
from peeklock.management.operations import create_queue, delete_queue, update_queue
from peeklock.management.ways_on import of_right
from peeklock.message import NO_TTL, Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, QueueId, SequenceNumber, UnixMs
from tests.support.house import House, pictures, replayed
from tests.support.sliced_snapshot import SlicedSnapshot

WINDOW = 20_000
SETTLEMENTS = [
    COMPLETE,
    ABANDON,
    RELEASE,
    DEFER,
    Disposition(Verdict.DEAD_LETTER, reason="bad", description="why"),
]
ENTITIES = ["a", "b", "c", "t", "t/Subscriptions/one", "t/Subscriptions/two"]
TARGETS = ["", "a", "b", "c", "t"]
KEYS = st.none() | st.integers(0, 3)


class ForwardLife(RuleBasedStateMachine):
    """A few entities, a clock, a journal that is read back now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.bodies = count()
        self.read_count = 0  # appends that were looked at
        self.places: dict[tuple[QueueId, SequenceNumber], bytes] = {}  # what is where
        self.numbers: set[tuple[QueueId, SequenceNumber]] = set()  # ever given
        self.accepted_at: dict[tuple[QueueId, bytes], UnixMs] = {}
        self.snapshot: SlicedSnapshot | None = None

    @initialize(
        windows=st.lists(st.sampled_from([0, WINDOW]), min_size=3, max_size=3),
        bound=st.sampled_from([0, 3, 6]),
        overflow=st.sampled_from(Overflow),
        on_expiry=st.booleans(),
    )
    def begin(
        self, windows: list[int], bound: int, overflow: Overflow, on_expiry: bool
    ) -> None:
        house = self.house
        for name, window in zip("abc", windows, strict=True):
            house.queue(
                name,
                duplicate_window_ms=window,
                max_messages=bound if name != "a" else 0,
                overflow=overflow,
                dead_letter_on_expiry=on_expiry,
                max_delivery_count=2,
                lock_duration_ms=1000,
            )
        topic = house.topic("t", duplicate_window_ms=windows[0])
        house.subscription(topic, "one", dead_letter_on_expiry=on_expiry)
        house.subscription(topic, "two", max_delivery_count=1)

    def queue(self, name: str) -> Queue | None:
        namespace = self.house.namespace
        return namespace.find(name) if namespace.has(name) else None

    def entity(self, name: str) -> Queue | Topic | None:
        if self.house.namespace.has_topic(name):
            return self.house.namespace.find_topic(name)
        return self.queue(name)

    def new_body(self) -> bytes:
        return b"%d" % next(self.bodies)

    # ---- what peers ask

    @rule(
        name=st.sampled_from("abct"),
        key=KEYS,
        delay=st.sampled_from([0, 0, 0, 700]),
        ttl=st.sampled_from([NO_TTL, NO_TTL, 900]),
    )
    def send(self, name: str, key: int | None, delay: int, ttl: int) -> None:
        entity = self.entity(name)
        if entity is None:
            return
        message_id = b"" if key is None else b"id-%d" % key
        body = self.new_body()
        duplicate = self.is_duplicate(entity, message_id)
        self.house.sync()  # who else is to be told something, is told it before
        told = len(self.house.peer.told)
        number = entity.next_number
        at = self.house.now + delay if delay else NEVER
        self.house.send(entity, body, message_id=message_id, not_before=at, ttl_ms=ttl)
        appended = self.read_appends()
        self.house.sync()
        (answer,) = [e for e in self.house.peer.told[told:] if hasattr(e, "delivery_id")]
        accepted = type(answer).__name__ == "Accepted"
        if duplicate or not accepted:
            assert body not in appended, "a duplicate or refused message was taken"
        if accepted and not duplicate:
            self.note_accepted(entity, message_id)
        if isinstance(entity, Queue):
            taken = accepted and not duplicate
            assert entity.next_number == number + taken, "kept or passed on, it has a number"
        self.serve()

    @rule(names=st.lists(st.sampled_from("abct"), min_size=1, max_size=4), key=KEYS)
    def transaction(self, names: list[str], key: int | None) -> None:
        """Several sends at once, of which all end up somewhere, or none."""
        transactions = Transactions(self.house.engine, self.house.peer, "controller")
        txn = transactions.find(transactions.declare(self.house.now), self.house.now)
        bodies = []
        again = []  # with an id that the same entity has been sent before
        sent_to = set()
        for name in names:
            entity = self.entity(name)
            if entity is None:
                continue
            body = self.new_body()
            if name in sent_to and entity.settings.duplicate_window_ms and key is not None:
                again.append(body)
            sent_to.add(name)
            message_id = b"" if key is None else b"txn-%d" % key
            try:
                given = Submission(Message(body), NEVER, message_id)
                transactions.send(txn, entity, given, self.house.now)
            except BrokerError:
                break
            bodies.append(body)
        transactions.discharge(txn.txn_id, 0, self.house.now, fail=False)
        appended = self.read_appends()
        if txn.failure is not None:
            assert not appended
        elif key is None and appended:
            assert set(bodies) <= set(appended)
        assert not set(again) & set(appended), "a duplicate in the same append was taken"
        self.serve()

    @rule(
        data=st.data(),
        dead=st.booleans(),
        credit=st.integers(1, 3),
        disposition=st.sampled_from(SETTLEMENTS),
        stays=st.booleans(),
    )
    def receive(
        self,
        data: st.DataObject,
        dead: bool,
        credit: int,
        disposition: Disposition,
        stays: bool,
    ) -> None:
        queues = [
            q for q in self.house.namespace.by_id.values() if bool(q.dead_letters_of) is dead
        ]
        queue = data.draw(st.sampled_from(queues))
        try:
            receiver = self.house.receiver(queue, credit)
        except BrokerError:
            return
        self.house.turn()
        tokens = self.house.held(receiver)
        is_refused = dead and disposition.verdict is Verdict.DEAD_LETTER
        if tokens and not stays:
            with pytest.raises(NotAllowed) if is_refused else nullcontext():
                self.house.engine.settle_tokens(queue, tokens, disposition, self.house.now)
        if not stays:
            self.house.engine.detach(receiver, self.house.now)
        self.serve()

    # ---- what operators ask

    @rule(
        name=st.sampled_from(ENTITIES),
        setting=st.sampled_from(["forward_to", "forward_dead_letters_to"]),
        where=st.sampled_from(TARGETS),
    )
    def forward(self, name: str, setting: str, where: str) -> None:
        self.change(name, {setting: where})

    @rule(
        name=st.sampled_from(["a", "b", "c"]),
        status=st.sampled_from(["active", "active", "disabled", "send-disabled"]),
        dispatch=st.sampled_from([True, True, False]),
    )
    def enable(self, name: str, status: str, dispatch: bool) -> None:
        self.change(name, {"status": status, "dispatch": dispatch})

    @rule(name=st.sampled_from(["a", "b", "c"]), window=st.sampled_from([WINDOW, 3 * WINDOW]))
    def remember_longer_or_shorter(self, name: str, window: int) -> None:
        queue = self.queue(name)
        if queue is not None and queue.settings.duplicate_window_ms:
            if window < queue.settings.duplicate_window_ms:
                return  # what is remembered beyond it is forgotten at some time, or not
            self.change(name, {"duplicate_window_ms": window})

    def change(self, name: str, changes: dict[str, object]) -> None:
        if self.queue(name) is None:
            return
        try:
            update_queue(self.house.engine, name, changes, self.house.now, of_right)
        except BrokerError:
            return  # it would make a loop, say
        self.serve()

    @rule(name=st.sampled_from(["b", "c"]))
    def delete_or_make(self, name: str) -> None:
        queue = self.queue(name)
        engine = self.house.engine
        if queue is None:
            create_queue(engine, name, self.house_settings(), self.house.now, of_right)
        else:
            delete_queue(engine, name)
        self.serve()

    def house_settings(self) -> QueueSettings:
        queue = self.queue("a")
        assert queue is not None
        return replace(
            queue.settings, forward_to="", forward_dead_letters_to="", max_messages=3
        )

    # ---- time, crashes, snapshots

    @rule(ms=st.sampled_from([1, 600, 1000, 5000, WINDOW]))
    def time_passes(self, ms: int) -> None:
        self.house.advance(ms)
        self.serve()

    @rule()
    def crash(self) -> None:
        """What was live is what recovery finds, and life goes on with that."""
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        journal.sync()
        recovered = replayed(journal._facts)
        now = self.house.now
        assert pictures(recovered, now) == pictures(self.house.namespace, now)
        again = House(journal, recovered)
        again.clock = self.house.clock
        again.ids = self.house.ids
        self.house = again
        self.snapshot = None
        again.engine.start(now)
        self.serve()

    @rule()
    def snapshot_slice(self) -> None:
        if self.snapshot is None:
            self.snapshot = SlicedSnapshot(self.house, slice_count=3)
        recovered = self.snapshot.next_slice()
        if recovered is not None:
            now = self.house.now
            assert pictures(recovered, now) == pictures(self.house.namespace, now)
            self.snapshot = None

    # ---- bookkeeping

    def serve(self) -> None:
        self.house.turn()
        self.read_appends()

    def is_duplicate(self, entity: Queue | Topic, message_id: bytes) -> bool:
        window = entity.settings.duplicate_window_ms
        at = self.accepted_at.get((entity_id(entity), message_id))
        return bool(window and message_id and at is not None and self.house.now < at + window)

    def note_accepted(self, entity: Queue | Topic, message_id: bytes) -> None:
        if entity.settings.duplicate_window_ms and message_id:
            self.accepted_at[entity_id(entity), message_id] = self.house.now

    def read_appends(self) -> Counter[bytes]:
        """Look at what was appended since; returns how often each message arrived."""
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        arrived: Counter[bytes] = Counter()
        for _end, facts in journal._facts[self.read_count :]:
            arrived.update(self.read_append(facts))
        self.read_count = len(journal._facts)
        return arrived

    def read_append(self, facts: list[Fact]) -> Counter[bytes]:
        """One append: what leaves a queue for another place is there by the same append."""
        arrived: Counter[bytes] = Counter()
        left: list[bytes] = []
        for fact in facts:
            if isinstance(fact, Enqueued):
                key = (fact.queue_id, fact.number)
                assert key not in self.numbers, "a number was given twice"
                self.numbers.add(key)
                assert fact.message is not None
                self.places[key] = fact.message.bare
                arrived[fact.message.bare] += 1
                if fact.shares is not None:
                    assert fact.shares in facts, "bytes that nobody brings"
                    assert facts.index(fact.shares) < facts.index(fact)
            elif isinstance(fact, Removed):
                for number in fact.numbers:
                    body = self.places.pop((fact.queue_id, number))
                    if fact.cause in (Cause.MOVED, Cause.DEAD_LETTERED):
                        left.append(body)
            elif isinstance(fact, MessageIdSeen):
                # What a forward brought in is remembered there, too.
                self.accepted_at[fact.queue_id, fact.key] = fact.at
            elif isinstance(fact, QueueDeleted):
                gone = [key for key in self.places if key[0] == fact.queue_id]
                for key in gone:
                    del self.places[key]
        for body in left:
            assert arrived[body] >= 1, "a message left for another place, and is not there"
        return arrived

    # ---- what must be true

    @invariant()
    def every_message_is_where_the_journal_says(self) -> None:
        self.read_appends()
        there = {
            (queue.queue_id, number): entry.message.bare
            for queue in self.house.namespace.by_id.values()
            for number, entry in queue.entries.items()
            if entry.message is not None
        }
        assert there == self.places

    @invariant()
    def what_forwards_keeps_nothing_unless_it_must_wait(self) -> None:
        for queue in self.house.namespace.by_id.values():
            line = self.house.engine._lines.get(queue.queue_id)
            if queue.forwards and line is not None and line.forward_at == NEVER:
                assert queue.counts[READY] == 0

    @invariant()
    def bounds_are_kept(self) -> None:
        for queue in self.house.namespace.by_id.values():
            if queue.settings.max_messages:
                assert len(queue.entries) <= queue.settings.max_messages

    @invariant()
    def numbers_go_up(self) -> None:
        for queue in self.house.namespace.by_id.values():
            assert all(number < queue.next_number for number in queue.entries)

    def teardown(self) -> None:
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        recovered = replayed(journal._facts)
        now = self.house.now
        assert pictures(recovered, now) == pictures(self.house.namespace, now)


def entity_id(entity: Queue | Topic) -> QueueId:
    return entity.queue_id if isinstance(entity, Queue) else entity.topic_id


DEPTH = int(os.environ.get("PEEKLOCK_EXAMPLES", "60"))
TestForwardLife = ForwardLife.TestCase
TestForwardLife.settings = settings(
    max_examples=DEPTH,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
