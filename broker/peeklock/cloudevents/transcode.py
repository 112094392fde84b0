"""From any protocol to any other, with nothing of the event lost.

A message that goes on in the protocol in which it came is passed on as it is. Else its event is
read and written, in the form that is preferred if that can say all there is to say, and in
another if not. That is not argued but tried: what was written is read again, and compared.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final, TypeAlias

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    Separator,
    amqp_mode,
    read_amqp,
    write_amqp_binary,
    write_amqp_structured,
)
from peeklock.cloudevents.event import CloudEvent, same_types, type_url_of
from peeklock.cloudevents.http_binding import (
    HttpParts,
    http_mode,
    read_http,
    read_http_batch,
    write_http_binary,
    write_http_structured,
)
from peeklock.cloudevents.mqtt_binding import (
    Mqtt311Parts,
    MqttParts,
    mqtt311_mode,
    mqtt_mode,
    read_mqtt,
    read_mqtt311,
    write_mqtt311,
    write_mqtt_binary,
    write_mqtt_structured,
)
from peeklock.cloudevents.structured import ContentMode, EventFormat
from peeklock.errors import InvalidEvent

Parts: TypeAlias = AmqpParts | MqttParts | Mqtt311Parts | HttpParts


class Hop(Enum):
    """The protocols that a message can go on in."""

    AMQP = "AMQP 1.0"
    MQTT = "MQTT 5"
    MQTT_311 = "MQTT 3.1.1"
    HTTP = "HTTP"


class Form(Enum):
    """How an event can be written; MQTT 3.1.1 has JSON alone."""

    BINARY = "binary"
    JSON = "structured, JSON"
    PROTOBUF = "structured, protobuf"
    AVRO = "structured, Avro"


FORMATS: Final = {
    Form.JSON: EventFormat.JSON,
    Form.PROTOBUF: EventFormat.PROTOBUF,
    Form.AVRO: EventFormat.AVRO,
}
# What is tried after the preferred form: JSON keeps every text, protobuf every type.
FALLBACKS: Final = (Form.JSON, Form.PROTOBUF)


def mode_of(parts: Parts) -> ContentMode:
    """How these parts carry an event, if they do."""
    if isinstance(parts, AmqpParts):
        return amqp_mode(parts)
    if isinstance(parts, MqttParts):
        return mqtt_mode(parts)
    if isinstance(parts, HttpParts):
        return http_mode(parts)
    return mqtt311_mode(parts)


def hop_of(parts: Parts) -> Hop:
    if isinstance(parts, AmqpParts):
        return Hop.AMQP
    if isinstance(parts, MqttParts):
        return Hop.MQTT
    return Hop.HTTP if isinstance(parts, HttpParts) else Hop.MQTT_311


def read_parts(parts: Parts) -> CloudEvent:
    """The event of parts in binary or structured mode; raises `InvalidEvent`."""
    if isinstance(parts, AmqpParts):
        return read_amqp(parts)
    if isinstance(parts, MqttParts):
        return read_mqtt(parts)
    if isinstance(parts, HttpParts):
        return read_http(parts)
    return read_mqtt311(parts)


def write_parts(
    event: CloudEvent, hop: Hop, form: Form, separator: Separator = Separator.COLON
) -> Parts:
    """In this very form. Raises `InvalidEvent` where the protocol does not have room for it."""
    if hop is Hop.MQTT_311:
        return write_mqtt311(event)
    if form is Form.BINARY:
        if hop is Hop.AMQP:
            return write_amqp_binary(event, None, separator)
        return write_mqtt_binary(event) if hop is Hop.MQTT else write_http_binary(event)
    if hop is Hop.AMQP:
        return write_amqp_structured(event, FORMATS[form])
    if hop is Hop.MQTT:
        return write_mqtt_structured(event, FORMATS[form])
    return write_http_structured(event, FORMATS[form])


def write_exactly(
    event: CloudEvent,
    hop: Hop,
    preferred: Form = Form.BINARY,
    keep_types: bool = False,
) -> Parts:
    """In the preferred form, or the first of those behind it that loses nothing.

    Nothing is lost when the event that is read again says the same: canonical texts, and data
    byte for byte. With `keep_types` an Integer must come back as one, too, if the protocol has
    any form for it: text modes make it a String, which the bindings allow. Where no form keeps
    the types, the texts are kept; one form that keeps them, JSON, every protocol has. The name
    of a protobuf message's type counts as a type that is to be kept: only protobuf has it.
    """
    keep_types = keep_types or type_url_of(event) != ""
    exact: Parts | None = None
    wanted = (ContentMode.BINARY, ContentMode.STRUCTURED)
    for form in (preferred, *FALLBACKS):
        try:
            parts = write_parts(event, hop, form)
            again = read_parts(parts)
        except InvalidEvent:
            continue
        # In binary mode, data of CloudEvents' own media types would be taken for an event.
        if mode_of(parts) not in wanted or not event.says_the_same_as(again):
            continue
        if not keep_types or same_types(event, again):
            return parts
        if exact is None:
            exact = parts
    assert exact is not None, "JSON says all"
    return exact


def transcode(parts: Parts, hop: Hop, preferred: Form = Form.BINARY) -> list[Parts]:
    """What goes out in `hop` of what came in. A batch becomes its events, one by one: it may
    only be sent to whoever has asked for batches.

    Parts for the protocol that they came in are the very same. Of an event, what lies beside it
    (other properties, other headers) stays behind: the bindings tell it apart, and the caller
    knows what it may mean elsewhere. What is no event, or one in a format that is not read,
    goes on with its payload and, where there is room for it, its content type; it gains no
    attributes. Raises `InvalidEvent`: of a batch, for its first event
    that is wrong, and for a body that only AMQP can have.
    """
    mode = mode_of(parts)
    if hop_of(parts) is hop and mode is not ContentMode.BATCH:
        return [parts]
    if mode is ContentMode.BINARY or mode is ContentMode.STRUCTURED:
        return [write_exactly(read_parts(parts), hop, preferred)]
    if mode is ContentMode.BATCH:
        assert isinstance(parts, HttpParts)
        return [write_exactly(one, hop, preferred) for one in good_events(parts)]
    return [plain(parts, hop)]


def good_events(parts: HttpParts) -> Iterable[CloudEvent]:
    events: list[CloudEvent] = []
    for event in read_http_batch(parts):
        if isinstance(event, InvalidEvent):
            raise event
        events.append(event)
    return events


def plain(parts: Parts, hop: Hop) -> Parts:
    """Payload and content type, and nothing of the rest: an application property of AMQP could
    have a name that is an attribute's in MQTT."""
    content_type = None if isinstance(parts, Mqtt311Parts) else parts.content_type
    if isinstance(parts, (MqttParts, Mqtt311Parts)):
        payload = parts.payload
    else:
        if parts.body is None:
            raise InvalidEvent("data", "an AMQP body that is neither data nor text")
        payload = parts.body
    if hop is Hop.AMQP:
        return AmqpParts(content_type, {}, payload)
    if hop is Hop.MQTT:
        return MqttParts(content_type, (), payload)
    if hop is Hop.MQTT_311:
        return Mqtt311Parts(payload)
    headers = [] if content_type is None else [("content-type", content_type)]
    return HttpParts(headers, payload)
