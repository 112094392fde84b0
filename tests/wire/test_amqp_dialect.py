"""Errors in AMQP's words, and in Service Bus' for those who say that they expect them."""

from collections.abc import Iterator

import pytest

from tests.support.amqp_bytes import (
    Composite,
    application_properties,
    composite,
    data_section,
    fields_,
    int_,
    timestamp,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.amqp_sessions import Desk
from tests.support.broker_process import BrokerProcess

AGENTS = {
    "azsdk-python-servicebus/7.15.0 pyamqp Python/3.13": "com.microsoft:argument-error",
    "my shop azsdk-net-Azure.Messaging.ServiceBus/7.20.1": "com.microsoft:argument-error",
    "qpid": "amqp:invalid-field",
    None: "amqp:invalid-field",
}
TOO_MANY = application_properties({f"name-{number}": "x" * 999 for number in range(70)})


@pytest.fixture(params=AGENTS)
def peer(shared: BrokerProcess, request: pytest.FixtureRequest) -> Iterator[AmqpPeer]:
    """Somebody whose open says this of itself."""
    with AmqpPeer(shared.amqp_port) as one:
        agent = request.param
        one.open(properties=None if agent is None else fields_({"user-agent": agent}))
        one.begin()
        yield one


@pytest.fixture
def condition(request: pytest.FixtureRequest) -> str:
    """Of what is wrong in itself, as that somebody knows it."""
    agent = request.getfixturevalue("peer") and request.node.callspec.params["peer"]
    return AGENTS[agent]


def test_an_attach(peer: AmqpPeer, condition: str) -> None:
    peer.send("attach", name="x", handle=0, role=True, target=composite("target"))
    peer.expect("attach", source=None)
    peer.expect_error("detach", condition)


def test_a_message(peer: AmqpPeer, condition: str, queue: str) -> None:
    peer.attach_sender(queue)
    peer.transfer(0, TOO_MANY[:50_000], more=True)  # more than a frame holds
    peer.transfer(None, TOO_MANY[50_000:] + data_section(b"x"))
    state = peer.expect("disposition", settled=True)["state"]
    assert isinstance(state, Composite)
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == condition


def test_an_entity_that_goes(
    peer: AmqpPeer, condition: str, operator: AmqpOperator, queue: str
) -> None:
    """§2.8.15 resource-deleted: those who receive hear it at once, who sends when it sends."""
    word = "amqp:not-found" if "argument" in condition else "amqp:resource-deleted"
    operator.create(queue)
    peer.attach_receiver(queue, 0, credit=1)
    peer.attach_sender(queue, 1)
    operator.ask("DELETE", queue, {})
    assert "could not be found" in peer.expect_error("detach", word)
    peer.transfer(0, data_section(b"x"), handle=1)
    peer.expect("disposition", settled=True)
    assert "could not be found" in peer.expect_error("detach", word)


def test_what_the_specification_alone_has_a_word_for(peer: AmqpPeer) -> None:
    peer.send("attach", name="x", handle=0, role=True, source=composite("source", address="$x"))
    peer.expect("attach", source=None)
    peer.expect_error("detach", "amqp:not-found")


def test_an_operation_of_service_bus(peer: AmqpPeer, queue: str) -> None:
    """Whoever asks it."""
    desk = Desk(peer, queue)
    before = {"enqueued-time-utc": timestamp(0)}
    for body, word in [
        ({**before, "message-count": "many"}, "argument-error"),
        ({**before, "message-count": int_(4001)}, "argument-out-of-range"),
    ]:
        answer = desk.ask("batch-delete-messages", body)
        assert answer[:2] == (400, f"com.microsoft:{word}")
