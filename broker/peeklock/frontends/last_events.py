"""Last values as a batch of CloudEvents, and which of them a filter takes.

What is no event is told as one: see `made_event`. A CESQL filter is asked of the event, as it
is told; other filters of the message, as rules of subscriptions ask, and of its JSON data.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    amqp_mode,
    attribute_of,
    read_amqp,
    write_amqp_binary,
)
from peeklock.cloudevents.attribute import (
    CORE_KINDS,
    NAME,
    AttributeValue,
    checked,
    string,
    timestamp,
    uri_reference,
)
from peeklock.cloudevents.data import Data, binary_data, payload_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.json_format import write_json
from peeklock.cloudevents.mqtt_binding import MqttParts, mqtt_mode, read_mqtt
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.timestamps import from_milliseconds
from peeklock.entities.last_values import LastValue
from peeklock.entities.lens import Lens
from peeklock.entities.signal_reader import NO_CAPTURES, SignalReader, SignalView
from peeklock.entities.topic import Topic
from peeklock.errors import FilterError, InvalidEvent, InvalidRequest, ProtocolViolation
from peeklock.filters.filter import DIALECTS, CesqlFilter, ExpressionFilter, Filter
from peeklock.filters.view import SystemProperty
from peeklock.frontends.amqp_event import bare_of, for_an_attribute, parts_of
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX
from peeklock.message import Message

IN_DATA: Final = "data."  # how a condition names a field of the JSON data: [data.NAME]
MADE_TYPE: Final = "peeklock.signal"
# Names that an application property cannot lend to an attribute.
TAKEN: Final = frozenset([*CORE_KINDS, "data", "data_base64"])
Look = tuple[LastValue, Message]


def filter_from(text: str | None, dialect: str) -> Filter | None:
    """As a request has it; raises `InvalidFilter`, `InvalidRequest`."""
    make: Callable[[str], Filter] | None = DIALECTS.get(dialect)
    if make is None:
        known = ", ".join(DIALECTS)
        raise InvalidRequest(f"no filters are written in {dialect[:80]!r}; there are {known}")
    return None if text is None else make(text)


def written(
    topic: Topic, looks: list[Look], wanted: Filter | None, lens: Lens, count_max: int
) -> tuple[list[bytes], int]:
    """Events, at most so many, and how many of `looks` it took to find them."""
    events: list[bytes] = []
    looked = 0
    for value, message in looks:
        if len(events) >= count_max:
            break
        looked += 1
        event = told_event(topic, value, message, lens)
        asked = alone(event) if isinstance(wanted, CesqlFilter) else message
        if wanted is None or takes(wanted, topic, value, asked, lens):
            events.append(write_json(event))
    return events, looked


def passes(wanted: Filter, topic: Topic, look: Look, lens: Lens) -> bool:
    """Is it one of those that `written` would find?"""
    value, message = look
    if isinstance(wanted, CesqlFilter):
        message = alone(told_event(topic, value, message, lens))
    return takes(wanted, topic, value, message, lens)


def told_event(topic: Topic, value: LastValue, message: Message, lens: Lens) -> CloudEvent:
    """The event that it is, or one made of it."""
    event = event_in(message.bare)
    return made_event(topic, value, message, lens) if event is None else event


def alone(event: CloudEvent) -> Message:
    """A message in which a filter finds what it may look for: the attributes."""
    others = {key: one for key, one in event.attributes.items() if key != "datacontenttype"}
    parts = write_amqp_binary(CloudEvent(others))
    return Message(bare_of(AmqpParts(event.content_type, parts.properties, b"")))


def takes(wanted: Filter, topic: Topic, value: LastValue, message: Message, lens: Lens) -> bool:
    """A filter that fails on one passes it over. One that names `data.` looks into the data."""
    entry = value.entry
    view = lens.view(message, entry.enqueued_at, entry.number, 0)
    if isinstance(wanted, ExpressionFilter) and IN_DATA in wanted.text:
        signal = SignalReader(message, view, lens, topic.path, entry.number, value.subject)
        view = SignalView(signal, NO_CAPTURES)
    try:
        return wanted.matches(view)
    except FilterError:
        return False


def event_in(bare: bytes) -> CloudEvent | None:
    """The event that a message is; None: it is none, or a wrong one.

    The data of a long one is not looked through: it is told in base64.
    """
    is_long = len(bare) > EVENT_DOCUMENT_BYTES_MAX
    try:
        parts = parts_of(bare)
        mode = amqp_mode(parts)
        if mode is ContentMode.BINARY:
            event = read_amqp(parts)
            if is_long and event.data is not None:
                return CloudEvent(event.attributes, binary_data(event.data.content))
            return event
        if mode is ContentMode.STRUCTURED and not is_long:
            return read_amqp(parts)
        if mode is ContentMode.PLAIN and not is_long:
            return mqtts_event_in(parts)
    except (InvalidEvent, ProtocolViolation):
        pass
    return None


def mqtts_event_in(parts: AmqpParts) -> CloudEvent | None:
    """Of MQTT's binary mode: its user properties have come as application properties."""
    texts = [(name, one) for name, one in parts.properties.items() if isinstance(one, str)]
    came = MqttParts(parts.content_type, texts, parts.body or b"")
    return read_mqtt(came) if mqtt_mode(came) is ContentMode.BINARY else None


def made_event(topic: Topic, value: LastValue, message: Message, lens: Lens) -> CloudEvent:
    """A signal that is no event, as one: its id or number, its topic, and its subject.

    Application properties are extension attributes, where their names and values can be.
    """
    entry = value.entry
    try:
        parts = parts_of(message.bare)
    except ProtocolViolation:
        parts = AmqpParts(None, {}, None)
    view = lens.view(message, entry.enqueued_at, entry.number, 0)
    message_id = view.system(SystemProperty.MESSAGE_ID)
    attributes: dict[str, AttributeValue] = {
        "specversion": string("1.0"),
        "id": string(text_or(message_id, str(entry.number))),
        "source": uri_reference("/" + quote(topic.path)),
        "type": string(MADE_TYPE),
    }
    time = from_milliseconds(entry.enqueued_at)
    if time is not None:
        attributes["time"] = timestamp(time)
    optional = {"subject": value.subject or None, "datacontenttype": parts.content_type}
    for name, given in (*optional.items(), *parts.properties.items()):
        if (
            given is None
            or not NAME.fullmatch(name)
            or (name in TAKEN and name not in optional)
        ):
            continue
        try:
            found = attribute_of(name, for_an_attribute(given))
            attributes.setdefault(name, checked(name, found))
        except InvalidEvent:
            continue  # it can be no attribute
    return CloudEvent(attributes, data_of(parts, attributes.get("datacontenttype")))


def text_or(value: object, instead: str) -> str:
    """An id that an event can have."""
    if isinstance(value, str) and value:
        try:
            return checked("id", string(value)).text
        except InvalidEvent:
            pass
    return instead


def data_of(parts: AmqpParts, content_type: AttributeValue | None) -> Data | None:
    if parts.body is None:
        return None
    if len(parts.body) > EVENT_DOCUMENT_BYTES_MAX:
        return binary_data(parts.body)
    return payload_data(parts.body, None if content_type is None else content_type.text)
