"""Forwards on the wire: what the sender, and the receiver at the end, are told."""

from tests.support.amqp_bytes import Composite, composite, data_section, rejected
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer


def test_a_message_arrives_where_it_is_forwarded_to(
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    operator.create(f"{queue}-b")
    operator.create(queue, forward_to=f"{queue}-b")
    ready.attach_sender(queue, 0)
    ready.put(b"job")
    ready.attach_receiver(f"{queue}-b", 1, credit=1)
    _heard, message = ready.receive()
    assert message.body == b"job"
    assert message.annotations["x-opt-enqueue-sequence-number"] == 1
    assert "x-opt-deadletter-source" not in message.annotations


def test_a_target_that_is_gone_refuses_and_is_named(
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    operator.create(f"{queue}-b")
    operator.create(queue, forward_to=f"{queue}-b")
    ready.attach_sender(queue, 0)
    operator.ask("DELETE", f"{queue}-b", {})
    ready.transfer(0, data_section(b"job"))
    state = ready.expect("disposition", settled=True)["state"]
    assert isinstance(state, Composite)
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == "amqp:not-found"
    assert f"{queue}-b" in str(error["description"])


def test_nobody_receives_from_what_forwards(
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    operator.create(f"{queue}-b")
    operator.create(queue, forward_to=f"{queue}-b")
    source = composite("source", address=queue)
    target = composite("target")
    ready.send("attach", name="r", handle=0, role=True, source=source, target=target)
    assert ready.expect("attach")["source"] is None
    assert f"{queue}-b" in ready.expect_error("detach", "amqp:not-allowed")


def test_a_dead_letter_tells_its_reason_and_where_it_died(
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    operator.create(f"{queue}-dead")
    operator.create(queue, forward_dead_letters_to=f"{queue}-dead")
    ready.attach_sender(queue, 0)
    ready.put(b"job")
    ready.attach_receiver(queue, 1, credit=1)
    heard, _message = ready.receive()
    ready.dispose(heard["delivery-id"], rejected("app:bad", "no such order"))
    ready.expect("disposition", settled=True)
    ready.attach_receiver(f"{queue}-dead", 2, credit=1)
    _heard, message = ready.receive()
    assert message.application_properties["DeadLetterReason"] == "app:bad"
    assert message.application_properties["DeadLetterErrorDescription"] == "no such order"
    assert message.annotations["x-opt-deadletter-source"] == queue
    header = message.header
    assert header is not None
    assert header["delivery-count"] == 0
