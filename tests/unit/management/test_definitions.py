"""Entities of a file: in which order they are made."""

import pytest

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
    ensure(house.engine, wanted[0], house.now)
    with pytest.raises(InvalidRequest, match="no queue or topic is there"):
        ensure(house.engine, wanted[1], house.now)
