"""A snapshot that is taken in slices while life goes on, as the broker takes its own."""

from peeklock.engine.capture import Capture
from peeklock.entities.facts import Fact
from peeklock.entities.namespace import Namespace
from peeklock.limits import SNAPSHOT_SLICE_COUNT
from peeklock.store.memory_journal import MemoryJournal
from tests.support.house import House, replayed


class SlicedSnapshot:
    """One, of a house whose journal keeps its facts."""

    def __init__(self, house: House, slice_count: int = SNAPSHOT_SLICE_COUNT) -> None:
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        self._journal = journal
        self._capture = Capture(house.namespace, slice_count)
        self._began_at = journal.end
        self._slices: list[list[Fact]] = []

    def next_slice(self) -> Namespace | None:
        """Take one more; after the last, what recovery makes of all and the journal's tail."""
        facts = self._capture.next_slice(self._journal.end)
        if facts:
            self._slices.append(facts)
            return None
        start = [(self._began_at, facts) for facts in self._slices]
        tail = [(end, facts) for end, facts in self._journal._facts if end > self._began_at]
        return replayed([*start, *tail])
