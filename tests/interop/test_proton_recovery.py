"""Qpid Proton on recoverable links: it sets the fields of AMQP 1.0 §3.5, and settles second."""

from functools import partial
from typing import Any

from tests.interop.proton_client import ACCEPTED, Client, message, proton, reactor
from tests.support.broker_process import BrokerProcess


class Durable(reactor.LinkOption):  # type: ignore[misc]  # Proton has no types
    """Both termini outlive the connection; the receiver settles second."""

    def apply(self, link: Any) -> None:
        for terminus in (link.source, link.target):
            terminus.durability = proton.Terminus.DELIVERIES
            terminus.expiry_policy = proton.Terminus.EXPIRE_NEVER
        link.rcv_settle_mode = proton.Link.RCV_SECOND


def is_accepted(delivery: Any) -> bool:
    return bool(delivery.remote_state == ACCEPTED)


def test_there_and_back(open_broker: BrokerProcess, queue: str) -> None:
    with Client(open_broker.url) as client:
        link = client.sender(queue, Durable()).link
        assert link.remote_target.durability == proton.Terminus.DELIVERIES
        assert link.remote_target.timeout == 86_400
        assert link.remote_rcv_settle_mode == proton.Link.RCV_SECOND
        for number in range(3):
            delivery = link.send(message(f"job {number}"))
            client.wait(partial(is_accepted, delivery))
            assert not delivery.settled, "the sender comes first"
            delivery.settle()
        receiver = client.receiver(queue, Durable(), credit=3)
        for number in range(3):
            got, delivery = receiver.take()
            assert got.body == f"job {number}"
            assert receiver.settle(delivery, ACCEPTED).state == ACCEPTED
        assert receiver.link.remote_source.timeout == 86_400
