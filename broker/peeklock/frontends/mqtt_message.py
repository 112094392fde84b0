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

3.1.1 has the payload alone.
"""

from typing import Final

from peeklock.clock import IdSource
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
from peeklock.filters.values import text_of
from peeklock.frontends.amqp_intake import check_application_properties
from peeklock.frontends.amqp_message import annotations_of, bare_of, submission_of
from peeklock.frontends.mqtt_topics import reply_to_of, response_topic_of
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
    UserProperty,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.types import NEVER, UnixMs

# Message annotations of ours: what AMQP has no place for.
USER_PROPERTIES: Final = Symbol("x-opt-mqtt-user-properties")  # name, value, name, value …
PAYLOAD_FORMAT: Final = Symbol("x-opt-mqtt-payload-format")  # ubyte, as in MQTT
# Of one that is retained, unless it is 2: it is not told with a higher one.
RETAINED_QOS: Final = Symbol("x-opt-mqtt-qos")
RETAINED_NAME: Final = b"x-opt-mqtt-qos"
# The content type of a body that is neither bytes nor text: its AMQP sections, encoded.
AMQP_BODY: Final = "application/amqp"

TTL_MS_MAX: Final = 0xFFFF_FFFF  # §3.2.1: milliseconds, 49 days
UTF_8: Final = 1


def submission_of_publish(
    publish: Publish,
    subject: str | None,
    entity: Queue | Topic,
    ids: IdSource,
    now: UnixMs,
    publisher: Listener | None = None,
) -> Submission:
    """A PUBLISH as `entity` takes it in; raises `InvalidRequest`.

    `subject` is the rest of the topic name where `entity` is mounted in the tree; `publisher`
    is who does not hear it where it has asked for no signals of its own.
    """
    message, expires_at = message_of_publish(publish, subject, ids, now)
    given = submission_of(message, entity, now)
    publication: Publication | None = None
    if isinstance(entity, Topic):
        publication = Publication(
            publish.topic_name, publish.qos, publish.retain, publisher, publish
        )
    elif publish.retain:
        raise InvalidRequest("a job is not retained: publish it without RETAIN")
    elif expires_at == NEVER:
        return given
    passage: Passage | None = None
    if expires_at != NEVER:
        passage = Passage(SharedBytes(), expires_at=expires_at)
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
    content_type = found.text(CONTENT_TYPE)
    if content_type is not None and not content_type.isascii():
        raise InvalidRequest("a content type is ASCII (RFC 6838 §4.2)")
    response_topic = found.text(RESPONSE_TOPIC)
    properties = AmqpProperties(
        message_id=ids.name(),
        subject=subject,
        reply_to=None if response_topic is None else reply_to_of(response_topic),
        correlation_id=found.binary(CORRELATION_DATA),
        content_type=content_type,
    )
    annotations: dict[AmqpValue, AmqpValue] = {}
    if publish.retain and publish.qos < 2:
        annotations[RETAINED_QOS] = UByte(publish.qos)
    body = body_of(publish, annotations)
    user = first_values(found.user)
    if len(user) < len(found.user):
        annotations[USER_PROPERTIES] = [text for pair in found.user for text in pair]
    bare = encode_bare(properties, dict(user.items()), body)
    encoded = encode_value(annotations) if annotations else b""
    check_sizes(bare, encoded)
    ttl_ms, expires_at = expiry_of(found, now)
    return Message(bare, encoded, ttl_ms=ttl_ms), expires_at


def body_of(publish: Publish, annotations: dict[AmqpValue, AmqpValue]) -> Body:
    """§3.2.8: text is a string where nothing else is said of it. A content type is of data."""
    found = publish.properties
    if found.number(PAYLOAD_FORMAT_INDICATOR, 0) != UTF_8:
        return DataBody([publish.payload])
    try:
        text = publish.payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"a payload that is said to be UTF-8: {error.reason}") from None
    if not found.has(CONTENT_TYPE):
        return ValueBody(text)
    annotations[PAYLOAD_FORMAT] = UByte(UTF_8)
    return DataBody([publish.payload])


def first_values(user: tuple[UserProperty, ...]) -> dict[str, str]:
    """In their order. AMQP's maps have a key once (§1.6.23): the first value is shown there."""
    found: dict[str, str] = {}
    for name, value in user:
        found.setdefault(name, value)
    return found


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


def payload_of(entry: Entry, message: Message, now: UnixMs) -> tuple[bytes, Properties]:
    """A message as its receiver gets it. Raises `ProtocolViolation` for what is none."""
    return contents_of(bare_of(entry, message), message, entry.expires_at, now)


def contents_of(
    bare: bytes, message: Message, expires_at: UnixMs, now: UnixMs
) -> tuple[bytes, Properties]:
    """The same of one that is in no queue."""
    values: dict[int, PropertyValue] = {}
    payload = read_payload(bare, values)
    described = read_properties(bare)
    if described is not None:
        put_text(values, CONTENT_TYPE, described.content_type)
        if described.reply_to is not None:
            put_text(values, RESPONSE_TOPIC, response_topic_of(described.reply_to))
        if described.correlation_id is not None:
            values[CORRELATION_DATA] = as_bytes(described.correlation_id)
    if expires_at != NEVER:  # what is left of it [MQTT-3.3.2-6]
        seconds = max(0, (expires_at - now + 999) // 1000)
        values[MESSAGE_EXPIRY_INTERVAL] = min(seconds, 0xFFFF_FFFF)
    user = user_properties_of(bare)
    if message.annotations:
        annotations = annotations_of(message)
        if annotations.get(PAYLOAD_FORMAT) == UTF_8:
            values[PAYLOAD_FORMAT_INDICATOR] = UTF_8
        user = all_values(annotations.get(USER_PROPERTIES), user)
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


def user_properties_of(bare: bytes) -> tuple[UserProperty, ...]:
    """Application properties as texts, in their order, but for what no string can be."""
    found: list[UserProperty] = []
    for name, value in read_application_properties(bare).items():
        text = text_of_property(value)
        if isinstance(name, str) and text is not None and fits(name) and fits(text):
            found.append((str(name), text))
    return tuple(found)


def text_of_property(value: AmqpValue) -> str | None:
    if value is None or isinstance(value, (list, dict)):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, int, float, bytes)):
        return text_of(value)
    return str(value)


def all_values(kept: object, user: tuple[UserProperty, ...]) -> tuple[UserProperty, ...]:
    """What a publisher said, duplicates and all, unless an action has changed it since."""
    if not isinstance(kept, list) or len(kept) % 2:
        return user
    pairs: list[UserProperty] = []
    for at in range(0, len(kept), 2):
        name = kept[at]
        value = kept[at + 1]
        if not isinstance(name, str) or not isinstance(value, str):
            return user
        pairs.append((str(name), str(value)))
    everything = tuple(pairs)
    if any(not fits(name) or not fits(value) for name, value in everything):
        return user
    return everything if first_values(everything) == dict(user) else user


def fits(text: str) -> bool:
    """Is it a UTF-8 Encoded String [MQTT-1.5.4-1] [MQTT-1.5.4-2] (§1.5.4)?"""
    if "\0" in text:
        return False
    try:
        return len(text.encode()) <= MQTT_STRING_BYTES_MAX
    except UnicodeEncodeError:
        return False
