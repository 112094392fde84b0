"""A connection's transaction controllers: their requests, and work that names a transaction."""

from typing import Final, final

from peeklock.engine.dispatch import Receiver
from peeklock.engine.effects import Peer
from peeklock.engine.engine import Engine
from peeklock.engine.transactions import Transaction, Transactions
from peeklock.entities.dispositions import Disposition
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import BrokerError, NotOffered, ProtocolViolation, TransactionUnknown
from peeklock.frontends.errors_on_the_wire import amqp_error
from peeklock.protocols.amqp10.events import MessageReceived, OutcomeReceived
from peeklock.protocols.amqp10.link import Link, ReceiverLink
from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    AmqpError,
    Declared,
    DeliveryState,
    Rejected,
    TransactionalState,
)
from peeklock.protocols.amqp10.transactions import Declare, read_request
from peeklock.types import LockToken, UnixMs


@final
class Coordinator:
    """A link on which a controller declares and discharges transactions (§4.5.1)."""

    def __init__(self, engine: Engine, peer: Peer, link: Link) -> None:
        self.transactions: Final = Transactions(engine, peer, link)


@final
class Controllers:
    """All coordinators of one connection: a transaction is known on all of its links."""

    def __init__(self, engine: Engine, peer: Peer) -> None:
        self._engine: Final = engine
        self._peer: Final = peer
        self._coordinators: Final[list[Coordinator]] = []

    def attach(self, link: Link) -> Coordinator:
        coordinator = Coordinator(self._engine, self._peer, link)
        self._coordinators.append(coordinator)
        return coordinator

    def detach(self, coordinator: Coordinator, now: UnixMs) -> None:
        if coordinator in self._coordinators:
            self._coordinators.remove(coordinator)
            coordinator.transactions.end(now)

    def end(self, now: UnixMs) -> None:
        """The connection is gone."""
        for coordinator in list(self._coordinators):
            self.detach(coordinator, now)

    def _find(self, txn_id: bytes, now: UnixMs) -> tuple[Transactions, Transaction]:
        for coordinator in self._coordinators:
            if coordinator.transactions.has(txn_id):
                return coordinator.transactions, coordinator.transactions.find(txn_id, now)
        raise TransactionUnknown(txn_id)

    # ---- the controller's link

    def on_request(
        self, link: ReceiverLink, coordinator: Coordinator, event: MessageReceived, now: UnixMs
    ) -> None:
        """Declare or discharge. Its answer is the delivery's state (§4.3)."""
        try:
            request = read_request(event.payload)
            if isinstance(request, Declare):
                if request.has_global_id:
                    raise NotOffered("transactions with a global id (§4.5.2) are not offered")
                txn_id = coordinator.transactions.declare(now)
                link.settle(event.delivery_id, Declared(txn_id))
                return
        except ProtocolViolation as violation:
            error = AmqpError(violation.condition, str(violation))
            link.settle(event.delivery_id, Rejected(error))
            return
        except BrokerError as refusal:
            link.settle(event.delivery_id, Rejected(amqp_error(refusal)))
            return
        coordinator.transactions.discharge(
            request.txn_id, event.delivery_id, now, fail=request.fail
        )

    # ---- work under a transaction

    def on_messages(
        self,
        event: MessageReceived,
        state: TransactionalState,
        entity: Queue | Topic,
        batch: list[Submission],
        now: UnixMs,
    ) -> None:
        """§4.4.2: what is posted, one message or an envelope, is answered provisionally."""
        outcome: DeliveryState = ACCEPTED
        try:
            transactions, txn = self._find(state.txn_id, now)
            for given in batch:
                transactions.send(txn, entity, given, now)
        except BrokerError as error:
            outcome = Rejected(amqp_error(error))
        if not event.settled:
            event.link.settle(event.delivery_id, TransactionalState(state.txn_id, outcome))

    def on_outcome(
        self,
        event: OutcomeReceived,
        txn_id: bytes,
        receiver: Receiver,
        disposition: Disposition,
        answer: DeliveryState,
        now: UnixMs,
    ) -> None:
        """§4.4.3: the outcome holds when the transaction does; until then it is unsettled."""
        tokens = [LockToken(tag) for tag in event.tags]
        try:
            transactions, txn = self._find(txn_id, now)
            transactions.settle(
                txn,
                receiver,
                event.first_delivery_id,
                tokens,
                disposition,
                TransactionalState(txn_id, answer),
                now,
                settled=event.settled,
            )
        except BrokerError as error:
            if not event.settled:
                event.link.settle_range(
                    event.first_delivery_id,
                    event.first_delivery_id + len(tokens) - 1,
                    Rejected(amqp_error(error)),
                )
