"""Entities of a file: in which order they are made."""

from peeklock.errors import InvalidRequest
from peeklock.management.definitions import (
    QueueDefinition,
    SubscriptionDefinition,
    TopicDefinition,
    ensure,
    in_order,
)
from tests.support.house import House


def queue(name: str, **settings: object) -> QueueDefinition:
    return QueueDefinition(name, settings)


def test_a_target_may_come_later_in_the_file() -> None:
    gate = SubscriptionDefinition("gate", {"forward_to": "sb://localhost:5672/Last"})
    wanted = [
        queue("first", forward_to="topic"),
        queue("second", forward_dead_letters_to="FIRST"),
        queue("last"),
        TopicDefinition("topic", {}, (gate,)),
    ]
    house = House()
    for one in in_order(wanted):
        ensure(house.engine, one, house.now)
    assert house.namespace.find("first").settings.forward_to == "topic"
    assert house.namespace.find("topic/Subscriptions/gate").settings.forward_to == "last"


def test_where_nothing_forwards_the_order_is_the_files() -> None:
    wanted = [queue("b"), queue("a", forward_to=""), TopicDefinition("0", {})]
    assert in_order(wanted) == wanted


def test_a_circle_is_refused() -> None:
    house = House()
    wanted = in_order([queue("a", forward_to="b"), queue("b", forward_to="a"), queue("c")])
    assert [one.name for one in wanted] == ["c", "a", "b"]
    assert ensure(house.engine, wanted[0], house.now) == []
    (mistake,) = ensure(house.engine, wanted[1], house.now)
    assert isinstance(mistake, InvalidRequest)
    assert "no queue or topic is there" in str(mistake)


def test_each_mistake_in_a_topic_is_told_and_what_is_right_is_made() -> None:
    house = House()
    house.queue("jobs")
    derivations = (
        ("filter", {"to": "jobs", "sql": "a = = 1"}),
        ("good", {"to": "jobs"}),
        ("field", {"to": "jobs", "nonsense": 1}),
        ("template", {"to": "jobs", "body": {"a": "${b}"}}),
        ("period", {"to": "jobs", "kind": "debounce", "period_ms": "10min"}),
        ("target", {"to": "nowhere"}),
    )
    bad = SubscriptionDefinition("s", {"nonsense": 1})
    wanted = TopicDefinition("site", {}, (bad,), derivations)
    expected = (
        "no setting 'nonsense'",
        "(the condition of derivation 'filter')",
        "derivation 'field': there is no setting 'nonsense'",
        "(the body of derivation 'template')",
        "derivation 'period': period_ms is a whole number, not '10min'",
        "derivation 'target': to is 'nowhere'",
    )
    for _ in range(2):  # as at the next start
        mistakes = ensure(house.engine, wanted, house.now)
        for mistake, said in zip(mistakes, expected, strict=True):
            assert said in str(mistake)
    assert list(house.namespace.find_topic("site").derivations.by_name) == ["good"]


def test_a_mistake_in_a_derivation_that_is_there_is_told_too() -> None:
    house = House()
    house.queue("jobs")
    assert ensure(house.engine, topic_with({"to": "jobs"}), house.now) == []
    (mistake,) = ensure(house.engine, topic_with({"to": "jobs", "sql": "="}), house.now)
    assert "the condition of derivation 'd'" in str(mistake)
    assert ensure(house.engine, topic_with({"to": "jobs", "sql": "a=1"}), house.now) == []
    assert house.namespace.find_topic("site").derivations.find("d").settings.sql == ""


def topic_with(derivation: dict[str, object]) -> TopicDefinition:
    return TopicDefinition("site", {}, (), (("d", derivation),))
