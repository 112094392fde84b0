"""Qpid Proton's transactions (part 4) against the broker."""

from typing import Any

import pytest

from tests.interop.proton_client import proton, reactor
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop

handlers = pytest.importorskip("proton.handlers", reason="python-qpid-proton is not installed")
COUNT = 6


class Mover(handlers.MessagingHandler, handlers.TransactionHandler):  # type: ignore[misc,name-defined]  # untyped
    """Moves `COUNT` jobs from a queue to another, every second transaction rolled back."""

    def __init__(self, url: str, here: str, there: str) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self.url, self.here, self.there = url, here, there
        self.committed: list[str] = []
        self.aborted = 0
        self.failures: list[str] = []
        self.delivery: Any = None

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.connection = self.container.connect(self.url, reconnect=False)
        self.sender = self.container.create_sender(self.connection, self.there)
        self.feeder = self.container.create_sender(self.connection, self.here)
        self.receiver: Any = None
        self.fed = 0

    def on_sendable(self, event: Any) -> None:
        if event.sender == self.feeder and self.fed == 0:
            for number in range(COUNT):
                self.feeder.send(proton.Message(f"job-{number}"))
                self.fed += 1
            self.receiver = self.container.create_receiver(self.connection, self.here)
            self.receiver.flow(1)

    def on_message(self, event: Any) -> None:
        self.delivery = event.delivery
        self.body = event.message.body
        self.container.declare_transaction(self.connection, handler=self)

    def on_transaction_declared(self, event: Any) -> None:
        event.transaction.send(self.sender, proton.Message(self.body))
        event.transaction.accept(self.delivery)
        self.is_abort = self.aborted <= len(self.committed) and self.aborted < COUNT - 1
        if self.is_abort:
            event.transaction.abort()
        else:
            event.transaction.commit()

    def on_transaction_committed(self, event: Any) -> None:
        self.committed.append(self.body)
        if len(self.committed) == COUNT:
            self.connection.close()
        else:
            self.receiver.flow(1)

    def on_transaction_aborted(self, event: Any) -> None:
        """What was held is held still: it is given back, and comes again."""
        self.aborted += 1
        self.delivery.update(proton.Delivery.RELEASED)
        self.delivery.settle()
        self.receiver.flow(1)

    def on_transaction_commit_failed(self, event: Any) -> None:
        self.failures.append(f"{self.body} was not committed")
        self.connection.close()

    def on_transaction_declare_failed(self, event: Any) -> None:
        self.failures.append("not declared")
        self.connection.close()

    def on_transport_error(self, event: Any) -> None:
        self.failures.append(str(event.transport.condition))


def test_jobs_move_whole(open_broker: BrokerProcess, queue: str) -> None:
    mover = Mover(open_broker.url, queue, queue + "-next")
    reactor.Container(mover).run()
    assert mover.failures == []
    assert mover.committed == [f"job-{number}" for number in range(COUNT)]
    assert mover.aborted > 1
