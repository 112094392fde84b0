"""Segments, bodies read back, room on the disk, a disk that fails."""

import errno
import os
import sys
import threading
from pathlib import Path

import pytest

from peeklock.entities.facts import Enqueued
from peeklock.store.file_journal import FileJournal
from peeklock.store.journal import JournalFailed, MessageDamaged
from peeklock.store.reserve import NoRoom
from peeklock.store.segment import segment_path
from peeklock.types import Lsn
from tests.support.facts import enqueued, removed

SMALL = 64 * 1024


def small(folder: Path, end: int = 0) -> FileJournal:
    return FileJournal(folder, Lsn(end), segment_bytes=SMALL, free_bytes_min=0)


def disk_with(free_bytes: int) -> os.statvfs_result:
    return os.statvfs_result((1, 1, 1 << 40, 0, free_bytes, 10, 10, 10, 0, 255))


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
    names = sorted(path.name for path in tmp_path.glob("*.journal"))
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
    journal.forget_segment(journal.segments[0])
    with pytest.raises(MessageDamaged):
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
    monkeypatch.setattr(os, "statvfs", lambda folder: disk_with(free))
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


def test_a_body_is_found_whatever_the_other_thread_is_at(tmp_path: Path) -> None:
    """Between waiting and written there is no instant at which a record is in neither."""
    journal = small(tmp_path)
    stop = threading.Event()

    def sync_on() -> None:
        while not stop.is_set():
            journal.sync()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=sync_on)
    thread.start()
    try:
        facts = [enqueued(number, b"%d" % number) for number in range(1, 2001)]
        for fact in facts:
            journal.append([fact])
            for earlier in facts[max(0, fact.number - 5) : fact.number]:
                assert journal.fetch(earlier.body_at).bare == b"%d" % earlier.number
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


class SmallDisk:
    """Stands in for a disk on which so many bytes can be allocated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        self._allocate = os.posix_fallocate
        monkeypatch.setattr(os, "posix_fallocate", self.allocate)
        monkeypatch.setattr(os, "statvfs", lambda folder: disk_with(self.free_bytes))

    def allocate(self, descriptor: int, offset: int, length: int) -> None:
        more = offset + length - os.fstat(descriptor).st_size
        if more > self.free_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._allocate(descriptor, offset, length)
        self.free_bytes -= max(0, more)


class TestAFullDisk:
    """ADR 0020: sends are refused while a whole segment is left for settling."""

    def test_sends_are_refused_while_a_segment_is_still_in_reserve(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        SmallDisk(monkeypatch, 3 * SMALL)
        journal = small(tmp_path)
        written = 0
        while journal.has_room:
            journal.append([enqueued(written + 1, b"x" * 1000)])
            journal.sync()
            written += 1
        assert len(journal.segments) == 3
        assert journal.reserved_bytes > SMALL - 2000, "all of it is for settling"
        for number in range(1, written + 1):
            journal.append([removed(number)])
        assert journal.sync() == journal.end

    def test_what_has_no_room_waits_and_is_written_when_there_is_some(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk = SmallDisk(monkeypatch, 2 * SMALL)
        journal = small(tmp_path)
        facts = [enqueued(number, b"x" * 5000) for number in range(1, 40)]
        for fact in facts:
            journal.append([fact])
        done = journal.sync()
        assert 2 * (SMALL - 6000) < done <= 2 * SMALL
        assert journal.sync() == done < journal.end, "asking again is no failure"
        assert not journal.has_room
        assert journal.fetch(facts[-1].body_at).bare == b"x" * 5000, "it is not forgotten"
        disk.free_bytes = 10 * SMALL
        assert journal.sync() == journal.end
        assert journal.has_room
        found = [fact.number for (fact,) in journal.read() if isinstance(fact, Enqueued)]
        assert found == list(range(1, 40))

    def test_the_reserve_of_the_last_run_is_there_for_this_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk = SmallDisk(monkeypatch, 2 * SMALL)
        journal = small(tmp_path)
        end = journal.append([enqueued(1)])
        journal.sync()
        journal.close()
        disk.free_bytes = 0  # and somebody took what `close` gave back
        again = small(tmp_path, end)
        assert not again.has_room
        again.append([removed(1)])
        assert again.sync() == again.end

    def test_a_disk_without_room_for_one_segment_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        SmallDisk(monkeypatch, SMALL // 2)
        with pytest.raises(NoRoom):
            small(tmp_path)

    def test_nothing_is_written_beyond_what_was_reserved(self, tmp_path: Path) -> None:
        """A batch of many records, and one that is larger than a segment."""
        journal = small(tmp_path)
        for number in range(1, 100):
            journal.append([enqueued(number, b"x" * 3000)])
        journal.append([enqueued(100, b"y" * 5 * SMALL)])
        journal.append([enqueued(101, b"z")])
        assert journal.sync() == journal.end
        sizes = [segment_path(tmp_path, s).stat().st_size for s in journal.segments]
        large = [size for size in sizes if size > SMALL]
        assert len(large) == 1
        assert large[0] - 5 * SMALL < 200, "it has a segment of its own"
        assert sum(1 for _ in journal.read()) == 101
