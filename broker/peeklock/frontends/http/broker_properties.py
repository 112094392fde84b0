"""`BrokerProperties`: what Service Bus' REST API tells of a message, but for its own."""

import math
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from peeklock.entities.facts import UNNUMBERED
from peeklock.entities.queue_index import Entry
from peeklock.errors import InvalidRequest
from peeklock.frontends.amqp_message import PARTITION_KEY, SCHEDULED_TIME, annotations_of
from peeklock.frontends.amqp_view import as_text
from peeklock.frontends.http.http_dates import read_instant, write_date
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.sections import Properties
from peeklock.protocols.amqp10.values import AmqpValue, Symbol, Timestamp
from peeklock.types import NEVER, LockToken, UnixMs

VIA_PARTITION_KEY: Final = Symbol("x-opt-via-partition-key")
TTL_MS_MAX: Final = 2**32 - 1  # AMQP 1.0 §3.2.1 has it in 32 bits
# Service Bus tells this of a message that never expires: clients send back what they got.
ENDLESS_SECONDS: Final = 922_337_203_685
# The texts among them, by the fields of the properties section that they are.
TEXTS: Final = {
    "ContentType": "content_type",
    "CorrelationId": "correlation_id",
    "Label": "subject",
    "MessageId": "message_id",
    "ReplyTo": "reply_to",
    "ReplyToSessionId": "reply_to_group_id",
    "SessionId": "group_id",
    "To": "to",
}


@dataclass(frozen=True)
class Described:
    """What a sender says of a message: fields of its properties, and what lies beside them."""

    texts: dict[str, str] = field(default_factory=dict)
    annotations: dict[AmqpValue, AmqpValue] = field(default_factory=dict)
    ttl_ms: int | None = None


def read_broker_properties(given: dict[str, object]) -> Described:
    """Those that a sender may set; others are not looked at, as in Service Bus.

    Raises `InvalidRequest`, which names the property.
    """
    texts: dict[str, str] = {}
    for name, place in TEXTS.items():
        value = text_at(given, name)
        if value:
            texts[place] = value
    annotations: dict[AmqpValue, AmqpValue] = {}
    partition_key = text_at(given, "PartitionKey")
    if partition_key:
        if texts.get("group_id", partition_key) != partition_key:
            raise InvalidRequest("SessionId and PartitionKey are the same where both are given")
        annotations[PARTITION_KEY] = partition_key
    via = text_at(given, "ViaPartitionKey")
    if via:
        annotations[VIA_PARTITION_KEY] = via
    scheduled = text_at(given, "ScheduledEnqueueTimeUtc")
    if scheduled:
        at = read_instant(scheduled)
        if at is None:
            raise InvalidRequest(
                f"ScheduledEnqueueTimeUtc is {scheduled[:80]!r}, no instant such as "
                "'Sun, 06 Nov 1994 08:49:37 GMT'"
            )
        annotations[SCHEDULED_TIME] = Timestamp(at)
    return Described(texts, annotations, ttl_in(given))


def text_at(given: dict[str, object], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is a string, not {str(value)[:80]}")
    return value


def ttl_in(given: dict[str, object]) -> int | None:
    """`TimeToLive`, which is in seconds, as milliseconds."""
    value = given.get("TimeToLive")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidRequest(f"TimeToLive is a number of seconds, not {str(value)[:80]}")
    if value >= ENDLESS_SECONDS:
        return None
    ms = math.ceil(value * 1000) if math.isfinite(value) else 0
    if not 0 < ms <= TTL_MS_MAX:
        raise InvalidRequest(
            f"TimeToLive is {value} seconds; it is more than 0, up to {TTL_MS_MAX / 1000}"
        )
    return ms


def write_broker_properties(
    entry: Entry, message: Message, properties: Properties, token: LockToken, until: UnixMs
) -> dict[str, object]:
    """Of a message that is handed out; `until` is NEVER when it holds no lock any more.

    `DeliveryCount` counts this delivery, as Service Bus' does over HTTP: the first is 1.
    """
    told: dict[str, object] = {
        "DeliveryCount": entry.delivery_count + 1,
        "EnqueuedTimeUtc": write_date(entry.enqueued_at),
        "SequenceNumber": int(entry.number),
        "State": "Deferred" if entry.set_aside else "Active",
    }
    if until != NEVER:
        told["LockToken"] = token_text(token)
        told["LockedUntilUtc"] = write_date(until)
    for name, place in TEXTS.items():
        text = as_text(getattr(properties, place))
        if text is not None and name != "ContentType":
            told[name] = text
    if message.ttl_ms != NO_TTL:
        told["TimeToLive"] = message.ttl_ms / 1000
    if entry.source_number != UNNUMBERED:
        told["EnqueuedSequenceNumber"] = int(entry.source_number)
    if entry.origin is not None:
        told["DeadLetterSource"] = entry.origin.source
    told.update(annotated(message))
    return told


def annotated(message: Message) -> dict[str, object]:
    annotations = annotations_of(message)
    told: dict[str, object] = {}
    for name, key in (("PartitionKey", PARTITION_KEY), ("ViaPartitionKey", VIA_PARTITION_KEY)):
        value = annotations.get(key)
        if isinstance(value, str):
            told[name] = str(value)
    scheduled = annotations.get(SCHEDULED_TIME)
    if isinstance(scheduled, int):
        told["ScheduledEnqueueTimeUtc"] = write_date(max(0, scheduled))
    return told


def token_text(token: LockToken) -> str:
    """As Service Bus writes a lock token: AMQP's delivery tag is the same GUID's bytes."""
    return str(UUID(bytes_le=bytes(token)))


def read_token(text: str) -> LockToken | None:
    """None for what is no lock token."""
    try:
        return LockToken(UUID(text).bytes_le)
    except ValueError:
        return None
