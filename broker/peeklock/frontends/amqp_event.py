"""AMQP sections ⇄ what the CloudEvents binding speaks of (`cloudevents.amqp_binding`).

Messages that go from AMQP to AMQP do not come here: their bare message passes byte for byte.
"""

from collections.abc import Mapping
from dataclasses import replace

from peeklock.cloudevents.amqp_binding import PREFIX_LENGTH, PREFIXES, AmqpParts, AmqpTimestamp
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Properties,
    ValueBody,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
)
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Timestamp,
)


def parts_of(bare: bytes) -> AmqpParts:
    """A bare message as the binding sees it; raises `ProtocolViolation` for a wrong one."""
    properties = read_properties(bare)
    found: dict[str, object] = {}
    for key, value in read_application_properties(bare).items():
        if isinstance(key, str):
            found[str(key)] = (
                for_an_attribute(value) if key[:PREFIX_LENGTH] in PREFIXES else value
            )
    content_type = None if properties is None else properties.content_type
    body = read_body(bare)
    if body is None:
        return AmqpParts(content_type, found, b"")
    if isinstance(body, DataBody):
        return AmqpParts(content_type, found, b"".join(body.parts))
    if isinstance(body, ValueBody):
        if isinstance(body.value, str):
            return AmqpParts(content_type, found, body.value.encode(), value_body=True)
        if type(body.value) is bytes:
            return AmqpParts(content_type, found, body.value, value_body=True)
    return AmqpParts(content_type, found, None)


def for_an_attribute(value: AmqpValue) -> object:
    """Of AMQP's types in Python, some are subclasses of what they are not."""
    if isinstance(value, Timestamp):
        return AmqpTimestamp(int(value))
    if isinstance(value, (Decimal32, Decimal64, Decimal128)):
        return Described(None, value)
    return value


def bare_of(parts: AmqpParts, properties: Properties | None = None) -> bytes:
    """The bare message of an event; `properties` are what else is to be said in that section.

    An attribute's integer is a `long`, a text a `string`, the content type a `symbol` (§3.1).
    """
    known = Properties() if properties is None else properties
    assert parts.body is not None, "an event's body is data"
    return encode_bare(
        replace(known, content_type=parts.content_type),
        on_the_wire(parts.properties),
        DataBody([parts.body]),
    )


def on_the_wire(properties: Mapping[str, object]) -> dict[AmqpValue, AmqpValue]:
    written: dict[AmqpValue, AmqpValue] = {}
    for key, value in properties.items():
        written[key] = Timestamp(value.ms) if isinstance(value, AmqpTimestamp) else value
    return written
