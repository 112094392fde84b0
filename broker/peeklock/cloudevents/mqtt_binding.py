"""CloudEvents in MQTT PUBLISH packets (MQTT binding 1.0).

MQTT 5 has binary and structured mode. MQTT 3.1.1 has structured mode in JSON alone, and nothing
in the packet says so. Topic, quality of service, payload format indicator, response topic,
correlation data and expiry are not the binding's: whoever forwards a packet keeps them.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, final

from peeklock.cloudevents.attribute import (
    NAME,
    REQUIRED,
    AttributeValue,
    named,
    string,
    untyped,
)
from peeklock.cloudevents.data import payload_data
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.json_format import read_claimed, read_json, write_json
from peeklock.cloudevents.structured import (
    ContentMode,
    EventFormat,
    mode_by_type,
    read_structured,
    write_structured,
)
from peeklock.errors import InvalidEvent
from peeklock.limits import MQTT_STRING_BYTES_MAX

UserProperty: TypeAlias = tuple[str, str]
CLAIM: Final = b'"specversion"'  # is somewhere in what says it is an event


@final
class MqttParts:
    """Of a PUBLISH of MQTT 5: content type, user properties in order, and payload."""

    __slots__ = ("content_type", "payload", "user_properties")

    def __init__(
        self,
        content_type: str | None,
        user_properties: Iterable[UserProperty],
        payload: bytes,
    ) -> None:
        self.content_type: Final = content_type
        self.user_properties: Final = tuple(user_properties)
        self.payload: Final = payload


@final
class Mqtt311Parts:
    """Of a PUBLISH of MQTT 3.1.1: its payload."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload: Final = payload


def mqtt_mode(parts: MqttParts) -> ContentMode:
    """How the packet carries an event.

    Names of attributes have no prefix here. It is an event when it has all that an event must
    have, and none of its attributes twice; else the packet is passed on as it is.
    """
    mode = mode_by_type(parts.content_type)
    if mode is ContentMode.BATCH:
        return ContentMode.UNKNOWN_FORMAT  # this binding has no batch
    if mode is not ContentMode.PLAIN:
        return mode
    names = [name for name, _value in parts.user_properties if is_attribute(name)]
    if len(set(names)) != len(names):
        return ContentMode.PLAIN
    complete = all(name in names for name in REQUIRED)
    return ContentMode.BINARY if complete else ContentMode.PLAIN


def is_attribute(name: str) -> bool:
    """Could an attribute have this name? Then the user property is one, whatever it was meant
    to be; `data` is none (CloudEvents 1.0 §2.4)."""
    return NAME.fullmatch(name) is not None and name != "data"


def read_mqtt(parts: MqttParts) -> CloudEvent:
    """The event of a packet in binary or structured mode; raises `InvalidEvent`."""
    if mqtt_mode(parts) is ContentMode.STRUCTURED:
        assert parts.content_type is not None
        return read_structured(parts.content_type, parts.payload)
    return read_mqtt_binary(parts)


def read_mqtt_binary(parts: MqttParts) -> CloudEvent:
    """A packet as an event in binary mode, which it says it is; raises `InvalidEvent`.

    The binding's example has `datacontenttype` among the user properties, against its rule:
    the content type counts, if there is one.
    """
    attributes: dict[str, AttributeValue] = {}
    for name, text in parts.user_properties:
        if not is_attribute(name):
            continue
        if name in attributes:
            raise InvalidEvent(named(name), "twice; allowed is once")
        attributes[name] = untyped(name, text)
    if parts.content_type is not None:
        attributes["datacontenttype"] = string(parts.content_type)
    given = attributes.get("datacontenttype")
    data = payload_data(parts.payload, None if given is None else given.text)
    return CloudEvent(attributes, data)


def other_user_properties(parts: MqttParts) -> list[UserProperty]:
    """User properties that are no attributes, in order: they go along, beside the event."""
    return [pair for pair in parts.user_properties if not is_attribute(pair[0])]


def write_mqtt_binary(event: CloudEvent, others: Iterable[UserProperty] = ()) -> MqttParts:
    """Raises `InvalidEvent` for a text that is too long for a string of MQTT."""
    event = explicit(event)
    pairs: list[UserProperty] = []
    for name, value in event.attributes.items():
        size = len(value.text.encode())
        if size > MQTT_STRING_BYTES_MAX or len(name) > MQTT_STRING_BYTES_MAX:
            raise InvalidEvent(
                named(name),
                f"{size} bytes; MQTT's binary mode allows up to {MQTT_STRING_BYTES_MAX}",
            )
        if name != "datacontenttype":
            pairs.append((name, value.text))
    pairs.extend(others)
    payload = b"" if event.data is None else event.data.content
    return MqttParts(event.content_type, pairs, payload)


def write_mqtt_structured(
    event: CloudEvent,
    event_format: EventFormat = EventFormat.JSON,
    others: Iterable[UserProperty] = (),
) -> MqttParts:
    return MqttParts(event_format.value, others, write_structured(event, event_format))


def mqtt311_mode(parts: Mqtt311Parts) -> ContentMode:
    """STRUCTURED when the payload is an event in JSON; nothing else tells."""
    if not parts.payload.lstrip(b" \t\r\n").startswith(b"{"):
        return ContentMode.PLAIN
    try:
        read_json(parts.payload)
    except InvalidEvent:
        return ContentMode.PLAIN
    return ContentMode.STRUCTURED


def read_mqtt311(parts: Mqtt311Parts) -> CloudEvent:
    """Raises `InvalidEvent`."""
    return read_json(parts.payload)


def read_mqtt311_claimed(parts: Mqtt311Parts) -> CloudEvent | None:
    """The event that a packet says it is; None: it says no such thing.

    A payload says so when it is a JSON object with all four members that an event must have, as
    a packet in binary mode does by its user properties. Raises `InvalidEvent` for one that then
    breaks a rule.
    """
    payload = parts.payload
    if CLAIM not in payload or not payload.lstrip(b" \t\r\n").startswith(b"{"):
        return None  # which most payloads are found to be without being read
    return read_claimed(payload)


def write_mqtt311(event: CloudEvent) -> Mqtt311Parts:
    return Mqtt311Parts(write_json(event))
