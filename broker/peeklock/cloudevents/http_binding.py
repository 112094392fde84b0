"""CloudEvents in HTTP requests and responses (HTTP binding 1.0): binary, structured, batch."""

from collections.abc import Iterable
from typing import Final, TypeAlias, final

from peeklock.cloudevents.attribute import REQUIRED, AttributeValue, named, string, untyped
from peeklock.cloudevents.data import payload_data
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.header_values import BadHeaderValue, decode_value, encode_value
from peeklock.cloudevents.structured import (
    BatchFormat,
    ContentMode,
    EventFormat,
    mode_by_type,
    read_batch,
    read_structured,
    write_batch,
    write_structured,
)
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_HEADERS_BYTES_MAX

Header: TypeAlias = tuple[str, str]

PREFIX: Final = "ce-"
CONTENT_TYPE: Final = "content-type"


@final
class HttpParts:
    """Headers in order, and body. Each character of a value is a byte of it (Latin-1)."""

    __slots__ = ("body", "headers")

    def __init__(self, headers: Iterable[Header], body: bytes) -> None:
        self.headers: Final = tuple(headers)
        self.body: Final = body

    def header(self, name: str) -> str | None:
        """The first header of this name, which is in lower case; None: not there."""
        for key, value in self.headers:
            if key.lower() == name:
                return value.strip(" \t")
        return None

    @property
    def content_type(self) -> str | None:
        return self.header(CONTENT_TYPE)


def http_mode(parts: HttpParts) -> ContentMode:
    """How the request carries an event, or several (§3)."""
    mode = mode_by_type(parts.content_type)
    if mode is not ContentMode.PLAIN:
        return mode
    names = {name.lower() for name, _value in parts.headers}
    complete = all(PREFIX + name in names for name in REQUIRED)
    return ContentMode.BINARY if complete else ContentMode.PLAIN


def read_http(parts: HttpParts) -> CloudEvent:
    """The event of a request in binary or structured mode; raises `InvalidEvent`.

    In structured mode the body counts, whatever headers repeat of it (§3.2.3).
    """
    if http_mode(parts) is ContentMode.STRUCTURED:
        content_type = parts.content_type
        assert content_type is not None
        return read_structured(content_type, parts.body)
    return read_http_binary(parts)


def read_http_batch(parts: HttpParts) -> list[CloudEvent | InvalidEvent]:
    """The events of a request in batch mode, in order. One that is wrong stands there as its
    refusal: the others are good all the same. Raises `InvalidEvent` for what is no batch."""
    content_type = parts.content_type
    return read_batch("" if content_type is None else content_type, parts.body)


def read_http_binary(parts: HttpParts) -> CloudEvent:
    """A request as an event in binary mode, which it says it is; raises `InvalidEvent`."""
    attributes: dict[str, AttributeValue] = {}
    for header, value in parts.headers:
        key = header.lower()
        if not key.startswith(PREFIX):
            continue
        name = key[len(PREFIX) :]
        if name in attributes:
            raise InvalidEvent(named(name), "twice; allowed is once")
        try:
            attributes[name] = untyped(name, decode_value(value.strip(" \t")))
        except BadHeaderValue as error:
            raise InvalidEvent(named(name), str(error)) from None
    content_type = parts.content_type
    if content_type is not None:  # it counts, whatever ce-datacontenttype says (§3.1.1)
        attributes["datacontenttype"] = string(content_type)
    given = attributes.get("datacontenttype")
    data = payload_data(parts.body, None if given is None else given.text)
    return CloudEvent(attributes, data)


def write_http_binary(event: CloudEvent, others: Iterable[Header] = ()) -> HttpParts:
    """No Content-Type is invented for an event that names none.

    Raises `InvalidEvent` for more than common servers take as headers, and for a
    `datacontenttype` that is not ASCII.
    """
    event = explicit(event)
    headers: list[Header] = []
    content_type = event.content_type
    if content_type is not None:
        if not content_type.isascii():
            raise InvalidEvent("datacontenttype", "not ASCII, as it must be in a header")
        headers.append((CONTENT_TYPE, content_type))
    for name, value in event.attributes.items():
        if name != "datacontenttype":
            headers.append((PREFIX + name, encode_value(value.text)))
    size = sum([len(name) + len(value) for name, value in headers])
    if size > EVENT_HEADERS_BYTES_MAX:
        raise InvalidEvent(
            "event",
            f"attributes of {size} bytes; HTTP's binary mode allows {EVENT_HEADERS_BYTES_MAX}",
        )
    headers.extend(others)
    return HttpParts(headers, b"" if event.data is None else event.data.content)


def write_http_structured(
    event: CloudEvent,
    event_format: EventFormat = EventFormat.JSON,
    others: Iterable[Header] = (),
) -> HttpParts:
    headers = [(CONTENT_TYPE, event_format.value), *others]
    return HttpParts(headers, write_structured(event, event_format))


def write_http_batch(
    events: list[CloudEvent], batch_format: BatchFormat = BatchFormat.JSON
) -> HttpParts:
    """Only for whoever has asked for batches (§3.3)."""
    return HttpParts([(CONTENT_TYPE, batch_format.value)], write_batch(events, batch_format))
