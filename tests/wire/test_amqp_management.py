"""Requests to a management node: where their replies go, and what they are about."""

from tests.support.amqp_bytes import (
    Composite,
    application_properties,
    array,
    composite,
    int_,
    long,
)
from tests.support.amqp_bytes import Message as Received
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.amqp_sessions import Desk
from tests.support.broker_process import BrokerProcess

PEEK = {"from-sequence-number": long(1), "message-count": int_(5)}


def request(reply_to: str, operation: str = "QUERY", name: str = "") -> bytes:
    """A request without arguments, whose message-id is `ask`."""
    properties = composite("properties", message_id="ask", reply_to=reply_to)
    return properties + application_properties({"operation": operation, "name": name})


def attach_dynamic(peer: AmqpPeer, handle: int) -> str:
    """A receiver on a node that the broker names; returns the name."""
    heard = peer.attach_receiver(None, handle, source=composite("source", dynamic=True))
    source = heard["source"]
    assert isinstance(source, Composite)
    address = source["address"]
    assert isinstance(address, str)
    return address


def ask(peer: AmqpPeer, handle: int, number: int, payload: bytes) -> None:
    """Send a request, and hear that it has come."""
    peer.transfer(number, payload, handle)
    peer.hear_accepted(number, number)
    peer.expect("flow")


def status_of(message: Received) -> object:
    sections = dict(message.sections)
    properties = sections[0x73]
    assert isinstance(properties, list)
    assert properties[5] == "ask"  # correlation-id, §3.2.4
    return message.application_properties["statusCode"]


class TestReplies:
    def test_to_a_dynamic_node(self, ready: AmqpPeer) -> None:
        """§3.5.9: the usual request and response of AMQP clients."""
        address = attach_dynamic(ready, 1)
        ready.attach_sender("$management", 0)
        ask(ready, 0, 0, request(address))
        ready.credit(1, 1)
        _heard, reply = ready.receive()
        assert status_of(reply) == 200

    def test_to_a_queue_that_another_connection_reads(
        self, ready: AmqpPeer, shared: BrokerProcess
    ) -> None:
        with ready_peer(shared.amqp_port) as other:
            address = attach_dynamic(other, 0)
            ready.attach_sender("$management", 0)
            ask(ready, 0, 0, request(address, "no such operation"))
            other.credit(1)
            assert status_of(other.receive()[1]) == 501

    def test_to_a_link_before_a_queue_of_the_same_name(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        ready.attach_receiver(queue, 2, credit=1)
        ready.attach_sender("$management", 0)
        ready.attach_receiver(
            "$management", 1, credit=1, target=composite("target", address=queue)
        )
        ask(ready, 0, 0, request(queue))
        heard, reply = ready.receive()
        assert heard["handle"] == 2
        assert status_of(reply) == 200
        ready.expect_silence()

    def test_to_nobody(self, ready: AmqpPeer, queue: str) -> None:
        """It is dropped; `--dev` makes no queue of its name."""
        ready.attach_sender("$management", 0)
        ask(ready, 0, 0, request(queue))
        ready.attach_receiver("$management", 1, credit=1)
        ask(ready, 0, 1, request("", "READ", queue))
        assert status_of(ready.receive()[1]) == 404


class TestAnEntityThatGoes:
    """A link to its node outlives it: requests are about what is there when they come."""

    def test_it_is_not_found(self, ready: AmqpPeer, operator: AmqpOperator, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        desk = Desk(ready, queue)
        assert desk.ask("peek-message", PEEK)[0] == 200
        operator.ask("DELETE", queue, {})
        for operation, body in [
            ("peek-message", PEEK),
            ("renew-lock", {"lock-tokens": array(0x98, [bytes(16)])}),
            ("get-session-state", {"session-id": "a"}),
        ]:
            assert desk.ask(operation, body)[:2] == (404, "amqp:not-found")

    def test_another_of_its_name(
        self, ready: AmqpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue)
        desk = Desk(ready, queue)
        operator.ask("DELETE", queue, {})
        operator.create(queue)
        ready.attach_sender(queue, 0)
        ready.put(b"new")
        status, _condition, body = desk.ask("peek-message", PEEK)
        assert isinstance(body, dict)
        assert (status, len(body["messages"])) == (200, 1)
