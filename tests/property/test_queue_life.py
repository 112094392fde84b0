"""QueueLife: whatever peers ask and time does, the invariants hold, and replay equals live."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from peeklock.engine.capture import Capture
from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
    Verdict,
)
from peeklock.entities.facts import Enqueued, Fact, Relocated, Removed, Rewritten
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING, Entry
from peeklock.errors import BrokerError
from peeklock.limits import DUPLICATE_WINDOW_MIN
from peeklock.protocols.amqp10.primitives import read_value
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, Lsn, SequenceNumber, UnixMs
from tests.support.changes import job, properties_of, setting
from tests.support.house import House, pictures, replayed

DISPOSITIONS = [
    COMPLETE,
    ABANDON,
    RELEASE,
    DEFER,
    Disposition(Verdict.DEAD_LETTER, reason="bad", description="why"),
    setting(Verdict.ABANDON, tried=True),
    setting(Verdict.ABANDON, tried="by a worker with a long name"),
    setting(Verdict.DEFER, tried=False, later="x" * 50),
    setting(Verdict.DEAD_LETTER, bad=True),
]
MESSAGE_BYTES_MAX = 1000
TOO_MUCH = setting(Verdict.ABANDON, all_of_it="x" * MESSAGE_BYTES_MAX)


class QueueLife(RuleBasedStateMachine):
    """One queue and its dead letters, a few receivers, a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.receivers: list[Receiver] = []
        self.tokens: list[tuple[Receiver, LockToken]] = []  # ever handed out
        self.capture: Capture | None = None
        self.slices: list[list[Fact]] = []
        self.captured_at = Lsn(0)
        self.taken_at: dict[bytes, UnixMs] = {}  # message-ids
        self.failures: dict[tuple[int, SequenceNumber], int] = {}

    @initialize(
        priorities=st.booleans(),
        max_delivery_count=st.integers(1, 4),
        max_messages=st.sampled_from([0, 5, 20]),
        overflow=st.sampled_from(["reject", "drop-oldest"]),
        on_expiry=st.booleans(),
        retry_ms=st.sampled_from([0, 500]),
        window_ms=st.sampled_from([0, DUPLICATE_WINDOW_MIN]),
    )
    def begin(
        self,
        priorities: bool,
        max_delivery_count: int,
        max_messages: int,
        overflow: str,
        on_expiry: bool,
        retry_ms: int,
        window_ms: int,
    ) -> None:
        from peeklock.entities.settings import Overflow, RetryPolicy

        self.queue = self.house.queue(
            priorities=priorities,
            max_delivery_count=max_delivery_count,
            max_messages=max_messages,
            overflow=Overflow(overflow),
            dead_letter_on_expiry=on_expiry,
            lock_duration_ms=1000,
            retry=RetryPolicy(first_ms=retry_ms, jitter=0.5),
            duplicate_window_ms=window_ms,
            max_message_bytes=MESSAGE_BYTES_MAX,
        )
        self.dead = self.house.dead_letters(self.queue)

    # ---- what peers ask

    @rule(
        count=st.integers(1, 5),
        priority=st.integers(0, 12),
        delay=st.sampled_from([0, 0, 700]),
        ttl=st.sampled_from([-1, -1, 900, 3000]),
    )
    def send(self, count: int, priority: int, delay: int, ttl: int) -> None:
        for _ in range(count):
            at = self.house.now + delay if delay else 0
            self.house.send(self.queue, job(), not_before=at, ttl_ms=ttl, priority=priority)

    @rule(key=st.integers(0, 4), delay=st.sampled_from([0, 0, 700]))
    def send_again(self, key: int, delay: int) -> None:
        """The same message-id within the window is taken once, whatever became of it."""
        now = self.house.now
        number = self.queue.next_number
        message_id = b"id-%d" % key
        at = now + delay if delay else 0
        self.house.send(self.queue, job(), not_before=at, message_id=message_id)
        taken = self.queue.next_number > number
        window = self.queue.settings.duplicate_window_ms
        before = self.taken_at.get(message_id)
        if window and before is not None and now < before + window:
            assert not taken, "a duplicate was taken"
        elif taken:
            self.taken_at[message_id] = now

    @rule(
        dead=st.booleans(),
        credit=st.integers(1, 10),
        mode=st.sampled_from([ReceiveMode.PEEK_LOCK] * 4 + list(ReceiveMode)),
    )
    def attach(self, dead: bool, credit: int, mode: ReceiveMode) -> None:
        if len(self.receivers) < 6:
            target = self.dead if dead else self.queue
            self.receivers.append(self.house.receiver(target, credit, mode))
            self.serve()

    @precondition(lambda self: self.receivers)
    @rule(data=st.data(), credit=st.integers(0, 10), drain=st.booleans())
    def give_credit(self, data: st.DataObject, credit: int, drain: bool) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        self.house.engine.set_credit(receiver, credit, draining=drain)
        self.serve()

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        before = {
            number: receiver.queue.entries[number].delivery_count
            for number in receiver.held_numbers()
        }
        self.receivers.remove(receiver)
        self.house.engine.detach(receiver, self.house.now)
        for number, count in before.items():
            entry = receiver.queue.entries[number]
            assert entry.state == READY, "what it held is free at once"
            assert entry.delivery_count == count, "and no attempt is counted"
        self.serve()

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), disposition=st.sampled_from([*DISPOSITIONS, TOO_MUCH]))
    def settle(self, data: st.DataObject, disposition: Disposition) -> None:
        receiver, token = data.draw(st.sampled_from(self.tokens))
        queue = receiver.queue
        number = SequenceNumber(int.from_bytes(token[8:], "big"))
        entry = queue.entries.get(number)
        holds = (
            entry is not None
            and entry.lock is not None
            and token_of(entry) == token
            and entry.lock.until > self.house.now
        )
        attempts = entry.delivery_count if entry is not None else 0
        was_aside = entry is not None and entry.set_aside
        before = properties_of(entry.message) if entry is not None else {}
        try:
            self.house.engine.settle_tokens(queue, [token], disposition, self.house.now)
        except BrokerError:
            buried = queue is self.dead and disposition.verdict is Verdict.DEAD_LETTER
            assert not holds or buried or disposition is TOO_MUCH, "a holder was refused"
            assert queue.entries.get(number) is entry, "a stale settle changed something"
            return
        assert holds, "a stale holder was not refused"
        found = self.check_settled(queue, number, attempts, disposition, was_aside)
        if found is not None:
            given = disposition.properties or {}
            set_now = {name: read_value(value, 0)[0] for name, value in given.items()}
            assert properties_of(found.message) == {**before, **set_now}
        self.serve()

    def check_settled(
        self,
        queue: Queue,
        number: SequenceNumber,
        attempts: int,
        disposition: Disposition,
        was_aside: bool,
    ) -> Entry | None:
        """What the design's table says of each disposition; returns where it is now."""
        entry = queue.entries.get(number)
        verdict = disposition.verdict
        gives_up = (
            verdict is Verdict.ABANDON
            and attempts + 1 >= queue.settings.max_delivery_count
            and not was_aside
        )
        if verdict is Verdict.COMPLETE:
            assert entry is None
        elif verdict is Verdict.DEAD_LETTER or (gives_up and queue is not self.dead):
            assert queue is not self.dead, "a dead letter was dead-lettered"
            assert entry is None
            newest = self.dead.entries[SequenceNumber(self.dead.next_number - 1)]
            assert newest.origin is not None
            assert newest.origin.number == number
            assert newest.delivery_count == attempts + gives_up
            return newest
        else:
            counted = verdict in (Verdict.ABANDON, Verdict.DEFER)
            assert entry is not None
            assert entry.delivery_count == attempts + counted
            if was_aside:
                assert entry.state == DEFERRED, "what was fetched by number stays set aside"
        return entry

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        receiver, token = data.draw(st.sampled_from(self.tokens))
        try:
            (until,) = self.house.engine.renew(receiver.queue, [token], self.house.now)
        except BrokerError:
            return
        assert until == self.house.now + 1000

    @rule(dead=st.booleans(), count=st.integers(1, 3))
    def fetch_deferred(self, dead: bool, count: int) -> None:
        queue = self.dead if dead else self.queue
        numbers = [n for n, entry in queue.entries.items() if entry.state == DEFERRED][:count]
        if numbers:
            self.house.engine.receive_deferred(queue, numbers, self.house.now, delete=False)

    @rule(count=st.integers(1, 3))
    def undefer(self, count: int) -> None:
        numbers = self.queue.numbers_in(DEFERRED, count)
        facts = self.queue.undefer(numbers)
        if facts:
            self.house.engine.commit(self.queue, facts, self.house.now)
        assert all(self.queue.entries[number].state == READY for number in numbers)
        self.serve()

    @rule(states=st.sampled_from([(READY,), (WAITING,), (READY, WAITING, DEFERRED)]))
    def purge(self, states: tuple[int, ...]) -> None:
        held = {n for n, entry in self.queue.entries.items() if entry.state == LOCKED}
        facts = self.queue.purge(states, 10)
        if facts:
            self.house.engine.commit(self.queue, facts, self.house.now)
        assert held <= set(self.queue.entries), "what is held stays"

    @rule(ms=st.sampled_from([1, 250, 600, 1000, 5000, DUPLICATE_WINDOW_MIN]))
    def time_passes(self, ms: int) -> None:
        self.house.advance(ms)
        self.note()

    # ---- the snapshot, in slices while all this goes on

    @rule()
    def snapshot_slice(self) -> None:
        if self.capture is None:
            self.capture = Capture(self.house.namespace)
            self.captured_at = self.house.journal.end
            self.slices = []
        facts = self.capture.next_slice(self.house.journal.end)
        if facts:
            self.slices.append([copied(fact) for fact in facts])
            return
        self.house.journal.sync()
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        tail = [(end, facts) for end, facts in journal._facts if end > self.captured_at]
        start = [(self.captured_at, facts) for facts in self.slices]
        recovered = replayed([*start, *tail])
        assert pictures(recovered, self.house.now) == pictures(
            self.house.namespace, self.house.now
        ), "snapshot and tail differ from live"
        self.capture = None

    # ---- bookkeeping

    def serve(self) -> None:
        self.house.turn()
        self.note()

    def note(self) -> None:
        for receiver in self.receivers:
            known = {token for _receiver, token in self.tokens}
            for token in self.house.held(receiver):
                if token not in known:
                    self.tokens.append((receiver, token))

    # ---- what must be true

    @invariant()
    def nothing_is_held_by_two(self) -> None:
        seen: set[tuple[int, SequenceNumber]] = set()
        for receiver in self.receivers:
            for number in receiver.held_numbers():
                key = (receiver.queue.queue_id, number)
                assert key not in seen
                seen.add(key)

    @invariant()
    def counts_agree_with_entries(self) -> None:
        for queue in self.house.namespace.by_id.values():
            for state in (READY, LOCKED, WAITING, DEFERRED):
                actual = sum(entry.state == state for entry in queue.entries.values())
                assert queue.counts[state] == actual
            assert queue.size_bytes == sum(entry.size for entry in queue.entries.values())
            for entry in queue.entries.values():
                assert entry.message is not None
                assert entry.size == entry.message.size
            for entry in queue.entries.values():
                assert (entry.lock is not None) == (entry.state == LOCKED)

    @invariant()
    def memory_counts_what_is_there(self) -> None:
        queues = self.house.namespace.by_id.values()
        assert self.house.namespace.residency.used_bytes == sum(q.size_bytes for q in queues)

    @invariant()
    def order_is_priority_then_number(self) -> None:
        for queue in self.house.namespace.by_id.values():
            ready = queue.first_ready(1_000)
            assert len(ready) == queue.counts[READY]
            keys = [
                (-entry.priority if queue.settings.priorities else 0, entry.number)
                for entry in ready
            ]
            assert keys == sorted(keys)

    @invariant()
    def the_delivery_count_never_goes_down(self) -> None:
        for queue in self.house.namespace.by_id.values():
            for number, entry in queue.entries.items():
                key = (queue.queue_id, number)
                assert entry.delivery_count >= self.failures.get(key, 0)
                self.failures[key] = entry.delivery_count

    @invariant()
    def limits_are_kept(self) -> None:
        limit = self.house.namespace.queues()[0].settings.max_messages if self.receivers else 0
        if limit:
            assert len(self.queue.entries) <= limit

    @invariant()
    def deadlines_are_true(self) -> None:
        for queue in self.house.namespace.by_id.values():
            at = queue.next_deadline()
            for entry in queue.entries.values():
                if entry.lock is not None:
                    assert 0 < at <= entry.lock.until
                elif entry.state == WAITING:
                    assert 0 < at <= entry.not_before

    def teardown(self) -> None:
        """Every message that came in is somewhere, and recovery builds what is live."""
        self.house.journal.sync()
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        entered: dict[int, set[SequenceNumber]] = {}
        left: dict[int, set[SequenceNumber]] = {}
        for _end, facts in journal._facts:
            for fact in facts:
                if isinstance(fact, Enqueued):
                    entered.setdefault(fact.queue_id, set()).add(fact.number)
                elif isinstance(fact, Removed):
                    gone = left.setdefault(fact.queue_id, set())
                    assert not gone & set(fact.numbers), "removed twice"
                    gone.update(fact.numbers)
        for queue in self.house.namespace.by_id.values():
            there = entered.get(queue.queue_id, set()) - left.get(queue.queue_id, set())
            assert set(queue.entries) == there
        recovered = replayed(journal._facts)
        now = UnixMs(self.house.now)
        assert pictures(recovered, now) == pictures(self.house.namespace, now)


def copied(fact: Fact) -> Fact:
    """As the codec would give it back: a snapshot's facts carry no message."""
    assert not isinstance(fact, (Relocated, Rewritten))
    return fact


DEPTH = int(os.environ.get("PEEKLOCK_EXAMPLES", "60"))
TestQueueLife = QueueLife.TestCase
TestQueueLife.settings = settings(
    max_examples=DEPTH,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
