"""A topic that takes nothing but CloudEvents, and only right ones, over whatever protocol.

HTTP and MQTT check events as they come, AMQP passes them on as they are (ADR 0001): here those
are looked at, too, and what is no event at all is refused.
"""

from typing import Final, final

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp
from peeklock.cloudevents.structured import ContentMode
from peeklock.entities.conformity import Conformity
from peeklock.errors import InvalidEvent, ProtocolViolation
from peeklock.frontends.amqp_event import parts_of
from peeklock.limits import EVENT_SCANNED_AT_ONCE_BYTES_MAX
from peeklock.message import Message

DOCUMENT: Final = "event"  # what is wrong, where no attribute is


@final
class EventsOnly:
    """See `entities.conformity.Conformity`. `data` is what their data have to conform to."""

    __slots__ = ("_data",)

    def __init__(self, data: Conformity | None) -> None:
        self._data: Final = data

    def check(self, message: Message) -> None:
        try:
            check_event(parts_of(message.bare), len(message.bare))
        except ProtocolViolation as error:
            raise InvalidEvent(DOCUMENT, f"it cannot be read: {error}") from None
        if self._data is not None:
            self._data.check(message)


def check_event(parts: AmqpParts, size: int) -> None:
    """Raises `InvalidEvent`."""
    mode = amqp_mode(parts)
    if mode is ContentMode.UNKNOWN_FORMAT:
        what = f"in {parts.content_type}, a format that is not read, so not checked"
        raise InvalidEvent(DOCUMENT, what)
    if mode is ContentMode.STRUCTURED and size > EVENT_SCANNED_AT_ONCE_BYTES_MAX:
        most = EVENT_SCANNED_AT_ONCE_BYTES_MAX
        what = f"a document of more than {most} bytes; in binary mode, data may be longer"
        raise InvalidEvent(DOCUMENT, what)
    read_amqp(parts)  # what is none is told what it lacks
