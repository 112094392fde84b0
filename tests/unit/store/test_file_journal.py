"""Segments, bodies read back, room on the disk, a disk that fails."""

import os
from pathlib import Path

import pytest

from peeklock.store.file_journal import FileJournal
from peeklock.store.journal import JournalFailed
from peeklock.types import Lsn
from tests.support.facts import enqueued

SMALL = 64 * 1024


def small(folder: Path, end: int = 0) -> FileJournal:
    return FileJournal(folder, Lsn(end), segment_bytes=SMALL, free_bytes_min=0)


def test_a_body_is_fetched_wherever_it_is(tmp_path: Path) -> None:
    journal = small(tmp_path)
    first = enqueued(1, b"one")
    journal.append([first])
    assert journal.fetch(first.body_at).bare == b"one", "before any sync"
    journal.sync()
    second = enqueued(2, b"two")
    journal.append([second])
    assert journal.fetch(second.body_at).bare == b"two"
    journal.sync()
    assert journal.fetch(first.body_at).bare == b"one"
    large = enqueued(3, os.urandom(3_000_000))
    journal.append([large])
    journal.sync()
    assert large.message is not None
    assert journal.fetch(large.body_at).bare == large.message.bare


def test_segments_roll_and_are_named_by_their_first_position(tmp_path: Path) -> None:
    journal = small(tmp_path)
    facts = [enqueued(number, b"x" * 5000) for number in range(1, 60)]
    for fact in facts:
        journal.append([fact])
        journal.sync()
    assert len(journal.segments) >= 4
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{start:020d}.journal" for start in journal.segments]
    for fact in facts:
        assert journal.fetch(fact.body_at).bare == b"x" * 5000
    assert sum(1 for _ in journal.read()) == 59


def test_a_dropped_segment_is_gone_and_the_others_are_not(tmp_path: Path) -> None:
    journal = small(tmp_path)
    facts = [enqueued(number, b"x" * 5000) for number in range(1, 60)]
    for fact in facts:
        journal.append([fact])
        journal.sync()
    journal.drop_segment(journal.segments[0])
    with pytest.raises(LookupError):
        journal.fetch(facts[0].body_at)
    assert journal.fetch(facts[-1].body_at).bare == b"x" * 5000


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    journal = small(tmp_path)
    end = journal.append([enqueued(1)])
    journal.sync()
    journal.close()
    again = small(tmp_path, end)
    again.append([enqueued(2)])
    again.sync()
    assert sum(1 for _ in again.read()) == 2


def test_room_is_seen_as_it_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1000
    monkeypatch.setattr(FileJournal, "free_bytes", lambda self: free)
    journal = FileJournal(tmp_path, segment_bytes=SMALL, free_bytes_min=2000)
    assert not journal.has_room
    free = 3000
    assert journal.has_room, "without anybody writing"


def test_a_failed_sync_is_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ADR 0007"""
    journal = small(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    journal.append([enqueued(1)])
    with pytest.raises(JournalFailed, match="Input/output error"):
        journal.sync()
    monkeypatch.undo()
    with pytest.raises(JournalFailed):
        journal.sync()
    assert journal.durable == 0
