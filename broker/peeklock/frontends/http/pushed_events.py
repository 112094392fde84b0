"""A message as the POST of a webhook: always a CloudEvent (HTTP Web Hooks 1.0 §2.1).

What is no event becomes one, with the entity as its source: whoever is pushed to has said that
it takes events, and nothing else.
"""

from typing import Final
from urllib.parse import quote
from uuid import UUID

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp
from peeklock.cloudevents.attribute import AttributeValue, string, timestamp, uri_reference
from peeklock.cloudevents.data import payload_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    HttpParts,
    write_http_binary,
    write_http_structured,
)
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.timestamps import from_milliseconds
from peeklock.cloudevents.transcode import Form
from peeklock.cloudevents.webhook import REQUEST_ORIGIN, delivery
from peeklock.entities.push import PushMode
from peeklock.entities.push_headers import HEADER_TEXT
from peeklock.entities.queue_index import Entry
from peeklock.errors import InvalidEvent, ProtocolViolation
from peeklock.frontends.amqp_event import parts_of
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX, PUSH_BYTES_MAX
from peeklock.protocols.amqp10.sections import Properties, read_properties
from peeklock.types import EntityPath

PLAIN_TYPE: Final = "peeklock.message"  # of what came without a type
FORMS: Final = {PushMode.BINARY: Form.BINARY, PushMode.STRUCTURED: Form.JSON}


class Unpushable(Exception):
    """No webhook can have this message; the text says why."""


def pushed_parts(
    entry: Entry, bare: bytes, path: EntityPath, mode: PushMode, origin: str
) -> HttpParts:
    """The request for a message of the entity at `path`; raises `Unpushable`."""
    if len(bare) > PUSH_BYTES_MAX:
        raise Unpushable(f"a message of {len(bare)} bytes; pushed are {PUSH_BYTES_MAX} at most")
    try:
        parts = parts_of(bare)
        found = amqp_mode(parts)
        is_long = len(bare) > EVENT_DOCUMENT_BYTES_MAX
        as_it_came = found is ContentMode.STRUCTURED and is_long
        if found is ContentMode.UNKNOWN_FORMAT or as_it_came:
            posted = unchanged(parts, origin)
        else:
            is_event = found in (ContentMode.BINARY, ContentMode.STRUCTURED)
            event = read_amqp(parts) if is_event else event_of(entry, bare, parts, path)
            posted = (
                long_event(event, origin) if is_long else delivery(event, origin, FORMS[mode])
            )
    except (InvalidEvent, ProtocolViolation) as error:
        raise Unpushable(f"no event: {error}") from None
    if any(value and not HEADER_TEXT.fullmatch(value) for _name, value in posted.headers):
        raise Unpushable("an attribute, or the content type, can be no header's value")
    return posted


def unchanged(parts: AmqpParts, origin: str) -> HttpParts:
    """An event in a format that is not read, or not read because it is long."""
    assert parts.content_type is not None
    assert parts.body is not None
    headers = [("content-type", parts.content_type), (REQUEST_ORIGIN, origin)]
    return HttpParts(headers, parts.body)


def long_event(event: CloudEvent, origin: str) -> HttpParts:
    """In the mode that its data need not be looked through for."""
    others = [(REQUEST_ORIGIN, origin)]
    if event.content_type is not None:
        return write_http_binary(event, others)
    return write_http_structured(event, others=others)


def event_of(entry: Entry, bare: bytes, parts: AmqpParts, path: EntityPath) -> CloudEvent:
    """Of a message that is none; raises `InvalidEvent`.

    Its id is the message-id, by which a receiver knows it again, or else its number.
    """
    if parts.body is None:
        raise InvalidEvent("data", "an AMQP body that is neither data nor text")
    properties = read_properties(bare) or Properties()
    content_type = parts.content_type or kind_of(parts)
    named = {
        "specversion": string("1.0"),
        "source": uri_reference("/" + quote(path)),
        "type": string(PLAIN_TYPE),
        "datacontenttype": string(content_type),
    }
    came_at = from_milliseconds(entry.enqueued_at)
    if came_at is not None:
        named["time"] = timestamp(came_at)
    data = payload_data(parts.body, content_type)
    said: dict[str, AttributeValue] = {
        "id": string(id_text(properties.message_id) or str(entry.number))
    }
    if properties.subject:
        said["subject"] = string(properties.subject)
    try:
        return CloudEvent({**named, **said}, data)
    except InvalidEvent:  # control characters, say
        return CloudEvent({**named, "id": string(str(entry.number))}, data)


def kind_of(parts: AmqpParts) -> str:
    return "text/plain; charset=utf-8" if parts.value_body else "application/octet-stream"


def id_text(message_id: object) -> str:
    """AMQP 1.0 §3.2.11–14: a number, a UUID, bytes or a text."""
    if isinstance(message_id, bytes):
        return message_id.hex()
    return str(message_id) if isinstance(message_id, (str, int, UUID)) else ""
