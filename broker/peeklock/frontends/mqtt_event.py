"""CloudEvents in PUBLISH packets ⇄ as AMQP's binding has them (docs/adr/0034).

| over MQTT | in AMQP | told over MQTT 5 | told over MQTT 3.1.1 |
|---|---|---|---|
| 5, binary | binary | binary, as it came | JSON |
| 5, structured | the same document | as it came | JSON |
| 3.1.1, JSON | the same document, and its media type | the same, structured | as it came |
| | binary, from elsewhere | binary, if that says all | JSON |

What is published over MQTT reaches those who subscribe in the same version as it came, to the
letter [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]: that is why a document is not taken
apart. A message that is no event is looked at for its content type and one name, and no more.
"""

from collections.abc import Mapping
from typing import Final, cast, final

from peeklock.cloudevents.amqp_binding import (
    PREFIX_LENGTH,
    PREFIXES,
    AmqpParts,
    Separator,
    amqp_mode,
    read_amqp,
)
from peeklock.cloudevents.data import binary_data, media_type
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.json_format import JSON_EVENT, write_json
from peeklock.cloudevents.mqtt_binding import (
    Mqtt311Parts,
    MqttParts,
    is_attribute,
    mqtt_mode,
    read_mqtt,
    read_mqtt311_claimed,
)
from peeklock.cloudevents.structured import (
    EVENT_PREFIX,
    ContentMode,
    mode_by_type,
    read_structured,
)
from peeklock.cloudevents.transcode import Form, Hop, write_exactly
from peeklock.errors import InvalidEvent, ProtocolViolation
from peeklock.frontends.amqp_event import parts_of
from peeklock.frontends.mqtt_user_properties import (
    first_values,
    user_properties_of,
)
from peeklock.limits import MQTT_EVENT_BYTES_MAX
from peeklock.protocols.amqp10.values import AmqpValue
from peeklock.protocols.mqtt.properties import CONTENT_TYPE, UserProperty
from peeklock.protocols.mqtt.publish import Publish

VERSION: Final = "specversion"  # every event has it, and hardly anything else
VERSIONS: Final = tuple(prefix + VERSION for prefix in PREFIXES)
COLON: Final = Separator.COLON.value  # what we write before an attribute's name


@final
class PublishedEvent:
    """An event that was published, and its message in AMQP's shape."""

    __slots__ = ("event", "parts", "told_again")

    def __init__(
        self, event: CloudEvent, parts: AmqpParts, told_again: Mapping[str, str]
    ) -> None:
        self.event: Final = event
        self.parts: Final = parts
        self.told_again: Final = told_again  # user properties that AMQP has room for


@final
class BroughtEvent:
    """A PUBLISH that is an event in this version: in the other it has to be converted."""

    __slots__ = ("is_v5", "publish")

    def __init__(self, publish: Publish, is_v5: bool) -> None:
        self.publish: Final = publish
        self.is_v5: Final = is_v5


# ---- in


def event_of_publish(publish: Publish, *, is_v5: bool) -> PublishedEvent | None:
    """None: it is no event, or one that is not looked into. Raises `InvalidEvent`."""
    payload = publish.payload
    if not is_v5:
        if len(payload) > MQTT_EVENT_BYTES_MAX:
            return None
        event = read_mqtt311_claimed(Mqtt311Parts(payload))
        return None if event is None else as_it_came(event, JSON_EVENT, publish)
    found = publish.properties
    content_type = found.text(CONTENT_TYPE)
    mode = mode_by_type(content_type)
    if mode is ContentMode.STRUCTURED:
        assert content_type is not None
        if len(payload) > MQTT_EVENT_BYTES_MAX:
            return None
        return as_it_came(read_structured(content_type, payload), content_type, publish)
    if mode is not ContentMode.PLAIN or not any(pair[0] == VERSION for pair in found.user):
        return None
    parts = MqttParts(content_type, found.user, payload)
    return binary_event(parts) if mqtt_mode(parts) is ContentMode.BINARY else None


def as_it_came(event: CloudEvent, content_type: str, publish: Publish) -> PublishedEvent:
    """A document; what properties repeat of it says nothing."""
    user = first_values(publish.properties.user)
    return PublishedEvent(event, AmqpParts(content_type, user, publish.payload), user)


def binary_event(parts: MqttParts) -> PublishedEvent:
    event = read_mqtt(parts)
    long_or_not = in_bytes(event) if len(parts.payload) > MQTT_EVENT_BYTES_MAX else event
    written = cast(AmqpParts, write_exactly(long_or_not, Hop.AMQP))
    user = in_event(parts.user_properties)
    properties: dict[str, object] = {}
    for name, text in user.items():  # in their order, so that they go out in it
        key = COLON + name
        if key in written.properties:
            properties[key] = written.properties[key]
        elif not is_attribute(name):
            properties[name] = text
    return PublishedEvent(
        event, AmqpParts(written.content_type, properties, written.body), user
    )


def in_event(user: tuple[UserProperty, ...]) -> dict[str, str]:
    """What of an event's user properties AMQP has room for: attributes, and others that would
    not be taken for some there. The content type says what `datacontenttype` would."""
    return {
        name: text
        for name, text in first_values(user).items()
        if name != "datacontenttype" and not name.startswith(PREFIXES)
    }


def in_bytes(event: CloudEvent) -> CloudEvent:
    """The same event, whose data nobody looks through to write it in another form."""
    data = event.data
    return event if data is None else CloudEvent(event.attributes, binary_data(data.content))


# ---- out


def told_event(
    bare: bytes,
    application: Mapping[AmqpValue, AmqpValue],
    content_type: str | None,
    *,
    is_v5: bool,
) -> MqttParts | None:
    """What an MQTT client is told of an event; 3.1.1 has no room for anything but its payload.

    None: it goes out as any other message, being no event, or a wrong one, or one that came in
    the form in which it goes.
    """
    if not says_event(content_type, application):
        return None
    try:
        parts = parts_of(bare)
        mode = amqp_mode(parts)
        is_long = len(bare) > MQTT_EVENT_BYTES_MAX
        if mode is ContentMode.STRUCTURED:
            return None if is_v5 or is_long else document_in_json(parts)
        if mode is not ContentMode.BINARY:
            return None
        event = in_bytes(read_amqp(parts)) if is_long else read_amqp(parts)
        if not is_v5:
            return MqttParts(None, (), write_json(event))
        return in_version_5(event, application)
    except (InvalidEvent, ProtocolViolation):
        return None


def says_event(content_type: str | None, application: Mapping[AmqpValue, AmqpValue]) -> bool:
    """At a glance."""
    if content_type is not None and content_type[: len(EVENT_PREFIX)].lower() == EVENT_PREFIX:
        return True
    return bool(application) and any(name in application for name in VERSIONS)


def document_in_json(parts: AmqpParts) -> MqttParts | None:
    assert parts.content_type is not None
    if media_type(parts.content_type) == JSON_EVENT:
        return None
    return MqttParts(None, (), write_json(read_amqp(parts)))


def in_version_5(event: CloudEvent, application: Mapping[AmqpValue, AmqpValue]) -> MqttParts:
    """Binary, unless something is lost: structured.

    Application properties that are no attributes go along as user properties. In binary mode
    one with an attribute's name would become one, so then the event goes structured.
    """
    others = {
        name: text
        for name, text in user_properties_of(application)
        if not name.startswith(PREFIXES)
    }
    form = Form.JSON if any(is_attribute(name) for name in others) else Form.BINARY
    parts = cast(MqttParts, write_exactly(event, Hop.MQTT, form))
    attributes = dict(parts.user_properties)
    pairs: list[UserProperty] = []
    for key in application:
        if not isinstance(key, str):
            continue
        name = str(key)
        if name in others:
            pairs.append((name, others[name]))
        elif name[:PREFIX_LENGTH] in PREFIXES and name[PREFIX_LENGTH:] in attributes:
            pairs.append((name[PREFIX_LENGTH:], attributes[name[PREFIX_LENGTH:]]))
    return MqttParts(parts.content_type, pairs, parts.payload)
