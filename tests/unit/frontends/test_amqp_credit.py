"""§2.6.7 while the disk is slow: a flow does not know what waits in the outbox for its link.

What a peer may count on is that, from the delivery-count of its flow, it gets no more
deliveries than that flow's credit.
"""

from collections.abc import Callable

import pytest

from tests.support.amqp_bytes import composite, string, symbol
from tests.support.amqp_house import AmqpHouse
from tests.support.amqp_sessions import FILTER

Attach = Callable[[AmqpHouse], None]


def peek_lock(house: AmqpHouse) -> None:
    house.queue()
    house.attach_receiver("orders")


def receive_and_delete(house: AmqpHouse) -> None:
    house.queue()
    house.attach_receiver("orders", snd_settle_mode=1)


def browse(house: AmqpHouse) -> None:
    house.queue()
    source = composite("source", address="orders", distribution_mode=symbol("copy"))
    house.attach_receiver("orders", source=source)


def message_session(house: AmqpHouse) -> None:
    house.queue(requires_session=True)
    source = composite("source", address="orders", filter={FILTER: string("s")})
    house.attach_receiver("orders", source=source)


WAYS: list[Attach] = [peek_lock, receive_and_delete, browse, message_session]


def ready(attach: Attach) -> AmqpHouse:
    house = AmqpHouse()
    house.open()
    attach(house)
    house.tell()
    [attached] = [heard for heard in house.hear() if heard.name == "attach"]
    assert attached["source"] is not None
    return house


def put(house: AmqpHouse, count: int) -> None:
    """So many messages, not durable yet."""
    queue = house.namespace.find("orders")
    for _ in range(count):
        house.send(queue, session_id="s" if queue.sessions is not None else None)
    house.turn()


def transfers(house: AmqpHouse) -> int:
    return [heard.name for heard in house.hear()].count("transfer")


@pytest.mark.parametrize("attach", WAYS)
def test_a_flow_said_twice_grants_no_more_than_once(attach: Attach) -> None:
    house = ready(attach)
    house.credit(1)
    put(house, 2)
    assert transfers(house) == 0, "the message is not durable yet"
    house.credit(1)
    house.tell()
    assert transfers(house) == 1
    house.credit(1, count=1)
    house.tell()
    assert transfers(house) == 1


@pytest.mark.parametrize("attach", WAYS)
def test_a_flow_for_more_grants_the_difference(attach: Attach) -> None:
    house = ready(attach)
    house.credit(2)
    put(house, 9)
    house.credit(5)
    house.tell()
    assert transfers(house) == 5


@pytest.mark.parametrize("attach", WAYS)
def test_a_flow_for_less_grants_none(attach: Attach) -> None:
    """§2.6.7: what is on its way when the credit is lowered still comes."""
    house = ready(attach)
    house.credit(3)
    put(house, 9)
    house.credit(1)
    house.tell()
    assert transfers(house) == 3
    house.credit(4, count=0)
    house.tell()
    assert transfers(house) == 1


@pytest.mark.parametrize("attach", WAYS)
def test_what_waits_counts_in_a_drain(attach: Attach) -> None:
    """The rest of the credit comes back behind it."""
    house = ready(attach)
    house.credit(1)
    put(house, 2)
    house.credit(4, drain=True)
    house.tell()
    heard = house.hear()
    assert [one.name for one in heard] == ["transfer", "transfer", "flow"]
    assert heard[-1]["delivery-count"] == 4
    assert heard[-1]["link-credit"] == 0


@pytest.mark.parametrize("drain_again", [False, True])
def test_a_new_flow_makes_a_drain_that_waits_void(drain_again: bool) -> None:
    """Its answer would take credit back that the peer has given since."""
    house = ready(peek_lock)
    house.send(house.queue("elsewhere"))  # behind this, the drain's answer waits
    house.credit(2, drain=True)
    house.turn()
    house.credit(3, drain=drain_again)
    put(house, 1)
    house.tell()
    heard = house.hear()
    assert heard[0].name == "transfer"
    if drain_again:
        assert [one.name for one in heard[1:]] == ["flow"]
        assert heard[1]["delivery-count"] == 3
        assert heard[1]["link-credit"] == 0
    else:
        assert heard[1:] == []
        put(house, 5)
        house.tell()
        assert transfers(house) == 2
