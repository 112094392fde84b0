"""What a POST to `/{entity}/events` brings in: CloudEvents, each as a message of AMQP's.

An event goes on in AMQP's binary mode where that says all of it, else in structured mode
(`transcode.write_exactly`). Beside the binding, the message has what the broker acts upon: an
id for duplicate detection, the subject, a partition key, and how long it lives.
"""

from typing import Final, cast

from peeklock.cloudevents.amqp_binding import AmqpParts
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    PREFIX,
    HttpParts,
    http_mode,
    read_http,
    read_http_batch,
)
from peeklock.cloudevents.structured import BATCH_TYPES, EVENT_TYPES, ContentMode
from peeklock.cloudevents.transcode import Hop, write_exactly
from peeklock.errors import InvalidEvent, InvalidRequest
from peeklock.frontends.amqp_event import bare_of
from peeklock.frontends.amqp_message import PARTITION_KEY
from peeklock.frontends.event_terms import event_id, shorter, time_to_live
from peeklock.frontends.http.broker_properties import Described, read_broker_properties
from peeklock.frontends.http.property_values import BROKER_PROPERTIES, read_object
from peeklock.protocols.amqp10.sections import Header, Properties, encode_message
from peeklock.types import UnixMs

NO_EVENT: Final = (
    "missing; an event's attributes are header fields, ce-specversion: 1.0 and the like, or "
    "all of it is the body, with Content-Type: application/cloudevents+json"
)
READ_TYPES: Final = ", ".join((*EVENT_TYPES, *BATCH_TYPES))


def is_scanned(parts: HttpParts) -> bool:
    """Is the body itself a document to be read? In binary mode it is bytes."""
    return http_mode(parts) in (ContentMode.STRUCTURED, ContentMode.BATCH)


def payloads_of(parts: HttpParts, now: UnixMs) -> list[bytes]:
    """The messages, encoded as AMQP has them, of all events of a request.

    Raises `InvalidEvent`, which names the attribute, and in a batch the event, counted from 0;
    and `InvalidRequest` for wrong `BrokerProperties`. The format is one that is read.
    """
    raw = parts.header(BROKER_PROPERTIES.lower())
    mode = http_mode(parts)
    if mode is ContentMode.PLAIN and not any(is_attribute(name) for name, _ in parts.headers):
        raise InvalidEvent("specversion", NO_EVENT)
    if mode is not ContentMode.BATCH:
        given = {} if raw is None else read_object(BROKER_PROPERTIES, raw.encode("latin-1"))
        return [payload_of(read_http(parts), read_broker_properties(given), now)]
    if raw is not None:
        raise InvalidRequest(f"{BROKER_PROPERTIES} are one event's; a batch has none")
    found: list[bytes] = []
    for place, event in enumerate(read_http_batch(parts)):
        try:
            if isinstance(event, InvalidEvent):
                raise event
            found.append(payload_of(event, Described(), now))
        except InvalidEvent as error:
            what = f"{error.what} (in event {place} of the batch, the first being 0)"
            raise InvalidEvent(error.attribute, what) from None
    return found


def is_attribute(name: str) -> bool:
    return name.lower().startswith(PREFIX)


def payload_of(event: CloudEvent, described: Described, now: UnixMs) -> bytes:
    """One event's message; what `described` says beside the event counts before it."""
    parts = cast(AmqpParts, write_exactly(event, Hop.AMQP))
    text = described.texts.get
    own = Properties(
        message_id=text("message_id", event_id(event)),
        to=text("to"),
        subject=text("subject", event.text("subject")),
        reply_to=text("reply_to"),
        correlation_id=text("correlation_id"),
        group_id=text("group_id"),
        reply_to_group_id=text("reply_to_group_id"),
    )
    annotations = dict(described.annotations)
    partition_key = event.text("partitionkey")
    if partition_key is not None and own.group_id is None:
        annotations.setdefault(PARTITION_KEY, partition_key)
    lives = shorter(described.ttl_ms, time_to_live(event, now))
    return encode_message(bare_of(parts, own), Header(durable=True, ttl_ms=lives), annotations)
