"""Qpid Proton (python-qpid-proton) against the broker: the everyday of a client."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.proton_client import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    Client,
    Receiver,
    message,
    proton,
    reactor,
    utils,
)
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop

LARGE_BYTES = 5_000_000


@pytest.fixture
def client(open_broker: BrokerProcess) -> Iterator[Client]:
    with Client(open_broker.url) as one:
        yield one


class TestSending:
    def test_one(self, client: Client, queue: str) -> None:
        sent = client.sender(queue).send(
            message("a", id="order-1", subject="booked", durable=True, priority=7)
        )
        assert sent.remote_state == ACCEPTED
        got, _delivery = client.receiver(queue).take()
        assert (got.body, got.id, got.subject) == ("a", "order-1", "booked")
        assert (got.durable, got.priority, got.delivery_count) == (True, 7, 0)

    def test_settled_beforehand(self, client: Client, queue: str) -> None:
        """At most once: more than the credit of one grant, and no answers."""
        sender = client.sender(queue, reactor.AtMostOnce())
        for number in range(2500):
            sender.send(message(number))
        receiver = client.receiver(queue)
        assert [got.body for got in receiver.take_all(2500)] == list(range(2500))

    def test_many_under_way(self, client: Client, queue: str) -> None:
        """Unsettled, without waiting for each: every one is accepted."""
        sender = client.sender(queue)
        client.wait(lambda: sender.link.credit >= 500)
        sent = [sender.link.send(message(number)) for number in range(500)]
        client.wait(lambda: all(delivery.settled for delivery in sent))
        assert {delivery.remote_state for delivery in sent} == {ACCEPTED}

    def test_large(self, client: Client, queue: str) -> None:
        body = bytes(range(256)) * (LARGE_BYTES // 256)
        assert client.sender(queue).send(message(body)).remote_state == ACCEPTED
        receiver = client.receiver(queue)
        got, delivery = receiver.take()
        assert got.body == body
        assert receiver.settle(delivery, ACCEPTED).state == ACCEPTED


@pytest.fixture
def held(client: Client, queue: str) -> tuple[Receiver, Any]:
    """A receiver that holds one message, and the message's delivery."""
    client.sender(queue).send(message("job", properties={"order": 4711}))
    receiver = client.receiver(queue)
    _message, delivery = receiver.take()
    return receiver, delivery


class TestOutcomes:
    """The broker answers each with its own settled one, the same."""

    def test_accepted(self, held: tuple[Receiver, Any]) -> None:
        receiver, delivery = held
        assert receiver.settle(delivery, ACCEPTED).state == ACCEPTED
        receiver.link.flow(1)
        assert receiver.is_quiet()

    def test_released(self, held: tuple[Receiver, Any]) -> None:
        """No attempt is counted."""
        receiver, delivery = held
        assert receiver.settle(delivery, RELEASED).state == RELEASED
        again, _delivery = receiver.take()
        assert (again.body, again.delivery_count) == ("job", 0)

    def test_modified_delivery_failed(self, held: tuple[Receiver, Any]) -> None:
        """An attempt is counted."""
        receiver, delivery = held
        delivery.local.failed = True
        answer = receiver.settle(delivery, MODIFIED)
        assert (answer.state, answer.failed, answer.undeliverable) == (MODIFIED, True, False)
        again, _delivery = receiver.take()
        assert (again.body, again.delivery_count) == ("job", 1)

    def test_modified_undeliverable_here(
        self, client: Client, held: tuple[Receiver, Any], queue: str
    ) -> None:
        """Deferred: it comes no more by itself, but to whoever asks for its number."""
        receiver, delivery = held
        delivery.local.undeliverable = True
        answer = receiver.settle(delivery, MODIFIED)
        assert (answer.state, answer.undeliverable) == (MODIFIED, True)
        receiver.link.flow(1)
        assert receiver.is_quiet()
        number = (
            client.receiver(queue, reactor.Copy())
            .take()[0]
            .annotations["x-opt-sequence-number"]
        )
        wanted = {
            "sequence-numbers": proton.Array(proton.UNDESCRIBED, proton.Data.LONG, number),
            "receiver-settle-mode": proton.uint(0),
        }
        node = utils.SyncRequestResponse(client.connection, f"{queue}/$management")
        operation = {"operation": "com.microsoft:receive-by-sequence-number"}
        reply = node.call(message(wanted, properties=operation))
        assert reply.properties["statusCode"] == 200
        taken = proton.Message()
        taken.decode(reply.body["messages"][0]["message"])
        assert (taken.body, taken.properties) == ("job", {"order": 4711})

    def test_rejected(self, client: Client, held: tuple[Receiver, Any], queue: str) -> None:
        """Dead-lettered; the error says why."""
        receiver, delivery = held
        delivery.local.condition = proton.Condition("app:no-such-order", "4711 is unknown")
        assert receiver.settle(delivery, REJECTED).state == REJECTED
        dead, _delivery = client.receiver(f"{queue}/$DeadLetterQueue").take()
        assert dead.body == "job"
        assert dead.properties == {
            "order": 4711,
            "DeadLetterReason": "app:no-such-order",
            "DeadLetterErrorDescription": "4711 is unknown",
        }
        assert dead.annotations["x-opt-deadletter-source"] == queue

    def test_rejected_with_service_bus_info(
        self, client: Client, held: tuple[Receiver, Any], queue: str
    ) -> None:
        receiver, delivery = held
        info = {"DeadLetterReason": "NoSuchOrder", "DeadLetterErrorDescription": "4711"}
        delivery.local.condition = proton.Condition("com.microsoft:dead-letter", "", info)
        assert receiver.settle(delivery, REJECTED).state == REJECTED
        dead, _delivery = client.receiver(f"{queue}/$DeadLetterQueue").take()
        assert dead.properties == {"order": 4711, **info}

    @pytest.mark.parametrize("outcome", [ACCEPTED, REJECTED, RELEASED, MODIFIED])
    def test_settled_at_once(
        self, client: Client, held: tuple[Receiver, Any], queue: str, outcome: Any
    ) -> None:
        """As Proton's own handlers do it: no answer, the same effect."""
        receiver, delivery = held
        delivery.update(outcome)
        delivery.settle()
        receiver.link.flow(1)
        if outcome in (RELEASED, MODIFIED):
            assert receiver.take()[0].body == "job"
        else:
            assert receiver.is_quiet()
        if outcome == REJECTED:
            assert client.receiver(f"{queue}/$DeadLetterQueue").take()[0].body == "job"

    def test_a_closed_link_gives_back(
        self, client: Client, held: tuple[Receiver, Any], queue: str
    ) -> None:
        receiver, _delivery = held
        receiver.close()
        again, _delivery = client.receiver(queue).take()
        assert (again.body, again.delivery_count) == ("job", 0)

    def test_a_lost_lock_is_told(self, client: Client) -> None:
        client.sender("brief-proton").send(message("job"))
        receiver = client.receiver("brief-proton")
        _message, late = receiver.take()
        again, held = receiver.take()  # the lock ran out
        assert again.delivery_count == 1
        answer = receiver.settle(late, ACCEPTED)
        assert answer.state == REJECTED
        assert answer.condition.name == "com.microsoft:message-lock-lost"
        assert "was lost" in answer.condition.description
        receiver.settle(held, ACCEPTED)


class TestCredit:
    def test_is_not_exceeded(self, client: Client, queue: str) -> None:
        fill(client, queue, 5)
        receiver = client.receiver(queue, credit=3)
        client.wait(lambda: len(receiver.incoming) == 3)
        assert client.stays(lambda: len(receiver.incoming) == 3)
        receiver.link.flow(2)
        client.wait(lambda: len(receiver.incoming) == 5)

    def test_waits_for_messages(self, client: Client, queue: str) -> None:
        receiver = client.receiver(queue, credit=2)
        assert receiver.is_quiet()
        fill(client, queue, 3)
        client.wait(lambda: len(receiver.incoming) == 2)

    @pytest.mark.parametrize("count", [0, 4])
    def test_drain(self, client: Client, queue: str, count: int) -> None:
        """What is there comes, and the rest of the credit goes."""
        fill(client, queue, count)
        receiver = client.receiver(queue)
        receiver.link.drain(10)
        client.wait(lambda: not receiver.link.draining() and receiver.link.credit == 0)
        assert len(receiver.incoming) == count
        fill(client, queue, 1)
        assert client.stays(lambda: len(receiver.incoming) == count)
        assert [m.body for m in receiver.take_all(count + 1)] == [*range(count), 0]

    def test_a_receiver_without_locks(self, client: Client, queue: str) -> None:
        """At most once: what is sent is settled, and gone."""
        fill(client, queue, 1)
        receiver = client.receiver(queue, reactor.AtMostOnce())
        got, delivery = receiver.take()
        assert got.body == 0
        assert delivery.settled
        receiver.close()
        other = client.receiver(queue, credit=1)
        assert other.is_quiet()


def fill(client: Client, queue: str, count: int) -> None:
    """Messages with the bodies 0, 1, 2 …"""
    sender = client.sender(queue)
    for number in range(count):
        sender.send(message(number))
    sender.close()


class TestLinks:
    def test_a_hundred_each_way(self, client: Client, queue: str) -> None:
        """Each with a queue of its own."""
        names = [f"{queue}-{number}" for number in range(100)]
        senders = [client.sender(name) for name in names]
        receivers = [client.receiver(name, credit=1) for name in names]
        for name, sender in zip(names, senders, strict=True):
            sender.send(message(name))
        client.wait(lambda: all(receiver.incoming for receiver in receivers))
        assert [receiver.take()[0].body for receiver in receivers] == names

    def test_a_hundred_on_one_queue(self, client: Client, queue: str) -> None:
        """Every message goes to one of them."""
        receivers = [client.receiver(queue, credit=1) for _ in range(100)]
        fill(client, queue, 100)
        client.wait(lambda: all(receiver.incoming for receiver in receivers))
        bodies = [receiver.take()[0].body for receiver in receivers]
        assert sorted(bodies) == list(range(100))

    def test_a_hundred_sessions(self, client: Client, queue: str) -> None:
        """Each with a link of its own, on one connection."""
        links = []
        for number in range(100):
            session = client.connection.conn.session()
            session.open()
            link = session.sender(f"sender-{number}")
            link.target.address = queue
            link.open()
            links.append(link)
        client.wait(lambda: all(link.credit for link in links))
        sent = [link.send(message(number)) for number, link in enumerate(links)]
        client.wait(lambda: all(delivery.settled for delivery in sent))
        assert {delivery.remote_state for delivery in sent} == {ACCEPTED}

    def test_browsing(self, client: Client, queue: str) -> None:
        """distribution-mode copy: all there is, in any state, and nothing is taken."""
        fill(client, queue, 3)
        holder = client.receiver(queue)
        holder.take()
        browser = client.receiver(queue, reactor.Copy(), credit=10)
        assert [browser.take()[0].body for _ in range(3)] == [0, 1, 2]
        assert browser.is_quiet()
        for number in (1, 2):
            got, _delivery = holder.take()
            assert (got.body, got.delivery_count) == (number, 0)

    def test_request_and_response(self, client: Client, queue: str) -> None:
        """A dynamic node takes the replies."""
        serving = client.receiver(queue, credit=1)
        replies = client.connection.create_receiver(None, dynamic=True, credit=1)
        address = replies.link.remote_source.address
        client.sender(queue).send(message("2 + 2", reply_to=address, correlation_id="sum"))
        request, delivery = serving.take()
        client.sender(request.reply_to).send(message(4, correlation_id=request.correlation_id))
        assert serving.settle(delivery, ACCEPTED).state == ACCEPTED
        reply = replies.receive()
        assert (reply.body, reply.correlation_id) == (4, "sum")
        replies.accept()

    def test_a_full_queue(self, client: Client) -> None:
        sender = client.sender("full-proton")
        sender.send(message("fits"))
        refused = sender.send(message("does not"), error_states=[])
        assert refused.remote_state == REJECTED
        assert refused.remote.condition.name == "amqp:resource-limit-exceeded"
        assert "full-proton" in refused.remote.condition.description
        receiver = client.receiver("full-proton")
        _message, delivery = receiver.take()
        receiver.settle(delivery, ACCEPTED)
        assert sender.send(message("fits again")).remote_state == ACCEPTED
