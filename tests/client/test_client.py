"""The client against a real broker: everything that a handle offers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from peeklock_client import (
    BatchRefused,
    Client,
    LockLost,
    NotFound,
    Queue,
    QueueFull,
    Refused,
    Unauthenticated,
    Unreachable,
    connect,
)
from tests.support.amqp_bytes import SASL_HEADER, composite, frame
from tests.support.broker_process import BrokerProcess
from tests.support.soon import SOON


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def orders(client: Client) -> Queue:
    return await client.create_queue("orders")


async def bodies(queue: Queue) -> list[str]:
    """Complete all there is."""
    found: list[str] = []
    async for job in queue.receive(wait=SOON):
        found.append(job.text())
        await job.complete()
    return found


async def one(queue: Queue, wait: float = 10) -> object:
    async for job in queue.receive(count=1, wait=wait):
        return job
    return None


async def test_a_job_arrives_as_it_was_sent(orders: Queue) -> None:
    sent = await orders.send(
        {"order": 4711},
        subject="booking",
        correlation_id="c-1",
        reply_to="answers",
        session_id="customer-7",
        properties={"tries": 3, "vip": True, "rate": 1.5},
    )
    async for job in orders.receive(count=1):
        assert job.json() == {"order": 4711}
        assert job.message_id == sent
        assert job.attempt == 1
        assert job.properties == {"tries": 3, "vip": True, "rate": 1.5}
        assert job.message.properties.content_type == "application/json"
        assert job.message.properties.subject == "booking"
        assert job.message.properties.group_id == "customer-7"
        assert job.locked_until > datetime.now(UTC)
        await job.complete()
    assert (await orders.info())["messages"] == 0


async def test_jobs_come_in_the_order_in_which_they_were_sent(orders: Queue) -> None:
    sent = [f"job {number}" for number in range(300)]
    await orders.send_batch(sent)
    assert await bodies(orders) == sent


async def test_an_abandoned_job_comes_again_with_its_attempt_counted(orders: Queue) -> None:
    await orders.send("a")
    attempts: list[int] = []
    async for job in orders.receive(count=3):
        attempts.append(job.attempt)
        await (job.abandon() if job.attempt < 3 else job.complete())
    assert attempts == [1, 2, 3]


async def test_an_abandoned_job_waits_as_long_as_it_was_told(orders: Queue) -> None:
    await orders.send("a")
    async for job in orders.receive(count=1):
        await job.abandon(delay=timedelta(milliseconds=700))
    assert await one(orders, wait=0.2) is None
    assert (await orders.info())["scheduled"] == 1
    async for job in orders.receive(count=1, wait=10):
        assert job.attempt == 2
        await job.complete()


async def test_a_released_job_counts_no_attempt(orders: Queue) -> None:
    await orders.send("a")
    async for job in orders.receive(count=2):
        assert job.attempt == 1
        await job.release()


async def test_a_job_goes_to_the_dead_letters_with_its_reason_and_back(orders: Queue) -> None:
    await orders.send("bad one")
    async for job in orders.receive(count=1):
        await job.dead_letter("Malformed", "line 3 has no price")
    dead = orders.dead_letters
    assert await dead.dead_letter_reasons() == {"Malformed": 1}
    [letter] = await dead.peek()
    assert letter.dead_letter_reason == "Malformed"
    assert letter.dead_letter_description == "line 3 has no price"
    assert await dead.redrive() == 1
    assert await bodies(orders) == ["bad one"]


async def test_settling_sets_properties(orders: Queue) -> None:
    await orders.send("a", properties={"tries": 0, "kind": "x"})
    async for job in orders.receive(count=1):
        await job.abandon(delay=0.1, properties={"tries": 1, "rate": 0.5, "none": None})
    async for job in orders.receive(count=1):
        assert job.properties == {"tries": 1, "kind": "x", "rate": 0.5, "none": None}
        number = job.sequence_number
        await job.defer(properties={"tries": 2})
    [deferred] = await orders.receive_deferred([number])
    assert deferred.message.application_properties["tries"] == 2
    await deferred.abandon(properties={"tries": 3})
    [deferred] = await orders.receive_deferred([number])
    await deferred.defer(properties={"late": True})
    [deferred] = await orders.receive_deferred([number])
    await deferred.dead_letter("bad", properties={"tries": 4})
    [letter] = await orders.dead_letters.peek()
    found = letter.application_properties
    assert (found["tries"], found["late"], letter.dead_letter_reason) == (4, True, "bad")
    async for job in orders.dead_letters.receive(count=1):
        await job.complete()


async def test_a_dead_letter_brings_properties(orders: Queue) -> None:
    await orders.send("a")
    async for job in orders.receive(count=1):
        await job.dead_letter("bad", "why", properties={"line": 3})
    [letter] = await orders.dead_letters.peek()
    assert letter.application_properties == {
        "line": 3,
        "DeadLetterReason": "bad",
        "DeadLetterErrorDescription": "why",
    }


async def test_properties_that_are_too_much_are_refused(client: Client) -> None:
    orders = await client.create_queue("small", max_message_bytes=500)
    await orders.send("a")
    async for job in orders.receive(count=1):
        with pytest.raises(Refused, match="up to 500"):
            await job.abandon(properties={"log": "x" * 500})
    async for job in orders.receive(count=1):
        assert (job.attempt, job.properties) == (1, {})
        await job.complete()


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"x-opt-delivery-time": 1}, ValueError),
        ({"DeadLetterReason": "x"}, ValueError),
        ({"größe": 1}, ValueError),
        ({"parts": [1]}, ValueError),
        ({"log": "x" * 64_000}, ValueError),
        ({"object": object()}, TypeError),
    ],
)
async def test_what_settling_cannot_set_is_said_before(
    orders: Queue, properties: dict[str, object], error: type[Exception]
) -> None:
    await orders.send("a")
    async for job in orders.receive(count=1):
        with pytest.raises(error):
            await job.abandon(properties=properties)
        await job.complete()


async def test_a_deferred_job_is_had_by_its_number_only(orders: Queue) -> None:
    await orders.send("later")
    async for job in orders.receive(count=1):
        number = job.sequence_number
        await job.defer()
    assert await one(orders, wait=SOON) is None
    [peeked] = await orders.peek()
    assert peeked.state == "deferred"
    [deferred] = await orders.receive_deferred([number])
    assert deferred.message.text() == "later"
    await deferred.complete()
    assert (await orders.info())["messages"] == 0


async def test_a_deferred_job_that_is_released_stays_so_and_counts_no_attempt(
    orders: Queue,
) -> None:
    await orders.send("later")
    async for job in orders.receive(count=1):
        number = job.sequence_number
        await job.defer()
    [held] = await orders.receive_deferred([number])
    counted = held.message.delivery_count
    await held.release()
    with pytest.raises(LockLost):
        await held.complete()
    [again] = await orders.receive_deferred([number])
    assert again.message.delivery_count == counted
    await again.abandon()
    [peeked] = await orders.peek()
    assert (peeked.state, peeked.delivery_count) == ("deferred", counted + 1)


async def test_a_deferred_job_is_held_as_long_as_it_is_renewed(client: Client) -> None:
    orders = await client.create_queue("brief", lock_duration_ms=400)
    await orders.send("later")
    async for job in orders.receive(count=1):
        number = job.sequence_number
        await job.defer()
    [held] = await orders.receive_deferred([number])
    for _ in range(4):
        await asyncio.sleep(0.2)
        await held.renew()
    await held.abandon()
    [again] = await orders.receive_deferred([number])
    with pytest.raises(LockLost):
        await held.renew()
    await asyncio.sleep(0.6)
    with pytest.raises(LockLost):
        await again.complete()
    [peeked] = await orders.peek()
    assert (peeked.state, peeked.text()) == ("deferred", "later")


async def test_a_scheduled_job_is_there_and_not_to_be_had(orders: Queue) -> None:
    await orders.send("tomorrow", at=datetime.now(UTC) + timedelta(days=1))
    await orders.send("soon", delay=0.4)
    assert [message.state for message in await orders.peek()] == ["scheduled", "scheduled"]
    async for job in orders.receive(count=1, wait=10):
        assert job.text() == "soon"
        await job.complete()


async def test_a_lock_runs_out_and_its_old_holder_is_refused(client: Client) -> None:
    queue = await client.create_queue("quick", lock_duration_ms=300)
    await queue.send("a")
    async for job in queue.receive(count=1):
        async for again in queue.receive(count=1, wait=10):
            assert again.attempt == 2
            with pytest.raises(LockLost, match="lock"):
                await job.complete()
            await again.complete()


async def test_a_renewed_lock_lasts_longer(client: Client) -> None:
    queue = await client.create_queue("quick", lock_duration_ms=500)
    await queue.send("a")
    async for job in queue.receive(count=1):
        first = job.locked_until
        for _ in range(4):
            await asyncio.sleep(0.25)
            await job.renew()
        assert job.locked_until >= first + timedelta(milliseconds=900)
        await job.complete()


async def test_closing_gives_back_what_was_held_at_once(
    broker: BrokerProcess, orders: Queue
) -> None:
    await orders.send("a")
    async with connect(broker.url) as other:
        async for _job in other.queue("orders").receive(count=1):
            pass
    async for job in orders.receive(count=1, wait=10):
        assert job.attempt == 1


async def test_ending_the_loop_gives_back_what_it_has_not_seen(orders: Queue) -> None:
    await orders.send_batch(["a", "b", "c"])
    async for job in orders.receive(prefetch=3):  # noqa: B007  used behind the loop
        break
    assert await bodies(orders) == ["b", "c"]
    await job.complete()
    assert (await orders.info())["messages"] == 0


async def test_prefetch_bounds_what_is_held(orders: Queue) -> None:
    await orders.send_batch([str(number) for number in range(10)])
    jobs = []
    async for job in orders.receive(prefetch=4, wait=SOON):
        jobs.append(job)
    assert [job.text() for job in jobs] == ["0", "1", "2", "3"]


async def test_an_unknown_queue_is_refused_by_name(client: Client) -> None:
    with pytest.raises(NotFound, match=r"nowhere/\$here"):
        await client.queue("nowhere/$here").send("a")
    with pytest.raises(NotFound, match=r"nowhere/\$here"):
        await one(client.queue("nowhere/$here"))
    with pytest.raises(NotFound, match="nowhere"):
        await client.queue("nowhere").info()


async def test_a_full_queue_says_so_and_takes_what_fits(client: Client) -> None:
    queue = await client.create_queue("small", max_messages=2)
    with pytest.raises(BatchRefused) as refused:
        await queue.send_batch(["a", "b", "c", "d"])
    assert sorted(refused.value.errors) == [2, 3]
    with pytest.raises(QueueFull, match="small"):
        await queue.send("e")
    assert await bodies(queue) == ["a", "b"]


async def test_settings_are_shown_changed_and_checked(client: Client) -> None:
    queue = await client.create_queue("orders", max_delivery_count=3)
    assert (await queue.info())["max_delivery_count"] == 3
    await queue.update(max_delivery_count=4, retry_first_ms=10)
    assert (await queue.info())["max_delivery_count"] == 4
    with pytest.raises(Refused, match="no setting 'speed'"):
        await queue.update(speed=1)
    with pytest.raises(Refused, match="allowed is"):
        await queue.update(lock_duration_ms=1)
    with pytest.raises(Refused, match="exists already"):
        await client.create_queue("ORDERS")
    assert [view["name"] for view in await client.queues("ord")] == ["orders"]
    await queue.delete()
    assert await client.queues() == []


async def test_a_paused_queue_takes_and_does_not_give(orders: Queue) -> None:
    await orders.pause()
    await orders.send("a")
    assert await one(orders, wait=SOON) is None
    await orders.resume()
    assert await bodies(orders) == ["a"]


async def test_purge_removes_by_state(orders: Queue) -> None:
    await orders.send_batch(["a", "b"])
    await orders.send("later", delay=3600)
    assert await orders.purge(state="active") == 2
    assert await orders.purge() == 1


async def test_purge_removes_what_a_filter_takes(orders: Queue) -> None:
    # More than the broker looks at for one request.
    await orders.send_batch([f"{number}" for number in range(2_100)])
    await orders.send("test", properties={"customer": 17})
    await orders.send("real", properties={"customer": 18})
    await orders.send("wrong", properties={"customer": "x"})
    assert await orders.purge(where="customer > 16 AND customer < 18") == 1
    assert await orders.purge(where="customer IS NULL", count=5) == 5
    assert await orders.purge(where="customer IS NULL", state="deferred") == 0
    assert await orders.purge(where="customer IS NULL") == 2_095
    assert await bodies(orders) == ["real", "wrong"]
    with pytest.raises(Refused, match="line 1, column 11"):
        await orders.purge(where="customer =")


async def test_purge_of_dead_letters_by_their_reason(orders: Queue) -> None:
    await orders.send_batch(["Malformed", "Late"])
    async for job in orders.receive(wait=SOON):
        await job.dead_letter(job.text())
    assert await orders.dead_letters.purge(where="DeadLetterReason = 'Late'") == 1
    assert await orders.dead_letters.dead_letter_reasons() == {"Malformed": 1}


async def test_what_is_deferred_is_handed_out_again(orders: Queue) -> None:
    await orders.send_batch(["a", "b", "c"])
    async for job in orders.receive(wait=SOON):
        await job.defer()
    await orders.send("d")
    await orders.receive_deferred([1])  # held, so it cannot
    with pytest.raises(Refused, match="no deferred message 1"):
        await orders.undefer([2, 1])
    assert await orders.undefer([2]) == 1
    assert await bodies(orders) == ["b", "d"]
    assert await orders.undefer() == 1
    assert await bodies(orders) == ["c"]


async def test_priorities_are_strict_where_the_queue_has_them(client: Client) -> None:
    queue = await client.create_queue("lanes", priorities=True)
    for priority in (1, 9, 4, 9):
        await queue.send(str(priority), priority=priority)
    assert await bodies(queue) == ["9", "9", "4", "1"]


async def test_messages_expire_to_the_dead_letters_where_wanted(client: Client) -> None:
    queue = await client.create_queue("short", dead_letter_on_expiry=True)
    await queue.send("a", ttl=0.2)
    async for job in queue.dead_letters.receive(count=1, wait=10):
        assert job.message.dead_letter_reason == "TTLExpiredException"
        await job.complete()


async def test_workers_compete_and_nothing_is_done_twice(
    broker: BrokerProcess, orders: Queue
) -> None:
    done: list[str] = []

    async def work() -> None:
        async with connect(broker.url) as client:
            async for job in client.queue("orders").receive(wait=SOON):
                await job.complete()
                done.append(job.text())

    await orders.send_batch([str(number) for number in range(200)])
    await asyncio.gather(work(), work(), work())
    assert sorted(done, key=int) == [str(number) for number in range(200)]


async def test_five_megabytes_arrive_whole(orders: Queue) -> None:
    body = bytes(range(256)) * 20_000
    await orders.send(body)
    async for job in orders.receive(count=1):
        assert job.body == body
        await job.complete()


async def test_no_broker_is_said_at_once() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        await connect("amqp://127.0.0.1:1").open()


async def test_who_is_one_too_many_hears_why() -> None:
    with BrokerProcess(env={"PEEKLOCK_CONNECTIONS_MAX": "1"}) as broker:
        async with connect(broker.url) as first:
            with pytest.raises(Unreachable, match="there are 1 connections already"):
                await connect(broker.url, patience=0).open()
            await first.create_queue("orders")


async def test_a_wrong_url_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="no broker URL"):
        connect("http://127.0.0.1")


async def test_without_dev_the_generated_user_gets_in_and_nobody_else(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BrokerProcess(dev=False) as broker:
        announced = broker.data_dir / "announced.json"
        assert announced.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Unauthenticated):
            await connect(f"amqp://admin:wrong@127.0.0.1:{broker.amqp_port}").open()
        with pytest.raises(Unauthenticated):
            await connect(broker.url).open()
        monkeypatch.setenv("PEEKLOCK_CREDENTIALS", str(announced))
        async with connect() as client:
            await client.create_queue("orders")


class OpenDoor:
    """A listener that says a few bytes to whoever comes, and keeps its end of the socket."""

    def __init__(self, says: bytes) -> None:
        self._says = says
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._says)
        self.came.set()
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(4096):
                pass
        self.gone.set()
        writer.close()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[str]:
        """Gives its URL."""
        async with await asyncio.start_server(self.answer, "127.0.0.1", 0) as server:
            yield f"amqp://user:wrong@127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_refused_login_leaves_no_socket_behind() -> None:
    mechanisms = frame(composite("sasl-mechanisms", sasl_server_mechanisms=["PLAIN"]), kind=1)
    refused = frame(composite("sasl-outcome", code=1), kind=1)
    door = OpenDoor(SASL_HEADER + mechanisms + refused)
    async with door.held() as url:
        with pytest.raises(Unauthenticated):
            await connect(url, patience=0).open()
        await asyncio.wait_for(door.gone.wait(), 20)


async def test_a_given_up_opening_leaves_no_socket_behind() -> None:
    door = OpenDoor(b"")
    async with door.held() as url:
        opening = asyncio.ensure_future(connect(url, patience=0).open())
        await asyncio.wait_for(door.came.wait(), 20)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.wait_for(door.gone.wait(), 20)


async def test_a_selector_takes_what_it_says_and_leaves_the_rest(orders: Queue) -> None:
    for kind in ("a", "b", "a"):
        await orders.send(kind, properties={"kind": kind})
    taken: list[str] = []
    async for job in orders.receive(selector="kind = 'a'", wait=SOON):
        taken.append(job.text())
        await job.complete()
    assert taken == ["a", "a"]
    assert await bodies(orders) == ["b"]
    with pytest.raises(Refused, match="line 1, column 8: expected") as caught:
        async for _job in orders.receive(selector="kind = "):
            pass
    assert caught.value.condition == "amqp:invalid-field"
