"""A message as its sender hands it in, with what the entity wants to know of it."""

from typing import Final, final

from peeklock.message import Message
from peeklock.types import NEVER, SessionId, UnixMs


@final
class Submission:
    """The front-end reads out of the bytes what the entity's settings ask for, once."""

    __slots__ = ("message", "message_id", "not_before", "session_id")

    def __init__(
        self,
        message: Message,
        not_before: UnixMs = NEVER,
        message_id: bytes = b"",
        session_id: SessionId | None = None,
    ) -> None:
        self.message: Final = message
        self.not_before: Final = not_before  # to be had from then on; NEVER: at once
        # What duplicate detection compares, as AMQP encodes it; b"": not looked at, or none.
        self.message_id: Final = message_id
        self.session_id: Final = session_id  # None: not looked at, or none
