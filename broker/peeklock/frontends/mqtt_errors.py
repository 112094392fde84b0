"""BrokerError → MQTT 5.0's reason code, for a PUBLISH and for a SUBSCRIBE: one table, total.

The error's text goes along as the reason string. 3.1.1 has no refusals but SUBACK's 0x80, to
which all codes there shrink, and those of CONNACK.
"""

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
from peeklock.protocols.mqtt.properties import REASON_STRING, Properties
from peeklock.protocols.mqtt.reason_codes import (
    CONNACK_CODES,
    IMPLEMENTATION_SPECIFIC_ERROR,
    NOT_AUTHORIZED,
    QUOTA_EXCEEDED,
    TOPIC_FILTER_INVALID,
    TOPIC_NAME_INVALID,
    UNSPECIFIED_ERROR,
)

# "Valid, and the receiver is not willing to accept it" (§3.4.2.1).
UNWILLING: Final = (IMPLEMENTATION_SPECIFIC_ERROR, IMPLEMENTATION_SPECIFIC_ERROR)
NOWHERE: Final = (TOPIC_NAME_INVALID, TOPIC_FILTER_INVALID)
TOO_MUCH: Final = (QUOTA_EXCEEDED, QUOTA_EXCEEDED)
UNSAID: Final = (UNSPECIFIED_ERROR, UNSPECIFIED_ERROR)

REASON_CODES: Final[dict[type[BrokerError], tuple[int, int]]] = {
    MessageNotFound: UNSAID,
    MessageUnreadable: UNSAID,
    NotFound: NOWHERE,
    AlreadyExists: UNSAID,
    NotAllowed: UNWILLING,
    Unauthorized: (NOT_AUTHORIZED, NOT_AUTHORIZED),
    InvalidRequest: UNWILLING,
    OutOfRange: UNWILLING,
    InvalidEvent: UNWILLING,
    InvalidFilter: UNWILLING,
    LockLost: UNSAID,
    SessionLockLost: UNSAID,
    SessionCannotBeLocked: UNSAID,
    QuotaExceeded: TOO_MUCH,
    DiskFull: TOO_MUCH,
    Busy: TOO_MUCH,
    MessageTooLarge: TOO_MUCH,  # 0x95 is for packets, and no PUBACK has it
    DeliveryTooLarge: TOO_MUCH,
    Timeout: UNSAID,
    NotOffered: UNWILLING,
    TransactionUnknown: UNSAID,
    TransactionTimedOut: UNSAID,
    TransactionFailed: UNSAID,
    EntityDisabled: UNWILLING,
    ForwardTargetGone: UNWILLING,
}


def publish_code(error: BrokerError) -> int:
    """What PUBACK and PUBREC say (§3.4.2.1, §3.5.2.1)."""
    return REASON_CODES[type(error)][0]


def connect_code(error: BrokerError) -> int:
    """What CONNACK says (§3.2.2.2): as a PUBACK where it has the word."""
    code = publish_code(error)
    return code if code in CONNACK_CODES else UNSPECIFIED_ERROR


def subscribe_code(error: BrokerError) -> int:
    """What SUBACK says (§3.9.3)."""
    return REASON_CODES[type(error)][1]


def reasoned(text: str) -> Properties:
    """A reason string."""
    return Properties({REASON_STRING: text})
