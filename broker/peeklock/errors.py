"""What can be refused, and who broke what. No wire codes here: see frontends/.

`BrokerError` is a refusal: the peer asked for something that may not be, and can act on
the answer. `ProtocolViolation` is a peer that broke its specification; the engine of that
protocol turns it into the close frame that the specification names.
"""

from typing import ClassVar

from peeklock.types import LockToken, Millis


class BrokerError(Exception):
    """An operation the broker refuses. The caller may act on it and go on."""

    # ClassVar: compiled, a plain default would be an attribute that no instance has.
    retryable: ClassVar[bool] = False  # would the same call, later, have a chance?


class NotFound(BrokerError):
    """No entity has this address."""

    def __init__(self, address: str) -> None:
        # Service Bus' words: its SDK for JavaScript knows the error by them.
        super().__init__(f"the messaging entity {address!r} could not be found")
        self.address = address


class MessageNotFound(BrokerError):
    """The entity has no message with this number, in the state that was asked for."""

    def __init__(self, address: str, number: int, state: str) -> None:
        super().__init__(f"{address!r} has no {state} message {number}")
        self.address = address
        self.number = number


class AlreadyExists(BrokerError):
    """An entity with this address is there already."""

    def __init__(self, address: str) -> None:
        super().__init__(f"entity {address!r} exists already")
        self.address = address


class NotAllowed(BrokerError):
    """The entity does not do this, whoever asks."""


class Unauthorized(BrokerError):
    """This principal may not do this here."""


class InvalidRequest(BrokerError):
    """The request itself is wrong: a missing or ill-typed argument, a setting out of range."""


class OutOfRange(InvalidRequest):
    """A number in it is smaller or larger than allowed."""


class InvalidFilter(BrokerError):
    """A filter, selector or action that cannot be used, and where in its text it goes wrong.

    `line` and `column` count from 1; `expected` lists what could have stood there instead. Of
    what is said in JSON, `path` is the part that is wrong.
    """

    def __init__(
        self,
        what: str,
        line: int = 1,
        column: int = 1,
        expected: tuple[str, ...] = (),
        path: str = "",
    ) -> None:
        super().__init__(f"{path or f'line {line}, column {column}'}: {what}")
        self.what = what
        self.line = line
        self.column = column
        self.expected = expected
        self.path = path


class InvalidEvent(BrokerError):
    """What was to be a CloudEvent is none.

    `attribute` names the attribute that is wrong; `data` stands for the event's data, `event`
    for the whole of it.
    """

    def __init__(self, attribute: str, what: str) -> None:
        super().__init__(f"CloudEvents {attribute}: {what}")
        self.attribute = attribute
        self.what = what


class LockLost(BrokerError):
    """The delivery was settled, or its lock ran out, before this call."""

    def __init__(self, token: LockToken) -> None:
        super().__init__(
            f"the lock {token.hex()} was lost: it ran out, or the message was settled already"
        )
        self.token = token


class SessionLockLost(LockLost):
    """The message session is not the caller's any more, and so is nothing in it."""

    def __init__(self, what: str) -> None:
        BrokerError.__init__(
            self, f"the lock of {what} was lost: it ran out, or its holder has left"
        )


class SessionCannotBeLocked(BrokerError):
    """The message session has a holder."""

    retryable: ClassVar[bool] = True

    def __init__(self, session_id: str) -> None:
        super().__init__(f"message session {session_id!r} is held by another receiver")


class QuotaExceeded(BrokerError):
    """The entity is full. Later, after receivers have caught up, it may not be."""

    retryable: ClassVar[bool] = True


class DiskFull(QuotaExceeded):
    """The journal's disk is below its free-space watermark; settling still works."""


class MessageTooLarge(BrokerError):
    """The message is larger than the entity takes, or the session's state is."""

    def __init__(self, size: int, limit: int, what: str = "message") -> None:
        super().__init__(f"a {what} of {size} bytes; the entity takes up to {limit}")
        self.size = size
        self.limit = limit


class MessageUnreadable(BrokerError):
    """The message's bytes cannot be read from the disk, so it cannot be changed."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"message {number} cannot be read, and so not be changed: {why}")
        self.number = number


class DeliveryTooLarge(BrokerError):
    """A message is larger than its receiver takes."""

    def __init__(self, number: int) -> None:
        super().__init__(f"message {number} is larger than the link's max-message-size")
        self.number = number


class Timeout(BrokerError):
    """What was asked for did not happen in the time given."""

    retryable: ClassVar[bool] = True

    def __init__(self, what: str, after: Millis) -> None:
        super().__init__(f"{what} within {after} ms")


class Busy(BrokerError):
    """The broker does as much of this at a time as it allows; soon it may do more."""

    retryable: ClassVar[bool] = True


class EntityDisabled(BrokerError):
    """The entity's status forbids it for now."""

    retryable: ClassVar[bool] = True


class ForwardTargetGone(BrokerError):
    """The entity passes on what it is sent, and where to is not there."""

    retryable: ClassVar[bool] = True

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"{source!r} forwards to {target!r}, which is not there")


class NotOffered(BrokerError):
    """The specification has it, and this broker does not."""


class TransactionUnknown(BrokerError):
    """No transaction with this id is open here."""

    def __init__(self, txn_id: bytes) -> None:
        super().__init__(f"no transaction {txn_id.hex()} is open on this connection")


class TransactionTimedOut(BrokerError):
    """The transaction was open for too long, and was rolled back."""

    def __init__(self, txn_id: bytes, limit: Millis) -> None:
        super().__init__(f"transaction {txn_id.hex()} was open for more than {limit} ms")


class TransactionFailed(BrokerError):
    """Part of a transaction cannot be done, so nothing of it was."""

    def __init__(self, txn_id: bytes, why: BrokerError) -> None:
        super().__init__(f"transaction {txn_id.hex()} was rolled back: {why}")
        self.why = why


class FilterError(Exception):
    """A filter or an action cannot be worked out for one message; what then happens to the
    message is the subscription's choice. The text says where and why.
    """


class ProtocolViolation(Exception):
    """The peer broke its specification.

    `section` says where the rule is written, `condition` is the error condition that the
    protocol has for it (AMQP 1.0 §2.8.15–18 symbols such as `amqp:decode-error`).
    """

    def __init__(self, section: str, what: str, condition: str = "amqp:decode-error") -> None:
        super().__init__(f"{what} [{section}]")
        self.section = section
        self.what = what
        self.condition = condition
