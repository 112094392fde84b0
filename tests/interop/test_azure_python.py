"""Azure's own Service Bus SDK for Python, unmodified, against the broker: queues."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

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


@pytest.fixture
def bus(azure_broker: BrokerProcess) -> Iterator[Any]:
    with client(azure_broker.amqp_port) as one:
        yield one


def send(bus: Any, queue: str, *messages: Any) -> None:
    with bus.get_queue_sender(queue) as sender:
        sender.send_messages([m if isinstance(m, Message) else Message(m) for m in messages])


def left(bus: Any, queue: str, **options: Any) -> list[str]:
    """What can be had now; it is taken."""
    with bus.get_queue_receiver(queue, receive_mode=RECEIVE_AND_DELETE, **options) as receiver:
        return texts(receiver.receive_messages(100, max_wait_time=1))


class TestSending:
    @pytest.mark.shows(
        "sending",
        "a message with its properties and application properties",
    )
    def test_one(self, bus: Any, queue: str) -> None:
        given = Message(
            b"\x00\xff",
            message_id="order-1",
            subject="booked",
            correlation_id="c",
            content_type="application/octet-stream",
            reply_to="answers",
            to="erp",
            time_to_live=timedelta(minutes=5),
            application_properties={
                "int": 1,
                "real": 0.5,
                "yes": True,
                "text": "ä",
                "uuid": UUID(int=7),
                "bytes": b"\x01",
            },
        )
        send(bus, queue, given)
        with bus.get_queue_receiver(queue) as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert b"".join(got.body) == b"\x00\xff"
            assert (got.message_id, got.subject, got.correlation_id) == (
                "order-1",
                "booked",
                "c",
            )
            assert (got.content_type, got.reply_to, got.to) == (
                "application/octet-stream",
                "answers",
                "erp",
            )
            assert got.time_to_live == timedelta(minutes=5)
            assert got.application_properties == {
                b"int": 1,
                b"real": 0.5,
                b"yes": True,
                b"text": "ä".encode(),
                b"uuid": UUID(int=7),
                b"bytes": b"\x01",
            }
            assert (got.sequence_number, got.delivery_count) == (1, 0)
            assert abs((got.enqueued_time_utc - datetime.now(UTC)).total_seconds()) < 60
            receiver.complete_message(got)

    @pytest.mark.shows("sending", "a list of messages, or a batch, as one")
    def test_a_list(self, bus: Any, queue: str) -> None:
        send(bus, queue, *[str(n) for n in range(50)])
        assert left(bus, queue) == [str(n) for n in range(50)]

    @pytest.mark.shows("sending", "a list of messages, or a batch, as one")
    def test_a_batch(self, bus: Any, queue: str) -> None:
        with bus.get_queue_sender(queue) as sender:
            batch = sender.create_message_batch()
            for number in range(20):
                batch.add_message(Message(f"{number}"))
            sender.send_messages(batch)
        assert left(bus, queue) == [str(n) for n in range(20)]

    @pytest.mark.shows("sending", "a batch that is full says so")
    def test_a_batch_knows_its_bound(self, bus: Any, queue: str) -> None:
        with bus.get_queue_sender(queue) as sender:
            batch = sender.create_message_batch(max_size_in_bytes=1000)
            for _ in range(5):
                batch.add_message(Message("x" * 100))
            with pytest.raises(ValueError, match="size limit"):
                batch.add_message(Message("x" * 500))
            sender.send_messages(batch)
        assert len(left(bus, queue)) == len(batch)

    @pytest.mark.shows("sending", "a large message")
    def test_a_large_one(self, bus: Any, queue: str) -> None:
        send(bus, queue, "x" * 900_000)
        assert left(bus, queue) == ["x" * 900_000]

    @pytest.mark.shows("sending", "AMQP messages: value, sequence and data bodies, headers")
    @pytest.mark.parametrize(
        "body",
        [{"value_body": {"a": [1, None]}}, {"sequence_body": [[1, 2]]}, {"data_body": [b"x"]}],
        ids=lambda body: next(iter(body)),
    )
    def test_every_body_of_amqp(self, bus: Any, queue: str, body: dict[str, Any]) -> None:
        given = amqp.AmqpAnnotatedMessage(**body, header=amqp.AmqpMessageHeader(priority=7))
        with bus.get_queue_sender(queue) as sender:
            sender.send_messages(given)
        with bus.get_queue_receiver(queue, receive_mode=RECEIVE_AND_DELETE) as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        raw = got.raw_amqp_message
        assert raw.body_type == given.body_type
        assert raw.header.priority == 7
        if "value_body" in body:
            assert got.body == {b"a": [1, None]}
        else:
            assert list(got.body) == next(iter(body.values()))

    @pytest.mark.shows("sending", "a received message sent again; its partition key is kept")
    def test_what_was_received_can_be_sent_on(self, bus: Any, queue: str) -> None:
        given = Message("job", partition_key="p", reply_to_session_id="s")
        send(bus, queue, given)
        with bus.get_queue_receiver(queue, receive_mode=RECEIVE_AND_DELETE) as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            with bus.get_queue_sender(f"{queue}-2") as sender:
                sender.send_messages(got)
        with bus.get_queue_receiver(f"{queue}-2", receive_mode=RECEIVE_AND_DELETE) as receiver:
            (again,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert (str(again), again.partition_key, again.reply_to_session_id) == ("job", "p", "s")


class TestSettling:
    @pytest.fixture
    def receiver(self, bus: Any, queue: str) -> Iterator[Any]:
        send(bus, queue, "job")
        with bus.get_queue_receiver(queue, max_wait_time=WAIT_SECONDS) as receiver:
            yield receiver

    def again(self, receiver: Any) -> list[Any]:
        found: list[Any] = receiver.receive_messages(1, max_wait_time=1)
        return found

    @pytest.mark.shows("settling", "complete")
    def test_complete(self, receiver: Any) -> None:
        receiver.complete_message(receiver.next())
        assert self.again(receiver) == []

    @pytest.mark.shows("settling", "abandon: it comes again, counted")
    def test_abandon(self, receiver: Any) -> None:
        receiver.abandon_message(receiver.next())
        (again,) = self.again(receiver)
        assert (again.delivery_count, again.sequence_number) == (1, 1)
        receiver.complete_message(again)

    @pytest.mark.shows("dead letters", "dead-letter with a reason, and receive from there")
    def test_dead_letter(self, bus: Any, queue: str, receiver: Any) -> None:
        receiver.dead_letter_message(receiver.next(), reason="bad", error_description="why")
        with bus.get_queue_receiver(queue, sub_queue=DEAD_LETTER) as dead:
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert (got.dead_letter_reason, got.dead_letter_error_description) == (
                "bad",
                "why",
            )
            dead.complete_message(got)

    @pytest.mark.shows("later", "defer, and receive by number")
    def test_defer(self, receiver: Any) -> None:
        number = receiver.next()
        receiver.defer_message(number)
        assert self.again(receiver) == []
        (got,) = receiver.receive_deferred_messages(number.sequence_number)
        assert str(got) == "job"
        receiver.complete_message(got)
        with pytest.raises(exceptions.ServiceBusError):
            receiver.receive_deferred_messages(number.sequence_number)

    @pytest.mark.shows("later", "abandon what was deferred: it stays deferred, counted")
    def test_a_deferred_one_may_be_deferred_again(self, receiver: Any) -> None:
        number = receiver.next()
        receiver.defer_message(number)
        (got,) = receiver.receive_deferred_messages(number.sequence_number)
        receiver.abandon_message(got)
        (got,) = receiver.receive_deferred_messages(number.sequence_number)
        assert got.delivery_count == 2
        receiver.dead_letter_message(got, reason="enough")

    @pytest.mark.shows("locks", "renew a lock")
    def test_renew(self, receiver: Any) -> None:
        got = receiver.next()
        before = got.locked_until_utc
        time.sleep(0.02)
        assert receiver.renew_message_lock(got) > before
        receiver.complete_message(got)

    @pytest.mark.shows("receiving", "receive and delete")
    def test_receive_and_delete(self, bus: Any, queue: str, receiver: Any) -> None:
        receiver.complete_message(receiver.next())
        send(bus, queue, "a", "b")
        assert left(bus, queue) == ["a", "b"]
        assert left(bus, queue) == []

    @pytest.mark.shows("settling", "close without settling: it comes again, uncounted")
    def test_what_was_not_settled_comes_back_at_once(self, bus: Any, queue: str) -> None:
        send(bus, queue, "job")
        with bus.get_queue_receiver(queue) as first:
            assert texts(first.receive_messages(1, max_wait_time=WAIT_SECONDS)) == ["job"]
        with bus.get_queue_receiver(queue) as second:
            (got,) = second.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert got.delivery_count == 0
            second.complete_message(got)

    @pytest.mark.shows("dead letters", "a dead letter cannot be dead-lettered: it is refused")
    def test_a_dead_letter_of_a_dead_letter(self, bus: Any, queue: str, receiver: Any) -> None:
        """It stays, untouched, and may be settled otherwise as long as its lock lasts."""
        receiver.dead_letter_message(receiver.next(), reason="bad")
        with bus.get_queue_receiver(queue, sub_queue=DEAD_LETTER) as dead:
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            with pytest.raises(exceptions.ServiceBusError, match="amqp:not-allowed"):
                dead.dead_letter_message(got, reason="worse")
        with bus.get_queue_receiver(queue, sub_queue=DEAD_LETTER) as dead:
            (again,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert (again.dead_letter_reason, again.delivery_count) == ("bad", 0)
            dead.complete_message(again)

    @pytest.mark.differs(
        "dead letters",
        "Failed attempts are counted in a dead-letter queue, too, and its back-off holds "
        "there. In Azure a dead letter keeps the count that it came with.",
    )
    def test_a_dead_letter_counts_on(self, bus: Any, queue: str, receiver: Any) -> None:
        receiver.dead_letter_message(receiver.next(), reason="bad")
        with bus.get_queue_receiver(queue, sub_queue=DEAD_LETTER) as dead:
            for attempt in range(2):
                (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
                assert got.delivery_count == attempt
                dead.abandon_message(got)
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            dead.complete_message(got)

    @pytest.mark.differs(
        "dead letters",
        "A dead letter names where it is from (`dead_letter_source`) in the dead-letter queue, "
        "too; in Azure only when it was forwarded out of there.",
    )
    def test_a_dead_letter_names_its_source(self, bus: Any, queue: str, receiver: Any) -> None:
        receiver.dead_letter_message(receiver.next(), reason="bad")
        with bus.get_queue_receiver(queue, sub_queue=DEAD_LETTER) as dead:
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert got.dead_letter_source == queue
            dead.complete_message(got)

    @pytest.mark.differs(
        "dead letters",
        "One may send to a dead-letter queue by its address, as to any queue. Azure refuses "
        "it.",
    )
    def test_sending_to_a_dead_letter_queue(self, bus: Any, queue: str) -> None:
        with bus.get_queue_sender(queue) as sender:
            sender.send_messages(Message("makes the queue"))
        with bus.get_queue_sender(f"{queue}/$DeadLetterQueue") as sender:
            sender.send_messages(Message("by hand"))
        with bus.get_queue_receiver(queue, sub_queue=DEAD_LETTER) as dead:
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert (str(got), got.dead_letter_reason) == ("by hand", None)
            dead.complete_message(got)

    @pytest.mark.shows("dead letters", "the last failed delivery makes a dead letter")
    def test_max_delivery_count(self, bus: Any) -> None:
        send(bus, "thrice", "job")
        with bus.get_queue_receiver("thrice") as receiver:
            for attempt in range(3):
                (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
                assert got.delivery_count == attempt
                receiver.abandon_message(got)
            assert self.again(receiver) == []
        with bus.get_queue_receiver("thrice", sub_queue=DEAD_LETTER) as dead:
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert got.dead_letter_reason == "MaxDeliveryCountExceeded"
            assert got.delivery_count == 3
            dead.complete_message(got)


class TestIterating:
    @pytest.mark.shows("receiving", "iterate over a receiver", "prefetch")
    def test_until_nothing_comes(self, bus: Any, queue: str) -> None:
        send(bus, queue, *[str(n) for n in range(30)])
        got = []
        with bus.get_queue_receiver(queue, max_wait_time=1, prefetch_count=10) as receiver:
            for message in receiver:
                got.append(str(message))
                receiver.complete_message(message)
        assert got == [str(n) for n in range(30)]


class TestLocks:
    """`brief-azure` has locks of 300 ms, `short-azure` of 2 s."""

    @pytest.mark.shows(
        "locks",
        "settle too late: refused as lost",
    )
    def test_a_lost_lock_is_its_own_exception(self, bus: Any) -> None:
        send(bus, "brief-azure", "job")
        with bus.get_queue_receiver("brief-azure") as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            time.sleep(0.5)
            with pytest.raises(exceptions.MessageLockLostError):
                receiver.complete_message(got)
            with pytest.raises(exceptions.MessageLockLostError):
                receiver.renew_message_lock(got)
        assert left(bus, "brief-azure") == ["job"]

    @pytest.mark.shows("locks", "automatic renewal")
    def test_the_auto_renewer_keeps_it(self, bus: Any) -> None:
        send(bus, "short-azure", "job")
        renewer = servicebus.AutoLockRenewer()
        with bus.get_queue_receiver("short-azure") as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            renewer.register(receiver, got, max_lock_renewal_duration=20)
            time.sleep(4)
            receiver.complete_message(got)
        renewer.close()
        assert left(bus, "short-azure") == []


class TestLater:
    @pytest.mark.shows("later", "schedule, peek and cancel")
    def test_schedule_and_cancel(self, bus: Any, queue: str) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        with bus.get_queue_sender(queue) as sender:
            numbers = sender.schedule_messages([Message("a"), Message("b")], at)
            assert len(numbers) == 2
            with bus.get_queue_receiver(queue) as receiver:
                seen = receiver.peek_messages(10)
                assert [one.state for one in seen] == [
                    servicebus.ServiceBusMessageState.SCHEDULED
                ] * 2
            sender.cancel_scheduled_messages(numbers)
            with pytest.raises(exceptions.ServiceBusError):
                sender.cancel_scheduled_messages(numbers)
        with bus.get_queue_receiver(queue) as receiver:
            assert receiver.peek_messages(10) == []

    @pytest.mark.shows("later", "what is scheduled comes when it is due")
    def test_it_comes_when_it_is_due(self, bus: Any, queue: str) -> None:
        with bus.get_queue_sender(queue) as sender:
            soon = datetime.now(UTC) + timedelta(seconds=1)
            sender.schedule_messages(Message("soon"), soon)
            late = Message("by annotation")
            late.scheduled_enqueue_time_utc = soon + timedelta(seconds=0.5)
            sender.send_messages(late)
        with bus.get_queue_receiver(queue, receive_mode=RECEIVE_AND_DELETE) as receiver:
            got = receiver.receive_messages(2, max_wait_time=5)
            got += receiver.receive_messages(2, max_wait_time=2)
        assert texts(got) == ["soon", "by annotation"]
        for message in got:  # to the millisecond that annotations have
            late_by = message.enqueued_time_utc - message.scheduled_enqueue_time_utc
            assert abs(late_by) < timedelta(milliseconds=1)

    @pytest.mark.shows("dead letters", "what outlived its time is not received")
    def test_what_outlived_its_time(self, bus: Any, queue: str) -> None:
        send(bus, queue, Message("brief", time_to_live=timedelta(milliseconds=50)), "stays")
        time.sleep(0.2)
        assert left(bus, queue) == ["stays"]


class TestPeeking:
    @pytest.mark.shows("receiving", "peek, also from a number on", "peek at deferred messages")
    def test_any_state_by_number(self, bus: Any, queue: str) -> None:
        send(bus, queue, "a", "b", "c")
        with bus.get_queue_receiver(queue) as receiver:
            (held,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            receiver.defer_message(held)
            seen = receiver.peek_messages(10, sequence_number=1)
            assert texts(seen) == ["a", "b", "c"]
            assert seen[0].state == servicebus.ServiceBusMessageState.DEFERRED
            assert texts(receiver.peek_messages(1, sequence_number=2)) == ["b"]
            assert texts(receiver.peek_messages(5)) == ["c"], "it goes on from there"
            assert receiver.peek_messages(5) == []


class TestDuplicates:
    @pytest.mark.shows("duplicates", "the second with a message-id is accepted and dropped")
    def test_the_first_one_wins(self, bus: Any) -> None:
        for body in ("first", "second"):
            send(bus, "once", Message(body, message_id="same"))
        send(bus, "once", Message("x", message_id="other"), Message("y", message_id="other"))
        assert left(bus, "once") == ["first", "x"]

    @pytest.mark.shows("duplicates", "a scheduled message counts from when it was scheduled")
    def test_a_scheduled_one_counts(self, bus: Any) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        with bus.get_queue_sender("once") as sender:
            numbers = sender.schedule_messages(Message("later", message_id="planned"), at)
            sender.send_messages(Message("now", message_id="planned"))
            assert left(bus, "once") == []
            sender.cancel_scheduled_messages(numbers)

    @pytest.mark.differs(
        "duplicates",
        "A message that is dropped as a duplicate has the number 0 among those that scheduling "
        "several gives, which are in the messages' order.",
    )
    def test_numbers_of_a_schedule_with_duplicates(self, bus: Any) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        some = [Message(text, message_id=text) for text in ("n1", "n1", "n2")]
        with bus.get_queue_sender("once") as sender:
            first, dropped, second = sender.schedule_messages(some, at)
            assert dropped == 0
            assert second == first + 1
            sender.cancel_scheduled_messages([first, second])


class TestRefusals:
    @pytest.mark.shows("refusals", "an entity that is not there")
    def test_nobody_there(self, bus: Any) -> None:
        with pytest.raises(exceptions.MessagingEntityNotFoundError, match="not-here"):
            send(bus, "$not-here", "x")

    @pytest.mark.shows("refusals", "a full queue")
    def test_a_full_queue(self, bus: Any) -> None:
        send(bus, "full-azure", "x")
        with pytest.raises(exceptions.ServiceBusQuotaExceededError, match="is full"):
            send(bus, "full-azure", "y")

    @pytest.mark.shows("refusals", "a message that is too large")
    @pytest.mark.parametrize("size", [2_000, 200_000])
    def test_too_large(self, bus: Any, size: int) -> None:
        with pytest.raises(exceptions.MessageSizeExceededError):
            send(bus, "narrow-azure", "x" * size)

    @pytest.mark.shows("refusals", "a disabled entity")
    def test_a_disabled_one(self, bus: Any) -> None:
        with pytest.raises(exceptions.MessagingEntityDisabledError):
            send(bus, "shut-azure", "x")
        with pytest.raises(exceptions.MessagingEntityDisabledError):
            left(bus, "shut-azure")

    @pytest.mark.shows("refusals", "what is wrong in itself: an argument error, and where")
    def test_arguments(self, bus: Any, queue: str) -> None:
        """It has no class for it, and says the condition; it does not try again."""
        many = {f"name-{number}": "x" * 999 for number in range(70)}
        with pytest.raises(exceptions.ServiceBusError) as caught:
            send(bus, queue, Message("x", application_properties=many))
        assert type(caught.value) is exceptions.ServiceBusError
        assert "application properties of 70" in str(caught.value)
        assert "com.microsoft:argument-error" in str(caught.value)
        assert not caught.value._retryable


class TestWhatDiffers:
    @pytest.mark.differs(
        "running",
        "`--dev` makes a queue when an unknown name is first used; `--emulator` and a broker "
        "in production refuse it, as Azure does.",
    )
    def test_a_queue_is_made_when_it_is_first_used(self, bus: Any, queue: str) -> None:
        """By --dev alone."""
        assert left(bus, queue) == []

    @pytest.mark.differs(
        "later",
        "A scheduled message keeps its sequence number, and the place it gives, when it is "
        "due. In Azure it gets a new one.",
    )
    def test_a_scheduled_message_keeps_its_number(self, bus: Any, queue: str) -> None:
        """And so its place: before what was sent after it."""
        with bus.get_queue_sender(queue) as sender:
            soon = datetime.now(UTC) + timedelta(seconds=0.3)
            (number,) = sender.schedule_messages(Message("soon"), soon)
            sender.send_messages(Message("now"))
        time.sleep(0.5)
        with bus.get_queue_receiver(queue, receive_mode=RECEIVE_AND_DELETE) as receiver:
            first, second = receiver.receive_messages(2, max_wait_time=WAIT_SECONDS)
        assert texts([first, second]) == ["soon", "now"]
        assert first.sequence_number == number

    @pytest.mark.differs(
        "receiving",
        "A receiver gets no larger messages than it says it takes, which is 1 MiB with "
        "Python's SDK: `MessageSizeExceededError`. The message stays in the queue.",
    )
    def test_large_messages_are_not_received(self, bus: Any, queue: str) -> None:
        """The SDK says when it attaches that it takes 1 MiB, so it gets no more."""
        with bus.get_queue_sender(queue) as sender:
            sender.send_messages(Message("x" * 1_100_000))  # a list would be a batch
        for mode in ("peeklock", RECEIVE_AND_DELETE):
            with bus.get_queue_receiver(queue, receive_mode=mode) as receiver:
                with pytest.raises(exceptions.MessageSizeExceededError):
                    receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        with bus.get_queue_receiver(queue) as receiver:
            (seen,) = receiver.peek_messages(1)
            assert len(str(seen)) == 1_100_000

    @pytest.mark.differs(
        "locks",
        "A lock may be as short as 100 ms, or as long as a day; in Azure 5 s to 5 min.",
    )
    def test_short_locks(self, bus: Any) -> None:
        """`brief-azure` has one of 300 ms."""
        send(bus, "brief-azure", "job")
        with bus.get_queue_receiver("brief-azure") as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            held = got.locked_until_utc - datetime.now(UTC)
            assert held < timedelta(seconds=1)
            receiver.complete_message(got)
