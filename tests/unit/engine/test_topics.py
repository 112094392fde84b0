"""What is sent to a topic: who gets a copy, as one append, and what refuses it."""

import pytest

from peeklock.engine.effects import Accepted, Deliver, Refused
from peeklock.entities.facts import Enqueued, Numbered
from peeklock.entities.queue import Queue
from peeklock.entities.settings import Overflow, RuleSettings, Status
from peeklock.entities.topic import Topic
from peeklock.errors import MessageNotFound
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import SessionId
from tests.support.house import House, pictures, replayed

NOTHING = RuleSettings("nothing", "false")


def refusal_of(house: House) -> str:
    """Why the one message was refused."""
    (refused,) = [e for e in house.sync() if isinstance(e, Refused)]
    return f"{type(refused.error).__name__}: {refused.error}"


def bodies(queue: Queue) -> list[bytes]:
    return [entry.message.bare for entry in queue.entries.values() if entry.message]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def tickets(house: House) -> Topic:
    return house.topic()


class TestFanOut:
    def test_each_subscription_has_a_copy_and_its_own_numbers(
        self, house: House, tickets: Topic
    ) -> None:
        erp = house.subscription(tickets, "erp")
        house.send(tickets, b"one")
        gate = house.subscription(tickets, "gate")
        house.send(tickets, b"two")
        assert bodies(erp) == [b"one", b"two"]
        assert bodies(gate) == [b"two"]
        (copy,) = gate.entries.values()
        assert (copy.number, copy.source_number) == (1, 2)

    def test_the_bytes_are_there_once(self, house: House, tickets: Topic) -> None:
        for name in ("erp", "gate", "audit"):
            house.subscription(tickets, name)
        house.send(tickets, b"one")
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        _end, facts = journal._facts[-1]
        first, second, third, numbered = facts
        assert isinstance(first, Enqueued)
        assert first.shares is None
        for other in (second, third):
            assert isinstance(other, Enqueued)
            assert other.shares is first
            assert other.message is first.message
        assert isinstance(numbered, Numbered)

    def test_accepted_comes_once_and_after_the_sync(self, house: House, tickets: Topic) -> None:
        for name in ("erp", "gate"):
            house.receiver(house.subscription(tickets, name), 1)
        house.sync()
        house.send(tickets, delivery_id=7)
        house.turn()
        assert house.engine.take_effects() == []
        kinds = [type(effect) for effect in house.sync()]
        assert sorted(kinds, key=str) == [Accepted, Deliver, Deliver]

    def test_what_nobody_takes_is_accepted_and_gone(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(tickets, "erp", NOTHING)
        end = house.journal.end
        house.send(tickets)
        assert house.journal.end == end
        assert [type(effect) for effect in house.sync()] == [Accepted]
        assert erp.entries == {}
        assert tickets.next_number == 1

    def test_two_rules_that_take_it_make_one_copy(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(
            tickets, "erp", RuleSettings("one"), RuleSettings("two"), NOTHING
        )
        house.send(tickets)
        assert len(erp.entries) == 1

    def test_rules_hold_for_what_comes_later(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(tickets, "erp")
        subscription = tickets.find("erp")
        house.send(tickets, b"one")
        house.engine.commit_registry(subscription.remove_rule("$Default"))
        house.send(tickets, b"two")
        house.engine.commit_registry(subscription.add_rule(RuleSettings("all"), house.now))
        house.send(tickets, b"three")
        assert bodies(erp) == [b"one", b"three"]

    def test_replay_builds_the_same(self, house: House, tickets: Topic) -> None:
        for name in ("erp", "gate"):
            house.subscription(tickets, name)
        for _ in range(3):
            house.send(tickets)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        journal.sync()
        again = replayed(journal._facts)
        assert pictures(again, house.now) == pictures(house.namespace, house.now)
        assert again.find_topic("tickets").next_number == tickets.next_number == 4


class TestDuplicates:
    def test_are_dropped_by_the_topic_for_all(self, house: House) -> None:
        tickets = house.topic(duplicate_window_ms=20_000)
        erp = house.subscription(tickets, "erp")
        house.send(tickets, message_id=b"a")
        house.send(tickets, message_id=b"a")
        assert len(erp.entries) == 1
        house.advance(20_000)
        house.send(tickets, message_id=b"a")
        assert len(erp.entries) == 2

    def test_also_of_what_nobody_took(self, house: House) -> None:
        tickets = house.topic(duplicate_window_ms=20_000)
        house.send(tickets, message_id=b"a")
        erp = house.subscription(tickets, "erp")
        house.send(tickets, message_id=b"a")
        assert erp.entries == {}


class TestRefusals:
    def test_a_full_subscription_refuses_the_message_for_all(
        self, house: House, tickets: Topic
    ) -> None:
        erp = house.subscription(tickets, "erp")
        house.subscription(tickets, "gate", max_messages=1)
        house.send(tickets)
        house.sync()
        house.send(tickets)
        assert refusal_of(house).startswith("QuotaExceeded: queue 'tickets/Subscriptions/gate'")
        assert len(erp.entries) == 1
        assert tickets.next_number == 2

    def test_one_that_drops_its_oldest_does_not(self, house: House, tickets: Topic) -> None:
        gate = house.subscription(
            tickets, "gate", max_messages=1, overflow=Overflow.DROP_OLDEST
        )
        house.send(tickets, b"old")
        house.send(tickets, b"new")
        assert bodies(gate) == [b"new"]

    def test_a_full_topic(self, house: House) -> None:
        tickets = house.topic(max_bytes=10)
        erp = house.subscription(tickets, "erp")
        house.subscription(tickets, "gate")
        house.send(tickets, bytes(5))
        house.sync()
        house.send(tickets, bytes(5))
        assert "its subscriptions hold 10 bytes" in refusal_of(house)
        house.engine.commit(erp, erp.purge((0,), 1), house.now)
        house.send(tickets, bytes(2))
        assert len(erp.entries) == 1

    def test_too_large_a_message(self, house: House) -> None:
        tickets = house.topic(max_message_bytes=3)
        house.send(tickets, b"four")
        assert refusal_of(house).startswith("MessageTooLarge")

    @pytest.mark.parametrize("status", [Status.DISABLED, Status.SEND_DISABLED])
    def test_a_disabled_topic(self, house: House, status: Status) -> None:
        house.send(house.topic(status=status))
        assert refusal_of(house).startswith("EntityDisabled: 'tickets' is")

    def test_a_topic_that_is_gone(self, house: House, tickets: Topic) -> None:
        house.engine.commit_registry(house.namespace.delete_topic("tickets"))
        house.send(tickets)
        assert refusal_of(house).startswith("NotFound")

    def test_a_queue_that_is_gone(self, house: House) -> None:
        orders = house.queue()
        house.engine.commit_registry(house.namespace.delete("orders"))
        house.send(orders)
        assert refusal_of(house).startswith("NotFound")

    def test_a_disabled_subscription_takes_nothing(self, house: House, tickets: Topic) -> None:
        off = house.subscription(tickets, "off", status=Status.DISABLED)
        erp = house.subscription(tickets, "erp")
        house.send(tickets)
        assert (len(off.entries), len(erp.entries)) == (0, 1)


class TestTime:
    @pytest.mark.parametrize(
        ("message", "topic", "subscription", "lives"),
        [
            (-1, 0, 0, 0),
            (50, 0, 0, 50),
            (50, 40, 0, 40),
            (50, 40, 30, 30),
            (-1, 40, 50, 40),
            (20, 40, 30, 20),
        ],
    )
    def test_the_shortest_time_to_live_counts(
        self, message: int, topic: int, subscription: int, lives: int
    ) -> None:
        house = House()
        tickets = house.topic(default_ttl_ms=topic)
        erp = house.subscription(tickets, "erp", default_ttl_ms=subscription)
        house.send(tickets, ttl_ms=message)
        (entry,) = erp.entries.values()
        assert entry.expires_at == (house.now + lives if lives else 0)

    def test_scheduled_copies_come_when_due_or_are_cancelled_together(
        self, house: House, tickets: Topic
    ) -> None:
        erp = house.subscription(tickets, "erp")
        gate = house.subscription(tickets, "gate")
        due = house.now + 1000
        house.send(tickets, b"one", not_before=due)
        house.send(tickets, b"two", not_before=due)
        numbers = [entry.source_number for entry in erp.entries.values()]
        house.engine.unpublish(tickets, numbers[:1])
        assert bodies(erp) == bodies(gate) == [b"two"]
        house.advance(1000)
        assert len(erp.first_ready(10)) == 1
        with pytest.raises(MessageNotFound, match="scheduled message 2"):
            house.engine.unpublish(tickets, numbers[1:])

    def test_scheduling_numbers_also_what_nobody_takes(
        self, house: House, tickets: Topic
    ) -> None:
        from peeklock.entities.submission import Submission
        from peeklock.message import Message

        some = [Submission(Message(b"a")), Submission(Message(b"b"))]
        assert house.engine.publish(tickets, some, house.now) == [1, 2]
        assert house.engine.publish(tickets, some[:1], house.now) == [3]

    def test_a_duplicate_has_no_number(self, house: House) -> None:
        from peeklock.entities.submission import Submission
        from peeklock.message import Message

        topic = house.topic("once", duplicate_window_ms=20_000)
        some = [Submission(Message(b"a"), message_id=key) for key in (b"a", b"a", b"b")]
        assert house.engine.publish(topic, some, house.now) == [1, 0, 2]
        assert house.engine.publish(topic, some[:1], house.now) == [0]


class TestSessions:
    def test_without_a_session_id_it_is_a_dead_letter_there(
        self, house: House, tickets: Topic
    ) -> None:
        erp = house.subscription(tickets, "erp", requires_session=True)
        plain = house.subscription(tickets, "plain")
        house.send(tickets, b"one")
        house.send(tickets, b"two", session_id=SessionId("s"))
        assert bodies(erp) == [b"two"]
        assert [entry.session_id for entry in erp.entries.values()] == ["s"]
        assert [entry.session_id for entry in plain.entries.values()] == [None, None]
        (dead,) = house.dead_letters(erp).entries.values()
        assert dead.origin is not None
        assert dead.origin.reason == "Session ID is null."
        assert dead.origin.source == "tickets/Subscriptions/erp"
        assert bodies(plain) == [b"one", b"two"]
