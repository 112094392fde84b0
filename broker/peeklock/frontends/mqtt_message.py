"""PUBLISH ⇄ Message: what each field of MQTT is in AMQP's shape, and back (ADR 0001).

| MQTT 5.0 | AMQP 1.0 |
|---|---|
| payload | data; an amqp-value string where it is said to be UTF-8 and has no content type |
| Content Type | content-type |
| Response Topic `$queue/x`, or `a/b` | reply-to `x`, or `topic://a/b` |
| Correlation Data | correlation-id, binary |
| User Property | application property; an annotation has all where a name is there twice |
| Message Expiry Interval | ttl |
| Payload Format Indicator | an amqp-value string; an annotation where there is a content type |

3.1.1 has the payload alone. A CloudEvent is what its bindings say: mqtt_event.py.
"""

from typing import Final

from peeklock.clock import IdSource
from peeklock.cloudevents.amqp_binding import PREFIXES
from peeklock.entities.listeners import Listener
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.submission import (
    AS_THE_TOPIC_SAYS,
    CLEAR,
    KEEP,
    Passage,
    Publication,
    SharedBytes,
    Submission,
)
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest
from peeklock.frontends.amqp_event import bare_of as bare_of_event
from peeklock.frontends.amqp_intake import check_application_properties
from peeklock.frontends.amqp_message import (
    PARTITION_KEY,
    annotations_of,
    bare_of,
    submission_of,
)
from peeklock.frontends.event_terms import TTL_MS_MAX, event_id, time_to_live
from peeklock.frontends.mqtt_event import (
    BroughtEvent,
    PublishedEvent,
    event_of_publish,
    in_event,
    told_event,
)
from peeklock.frontends.mqtt_topics import reply_to_of, response_topic_of
from peeklock.frontends.mqtt_user_properties import (
    USER_PROPERTIES,
    first_values,
    fits,
    flat,
    kept_in,
    user_properties_of,
)
from peeklock.limits import AMQP_MAP_BYTES_MAX, INSTANT_MAX, MQTT_STRING_BYTES_MAX
from peeklock.message import NO_TTL, Message
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.sections import (
    Body,
    DataBody,
    ValueBody,
    encode_bare,
    encode_body,
    read_application_properties,
    read_body,
    read_properties,
)
from peeklock.protocols.amqp10.sections import Properties as AmqpProperties
from peeklock.protocols.amqp10.values import AmqpValue, Symbol, UByte
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    CORRELATION_DATA,
    MESSAGE_EXPIRY_INTERVAL,
    NO_PROPERTIES,
    PAYLOAD_FORMAT_INDICATOR,
    RESPONSE_TOPIC,
    Properties,
    PropertyValue,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.types import NEVER, UnixMs

# Message annotations of ours: what AMQP has no place for.
PAYLOAD_FORMAT: Final = Symbol("x-opt-mqtt-payload-format")  # ubyte, as in MQTT
# Of one that is retained, unless it is 2: it is not told with a higher one.
RETAINED_QOS: Final = Symbol("x-opt-mqtt-qos")
RETAINED_NAME: Final = b"x-opt-mqtt-qos"
# The content type of a body that is neither bytes nor text: its AMQP sections, encoded.
AMQP_BODY: Final = "application/amqp"

UTF_8: Final = 1


def submission_of_publish(
    publish: Publish,
    subject: str | None,
    entity: Queue | Topic,
    ids: IdSource,
    now: UnixMs,
    publisher: Listener | None = None,
    *,
    is_v5: bool,
) -> Submission:
    """A PUBLISH as `entity` takes it in; raises `InvalidRequest`, `InvalidEvent`.

    `subject` is the rest of the topic name where `entity` is mounted in the tree; `publisher`
    is who does not hear it where it has asked for no signals of its own.
    """
    event = event_of_publish(publish, is_v5=is_v5)
    if event is None:
        message, expires_at = message_of_publish(publish, subject, ids, now)
    else:
        if isinstance(entity, Queue):
            subject = event.event.text("subject")
        message, expires_at = message_of_event(event, publish, subject, now)
    given = submission_of(message, entity, now)
    publication: Publication | None = None
    if isinstance(entity, Topic):
        publication = Publication(
            *(publish.topic_name, publish.qos, publish.retain, publisher),
            publish if event is None else BroughtEvent(publish, is_v5),
        )
    elif publish.retain:
        raise InvalidRequest("a job is not retained: publish it without RETAIN")
    elif expires_at == NEVER:
        return given
    passage: Passage | None = None
    if expires_at != NEVER:
        passage = Passage(SharedBytes(), expires_at=expires_at)
    # Without RETAIN nothing is kept [MQTT-3.3.1-8], unless who made the topic wants it so.
    last_value = AS_THE_TOPIC_SAYS
    if publish.retain:  # [MQTT-3.3.1-5]; an empty one clears [MQTT-3.3.1-6] [MQTT-3.3.1-7]
        last_value = KEEP if publish.payload else CLEAR
    return Submission(
        message,
        NEVER,
        given.message_id,
        given.session_id,
        passage,
        publication=publication,
        last_value=last_value,
    )


def message_of_publish(
    publish: Publish, subject: str | None, ids: IdSource, now: UnixMs
) -> tuple[Message, UnixMs]:
    """And when it expires, if that is later than AMQP's ttl can say; else NEVER."""
    found = publish.properties
    if not found and not publish.retain:
        properties = AmqpProperties(message_id=ids.name(), subject=subject)
        return Message(encode_bare(properties, None, DataBody([publish.payload]))), NEVER
    annotations = retained_with(publish)
    body = body_of(publish, annotations)
    user = first_values(found.user)
    if len(user) < len(found.user) or any(name.startswith(PREFIXES) for name in user):
        annotations[USER_PROPERTIES] = flat(found.user)
    properties = properties_of(found, found.text(CONTENT_TYPE), ids.name(), subject)
    bare = encode_bare(properties, dict(user.items()), body)
    ttl_ms, expires_at = expiry_of(found, now)
    return message_with(bare, annotations, ttl_ms), expires_at


def message_of_event(
    given: PublishedEvent, publish: Publish, subject: str | None, now: UnixMs
) -> tuple[Message, UnixMs]:
    """The same of an event, which has an id of its own, and may know when it expires."""
    found = publish.properties
    event = given.event
    parts = given.parts
    annotations = retained_with(publish)
    if found.number(PAYLOAD_FORMAT_INDICATOR, 0) == UTF_8:
        check_utf8(publish.payload)
        annotations[PAYLOAD_FORMAT] = UByte(UTF_8)
    if tuple(given.told_again.items()) != found.user:
        annotations[USER_PROPERTIES] = flat(found.user)
    partition_key = event.text("partitionkey")
    if partition_key is not None:
        annotations[PARTITION_KEY] = partition_key
    bare = bare_of_event(
        parts, properties_of(found, parts.content_type, event_id(event), subject)
    )
    ttl_ms, expires_at = expiry_of(found, now)
    lives = time_to_live(event, now)
    if lives is not None:
        ttl_ms = lives if ttl_ms == NO_TTL else min(ttl_ms, lives)
        expires_at = NEVER
    return message_with(bare, annotations, ttl_ms), expires_at


def retained_with(publish: Publish) -> dict[AmqpValue, AmqpValue]:
    """The annotations of a message that may be retained."""
    is_noted = publish.retain and publish.qos < 2
    return {RETAINED_QOS: UByte(publish.qos)} if is_noted else {}


def properties_of(
    found: Properties, content_type: str | None, message_id: str, subject: str | None
) -> AmqpProperties:
    if content_type is not None and not content_type.isascii():
        raise InvalidRequest("a content type is ASCII (RFC 6838 §4.2)")
    response_topic = found.text(RESPONSE_TOPIC)
    return AmqpProperties(
        message_id=message_id,
        subject=subject,
        reply_to=None if response_topic is None else reply_to_of(response_topic),
        correlation_id=found.binary(CORRELATION_DATA),
        content_type=content_type,
    )


def body_of(publish: Publish, annotations: dict[AmqpValue, AmqpValue]) -> Body:
    """§3.2.8: text is a string where nothing else is said of it. A content type is of data."""
    found = publish.properties
    if found.number(PAYLOAD_FORMAT_INDICATOR, 0) != UTF_8:
        return DataBody([publish.payload])
    text = check_utf8(publish.payload)
    if not found.has(CONTENT_TYPE):
        return ValueBody(text)
    annotations[PAYLOAD_FORMAT] = UByte(UTF_8)
    return DataBody([publish.payload])


def check_utf8(payload: bytes) -> str:
    """What the payload format indicator says (§3.3.2.3.2)."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"a payload that is said to be UTF-8: {error.reason}") from None


def message_with(bare: bytes, annotations: dict[AmqpValue, AmqpValue], ttl_ms: int) -> Message:
    encoded = encode_value(annotations) if annotations else b""
    check_sizes(bare, encoded)
    return Message(bare, encoded, ttl_ms=ttl_ms)


def check_sizes(bare: bytes, annotations: bytes) -> None:
    if len(annotations) > AMQP_MAP_BYTES_MAX:
        raise InvalidRequest(
            f"user properties of {len(annotations)} bytes; allowed are {AMQP_MAP_BYTES_MAX}"
        )
    if len(bare) > AMQP_MAP_BYTES_MAX:
        check_application_properties(bare)


def expiry_of(found: Properties, now: UnixMs) -> tuple[int, UnixMs]:
    """Milliseconds, or an instant where they are too many (§3.3.2.3.3 has seconds)."""
    if not found.has(MESSAGE_EXPIRY_INTERVAL):
        return NO_TTL, NEVER
    ttl_ms = 1000 * found.number(MESSAGE_EXPIRY_INTERVAL, 0)
    if ttl_ms <= TTL_MS_MAX:
        return ttl_ms, NEVER
    return NO_TTL, UnixMs(min(now + ttl_ms, INSTANT_MAX))


# ---- and back


def payload_of(
    entry: Entry, message: Message, now: UnixMs, *, is_v5: bool
) -> tuple[bytes, Properties]:
    """A message as its receiver gets it. Raises `ProtocolViolation` for what is none."""
    payload, properties = contents_of(bare_of(entry, message), message, is_v5=is_v5)
    return payload, with_expiry(properties, entry.expires_at, now)


def with_expiry(properties: Properties, expires_at: UnixMs, now: UnixMs) -> Properties:
    """And what is left of its time [MQTT-3.3.2-6]."""
    if expires_at == NEVER:
        return properties
    seconds = max(0, (expires_at - now + 999) // 1000)
    return properties.with_number(MESSAGE_EXPIRY_INTERVAL, min(seconds, 0xFFFF_FFFF))


def contents_of(bare: bytes, message: Message, *, is_v5: bool) -> tuple[bytes, Properties]:
    """What is told of a message in this version, whoever hears it and whenever."""
    described = read_properties(bare)
    application = read_application_properties(bare)
    content_type = None if described is None else described.content_type
    values: dict[int, PropertyValue] = {}
    if not is_v5:
        told = told_event(bare, application, content_type, is_v5=False)
        return (read_payload(bare, values) if told is None else told.payload), NO_PROPERTIES
    annotations = annotations_of(message) if message.annotations else {}
    kept = kept_in(annotations.get(USER_PROPERTIES))
    user = user_properties_of(application)
    is_kept = len(kept) > 0 and first_values(kept) == dict(user)
    payload = read_payload(bare, values)
    if not is_kept:  # else MQTT 5 brought it, and as no event
        told = told_event(bare, application, content_type, is_v5=True)
        if told is not None:
            payload, content_type, user = told.payload, told.content_type, told.user_properties
            is_kept = len(kept) > 0 and in_event(kept) == dict(user)
    put_text(values, CONTENT_TYPE, content_type)
    if described is not None:
        if described.reply_to is not None:
            put_text(values, RESPONSE_TOPIC, response_topic_of(described.reply_to))
        if described.correlation_id is not None:
            values[CORRELATION_DATA] = as_bytes(described.correlation_id)
    if annotations and annotations.get(PAYLOAD_FORMAT) == UTF_8:
        values[PAYLOAD_FORMAT_INDICATOR] = UTF_8
    if is_kept:  # unless an action has changed them since
        user = kept
    if not values and not user:
        return payload, NO_PROPERTIES
    return payload, Properties(values, user)


def qos_kept(message: Message) -> int:
    """With which QoS a retained one was published; 2 where MQTT did not bring it."""
    if RETAINED_NAME not in message.annotations:
        return 2
    qos = annotations_of(message).get(RETAINED_QOS)
    return qos if isinstance(qos, int) and 0 <= qos <= 2 else 2


def read_payload(bare: bytes, values: dict[int, PropertyValue]) -> bytes:
    body = read_body(bare)
    if body is None:
        return b""
    if isinstance(body, DataBody):
        return body.parts[0] if len(body.parts) == 1 else b"".join(body.parts)
    if isinstance(body, ValueBody):
        value = body.value
        if isinstance(value, str):
            values[PAYLOAD_FORMAT_INDICATOR] = UTF_8
            return value.encode()
        if isinstance(value, bytes):
            return value
        if value is None:
            return b""
    values[CONTENT_TYPE] = AMQP_BODY
    return encode_body(body)


def put_text(values: dict[int, PropertyValue], identifier: int, text: str | None) -> None:
    """Unless it says something already, or MQTT cannot say it."""
    if text is not None and identifier not in values and fits(text):
        values[identifier] = str(text)


def as_bytes(value: AmqpValue) -> bytes:
    """A correlation-id: its bytes, or its text's."""
    if isinstance(value, bytes):
        return bytes(value[:MQTT_STRING_BYTES_MAX])
    return str(value).encode()[:MQTT_STRING_BYTES_MAX]
