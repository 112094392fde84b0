"""SessionLife: one holder a session, strict order in it, and replay equals live."""

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

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import ReceiverEnded, SessionGranted, SessionRefused
from peeklock.entities.dispositions import ABANDON, Disposition
from peeklock.entities.facts import Fact
from peeklock.entities.message_session import MessageSessions
from peeklock.entities.queue import token_of
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING
from peeklock.entities.session_verbs import renew_session, set_session_state
from peeklock.entities.settings import RetryPolicy
from peeklock.errors import BrokerError
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, Lsn, SequenceNumber, SessionId
from tests.property.test_queue_life import DISPOSITIONS
from tests.support.changes import job
from tests.support.house import House, pictures, replayed
from tests.support.sliced_snapshot import SlicedSnapshot

LOCK_MS = 1000
names = st.sampled_from(["a", "b", "c"])


class SessionLife(RuleBasedStateMachine):
    """A queue of message sessions, its receivers, a clock, snapshots and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.receivers: list[Receiver] = []
        self.tokens: list[tuple[Receiver, LockToken]] = []  # ever handed out
        self.before: dict[SequenceNumber, int] = {}  # states, a step ago
        self.snapshot: SlicedSnapshot | None = None
        self.freed_at: dict[str, int] = {}  # when a session's last holder went
        self.gives_up_at: dict[Receiver, int] = {}

    @initialize(
        max_delivery_count=st.integers(1, 4),
        on_expiry=st.booleans(),
        retry_ms=st.sampled_from([0, 500]),
    )
    def begin(self, max_delivery_count: int, on_expiry: bool, retry_ms: int) -> None:
        self.queue = self.house.queue(
            requires_session=True,
            max_delivery_count=max_delivery_count,
            dead_letter_on_expiry=on_expiry,
            lock_duration_ms=LOCK_MS,
            retry=RetryPolicy(first_ms=retry_ms, jitter=0.5),
        )

    @property
    def sessions(self) -> MessageSessions:
        assert self.queue.sessions is not None
        return self.queue.sessions

    # ---- what peers ask

    @rule(
        name=names,
        count=st.integers(1, 4),
        delay=st.sampled_from([0, 0, 0, 700]),
        ttl=st.sampled_from([-1, -1, 900, 3000]),
    )
    def send(self, name: str, count: int, delay: int, ttl: int) -> None:
        for _ in range(count):
            at = self.house.now + delay if delay else 0
            self.house.send(self.queue, job(), not_before=at, ttl_ms=ttl, session_id=name)
        self.serve()

    @rule(
        name=st.none() | names,
        credit=st.integers(0, 6),
        patience=st.sampled_from([0, 400, 65_000]),
        mode=st.sampled_from([ReceiveMode.PEEK_LOCK] * 4 + [ReceiveMode.RECEIVE_AND_DELETE]),
    )
    def seek(self, name: str | None, credit: int, patience: int, mode: ReceiveMode) -> None:
        if len(self.receivers) < 6:
            self.house.advance(0)  # what time has undone is so
            free = self.sessions.next_free()
            waiting = [r for r in self.receivers if r.session_id is None]
            receiver = self.house.seek(self.queue, name, patience=patience, mode=mode)
            if not receiver.closed:
                self.receivers.append(receiver)
            if name is None and free is not None and not waiting:
                assert receiver.session_id == free.session_id, "who waited longest is next"
            if receiver.session_id is not None:
                self.house.engine.set_credit(receiver, credit, draining=False)
            else:
                self.gives_up_at[receiver] = self.house.now + patience
            self.serve()

    @precondition(lambda self: self.receivers)
    @rule(data=st.data(), credit=st.integers(0, 6), drain=st.booleans())
    def give_credit(self, data: st.DataObject, credit: int, drain: bool) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        if receiver.session_id is not None:
            self.house.engine.set_credit(receiver, credit, draining=drain)
        self.serve()

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        entries = self.queue.entries
        held = {n: entries[n].delivery_count for n in receiver.held_numbers()}
        session_id = receiver.session_id
        self.receivers.remove(receiver)
        if session_id is not None:
            self.freed_at[session_id] = self.house.now
        self.house.engine.detach(receiver, self.house.now)
        for number, count in held.items():
            assert entries[number].state in (READY, DEFERRED), "what it held is free at once"
            assert entries[number].delivery_count == count, "and no attempt is counted"
        if session_id is not None and session_id in self.sessions.by_id:
            assert self.sessions.by_id[session_id].lock is None
        self.serve()

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), disposition=st.sampled_from(DISPOSITIONS))
    def settle_any(self, data: st.DataObject, disposition: Disposition) -> None:
        """Most tokens that ever were are stale."""
        receiver, token = data.draw(st.sampled_from(self.tokens))
        self.settle(receiver, token, disposition)

    @precondition(lambda self: self.queue.counts[LOCKED])
    @rule(
        data=st.data(),
        disposition=st.sampled_from([*DISPOSITIONS, ABANDON, ABANDON]),
        credit=st.integers(0, 6),
    )
    def settle_held(self, data: st.DataObject, disposition: Disposition, credit: int) -> None:
        holders = [receiver for receiver in self.receivers if receiver.held_numbers()]
        receiver = data.draw(st.sampled_from(holders))
        number = data.draw(st.sampled_from(receiver.held_numbers()))
        receiver.credit += credit
        self.settle(receiver, token_of(self.queue.entries[number]), disposition)

    def settle(self, receiver: Receiver, token: LockToken, disposition: Disposition) -> None:
        number = SequenceNumber(int.from_bytes(token[8:], "big"))
        holds = receiver in self.receivers and number in receiver.held_numbers()
        entry = self.queue.entries.get(number)
        try:
            self.house.engine.settle_tokens(self.queue, [token], disposition, self.house.now)
        except BrokerError:
            assert not holds, "the holder was refused"
            assert self.queue.entries.get(number) is entry, "a stale settle changed something"
            return
        assert holds, "one that is not the holder was not refused"
        self.serve()

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        if receiver.session_id is not None:
            fact = renew_session(
                self.queue, receiver.session_id, receiver.session_nonce, self.house.now
            )
            self.house.engine.commit(self.queue, [fact], self.house.now)

    @precondition(lambda self: self.receivers)
    @rule(data=st.data(), state=st.none() | st.binary(max_size=5))
    def set_state(self, data: st.DataObject, state: bytes | None) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        if receiver.session_id is not None:
            fact = set_session_state(
                self.queue, receiver.session_id, receiver.session_nonce, state, self.house.now
            )
            self.house.engine.commit(self.queue, [fact], self.house.now)

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def fetch_deferred(self, data: st.DataObject) -> None:
        receiver = data.draw(st.sampled_from(self.receivers))
        deferred = [
            number
            for number, entry in self.queue.entries.items()
            if entry.state == DEFERRED and entry.session_id == receiver.session_id
        ]
        if deferred:
            self.before[deferred[0]] = LOCKED  # by its number, not in order
            self.house.engine.receive_deferred(
                self.queue, deferred[:1], self.house.now, delete=False, holder=receiver
            )

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
        facts = self.queue.purge(states, 3)
        if facts:
            self.house.engine.commit(self.queue, facts, self.house.now)
        self.serve()

    @rule(ms=st.sampled_from([1, 250, 600, 1000, 5000]))
    def time_passes(self, ms: int) -> None:
        self.house.advance(ms)
        self.note()

    # ---- the snapshot, in slices while all this goes on, and restarts

    @precondition(lambda self: self.snapshot is None)
    @rule()
    def begin_a_snapshot(self) -> None:
        self.snapshot = SlicedSnapshot(self.house, slice_count=2)

    @precondition(lambda self: self.snapshot is not None)
    @rule(count=st.integers(1, 4))
    def go_on_with_the_snapshot(self, count: int) -> None:
        for _ in range(count):
            if self.snapshot is not None:
                self.slice_on(self.snapshot)

    def slice_on(self, snapshot: SlicedSnapshot) -> None:
        recovered = snapshot.next_slice()
        if recovered is None:
            return
        assert pictures(recovered, self.house.now) == pictures(
            self.house.namespace, self.house.now
        ), "snapshot and tail differ from live"
        self.snapshot = None

    @rule()
    def would_restart(self) -> None:
        """Recovery builds what is live, and then nobody holds anything."""
        recovered = replayed(self.appends())
        assert pictures(recovered, self.house.now) == pictures(
            self.house.namespace, self.house.now
        )
        again = House(namespace=recovered)
        again.clock.advance(self.house.now - again.now)
        again.engine.start(again.now)
        queue = recovered.find(self.queue.path)
        assert queue.counts[LOCKED] == 0
        assert queue.sessions is not None
        for session in queue.sessions.by_id.values():
            assert session.lock is None
            assert session.state == self.sessions.by_id[session.session_id].state

    def appends(self) -> list[tuple[Lsn, list[Fact]]]:
        journal = self.house.journal
        assert isinstance(journal, MemoryJournal)
        return journal._facts

    # ---- bookkeeping

    def serve(self) -> None:
        self.house.turn()
        self.note()

    def note(self) -> None:
        """What the receivers were told, and handed."""
        for effect in self.house.sync():
            if isinstance(effect, SessionRefused | ReceiverEnded):
                if effect.receiver in self.receivers:
                    self.receivers.remove(effect.receiver)
                if isinstance(effect, ReceiverEnded):
                    self.freed_at[effect.receiver.session_id or ""] = self.house.now
            elif isinstance(effect, SessionGranted) and effect.receiver in self.receivers:
                assert effect.receiver.session_id == effect.session_id
        known = {token for _receiver, token in self.tokens}
        for receiver in self.receivers:
            for number in receiver.held_numbers():
                token = token_of(self.queue.entries[number])
                if token not in known:
                    self.tokens.append((receiver, token))
        self.check_order()

    def check_order(self) -> None:
        """What was handed out in this step had nothing before it that could be had, or was to
        be tried again.
        """
        entries = self.queue.entries
        newest: dict[str, SequenceNumber] = {}
        for number, entry in entries.items():
            if entry.state == LOCKED and self.before.get(number) != LOCKED:
                newest[entry.session_id or ""] = number
        for number, entry in entries.items():
            last = newest.get(entry.session_id or "", SequenceNumber(0))
            if entry.state == READY or (entry.state == WAITING and entry.delivery_count):
                assert number > last, "order within a session"
        self.before = {number: entry.state for number, entry in entries.items()}

    # ---- what must be true

    @invariant()
    def a_session_has_one_holder(self) -> None:
        holders = [r.session_id for r in self.receivers if r.session_id is not None]
        assert len(holders) == len(set(holders))
        held = {s.session_id for s in self.sessions.by_id.values() if s.lock is not None}
        assert set(holders) == held
        for entry in self.queue.entries.values():
            if entry.state == LOCKED:
                assert entry.session_id in held
                assert entry.lock is self.sessions.of(entry).lock

    @invariant()
    def sessions_know_their_messages(self) -> None:
        by_session: dict[str, dict[int, set[int]]] = {}
        for number, entry in self.queue.entries.items():
            states = by_session.setdefault(entry.session_id or "", {})
            states.setdefault(entry.state, set()).add(number)
        for session_id, session in self.sessions.by_id.items():
            states = by_session.pop(session_id, {})
            everything = {n for numbers in states.values() for n in numbers}
            found = session.browse(SequenceNumber(0), 10_000)
            assert found == sorted(everything)
            assert set(session.ready.starting(SequenceNumber(0), 10_000)) == states.get(
                READY, set()
            )
            assert session.lock or session.state is not None or everything, "it is needless"
        assert by_session == {}

    @invariant()
    def the_line_is_the_free_sessions_with_work(self) -> None:
        waiting = {
            session.session_id: session.waits_since
            for session in self.sessions.by_id.values()
            if session.lock is None and session.next_number()
        }
        assert None not in waiting.values()
        for gone in set(self.freed_at) - set(self.sessions.by_id):
            del self.freed_at[gone]
        for name, place in waiting.items():
            number = self.sessions.by_id[name].next_number()
            came_at = self.queue.entries[number].enqueued_at
            assert place == (max(came_at, self.freed_at.get(name, 0)), number)
        first = self.sessions.next_free()
        if first is None:
            assert waiting == {}
        else:
            assert first.waits_since == min(place for place in waiting.values() if place)

    @invariant()
    def nobody_waits_for_what_is_free(self) -> None:
        seekers = [r for r in self.receivers if r.session_id is None]
        assert not seekers or self.sessions.next_free() is None
        for receiver in seekers:
            gives_up_at = self.gives_up_at[receiver]
            assert self.house.now <= gives_up_at, "its time was up"

    @invariant()
    def no_holder_waits_for_what_is_ready(self) -> None:
        for receiver in self.receivers:
            if receiver.session_id is not None and receiver.credit > 0:
                session = self.sessions.by_id[receiver.session_id]
                assert session.next_number() == 0

    @invariant()
    def counts_agree_with_entries(self) -> None:
        entries = self.queue.entries.values()
        for state in (READY, LOCKED, WAITING, DEFERRED):
            assert self.queue.counts[state] == sum(e.state == state for e in entries)
        states = sum(len(s.state or b"") for s in self.sessions.by_id.values())
        assert self.queue.size_bytes == sum(e.size for e in entries) + states

    @invariant()
    def deadlines_are_true(self) -> None:
        at = self.queue.next_deadline()
        for session in self.sessions.by_id.values():
            if session.lock is not None:
                assert 0 < at <= session.lock.until
        for entry in self.queue.entries.values():
            if entry.state == WAITING:
                assert 0 < at <= entry.not_before

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.would_restart()
            assert SessionId("never seen") not in self.sessions.by_id


TestSessionLife = SessionLife.TestCase
TestSessionLife.settings = settings(
    max_examples=int(os.environ.get("PEEKLOCK_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
