"""AMQP sections ⇄ Message. Nearly the identity: the bare message passes byte for byte.

The broker writes the header anew (§3.2.1: it alone knows the attempts), adds its own to the
message annotations (§3.2.3), and tells a dead letter's reason in application properties, as
Service Bus does.
"""

from struct import Struct
from typing import Final

from peeklock.entities.facts import UNNUMBERED
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, LOCKED, WAITING, Entry
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, ProtocolViolation
from peeklock.limits import AMQP_MAP_BYTES_MAX, ID_CHARACTERS_MAX, INSTANT_MAX
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.conditions import RESOURCE_LIMIT_EXCEEDED
from peeklock.protocols.amqp10.primitives import encode_value, read_value, skip_value
from peeklock.protocols.amqp10.sections import (
    APPLICATION_PROPERTIES,
    PROPERTIES,
    MessageSections,
    read_properties,
    section_code,
    split_message,
    value_at,
)
from peeklock.protocols.amqp10.values import Int, Symbol, Timestamp
from peeklock.types import NEVER, SessionId, UnixMs

SEQUENCE_NUMBER: Final = Symbol("x-opt-sequence-number")
ENQUEUED_TIME: Final = Symbol("x-opt-enqueued-time")
LOCKED_UNTIL: Final = Symbol("x-opt-locked-until")
SOURCE_NUMBER: Final = Symbol("x-opt-enqueue-sequence-number")
MESSAGE_STATE: Final = Symbol("x-opt-message-state")
DEAD_LETTER_SOURCE: Final = Symbol("x-opt-deadletter-source")
SCHEDULED_TIME: Final = Symbol("x-opt-scheduled-enqueue-time")
DELIVERY_TIME: Final = Symbol("x-opt-delivery-time")
DELIVERY_DELAY: Final = Symbol("x-opt-delivery-delay")
PARTITION_KEY: Final = Symbol("x-opt-partition-key")

STATE_ACTIVE: Final = 0  # Service Bus' numbers for x-opt-message-state
STATE_DEFERRED: Final = 1
STATE_SCHEDULED: Final = 2

APPLICATION_PROPERTIES_HEAD: Final = b"\x00\x53\x74"
ANNOTATIONS: Final = b"\x00\x53\x72"

TRUE: Final = b"\x41"
FALSE: Final = b"\x42"
NULL: Final = b"\x40"


def encoded_symbol(text: str) -> bytes:
    return b"\xa3" + bytes([len(text)]) + text.encode("ascii")


# The items that every delivery carries, in one go: key, type code, value.
ITEM_NUMBER: Final = encoded_symbol(SEQUENCE_NUMBER) + b"\x81"
ITEM_ENQUEUED: Final = encoded_symbol(ENQUEUED_TIME) + b"\x83"
ITEM_LOCKED: Final = encoded_symbol(LOCKED_UNTIL) + b"\x83"
SHOWN: Final = Struct(f">{len(ITEM_NUMBER)}sq{len(ITEM_ENQUEUED)}sq")
HELD: Final = Struct(f">{len(ITEM_NUMBER)}sq{len(ITEM_ENQUEUED)}sq{len(ITEM_LOCKED)}sq")
ITEM_SOURCE: Final = encoded_symbol(SOURCE_NUMBER) + b"\x81"
SOURCED: Final = Struct(f">{len(ITEM_SOURCE)}sq")
HEADER_TTL: Final = Struct(">BI")
TTL_MAX: Final = (1 << 32) - 1  # 49 days: the header's type has no more (§3.2.1)
# A header and the annotations above, at their longest: what a delivery adds to its message.
OWN_BYTES_MAX: Final = 512


def read_message(payload: bytes) -> Message:
    """A transfer's payload as the broker stores it; raises `ProtocolViolation`."""
    sections: MessageSections = split_message(payload)
    if len(sections.message_annotations) > AMQP_MAP_BYTES_MAX:
        raise ProtocolViolation(
            "AMQP 1.0 §3.2.3",
            f"message annotations of more than {AMQP_MAP_BYTES_MAX} bytes",
            RESOURCE_LIMIT_EXCEEDED,
        )
    return Message(
        sections.bare,
        sections.message_annotations,
        sections.durable,
        sections.priority,
        sections.ttl_ms,
    )


def read_submission(payload: bytes, entity: Queue | Topic, now: UnixMs) -> Submission:
    """A transfer's payload as a sender hands it in to `entity`.

    Raises `ProtocolViolation` for what is no message, `InvalidRequest` for what is a wrong one.
    """
    return submission_of(read_message(payload), entity, now)


def submission_of(message: Message, entity: Queue | Topic, now: UnixMs) -> Submission:
    """A message with what `entity` wants to know of it; raises as `read_submission` does."""
    not_before = scheduled_for(message, now)
    if not entity.wants_identity:
        return Submission(message, not_before)
    message_id, session_id = identity_of(message)
    return Submission(message, not_before, message_id, session_id)


def identity_of(message: Message) -> tuple[bytes, SessionId | None]:
    """What names a message for duplicate detection, and its session's id (§3.2.4).

    The name is the message-id as it is encoded, type and all, behind its partition key: the
    same id in another partition is another message. b"" for a message without an id, or with
    an empty one, which Service Bus does not look at either.
    """
    bare = message.bare
    if not bare or section_code(bare, 0) != PROPERTIES:
        return b"", None
    found = read_properties(bare)
    assert found is not None
    session_id = None if found.group_id is None else SessionId(found.group_id)
    check_length("group-id", session_id)
    if found.message_id in (None, "", b""):
        return b"", session_id
    key = encode_value(found.message_id)
    if b"x-opt-partition-key" in message.annotations:
        partition_key = annotations_of(message).get(PARTITION_KEY)
        check_length("partition key", partition_key)
        key = encode_value(partition_key) + key
    return key, session_id


def check_length(what: str, value: object) -> None:
    """Texts that the broker keeps beside a message have a bound."""
    if isinstance(value, (str, bytes)) and len(value) > ID_CHARACTERS_MAX:
        raise InvalidRequest(
            f"a {what} of {len(value)} characters; allowed are {ID_CHARACTERS_MAX}"
        )


def scheduled_for(message: Message, now: UnixMs) -> UnixMs:
    """When the sender wants it to be had first; NEVER: at once.

    Raises `InvalidRequest`, and `ProtocolViolation` for annotations that cannot be read: a
    message whose annotations could not be written anew must not get in.
    """
    if not message.annotations:
        return NEVER
    annotations = annotations_of(message)
    for key in (SCHEDULED_TIME, DELIVERY_TIME):
        at = annotations.get(key)
        if at is not None:
            return instant(key, whole_number(key, at))
    delay = annotations.get(DELIVERY_DELAY)
    if delay is None:
        return NEVER
    return instant(DELIVERY_DELAY, now + max(0, whole_number(DELIVERY_DELAY, delay)))


def whole_number(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"{key} is a time or duration in milliseconds, not {value!r}")
    return int(value)


def instant(key: str, at: int) -> UnixMs:
    """An instant in the past is now, and one beyond all bounds a mistake."""
    if at > INSTANT_MAX:
        raise InvalidRequest(f"{key} lies more than {INSTANT_MAX} ms after 1970")
    return UnixMs(max(0, at))


def annotations_of(message: Message) -> dict[object, object]:
    """The sender's message annotations, decoded."""
    if not message.annotations:
        return {}
    value, _end = read_value(message.annotations, 0)
    return value if isinstance(value, dict) else {}


def delivery_payload(entry: Entry, message: Message, locked_until: UnixMs) -> bytes:
    """What a receiver is sent; `locked_until` is NEVER when it holds no lock."""
    header = header_section(message, entry)
    if entry.origin is None and not message.annotations:
        items, count = own_items(entry, locked_until)
        if entry.source_number != UNNUMBERED:
            items += SOURCED.pack(ITEM_SOURCE, entry.source_number)
            count += 2
        size = len(items) + 1
        annotations = ANNOTATIONS + b"\xc1" + bytes([size, count]) + items
        return header + annotations + message.bare
    return (
        header
        + annotations_section(entry, message, locked_until, False)
        + bare_of(entry, message)
    )


def peeked_payload(entry: Entry, message: Message) -> bytes:
    """What a peek shows: as a delivery, with the message's state, and until when that lasts."""
    lock = entry.lock if entry.state == LOCKED else None
    locked_until = NEVER if lock is None else lock.until
    return (
        header_section(message, entry)
        + annotations_section(entry, message, locked_until, True)
        + bare_of(entry, message)
    )


def header_section(message: Message, entry: Entry) -> bytes:
    """§3.2.1, all five fields."""
    delivery_count = entry.delivery_count
    ttl = NULL if message.ttl_ms == NO_TTL else HEADER_TTL.pack(0x70, message.ttl_ms)
    if entry.expires_at != NEVER:
        ttl = HEADER_TTL.pack(0x70, ttl_told(entry))
    if delivery_count == 0:
        count = b"\x43"
        first = TRUE
    else:
        count = (
            b"\x52" + bytes([delivery_count])
            if delivery_count < 256
            else HEADER_TTL.pack(0x70, delivery_count)
        )
        first = FALSE
    durable = TRUE if message.durable else FALSE
    fields = durable + b"\x50" + bytes([message.priority]) + ttl + first + count
    return b"\x00\x53\x70\xc0" + bytes([len(fields) + 1, 5]) + fields


def ttl_told(entry: Entry) -> int:
    """How long it has from when it was enqueued, by its sender and by where it came through:
    clients reckon from this when it expires."""
    return min(max(0, entry.expires_at - entry.enqueued_at), TTL_MAX)


def own_items(entry: Entry, locked_until: UnixMs) -> tuple[bytes, int]:
    """The broker's annotations, encoded, and how many keys and values they are."""
    if locked_until == NEVER:
        shown = SHOWN.pack(ITEM_NUMBER, entry.number, ITEM_ENQUEUED, entry.enqueued_at)
        return shown, 4
    held = HELD.pack(
        ITEM_NUMBER, entry.number, ITEM_ENQUEUED, entry.enqueued_at, ITEM_LOCKED, locked_until
    )
    return held, 6


def annotations_section(
    entry: Entry, message: Message, locked_until: UnixMs, with_state: bool
) -> bytes:
    """§3.2.3: the sender's and ours; where both name the same thing, ours is true."""
    annotations = annotations_of(message)
    annotations[SEQUENCE_NUMBER] = int(entry.number)
    annotations[ENQUEUED_TIME] = Timestamp(entry.enqueued_at)
    annotations.pop(LOCKED_UNTIL, None)
    if locked_until != NEVER:
        annotations[LOCKED_UNTIL] = Timestamp(locked_until)
    annotations.pop(SOURCE_NUMBER, None)
    if entry.source_number != UNNUMBERED:
        annotations[SOURCE_NUMBER] = int(entry.source_number)
    if entry.origin is not None:
        annotations[DEAD_LETTER_SOURCE] = entry.origin.source
    if with_state:
        annotations[MESSAGE_STATE] = Int(state_on_the_wire(entry))
        annotations.pop(DELIVERY_TIME, None)
        if entry.state == WAITING:
            annotations[DELIVERY_TIME] = Timestamp(entry.not_before)
    return ANNOTATIONS + encode_value(annotations)


def state_on_the_wire(entry: Entry) -> int:
    if entry.state == DEFERRED:
        return STATE_DEFERRED
    return (
        STATE_SCHEDULED
        if entry.state == WAITING and entry.delivery_count == 0
        else STATE_ACTIVE
    )


def bare_of(entry: Entry, message: Message) -> bytes:
    """The bare message; a dead letter's tells its reason in application properties."""
    origin = entry.origin
    bare = message.bare
    if origin is None or not (origin.reason or origin.description):
        return bare
    at = 0
    if bare and section_code(bare, 0) == PROPERTIES:
        at = skip_value(bare, value_at(bare, 0))
    end = at
    properties: dict[object, object] = {}
    if at < len(bare) and section_code(bare, at) == APPLICATION_PROPERTIES:
        start = value_at(bare, at)
        end = skip_value(bare, start)
        found = read_properties_map(bare[start:end])
        if found is None:
            return bare
        properties = found
    properties["DeadLetterReason"] = origin.reason
    properties["DeadLetterErrorDescription"] = origin.description
    return bare[:at] + APPLICATION_PROPERTIES_HEAD + encode_value(properties) + bare[end:]


def read_properties_map(encoded: bytes) -> dict[object, object] | None:
    """Application properties; None for what is too large to write anew, or makes no sense.

    Nobody has looked into them when the message came: a dead letter must be had all the same.
    """
    if len(encoded) > AMQP_MAP_BYTES_MAX:
        return None
    try:
        value, _end = read_value(encoded, 0)
    except ProtocolViolation:
        return None
    return value if isinstance(value, dict) else None
