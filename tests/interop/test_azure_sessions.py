"""Azure's own Service Bus SDK for Python, unmodified, against the broker: message sessions."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.interop.azure_client import (
    DEAD_LETTER,
    RECEIVE_AND_DELETE,
    WAIT_SECONDS,
    Message,
    async_client,
    client,
    exceptions,
    servicebus,
    texts,
)
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop

QUEUE = "sessions-azure"
SHORT = "short-sessions-azure"
NEXT = servicebus.NEXT_AVAILABLE_SESSION
NUMBERS = count(1)


@pytest.fixture
def bus(azure_broker: BrokerProcess) -> Iterator[Any]:
    with client(azure_broker.amqp_port) as one:
        yield one


@pytest.fixture
def name() -> str:
    """A session's id that no other test uses."""
    return f"customer-{next(NUMBERS)}"


def send(bus: Any, queue: str, name: str, *bodies: str) -> None:
    with bus.get_queue_sender(queue) as sender:
        sender.send_messages([Message(body, session_id=name) for body in bodies])


@pytest.mark.shows(
    "sessions",
    "accept one by its id, receive in order",
    "get and set the state",
)
def test_a_session_in_order_with_its_state(bus: Any, name: str) -> None:
    send(bus, QUEUE, name, "1", "2", "3")
    with bus.get_queue_receiver(QUEUE, session_id=name) as receiver:
        session = receiver.session
        assert session.session_id == name
        assert session.locked_until_utc > datetime.now(UTC)
        assert session.get_state() is None
        found = []
        while len(found) < 3:
            got = receiver.receive_messages(3, max_wait_time=WAIT_SECONDS)
            found += texts(got)
            for message in got:
                assert message.session_id == name
                receiver.complete_message(message)
        assert found == ["1", "2", "3"]
        session.set_state(b"page 3")
    with bus.get_queue_receiver(QUEUE, session_id=name) as receiver:
        assert receiver.session.get_state() == b"page 3"
        receiver.session.set_state(None)
        assert receiver.session.get_state() is None


@pytest.mark.shows("sessions", "accept the next free one, also one that comes while it waits")
def test_the_next_one(bus: Any, name: str) -> None:
    send(bus, QUEUE, name, "a")
    with bus.get_queue_receiver(QUEUE, session_id=NEXT, max_wait_time=5) as receiver:
        assert receiver.session.session_id == name
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        receiver.complete_message(got)


@pytest.mark.shows("sessions", "accept the next free one, also one that comes while it waits")
def test_the_next_one_comes_while_somebody_waits(bus: Any, name: str) -> None:
    later = threading.Timer(0.5, send, (bus, QUEUE, name, "late"))
    later.start()
    with bus.get_queue_receiver(QUEUE, session_id=NEXT, max_wait_time=20) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert str(got) == "late"
        receiver.complete_message(got)
    later.join()


@pytest.mark.shows("sessions", "no session is free in time")
def test_none_is_free_in_time(bus: Any) -> None:
    began = time.monotonic()
    with pytest.raises(exceptions.OperationTimeoutError):
        with bus.get_queue_receiver(QUEUE, session_id=NEXT, max_wait_time=1):
            pass
    assert time.monotonic() - began < 10


@pytest.mark.shows("sessions", "a held session is refused")
def test_a_held_one_is_refused(bus: Any, azure_broker: BrokerProcess, name: str) -> None:
    with bus.get_queue_receiver(QUEUE, session_id=name):
        with client(azure_broker.amqp_port) as other:
            with pytest.raises(exceptions.SessionCannotBeLockedError):
                with other.get_queue_receiver(QUEUE, session_id=name):
                    pass


@pytest.mark.shows("sessions", "receivers and messages without a session are refused")
def test_without_a_session_it_is_refused(bus: Any) -> None:
    with pytest.raises(exceptions.ServiceBusError):
        with bus.get_queue_receiver(QUEUE) as receiver:
            receiver.receive_messages(1, max_wait_time=1)
    with pytest.raises(exceptions.ServiceBusError):
        with bus.get_queue_sender(QUEUE) as sender:
            sender.send_messages(Message("no session"))


@pytest.mark.shows("sessions", "closing gives back at once, uncounted")
def test_leaving_gives_back_at_once_uncounted(bus: Any, name: str) -> None:
    send(bus, QUEUE, name, "1")
    for _ in range(2):
        with bus.get_queue_receiver(QUEUE, session_id=name) as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert got.delivery_count == 0
    with bus.get_queue_receiver(QUEUE, session_id=name) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        receiver.complete_message(got)


@pytest.mark.shows("sessions", "abandon, defer and dead-letter")
@pytest.mark.parametrize("verb", ["abandon_message", "defer_message", "dead_letter_message"])
def test_settling(bus: Any, name: str, verb: str) -> None:
    send(bus, QUEUE, name, verb)
    with bus.get_queue_receiver(QUEUE, session_id=name) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        getattr(receiver, verb)(got)
        if verb == "abandon_message":
            (again,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert again.delivery_count == 1
            receiver.complete_message(again)
        elif verb == "defer_message":
            (deferred,) = receiver.receive_deferred_messages([got.sequence_number])
            assert str(deferred) == verb
            receiver.complete_message(deferred)
        else:
            dead = bus.get_queue_receiver(
                QUEUE, sub_queue=DEAD_LETTER, receive_mode=RECEIVE_AND_DELETE
            )
            with dead:
                (letter,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
                assert str(letter) == verb
                assert letter.session_id == name


@pytest.mark.shows("sessions", "peek in a session")
def test_peek_shows_the_session(bus: Any, name: str) -> None:
    send(bus, QUEUE, name, "1", "2")
    send(bus, QUEUE, f"other than {name}", "3")
    for session_id, bodies in ((name, ["1", "2"]), (f"other than {name}", ["3"])):
        with bus.get_queue_receiver(
            QUEUE, session_id=session_id, receive_mode=RECEIVE_AND_DELETE
        ) as receiver:
            assert texts(receiver.peek_messages(10)) == bodies
            assert texts(receiver.receive_messages(2, max_wait_time=WAIT_SECONDS))


@pytest.mark.shows("sessions", "renew its lock")
def test_renewing(bus: Any, name: str) -> None:
    send(bus, SHORT, name, "1")
    with bus.get_queue_receiver(SHORT, session_id=name) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        for _ in range(3):
            time.sleep(1)
            until = receiver.session.renew_lock()
            assert until > datetime.now(UTC) + timedelta(seconds=1)
        receiver.complete_message(got)


@pytest.mark.shows("sessions", "automatic renewal")
def test_renewing_by_itself(bus: Any, name: str) -> None:
    send(bus, SHORT, name, "1")
    with servicebus.AutoLockRenewer() as renewer:
        with bus.get_queue_receiver(SHORT, session_id=name) as receiver:
            renewer.register(receiver, receiver.session, max_lock_renewal_duration=20)
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            time.sleep(3)
            receiver.complete_message(got)


@pytest.mark.shows(
    "sessions",
    "a lost session refuses what its holder does; its messages come again, counted",
)
def test_losing_it(bus: Any, name: str) -> None:
    send(bus, SHORT, name, "1")
    with bus.get_queue_receiver(SHORT, session_id=name) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        time.sleep(2.5)
        with pytest.raises(exceptions.SessionLockLostError):
            receiver.complete_message(got)
        with pytest.raises(exceptions.SessionLockLostError):
            receiver.session.set_state(b"too late")
    with bus.get_queue_receiver(SHORT, session_id=name) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert got.delivery_count == 1
        receiver.complete_message(got)


@pytest.mark.shows("sessions", "list sessions, all or by when their state was set")
def test_sessions_are_listed(bus: Any) -> None:
    for name in ("b", "a"):
        send(bus, "listed-azure", name, "1")
    with bus.get_queue_receiver("listed-azure", session_id="c") as receiver:
        receiver.session.set_state(b"x")
    assert sorted(bus.list_queue_sessions("listed-azure")) == ["a", "b", "c"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    found = bus.list_queue_sessions("listed-azure", state_updated_after=hour_ago)
    assert list(found) == ["c"]


@pytest.mark.shows(
    "sessions",
    "sessions of a subscription",
    "a subscription's message without a session is a dead letter",
)
def test_a_subscription_has_them(bus: Any, name: str) -> None:
    topic, subscription = "azure-bookings", "gate"
    with bus.get_topic_sender(topic) as sender:
        sender.send_messages([Message("1", session_id=name), Message("none")])
    with bus.get_subscription_receiver(topic, subscription, session_id=name) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        receiver.session.set_state(b"page 1")
        receiver.complete_message(got)
    assert list(bus.list_subscription_sessions(topic, subscription)) == [name]
    with bus.get_subscription_receiver(topic, subscription, sub_queue=DEAD_LETTER) as dead:
        (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert (str(got), got.dead_letter_reason) == ("none", "Session ID is null.")
        dead.complete_message(got)


@pytest.mark.shows("sessions", "accept the next free one, also one that comes while it waits")
async def test_the_next_one_asynchronously(azure_broker: BrokerProcess, name: str) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_queue_sender(QUEUE) as sender:
            await sender.send_messages(Message("a", session_id=name))
        options = {"session_id": NEXT, "max_wait_time": 5}
        async with bus.get_queue_receiver(QUEUE, **options) as receiver:
            assert receiver.session.session_id == name
            (got,) = await receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            await receiver.complete_message(got)


@pytest.mark.shows(
    "sessions",
    "accept one by its id, receive in order",
    "get and set the state",
    "renew its lock",
)
async def test_the_same_asynchronously(azure_broker: BrokerProcess, name: str) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_queue_sender(QUEUE) as sender:
            await sender.send_messages([Message(str(n), session_id=name) for n in range(3)])
        async with bus.get_queue_receiver(QUEUE, session_id=name) as receiver:
            await receiver.session.set_state("text")
            assert await receiver.session.get_state() == b"text"
            found: list[str] = []
            while len(found) < 3:
                for message in await receiver.receive_messages(3, max_wait_time=2):
                    found.append(str(message))
                    await receiver.complete_message(message)
            assert found == ["0", "1", "2"]
            await receiver.session.renew_lock()
            await receiver.session.set_state(None)
