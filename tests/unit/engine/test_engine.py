"""The engine: what is told when, to whom, and in which shares."""

import pytest

from peeklock.engine.dispatch import ReceiveMode, Waiting
from peeklock.engine.effects import (
    Accepted,
    Deliver,
    Drained,
    ReceiverEnded,
    Refused,
    Settled,
    SettleRefused,
)
from peeklock.entities.dispositions import COMPLETE
from peeklock.entities.queue_index import LOCKED, READY
from peeklock.errors import AlreadyExists, BrokerError, InvalidRequest, NotFound
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, Lsn
from tests.support.house import House, empty_namespace, replayed


class TestDurability:
    """Nothing is told that a crash could contradict (ADR 0003, 0011)."""

    def test_accepted_waits_for_the_sync(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue, delivery_id=7)
        house.turn()
        assert house.engine.take_effects() == []
        effects = house.sync()
        assert [type(effect) for effect in effects] == [Accepted]

    def test_a_delivery_waits_for_its_message(self) -> None:
        house = House()
        queue = house.queue()
        house.receiver(queue, 1)
        house.send(queue)
        house.turn()
        assert house.engine.take_effects() == []
        assert {type(effect) for effect in house.sync()} == {Accepted, Deliver}

    def test_a_refusal_waits_for_what_it_rests_on(self) -> None:
        house = House()
        queue = house.queue(max_messages=1)
        house.journal.sync()
        house.send(queue, delivery_id=1)
        house.send(queue, delivery_id=2)
        assert house.engine.take_effects() == []
        assert [type(effect) for effect in house.sync()] == [Accepted, Refused]

    def test_a_settlement_is_confirmed_when_it_is_durable(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        receiver = house.receiver(queue, 1)
        house.sync()
        token = house.held(receiver)[0]
        for expected in (Settled, SettleRefused):
            house.engine.settle(
                receiver, 0, [token], COMPLETE, "state", house.now, settled=False
            )
            if expected is Settled:
                assert house.engine.take_effects() == []
            assert [type(effect) for effect in house.sync()] == [expected]

    def test_a_run_with_a_lost_one_is_answered_in_stretches(self) -> None:
        house = House()
        queue = house.queue()
        for _ in range(5):
            house.send(queue)
        receiver = house.receiver(queue, 5)
        house.sync()
        tokens = house.held(receiver)
        tokens[2] = LockToken(bytes(16))
        house.engine.settle(receiver, 10, tokens, COMPLETE, "state", house.now, settled=False)
        told = [
            (type(effect).__name__, getattr(effect, "first_delivery_id", None))
            for effect in house.sync()
            if isinstance(effect, Settled | SettleRefused)
        ]
        assert [name for name, _first in told] == ["Settled", "SettleRefused", "Settled"]
        assert [first for _name, first in told if first is not None] == [10, 13]

    def test_the_unsynced_end_may_be_lost_and_nothing_else(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        house.sync()
        house.send(queue)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        safe = [(end, facts) for end, facts in journal._facts if end <= journal.durable]
        assert set(replayed(safe).find("orders").entries) == {1}


class TestFairness:
    def test_receivers_share_what_is_ready(self) -> None:
        house = House()
        queue = house.queue()
        for _ in range(90):
            house.send(queue)
        receivers = [house.receiver(queue) for _ in range(3)]
        for receiver in receivers:
            house.engine.set_credit(receiver, 1000, draining=False)
        house.turn()
        assert [len(receiver.held_numbers()) for receiver in receivers] == [30, 30, 30]

    def test_a_small_credit_does_not_wait_behind_a_large_one(self) -> None:
        house = House()
        queue = house.queue()
        large = house.receiver(queue, 1000)
        small = house.receiver(queue, 1)
        for _ in range(10):
            house.send(queue)
        house.turn()
        assert len(small.held_numbers()) == 1
        assert len(large.held_numbers()) == 9

    def test_a_blocked_one_is_passed_over_until_it_is_not(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        receiver = house.receiver(queue)
        house.engine.set_blocked(receiver, True)
        house.engine.set_credit(receiver, 5, draining=False)
        house.turn()
        assert receiver.why_waiting() is Waiting.SLOW_PEER
        assert queue.counts[READY] == 1
        house.engine.set_blocked(receiver, False)
        house.turn()
        assert queue.counts[LOCKED] == 1

    def test_one_that_waits_can_say_why(self) -> None:
        house = House()
        queue = house.queue()
        receiver = house.receiver(queue)
        assert receiver.why_waiting() is Waiting.NO_CREDIT
        house.engine.set_credit(receiver, 1, draining=False)
        assert receiver.why_waiting() is Waiting.CAUGHT_UP


class TestModes:
    def test_drain_is_answered_after_what_is_there(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        receiver = house.receiver(queue)
        house.engine.set_credit(receiver, 5, draining=True)
        kinds = [type(effect) for effect in house.sync()]
        assert kinds.index(Deliver) < kinds.index(Drained)
        assert receiver.credit == 0

    def test_receive_and_delete_is_gone_before_it_is_sent(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        house.receiver(queue, 1, ReceiveMode.RECEIVE_AND_DELETE)
        house.turn()
        assert queue.entries == {}
        assert house.engine.take_effects() == []
        assert Deliver in [type(effect) for effect in house.sync()]

    def test_a_browser_sees_each_once(self) -> None:
        house = House()
        queue = house.queue()
        for _ in range(3):
            house.send(queue)
        house.receiver(queue, 10, ReceiveMode.BROWSE)
        seen = [
            entry.number
            for effect in house.sync()
            if isinstance(effect, Deliver)
            for entry in effect.entries
        ]
        assert seen == [1, 2, 3]
        assert queue.counts[READY] == 3

    def test_a_paused_queue_hands_out_nothing(self) -> None:
        house = House()
        queue = house.queue(dispatch=False)
        house.send(queue)
        receiver = house.receiver(queue, 1)
        house.turn()
        assert receiver.why_waiting() is Waiting.PAUSED
        assert queue.counts[READY] == 1


class TestEnding:
    @pytest.mark.parametrize("keeps", [1, 3])
    def test_all_that_a_receiver_holds_is_free_when_it_goes(self, keeps: int) -> None:
        """However much it was handed before, and settled: here, one message at a time."""
        for count in (3, 63, 64, 65, 66, 128, 300):
            house = House()
            queue = house.queue()
            receiver = house.receiver(queue, count)
            for number in range(1, count + 1):
                house.send(queue)
                house.sync()
                if number % keeps:  # it keeps each third, or each
                    (token, *_others) = house.held(receiver)
                    house.engine.settle_tokens(queue, [token], COMPLETE, house.now)
            assert queue.counts[LOCKED] == len(queue.entries) > 0
            house.engine.detach(receiver, house.now)
            assert queue.counts[LOCKED] == 0
            assert queue.counts[READY] == len(queue.entries)

    def test_deleting_a_queue_ends_its_receivers(self) -> None:
        house = House()
        queue = house.queue()
        receiver = house.receiver(queue, 1)
        house.send(queue)
        house.turn()
        house.engine.commit_registry(house.namespace.delete("orders"))
        (ended,) = [e for e in house.sync() if isinstance(e, ReceiverEnded)]
        assert ended.receiver is receiver
        house.engine.detach(receiver, house.now)  # says nothing more

    def test_a_draining_broker_takes_nothing_and_lets_settle(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        receiver = house.receiver(queue, 5)
        house.sync()
        house.engine.draining = True
        house.send(queue)
        assert Refused in [type(effect) for effect in house.sync()]
        house.engine.settle_tokens(queue, house.held(receiver), COMPLETE, house.now)
        assert not house.engine.is_held()

    def test_after_a_crash_every_lock_is_an_attempt(self) -> None:
        house = House()
        queue = house.queue()
        house.send(queue)
        house.receiver(queue, 1)
        house.sync()
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        again = House(namespace=replayed(journal._facts))
        again.engine.start(again.now)
        (entry,) = again.namespace.find("orders").entries.values()
        assert (entry.state, entry.delivery_count) == (READY, 1)

    def test_a_temporary_queue_does_not_survive(self) -> None:
        house = House()
        house.queue("reply", temporary=True)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        again = House(namespace=replayed(journal._facts))
        again.engine.start(again.now)
        assert not again.namespace.has("reply")


class TestNamespace:
    def test_names_are_found_in_any_case(self) -> None:
        house = House()
        queue = house.queue("Orders/Berlin")
        assert house.namespace.find("orders/BERLIN") is queue
        assert queue.path == "Orders/Berlin"

    def test_one_name_once(self) -> None:
        house = House()
        house.queue("orders")
        with pytest.raises(AlreadyExists, match="ORDERS"):
            house.queue("ORDERS")

    @pytest.mark.parametrize(
        "name", ["", "/", "a" * 261, "a\0b", "$management", "x/$DeadLetterQueue", " "]
    )
    def test_what_is_no_name(self, name: str) -> None:
        with pytest.raises(InvalidRequest):
            empty_namespace().create(name, House().queue().settings, House().now)

    def test_dead_letters_go_with_their_queue(self) -> None:
        house = House()
        queue = house.queue()
        with pytest.raises(InvalidRequest):
            house.namespace.delete("orders/$DeadLetterQueue")
        house.engine.commit_registry(house.namespace.delete("orders"))
        with pytest.raises(NotFound, match="orders"):
            house.namespace.find("orders/$DeadLetterQueue")
        assert queue.queue_id not in house.namespace.by_id

    def test_ids_are_never_used_again(self) -> None:
        house = House()
        first = house.queue()
        house.engine.commit_registry(house.namespace.delete("orders"))
        assert house.queue().queue_id > first.queue_id

    def test_what_orders_messages_is_fixed(self) -> None:
        house = House()
        queue = house.queue()
        from dataclasses import replace

        with pytest.raises(BrokerError, match="priorities"):
            house.namespace.update(
                "orders", replace(queue.settings, priorities=True), house.now
            )


def test_the_outbox_keeps_its_order() -> None:
    house = House()
    queue = house.queue()
    for delivery_id in range(20):
        house.send(queue, delivery_id=delivery_id)
        if delivery_id % 3 == 0:
            house.journal.sync()
    ids = [e.delivery_id for e in house.sync() if isinstance(e, Accepted)]
    assert ids == list(range(20))
    assert house.journal.durable == house.journal.end > Lsn(0)


def test_no_delivery_overtakes_an_earlier_one_to_the_same_receiver() -> None:
    """What the first one waits for may be durable before anybody has let it out."""
    house = House()
    queue = house.queue()
    receiver = house.receiver(queue, 1)
    house.sync()
    house.send(queue)
    house.turn()
    house.send(queue)
    house.journal.sync()
    house.engine.set_credit(receiver, 1, draining=False)
    house.turn()
    told = [e for e in house.engine.take_effects() if isinstance(e, Deliver)]
    assert [entry.number for effect in told for entry in effect.entries] == [1, 2]
