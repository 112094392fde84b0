"""Messages as the client sees them: what to send, and what was received."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from peeklock.protocols.amqp10.primitives import read_value
from peeklock.protocols.amqp10.sections import (
    DataBody,
    Header,
    Properties,
    ValueBody,
    encode_bare,
    encode_message,
    read_application_properties,
    read_body,
    read_properties,
    split_message,
)
from peeklock.protocols.amqp10.values import AmqpValue, Symbol, Timestamp

PRIORITY_DEFAULT = 4


# AMQP counts a time to live in 32 bits of milliseconds (§3.2.1): 49 days.
TTL_MS_MAX = (1 << 32) - 1
# Ten thousand years: what the broker takes.
DELAY_MS_MAX = 10_000 * 366 * 86_400_000


def milliseconds(name: str, duration: timedelta | float, most: int = DELAY_MS_MAX) -> int:
    """A duration given as timedelta or seconds; raises `ValueError` naming what is allowed."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if not 0 <= seconds <= most / 1000:  # and NaN is neither
        raise ValueError(f"{name} is {seconds} s; allowed is 0 to {most // 1000}")
    return int(seconds * 1000)


def encode_job(
    body: bytes | str | object,
    *,
    message_id: str | None = None,
    content_type: str | None = None,
    subject: str | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    session_id: str | None = None,
    properties: Mapping[str, Any] | None = None,
    priority: int = PRIORITY_DEFAULT,
    ttl: timedelta | float | None = None,
    at: datetime | None = None,
    delay: timedelta | float | None = None,
) -> bytes:
    """A whole message. Text and what is not bytes (as JSON) say so in their content type."""
    if isinstance(body, bytes):
        data = body
    elif isinstance(body, str):
        data = body.encode()
        content_type = content_type or "text/plain; charset=utf-8"
    else:
        data = json.dumps(body).encode()
        content_type = content_type or "application/json"
    annotations: dict[AmqpValue, AmqpValue] = {}
    if at is not None:
        due = int(at.timestamp() * 1000)
        annotations[Symbol("x-opt-scheduled-enqueue-time")] = Timestamp(due)
    elif delay is not None:
        annotations[Symbol("x-opt-delivery-delay")] = milliseconds("delay", delay)
    header = Header(
        durable=True,
        priority=priority,
        ttl_ms=None if ttl is None else milliseconds("ttl", ttl, TTL_MS_MAX),
    )
    bare = encode_bare(
        Properties(
            message_id=message_id or str(uuid4()),
            subject=subject,
            reply_to=reply_to,
            correlation_id=correlation_id,
            content_type=content_type,
            group_id=session_id,
        ),
        dict(properties.items()) if properties else None,
        DataBody([data]),
    )
    return encode_message(bare, header, annotations)


def as_time(value: object) -> datetime | None:
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else None


class ReceivedMessage:
    """A message as it came. Sections are read when they are asked for."""

    def __init__(self, payload: bytes) -> None:
        sections = split_message(payload)
        self._bare = sections.bare
        self._properties: Properties | None = None
        self.delivery_count = sections.delivery_count
        self.priority = sections.priority
        self.durable = sections.durable
        self.ttl_ms = sections.ttl_ms if sections.ttl_ms >= 0 else None
        found: object = {}
        if sections.message_annotations:
            found, _end = read_value(sections.message_annotations, 0)
        self.annotations: dict[str, Any] = (
            {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}
        )

    @property
    def properties(self) -> Properties:
        """The AMQP properties: message_id, subject, content_type, reply_to …"""
        if self._properties is None:
            self._properties = read_properties(self._bare) or Properties()
        return self._properties

    @property
    def application_properties(self) -> dict[str, Any]:
        found = read_application_properties(self._bare)
        return {str(key): value for key, value in found.items()}

    @property
    def body(self) -> bytes:
        """The body's bytes; of a value or sequence body, its JSON."""
        body = read_body(self._bare)
        if isinstance(body, DataBody):
            return b"".join(body.parts)
        if isinstance(body, ValueBody):
            value = body.value
            if isinstance(value, bytes):
                return value
            return value.encode() if isinstance(value, str) else json.dumps(value).encode()
        return b"" if body is None else json.dumps(body.parts).encode()

    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message_id(self) -> Any:
        return self.properties.message_id

    @property
    def session_id(self) -> str | None:
        """The message session that it belongs to."""
        return self.properties.group_id

    @property
    def sequence_number(self) -> int:
        return int(self.annotations.get("x-opt-sequence-number", 0))

    @property
    def enqueued_at(self) -> datetime | None:
        return as_time(self.annotations.get("x-opt-enqueued-time"))

    @property
    def locked_until(self) -> datetime | None:
        return as_time(self.annotations.get("x-opt-locked-until"))

    @property
    def state(self) -> str:
        """Of a peeked message: active, locked, scheduled (or backing off), deferred."""
        number = int(self.annotations.get("x-opt-message-state", 0))
        if number != 0:
            return {1: "deferred", 2: "scheduled"}.get(number, "active")
        if "x-opt-locked-until" in self.annotations:
            return "locked"
        return "scheduled" if "x-opt-delivery-time" in self.annotations else "active"

    @property
    def dead_letter_reason(self) -> str | None:
        return self.application_properties.get("DeadLetterReason")

    @property
    def dead_letter_description(self) -> str | None:
        return self.application_properties.get("DeadLetterErrorDescription")

    def as_map(self) -> dict[str, Any]:
        """Everything worth showing, for JSON; a body that is no UTF-8 as `body_base64`."""
        properties = self.properties
        body = self.body
        try:
            shown_body = {"body": body.decode()}
        except UnicodeDecodeError:
            shown_body = {"body_base64": b64encode(body).decode()}
        shown: dict[str, Any] = {
            "sequence_number": self.sequence_number,
            "message_id": properties.message_id,
            "subject": properties.subject,
            "content_type": properties.content_type,
            "session_id": properties.group_id,
            "delivery_count": self.delivery_count,
            "priority": self.priority,
            "enqueued_at": self.enqueued_at.isoformat() if self.enqueued_at else None,
            "state": self.state,
            "properties": self.application_properties,
            **shown_body,
        }
        return {name: value for name, value in shown.items() if value not in (None, {})}


class LastValue(ReceivedMessage):
    """The newest signal of a subject, as its topic keeps it."""

    def __init__(self, subject: str | None, payload: bytes) -> None:
        super().__init__(payload)
        self.subject = subject  # None: that of signals without one

    def as_map(self) -> dict[str, Any]:
        return {**super().as_map(), "subject": self.subject}
