"""What a POST to `/{entity}/messages` brings in: one message, or a batch as JSON."""

from typing import Final

import orjson

from peeklock.clock import IdSource
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, ProtocolViolation
from peeklock.frontends.amqp_intake import read_sent
from peeklock.frontends.http.broker_properties import Described, read_broker_properties
from peeklock.frontends.http.property_values import (
    BROKER_PROPERTIES,
    read_json_properties,
    read_object,
    read_properties,
)
from peeklock.limits import BATCH_MESSAGES_MAX
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Header,
    Properties,
    encode_bare,
    encode_message,
)
from peeklock.protocols.amqp10.values import AmqpValue
from peeklock.types import UnixMs

BATCH_TYPE: Final = "application/vnd.microsoft.servicebus.json"
ELEMENT_KEYS: Final = frozenset({"Body", "BrokerProperties", "UserProperties"})

Fields = list[tuple[str, bytes]]  # a request's header fields, names as they were written


def is_batch(fields: Fields) -> bool:
    return field_of(fields, "content-type").partition(";")[0].strip().lower() == BATCH_TYPE


def read_one(
    fields: Fields, body: bytes, entity: Queue | Topic, ids: IdSource, now: UnixMs
) -> Submission:
    """A message whose properties are header fields; raises `InvalidRequest`."""
    given: dict[str, object] = {}
    raw = field_of(fields, BROKER_PROPERTIES)
    if raw:
        given = read_object(BROKER_PROPERTIES, raw.encode())
    described = read_broker_properties(given)
    content_type = field_of(fields, "content-type")
    if content_type:
        described.texts["content_type"] = content_type
    encoding = field_of(fields, "content-encoding")
    if encoding:
        described.texts["content_encoding"] = encoding
    return submission(described, read_properties(fields), body, entity, ids, now)


def read_batch(
    body: bytes, entity: Queue | Topic, ids: IdSource, now: UnixMs
) -> list[Submission]:
    """The messages of a JSON array, in their order; raises `InvalidRequest`, which says which
    of them is wrong (from 0)."""
    try:
        elements = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the batch is no JSON: {error}") from None
    if not isinstance(elements, list) or not elements:
        raise InvalidRequest("a batch is a JSON array of at least one message")
    if len(elements) > BATCH_MESSAGES_MAX:
        raise InvalidRequest(f"more than {BATCH_MESSAGES_MAX} messages in one batch, the limit")
    found: list[Submission] = []
    for place, element in enumerate(elements):
        try:
            found.append(read_element(element, entity, ids, now))
        except InvalidRequest as error:
            raise InvalidRequest(f"message {place} of the batch: {error}") from None
    return found


def read_element(
    element: object, entity: Queue | Topic, ids: IdSource, now: UnixMs
) -> Submission:
    if not isinstance(element, dict):
        raise InvalidRequest("it is no JSON object")
    unknown = sorted(set(element) - ELEMENT_KEYS)
    if unknown:
        raise InvalidRequest(
            f"{unknown[0][:80]!r}; there are Body, BrokerProperties and UserProperties"
        )
    body = element.get("Body", "")
    if not isinstance(body, str):
        raise InvalidRequest("its Body is no string")
    given = object_at(element, "BrokerProperties")
    properties = read_json_properties("UserProperties", object_at(element, "UserProperties"))
    user: dict[AmqpValue, AmqpValue] = dict(properties.items())
    described = read_broker_properties(given)
    return submission(described, user, body.encode(), entity, ids, now)


def object_at(element: dict[str, object], key: str) -> dict[str, object]:
    value = element.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"its {key} is no JSON object")
    return value


def submission(
    described: Described,
    properties: dict[AmqpValue, AmqpValue],
    body: bytes,
    entity: Queue | Topic,
    ids: IdSource,
    now: UnixMs,
) -> Submission:
    """The message as AMQP has it, taken in as if it had come so; raises `InvalidRequest`."""
    for name in ("content_type", "content_encoding"):
        if not described.texts.get(name, "").isascii():
            raise InvalidRequest(f"the {name.replace('_', '-')} is ASCII")
    text = described.texts.get
    own = Properties(
        message_id=text("message_id"),
        to=text("to"),
        subject=text("subject"),
        reply_to=text("reply_to"),
        correlation_id=text("correlation_id"),
        content_type=text("content_type"),
        content_encoding=text("content_encoding"),
        group_id=text("group_id"),
        reply_to_group_id=text("reply_to_group_id"),
    )
    bare = encode_bare(own, properties, DataBody([body]))
    header = Header(durable=True, ttl_ms=described.ttl_ms)
    payload = encode_message(bare, header, described.annotations)
    try:
        return read_sent(payload, entity, ids, now)
    except ProtocolViolation as error:
        raise InvalidRequest(error.what) from None


def field_of(fields: Fields, name: str) -> str:
    """One header field's text, "" when it is not there; raises `InvalidRequest` for two."""
    wanted = name.lower()
    found = [raw for written, raw in fields if written.lower() == wanted]
    if len(found) > 1:
        raise InvalidRequest(f"the header {name} is there {len(found)} times")
    try:
        return found[0].decode() if found else ""
    except UnicodeDecodeError:
        raise InvalidRequest(f"the header {name} is not UTF-8") from None
