"""Topics and subscriptions through the client, against a real broker."""

from collections.abc import AsyncIterator

import pytest

from peeklock_client import Client, NotFound, QueueFull, Refused, Subscription, Topic, connect
from tests.support.broker_process import BrokerProcess
from tests.support.soon import SOON


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[Client]:
    async with connect(broker.url) as client:
        yield client


@pytest.fixture
async def tickets(client: Client) -> Topic:
    return await client.create_topic("tickets")


async def bodies(subscription: Subscription) -> list[str]:
    """Complete all there is."""
    found: list[str] = []
    async for job in subscription.receive(wait=SOON):
        found.append(job.text())
        await job.complete()
    return found


async def test_each_subscription_has_what_was_sent_since_it_was_made(tickets: Topic) -> None:
    erp = await tickets.subscribe("erp")
    await tickets.send("one")
    gate = await tickets.subscribe("gate", max_delivery_count=3)
    assert await tickets.send_batch(["two", "three"]) == 2
    assert await bodies(erp) == ["one", "two", "three"]
    assert await bodies(gate) == ["two", "three"]
    views = await tickets.subscriptions()
    assert [view["subscription"] for view in views] == ["erp", "gate"]
    assert [view["max_delivery_count"] for view in views] == [10, 3]


async def test_it_outlives_a_restart(broker: BrokerProcess) -> None:
    async with connect(broker.url) as client:
        tickets = await client.create_topic("tickets", duplicate_window_ms=600_000)
        for name in ("erp", "gate"):
            await tickets.subscribe(name)
        await tickets.send("one", message_id="a")
    broker.kill()
    broker.restart()
    async with connect(broker.url) as client:
        tickets = client.topic("tickets")
        await tickets.send("one again", message_id="a")
        await tickets.send("two")
        for name in ("erp", "gate"):
            numbers = []
            async for job in client.subscription("tickets", name).receive(wait=SOON):
                numbers.append(job.message.annotations["x-opt-enqueue-sequence-number"])
                await job.complete()
            assert numbers == [1, 2]


async def test_topics_are_listed_shown_changed_and_deleted(client: Client) -> None:
    tickets = await client.create_topic("tickets", default_ttl_ms=60_000)
    await client.create_topic("alarms")
    await client.create_queue("orders")
    assert [view["name"] for view in await client.topics()] == ["alarms", "tickets"]
    assert [view["name"] for view in await client.queues()] == ["orders"]
    assert (await tickets.update(max_bytes=1000))["default_ttl_ms"] == 60_000
    assert (await tickets.info())["max_bytes"] == 1000
    with pytest.raises(Refused, match="no setting 'speed'"):
        await tickets.update(speed=1)
    with pytest.raises(Refused, match="exists already"):
        await client.create_topic("ORDERS")
    erp = await tickets.subscribe("erp")
    await tickets.delete()
    with pytest.raises(NotFound):
        await erp.info()
    with pytest.raises(NotFound):
        await client.topic("tickets").info()


async def test_a_full_subscription_refuses_by_name(tickets: Topic) -> None:
    await tickets.subscribe("erp", max_messages=1)
    await tickets.send("one")
    with pytest.raises(QueueFull, match="tickets/Subscriptions/erp"):
        await tickets.send("two")


async def test_a_subscription_is_managed_as_a_queue_is(client: Client, tickets: Topic) -> None:
    erp = await tickets.subscribe("erp")
    await erp.update(max_delivery_count=1)
    await tickets.send("bad")
    async for job in erp.receive(count=1):
        await job.abandon()
    assert await erp.dead_letters.dead_letter_reasons() == {"MaxDeliveryCountExceeded": 1}
    assert await erp.dead_letters.redrive() == 1
    [message] = await erp.peek()
    assert message.text() == "bad"
    assert message.annotations["x-opt-enqueue-sequence-number"] == 1
    with pytest.raises(Refused, match="not-allowed"):
        await erp.send("mine")
    await erp.delete()
    assert await tickets.subscriptions() == []


async def test_rules_come_and_go(tickets: Topic) -> None:
    erp = await tickets.subscribe("erp", rules=[{"name": "none", "kind": "false"}])
    await tickets.send("one")
    await erp.add_rule("all")
    await tickets.send("two")
    assert [rule["name"] for rule in await erp.rules()] == ["none", "all"]
    assert (await erp.rule("ALL"))["kind"] == "true"
    await erp.update_rule("all", kind="false")
    await tickets.send("three")
    assert await bodies(erp) == ["two"]
    await erp.remove_rule("all")
    with pytest.raises(NotFound):
        await erp.remove_rule("all")
    with pytest.raises(Refused, match="exists already"):
        await erp.add_rule("none")


async def test_filters_and_actions(tickets: Topic) -> None:
    big = await tickets.subscribe(
        "big", rules=[{"name": "big", "sql": "amount > 100", "action": "SET seen = TRUE"}]
    )
    gate = await tickets.subscribe(
        "gate", rules=[{"name": "sold", "correlation": {"sys.Label": "sold", "site": 3}}]
    )
    await tickets.send("one", subject="sold", properties={"site": 3, "amount": 5})
    await tickets.send("two", subject="sold", properties={"site": 4, "amount": 500})
    assert await bodies(gate) == ["one"]
    [copy] = await big.peek()
    assert copy.application_properties == {
        "site": 4,
        "amount": 500,
        "seen": True,
        "RuleName": "big",
    }
    [rule] = await gate.rules()
    assert (rule["kind"], rule["properties"]) == (
        "correlation",
        {"sys.Label": "sold", "site": 3},
    )


async def test_parameters(tickets: Topic) -> None:
    """Values beside the texts: a quote in one ends nothing."""
    erp = await tickets.subscribe(
        "erp", rules=[{"name": "one", "sql": "site = @s", "parameters": {"s": "o'hare"}}]
    )
    await erp.add_rule(
        "two",
        sql="amount >= @least AND paid = @Paid",
        parameters={"@least": 100, "paid": True},
        action="SET seen_by = @who",
        action_parameters={"who": "ann; REMOVE amount"},
    )
    await tickets.send("a", properties={"site": "o'hare"})
    await tickets.send("b", properties={"amount": 100, "paid": True})
    await tickets.send("c", properties={"amount": 99, "paid": True})
    first, second = await erp.peek(count=5)
    assert (first.body, second.body) == (b"a", b"b")
    assert second.application_properties["seen_by"] == "ann; REMOVE amount"
    assert second.application_properties["amount"] == 100
    changed = await erp.update_rule("two", sql="amount = @n", parameters={"n": 1})
    assert (changed["parameters"], changed["action_parameters"]) == ({"n": 1}, {})
    with pytest.raises(Refused, match=r"line 1, column 10: .*@n"):
        await erp.add_rule("three", sql="amount = @n")


async def test_a_filter_that_is_none_is_refused_with_its_place(tickets: Topic) -> None:
    erp = await tickets.subscribe("erp")
    with pytest.raises(Refused, match=r"line 2, column 5: expected a property") as caught:
        await erp.add_rule("bad", sql="amount > 1\nAND >")
    assert caught.value.condition == "amqp:invalid-field"
    with pytest.raises(Refused, match="a rule compares no 'a'"):
        await erp.add_rule("bad", correlation={"a": [1]})
    with pytest.raises(Refused, match="make two of it"):
        await erp.add_rule("bad", sql="a = 1", correlation={"a": 1})


async def test_an_envelope_and_a_schedule_go_to_a_topic(client: Client, tickets: Topic) -> None:
    erp = await tickets.subscribe("erp")
    await tickets.send("later", delay=60)
    assert (await erp.info())["scheduled"] == 1
    await client.request(
        "tickets", "com.microsoft:cancel-scheduled-message", "", {"sequence-numbers": [1]}
    )
    assert (await erp.info())["messages"] == 0
    with pytest.raises(Refused, match="message-not-found"):
        await client.request(
            "tickets", "com.microsoft:cancel-scheduled-message", "", {"sequence-numbers": [1]}
        )
    with pytest.raises(Refused, match="a topic holds no messages"):
        await client.queue("tickets").peek()
