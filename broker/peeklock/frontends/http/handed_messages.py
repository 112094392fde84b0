"""A message that is handed out, as an HTTP response: fields and a body.

A body of AMQP's data sections is these bytes. One that is a value is text if it is a string,
its bytes if it is binary, else JSON where JSON can say it without loss; what is left is told as
AMQP encodes it.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from peeklock.entities.queue_index import Entry
from peeklock.errors import ProtocolViolation
from peeklock.frontends.amqp_message import bare_of
from peeklock.frontends.http.broker_properties import token_text, write_broker_properties
from peeklock.frontends.http.property_values import BROKER_PROPERTIES, write_properties
from peeklock.message import Message
from peeklock.protocols.amqp10.primitives import skip_value
from peeklock.protocols.amqp10.sections import (
    DATA,
    FOOTER,
    VALUE,
    Body,
    DataBody,
    Properties,
    SequenceBody,
    read_application_properties,
    read_body,
    read_properties,
    section_code,
    value_at,
)
from peeklock.protocols.amqp10.values import AmqpValue, Timestamp
from peeklock.types import LockToken, UnixMs

FIELD_TEXT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
TEXT_TYPE: Final = "text/plain; charset=utf-8"
JSON_TYPE: Final = "application/json"
AMQP_TYPE: Final = "application/amqp"  # body sections as AMQP 1.0 §3.2.6–3.2.8 encodes them


@dataclass(frozen=True)
class Handed:
    """What a response has of a message. Names are to be written as they are."""

    fields: list[tuple[str, str]]
    body: bytes


def handed(entry: Entry, message: Message, token: LockToken, until: UnixMs) -> Handed:
    """`until` is when its lock runs out, NEVER when it was taken for good."""
    bare = bare_of(entry, message)
    try:
        properties = read_properties(bare) or Properties()
        user = read_application_properties(bare)
        body = read_body(bare)
    except ProtocolViolation:  # nobody has looked into it before: it is had as it came
        properties, user, body = Properties(), {}, None
        content, kind = bare, AMQP_TYPE
    else:
        content, kind = content_of(body)
        if kind == AMQP_TYPE:
            content = body_sections(bare)
    more: dict[str, object] = {}
    fields: list[tuple[str, str]] = []
    kind = properties.content_type or kind
    if FIELD_TEXT.fullmatch(kind):
        fields.append(("Content-Type", kind))
    elif kind:
        more["ContentType"] = kind
    fields.extend(beside_body(entry, message, properties, token, until, more))
    fields.extend(write_properties(user))
    return Handed(fields, content)


def beside_body(
    entry: Entry,
    message: Message,
    properties: Properties,
    token: LockToken,
    until: UnixMs,
    more: dict[str, object],
) -> list[tuple[str, str]]:
    """What the broker knows of it, with `more` behind that, and how its body is encoded."""
    told = write_broker_properties(entry, message, properties, token, until)
    fields = [(BROKER_PROPERTIES, json.dumps(told | more))]
    encoding = properties.content_encoding or ""
    if FIELD_TEXT.fullmatch(encoding):
        fields.append(("Content-Encoding", encoding))
    return fields


def location_of(base_url: str, path: str, entry: Entry, token: LockToken) -> str:
    """Where a locked message is settled."""
    return f"{base_url}/{quote(path, safe='/$')}/messages/{entry.number}/{token_text(token)}"


def content_of(body: Body | None) -> tuple[bytes, str]:
    """A body's bytes, and what they are when the sender did not say; "" for just bytes.

    With AMQP_TYPE they are not these, but `body_sections`.
    """
    if body is None:
        return b"", ""
    if isinstance(body, DataBody):
        return b"".join(body.parts), ""
    value: AmqpValue
    if isinstance(body, SequenceBody):
        value = body.parts[0] if len(body.parts) == 1 else body.parts
    else:
        value = body.value
        if isinstance(value, str):
            return value.encode(errors="replace"), TEXT_TYPE
        if type(value) is bytes:  # decimals are bytes of their own kind
            return value, ""
    if is_json(value):
        return json.dumps(value).encode(), JSON_TYPE
    return b"", AMQP_TYPE


def body_sections(bare: bytes) -> bytes:
    """The body as its sender encoded it, without what stands before and behind it."""
    at = 0
    start = end = len(bare)
    while at < len(bare):
        code = section_code(bare, at)
        if DATA <= code <= VALUE and start == len(bare):
            start = at
        elif code == FOOTER:
            end = at
        at = skip_value(bare, value_at(bare, at))
    return bare[start:end]


def is_json(value: AmqpValue) -> bool:
    """Can JSON tell it, so that a reader has the same value?"""
    if isinstance(value, Timestamp):
        return False
    if value is None or isinstance(value, (bool, str, int)):
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(type(key) is str and is_json(item) for key, item in value.items())
    return isinstance(value, list) and all(is_json(item) for item in value)
