"""Signals for tests: events as AMQP messages, and what their jobs say."""

from typing import Any

import orjson

from peeklock.entities.queue import Queue
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Properties,
    encode_bare,
    read_application_properties,
    read_body,
    read_properties,
)
from peeklock.protocols.amqp10.values import AmqpValue

FIRE = "building/41/floor/3/room/4/sensors/fire"


def signal(
    data: object = None,
    id_: str = "1",
    source: str = "/sensors/7",
    subject: str = FIRE,
    **properties: AmqpValue,
) -> Message:
    """A CloudEvent in binary mode; bytes are data as they are, all else as JSON."""
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    attributes: dict[AmqpValue, AmqpValue] = {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:type": "org.contoso.measured",
        "cloudEvents:source": source,
        "cloudEvents:id": id_,
        "cloudEvents:subject": subject,
    }
    attributes.update(properties.items())
    bare = encode_bare(
        Properties(content_type="application/json"), attributes, DataBody([body])
    )
    return Message(bare)


class SeenJob:
    """A job as a worker sees it."""

    def __init__(self, message: Message) -> None:
        properties = read_properties(message.bare)
        assert properties is not None
        body = read_body(message.bare)
        assert isinstance(body, DataBody)
        self.message_id = properties.message_id
        self.correlation_id = properties.correlation_id
        self.subject = properties.subject
        self.content_type = properties.content_type
        self.data = b"".join(body.parts)
        self.properties: dict[Any, Any] = dict(read_application_properties(message.bare))

    @property
    def body(self) -> Any:
        return orjson.loads(self.data)


def jobs(queue: Queue) -> list[SeenJob]:
    """Those in a queue, oldest first."""
    return [SeenJob(entry.message) for entry in queue.entries.values() if entry.message]
