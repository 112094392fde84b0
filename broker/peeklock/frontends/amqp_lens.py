"""The lens of a broker whose messages are AMQP's: see `entities.lens.Lens`."""

from typing import Final, final

from peeklock.clock import IdSource
from peeklock.entities.conformity import Conformity
from peeklock.entities.dispositions import Properties
from peeklock.entities.job_draft import JobDraft
from peeklock.errors import BrokerError, ProtocolViolation
from peeklock.filters.actions import Changes
from peeklock.filters.view import PropertyView
from peeklock.frontends.amqp_derived import composed, data_of
from peeklock.frontends.amqp_message import identity_of
from peeklock.frontends.amqp_rewrite import rewritten, with_properties
from peeklock.frontends.amqp_view import MessageView
from peeklock.frontends.event_schema import event_schema
from peeklock.frontends.events_only import EventsOnly
from peeklock.message import Message
from peeklock.types import SequenceNumber, SessionId, UnixMs


@final
class AmqpLens:
    """Views and changes of AMQP messages. `ids` are for filters that want new ones."""

    def __init__(self, ids: IdSource) -> None:
        self._ids: Final = ids

    def view(
        self,
        message: Message,
        enqueued_at: UnixMs,
        number: SequenceNumber,
        delivery_count: int,
    ) -> PropertyView:
        return MessageView(message, self._ids, enqueued_at, number, delivery_count)

    def changed(self, message: Message, changes: Changes) -> Message:
        return rewritten(message, changes)

    def with_properties(self, message: Message, properties: Properties) -> Message:
        return with_properties(message, properties)

    def data(self, message: Message) -> bytes | None:
        return data_of(message.bare)

    def compose(self, draft: JobDraft) -> Message:
        return composed(draft)

    def conformity(self, schema: str, *, events_only: bool) -> Conformity:
        found = event_schema(schema) if schema else None
        return EventsOnly(found) if events_only or found is None else found

    def identity(self, message: Message) -> tuple[bytes, SessionId | None]:
        try:
            return identity_of(message)
        except (BrokerError, ProtocolViolation):
            return b"", None  # nobody looked at it when it came, and nobody refused it
