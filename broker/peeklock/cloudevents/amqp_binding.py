"""CloudEvents in AMQP 1.0 messages (AMQP binding 1.0): binary and structured mode.

`AmqpParts` is what of a message the binding speaks of, in plain values; whoever knows AMQP's
encoding makes it of a message's sections, and sections of it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, final

from peeklock.cloudevents.attribute import (
    REQUIRED,
    AttributeValue,
    Kind,
    binary,
    boolean,
    bytes_of,
    integer,
    named,
    string,
    timestamp,
    untyped,
)
from peeklock.cloudevents.data import payload_data
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.structured import (
    ContentMode,
    EventFormat,
    mode_by_type,
    read_structured,
    write_structured,
)
from peeklock.cloudevents.timestamps import from_milliseconds, milliseconds
from peeklock.errors import InvalidEvent


class Separator(Enum):
    """What stands between `cloudEvents` and an attribute's name (§3.1.3.1).

    A reader takes either, a writer uses one throughout a message. The colon is what all
    releases so far have; the next one prefers the underscore, which JMS selectors can name.
    """

    COLON = "cloudEvents:"
    UNDERSCORE = "cloudEvents_"


PREFIXES: Final = ("cloudEvents:", "cloudEvents_")
PREFIX_LENGTH: Final = len("cloudEvents:")


@final
class AmqpTimestamp:
    """AMQP's own timestamp: milliseconds since 1970-01-01 UTC."""

    __slots__ = ("ms",)
    __match_args__ = ("ms",)

    def __init__(self, ms: int) -> None:
        self.ms: Final = ms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AmqpTimestamp) and other.ms == self.ms

    def __hash__(self) -> int:
        return hash(self.ms)

    def __repr__(self) -> str:
        return f"AmqpTimestamp({self.ms})"


@final
class AmqpParts:
    """Content type, application properties, and body of a message.

    Values of properties are bool, int (of any AMQP width; a `long` when written), str, bytes
    and `AmqpTimestamp`; others are none that an attribute can have. `body` is the data
    sections, joined, or None where the body is of another kind, and the message no event. With
    `value_body` it was a string or binary in an amqp-value section, which the binding does not
    describe: it is taken, and the flag tells.
    """

    __slots__ = ("body", "content_type", "properties", "value_body")

    def __init__(
        self,
        content_type: str | None,
        properties: Mapping[str, object],
        body: bytes | None,
        value_body: bool = False,
    ) -> None:
        self.content_type: Final = content_type
        self.properties: Final = properties
        self.body: Final = body
        self.value_body: Final = value_body


def amqp_mode(parts: AmqpParts) -> ContentMode:
    """How the message carries an event. One with some of the required attributes is none."""
    if parts.body is None:
        return ContentMode.PLAIN
    mode = mode_by_type(parts.content_type)
    if mode is ContentMode.BATCH:
        return ContentMode.UNKNOWN_FORMAT  # this binding has no batch
    if mode is not ContentMode.PLAIN:
        return mode
    for prefix in PREFIXES:
        if all(prefix + name in parts.properties for name in REQUIRED):
            return ContentMode.BINARY
    return ContentMode.PLAIN


def read_amqp(parts: AmqpParts) -> CloudEvent:
    """The event of a message in binary or structured mode; raises `InvalidEvent`.

    In structured mode the body counts, whatever properties repeat of it.
    """
    if amqp_mode(parts) is ContentMode.STRUCTURED:
        assert parts.content_type is not None
        assert parts.body is not None
        return read_structured(parts.content_type, parts.body)
    return read_amqp_binary(parts)


def read_amqp_binary(parts: AmqpParts) -> CloudEvent:
    """A message as an event in binary mode, which it says it is; raises `InvalidEvent`."""
    if parts.body is None:
        raise InvalidEvent("data", "not in data sections; allowed are one or more of them")
    attributes: dict[str, AttributeValue] = {}
    used = ""
    for key, value in parts.properties.items():
        prefix = key[:PREFIX_LENGTH]
        if prefix not in PREFIXES or value is None:
            continue
        name = key[PREFIX_LENGTH:]
        if used and used != prefix:
            raise InvalidEvent(
                named(name),
                "both prefixes in a message; allowed is cloudEvents: or cloudEvents_",
            )
        used = prefix
        attributes[name] = attribute_of(name, value)
    if parts.content_type is not None:  # it counts, whatever a property says (§3.1.1)
        attributes["datacontenttype"] = string(parts.content_type)
    given = attributes.get("datacontenttype")
    data = payload_data(parts.body, None if given is None else given.text)
    return CloudEvent(attributes, data)


def attribute_of(name: str, value: object) -> AttributeValue:
    """§3.1.3.2: the native type, or the canonical string.

    The official SDK for Python writes `time` as a plain integer, of a timestamp's milliseconds;
    there it can be nothing else.
    """
    if isinstance(value, str):
        return untyped(name, value)
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, int):
        return native_timestamp(name, value) if name == "time" else integer(value)
    if isinstance(value, bytes):
        return binary(value)
    if isinstance(value, AmqpTimestamp):
        return native_timestamp(name, value.ms)
    raise InvalidEvent(
        named(name),
        f"a {type(value).__name__}; allowed are string, boolean, integer, binary, timestamp",
    )


def native_timestamp(name: str, ms: int) -> AttributeValue:
    text = from_milliseconds(ms)
    if text is None:
        raise InvalidEvent(named(name), "a timestamp outside of the years 1 to 9999")
    return timestamp(text)


def other_properties(parts: AmqpParts) -> dict[str, object]:
    """Application properties that are no attributes: they go along, beside the event."""
    return {
        key: value
        for key, value in parts.properties.items()
        if key[:PREFIX_LENGTH] not in PREFIXES
    }


def write_amqp_binary(
    event: CloudEvent,
    others: Mapping[str, object] | None = None,
    separator: Separator = Separator.COLON,
) -> AmqpParts:
    """Raises `InvalidEvent` for a `datacontenttype` that AMQP has no symbol for."""
    event = explicit(event)
    content_type = event.content_type
    if content_type is not None and not content_type.isascii():
        raise InvalidEvent("datacontenttype", "not ASCII, as it must be in AMQP's binary mode")
    properties: dict[str, object] = {}
    for name, value in event.attributes.items():
        if name != "datacontenttype":
            properties[separator.value + name] = property_of(value)
    if others is not None:
        properties.update(others)
    body = b"" if event.data is None else event.data.content
    return AmqpParts(content_type, properties, body)


def property_of(value: AttributeValue) -> object:
    """The native type, where it says all that the text says; else the text."""
    kind = value.kind
    if kind is Kind.BOOLEAN:
        return value.text == "true"
    if kind is Kind.BINARY:
        return bytes_of(value)
    if kind is Kind.INTEGER:
        number = int(value.text)
        return number if str(number) == value.text else value.text
    if kind is Kind.TIMESTAMP:
        ms = milliseconds(value.text)
        if ms is not None:
            return AmqpTimestamp(ms)
    return value.text


def write_amqp_structured(
    event: CloudEvent,
    event_format: EventFormat = EventFormat.JSON,
    others: Mapping[str, object] | None = None,
) -> AmqpParts:
    properties: dict[str, object] = {} if others is None else dict(others)
    return AmqpParts(event_format.value, properties, write_structured(event, event_format))
