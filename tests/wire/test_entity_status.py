"""An entity's status on the wire: links refused, sends rejected, receivers left waiting."""

from collections.abc import Iterator

import pytest

from tests.support.amqp_bytes import (
    Composite,
    application_properties,
    composite,
    data_section,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess

DISABLED = "com.microsoft:entity-disabled"


@pytest.fixture
def operator(shared: BrokerProcess) -> Iterator[AmqpPeer]:
    """Somebody who changes settings, on a connection of its own."""
    with ready_peer(shared.amqp_port) as one:
        one.attach_sender("$management", 0)
        yield one


def set_status(operator: AmqpPeer, queue: str, status: str, number: int = 0) -> None:
    """Ask, as the operator's `number`-th request, and wait until it is so."""
    payload = (
        composite("properties", message_id="ask")
        + application_properties({"operation": "UPDATE", "name": queue})
        + value_section({"status": status})
    )
    operator.transfer(number, payload)
    operator.hear_accepted(number, number)


def test_new_links_are_refused(ready: AmqpPeer, operator: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    set_status(operator, queue, "disabled")
    target = composite("target", address=queue)
    source = composite("source", address=queue)
    ready.send("attach", name="s", handle=1, role=False, source=composite("source"),
               target=target, initial_delivery_count=0)  # fmt: skip
    assert ready.expect("attach")["target"] is None
    assert queue in ready.expect_error("detach", DISABLED)
    ready.send("detach", handle=1, closed=True)
    ready.send("attach", name="r", handle=2, role=True, source=source,
               target=composite("target"))  # fmt: skip
    assert ready.expect("attach")["source"] is None
    assert "hands out no messages" in ready.expect_error("detach", DISABLED)


def test_a_send_on_an_open_link_is_rejected(
    ready: AmqpPeer, operator: AmqpPeer, queue: str
) -> None:
    ready.attach_sender(queue, 0)
    ready.put(b"before")
    set_status(operator, queue, "send-disabled")
    ready.transfer(1, data_section(b"after"))
    state = ready.expect("disposition", settled=True)["state"]
    assert isinstance(state, Composite)
    assert state.name == "rejected"
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == DISABLED


def test_a_receiver_waits_until_it_is_enabled_again(
    ready: AmqpPeer, operator: AmqpPeer, queue: str
) -> None:
    ready.attach_receiver(queue, 0, credit=1)
    ready.ping()
    set_status(operator, queue, "receive-disabled")
    ready.attach_sender(queue, 1)
    ready.put(b"job", handle=1)
    ready.expect_silence()
    set_status(operator, queue, "active", 1)
    heard, _message = ready.receive()
    assert heard["handle"] == 0
