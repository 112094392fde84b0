"""An entity's status on the wire: links refused, sends rejected, receivers left waiting."""

from tests.support.amqp_bytes import Composite, composite, data_section
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer

DISABLED = "com.microsoft:entity-disabled"


def test_new_links_are_refused(ready: AmqpPeer, operator: AmqpOperator, queue: str) -> None:
    ready.attach_sender(queue, 0)
    operator.change(queue, status="disabled")
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
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    ready.attach_sender(queue, 0)
    ready.put(b"before")
    operator.change(queue, status="send-disabled")
    ready.transfer(1, data_section(b"after"))
    state = ready.expect("disposition", settled=True)["state"]
    assert isinstance(state, Composite)
    assert state.name == "rejected"
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == DISABLED


def test_a_receiver_waits_until_it_is_enabled_again(
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    ready.attach_receiver(queue, 0, credit=1)
    ready.ping()
    operator.change(queue, status="receive-disabled")
    ready.attach_sender(queue, 1)
    ready.put(b"job", handle=1)
    ready.expect_silence()
    operator.change(queue, status="active")
    heard, _message = ready.receive()
    assert heard["handle"] == 0
