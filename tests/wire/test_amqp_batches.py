"""Envelopes of several messages: message-format 0x80013700, as Service Bus' clients send it."""

from tests.support.amqp_bytes import Composite, composite, data_section
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer

BATCH = 0x80013700


def envelope(*bodies: bytes) -> bytes:
    """Each a complete message, with an id; the first's properties are repeated outside."""
    messages = [
        composite("properties", message_id=f"id-{number}") + data_section(body)
        for number, body in enumerate(bodies)
    ]
    return composite("properties", message_id="id-0") + b"".join(map(data_section, messages))


def test_its_messages_are_taken_in_order_and_answered_once(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    ready.transfer(0, envelope(b"a", b"b", b"c"), message_format=BATCH)
    ready.expect("disposition", first=0, settled=True, role=True)
    ready.expect_silence()
    ready.attach_receiver(queue, 1, credit=5)
    received = [ready.receive()[1] for _ in range(3)]
    assert [message.body for message in received] == [b"a", b"b", b"c"]
    numbers = [message.annotations["x-opt-sequence-number"] for message in received]
    assert numbers == [1, 2, 3]
    ready.expect_silence()


def test_it_may_come_in_several_transfers(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    payload = envelope(*[b"x" * 1000] * 20)
    ready.transfer(0, payload[:7000], message_format=BATCH, more=True)
    ready.transfer(None, payload[7000:], message_format=None)
    ready.hear_accepted(0, 0)
    ready.attach_receiver(queue, 1, credit=30)
    assert len([ready.receive() for _ in range(20)]) == 20


def test_one_that_cannot_be_taken_takes_none_with_it(ready: AmqpPeer, queue: str) -> None:
    ready.attach_sender(queue, 0)
    bad = data_section(composite("properties", message_id="x" * 129) + data_section(b"b"))
    ready.transfer(0, data_section(data_section(b"a")) + bad, message_format=BATCH)
    heard = ready.expect("disposition", first=0, settled=True)
    state = heard["state"]
    assert isinstance(state, Composite)
    assert state.name == "rejected"
    ready.put(b"after", first=1)
    ready.attach_receiver(queue, 1, credit=5)
    assert ready.receive()[1].body == b"after"
    ready.expect_silence()


def test_none_is_taken_by_a_queue_that_is_full(
    ready: AmqpPeer, operator: AmqpOperator, queue: str
) -> None:
    ready.attach_sender(queue, 0)
    operator.change(queue, max_messages=2)
    ready.transfer(0, envelope(b"a", b"b", b"c"), message_format=BATCH)
    state = ready.expect("disposition", settled=True)["state"]
    assert isinstance(state, Composite)
    error = state["error"]
    assert isinstance(error, Composite)
    assert error["condition"] == "amqp:resource-limit-exceeded"
    ready.transfer(1, envelope(b"a", b"b"), message_format=BATCH)
    ready.hear_accepted(1, 1)


def test_a_message_without_an_id_is_given_one(ready: AmqpPeer, queue: str) -> None:
    """Service Bus' JavaScript client cannot settle what has none."""
    ready.attach_sender(queue, 0)
    ready.put(b"job")
    ready.attach_receiver(queue, 1, credit=1)
    _heard, message = ready.receive()
    properties = dict(message.sections)[0x73]
    assert isinstance(properties, list)
    assert isinstance(properties[0], str)
    assert len(properties[0]) == 32
