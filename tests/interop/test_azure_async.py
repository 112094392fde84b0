"""Azure's Service Bus SDK for Python on asyncio, and with a broker that is killed under it."""

import asyncio
import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.interop.azure_client import (
    DEAD_LETTER,
    RECEIVE_AND_DELETE,
    WAIT_SECONDS,
    Message,
    aio,
    async_client,
    exceptions,
    servicebus,
    texts,
)
from tests.support.broker_process import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    # The SDK leaves sockets of broken connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CONNECTIONS = 300


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What the SDK left lying about goes while its warnings are still expected."""
    yield
    gc.collect()


ROUNDS = 3


@pytest.mark.shows("settling", "complete", "abandon: it comes again, counted")
@pytest.mark.shows("locks", "renew a lock")
@pytest.mark.shows("later", "defer, and receive by number")
async def test_send_and_settle(azure_broker: BrokerProcess, queue: str) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_queue_sender(queue) as sender:
            await sender.send_messages([Message(body) for body in "abcd"])
        async with bus.get_queue_receiver(queue) as receiver:
            a, b, c, d = await receiver.receive_messages(4, max_wait_time=WAIT_SECONDS)
            await receiver.complete_message(a)
            await receiver.abandon_message(b)
            await receiver.defer_message(c)
            await receiver.dead_letter_message(d, reason="bad")
            (again,) = await receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert (str(again), again.delivery_count) == ("b", 1)
            await receiver.renew_message_lock(again)
            await receiver.complete_message(again)
            (got,) = await receiver.receive_deferred_messages(c.sequence_number)
            await receiver.complete_message(got)
            assert await receiver.peek_messages(5, sequence_number=1) == []


@pytest.mark.shows("receiving", "iterate over a receiver", "prefetch")
async def test_iterating(azure_broker: BrokerProcess, queue: str) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_queue_sender(queue) as sender:
            await sender.send_messages([Message(str(n)) for n in range(30)])
        got: list[str] = []
        async with bus.get_queue_receiver(
            queue, max_wait_time=1, prefetch_count=10
        ) as receiver:
            async for message in receiver:
                got.append(str(message))
                await receiver.complete_message(message)
    assert got == [str(n) for n in range(30)]


@pytest.mark.shows("sending", "a list of messages, or a batch, as one")
@pytest.mark.shows("dead letters", "dead-letter with a reason, and receive from there")
async def test_a_batch_and_dead_letters(azure_broker: BrokerProcess, queue: str) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_queue_sender(queue) as sender:
            batch = await sender.create_message_batch()
            for body in "ab":
                batch.add_message(Message(body))
            await sender.send_messages(batch)
        async with bus.get_queue_receiver(queue) as receiver:
            for one in await receiver.receive_messages(2, max_wait_time=WAIT_SECONDS):
                await receiver.dead_letter_message(one, reason="bad")
        options = {"sub_queue": DEAD_LETTER, "receive_mode": RECEIVE_AND_DELETE}
        async with bus.get_queue_receiver(queue, **options) as dead:
            got = await dead.receive_messages(2, max_wait_time=WAIT_SECONDS)
            found = [(str(one), one.dead_letter_reason) for one in got]
            assert found == [("a", "bad"), ("b", "bad")]


@pytest.mark.shows("later", "schedule, peek and cancel")
async def test_schedule_and_cancel(azure_broker: BrokerProcess, queue: str) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_queue_sender(queue) as sender:
            at = datetime.now(UTC) + timedelta(hours=1)
            numbers = await sender.schedule_messages([Message("a"), Message("b")], at)
            async with bus.get_queue_receiver(queue) as receiver:
                assert texts(await receiver.peek_messages(5)) == ["a", "b"]
                await sender.cancel_scheduled_messages(numbers)
                assert await receiver.peek_messages(5, sequence_number=1) == []


@pytest.mark.shows("locks", "automatic renewal")
async def test_the_auto_renewer_keeps_a_lock(azure_broker: BrokerProcess) -> None:
    """It looks each second, so it keeps no locks of less than Azure's shortest, 5 s."""
    async with async_client(azure_broker.amqp_port) as bus, aio.AutoLockRenewer() as renewer:
        async with bus.get_queue_sender("five-azure") as sender:
            await sender.send_messages(Message("job"))
        async with bus.get_queue_receiver("five-azure") as receiver:
            (got,) = await receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
            renewer.register(receiver, got, max_lock_renewal_duration=20)
            await asyncio.sleep(6)
            await receiver.complete_message(got)


@pytest.mark.shows("topics", "each subscription takes what its rules say")
async def test_a_topic(azure_broker: BrokerProcess) -> None:
    topic = "azure-async-tickets"
    async with async_client(azure_broker.amqp_port) as bus:
        async with bus.get_topic_sender(topic) as sender:
            await sender.send_messages([Message("a", subject="sold"), Message("b")])
        async with bus.get_subscription_receiver(topic, "sold") as receiver:
            (got,) = await receiver.receive_messages(2, max_wait_time=WAIT_SECONDS)
            assert str(got) == "a"
            await receiver.complete_message(got)


@pytest.mark.shows("refusals", "an entity that is not there", "a disabled entity")
async def test_refusals(azure_broker: BrokerProcess) -> None:
    async with async_client(azure_broker.amqp_port) as bus:
        for queue, refusal in (
            ("$not-here", exceptions.MessagingEntityNotFoundError),
            ("shut-azure", exceptions.MessagingEntityDisabledError),
        ):
            with pytest.raises(refusal):
                async with bus.get_queue_sender(queue) as sender:
                    await sender.send_messages(Message("x"))


@pytest.mark.differs(
    "running",
    "Hundreds of connections at once; Azure's emulator refuses the eleventh.",
)
async def test_several_hundred_connections(azure_broker: BrokerProcess, queue: str) -> None:
    """The SDK opens a connection a sender; the official emulator refuses the eleventh."""
    async with async_client(azure_broker.amqp_port) as bus:
        senders = [bus.get_queue_sender(queue) for _ in range(CONNECTIONS)]
        await asyncio.gather(
            *[sender.send_messages(Message(str(n))) for n, sender in enumerate(senders)]
        )
        got: list[str] = []
        async with bus.get_queue_receiver(
            queue, receive_mode=RECEIVE_AND_DELETE, prefetch_count=100
        ) as receiver:
            while more := await receiver.receive_messages(CONNECTIONS, max_wait_time=1):
                got += texts(more)
        await asyncio.gather(*[sender.close() for sender in senders])
    assert sorted(got, key=int) == [str(n) for n in range(CONNECTIONS)]


class Traffic:
    """One sender and one receiver that go on through the broker's deaths."""

    def __init__(self, port: int) -> None:
        options = {"retry_total": 8, "retry_backoff_factor": 0.2, "retry_backoff_max": 1}
        self.bus = async_client(port, **options)
        self.accepted: set[str] = set()
        self.completed: set[str] = set()
        self.in_doubt: set[str] = set()
        self.is_over = False

    async def send(self) -> None:
        async with self.bus.get_queue_sender("orders") as sender:
            number = 0
            while not self.is_over:
                number += 1
                try:
                    await sender.send_messages(Message(str(number), message_id=str(number)))
                except (servicebus.exceptions.ServiceBusError, ValueError):
                    continue
                self.accepted.add(str(number))

    async def receive(self) -> None:
        while not self.is_over:
            try:
                async with self.bus.get_queue_receiver("orders") as receiver:
                    while not self.is_over:
                        for one in await receiver.receive_messages(20, max_wait_time=1):
                            await self.complete(receiver, one)
            except (exceptions.ServiceBusError, ValueError):
                continue

    async def complete(self, receiver: Any, message: Any) -> None:
        body = str(message)
        assert body not in self.completed, "completed, and back"
        self.in_doubt.add(body)
        await receiver.complete_message(message)
        self.completed.add(body)


@pytest.mark.shows(
    "running",
    "the client reconnects when the broker was killed; nothing accepted is lost",
)
@pytest.mark.timeout(180)
async def test_a_broker_killed_under_it_loses_nothing() -> None:
    config = (
        "[[queues]]\nname = 'orders'\nmax_delivery_count = 1000\nduplicate_window_ms = 600000\n"
    )
    with BrokerProcess(config=config) as broker:
        traffic = Traffic(broker.amqp_port)
        tasks = [asyncio.create_task(traffic.send()), asyncio.create_task(traffic.receive())]
        for _ in range(ROUNDS):
            before = len(traffic.accepted)
            while len(traffic.accepted) < before + 30:
                await asyncio.sleep(0.05)
            broker.kill()
            broker.restart()
        while len(traffic.accepted) < before + 60:
            await asyncio.sleep(0.05)
        traffic.is_over = True
        await asyncio.gather(*tasks)
        async with traffic.bus, traffic.bus.get_queue_receiver("orders") as receiver:
            while more := await receiver.receive_messages(50, max_wait_time=2):
                for one in more:
                    await traffic.complete(receiver, one)
    lost = traffic.accepted - traffic.completed - traffic.in_doubt
    assert not lost
    assert len(traffic.completed) >= 30 * ROUNDS


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")
@pytest.mark.shows("running", "AMQP over WebSockets")
async def test_jobs_go_round_through_a_websocket(
    azure_broker: BrokerProcess, queue: str
) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    async with async_client(
        azure_broker.amqp_port,
        transport_type=servicebus.TransportType.AmqpOverWebsocket,
        custom_endpoint_address=f"sb://localhost:{azure_broker.http_port}",
    ) as bus:
        async with bus.get_queue_sender(queue) as sender:
            await sender.send_messages([Message("1"), Message("2")])
        async with bus.get_queue_receiver(queue) as receiver:
            got = await receiver.receive_messages(2, max_wait_time=2)
            assert texts(got) == ["1", "2"]
            for message in got:
                await receiver.complete_message(message)
