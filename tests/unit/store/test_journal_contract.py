"""The contract in store/journal.py, on every implementation of it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from peeklock.entities.facts import Fact
from peeklock.store.file_journal import FileJournal
from peeklock.store.journal import Journal
from peeklock.store.memory_journal import MemoryJournal
from tests.support.facts import enqueued, removed, shown

MAKERS: dict[str, Callable[[Path], Journal]] = {
    "file": lambda folder: FileJournal(folder, segment_bytes=64 * 1024, free_bytes_min=0),
    "memory": lambda folder: MemoryJournal(keep=True),
}


@pytest.fixture(params=MAKERS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return MAKERS[request.param](tmp_path)


def read(journal: Journal) -> list[list[tuple[object, ...]]]:
    return [[shown(fact) for fact in facts] for facts in journal.read()]


def test_what_was_synced_is_read_back_in_order(journal: Journal) -> None:
    appends: list[list[Fact]] = [[enqueued(1)], [enqueued(2), removed(1)], [removed(2)]]
    for facts in appends:
        journal.append(facts)
    assert journal.sync() == journal.end == journal.durable
    assert read(journal) == [[shown(fact) for fact in facts] for facts in appends]


def test_what_was_not_synced_is_not(journal: Journal) -> None:
    journal.append([enqueued(1)])
    journal.sync()
    position = journal.append([enqueued(2)])
    assert journal.durable < position == journal.end
    assert len(read(journal)) == 1


def test_an_append_of_nothing_returns_the_end(journal: Journal) -> None:
    position = journal.append([enqueued(1)])
    assert journal.append([]) == position == journal.end


def test_positions_grow(journal: Journal) -> None:
    positions = [journal.append([enqueued(number)]) for number in range(1, 50)]
    assert positions == sorted(set(positions))


def test_appending_goes_on_while_a_sync_runs(journal: Journal) -> None:
    """One thread appends, one syncs: nothing is missed, nothing torn."""
    stop = threading.Event()

    def sync_on() -> None:
        while not stop.is_set():
            journal.sync()

    thread = threading.Thread(target=sync_on)
    thread.start()
    for number in range(1, 3001):
        journal.append([enqueued(number)])
    stop.set()
    thread.join()
    assert journal.sync() == journal.end
    found = [fact.number for facts in journal.read() for fact in facts]  # type: ignore[union-attr]
    assert found == list(range(1, 3001))
