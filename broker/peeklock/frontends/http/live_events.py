"""A topic's messages as server-sent events (WHATWG HTML §9.2): what is told, and to whom.

An event is told as JSON, in structured mode. There are no ids: a topic keeps nothing that a
client could ask to have again.
"""

import json
import re
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, final

from peeklock.clock import IdSource
from peeklock.cloudevents.amqp_binding import amqp_mode, read_amqp
from peeklock.cloudevents.json_format import write_json
from peeklock.cloudevents.structured import ContentMode
from peeklock.entities.topic import Topic
from peeklock.errors import FilterError, InvalidEvent, ProtocolViolation
from peeklock.filters.filter import Filter
from peeklock.filters.subject_path import SubjectPath, subject_of
from peeklock.filters.view import PropertyView
from peeklock.frontends.amqp_event import parts_of
from peeklock.frontends.amqp_view import MessageView
from peeklock.limits import EVENT_FILTERED_BYTES_MAX
from peeklock.message import Message
from peeklock.types import Millis, UnixMs

LINE_END: Final = re.compile(rb"\r\n|\r|\n")
SILENCE: Final = b":\n\n"  # a comment
STREAM_TYPE: Final = "text/event-stream"


@final
class LiveEvent:
    """One message, looked at once for all who follow its topic.

    `frame` is what is told of it; b"" for an event that is too long to be told.
    """

    __slots__ = ("frame", "view")

    def __init__(self, frame: bytes, view: PropertyView) -> None:
        self.frame: Final = frame
        self.view: Final = view


Wanted: TypeAlias = Callable[[LiveEvent], bool]


class Stream(Protocol):
    """What one reader is told."""

    async def read(self, patience: Millis) -> bytes | None:
        """All that there is, as frames; b"" when nothing came in that time; None: the end."""
        ...

    def close(self) -> None:
        """Nobody reads it any more."""
        ...


class Follow(Protocol):
    """Begins a stream of what a topic takes from now on; raises `Busy`."""

    def __call__(self, topic: Topic, wanted: Wanted) -> Stream: ...


def live_event(message: Message, ids: IdSource, now: UnixMs) -> LiveEvent | None:
    """None for a message that is no event, or a wrong one."""
    view = MessageView(message, ids, now)
    try:
        parts = parts_of(message.bare)
        if amqp_mode(parts) not in (ContentMode.BINARY, ContentMode.STRUCTURED):
            return None
        if len(message.bare) > EVENT_FILTERED_BYTES_MAX:
            return LiveEvent(b"", view)
        return LiveEvent(frame_of(write_json(read_amqp(parts))), view)
    except (InvalidEvent, ProtocolViolation):
        return None


def frame_of(text: bytes, name: str = "") -> bytes:
    """Of a text with line ends in it, which JSON may have, each line is one of its own."""
    lines = [b"data: " + line for line in LINE_END.split(text)]
    if name:
        lines.insert(0, b"event: " + name.encode())
    return b"\n".join(lines) + b"\n\n"


def skipped_frame(count: int) -> bytes:
    """So many events are missing here."""
    return frame_of(json.dumps({"skipped": count}).encode(), "skipped")


def wanted_by(condition: Filter | None, subject: SubjectPath | None) -> Wanted:
    """An event for which both hold."""

    def is_wanted(event: LiveEvent) -> bool:
        if subject is not None and not subject.matches(subject_of(event.view)):
            return False
        try:
            return condition is None or condition.matches(event.view)
        except FilterError:
            return False

    return is_wanted
