"""Settlements that change properties, and messages that can have some."""

from peeklock.entities.dispositions import Disposition, Verdict
from peeklock.message import Message
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.sections import (
    DataBody,
    encode_bare,
    read_application_properties,
)
from peeklock.protocols.amqp10.values import AmqpValue


def job(body: bytes = b"job", **properties: AmqpValue) -> bytes:
    """A bare message."""
    return encode_bare(None, dict(properties.items()) or None, DataBody([body]))


def setting(verdict: Verdict, **properties: AmqpValue) -> Disposition:
    """A disposition that sets these application properties."""
    encoded = {name: encode_value(value) for name, value in properties.items()}
    reason = "bad" if verdict is Verdict.DEAD_LETTER else ""
    return Disposition(verdict, reason=reason, description=reason, properties=encoded)


def properties_of(message: Message | None) -> dict[AmqpValue, AmqpValue]:
    assert message is not None
    return read_application_properties(message.bare)
