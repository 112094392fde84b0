"""Settings of entities through the client, against a broker that is killed in between."""

from collections.abc import AsyncIterator

import pytest

from peeklock_client import Client, NotFound, Refused, connect
from tests.support.broker_process import BrokerProcess
from tests.support.soon import SOON


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


async def texts(client: Client, name: str) -> list[str]:
    """Complete all there is."""
    found: list[str] = []
    async for job in client.queue(name).receive(wait=SOON):
        found.append(job.text())
        await job.complete()
    return found


async def test_a_duplicate_is_dropped_also_by_a_broker_that_died(
    broker: BrokerProcess, client: Client
) -> None:
    """The id is in the same commit as the message: who heard "accepted" is remembered."""
    orders = await client.create_queue("orders", duplicate_window_ms=60_000)
    await orders.send("first", message_id="4711")
    assert await texts(client, "orders") == ["first"]
    broker.kill()
    broker.restart()
    await orders.send("again", message_id="4711")
    await orders.send("another", message_id="4712")
    assert await texts(client, "orders") == ["another"]


async def test_what_is_forwarded_is_at_its_end_after_a_restart(
    broker: BrokerProcess, client: Client
) -> None:
    await client.create_queue("audit")
    orders = await client.create_queue("orders", forward_to="audit")
    await orders.send("job")
    broker.kill()
    broker.restart()
    await orders.send("another")
    assert await texts(client, "audit") == ["job", "another"]
    with pytest.raises(Refused, match="receive from there"):
        await texts(client, "orders")


async def test_a_dead_letter_is_where_it_is_forwarded_to_with_its_reason(
    client: Client,
) -> None:
    failures = await client.create_queue("failures")
    orders = await client.create_queue("orders", forward_dead_letters_to="failures")
    await orders.send("job")
    async for job in orders.receive(count=1):
        await job.dead_letter("NoTotal", "the total is missing")
    async for job in failures.receive(count=1):
        assert job.message.dead_letter_reason == "NoTotal"
        assert job.message.dead_letter_description == "the total is missing"
        assert job.message.annotations["x-opt-deadletter-source"] == "orders"
        assert job.attempt == 1
        await job.complete()
    assert (await orders.info())["dead_letters"] == 0


async def test_a_loop_is_refused_and_named(client: Client) -> None:
    await client.create_queue("b")
    await client.create_queue("a", forward_to="b")
    with pytest.raises(Refused, match="a loop: b → a → b"):
        await client.queue("b").update(forward_to="a")


async def test_a_target_that_was_deleted_refuses_the_send(client: Client) -> None:
    audit = await client.create_queue("audit")
    orders = await client.create_queue("orders", forward_to="audit")
    await audit.delete()
    with pytest.raises(NotFound, match="'orders' forwards to 'audit'"):
        await orders.send("job")


async def test_a_disabled_queue_refuses_and_an_enabled_one_goes_on(client: Client) -> None:
    orders = await client.create_queue("orders")
    await orders.update(status="send-disabled")
    with pytest.raises(Refused, match="takes no messages for now"):
        await orders.send("job")
    await orders.update(status="active")
    await orders.send("job")
    assert await texts(client, "orders") == ["job"]


async def test_settings_are_the_same_after_a_restart(
    broker: BrokerProcess, client: Client
) -> None:
    await client.create_queue("audit")
    orders = await client.create_queue(
        "orders",
        duplicate_window_ms=20_000,
        forward_dead_letters_to="audit",
        auto_delete_on_idle_ms=3_600_000,
        status="receive-disabled",
        user_metadata="of the ERP team, “Ersatz”",
    )
    before = await orders.info()
    broker.kill()
    broker.restart()
    async with connect(broker.url) as another:
        after = await another.queue("orders").info()
    not_kept = {"receivers": 0, "accessed_at": 0}
    assert {**after, **not_kept} == {**before, **not_kept}
