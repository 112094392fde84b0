"""Topics and subscriptions over the wire: their addresses, what they refuse, what arrives."""

import asyncio
from collections.abc import Iterator

import pytest

from peeklock_client import connect
from tests.support.amqp_bytes import ACCEPTED, Composite, composite, data_section
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess


@pytest.fixture(scope="module")
def broker(shared: BrokerProcess) -> BrokerProcess:
    """With topic `tickets` and subscriptions `erp` and `gate`."""

    async def prepare() -> None:
        async with connect(shared.url) as client:
            tickets = await client.create_topic("tickets")
            await tickets.subscribe("erp", lock_duration_ms=60_000)
            await tickets.subscribe("gate")

    asyncio.run(prepare())
    return shared


@pytest.fixture
def wire(broker: BrokerProcess) -> Iterator[AmqpPeer]:
    with ready_peer(broker.amqp_port) as peer:
        yield peer


@pytest.mark.parametrize(
    "address",
    ["tickets", "TICKETS", "/tickets", "topic://tickets", "amqps://localhost:5671/tickets"],
)
def test_a_topic_is_sent_to_and_each_subscription_has_it(wire: AmqpPeer, address: str) -> None:
    attach = wire.attach_sender(address, 0)
    target = attach["target"]
    assert isinstance(target, Composite)
    assert target["address"] == address
    assert attach["max-message-size"] == 100 * 1024 * 1024
    wire.put(b"sold")
    for handle, name in enumerate(("erp", "gate"), 1):
        wire.attach_receiver(f"{address}/Subscriptions/{name}", handle, credit=1)
        heard, message = wire.receive()
        assert message.body == b"sold"
        source = message.annotations["x-opt-enqueue-sequence-number"]
        assert isinstance(source, int)
        assert source >= 1
        wire.dispose(heard["delivery-id"], ACCEPTED, settled=True)


def refused(peer: AmqpPeer, name: str) -> str:
    heard = peer.expect("attach")
    assert heard[name] is None
    return peer.expect_error("detach", "amqp:not-allowed")


def test_a_topic_hands_nothing_out(wire: AmqpPeer) -> None:
    wire.send(
        "attach", name="r", handle=0, role=True,
        source=composite("source", address="tickets"), target=composite("target"),
    )  # fmt: skip
    assert "tickets/Subscriptions/" in refused(wire, "source")


def test_a_subscription_takes_from_its_topic_alone(wire: AmqpPeer) -> None:
    wire.send(
        "attach", name="s", handle=0, role=False, initial_delivery_count=0,
        source=composite("source"),
        target=composite("target", address="tickets/Subscriptions/erp"),
    )  # fmt: skip
    assert "send to 'tickets'" in refused(wire, "target")


def test_dead_letters_of_a_subscription_have_their_address(wire: AmqpPeer) -> None:
    wire.attach_sender("tickets", 0)
    wire.put(b"bad")
    wire.attach_receiver("tickets/Subscriptions/erp", 1, credit=1)
    heard, _message = wire.receive()
    error = composite("error", condition="app:bad", description="no such order")
    wire.dispose(heard["delivery-id"], composite("rejected", error=error))
    wire.expect("disposition", settled=True)
    wire.attach_receiver("tickets/subscriptions/ERP/$deadletterqueue", 2, credit=1)
    heard, message = wire.receive()
    assert message.application_properties["DeadLetterReason"] == "app:bad"
    assert message.annotations["x-opt-deadletter-source"] == "tickets/Subscriptions/erp"
    wire.dispose(heard["delivery-id"], ACCEPTED, settled=True)


def test_the_effective_ttl_is_the_shortest(wire: AmqpPeer, broker: BrokerProcess) -> None:
    async def prepare() -> None:
        async with connect(broker.url) as client:
            brief = await client.create_topic("brief", default_ttl_ms=50)
            await brief.subscribe("all")

    asyncio.run(prepare())
    wire.attach_sender("brief", 0)
    wire.transfer(0, composite("header", ttl=60_000) + data_section(b"late"))
    wire.hear_accepted(0, 0)
    wire.expect_silence(0.3)
    wire.attach_receiver("brief/Subscriptions/all", 1, credit=1)
    wire.expect_silence(0.2)


def test_a_topic_that_is_deleted_takes_nothing_more(
    wire: AmqpPeer, broker: BrokerProcess
) -> None:
    """The sender's link outlives it; what is sent then must not be told accepted."""

    async def ask(operation: str) -> None:
        async with connect(broker.url) as client:
            if operation == "create":
                await client.create_topic("passing")
            else:
                await client.topic("passing").delete()

    asyncio.run(ask("create"))
    wire.attach_sender("passing", 0)
    wire.put(b"one")
    asyncio.run(ask("delete"))
    wire.transfer(1, data_section(b"two"))
    heard = wire.expect("disposition", settled=True)
    state = heard["state"]
    assert isinstance(state, Composite)
    assert state.name == "rejected"
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == "amqp:not-found"
