"""A queue's verbs one by one, at their edges."""

import pytest

from peeklock.engine.dispatch import ReceiveMode
from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
    Verdict,
)
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING
from peeklock.entities.settings import Overflow, QueueSettings, RetryPolicy
from peeklock.entities.submission import Submission
from peeklock.errors import (
    InvalidRequest,
    LockLost,
    MessageNotFound,
    MessageTooLarge,
    NotAllowed,
    QuotaExceeded,
)
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, SequenceNumber, UnixMs
from tests.support.house import House, replayed

BAD = Disposition(Verdict.DEAD_LETTER, reason="bad", description="why")


def held(house: House, queue: Queue) -> LockToken:
    """The token of the only message, sent and handed out."""
    house.send(queue)
    receiver = house.receiver(queue, 1)
    house.turn()
    (token,) = house.held(receiver)
    return token


class TestLocks:
    def test_a_lock_ends_at_its_instant_and_not_before(self) -> None:
        house = House()
        queue = house.queue(lock_duration_ms=1000)
        token = held(house, queue)
        house.clock.advance(999)
        assert queue.held_by(token, house.now) == 1
        house.clock.advance(1)
        with pytest.raises(LockLost):
            queue.held_by(token, house.now)

    def test_a_renewed_one_counts_from_the_renewal(self) -> None:
        house = House()
        queue = house.queue(lock_duration_ms=1000)
        token = held(house, queue)
        for _ in range(50):  # without a cap
            house.advance(900)
            assert house.engine.renew(queue, [token], house.now) == [house.now + 1000]
        house.advance(1000)
        with pytest.raises(LockLost):
            house.engine.renew(queue, [token], house.now)

    def test_the_holder_before_is_refused(self) -> None:
        house = House()
        queue = house.queue(lock_duration_ms=1000)
        old = held(house, queue)
        house.advance(1000)
        other = house.receiver(queue, 1)
        house.turn()
        (new,) = house.held(other) or house.held(house.engine.receivers_of(queue)[0])
        assert new != old
        with pytest.raises(LockLost):
            house.engine.settle_tokens(queue, [old], COMPLETE, house.now)
        house.engine.settle_tokens(queue, [new], COMPLETE, house.now)
        assert queue.entries == {}

    @pytest.mark.parametrize("token", [b"", b"short", bytes(16), b"\xff" * 16, bytes(17)])
    def test_what_is_no_token_holds_nothing(self, token: bytes) -> None:
        house = House()
        queue = house.queue()
        held(house, queue)
        with pytest.raises(LockLost):
            queue.held_by(LockToken(token), house.now)


class TestSettling:
    @pytest.mark.parametrize(
        ("disposition", "state", "failures"),
        [(RELEASE, READY, 0), (ABANDON, READY, 1), (DEFER, DEFERRED, 1)],
    )
    def test_what_stays_and_how_it_counts(
        self, disposition: Disposition, state: int, failures: int
    ) -> None:
        house = House()
        queue = house.queue()
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], disposition, house.now)
        entry = queue.entries[SequenceNumber(1)]
        assert (entry.state, entry.delivery_count) == (state, failures)

    def test_the_last_failure_goes_to_the_dead_letters(self) -> None:
        house = House()
        queue = house.queue(max_delivery_count=1)
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], ABANDON, house.now)
        (entry,) = house.dead_letters(queue).entries.values()
        assert entry.origin is not None
        assert entry.origin.reason == "MaxDeliveryCountExceeded"
        assert entry.origin.source == "orders"
        assert entry.delivery_count == 1, "the last one counts"
        assert queue.entries == {}

    def test_a_dead_letter_cannot_fall_deeper(self) -> None:
        house = House()
        queue = house.queue(max_delivery_count=1)
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], BAD, house.now)
        dead = house.dead_letters(queue)
        for attempt in range(1, 5):
            receiver = house.receiver(dead, 1)
            house.turn()
            (token,) = house.held(receiver)
            with pytest.raises(NotAllowed, match="no dead letters of its own"):
                house.engine.settle_tokens(dead, [token], BAD, house.now)
            assert dead.entries[SequenceNumber(1)].state == LOCKED, "it is held as before"
            house.engine.settle_tokens(dead, [token], ABANDON, house.now)
            assert dead.entries[SequenceNumber(1)].delivery_count == attempt

    def test_several_at_once_or_none(self) -> None:
        house = House()
        queue = house.queue()
        for _ in range(3):
            house.send(queue)
        receiver = house.receiver(queue, 3)
        house.turn()
        tokens = house.held(receiver)
        with pytest.raises(LockLost):
            house.engine.settle_tokens(
                queue, [*tokens, LockToken(bytes(16))], COMPLETE, house.now
            )
        assert len(queue.entries) == 3
        house.engine.settle_tokens(queue, tokens, COMPLETE, house.now)
        assert queue.entries == {}


class TestBackOff:
    def test_it_doubles_up_to_its_cap(self) -> None:
        policy = RetryPolicy(first_ms=1000, factor=2.0, cap_ms=5000)
        assert [policy.delay(n, 0.0) for n in (1, 2, 3, 4, 400)] == [
            *(1000, 2000, 4000),
            *(5000, 5000),
        ]

    def test_jitter_takes_off_its_share_at_most(self) -> None:
        policy = RetryPolicy(first_ms=1000, factor=1.0, jitter=0.25)
        assert policy.delay(1, 0.0) == 1000
        assert policy.delay(1, 0.999999) == 750

    def test_a_failure_waits_and_an_override_waits_longer(self) -> None:
        house = House()
        queue = house.queue(retry=RetryPolicy(first_ms=1000))
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], ABANDON, house.now)
        assert queue.counts[WAITING] == 1
        house.advance(999)
        assert queue.counts[WAITING] == 1
        house.receiver(queue, 1)
        house.advance(1)
        assert queue.counts[LOCKED] == 1

    def test_its_numbers_are_checked(self) -> None:
        with pytest.raises(InvalidRequest, match="retry_jitter is 2"):
            RetryPolicy(jitter=2)


class TestTime:
    def test_a_message_outlives_its_time(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue, ttl_ms=1000)
        house.advance(999)
        assert len(queue.entries) == 1
        house.advance(1)
        assert queue.entries == {}

    def test_the_shorter_time_counts(self) -> None:
        house = House()
        queue = house.queue(default_ttl_ms=500)
        house.send(queue, ttl_ms=1000)
        house.send(queue, ttl_ms=100)
        house.advance(100)
        assert set(queue.entries) == {1}
        house.advance(400)
        assert queue.entries == {}

    def test_to_the_dead_letters_where_wanted(self) -> None:
        house = House()
        queue = house.queue(default_ttl_ms=500, dead_letter_on_expiry=True)
        house.send(queue)
        house.advance(500)
        (entry,) = house.dead_letters(queue).entries.values()
        assert entry.origin is not None
        assert entry.origin.reason == "TTLExpiredException"

    def test_a_held_one_expires_when_it_comes_back(self) -> None:
        house = House()
        queue = house.queue(default_ttl_ms=500, lock_duration_ms=10_000)
        token = held(house, queue)
        house.advance(600)
        assert len(queue.entries) == 1
        house.engine.settle_tokens(queue, [token], RELEASE, house.now)
        house.advance(1)
        assert queue.entries == {}

    def test_a_scheduled_one_comes_when_it_is_due(self) -> None:
        house = House()
        queue = house.queue()
        receiver = house.receiver(queue, 5)
        house.send(queue, b"later", not_before=house.now + 1000)
        house.send(queue, b"now")
        house.turn()
        assert receiver.held_numbers() == [2]
        house.advance(1000)
        assert sorted(receiver.held_numbers()) == [1, 2]

    def test_it_is_enqueued_when_it_is_due(self) -> None:
        house = House()
        queue = house.queue(default_ttl_ms=500)
        house.send(queue, not_before=house.now + 1000)
        entry = queue.entries[SequenceNumber(1)]
        assert entry.enqueued_at == house.now + 1000
        assert entry.expires_at == house.now + 1500

    def test_a_schedule_is_cancelled_before_it_is_due_and_not_after(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue, not_before=house.now + 1000)
        house.send(queue)
        assert queue.cancel_scheduled([SequenceNumber(1)])
        with pytest.raises(MessageNotFound, match="2"):
            queue.cancel_scheduled([SequenceNumber(2)])

    def test_what_failed_and_waits_to_be_tried_again_is_no_schedule(self) -> None:
        house = House()
        queue = house.queue(retry=RetryPolicy(first_ms=1000))
        house.send(queue, not_before=house.now + 1000)
        receiver = house.receiver(queue, 1)
        house.advance(1000)
        house.engine.settle_tokens(queue, house.held(receiver), ABANDON, house.now)
        assert queue.counts[WAITING] == 1
        with pytest.raises(MessageNotFound):
            queue.cancel_scheduled([SequenceNumber(1)])


class TestOrder:
    def test_by_number(self) -> None:
        house = House()
        queue = house.queue()
        for _ in range(5):
            house.send(queue)
        assert [entry.number for entry in queue.first_ready(10)] == [1, 2, 3, 4, 5]

    def test_what_comes_back_keeps_its_place(self) -> None:
        house = House()
        queue = house.queue()
        for _ in range(5):
            house.send(queue)
        receiver = house.receiver(queue, 3)
        house.turn()
        house.engine.detach(receiver, house.now)
        assert [entry.number for entry in queue.first_ready(10)] == [1, 2, 3, 4, 5]

    def test_by_priority_where_wanted(self) -> None:
        house = House()
        queue = house.queue(priorities=True)
        for priority in (0, 9, 4, 200, 4):
            house.send(queue, priority=priority)
        assert [entry.number for entry in queue.first_ready(10)] == [2, 4, 3, 5, 1]

    def test_priority_is_nothing_else(self) -> None:
        house = House()
        queue = house.queue()
        for priority in (0, 9):
            house.send(queue, priority=priority)
        assert [entry.number for entry in queue.first_ready(10)] == [1, 2]


class TestBounds:
    def test_a_full_queue_refuses(self) -> None:
        house = House()
        queue = house.queue(max_messages=2)
        for _ in range(2):
            house.send(queue)
        with pytest.raises(QuotaExceeded, match="'orders' is full: 2 messages"):
            queue.send(Submission(Message(b"x")), house.now)

    def test_or_drops_its_oldest(self) -> None:
        house = House()
        queue = house.queue(max_messages=2, overflow=Overflow.DROP_OLDEST)
        for _ in range(4):
            house.send(queue)
        assert set(queue.entries) == {3, 4}

    def test_but_never_what_is_held(self) -> None:
        house = House()
        queue = house.queue(max_messages=2, overflow=Overflow.DROP_OLDEST)
        held(house, queue)
        house.send(queue)
        house.send(queue)
        assert set(queue.entries) == {1, 3}
        house.receiver(queue, 5)
        house.turn()
        with pytest.raises(QuotaExceeded, match="hold too many"):
            queue.send(Submission(Message(b"x")), house.now)

    def test_bytes_are_counted(self) -> None:
        house = House()
        queue = house.queue(max_bytes=10)
        house.send(queue, b"12345")
        with pytest.raises(QuotaExceeded):
            queue.send(Submission(Message(b"123456")), house.now)
        house.send(queue, b"12345")
        assert queue.size_bytes == 10

    def test_one_message_is_bounded(self) -> None:
        house = House()
        queue = house.queue(max_message_bytes=10)
        with pytest.raises(MessageTooLarge, match="11"):
            queue.send(Submission(Message(bytes(11))), house.now)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"lock_duration_ms": 1},
            {"lock_duration_ms": 10**10},
            {"max_delivery_count": 0},
            {"max_bytes": 0},
            {"max_message_bytes": 1 << 40},
            {"default_ttl_ms": -1},
        ],
        ids=str,
    )
    def test_settings_name_what_is_allowed(self, wrong: dict[str, int]) -> None:
        with pytest.raises(InvalidRequest, match="allowed is"):
            QueueSettings(**wrong)


class TestLooks:
    def test_browsing_sees_every_state_and_changes_none(self) -> None:
        house = House()
        queue = house.queue()
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], DEFER, house.now)
        house.send(queue)
        house.receiver(queue, 1)
        house.turn()
        house.send(queue, not_before=house.now + 1000)
        house.send(queue)
        states = [entry.state for entry in queue.browse(SequenceNumber(1), 10)]
        assert states == [DEFERRED, LOCKED, WAITING, READY]
        assert [e.number for e in queue.browse(SequenceNumber(3), 1)] == [3]

    def test_a_purge_leaves_what_is_held(self) -> None:
        house = House()
        queue = house.queue()
        held(house, queue)
        house.send(queue)
        house.engine.commit(queue, queue.purge((READY,), 10), house.now)
        assert set(queue.entries) == {1}

    def test_numbers_are_never_used_again(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        house.engine.commit(queue, queue.purge((READY,), 10), house.now)
        house.send(queue)
        assert set(queue.entries) == {2}

    def test_deferred_ones_are_fetched_by_number(self) -> None:
        house = House()
        queue = house.queue()
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], DEFER, house.now)
        house.receiver(queue, 5, ReceiveMode.PEEK_LOCK)
        house.turn()
        assert queue.counts[DEFERRED] == 1, "no receiver gets it by itself"
        (entry,) = house.engine.receive_deferred(
            queue, [SequenceNumber(1)], house.now, delete=False
        )
        assert entry.state == LOCKED
        with pytest.raises(MessageNotFound):
            queue.receive_deferred([SequenceNumber(1)], bytes(8), UnixMs(5))


class TestDuplicates:
    """A message-id seen within the window is taken and dropped."""

    def test_the_first_one_wins(self) -> None:
        house = House()
        queue = house.queue(duplicate_window_ms=20_000)
        house.send(queue, message_id=b"a", delivery_id=1)
        house.send(queue, message_id=b"a", delivery_id=2)
        house.send(queue, message_id=b"b", delivery_id=3)
        house.send(queue, delivery_id=4)
        house.send(queue, delivery_id=5)
        assert len(queue.entries) == 4
        assert [type(effect).__name__ for effect in house.sync()] == ["Accepted"] * 5

    def test_consuming_it_changes_nothing(self) -> None:
        house = House()
        queue = house.queue(duplicate_window_ms=20_000)
        house.send(queue, message_id=b"a")
        house.engine.commit(queue, queue.purge((READY,), 10), house.now)
        house.send(queue, message_id=b"a")
        assert queue.entries == {}
        house.advance(20_000)
        house.send(queue, message_id=b"a")
        assert len(queue.entries) == 1

    def test_it_survives_a_restart(self) -> None:
        house = House()
        queue = house.queue(duplicate_window_ms=20_000)
        house.send(queue, message_id=b"a")
        house.sync()
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        again = replayed(journal._facts).find("orders")
        assert again.send(Submission(Message(b"x"), message_id=b"a"), house.now) == []

    def test_a_batch_is_looked_at_one_by_one(self) -> None:
        house = House()
        queue = house.queue(duplicate_window_ms=20_000)
        batch = [Submission(Message(b"x"), message_id=key) for key in (b"a", b"b", b"a")]
        assert house.engine.enqueue(queue, batch, house.now) == [1, 2, 0]

    def test_numbers_are_in_the_order_of_the_messages(self) -> None:
        house = House()
        queue = house.queue(duplicate_window_ms=20_000)
        house.send(queue, message_id=b"a")
        keys = (b"a", b"b", b"", b"b", b"", b"c")
        batch = [Submission(Message(b"x"), message_id=key) for key in keys]
        assert house.engine.enqueue(queue, batch, house.now) == [0, 2, 3, 0, 4, 5]


class TestBatches:
    def test_all_or_none(self) -> None:
        house = House()
        queue = house.queue(max_messages=3)
        house.send(queue)
        with pytest.raises(QuotaExceeded):
            house.engine.enqueue(queue, [Submission(Message(b"x"))] * 3, house.now)
        assert len(queue.entries) == 1
        assert house.engine.enqueue(queue, [Submission(Message(b"x"))] * 2, house.now) == [2, 3]

    def test_the_oldest_make_room_for_all_of_it(self) -> None:
        house = House()
        queue = house.queue(max_messages=3, overflow=Overflow.DROP_OLDEST)
        for _ in range(3):
            house.send(queue)
        house.engine.enqueue(queue, [Submission(Message(b"x"))] * 2, house.now)
        assert list(queue.entries) == [3, 4, 5]


class TestSetAside:
    """A deferred message that was fetched by number goes back to where it was."""

    def test_whatever_ends_its_lock(self) -> None:
        house = House()
        queue = house.queue(max_delivery_count=2, lock_duration_ms=1000)
        token = held(house, queue)
        house.engine.settle_tokens(queue, [token], DEFER, house.now)
        number = SequenceNumber(1)
        for attempts, disposition in ((2, ABANDON), (2, RELEASE), (3, DEFER), (4, ABANDON)):
            house.engine.receive_deferred(queue, [number], house.now, delete=False)
            token = token_of(queue.entries[number])
            house.engine.settle_tokens(queue, [token], disposition, house.now)
            assert queue.entries[number].state == DEFERRED
            assert queue.entries[number].delivery_count == attempts
        house.engine.receive_deferred(queue, [number], house.now, delete=False)
        house.advance(1000)
        assert queue.entries[number].state == DEFERRED
        assert queue.entries[number].delivery_count == 5
