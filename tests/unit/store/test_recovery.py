"""What recovery keeps, cuts, steps over, and says (docs/FORMAT.md)."""

from pathlib import Path
from zlib import crc32

import pytest

from peeklock.entities.facts import Captured, Enqueued, Fact
from peeklock.store.collect import LiveBytes, plan_collection
from peeklock.store.data_dir import DataDirUnusable
from peeklock.store.file_journal import FileJournal
from peeklock.store.record import CHECKED, HEADER, HEADER_BYTES, MAGIC
from peeklock.store.recovery import Recovery, RecoveryReport
from peeklock.store.segment import list_segments, segment_path
from peeklock.store.snapshot import SnapshotWriter, list_snapshots, snapshot_path
from peeklock.types import Lsn, QueueId, SequenceNumber
from tests.support.facts import enqueued

SMALL = 64 * 1024


class Disk:
    """A data directory in the making."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.snapshots = folder / "snapshots"
        self.journal.mkdir()
        self.snapshots.mkdir()
        self.ends: list[Lsn] = []

    def write(self, count: int, body: bytes = b"x" * 1000) -> None:
        journal = FileJournal(self.journal, segment_bytes=SMALL, free_bytes_min=0)
        for number in range(1, count + 1):
            self.ends.append(journal.append([enqueued(number, body)]))
            journal.sync()
        journal.close()

    def recover(self) -> tuple[list[int], RecoveryReport]:
        found: list[int] = []

        def apply(facts: list[Fact], end: Lsn) -> None:
            found.extend(fact.number for fact in facts if isinstance(fact, Enqueued))

        recovery = Recovery(self.journal, self.snapshots, apply, lambda done, total: None)
        return found, recovery.run()

    def segment(self, index: int) -> Path:
        return segment_path(self.journal, list_segments(self.journal)[index])

    def damage(self, index: int, offset: int) -> None:
        path = self.segment(index)
        data = bytearray(path.read_bytes())
        data[offset] ^= 0xFF
        path.write_bytes(data)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_an_empty_folder_is_an_empty_journal(disk: Disk) -> None:
    found, report = disk.recover()
    assert (found, report.end, report.damages) == ([], 0, [])


def test_everything_comes_back_over_segments(disk: Disk) -> None:
    disk.write(200)
    found, report = disk.recover()
    assert found == list(range(1, 201))
    assert report.end == disk.ends[-1]
    assert report.torn_tail is None
    assert report.damages == []


@pytest.mark.parametrize("cut", [1, 10, 19, 20, 21, 500, 1019])
def test_a_torn_tail_is_cut_and_the_rest_kept(disk: Disk, cut: int) -> None:
    disk.write(10)
    path = disk.segment(-1)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - cut)
    found, report = disk.recover()
    assert found == list(range(1, 10))
    assert report.damages == []
    assert report.end == disk.ends[-2]
    assert path.stat().st_size == disk.ends[-2]
    again, second = disk.recover()
    assert again == found
    assert second.torn_tail is None


def test_damage_in_the_middle_names_file_and_offset_and_keeps_the_rest(disk: Disk) -> None:
    disk.write(200)
    disk.damage(0, 1500)
    found, report = disk.recover()
    assert len(found) == 199
    (damage,) = report.damages
    assert damage.file == disk.segment(0)
    assert damage.offset == disk.ends[0]
    assert str(damage.offset) in str(damage)
    assert str(damage.file) in str(damage)


def test_a_segment_of_zeros_in_the_middle_loses_only_itself(disk: Disk) -> None:
    disk.write(200)
    path = disk.segment(1)
    inside = path.stat().st_size
    path.write_bytes(b"\xa5" * inside)
    found, report = disk.recover()
    assert 0 < 200 - len(found) <= inside // 1000
    assert report.damages
    assert report.damages[0].file == path


def test_stale_bytes_that_look_like_records_are_none(disk: Disk) -> None:
    """A record knows its own position."""
    disk.write(3)
    path = disk.segment(-1)
    data = path.read_bytes()
    path.write_bytes(data + data)
    found, report = disk.recover()
    assert found == [1, 2, 3]
    assert report.torn_tail is not None
    assert (report.torn_tail.offset, report.torn_tail.length) == (len(data), len(data))


def test_a_snapshot_stands_for_the_journal_before_it(disk: Disk) -> None:
    disk.write(100)
    writer = SnapshotWriter(disk.snapshots, disk.ends[49])
    writer.add([enqueued(1000 + number) for number in range(3)])
    writer.add([Captured(QueueId(1), SequenceNumber(2000), disk.ends[49])])
    writer.commit()
    found, report = disk.recover()
    assert found == [1000, 1001, 1002, *range(51, 101)]
    assert report.snapshot_at == disk.ends[49]


def test_a_damaged_snapshot_is_set_aside_for_the_one_before(disk: Disk) -> None:
    disk.write(100)
    for place in (20, 60):
        writer = SnapshotWriter(disk.snapshots, disk.ends[place])
        writer.add([enqueued(1000 + place)])
        writer.commit()
    newest = snapshot_path(disk.snapshots, disk.ends[60])
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    found, report = disk.recover()
    assert found == [1020, *range(22, 101)]
    assert report.damages[0].file == newest
    assert list_snapshots(disk.snapshots) == [disk.ends[20]]


def test_an_unfinished_snapshot_is_not_seen(disk: Disk) -> None:
    disk.write(5)
    writer = SnapshotWriter(disk.snapshots, disk.ends[2])
    writer.add([enqueued(1000)])
    writer.abort()
    assert disk.recover()[0] == [1, 2, 3, 4, 5]


def test_what_a_crash_left_of_a_snapshot_goes(disk: Disk) -> None:
    disk.write(5)
    writer = SnapshotWriter(disk.snapshots, disk.ends[2])
    writer.add([enqueued(1000)])
    writer._file.close()
    assert len(list(disk.snapshots.iterdir())) == 1
    assert disk.recover()[0] == [1, 2, 3, 4, 5]
    assert list(disk.snapshots.iterdir()) == []


def test_a_snapshot_of_another_version_is_refused_by_name(disk: Disk) -> None:
    """Its sums are good, so it is not damaged: passing it over would lose what it knows."""
    disk.write(5)
    writer = SnapshotWriter(disk.snapshots, disk.ends[2])
    payload = b"\xfe\0\0\0\1"  # a fact of a type that nobody knows
    crc = crc32(payload, crc32(CHECKED.pack(len(payload), 0)))
    writer._file.write(HEADER.pack(MAGIC, len(payload), 0, crc) + payload)
    writer._position = Lsn(HEADER_BYTES + len(payload))
    writer.commit()
    with pytest.raises(DataDirUnusable, match=r"\.snapshot: fact type 254 is not known"):
        disk.recover()


def test_progress_goes_over_the_snapshot_and_the_journal(disk: Disk) -> None:
    disk.write(200)
    writer = SnapshotWriter(disk.snapshots, disk.ends[99])
    for number in range(300):
        writer.add([enqueued(1000 + number, b"x" * 1000)])
    writer.commit()
    seen: list[tuple[int, int]] = []
    recovery = Recovery(
        disk.journal,
        disk.snapshots,
        lambda facts, end: None,
        lambda done, total: seen.append((done, total)),
    )
    recovery.run()
    assert len(seen) > 300
    assert seen == sorted(seen)
    done, total = seen[-1]
    assert done == total > 300 * 1000 + 100 * 1000


def test_a_journal_goes_on_behind_a_damaged_end_of_an_older_segment(disk: Disk) -> None:
    """The newest segment may be empty: what comes next must not lie before it."""
    disk.write(200)
    last = disk.segment(-1)
    start = list_segments(disk.journal)[-1]
    last.write_bytes(b"")
    before = disk.segment(-2)
    before.write_bytes(before.read_bytes()[:-100])
    found, report = disk.recover()
    assert report.end == start
    assert report.damages
    journal = FileJournal(disk.journal, report.end, segment_bytes=SMALL, free_bytes_min=0)
    journal.append([enqueued(1000)])
    journal.sync()
    assert journal.segments == sorted(journal.segments)
    journal.close()
    assert disk.recover()[0] == [*found, 1000]


def test_two_snapshots_are_kept(disk: Disk) -> None:
    for at in (10, 20, 30):
        SnapshotWriter(disk.snapshots, Lsn(at)).commit()
    assert list_snapshots(disk.snapshots) == [30, 20]


class TestCollection:
    def test_empty_segments_go_and_sparse_ones_are_emptied(self) -> None:
        live = LiveBytes(SMALL)
        starts = [Lsn(index * SMALL) for index in range(5)]
        live.add(Lsn(starts[1] + 5), SMALL - 100)
        live.add(Lsn(starts[2] + 5), 1000)
        plan = plan_collection(starts, live, starts[4])
        assert plan.dead == [starts[0], starts[3]]
        assert plan.sparse == [(starts[2], starts[3])]

    def test_nothing_beyond_the_snapshot_goes(self) -> None:
        starts = [Lsn(index * SMALL) for index in range(3)]
        assert plan_collection(starts, LiveBytes(), Lsn(starts[1] - 1)).dead == []

    def test_what_was_added_and_dropped_is_nothing(self) -> None:
        live = LiveBytes()
        live.add(Lsn(7), 0)
        assert live.between(Lsn(0), Lsn(100)) > 0, "an empty message lives, too"
        live.drop(Lsn(7), 0)
        assert live.between(Lsn(0), Lsn(100)) == 0
