"""What derivations want of AMQP messages: a signal's data, and a job that is made of it."""

from peeklock.cloudevents.amqp_binding import amqp_mode, read_amqp
from peeklock.cloudevents.data import JSON_TYPE
from peeklock.cloudevents.structured import ContentMode
from peeklock.entities.job_draft import JobDraft
from peeklock.errors import InvalidEvent, ProtocolViolation
from peeklock.frontends.amqp_event import parts_of
from peeklock.frontends.amqp_rewrite import amqp_value
from peeklock.limits import EVENT_FILTERED_BYTES_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import DataBody, Properties, encode_bare
from peeklock.protocols.amqp10.values import AmqpValue


def data_of(bare: bytes) -> bytes | None:
    """The data of an event, in the body or within the document that the body is; or the body.

    None for a body that is no bytes or text, for what breaks the rules, and for a message that
    is too large to be looked into.
    """
    if len(bare) > EVENT_FILTERED_BYTES_MAX:
        return None
    try:
        parts = parts_of(bare)
        if amqp_mode(parts) is not ContentMode.STRUCTURED:
            return parts.body
        data = read_amqp(parts).data
    except (InvalidEvent, ProtocolViolation):
        return None
    return None if data is None else data.content


def composed(draft: JobDraft) -> Message:
    """A durable message, its body JSON in a data section."""
    properties = Properties(
        message_id=draft.message_id,
        subject=draft.subject or None,
        correlation_id=draft.correlation_id,
        content_type=JSON_TYPE,
        group_id=draft.session_id or None,
    )
    user: dict[AmqpValue, AmqpValue] = {
        name: amqp_value(value) for name, value in draft.properties.items()
    }
    return Message(encode_bare(properties, user, DataBody([draft.body])), durable=True)
