"""Message sessions: one holder, strict order, a lock, a state, and a line of the free ones."""

import pytest

from peeklock.engine.effects import ReceiverEnded, SessionGranted, SessionRefused
from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
    Verdict,
)
from peeklock.entities.facts import SessionRenewed, SessionUnlocked
from peeklock.entities.message_session import MessageSession, MessageSessions
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, LOCKED, WAITING, Numbers
from peeklock.entities.session_verbs import (
    accept_session,
    receive_deferred_in_session,
    release_session,
    renew_session,
    set_session_state,
)
from peeklock.entities.settings import QueueSettings, RetryPolicy
from peeklock.entities.submission import Submission
from peeklock.errors import (
    InvalidRequest,
    LockLost,
    MessageNotFound,
    MessageTooLarge,
    NotAllowed,
    QuotaExceeded,
    SessionCannotBeLocked,
    SessionLockLost,
    Timeout,
)
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, SequenceNumber, SessionId
from tests.support.house import House, pictures, replayed

A = SessionId("a")
NONCE = b"nonce-01"
OTHER = b"nonce-02"


def session_queue(house: House, **settings: object) -> Queue:
    return house.queue(requires_session=True, **{"lock_duration_ms": 1000, **settings})


def sessions_in(queue: Queue) -> MessageSessions:
    assert queue.sessions is not None
    return queue.sessions


def session_in(queue: Queue, name: str) -> MessageSession:
    return sessions_in(queue).by_id[SessionId(name)]


def restarted(house: House) -> House:
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    journal.sync()
    again = House(namespace=replayed(journal._facts))
    again.clock.advance(house.now - again.now)
    again.engine.start(again.now)
    return again


class TestHolding:
    def test_a_session_has_one_holder(self) -> None:
        house = House()
        queue = session_queue(house)
        house.engine.commit(queue, [accept_session(queue, A, NONCE, house.now)], house.now)
        with pytest.raises(SessionCannotBeLocked, match="'a'"):
            accept_session(queue, A, OTHER, house.now)

    def test_it_may_be_held_before_it_has_messages(self) -> None:
        house = House()
        queue = session_queue(house)
        receiver = house.seek(queue, "a", credit=5)
        assert [type(effect) for effect in house.sync()] == [SessionGranted]
        house.send(queue, session_id="a")
        house.send(queue, session_id="b")
        house.turn()
        assert receiver.held_numbers() == [1]

    def test_messages_come_in_order_by_credit_and_to_the_holder_only(self) -> None:
        house = House()
        queue = session_queue(house)
        for number in range(10):
            house.send(queue, session_id="ab"[number % 2])
        first = house.seek(queue, "a", credit=2)
        second = house.seek(queue, "b", credit=9)
        assert first.held_numbers() == [1, 3]
        assert second.held_numbers() == [2, 4, 6, 8, 10]
        house.engine.set_credit(first, 1, draining=False)
        house.turn()
        assert first.held_numbers() == [1, 3, 5]

    def test_what_fails_is_tried_again_before_what_is_behind_it(self) -> None:
        house = House()
        queue = session_queue(house)
        for _ in range(3):
            house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        house.engine.settle_tokens(queue, house.held(receiver), ABANDON, house.now)
        house.engine.set_credit(receiver, 1, draining=False)
        house.turn()
        assert receiver.held_numbers() == [1]
        assert queue.entries[SequenceNumber(1)].delivery_count == 1

    def test_a_back_off_holds_up_the_session_and_no_other(self) -> None:
        house = House()
        queue = session_queue(
            house, lock_duration_ms=60_000, retry=RetryPolicy(first_ms=500, factor=1.0)
        )
        for name in ("a", "a", "b"):
            house.send(queue, session_id=name)
        receiver = house.seek(queue, "a", credit=1)
        house.engine.settle_tokens(queue, house.held(receiver), ABANDON, house.now)
        house.engine.set_credit(receiver, 5, draining=False)
        house.advance(499)
        assert receiver.held_numbers() == []
        assert house.seek(queue, "b", credit=1).held_numbers() == [3]
        house.advance(1)
        assert receiver.held_numbers() == [1, 2]

    def test_a_purge_of_what_backs_off_lets_the_rest_through(self) -> None:
        house = House()
        queue = session_queue(house, retry=RetryPolicy(first_ms=60_000))
        for _ in range(2):
            house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        house.engine.settle_tokens(queue, house.held(receiver), ABANDON, house.now)
        house.engine.set_credit(receiver, 5, draining=False)
        house.engine.commit(queue, queue.purge((WAITING,), 9), house.now)
        house.turn()
        assert receiver.held_numbers() == [2]

    def test_what_is_scheduled_holds_up_nobody(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a", not_before=house.now + 500)
        house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=5)
        assert receiver.held_numbers() == [2]
        house.advance(500)
        assert sorted(receiver.held_numbers()) == [1, 2]

    def test_a_plain_receiver_is_refused_and_so_is_a_session_of_a_plain_queue(self) -> None:
        house = House()
        with pytest.raises(NotAllowed, match="message sessions"):
            house.receiver(session_queue(house))
        with pytest.raises(NotAllowed, match="no message sessions"):
            house.seek(house.queue("plain"))

    def test_a_message_without_a_session_is_refused(self) -> None:
        house = House()
        queue = session_queue(house)
        with pytest.raises(NotAllowed, match="group-id"):
            queue.send(Submission(Message(b"x")), house.now)
        with pytest.raises(InvalidRequest, match="129 characters"):
            queue.send(Submission(Message(b"x"), session_id=SessionId("s" * 129)), house.now)
        queue.send(Submission(Message(b"x"), session_id=SessionId("s" * 128)), house.now)

    def test_its_dead_letters_are_a_plain_queue_and_find_their_way_home(self) -> None:
        from peeklock.engine.relay import redrive

        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        bad = Disposition(Verdict.DEAD_LETTER, reason="bad")
        house.engine.settle_tokens(queue, house.held(receiver), bad, house.now)
        dead = house.dead_letters(queue)
        plain = house.receiver(dead, 1)
        house.turn()
        (number,) = plain.held_numbers()
        house.engine.settle_tokens(dead, house.held(plain), RELEASE, house.now)
        facts = redrive(house.namespace, dead, [number], house.now)
        house.engine.commit(dead, facts, house.now)
        house.engine.set_credit(receiver, 1, draining=False)
        house.turn()
        assert receiver.held_numbers() == [2]
        assert queue.entries[SequenceNumber(2)].session_id == "a"

    def test_a_dead_letter_without_a_session_keeps_no_other_from_going_home(self) -> None:
        from peeklock.management.operations import redrive_dead_letters

        house = House()
        events = house.topic("events")
        erp = house.subscription(events, "erp", requires_session=True)
        for name in (None, "a"):
            house.send(events, session_id=name)
        receiver = house.seek(erp, "a", credit=1)
        bad = Disposition(Verdict.DEAD_LETTER, reason="bad")
        house.engine.settle_tokens(erp, house.held(receiver), bad, house.now)
        dead = house.dead_letters(erp)
        assert [entry.session_id for entry in dead.entries.values()] == [None, "a"]
        with pytest.raises(NotAllowed, match="message 1 has no session"):
            redrive_dead_letters(house.engine, dead, [SequenceNumber(1)], 9, house.now)
        assert redrive_dead_letters(house.engine, dead, [], 9, house.now) == 1
        assert [entry.session_id for entry in dead.entries.values()] == [None]


class TestLocks:
    def test_it_runs_out_for_all_that_is_held_in_it(self) -> None:
        house = House()
        queue = session_queue(house)
        for _ in range(3):
            house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=2)
        tokens = house.held(receiver)
        house.sync()
        house.advance(999)
        assert receiver.held_numbers() == [1, 2]
        house.advance(1)
        (ended,) = [e for e in house.sync() if isinstance(e, ReceiverEnded)]
        assert ended.receiver is receiver
        assert isinstance(ended.error, SessionLockLost)
        assert queue.counts[LOCKED] == 0
        counts = [entry.delivery_count for entry in queue.entries.values()]
        assert counts == [1, 1, 0], "what was held counts as an attempt"
        with pytest.raises(SessionLockLost):
            house.engine.settle_tokens(queue, tokens, COMPLETE, house.now)

    def test_it_runs_out_at_its_instant_even_before_anybody_says_so(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        (token,) = house.held(receiver)
        house.clock.advance(1000)
        with pytest.raises(SessionLockLost):
            queue.held_by(token, house.now)
        with pytest.raises(SessionLockLost):
            renew_session(queue, A, receiver.session_nonce, house.now)
        other = house.seek(queue, "a", credit=1)
        assert other.held_numbers() == [1]

    def test_the_last_failure_by_running_out_goes_to_the_dead_letters(self) -> None:
        house = House()
        queue = session_queue(house, max_delivery_count=2)
        house.send(queue, session_id="a")
        for _ in range(2):
            house.seek(queue, "a", credit=1)
            house.advance(1000)
        assert queue.entries == {}
        assert len(house.dead_letters(queue).entries) == 1

    def test_renewing_the_session_renews_all_that_is_held_in_it(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        (token,) = house.held(receiver)
        for _ in range(20):
            house.advance(900)
            renewed = renew_session(queue, A, receiver.session_nonce, house.now)
            assert renewed.until == house.now + 1000
            house.engine.commit(queue, [renewed], house.now)
        house.engine.settle_tokens(queue, [token], COMPLETE, house.now)
        with pytest.raises(NotAllowed, match="by its session"):
            house.engine.renew(queue, [token], house.now)

    def test_a_message_settled_twice_is_a_lost_lock_of_its_own(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        tokens = house.held(receiver)
        house.engine.settle_tokens(queue, tokens, COMPLETE, house.now)
        with pytest.raises(LockLost) as refused:
            house.engine.settle_tokens(queue, tokens, COMPLETE, house.now)
        assert type(refused.value) is LockLost

    @pytest.mark.parametrize("token", [b"", b"short", bytes(16), b"\xff" * 16])
    def test_what_is_no_token_holds_nothing(self, token: bytes) -> None:
        house = House()
        queue = session_queue(house)
        with pytest.raises(LockLost):
            queue.held_by(LockToken(token), house.now)

    def test_leaving_frees_it_at_once_and_counts_nothing(self) -> None:
        house = House()
        queue = session_queue(house)
        for _ in range(3):
            house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=2)
        tokens = house.held(receiver)
        house.engine.detach(receiver, house.now)
        other = house.seek(queue, "a", credit=9)
        assert other.held_numbers() == [1, 2, 3]
        assert all(entry.delivery_count == 0 for entry in queue.entries.values())
        with pytest.raises(SessionLockLost):
            house.engine.settle_tokens(queue, tokens, COMPLETE, house.now)
        house.engine.detach(receiver, house.now)
        assert other.held_numbers() == [1, 2, 3], "leaving twice does nothing more"

    def test_who_lost_it_cannot_free_it_for_the_next(self) -> None:
        house = House()
        queue = session_queue(house)
        old = house.seek(queue, "a")
        house.advance(1000)
        new = house.seek(queue, "a")
        assert release_session(queue, A, old.session_nonce, house.now) == []
        (freed,) = release_session(queue, A, new.session_nonce, house.now)
        assert isinstance(freed, SessionUnlocked)


class TestSeeking:
    def test_the_next_free_one_is_who_has_waited_longest(self) -> None:
        house = House()
        queue = session_queue(house)
        for name in ("a", "b", "c"):
            house.send(queue, session_id=name)
            house.clock.advance(1)
        house.send(queue, session_id="a")
        order = [house.seek(queue).session_id for _ in range(3)]
        assert order == ["a", "b", "c"]

    def test_one_that_was_given_up_goes_to_the_end_of_the_line(self) -> None:
        house = House()
        queue = session_queue(house)
        for name in ("a", "b"):
            house.send(queue, session_id=name)
            house.clock.advance(1)
        seen = []
        for _ in range(4):
            receiver = house.seek(queue, credit=1)
            seen.append(receiver.session_id)
            house.clock.advance(1)
            house.engine.detach(receiver, house.now)
        assert seen == ["a", "b", "a", "b"]

    def test_who_finds_none_waits_for_one(self) -> None:
        house = House()
        queue = session_queue(house)
        first, second = house.seek(queue), house.seek(queue)
        assert house.sync() == []
        house.send(queue, session_id="a")
        granted = [e for e in house.sync() if isinstance(e, SessionGranted)]
        assert [(e.receiver, e.session_id) for e in granted] == [(first, "a")]
        house.engine.detach(first, house.now)
        granted = [e for e in house.sync() if isinstance(e, SessionGranted)]
        assert [(e.receiver, e.session_id) for e in granted] == [(second, "a")]

    def test_patience_ends_with_a_refusal(self) -> None:
        house = House()
        queue = session_queue(house)
        short = house.seek(queue, patience=500)
        long = house.seek(queue, patience=65_000)
        house.advance(499)
        assert house.sync() == []
        house.advance(1)
        (refused,) = house.sync()
        assert isinstance(refused, SessionRefused)
        assert refused.receiver is short
        assert isinstance(refused.error, Timeout)
        assert "500 ms" in str(refused.error)
        house.send(queue, session_id="a")
        house.turn()
        assert long.session_id == "a"
        house.engine.detach(short, house.now)

    def test_who_is_gone_gets_none(self) -> None:
        house = House()
        queue = session_queue(house)
        gone, there = house.seek(queue, patience=500), house.seek(queue)
        house.engine.detach(gone, house.now)
        house.send(queue, session_id="a")
        house.turn()
        assert (gone.session_id, there.session_id) == (None, "a")
        house.advance(600)
        assert not [e for e in house.sync() if isinstance(e, SessionRefused)]

    def test_a_held_one_is_refused_by_its_id(self) -> None:
        house = House()
        queue = session_queue(house)
        house.seek(queue, "a")
        house.sync()
        house.seek(queue, "a")
        (refused,) = house.sync()
        assert isinstance(refused, SessionRefused)
        assert isinstance(refused.error, SessionCannotBeLocked)

    def test_a_grant_waits_for_the_disk_like_all_that_is_told(self) -> None:
        house = House()
        queue = session_queue(house)
        house.journal.sync()
        house.seek(queue, "a")
        assert house.engine.take_effects() == []
        assert [type(effect) for effect in house.sync()] == [SessionGranted]

    def test_a_paused_queue_grants_when_it_goes_on(self) -> None:
        from dataclasses import replace

        house = House()
        queue = session_queue(house, dispatch=False)
        house.send(queue, session_id="a")
        receiver = house.seek(queue)
        assert receiver.session_id is None
        facts = house.namespace.update(
            "orders", replace(queue.settings, dispatch=True), house.now
        )
        house.engine.commit_registry(facts)
        house.engine.refresh(queue)
        house.turn()
        assert receiver.session_id == "a"

    def test_deleting_the_queue_ends_holders_and_seekers(self) -> None:
        house = House()
        queue = session_queue(house)
        both = {house.seek(queue, "a"), house.seek(queue)}
        house.engine.commit_registry(house.namespace.delete("orders"))
        assert {e.receiver for e in house.sync() if isinstance(e, ReceiverEnded)} == both


class TestState:
    def put(self, house: House, queue: Queue, nonce: bytes, state: bytes | None) -> None:
        fact = set_session_state(queue, A, nonce, state, house.now)
        house.engine.commit(queue, [fact], house.now)

    def test_it_outlives_messages_and_holders(self) -> None:
        house = House()
        queue = session_queue(house)
        receiver = house.seek(queue, "a")
        self.put(house, queue, receiver.session_nonce, b"page 7")
        house.engine.detach(receiver, house.now)
        again = house.seek(queue, "a")
        held = sessions_in(queue).held(A, again.session_nonce, house.now)
        assert held.state == b"page 7"
        assert queue.size_bytes == 6
        self.put(house, queue, again.session_nonce, None)
        assert queue.size_bytes == 0
        house.engine.detach(again, house.now)
        assert sessions_in(queue).by_id == {}

    def test_it_is_bounded_as_messages_are(self) -> None:
        house = House()
        queue = session_queue(house, max_message_bytes=10, max_bytes=15)
        receiver = house.seek(queue, "a")
        nonce = receiver.session_nonce
        with pytest.raises(MessageTooLarge, match="state of 11"):
            set_session_state(queue, A, nonce, bytes(11), house.now)
        house.send(queue, b"12345678", session_id="b")
        with pytest.raises(QuotaExceeded, match="state"):
            set_session_state(queue, A, nonce, bytes(8), house.now)
        self.put(house, queue, nonce, bytes(7))
        self.put(house, queue, nonce, bytes(6))
        with pytest.raises(QuotaExceeded):
            queue.send(Submission(Message(b"12"), session_id=SessionId("b")), house.now)

    def test_it_may_shrink_in_a_queue_that_is_too_full(self) -> None:
        from dataclasses import replace

        house = House()
        queue = session_queue(house)
        nonce = house.seek(queue, "a").session_nonce
        self.put(house, queue, nonce, bytes(8))
        facts = house.namespace.update(
            "orders", replace(queue.settings, max_bytes=5), house.now
        )
        house.engine.commit_registry(facts)
        self.put(house, queue, nonce, bytes(7))
        with pytest.raises(QuotaExceeded):
            set_session_state(queue, A, nonce, bytes(8), house.now)

    def test_only_the_holder_has_it(self) -> None:
        house = House()
        queue = session_queue(house)
        receiver = house.seek(queue, "a")
        with pytest.raises(SessionLockLost):
            set_session_state(queue, A, OTHER, b"x", house.now)
        with pytest.raises(SessionLockLost):
            set_session_state(queue, SessionId("b"), receiver.session_nonce, b"x", house.now)

    def test_lists(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="with a message")
        house.send(queue, session_id="scheduled", not_before=house.now + 999)
        receiver = house.seek(queue, "a")
        house.seek(queue, "only held")
        assert sessions_in(queue).with_work_or_state() == ["with a message"]
        self.put(house, queue, receiver.session_nonce, b"x")
        assert set(sessions_in(queue).with_work_or_state()) == {"with a message", "a"}
        assert sessions_in(queue).with_state_set_after(house.now) == []
        assert sessions_in(queue).with_state_set_after(house.clock.advance(-1)) == ["a"]


class TestDeferring:
    def test_only_its_holder_may_fetch_by_number(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a")
        house.send(queue, session_id="a")
        receiver = house.seek(queue, "a", credit=1)
        house.engine.settle_tokens(queue, house.held(receiver), DEFER, house.now)
        house.engine.set_credit(receiver, 1, draining=False)
        house.turn()
        assert receiver.held_numbers() == [2], "what is set aside holds up nobody"
        one = [SequenceNumber(1)]
        with pytest.raises(NotAllowed, match="which message session"):
            house.engine.receive_deferred(queue, one, house.now, delete=False)
        other = house.seek(queue, "b")
        with pytest.raises(MessageNotFound):
            house.engine.receive_deferred(queue, one, house.now, delete=False, holder=other)
        with pytest.raises(SessionLockLost):
            receive_deferred_in_session(queue, A, OTHER, one, house.now)
        (entry,) = house.engine.receive_deferred(
            queue, one, house.now, delete=False, holder=receiver
        )
        assert entry.state == LOCKED
        house.engine.detach(receiver, house.now)
        assert entry.state == DEFERRED, "it goes back to where it is fetched by number"


class TestMemory:
    def test_what_has_nothing_is_forgotten(self) -> None:
        house = House()
        queue = session_queue(house)
        for number in range(200):
            house.send(queue, session_id=f"s{number}")
        for _ in range(200):
            receiver = house.seek(queue, credit=1)
            house.engine.settle_tokens(queue, house.held(receiver), COMPLETE, house.now)
            house.engine.detach(receiver, house.now)
        sessions = sessions_in(queue)
        assert sessions.by_id == {}
        assert sessions._by_nonce == {}
        assert (sessions._line, sessions._ends) == ([], [])
        line = house.engine._lines[queue.queue_id].session_line
        assert line is not None
        assert line.receivers() == []

    def test_seekers_that_give_up_leave_nothing(self) -> None:
        house = House()
        queue = session_queue(house)
        house.seek(queue, patience=1_000_000)
        for _ in range(500):
            house.engine.detach(house.seek(queue, patience=2_000_000), house.now)
        line = house.engine._lines[queue.queue_id].session_line
        assert line is not None
        assert len(line._late) < 100

    def test_renewals_leave_nothing(self) -> None:
        house = House()
        queue = session_queue(house, lock_duration_ms=1_000_000)
        receivers = [house.seek(queue, f"s{number}") for number in range(3)]
        for receiver in receivers[1:] * 500:
            house.clock.advance(1)
            assert receiver.session_id is not None
            renewed = renew_session(
                queue, receiver.session_id, receiver.session_nonce, house.now
            )
            assert isinstance(renewed, SessionRenewed)
            house.engine.commit(queue, [renewed], house.now)
        assert len(sessions_in(queue)._ends) < 100


class TestRestart:
    def test_state_and_order_survive_and_nobody_holds_anything(self) -> None:
        house = House()
        queue = session_queue(house)
        for name in ("a", "b", "c"):
            house.send(queue, session_id=name)
            house.clock.advance(1)
        for name in ("a", "b"):
            house.engine.detach(house.seek(queue, name), house.clock.advance(1))
        holder = house.seek(queue, "c", credit=1)
        fact = set_session_state(queue, SessionId("c"), holder.session_nonce, b"x", house.now)
        house.engine.commit(queue, [fact], house.now)
        again = restarted(house)
        queue = again.namespace.find("orders")
        assert session_in(queue, "c").state == b"x"
        assert session_in(queue, "c").lock is None
        assert queue.entries[SequenceNumber(3)].delivery_count == 1, "it was held"
        order = [again.seek(queue).session_id for _ in range(3)]
        assert order == ["c", "a", "b"]

    def test_an_empty_session_with_a_lock_is_forgotten(self) -> None:
        house = House()
        queue = session_queue(house)
        house.seek(queue, "a")
        again = restarted(house)
        assert sessions_in(again.namespace.find("orders")).by_id == {}

    def test_replay_is_live(self) -> None:
        house = House()
        queue = session_queue(house)
        house.send(queue, session_id="a")
        house.seek(queue, "a", credit=1)
        house.seek(queue, "b")
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        assert pictures(replayed(journal._facts), house.now) == pictures(
            house.namespace, house.now
        )

    def test_facts_for_a_queue_whose_settings_were_lost_say_nothing(self) -> None:
        house = House()
        queue = house.queue("plain")
        queue.apply(SessionUnlocked(queue.queue_id, A, house.now))
        assert queue.sessions is None


class TestNumbers:
    def test_what_comes_back_goes_to_its_place(self) -> None:
        numbers = Numbers()
        for number in (1, 2, 3, 7, 9):
            numbers.add(SequenceNumber(number))
        for number in (1, 2, 3):
            numbers.remove(SequenceNumber(number))
        for number in (3, 8, 1):
            numbers.add(SequenceNumber(number))
        assert numbers.starting(SequenceNumber(0), 9) == [1, 3, 7, 8, 9]
        assert numbers.starting(SequenceNumber(4), 2) == [7, 8]
        assert (len(numbers), numbers.first()) == (5, 1)
        numbers.remove(SequenceNumber(5))
        assert len(numbers) == 5

    def test_its_gap_is_closed_now_and_then(self) -> None:
        numbers = Numbers()
        for number in range(1, 1001):
            numbers.add(SequenceNumber(number))
        for number in range(1, 1000):
            numbers.remove(SequenceNumber(number))
        assert len(numbers._numbers) < 200
        assert numbers.first() == 1000


def test_sessions_are_fixed_and_go_with_neither_priorities_nor_forwarding() -> None:
    from dataclasses import replace

    house = House()
    queue = house.queue()
    with pytest.raises(InvalidRequest, match="requires_session is fixed"):
        house.namespace.update(
            "orders", replace(queue.settings, requires_session=True), house.now
        )
    for other in ({"priorities": True}, {"forward_to": "x"}):
        with pytest.raises(InvalidRequest, match="neither with forward_to nor"):
            QueueSettings(requires_session=True, **other)  # type: ignore[arg-type]


def test_deferred_ones_stay_so_when_their_session_ends() -> None:
    house = House()
    queue = session_queue(house)
    house.send(queue, session_id="a")
    receiver = house.seek(queue, "a", credit=1)
    house.engine.settle_tokens(queue, house.held(receiver), DEFER, house.now)
    house.engine.detach(receiver, house.now)
    assert queue.counts[DEFERRED] == 1
    assert sessions_in(queue).next_free() is None
