"""Entities that go by themselves: when nobody has used them for as long as they allow."""

import pytest

from peeklock.engine.dispatch import ReceiveMode
from peeklock.engine.effects import Refused
from peeklock.engine.transactions import Transactions
from peeklock.entities.dispositions import DEFER
from peeklock.entities.queue import Queue
from peeklock.entities.settings import RuleSettings
from peeklock.entities.submission import Submission
from peeklock.errors import InvalidRequest, NotFound
from peeklock.limits import AUTO_DELETE_ON_IDLE_MIN
from peeklock.management.operations import purge, update_queue
from peeklock.management.topics import add_rule, update_topic
from peeklock.management.ways_on import of_right
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, Millis
from tests.support.house import House, pictures, replayed

IDLE = Millis(AUTO_DELETE_ON_IDLE_MIN)


@pytest.fixture
def house() -> House:
    return House()


def is_there(house: House, path: str = "orders") -> bool:
    return house.namespace.has(path) or house.namespace.has_topic(path)


class TestQueues:
    def test_one_that_nobody_uses_goes_at_its_instant(self, house: House) -> None:
        house.queue(auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE - 1)
        assert is_there(house)
        house.advance(1)
        assert not is_there(house)
        assert not is_there(house, "orders/$DeadLetterQueue")
        assert house.engine.next_deadline() == NEVER

    def test_the_engine_says_when_to_come_back(self, house: House) -> None:
        """No polling: the only deadline is the one that counts."""
        house.queue(auto_delete_on_idle_ms=IDLE)
        house.turn()
        assert house.engine.next_deadline() == house.now + IDLE

    def test_one_that_stays_has_no_deadline(self, house: House) -> None:
        queue = house.queue()
        house.send(queue)
        house.turn()
        assert house.engine.next_deadline() == NEVER

    @pytest.mark.parametrize(
        "use", ["send", "batch", "transaction", "receive", "update", "purge", "dead letters"]
    )
    def test_a_use_puts_it_off(self, house: House, use: str) -> None:
        queue = house.queue(auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE - 1)
        USES[use](house, queue)
        house.advance(IDLE - 1)
        assert is_there(house)
        house.advance(1)
        assert not is_there(house)

    def test_one_with_a_receiver_stays_and_counts_from_its_leaving(self, house: House) -> None:
        queue = house.queue(auto_delete_on_idle_ms=IDLE)
        receiver = house.receiver(queue)
        for _ in range(5):
            house.advance(IDLE)
        house.engine.detach(receiver, house.now)
        house.advance(IDLE - 1)
        assert is_there(house)
        house.advance(IDLE)
        assert not is_there(house)

    def test_what_only_looks_at_it_keeps_it(self, house: House) -> None:
        queue = house.queue(auto_delete_on_idle_ms=IDLE)
        house.receiver(house.dead_letters(queue), 1, ReceiveMode.BROWSE)
        house.advance(3 * IDLE)
        assert is_there(house)

    def test_messages_do_not_keep_it_but_scheduled_ones_do(self, house: House) -> None:
        queue = house.queue(auto_delete_on_idle_ms=IDLE)
        house.send(queue, not_before=house.now + 3 * IDLE)
        house.advance(2 * IDLE)
        assert is_there(house)
        house.advance(IDLE)
        house.advance(2 * IDLE)
        assert not is_there(house)

    def test_time_is_no_use(self, house: House) -> None:
        queue = house.queue(auto_delete_on_idle_ms=IDLE)
        house.send(queue, ttl_ms=IDLE - 10)
        house.advance(IDLE - 5)
        assert len(queue.entries) == 0, "it has expired"
        house.advance(5)
        assert not is_there(house)

    def test_another_duration_counts_from_its_setting(self, house: House) -> None:
        house.queue(auto_delete_on_idle_ms=4 * IDLE)
        house.advance(IDLE)
        update_queue(
            house.engine, "orders", {"auto_delete_on_idle_ms": IDLE}, house.now, of_right
        )
        house.advance(IDLE - 1)
        assert is_there(house)
        update_queue(house.engine, "orders", {"auto_delete_on_idle_ms": 0}, house.now, of_right)
        house.advance(9 * IDLE)
        assert is_there(house)

    def test_who_still_sends_to_it_hears_that_it_is_gone(self, house: House) -> None:
        queue = house.queue(auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE)
        house.send(queue)
        (refused,) = [effect for effect in house.sync() if isinstance(effect, Refused)]
        assert isinstance(refused.error, NotFound)

    def test_a_forward_uses_both_ends(self, house: House) -> None:
        house.queue("audit", auto_delete_on_idle_ms=IDLE)
        source = house.queue("orders", forward_to="audit", auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE - 1)
        house.send(source)
        house.advance(IDLE - 1)
        assert is_there(house)
        assert is_there(house, "audit")

    def test_its_going_is_recorded_and_its_clock_is_not(self, house: House) -> None:
        house.queue("short", auto_delete_on_idle_ms=IDLE)
        house.queue("long", auto_delete_on_idle_ms=2 * IDLE)
        house.advance(IDLE)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        again = House(namespace=replayed(journal._facts))
        assert pictures(again.namespace, house.now) == pictures(house.namespace, house.now)
        again.clock.advance(IDLE)
        again.engine.start(again.now)
        again.advance(2 * IDLE - 1)
        assert is_there(again, "long"), "nobody could use it while the broker was down"
        again.advance(1)
        assert not is_there(again, "long")

    def test_dead_letters_do_not_go_alone(self, house: House) -> None:
        house.queue()
        with pytest.raises(InvalidRequest, match="goes with its queue"):
            update_queue(
                house.engine,
                "orders/$DeadLetterQueue",
                {"auto_delete_on_idle_ms": IDLE},
                house.now,
                of_right,
            )


def use_transaction(house: House, queue: Queue) -> None:
    transactions = Transactions(house.engine, house.peer, "link")
    txn = transactions.find(transactions.declare(house.now), house.now)
    transactions.send(txn, queue, Submission(Message(b"job")), house.now)
    transactions.discharge(txn.txn_id, 0, house.now, fail=False)


def receive_once(house: House, queue: Queue) -> None:
    house.engine.detach(house.receiver(queue), house.now)


USES = {
    "send": lambda house, queue: house.send(queue),
    "batch": lambda house, queue: house.engine.enqueue(
        queue, [Submission(Message(b"job"))], house.now
    ),
    "transaction": use_transaction,
    "receive": receive_once,
    "update": lambda house, queue: update_queue(
        house.engine, queue.path, {"max_delivery_count": 3}, house.now, of_right
    ),
    "purge": lambda house, queue: (
        house.send(queue),
        purge(house.engine, queue, "all", 10, house.now),
    ),
    "dead letters": lambda house, queue: receive_once(house, house.dead_letters(queue)),
}


class TestTopics:
    def test_one_without_subscriptions_goes(self, house: House) -> None:
        topic = house.topic(auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE - 1)
        house.send(topic)
        house.advance(IDLE - 1)
        update_topic(house.engine, "tickets", {"user_metadata": "x"}, house.now)
        house.advance(IDLE - 1)
        assert is_there(house, "tickets")
        house.advance(1)
        assert not is_there(house, "tickets")

    def test_one_with_subscriptions_stays(self, house: House) -> None:
        topic = house.topic(auto_delete_on_idle_ms=IDLE)
        erp = house.subscription(topic, "erp", auto_delete_on_idle_ms=2 * IDLE + 1)
        house.advance(IDLE)
        house.advance(IDLE)
        assert is_there(house, "tickets")
        house.advance(1)
        assert not is_there(house, erp.path)
        assert is_there(house, "tickets")
        house.advance(IDLE)
        assert not is_there(house, "tickets")

    def test_a_copy_is_no_use_of_a_subscription(self, house: House) -> None:
        """Nobody has asked for it: the topic is in use, who subscribed may be gone."""
        topic = house.topic()
        erp = house.subscription(topic, "erp", auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE - 1)
        house.send(topic)
        house.advance(1)
        assert not is_there(house, erp.path)

    def test_a_rule_is_a_use_of_it(self, house: House) -> None:
        topic = house.topic()
        erp = house.subscription(topic, "erp", auto_delete_on_idle_ms=IDLE)
        house.advance(IDLE - 1)
        add_rule(house.engine, topic.find("erp"), RuleSettings("none", "false"), house.now)
        house.advance(IDLE - 1)
        assert is_there(house, erp.path)


def test_deferred_messages_are_used_by_their_fetching(house: House) -> None:
    queue = house.queue(auto_delete_on_idle_ms=IDLE, lock_duration_ms=1000)
    house.send(queue)
    receiver = house.receiver(queue, 1)
    house.turn()
    house.engine.settle_tokens(queue, house.held(receiver), DEFER, house.now)
    house.engine.detach(receiver, house.now)
    house.advance(IDLE - 1)
    house.engine.receive_deferred(queue, [next(iter(queue.entries))], house.now, delete=False)
    house.advance(IDLE - 1)
    assert is_there(house)
