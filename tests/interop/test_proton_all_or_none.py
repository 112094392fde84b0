"""Qpid Proton's transactions over several queues: all of what they do, or none."""

from typing import Any

import pytest

from tests.interop.proton_client import Client, handlers, message, reactor
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop


class Mover(handlers.TransactionalClientHandler):
    """Takes one message, sends one to each of two queues, and commits or aborts the lot."""

    def __init__(self, url: str, queue: str, end: str, *, settles_first: bool) -> None:
        super().__init__(prefetch=0)
        self.ended = ""
        self._url = url
        self._queue = queue
        self._end = end
        self._settles_first = settles_first
        self._senders: list[Any] = []
        self._transaction: Any = None
        self._delivery: Any = None

    def on_start(self, event: Any) -> None:
        container = event.container
        self._connection = container.connect(self._url)
        container.create_receiver(self._connection, self._queue).flow(1)
        for name in ("left", "right"):
            sender = container.create_sender(self._connection, f"{self._queue}-{name}")
            self._senders.append(sender)
        container.declare_transaction(
            self._connection, handler=self, settle_before_discharge=self._settles_first
        )

    def on_transaction_declared(self, event: Any) -> None:
        self._transaction = event.transaction
        self._move()

    def on_message(self, event: Any) -> None:
        self._delivery = event.delivery
        self._move()

    def on_sendable(self, event: Any) -> None:
        self._move()

    def _move(self) -> None:
        is_ready = all(sender.credit for sender in self._senders)
        if self._transaction is None or self._delivery is None or not is_ready:
            return
        transaction, self._transaction = self._transaction, None
        for sender in self._senders:
            transaction.send(sender, message(sender.target.address))
        transaction.accept(self._delivery)
        if self._end == "commit":
            transaction.commit()
        else:
            transaction.abort()

    def on_transaction_committed(self, event: Any) -> None:
        self._finish("commit")

    def on_transaction_aborted(self, event: Any) -> None:
        self._finish("abort")

    def on_transaction_commit_failed(self, event: Any) -> None:
        self._finish("commit failed")

    def on_transaction_declare_failed(self, event: Any) -> None:
        self._finish("declare failed")

    def _finish(self, how: str) -> None:
        self.ended = how
        self._connection.close()


@pytest.mark.parametrize("settles_first", [False, True])
@pytest.mark.parametrize("end", ["commit", "abort"])
def test_all_or_none(
    open_broker: BrokerProcess, queue: str, end: str, settles_first: bool
) -> None:
    names = [queue, f"{queue}-left", f"{queue}-right"]
    with Client(open_broker.url) as client:
        client.sender(queue).send(message("job"))
        mover = Mover(open_broker.url, queue, end, settles_first=settles_first)
        reactor.Container(mover).run()
        assert mover.ended == end
        there = [bodies_in(client, name) for name in names]
    undone, done = [["job"], [], []], [[], names[1:2], names[2:]]
    assert there == (done if end == "commit" else undone)


def bodies_in(client: Client, queue: str) -> list[object]:
    """What can be had from it now."""
    receiver = client.receiver(queue)
    receiver.link.drain(10)
    client.wait(lambda: receiver.link.credit == 0 and not receiver.link.draining())
    return [got.body for got, _delivery in receiver.incoming]
