"""What a filter sees of a message: a port. The view over an AMQP message is in frontends/."""

from enum import Enum
from typing import Final, Protocol
from uuid import UUID

from peeklock.filters.values import Value


class SystemProperty(Enum):
    """Properties that are the message's own, by Service Bus' name for them."""

    CONTENT_TYPE = "ContentType"
    CORRELATION_ID = "CorrelationId"
    DELIVERY_COUNT = "DeliveryCount"
    ENQUEUED_SEQUENCE_NUMBER = "EnqueuedSequenceNumber"
    ENQUEUED_TIME = "EnqueuedTimeUtc"
    EXPIRES_AT = "ExpiresAtUtc"
    LABEL = "Label"
    MESSAGE_ID = "MessageId"
    PARTITION_KEY = "PartitionKey"
    REPLY_TO = "ReplyTo"
    REPLY_TO_SESSION_ID = "ReplyToSessionId"
    SCHEDULED_TIME = "ScheduledEnqueueTimeUtc"
    SEQUENCE_NUMBER = "SequenceNumber"
    SESSION_ID = "SessionId"
    SIZE = "Size"
    TIME_TO_LIVE = "TimeToLive"
    TO = "To"


class JmsHeader(Enum):
    """What a JMS selector may ask of the message itself (JMS 2.0 §3.8.1.1, §3.5.9)."""

    CORRELATION_ID = "JMSCorrelationID"
    DELIVERY_MODE = "JMSDeliveryMode"
    MESSAGE_ID = "JMSMessageID"
    PRIORITY = "JMSPriority"
    TIMESTAMP = "JMSTimestamp"
    TYPE = "JMSType"
    DELIVERY_COUNT = "JMSXDeliveryCount"
    GROUP_ID = "JMSXGroupID"
    GROUP_SEQUENCE = "JMSXGroupSeq"
    USER_ID = "JMSXUserID"


# As SQL looks them up: in any case, and by the names of both generations of SDKs.
SYSTEM_PROPERTIES: Final[dict[str, SystemProperty]] = {
    **{one.value.lower(): one for one in SystemProperty},
    "subject": SystemProperty.LABEL,
    "expiresat": SystemProperty.EXPIRES_AT,
    "enqueuedtime": SystemProperty.ENQUEUED_TIME,
    "scheduledenqueuetime": SystemProperty.SCHEDULED_TIME,
}


class PropertyView(Protocol):
    """The properties of one message. Looking changes nothing and never raises.

    `None` stands for a property that is not there, that is null, or whose value is no scalar:
    a list or map is nothing that a filter could compare.
    """

    def system(self, which: SystemProperty) -> Value:
        """A property of the message itself; ids are text, whatever type they were sent as."""
        ...

    def jms_header(self, which: JmsHeader) -> Value:
        """A property of the message itself, as JMS clients see it."""
        ...

    def user(self, name: str) -> Value:
        """An application property, its name as it is written."""
        ...

    def user_any_case(self, name: str) -> Value:
        """An application property whose name differs at most in case; the exact one first."""
        ...

    def has_user(self, name: str) -> bool:
        """Is there an application property of this name, in any case? It may be null."""
        ...

    def attribute(self, name: str) -> Value:
        """A CloudEvent's attribute, by its name in lower case, as CESQL has it: a boolean, a
        whole number of 32 bits, or the canonical text of anything else. None: not there."""
        ...

    def new_id(self) -> UUID:
        """A fresh uuid: chance comes from whoever made the view."""
        ...
