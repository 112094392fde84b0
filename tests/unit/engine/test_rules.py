"""What rules take, what their actions change, and what becomes of a rule that fails."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from peeklock.entities.facts import Enqueued
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.settings import RuleSettings, Scalar
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import AlreadyExists, InvalidFilter, InvalidRequest
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Properties,
    encode_bare,
    read_application_properties,
    read_properties,
)
from peeklock.protocols.amqp10.values import AmqpValue, Described, Symbol, Timestamp
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, SessionId
from tests.support.house import House, pictures, replayed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp()) * 1000
NOON_TICKS = (NOON - datetime.min.replace(tzinfo=UTC)) // timedelta(microseconds=1) * 10


def sql(name: str, expression: str, action: str = "") -> RuleSettings:
    return RuleSettings(name, "sql", expression, action=action)


def correlation(name: str, action: str = "", /, **wanted: Scalar) -> RuleSettings:
    """`sys_Label` stands for `sys.Label`."""
    pairs = tuple((key.replace("sys_", "sys."), value) for key, value in wanted.items())
    return RuleSettings(name, "correlation", properties=pairs, action=action)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def tickets(house: House) -> Topic:
    return house.topic()


def send(
    house: House, topic: Topic, subject: str = "sold", session_id: str = "", **user: AmqpValue
) -> None:
    bare = encode_bare(
        Properties(subject=subject, group_id=session_id or None), dict(user), DataBody([b"x"])
    )
    session = SessionId(session_id) if session_id else None
    given = Submission(Message(bare), NEVER, b"", session)
    house.engine.send(house.peer, "link", 0, topic, given, house.now, settled=False)


def subjects(queue: Queue) -> list[str | None]:
    return [subject_of(entry) for entry in queue.entries.values()]


def subject_of(entry: Entry) -> str | None:
    assert entry.message is not None
    found = read_properties(entry.message.bare)
    return found.subject if found is not None else None


def properties_of(entry: Entry) -> dict[AmqpValue, AmqpValue]:
    assert entry.message is not None
    return read_application_properties(entry.message.bare)


class TestFilters:
    def test_sql(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(tickets, "erp", sql("big", "amount > 100 AND paid = TRUE"))
        send(house, tickets, "big", amount=101, paid=True)
        send(house, tickets, "small", amount=100, paid=True)
        send(house, tickets, "unknown", amount=101)
        assert subjects(erp) == ["big"]

    def test_correlation(self, house: House, tickets: Topic) -> None:
        rule = correlation("sold", sys_Label="sold", site=3)
        gate = house.subscription(tickets, "gate", rule)
        send(house, tickets, "sold", site=3)
        send(house, tickets, "sold", SITE=3.0)
        send(house, tickets, "sold", site="3")
        send(house, tickets, "Sold", site=3)
        send(house, tickets, "sold")
        assert subjects(gate) == ["sold", "sold"]

    def test_any_of_the_rules_is_enough(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(
            tickets,
            "erp",
            sql("one", "amount > 1"),
            sql("two", "amount > 2"),
            correlation("three", amount=3),
        )
        for amount in (1, 2, 3):
            send(house, tickets, amount=amount)
        assert [properties_of(entry)["amount"] for entry in erp.entries.values()] == [2, 3]

    @pytest.mark.parametrize(
        ("wanted", "sent"),
        [
            (NOON, Timestamp(NOON_MS)),
            (NOON, Described(Symbol("com.microsoft:datetime-offset"), NOON_TICKS)),
            (NOON.replace(tzinfo=None), Timestamp(NOON_MS)),
            (timedelta(minutes=1.5), Described(Symbol("com.microsoft:timespan"), 900_000_000)),
        ],
    )
    def test_instants_and_durations(
        self, house: House, tickets: Topic, wanted: Scalar, sent: AmqpValue
    ) -> None:
        erp = house.subscription(tickets, "erp", correlation("then", when=wanted))
        for value in (sent, Timestamp(NOON_MS + 1), NOON_MS, "2026-01-01T12:00:00Z"):
            send(house, tickets, when=value)
        assert [properties_of(entry)["when"] for entry in erp.entries.values()] == [sent]

    def test_parameters_of_filter_and_action(self, house: House, tickets: Topic) -> None:
        rule = RuleSettings(
            "big",
            "sql",
            "amount > @least AND at < @now",
            action="SET amount = amount * @by; SET seen = @now",
            parameters=(("@least", 5), ("@now", NOON)),
            action_parameters=(("@by", 2), ("now", NOON)),
        )
        erp = house.subscription(tickets, "erp", rule)
        for amount in (5, 6):
            send(house, tickets, amount=amount, at=Timestamp(NOON_MS - 1))
        (entry,) = erp.entries.values()
        found = properties_of(entry)
        assert (found["amount"], found["seen"]) == (12, Timestamp(NOON_MS))

    def test_the_topics_number_is_the_one_it_sees(self, house: House, tickets: Topic) -> None:
        house.subscription(tickets, "all")
        late = house.subscription(tickets, "late", sql("late", "sys.SequenceNumber >= 3"))
        for _ in range(3):
            send(house, tickets)
        (entry,) = late.entries.values()
        assert entry.source_number == 3

    def test_a_text_for_many_is_worked_out_once_and_for_each(
        self, house: House, tickets: Topic
    ) -> None:
        queues = [
            house.subscription(tickets, f"s{number}", sql("r", "amount = 1"))
            for number in range(3)
        ]
        send(house, tickets, amount=1)
        assert [len(queue.entries) for queue in queues] == [1, 1, 1]


class TestRefusals:
    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (sql("a", "amount >"), "line 1, column 9: expected a property, .*filter of rule"),
            (sql("a", "x = 1 AND\n y ="), "line 2, column 5: expected"),
            (RuleSettings("a", "true", action="SET x"), 'column 6: expected "=".*action of'),
            (
                sql("a", "x = 1 AND\n y = @y"),
                "line 2, column 6: no value was given for @y .*filter",
            ),
            (
                sql("a", "x = 1", "SET x = @y"),
                "line 1, column 9: no value .* @y .*action of rule",
            ),
            (RuleSettings("a", "true", parameters=(("@x", 1),)), "'true' has no parameters"),
            (RuleSettings("a", "correlation"), "names at least one property"),
            (correlation("a", sys_Size=3), "sys.Size is compared with a string"),
            (RuleSettings("a", "regex"), "no filter is called 'regex'; there are true, false"),
        ],
    )
    def test_what_is_no_filter(
        self, house: House, tickets: Topic, rule: RuleSettings, words: str
    ) -> None:
        with pytest.raises(InvalidFilter, match=words):
            house.subscription(tickets, "erp", rule)
        house.subscription(tickets, "erp", RuleSettings("a", "false"))
        with pytest.raises(InvalidFilter, match=words):
            tickets.find("erp").update_rule(rule)
        other = replace(rule, name="b")
        with pytest.raises(InvalidFilter, match=words):
            tickets.find("erp").add_rule(other, house.now)

    def test_names(self, house: House, tickets: Topic) -> None:
        with pytest.raises(InvalidRequest, match="1 to 50 characters"):
            house.subscription(tickets, "erp", RuleSettings("a" * 51))
        with pytest.raises(AlreadyExists, match="Rules/A"):
            house.subscription(tickets, "erp", RuleSettings("a"), RuleSettings("A"))

    def test_duplicates_are_the_topics_business(self, house: House, tickets: Topic) -> None:
        with pytest.raises(InvalidRequest, match="dropped by the topic"):
            house.subscription(tickets, "erp", duplicate_window_ms=20_000)


class TestActions:
    def test_each_rule_with_one_makes_a_copy_that_names_it(
        self, house: House, tickets: Topic
    ) -> None:
        erp = house.subscription(
            tickets,
            "erp",
            sql("plain", "amount > 0"),
            sql("other plain", "amount > 1"),
            sql("half", "amount > 2", "SET amount = amount / 2; SET sys.Label = 'half'"),
            sql("bare", "amount > 3", "REMOVE amount"),
        )
        send(house, tickets, amount=4)
        found = [(subject_of(entry), properties_of(entry)) for entry in erp.entries.values()]
        assert found == [
            ("sold", {"amount": 4}),
            ("half", {"amount": 2, "RuleName": "half"}),
            ("sold", {"RuleName": "bare"}),
        ]
        assert {entry.source_number for entry in erp.entries.values()} == {1}

    def test_one_beside_a_rule_that_takes_everything(
        self, house: House, tickets: Topic
    ) -> None:
        erp = house.subscription(
            tickets, "erp", RuleSettings("all"), RuleSettings("mark", action="SET seen = TRUE")
        )
        send(house, tickets)
        copies = [properties_of(entry) for entry in erp.entries.values()]
        assert copies == [{}, {"seen": True, "RuleName": "mark"}]

    def test_others_have_the_message_as_it_came(self, house: House, tickets: Topic) -> None:
        marked = house.subscription(
            tickets, "marked", RuleSettings("m", action="SET site = 'north'")
        )
        plain = house.subscription(tickets, "plain", sql("s", "NOT EXISTS(site)"))
        send(house, tickets)
        (copy,) = marked.entries.values()
        assert properties_of(copy) == {"site": "north", "RuleName": "m"}
        (copy,) = plain.entries.values()
        assert properties_of(copy) == {}

    def test_a_changed_copy_brings_its_own_bytes(self, house: House, tickets: Topic) -> None:
        house.subscription(tickets, "a", RuleSettings("m", action="SET site = 1"))
        house.subscription(tickets, "b")
        house.subscription(tickets, "c")
        send(house, tickets)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        copies = [fact for fact in journal._facts[-1][1] if isinstance(fact, Enqueued)]
        shared = [fact for fact in copies if fact.shares is not None]
        assert len(copies) == 3
        assert len(shared) == 1
        assert shared[0].shares is not None
        assert shared[0].shares.message is shared[0].message

    def test_the_session_may_be_set(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(
            tickets,
            "erp",
            RuleSettings("s", action="SET sys.SessionId = site"),
            requires_session=True,
        )
        send(house, tickets, site="north")
        send(house, tickets)
        (entry,) = erp.entries.values()
        assert entry.session_id == "north"
        (dead,) = house.dead_letters(erp).entries.values()
        assert dead.origin is not None
        assert dead.origin.reason == "Session ID is null."


class TestFailures:
    """`amount > 10` where it is a string: the message's error, not the sender's."""

    def test_dead_letters_with_the_rule_and_why(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(tickets, "erp", sql("big", "amount > 10"))
        other = house.subscription(tickets, "other", sql("red", "color = 'red'"))
        send(house, tickets, amount="many", color="red")
        assert erp.entries == {}
        assert len(other.entries) == 1
        (dead,) = house.dead_letters(erp).entries.values()
        assert dead.origin is not None
        assert dead.origin.reason == "FilterEvaluationException"
        assert "rule 'big': column 8: a string" in dead.origin.description
        assert properties_of(dead)["amount"] == "many"
        (copy,) = other.entries.values()
        assert dead.message is copy.message, "stored once, there too"

    def test_or_passes_over_it_when_told_to(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(
            tickets,
            "erp",
            sql("big", "amount > 10"),
            dead_letter_on_filter_error=False,
        )
        send(house, tickets, amount="many")
        assert (erp.entries, house.dead_letters(erp).entries) == ({}, {})

    def test_what_another_rule_takes_is_taken(self, house: House, tickets: Topic) -> None:
        erp = house.subscription(
            tickets, "erp", sql("big", "amount > 10"), sql("red", "color = 'red'")
        )
        send(house, tickets, amount="many", color="red")
        assert (len(erp.entries), len(house.dead_letters(erp).entries)) == (1, 1)

    def test_an_action_that_fails(self, house: House, tickets: Topic) -> None:
        rule = sql("half", "EXISTS(amount)", "SET amount = amount / 0")
        erp = house.subscription(tickets, "erp", rule)
        send(house, tickets, amount=4)
        assert erp.entries == {}
        (dead,) = house.dead_letters(erp).entries.values()
        assert dead.origin is not None
        assert "action of rule 'half'" in dead.origin.description
        assert properties_of(dead) == {"amount": 4}

    def test_it_comes_home_by_redrive(self, house: House, tickets: Topic) -> None:
        from peeklock.management.operations import redrive_dead_letters

        erp = house.subscription(tickets, "erp", sql("big", "amount > 10"))
        send(house, tickets, amount="many")
        redrive_dead_letters(house.engine, house.dead_letters(erp), [], 10, house.now)
        assert subjects(erp) == ["sold"]

    def test_a_rule_that_this_version_cannot_read(self, house: House, tickets: Topic) -> None:
        """From the journal of another version: it must neither stop recovery nor lose."""
        from peeklock.entities.facts import RuleCreated

        erp = house.subscription(tickets, "erp", RuleSettings("none", "false"))
        unknown = RuleCreated(erp.queue_id, RuleSettings("new", "regex", "a+"), house.now)
        house.engine.commit_registry([unknown])
        send(house, tickets)
        (dead,) = house.dead_letters(erp).entries.values()
        assert dead.origin is not None
        assert "no filter is called 'regex'" in dead.origin.description


def test_replay_builds_the_same(house: House, tickets: Topic) -> None:
    house.subscription(
        tickets,
        "erp",
        sql("half", "amount > 2", "SET amount = amount / 2"),
        sql("fails", "amount > 'a'"),
        RuleSettings("all"),
    )
    send(house, tickets, amount=4)
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    journal.sync()
    again = replayed(journal._facts)
    assert pictures(again, house.now) == pictures(house.namespace, house.now)
