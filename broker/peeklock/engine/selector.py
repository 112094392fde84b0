"""A receiver's selector: a filter, asked of messages as they lie in a queue."""

from typing import Final, final

from peeklock.entities.lens import Lens
from peeklock.entities.queue_index import Entry
from peeklock.errors import FilterError
from peeklock.filters.actions import Changes
from peeklock.filters.filter import Filter
from peeklock.message import Message
from peeklock.store.journal import Journal, MessageDamaged

# What a dead letter has beside its own properties, as Service Bus calls it.
REASON: Final = "DeadLetterReason"
DESCRIPTION: Final = "DeadLetterErrorDescription"


@final
class MessageSelector:
    """See `entities.selection.Selector`."""

    __slots__ = ("_journal", "_lens", "wanted")

    def __init__(self, wanted: Filter, lens: Lens, journal: Journal) -> None:
        self.wanted: Final = wanted
        self._lens: Final = lens
        self._journal: Final = journal

    def matches(self, entry: Entry) -> bool:
        """Whoever is handed what cannot be read hears so: it does."""
        try:
            return self._is_true(entry)
        except (MessageDamaged, OSError):
            return True

    def is_sure(self, entry: Entry) -> bool:
        """For who changes what it finds: what cannot be read is not meant."""
        try:
            return self._is_true(entry)
        except (MessageDamaged, OSError):
            return False

    def _is_true(self, entry: Entry) -> bool:
        message = entry.message
        if message is None:
            message = self._journal.fetch(entry.body_at)
        try:
            message = self._as_handed_out(entry, message)
            view = self._lens.view(
                message, entry.enqueued_at, entry.number, entry.delivery_count
            )
            return self.wanted.matches(view)
        except FilterError:
            return False

    def _as_handed_out(self, entry: Entry, message: Message) -> Message:
        """A dead letter's reason is a property of it for whoever receives it."""
        origin = entry.origin
        if origin is None or not (origin.reason or origin.description):
            return message
        changes = Changes()
        changes.set_user(REASON, origin.reason)
        changes.set_user(DESCRIPTION, origin.description)
        return self._lens.changed(message, changes)
