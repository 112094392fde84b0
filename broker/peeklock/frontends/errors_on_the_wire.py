"""BrokerError × protocol → condition and status: one table, total."""

from typing import Final

from peeklock.errors import (
    AlreadyExists,
    BrokerError,
    Busy,
    DeliveryTooLarge,
    DiskFull,
    EntityDisabled,
    ForwardTargetGone,
    InvalidEvent,
    InvalidFilter,
    InvalidRequest,
    LockLost,
    MessageNotFound,
    MessageTooLarge,
    MessageUnreadable,
    NotAllowed,
    NotFound,
    NotOffered,
    OutOfRange,
    QuotaExceeded,
    SessionCannotBeLocked,
    SessionLockLost,
    Timeout,
    TransactionFailed,
    TransactionTimedOut,
    TransactionUnknown,
    Unauthorized,
)
from peeklock.protocols.amqp10.outcomes import AmqpError

# The AMQP condition (1.0 §2.8.15–18, and Service Bus' own where the specification has none)
# and the status code of a management reply, which is HTTP's.
ON_THE_WIRE: Final[dict[type[BrokerError], tuple[str, int]]] = {
    MessageNotFound: ("com.microsoft:message-not-found", 404),
    NotFound: ("amqp:not-found", 404),
    AlreadyExists: ("com.microsoft:entity-already-exists", 409),
    NotAllowed: ("amqp:not-allowed", 405),
    Unauthorized: ("amqp:unauthorized-access", 401),
    InvalidRequest: ("amqp:invalid-field", 400),
    OutOfRange: ("amqp:invalid-field", 400),
    InvalidEvent: ("amqp:invalid-field", 400),
    InvalidFilter: ("amqp:invalid-field", 400),
    LockLost: ("com.microsoft:message-lock-lost", 410),
    SessionLockLost: ("com.microsoft:session-lock-lost", 410),
    SessionCannotBeLocked: ("com.microsoft:session-cannot-be-locked", 409),
    QuotaExceeded: ("amqp:resource-limit-exceeded", 403),
    DiskFull: ("amqp:resource-limit-exceeded", 507),
    MessageTooLarge: ("amqp:link:message-size-exceeded", 413),
    MessageUnreadable: ("amqp:internal-error", 500),
    DeliveryTooLarge: ("amqp:link:message-size-exceeded", 413),
    Timeout: ("com.microsoft:timeout", 408),
    NotOffered: ("amqp:not-implemented", 501),
    TransactionUnknown: ("amqp:transaction:unknown-id", 404),
    TransactionTimedOut: ("amqp:transaction:timeout", 408),
    TransactionFailed: ("amqp:transaction:rollback", 409),
    EntityDisabled: ("com.microsoft:entity-disabled", 403),
    ForwardTargetGone: ("amqp:not-found", 404),
    Busy: ("amqp:resource-limit-exceeded", 503),
}
# Service Bus' own words where the specification has one, too, for those who expect them
# (amqp_dialect.py): its SDKs make exceptions of their own of them, ArgumentException in .NET.
IN_SERVICE_BUS: Final[dict[type[BrokerError], str]] = {
    InvalidRequest: "com.microsoft:argument-error",
    OutOfRange: "com.microsoft:argument-out-of-range",
    InvalidEvent: "com.microsoft:argument-error",
    InvalidFilter: "com.microsoft:argument-error",
}
# Jobs over HTTP differ where Service Bus' REST API does: a lost lock is no message by that
# token (its DELETE, PUT and POST of a locked message). 405 would be about the method, and have
# to name others (RFC 9110 §15.5.6): what an entity does not do conflicts with what it is.
IN_REST: Final[dict[type[BrokerError], int]] = {
    LockLost: 404,
    SessionLockLost: 404,
    NotAllowed: 409,
}


def condition_of(error: BrokerError, *, in_service_bus: bool = False) -> str:
    condition = ON_THE_WIRE[type(error)][0]
    return IN_SERVICE_BUS.get(type(error), condition) if in_service_bus else condition


def status_of(error: BrokerError) -> int:
    return ON_THE_WIRE[type(error)][1]


def rest_status_of(error: BrokerError) -> int:
    """The status of a refusal in the REST API."""
    return IN_REST.get(type(error), status_of(error))


def amqp_error(error: BrokerError, *, in_service_bus: bool = False) -> AmqpError:
    """The error as AMQP has it: condition and description (1.0 §2.8.14)."""
    return AmqpError(condition_of(error, in_service_bus=in_service_bus), str(error))
