"""Azure's Service Bus SDK for Python: what goes from one entity to another by itself."""

import time
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

amqp = pytest.importorskip("azure.servicebus.amqp", reason="no azure-servicebus")
pytestmark = pytest.mark.interop
TARGET = "audit-azure"


@pytest.fixture
def bus(azure_broker: BrokerProcess) -> Iterator[Any]:
    with client(azure_broker.amqp_port) as one:
        yield one


def send(bus: Any, queue: str, *messages: Any) -> None:
    with bus.get_queue_sender(queue) as sender:
        sender.send_messages(list(messages))


def taken(bus: Any, queue: str, **options: Any) -> list[Any]:
    with bus.get_queue_receiver(queue, receive_mode=RECEIVE_AND_DELETE, **options) as receiver:
        found: list[Any] = receiver.receive_messages(5, max_wait_time=WAIT_SECONDS)
        return found


@pytest.mark.shows(
    "forwarding",
    "a queue passes on what arrives",
)
def test_what_arrives_is_passed_on(bus: Any) -> None:
    send(bus, "passed-on-azure", Message("a", application_properties={"site": 3}))
    (got,) = taken(bus, TARGET)
    assert (str(got), got.application_properties) == ("a", {b"site": 3})
    assert got.enqueued_sequence_number is not None


@pytest.mark.shows("forwarding", "a subscription passes on")
def test_a_subscription_passes_on(bus: Any) -> None:
    with bus.get_topic_sender("gathered-azure") as sender:
        sender.send_messages(Message("signal"))
    assert texts(taken(bus, TARGET)) == ["signal"]


@pytest.mark.shows("forwarding", "dead letters are passed on, with reason and source")
def test_dead_letters_are_gathered(bus: Any) -> None:
    send(bus, "failing-azure", Message("job"))
    with bus.get_queue_receiver("failing-azure") as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        receiver.dead_letter_message(got, reason="bad")
    (got,) = taken(bus, TARGET)
    assert (str(got), got.dead_letter_reason) == ("job", "bad")
    assert got.dead_letter_source == "failing-azure"


@pytest.mark.differs(
    "forwarding",
    "A forward is followed at once: when its target is disabled, full or gone, the sender is "
    "refused. Azure accepts, and keeps the message for later.",
)
def test_a_target_that_takes_nothing_refuses_the_sender(bus: Any) -> None:
    with pytest.raises(exceptions.MessagingEntityDisabledError):
        send(bus, "into-shut-azure", Message("a"))


@pytest.mark.lacks(
    "forwarding",
    "the transfer dead-letter queue",
    "Nothing is ever on its way between entities. Receiving from it: "
    "`MessagingEntityNotFoundError`; its counts are 0.",
)
def test_there_is_no_transfer_dead_letter_queue(bus: Any) -> None:
    options = {"sub_queue": servicebus.ServiceBusSubQueue.TRANSFER_DEAD_LETTER}
    with pytest.raises(exceptions.MessagingEntityNotFoundError):
        taken(bus, TARGET, **options)


@pytest.mark.shows(
    "dead letters",
    "what expires is a dead letter, where the queue says so",
    "the queue's own time to live bounds the message's",
)
def test_what_expires_is_a_dead_letter(bus: Any) -> None:
    """By the queue's default, which is shorter than what the sender says."""
    send(bus, "brief-lives-azure", Message("late", time_to_live=timedelta(hours=1)))
    time.sleep(0.5)
    assert taken(bus, "brief-lives-azure") == []
    (got,) = taken(bus, "brief-lives-azure", sub_queue=DEAD_LETTER)
    assert (str(got), got.dead_letter_reason) == ("late", "TTLExpiredException")


@pytest.mark.shows(
    "dead letters", "a message says when it expires, the entity's bound included"
)
def test_when_it_expires(bus: Any) -> None:
    hour = timedelta(hours=1)
    due = datetime.now(UTC) + timedelta(seconds=1)
    later = Message("later", scheduled_enqueue_time_utc=due)
    long = Message("long", time_to_live=24 * hour)
    send(bus, "hourly-azure", Message("none"), long, Message("short", time_to_live=hour / 2))
    send(bus, "hourly-azure", later)
    time.sleep(1.5)
    found = taken(bus, "hourly-azure")
    assert sorted(texts(found)) == ["later", "long", "none", "short"]
    for got in found:
        wanted = hour / 2 if str(got) == "short" else hour
        assert got.time_to_live == wanted
        assert got.expires_at_utc == got.enqueued_time_utc + wanted


@pytest.mark.shows("dead letters", "the header's time to live counts, no expiry in properties")
@pytest.mark.differs(
    "dead letters",
    "The sender's `absolute-expiry-time` comes as it was sent, as all of the bare message "
    "does; in Azure it is when the message expires. `expires_at_utc` says that here, too.",
)
def test_the_senders_expiry_is_not_looked_at(bus: Any) -> None:
    """The SDK writes it with each time to live; it may also be written without any."""
    hour = timedelta(hours=1)
    past = int((datetime.now(UTC) - hour).timestamp() * 1000)
    properties = amqp.AmqpMessageProperties(creation_time=past, absolute_expiry_time=past + 1)
    with bus.get_queue_sender("hourly-azure") as sender:
        sender.send_messages(Message("two hours", time_to_live=2 * hour))
        sender.send_messages(amqp.AmqpAnnotatedMessage(data_body=b"x", properties=properties))
    first, second = taken(bus, "hourly-azure")
    for got, told in ((first, 2 * hour), (second, timedelta(milliseconds=1))):
        assert got.expires_at_utc == got.enqueued_time_utc + hour
        sent = got.raw_amqp_message.properties
        span = timedelta(milliseconds=sent.absolute_expiry_time - sent.creation_time)
        assert span == told
