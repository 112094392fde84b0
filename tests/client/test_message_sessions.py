"""Message sessions in the client and on the command line, against a real broker."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from peeklock_client import (
    Client,
    LockLost,
    Queue,
    Refused,
    SessionInUse,
    SessionLost,
    TimedOut,
    connect,
)
from tests.support.broker_process import BrokerProcess
from tests.support.soon import SOON


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def bookings(client: Client) -> Queue:
    return await client.create_queue("bookings", requires_session=True)


async def send(queue: Queue, session_id: str, *bodies: str) -> None:
    await queue.send_batch(list(bodies), session_id=session_id)


async def test_a_session_in_its_order_and_nothing_else(bookings: Queue) -> None:
    for number in range(6):
        await send(bookings, "ab"[number % 2], str(number))
    async with bookings.accept_session("a") as session:
        assert session.session_id == "a"
        assert session.locked_until > datetime.now(UTC) + timedelta(seconds=30)
        found = []
        async for job in session.receive(wait=SOON):
            assert job.session_id == "a"
            found.append(job.text())
            await job.complete()
    assert found == ["0", "2", "4"]
    assert (await bookings.info())["messages"] == 3
    assert await bookings.sessions() == ["b"]


async def test_the_next_one_in_turn(bookings: Queue) -> None:
    for name in ("b", "a"):
        await send(bookings, name, "job")
    order = []
    for _ in range(4):
        await asyncio.sleep(0.01)  # the broker counts in milliseconds
        async with bookings.accept_session() as session:
            order.append(session.session_id)
        await bookings.info()  # it has heard that we left, however busy it is
    assert order == ["b", "a", "b", "a"]


async def test_who_waits_gets_what_comes(client: Client, bookings: Queue) -> None:
    waiting = asyncio.create_task(bookings.accept_session().open())
    await asyncio.sleep(SOON)
    assert not waiting.done()
    await send(bookings, "late", "job")
    session = await asyncio.wait_for(waiting, 10)
    assert session.session_id == "late"
    async for job in session.receive(count=1):
        await job.complete()
    session.close()


async def test_waiting_ends_when_it_was_told_to(bookings: Queue) -> None:
    with pytest.raises(TimedOut, match="200 ms"):
        await bookings.accept_session(wait=0.2).open()


async def test_who_gives_up_waiting_takes_none(bookings: Queue) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bookings.accept_session().open(), 0.2)
    await send(bookings, "a", "job")
    async with bookings.accept_session(wait=5) as session:
        assert session.session_id == "a"
    assert (await bookings.info())["receivers"] == 0


async def test_one_holder_at_a_time(broker: BrokerProcess, bookings: Queue) -> None:
    async with bookings.accept_session("a") as session:
        async with connect(broker.url) as other:
            with pytest.raises(SessionInUse, match="'a'"):
                await other.queue("bookings").accept_session("a").open()
        assert (await bookings.info())["sessions_held"] == 1
        session.close()
        with pytest.raises(SessionLost, match="left"):
            await session.renew()
    async with bookings.accept_session("a", wait=5):
        pass


async def test_what_it_remembers(bookings: Queue) -> None:
    async with bookings.accept_session("a") as session:
        assert await session.state() is None
        await session.set_state(b"page 7")
    assert await bookings.sessions() == ["a"]
    async with bookings.accept_session("a") as session:
        assert await session.state() == b"page 7"
        await session.set_state(None)
        assert await session.state() is None
    assert await bookings.sessions() == []


async def test_leaving_gives_back_at_once_uncounted(bookings: Queue) -> None:
    await send(bookings, "a", "1", "2")
    for _ in range(2):
        async with bookings.accept_session("a") as session:
            async for job in session.receive(count=1):
                assert (job.text(), job.attempt) == ("1", 1)
    with pytest.raises(LockLost):
        await job.complete()


async def test_the_lock_runs_out_for_all_of_it(client: Client) -> None:
    queue = await client.create_queue("brief", requires_session=True, lock_duration_ms=400)
    await send(queue, "a", "1")
    async with queue.accept_session("a") as session:
        async for job in session.receive(count=1):
            await asyncio.sleep(0.6)
            with pytest.raises(SessionLost):
                await job.complete()
        with pytest.raises(SessionLost):
            await session.set_state(b"too late")
        with pytest.raises(SessionLost):
            async for _job in session.receive():
                pass
    async with queue.accept_session("a") as session:
        async for job in session.receive(count=1):
            assert job.attempt == 2
            for _ in range(4):
                await asyncio.sleep(0.2)
                until = await session.renew()
                await job.renew()
                assert until > datetime.now(UTC)
            await job.complete()


async def test_a_restart_ends_it_and_keeps_its_state(
    broker: BrokerProcess, bookings: Queue
) -> None:
    await send(bookings, "a", "1")
    session = await bookings.accept_session("a").open()
    await session.set_state(b"page 7")
    async for job in session.receive(count=1):
        await asyncio.to_thread(broker.kill)
        with pytest.raises(LockLost):
            await job.complete()
    with pytest.raises(SessionLost, match="broke"):
        await session.state()
    await asyncio.to_thread(broker.restart)
    async with bookings.accept_session("a") as session:
        assert await session.state() == b"page 7"
        async for job in session.receive(count=1):
            assert job.attempt == 2
            await job.complete()


async def test_deferred_ones_are_its_holders(bookings: Queue) -> None:
    await send(bookings, "a", "aside")
    async with bookings.accept_session("a") as session:
        async for job in session.receive(count=1):
            await job.defer()
        [peeked] = await bookings.peek(session_id="a")
        assert (peeked.state, peeked.session_id) == ("deferred", "a")
        assert await bookings.peek(session_id="b") == []
        with pytest.raises(Refused, match="which message session"):
            await bookings.receive_deferred([job.sequence_number])
        [deferred] = await session.receive_deferred([job.sequence_number])
        await deferred.complete()
    assert (await bookings.info())["messages"] == 0


async def test_what_is_no_session_is_refused(client: Client, bookings: Queue) -> None:
    with pytest.raises(Refused, match="group-id"):
        await bookings.send("no session")
    with pytest.raises(Refused, match="ask for one"):
        async for _job in bookings.receive(wait=SOON):
            pass
    plain = await client.create_queue("plain")
    with pytest.raises(Refused, match="no message sessions"):
        await plain.accept_session("a").open()
    with pytest.raises(ValueError, match="wait"):
        bookings.accept_session(wait=-1)


async def test_workers_share_sessions_and_keep_their_order(
    broker: BrokerProcess, bookings: Queue
) -> None:
    """Many sessions, few workers: each job once, each session in order."""
    for number in range(200):
        await send(bookings, f"s{number % 20}", str(number))
    done: dict[str, list[int]] = {}

    async def work() -> None:
        async with connect(broker.url) as client:
            while True:
                try:
                    async with client.queue("bookings").accept_session(wait=SOON) as session:
                        async for job in session.receive(wait=0.05):
                            done.setdefault(session.session_id, []).append(int(job.text()))
                            await job.complete()
                except TimedOut:
                    return

    await asyncio.gather(work(), work(), work())
    assert sum(len(numbers) for numbers in done.values()) == 200
    for numbers in done.values():
        assert numbers == sorted(numbers)
