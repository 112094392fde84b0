"""Structured mode: an event in one of the event formats, told by its media type.

The same for every binding: the content type begins with `application/cloudevents`, and behind
the plus sign comes the format (AMQP §3, MQTT §3, HTTP §3).
"""

from enum import Enum
from typing import Final

from peeklock.cloudevents.avro_format import AVRO_EVENT, read_avro, write_avro
from peeklock.cloudevents.data import media_type
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.json_format import (
    JSON_BATCH,
    JSON_EVENT,
    read_json,
    read_json_batch,
    write_json,
    write_json_batch,
)
from peeklock.cloudevents.protobuf_format import (
    PROTOBUF_BATCH,
    PROTOBUF_EVENT,
    read_protobuf,
    read_protobuf_batch,
    write_protobuf,
    write_protobuf_batch,
)
from peeklock.errors import InvalidEvent

EVENT_PREFIX: Final = "application/cloudevents"
BATCH_PREFIX: Final = "application/cloudevents-batch"


class ContentMode(Enum):
    """How a message carries an event, if it does."""

    PLAIN = "plain"  # it is no event
    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"
    UNKNOWN_FORMAT = "unknown format"  # an event, in a format that is passed on and not read


class EventFormat(Enum):
    """The formats that are read and written, by their media types."""

    JSON = JSON_EVENT
    PROTOBUF = PROTOBUF_EVENT
    AVRO = AVRO_EVENT


class BatchFormat(Enum):
    """The formats of batches; Avro has none."""

    JSON = JSON_BATCH
    PROTOBUF = PROTOBUF_BATCH


EVENT_TYPES: Final = (JSON_EVENT, PROTOBUF_EVENT, AVRO_EVENT)
BATCH_TYPES: Final = (JSON_BATCH, PROTOBUF_BATCH)


def mode_by_type(content_type: str | None) -> ContentMode:
    """What the content type alone says; PLAIN where it is no media type of CloudEvents'.

    A batch's type begins like an event's, so it is looked for first.
    """
    if content_type is None:
        return ContentMode.PLAIN
    found = media_type(content_type)
    if not found.startswith(EVENT_PREFIX):
        return ContentMode.PLAIN
    if found.startswith(BATCH_PREFIX):
        return ContentMode.BATCH if found in BATCH_TYPES else ContentMode.UNKNOWN_FORMAT
    return ContentMode.STRUCTURED if found in EVENT_TYPES else ContentMode.UNKNOWN_FORMAT


def read_structured(content_type: str, document: bytes) -> CloudEvent:
    """The event of a message whose mode is STRUCTURED; raises `InvalidEvent`."""
    found = media_type(content_type)
    if found == JSON_EVENT:
        return read_json(document)
    if found == PROTOBUF_EVENT:
        return read_protobuf(document)
    if found == AVRO_EVENT:
        return read_avro(document)
    allowed = ", ".join(EVENT_TYPES)
    raise InvalidEvent("event", f"in the format {content_type!r}; allowed are {allowed}")


def write_structured(event: CloudEvent, event_format: EventFormat) -> bytes:
    if event_format is EventFormat.JSON:
        return write_json(event)
    return write_protobuf(event) if event_format is EventFormat.PROTOBUF else write_avro(event)


def read_batch(content_type: str, document: bytes) -> list[CloudEvent | InvalidEvent]:
    """The events of a message whose mode is BATCH, in order; a wrong one is its refusal."""
    found = media_type(content_type)
    if found == JSON_BATCH:
        return read_json_batch(document)
    if found == PROTOBUF_BATCH:
        return read_protobuf_batch(document)
    allowed = ", ".join(BATCH_TYPES)
    raise InvalidEvent("event", f"a batch of type {content_type!r}; allowed are {allowed}")


def write_batch(events: list[CloudEvent], batch_format: BatchFormat) -> bytes:
    if batch_format is BatchFormat.JSON:
        return write_json_batch(events)
    return write_protobuf_batch(events)
