"""JSON event format and batch (CloudEvents JSON format 1.0).

`data` is cut out of the document and put into one as text, so what is in it stays as it is.
"""

from base64 import b64encode
from binascii import Error as BadBase64
from binascii import a2b_base64
from collections.abc import Iterable
from typing import Final

from peeklock.cloudevents.attribute import (
    REQUIRED,
    AttributeValue,
    Kind,
    boolean,
    named,
    shown,
    untyped,
)
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    binary_data,
    decoded,
    is_json_type,
    json_string,
    text_data,
    written_form,
)
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.json_scan import (
    BadJson,
    check_utf8,
    elements,
    members,
    string_value,
)
from peeklock.errors import InvalidEvent
from peeklock.limits import BATCH_MESSAGES_MAX, EVENT_ATTRIBUTES_MAX

JSON_EVENT: Final = "application/cloudevents+json"
JSON_BATCH: Final = "application/cloudevents-batch+json"

# Beside attributes: datacontenttype, and the data under either name.
MEMBERS_MAX: Final = EVENT_ATTRIBUTES_MAX + 3
DATA: Final = "data"
DATA_BASE64: Final = "data_base64"


def read_json(document: bytes) -> CloudEvent:
    """One event; raises `InvalidEvent`."""
    try:
        check_utf8(document)
        found = members(document, MEMBERS_MAX)
    except BadJson as error:
        raise InvalidEvent("event", f"no JSON object of an event: {error}") from None
    return event_of(found)


def read_claimed(document: bytes) -> CloudEvent | None:
    """The same of a document that nothing says to be an event but itself: None for what is no
    JSON object with all the members that an event must have.
    """
    try:
        check_utf8(document)
        found = members(document, MEMBERS_MAX)
    except BadJson:
        return None
    names = {name for name, _raw in found}
    return event_of(found) if names.issuperset(REQUIRED) else None


def read_json_batch(document: bytes) -> list[CloudEvent | InvalidEvent]:
    """The events of a batch (§4), in order. One that is wrong stands there as its refusal, so
    that it does not take the others with it; raises `InvalidEvent` for what is no batch.
    """
    try:
        check_utf8(document)
        found = elements(document, BATCH_MESSAGES_MAX)
    except BadJson as error:
        raise InvalidEvent("event", f"no JSON array of events: {error}") from None
    events: list[CloudEvent | InvalidEvent] = []
    for element in found:
        try:
            events.append(read_json(element))
        except InvalidEvent as refused:  # compiled, a name has one type in a function
            events.append(refused)
    return events


def event_of(found: list[tuple[str, bytes]]) -> CloudEvent:
    attributes: dict[str, AttributeValue] = {}
    bodies: dict[str, bytes] = {}
    for name, raw in found:
        if name in attributes or name in bodies:
            raise InvalidEvent(named(name), "twice; allowed is once")
        if name == DATA or name == DATA_BASE64:
            bodies[name] = raw
        elif raw != b"null":  # §2.2: it is unset
            attributes[name] = value_of(name, raw)
    content_type = attributes.get("datacontenttype")
    data = data_of(bodies, None if content_type is None else content_type.text)
    return CloudEvent(attributes, data)


def value_of(name: str, raw: bytes) -> AttributeValue:
    """§2.2: which of CloudEvents' types a JSON value can be."""
    first = raw[:1]
    if first == b'"':
        try:
            return untyped(name, string_value(raw, 0))
        except BadJson as error:
            raise InvalidEvent(named(name), str(error)) from None
    if raw == b"true" or raw == b"false":
        return boolean(raw == b"true")
    if first in b"{[":
        raise InvalidEvent(
            named(name), "an object or array; allowed is a string, an integer, true or false"
        )
    # The event checks it: what has a fraction or an exponent, or is too large, is no Integer.
    return AttributeValue(Kind.INTEGER, raw.decode())


def data_of(bodies: dict[str, bytes], content_type: str | None) -> Data | None:
    """§3.1.2."""
    encoded = bodies.get(DATA_BASE64)
    raw = bodies.get(DATA)
    if encoded is not None and encoded != b"null":
        if raw is not None:
            raise InvalidEvent("data", "both data and data_base64; allowed is one of them")
        return binary_data(base64_bytes(encoded))
    if raw is None:
        return None
    if content_type is None or is_json_type(content_type):
        return Data(DataForm.JSON, raw)
    if not raw.startswith(b'"'):
        raise InvalidEvent(
            "data",
            f"no string, which it must be with the datacontenttype {shown(content_type)}",
        )
    try:
        return text_data(string_value(raw, 0), content_type)
    except BadJson as error:
        raise InvalidEvent("data", str(error)) from None


def base64_bytes(raw: bytes) -> bytes:
    try:
        if raw.startswith(b'"'):
            return a2b_base64(string_value(raw, 0), strict_mode=True)
    except (BadBase64, BadJson, ValueError):
        pass
    raise InvalidEvent("data", "data_base64 is no base64 as RFC 4648 §4 has it")


def write_json(event: CloudEvent) -> bytes:
    """One event; what this writes is read as an event that says the same."""
    data = event.data
    if data is not None and data.form is DataForm.PROTO:
        event = explicit(event)  # JSON would take the absence of a type for JSON
    parts = [json_member(name, value) for name, value in event.attributes.items()]
    if data is not None:
        parts.append(data_member(data, event.content_type))
    return b"{" + b",".join(parts) + b"}"


def write_json_batch(events: Iterable[CloudEvent]) -> bytes:
    """§4."""
    return b"[" + b",".join([write_json(event) for event in events]) + b"]"


def json_member(name: str, value: AttributeValue) -> bytes:
    """Names are letters and digits, and need no escapes."""
    kind = value.kind
    if kind is Kind.BOOLEAN or kind is Kind.INTEGER:
        return f'"{name}":{value.text}'.encode()
    return f'"{name}":'.encode() + json_string(value.text)


def data_member(data: Data, content_type: str | None) -> bytes:
    """§3.1.1."""
    form = written_form(data, content_type)
    if form is DataForm.JSON:
        return b'"data":' + data.content
    if form is DataForm.TEXT:
        text = decoded(data.content, content_type)
        assert text is not None, "written_form has looked"
        return b'"data":' + json_string(text)
    return b'"data_base64":"' + b64encode(data.content) + b'"'
