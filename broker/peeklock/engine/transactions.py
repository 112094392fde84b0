"""Transactions: sends and settlements on several entities, all or none (AMQP 1.0 part 4).

Until its discharge a transaction is a list of what is to be done; nothing of it is in the
journal or in a queue. Its discharge decides all of it and appends the facts at once: what one
append holds is read back together or not at all, so a crash cannot split it. What a
transaction would settle stays under its locks; a lock that runs out fails the discharge.
"""

from typing import Final, final

from peeklock.engine.dispatch import Receiver
from peeklock.engine.effects import Accepted, Peer, Refused, Settled
from peeklock.engine.engine import Engine
from peeklock.engine.relay import Send, changed_bytes
from peeklock.entities.arrivals import Arrivals
from peeklock.entities.dispositions import RELEASE, Disposition
from peeklock.entities.facts import Fact
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import (
    BrokerError,
    LockLost,
    QuotaExceeded,
    TransactionFailed,
    TransactionTimedOut,
    TransactionUnknown,
)
from peeklock.limits import (
    TRANSACTION_ACTIONS_MAX,
    TRANSACTION_BYTES_MAX,
    TRANSACTION_DURATION_MAX,
    TRANSACTIONS_OPEN_MAX,
)
from peeklock.types import LockToken, QueueId, SequenceNumber, UnixMs


@final
class Retirement:
    """A run of deliveries that one receiver settles when the transaction does."""

    __slots__ = (
        "disposition",
        "first_delivery_id",
        "numbers",
        "outcome",
        "receiver",
        "settled",
        "tokens",
    )

    def __init__(
        self,
        receiver: Receiver,
        first_delivery_id: int,
        tokens: list[LockToken],
        numbers: list[SequenceNumber],
        disposition: Disposition,
        outcome: object,
        settled: bool,
    ) -> None:
        self.receiver: Final = receiver
        self.first_delivery_id: Final = first_delivery_id
        self.tokens: Final = tokens
        self.numbers: Final = numbers
        self.disposition: Final = disposition
        self.outcome: Final = outcome  # the front-end's own: echoed
        self.settled: Final = settled  # the receiver has forgotten them already


@final
class Transaction:
    """What is to be done, in the order in which it was asked for."""

    def __init__(self, txn_id: bytes, ends_at: UnixMs) -> None:
        self.txn_id: Final = txn_id
        self.ends_at: Final = ends_at
        self.sends: Final[list[tuple[Queue | Topic, Submission]]] = []
        self.retirements: Final[list[Retirement]] = []
        self.action_count = 0
        self.size_bytes = 0
        self.failure: BrokerError | None = None  # then it can only be rolled back


@final
class Transactions:
    """The open transactions of one controller's link; they end with it."""

    def __init__(self, engine: Engine, peer: Peer, link: object) -> None:
        self._engine: Final = engine
        self._peer: Final = peer
        self._link: Final = link
        self._open: Final[dict[bytes, Transaction]] = {}

    def declare(self, now: UnixMs) -> bytes:
        """Begin one; returns its id. Raises `QuotaExceeded`."""
        if len(self._open) >= TRANSACTIONS_OPEN_MAX:
            self._end_timed_out(now)
        if len(self._open) >= TRANSACTIONS_OPEN_MAX:
            raise QuotaExceeded(
                f"this link has {TRANSACTIONS_OPEN_MAX} transactions open, the limit"
            )
        txn_id = self._engine.ids.nonce() + self._engine.ids.nonce()
        self._open[txn_id] = Transaction(txn_id, UnixMs(now + TRANSACTION_DURATION_MAX))
        return txn_id

    def has(self, txn_id: bytes) -> bool:
        return txn_id in self._open

    def find(self, txn_id: bytes, now: UnixMs) -> Transaction:
        """An open one; raises `TransactionUnknown` and `TransactionTimedOut`."""
        found = self._open.get(txn_id)
        if found is None:
            raise TransactionUnknown(txn_id)
        if found.ends_at <= now:
            self._roll_back(found, now)
            raise TransactionTimedOut(txn_id, TRANSACTION_DURATION_MAX)
        return found

    # ---- work under a transaction

    def send(
        self, txn: Transaction, entity: Queue | Topic, given: Submission, now: UnixMs
    ) -> None:
        """Send when the transaction is discharged. Raises what refuses it already now."""
        try:
            self._count(txn, 1, given.message.size)
            self._engine.check_sending(entity)
            self._engine.relay.sent([(entity, [given])], now, Arrivals())  # changes nothing
        except BrokerError as error:
            txn.failure = txn.failure or error
            raise
        txn.sends.append((entity, given))

    def settle(
        self,
        txn: Transaction,
        receiver: Receiver,
        first_delivery_id: int,
        tokens: list[LockToken],
        disposition: Disposition,
        outcome: object,
        now: UnixMs,
        *,
        settled: bool,
    ) -> None:
        """Settle when the transaction is discharged. Raises `LockLost` when it is too late."""
        try:
            queue = receiver.queue
            self._count(txn, len(tokens), 0)
            numbers = [queue.held_by(token, now) for token in tokens]
            if disposition.properties is not None:
                self._count(txn, 0, changed_bytes(queue, numbers, disposition.properties))
        except BrokerError as error:
            txn.failure = txn.failure or error
            raise
        txn.retirements.append(
            Retirement(
                receiver, first_delivery_id, tokens, numbers, disposition, outcome, settled
            )
        )

    def _count(self, txn: Transaction, actions: int, size: int) -> None:
        txn.action_count += actions
        txn.size_bytes += size
        if txn.action_count > TRANSACTION_ACTIONS_MAX:
            raise QuotaExceeded(
                f"a transaction of more than {TRANSACTION_ACTIONS_MAX} messages"
            )
        if txn.size_bytes > TRANSACTION_BYTES_MAX:
            raise QuotaExceeded(f"a transaction of more than {TRANSACTION_BYTES_MAX} bytes")

    # ---- the end

    def discharge(self, txn_id: bytes, delivery_id: int, now: UnixMs, *, fail: bool) -> None:
        """Do all of it, or nothing; the controller's answer is an effect."""
        engine = self._engine
        try:
            txn = self.find(txn_id, now)
            if fail:
                self._roll_back(txn, now)
                lsn = engine.journal.end
            else:
                arrivals = Arrivals()
                lsn = engine.commit_facts(self._decide(txn, arrivals, now))
                del self._open[txn_id]
        except BrokerError as error:
            refused = Refused(self._peer, self._link, delivery_id, error)
            engine.outbox.hold(engine.journal.end, refused)
            return
        if not fail:
            for one in txn.retirements:
                if not one.settled:
                    engine.outbox.hold(
                        lsn,
                        Settled(
                            one.receiver.peer,
                            one.receiver.link,
                            one.first_delivery_id,
                            len(one.tokens),
                            one.outcome,
                        ),
                    )
        engine.outbox.hold(lsn, Accepted(self._peer, self._link, delivery_id))

    def _decide(self, txn: Transaction, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        """All its facts; raises `TransactionFailed`, and then it is rolled back."""
        try:
            if txn.failure is not None:
                raise txn.failure
            facts = self._settle_facts(txn, arrivals, now)
            facts.extend(self._send_facts(txn, arrivals, now))
            self._engine.note_use(arrivals, now)
            for entity, _given in txn.sends:
                self._engine.note_access(entity, now)
            self._engine.relay.tell(arrivals)
            return facts
        except BrokerError as error:
            self._roll_back(txn, now)
            raise TransactionFailed(txn.txn_id, error) from error

    def _settle_facts(self, txn: Transaction, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        facts: list[Fact] = []
        seen: set[tuple[QueueId, SequenceNumber]] = set()
        for one in txn.retirements:
            queue = one.receiver.queue
            for token, number in zip(one.tokens, one.numbers, strict=True):
                if (queue.queue_id, number) in seen:
                    raise LockLost(token)  # settled twice in one transaction
                seen.add((queue.queue_id, number))
                queue.held_by(token, now)
            facts.extend(
                self._engine.relay.settled(queue, one.numbers, one.disposition, now, arrivals)
            )
        return facts

    def _send_facts(self, txn: Transaction, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        """One decision an entity, so that its bounds hold for all that it is to take."""
        by_entity: dict[QueueId, Send] = {}
        for entity, given in txn.sends:
            self._engine.check_sending(entity)
            entity_id = entity.queue_id if isinstance(entity, Queue) else entity.topic_id
            by_entity.setdefault(entity_id, (entity, []))[1].append(given)
        return self._engine.relay.sent(list(by_entity.values()), now, arrivals)

    def _roll_back(self, txn: Transaction, now: UnixMs) -> None:
        """Forget it. What its receivers have forgotten too is given back (§4.4.3)."""
        self._open.pop(txn.txn_id, None)
        for one in txn.retirements:
            if one.settled:
                queue = one.receiver.queue
                for token in one.tokens:
                    try:
                        self._engine.settle_tokens(queue, [token], RELEASE, now)
                    except BrokerError:
                        continue  # its lock has run out meanwhile

    def _end_timed_out(self, now: UnixMs) -> None:
        """Those that nobody discharged in time hold no place for others."""
        for txn in list(self._open.values()):
            if txn.ends_at <= now:
                self._roll_back(txn, now)

    def end(self, now: UnixMs) -> None:
        """The controller is gone: its transactions are rolled back (§4.3)."""
        for txn in list(self._open.values()):
            self._roll_back(txn, now)
