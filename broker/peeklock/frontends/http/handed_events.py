"""A message that is handed out as a CloudEvent of HTTP's: binary, or structured if asked for.

What is no event, or a wrong one, is handed out as any other message: whoever has it can see so
by the headers, and settle it.
"""

from typing import Final, cast

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp
from peeklock.cloudevents.data import media_type
from peeklock.cloudevents.http_binding import PREFIX, HttpParts, write_http_binary
from peeklock.cloudevents.structured import EVENT_TYPES, ContentMode, EventFormat
from peeklock.cloudevents.transcode import FORMATS, Form, Hop, write_exactly
from peeklock.entities.queue_index import Entry
from peeklock.errors import InvalidEvent, ProtocolViolation
from peeklock.frontends.amqp_event import parts_of
from peeklock.frontends.amqp_message import bare_of
from peeklock.frontends.http.handed_messages import FIELD_TEXT, Handed, beside_body
from peeklock.frontends.http.property_values import write_properties
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import (
    Properties,
    read_application_properties,
    read_properties,
)
from peeklock.types import LockToken, UnixMs

PREFIXES: Final = ("cloudEvents:", "cloudEvents_")
BY_TYPE: Final = {FORMATS[form].value: form for form in FORMATS}


def form_asked_for(accept: str) -> Form:
    """By an Accept header (RFC 9110 §12.5.1): the event format that is wanted most.

    Binary mode without one: its media type is that of the event's data.
    """
    best, best_weight = Form.BINARY, 0.0
    for one in accept.split(","):
        form = BY_TYPE.get(media_type(one))
        weight = weight_in(one)
        if form is not None and weight > best_weight:
            best, best_weight = form, weight
    return best


def weight_in(media_range: str) -> float:
    """Its `q`, 1 without one."""
    for parameter in media_range.split(";")[1:]:
        name, _equals, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def event_parts(bare: bytes, form: Form) -> HttpParts | None:
    """The event of a bare message as HTTP has it; None: it is no event, or a wrong one.

    A long event stays in the mode in which it came: to change it, all of its data would have to
    be looked through.
    """
    try:
        properties = read_properties(bare)
        if properties is not None and properties.content_encoding:
            form = Form.BINARY  # the data is zipped, say: no format can tell that
        parts = parts_of(bare)
        mode = amqp_mode(parts)
        if mode is ContentMode.STRUCTURED:
            return of_structured(parts, form)
        if mode is not ContentMode.BINARY:
            return None
        event = read_amqp(parts)
        if len(bare) > EVENT_DOCUMENT_BYTES_MAX:
            return write_http_binary(event)
        return cast(HttpParts, write_exactly(event, Hop.HTTP, form))
    except (InvalidEvent, ProtocolViolation):
        return None


def of_structured(parts: AmqpParts, form: Form) -> HttpParts:
    assert parts.content_type is not None
    assert parts.body is not None
    came_in = EventFormat(media_type(parts.content_type))
    is_long = len(parts.body) > EVENT_DOCUMENT_BYTES_MAX
    if is_long or FORMATS.get(form) is came_in:
        return HttpParts([("content-type", parts.content_type)], parts.body)
    return cast(HttpParts, write_exactly(read_amqp(parts), Hop.HTTP, form))


def handed_event(
    entry: Entry, message: Message, token: LockToken, until: UnixMs, parts: HttpParts
) -> Handed | None:
    """With what the broker knows of it, and the application properties beside its attributes.

    None where a header cannot say what its media type is.
    """
    bare = bare_of(entry, message)
    properties = read_properties(bare) or Properties()
    fields: list[tuple[str, str]] = []
    for name, value in parts.headers:
        if value and not FIELD_TEXT.fullmatch(value):  # an extension's text may be empty
            return None
        fields.append(("Content-Type" if name == "content-type" else name, value))
    fields.extend(beside_body(entry, message, properties, token, until, {}))
    others = {
        key: value
        for key, value in read_application_properties(bare).items()
        if not str(key).startswith(PREFIXES)
    }
    fields.extend(write_properties(others, PREFIX))
    return Handed(fields, parts.body)


assert set(BY_TYPE) == set(EVENT_TYPES)
