"""Azure's Service Bus SDK for Python against topics, with each kind of rule."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.interop.azure_client import (
    DEAD_LETTER,
    RECEIVE_AND_DELETE,
    WAIT_SECONDS,
    Message,
    client,
    exceptions,
    servicebus,
    texts,
)
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop

TOPIC = "azure-tickets"


@pytest.fixture
def bus(azure_broker: BrokerProcess) -> Iterator[Any]:
    with client(azure_broker.amqp_port) as one:
        yield one


def taken(bus: Any, subscription: str) -> list[Any]:
    options = {"receive_mode": RECEIVE_AND_DELETE}
    with bus.get_subscription_receiver(TOPIC, subscription, **options) as receiver:
        found: list[Any] = receiver.receive_messages(20, max_wait_time=1)
        return found


@pytest.mark.shows(
    "topics",
    "each subscription takes what its rules say",
    "an action changes the copy, which names its rule",
)
def test_each_takes_what_its_rules_say(bus: Any) -> None:
    with bus.get_topic_sender(TOPIC) as sender:
        sender.send_messages(
            [
                Message("cheap", subject="sold", application_properties={"price": 5}),
                Message("dear", subject="sold", application_properties={"price": 500}),
                Message("back", subject="returned", application_properties={"site": "north"}),
                Message("plain"),
            ]
        )
    assert texts(taken(bus, "all")) == ["cheap", "dear", "back", "plain"]
    assert texts(taken(bus, "none")) == []
    assert texts(taken(bus, "dear")) == ["dear"]
    assert texts(taken(bus, "sold")) == ["cheap", "dear"]
    assert texts(taken(bus, "north")) == ["back"]
    marked = taken(bus, "marked")
    assert texts(marked) == ["dear"]
    assert marked[0].application_properties == {
        b"price": 500,
        b"vip": True,
        b"RuleName": b"$Default",
    }


@pytest.mark.shows(
    "topics",
    "a subscription is settled as a queue, with dead letters of its own",
)
def test_a_subscription_is_settled_like_a_queue(bus: Any) -> None:
    with bus.get_topic_sender(TOPIC) as sender:
        batch = sender.create_message_batch()
        for body in ("a", "b"):
            batch.add_message(Message(body))
        sender.send_messages(batch)
    with bus.get_subscription_receiver(TOPIC, "all") as receiver:
        a, b = receiver.receive_messages(2, max_wait_time=WAIT_SECONDS)
        receiver.dead_letter_message(a, reason="bad")
        receiver.complete_message(b)
    with bus.get_subscription_receiver(TOPIC, "all", sub_queue=DEAD_LETTER) as dead:
        (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert (str(got), got.dead_letter_reason) == ("a", "bad")
        dead.complete_message(got)


@pytest.mark.shows(
    "topics",
    "a message that a filter fails on is a dead letter of the subscription",
)
def test_a_filter_that_fails_makes_a_dead_letter(bus: Any) -> None:
    with bus.get_topic_sender(TOPIC) as sender:
        properties = {"price": "much"}
        sender.send_messages(Message("a", subject="odd", application_properties=properties))
    with bus.get_subscription_receiver(TOPIC, "strict", sub_queue=DEAD_LETTER) as dead:
        (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert got.dead_letter_reason == "FilterEvaluationException"
        dead.complete_message(got)


@pytest.mark.shows("duplicates", "a topic drops them before its subscriptions")
def test_a_topic_drops_duplicates(bus: Any) -> None:
    with bus.get_topic_sender("later-azure") as sender:
        for body in ("first", "second"):
            sender.send_messages(Message(body, message_id="same"))
    options = {"receive_mode": RECEIVE_AND_DELETE}
    with bus.get_subscription_receiver("later-azure", "all", **options) as receiver:
        assert texts(receiver.receive_messages(2, max_wait_time=1)) == ["first"]


@pytest.mark.shows("topics", "schedule to a topic, and cancel")
@pytest.mark.differs(
    "topics",
    "What is scheduled to a topic waits in its subscriptions, where a peek shows it: rules "
    "judge it when it is sent, in Azure when it is due.",
)
def test_what_is_scheduled_waits_in_the_subscriptions(bus: Any) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    with bus.get_topic_sender("later-azure") as sender:
        numbers = sender.schedule_messages([Message("a"), Message("b")], at)
        with bus.get_subscription_receiver("later-azure", "all") as receiver:
            seen = receiver.peek_messages(5)
            assert texts(seen) == ["a", "b"]
            assert seen[0].state == servicebus.ServiceBusMessageState.SCHEDULED
            sender.cancel_scheduled_messages(numbers)
            assert receiver.peek_messages(5, sequence_number=1) == []


@pytest.mark.shows("refusals", "an entity that is not there")
def test_nobody_there(bus: Any) -> None:
    with pytest.raises(exceptions.MessagingEntityNotFoundError):
        taken(bus, "not-here")
