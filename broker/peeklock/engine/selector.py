"""A receiver's selector: a filter, asked of messages as they lie in a queue."""

from typing import Final, final

from peeklock.entities.lens import Lens
from peeklock.entities.queue_index import Entry
from peeklock.errors import FilterError
from peeklock.filters.filter import Filter
from peeklock.store.journal import Journal, MessageDamaged


@final
class MessageSelector:
    """See `entities.selection.Selector`."""

    __slots__ = ("_journal", "_lens", "wanted")

    def __init__(self, wanted: Filter, lens: Lens, journal: Journal) -> None:
        self.wanted: Final = wanted
        self._lens: Final = lens
        self._journal: Final = journal

    def matches(self, entry: Entry) -> bool:
        message = entry.message
        if message is None:
            try:
                message = self._journal.fetch(entry.body_at)
            except (MessageDamaged, OSError):
                return True  # whoever is handed it hears that it cannot be read
        view = self._lens.view(message, entry.enqueued_at, entry.number, entry.delivery_count)
        try:
            return self.wanted.matches(view)
        except FilterError:
            return False
