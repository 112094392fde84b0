"""What a topic asks of its messages: a port. Who reads them is in frontends/."""

from typing import Final, Protocol, final

from peeklock.errors import InvalidEvent
from peeklock.message import Message


class Conformity(Protocol):
    """A schema, or that it is an event at all; ready to be asked."""

    def check(self, message: Message) -> None:
        """Raises `InvalidEvent`: with the attribute, or with the place in the data and the
        rule that they do not conform to."""
        ...


@final
class UnusableSchema:
    """Of a topic whose schema this version cannot read: an older or newer one has written it.

    Recovery must not stop at it, nor may anything come in that somebody has ruled out.
    """

    def __init__(self, why: str) -> None:
        self._why: Final = why

    def check(self, message: Message) -> None:
        raise InvalidEvent("data", f"the topic's schema cannot be used: {self._why}")
