"""How entities look into a message: a port. What reads AMQP's sections is in frontends/."""

from typing import TYPE_CHECKING, Protocol

from peeklock.entities.conformity import Conformity
from peeklock.entities.dispositions import Properties
from peeklock.filters.actions import Changes
from peeklock.filters.view import PropertyView
from peeklock.message import Message
from peeklock.types import SequenceNumber, SessionId, UnixMs

if TYPE_CHECKING:
    from peeklock.entities.job_draft import JobDraft  # which is made of what lenses show


class Lens(Protocol):
    """Knows how messages are encoded."""

    def view(
        self,
        message: Message,
        enqueued_at: UnixMs,
        number: SequenceNumber,
        delivery_count: int,
    ) -> PropertyView:
        """What filters see of a message. Nothing is read before a filter asks for it."""
        ...

    def changed(self, message: Message, changes: Changes) -> Message:
        """The message with some of its properties changed; raises `FilterError`."""
        ...

    def with_properties(self, message: Message, properties: Properties) -> Message:
        """The message with these application properties set.

        Raises `InvalidRequest` where they cannot be, and `MessageTooLarge` for too many.
        """
        ...

    def data(self, message: Message) -> bytes | None:
        """The data of an event, or the body of a message that is none.

        None for what is no bytes, or too large to be looked into.
        """
        ...

    def compose(self, draft: "JobDraft") -> Message:
        """A message that says what the draft does."""
        ...

    def conformity(self, schema: str, *, events_only: bool) -> Conformity:
        """A JSON Schema for messages' data, "" for none; and whether they have to be events.

        Raises `InvalidRequest` for what is no schema.
        """
        ...

    def identity(self, message: Message) -> tuple[bytes, SessionId | None]:
        """Its key for duplicate detection, b"" for none, and its session's id."""
        ...
