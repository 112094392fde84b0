"""When an entity was made, changed and used last."""

from collections.abc import Callable

import pytest

from peeklock.engine.capture import definitions
from peeklock.engine.dispatch import ReceiveMode
from peeklock.engine.engine import Engine
from peeklock.engine.transactions import Transactions
from peeklock.entities.dispositions import COMPLETE
from peeklock.entities.queue import Queue
from peeklock.entities.settings import RuleSettings
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.management.operations import set_dispatch, update_queue
from peeklock.management.topics import add_rule, update_topic
from peeklock.management.ways_on import of_right
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import Lsn
from tests.support.house import House, pictures, replayed


@pytest.fixture
def house() -> House:
    return House()


class TestUpdated:
    def test_as_long_as_nobody_has_it_is_when_it_was_made(self, house: House) -> None:
        queue, topic = house.queue(), house.topic()
        house.advance(5)
        house.send(queue)
        house.send(topic)
        house.turn()
        assert queue.updated_at == queue.created_at
        assert topic.updated_at == topic.created_at

    def test_other_settings_count_and_rules_do_not(self, house: House) -> None:
        queue, topic = house.queue(), house.topic()
        erp = house.subscription(topic, "erp")
        made = house.now
        house.advance(5)
        update_queue(house.engine, "orders", {"max_delivery_count": 3}, house.now, of_right)
        update_topic(house.engine, "tickets", {"user_metadata": "ours"}, house.now)
        add_rule(house.engine, topic.find("erp"), RuleSettings("r"), house.now)
        assert (queue.updated_at, topic.updated_at) == (made + 5, made + 5)
        assert (queue.created_at, topic.created_at, erp.updated_at) == (made, made, made)
        set_dispatch(house.engine, erp, house.now, dispatch=False)
        assert erp.updated_at == made + 5

    def test_it_is_recorded(self, house: House) -> None:
        """In the journal, and in a snapshot."""
        house.queue()
        house.subscription(house.topic(), "erp")
        house.advance(5)
        for name in ("orders", "tickets/Subscriptions/erp"):
            update_queue(house.engine, name, {"max_delivery_count": 3}, house.now, of_right)
        update_topic(house.engine, "tickets", {"user_metadata": "ours"}, house.now)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        journal.sync()
        expected = pictures(house.namespace, house.now)
        assert {one["updated_at"] for one in expected} == {house.now, house.now - 5}
        assert pictures(replayed(journal._facts), house.now) == expected
        snapshot = [(Lsn(1), definitions(house.namespace))]
        assert pictures(replayed(snapshot), house.now) == expected


def receive(house: House, queue: Queue, mode: ReceiveMode = ReceiveMode.PEEK_LOCK) -> None:
    receiver = house.receiver(queue, credit=1, mode=mode)
    house.turn()
    assert receiver.credit == 0


def in_transaction(house: House, entity: Queue | Topic) -> None:
    transactions = Transactions(house.engine, house.peer, "link")
    txn = transactions.find(transactions.declare(house.now), house.now)
    transactions.send(txn, entity, Submission(Message(b"job")), house.now)
    transactions.discharge(txn.txn_id, 0, house.now, fail=False)


USES: dict[str, Callable[[House, Queue], None]] = {
    "send": lambda house, queue: house.send(queue),
    "transaction": in_transaction,
    "receive": receive,
    "receive and delete": lambda house, queue: receive(
        house, queue, ReceiveMode.RECEIVE_AND_DELETE
    ),
}


class TestAccessed:
    def test_at_first_it_is_when_it_was_made(self, house: House) -> None:
        queue, topic = house.queue(), house.topic()
        house.advance(5)
        for entity in (queue, topic):
            assert house.engine.accessed_at(entity) == entity.created_at

    @pytest.mark.parametrize("use", USES)
    def test_a_use_counts(self, house: House, use: str) -> None:
        queue = house.queue()
        house.send(queue)
        house.advance(5)
        USES[use](house, queue)
        house.turn()
        assert house.engine.accessed_at(queue) == house.now

    def test_looking_and_time_do_not(self, house: House) -> None:
        queue = house.queue(lock_duration_ms=100)
        house.send(queue)
        receive(house, queue)
        used = house.now
        house.advance(200)  # its lock runs out
        receive(house, queue, ReceiveMode.BROWSE)
        assert house.engine.accessed_at(queue) == used

    def test_settling_through_the_node_does(self, house: House) -> None:
        queue = house.queue()
        house.send(queue)
        receiver = house.receiver(queue, credit=1)
        house.turn()
        house.advance(5)
        house.engine.settle_tokens(queue, house.held(receiver), COMPLETE, house.now)
        assert house.engine.accessed_at(queue) == house.now

    def test_of_a_topic_and_its_subscriptions(self, house: House) -> None:
        topic = house.topic()
        erp = house.subscription(topic, "erp")
        idle = house.subscription(topic, "idle", RuleSettings("none", "false"))
        made = house.now
        house.advance(5)
        house.send(topic)
        house.turn()
        engine = house.engine
        found = [engine.accessed_at(one) for one in (topic, erp, idle)]
        assert found == [made + 5, made + 5, made]
        house.advance(5)
        receive(house, erp)
        assert [engine.accessed_at(one) for one in (topic, erp)] == [made + 5, made + 10]
        house.advance(5)
        in_transaction(house, topic)
        assert engine.accessed_at(topic) == made + 15

    def test_after_a_start_it_is_the_start(self, house: House) -> None:
        """Nothing of it is recorded; nobody has used anything since."""
        house.queue()
        house.subscription(house.topic(), "erp")
        house.send(house.namespace.find("orders"))
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        journal.sync()
        namespace = replayed(journal._facts)
        house.advance(5)
        engine = Engine(MemoryJournal(), namespace, house.ids)
        engine.start(house.now)
        for entity in (*namespace.by_id.values(), *namespace.topics()):
            assert engine.accessed_at(entity) == house.now
