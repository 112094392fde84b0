"""When segments go, what is copied forward before, and that nothing goes too early."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.engine.relay import redrive
from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    Disposition,
    Verdict,
)
from peeklock.entities.facts import Relocated
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING
from peeklock.store.snapshot import list_snapshots, snapshot_path
from peeklock.types import SequenceNumber
from tests.support.disk_house import (
    SEGMENT_BYTES,
    DiskHouse,
    Image,
    bodies_of,
    flip,
    recover,
    without_what_was_not_synced,
)
from tests.support.house import pictures

DEAD_LETTER = Disposition(Verdict.DEAD_LETTER, reason="bad", description="why")
BODY = b"x" * 900  # four to a segment


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskHouse]:
    disk = DiskHouse(tmp_path / "data")
    yield disk
    disk.close()


def fill(disk: DiskHouse, count: int, body: bytes = BODY) -> None:
    for _ in range(count):
        disk.house.send(disk.queue, b"%d:" % disk.queue.next_number + body)
    disk.house.sync()


def settle(disk: DiskHouse, count: int, disposition: Disposition = COMPLETE) -> None:
    house = disk.house
    tokens = house.held(disk.lock(count))
    assert len(tokens) == count
    house.engine.settle_tokens(disk.queue, tokens, disposition, house.now)


def check_recovery(disk: DiskHouse, folder: Path) -> None:
    """What is on the disk makes what is in memory, and every body is found."""
    recovered = recover(folder)
    now = disk.house.now
    assert recovered.report.damages == []
    assert pictures(recovered.namespace, now) == pictures(disk.house.namespace, now)
    bodies = disk.bodies()
    for key, body in bodies_of(recovered).items():
        assert body == bodies[key]
    recovered.journal.close()


def test_segments_with_nothing_in_them_go_when_two_snapshots_are_behind(
    disk: DiskHouse,
) -> None:
    fill(disk, 40)
    settle(disk, 40)
    disk.house.sync()
    before = list(disk.journal.segments)
    disk.housekeep()
    assert disk.journal.segments == before, "the first snapshot may yet turn out damaged"
    disk.housekeep()
    assert disk.journal.segments == before[-1:]
    files = sorted(path.name for path in (disk.folder / "journal").glob("*.journal"))
    assert files == [f"{before[-1]:020d}.journal"]


def test_what_lives_in_a_sparse_segment_is_copied_in_every_state(disk: DiskHouse) -> None:
    """Ready, held, waiting, deferred, dead-lettered, with its attempts, in each a straggler."""
    fill(disk, 4)
    settle(disk, 1, DEFER)
    settle(disk, 1, ABANDON)
    settle(disk, 1, ABANDON)
    fill(disk, 40)
    settle(disk, 1, Disposition(Verdict.ABANDON, not_before=disk.house.now + 1_000_000))
    settle(disk, 1, DEAD_LETTER)
    disk.lock(1)
    keep = {1, 2, 3, 4, 16, 28}
    numbers = [number for number in disk.queue.entries if number not in keep]
    tokens = disk.house.held(disk.lock(len(numbers)))
    completed = [t for t in tokens if int.from_bytes(t[8:], "big") not in keep]
    disk.house.engine.settle_tokens(disk.queue, completed, COMPLETE, disk.house.now)
    disk.house.sync()
    states = {entry.state for entry in disk.queue.entries.values()}
    assert states >= {LOCKED, WAITING, DEFERRED}
    assert any(entry.delivery_count for entry in disk.queue.entries.values())
    assert len(disk.dead.entries) == 1
    before = len(disk.journal.segments)
    pictured = pictures(disk.house.namespace, disk.house.now)
    for _ in range(2):
        disk.housekeep()
    assert len(disk.journal.segments) < before / 2
    assert pictures(disk.house.namespace, disk.house.now) == pictured
    check_recovery(disk, disk.folder)


def test_stragglers_in_every_segment_do_not_keep_the_disk(disk: DiskHouse) -> None:
    """One message in a segment stays: the disk holds four times what lives, at most."""
    for _ in range(12):
        grown = -disk.journal.end
        fill(disk, 60, b"x" * 200)  # thirteen to a segment
        tokens = disk.house.held(disk.lock(60))
        done = [token for token in tokens if int.from_bytes(token[8:], "big") % 15]
        disk.house.engine.settle_tokens(disk.queue, done, COMPLETE, disk.house.now)
        disk.house.sync()
        disk.housekeep()
        grown += disk.journal.end
    live = sum(entry.size for entry in disk.queue.entries.values())
    held = len(disk.journal.segments) * SEGMENT_BYTES
    assert len(disk.queue.entries) == 12 * 4
    assert held <= 4 * live + 2 * grown, "and the growth between the two snapshots"
    check_recovery(disk, disk.folder)


def test_a_segment_stays_until_what_emptied_it_is_durable(
    disk: DiskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash could take that back, and would leave a message without its bytes."""
    fill(disk, 40)
    disk.housekeep()
    disk.housekeep()
    images: list[Image] = []
    disk.house.send(disk.queue)
    disk.begin_housekeeping()
    while not snapshot_path(disk.folder / "snapshots", disk.journal.end).exists():
        disk.go_on()
    settle(disk, 40)  # after the snapshot, before segments are chosen, and nobody syncs it
    with disk.crashing(monkeypatch, images):
        disk.finish()
    assert len(disk.journal.segments) == 1
    bodies = disk.bodies()
    for image in images:
        recovered = recover(without_what_was_not_synced(image).folder)
        for key, body in bodies_of(recovered).items():
            assert body == bodies[key]
        recovered.journal.close()
    assert len(images) > 5


@pytest.mark.parametrize("wait", range(0, 40, 2))
def test_a_message_that_moves_while_segments_are_emptied_is_not_lost(
    disk: DiskHouse, wait: int
) -> None:
    """From a queue that is still to be looked at, into one that was."""
    fill(disk, 4)
    settle(disk, 1, DEAD_LETTER)
    settle(disk, 3)
    fill(disk, 30)
    disk.house.sync()
    disk.housekeep()
    disk.begin_housekeeping()
    for _ in range(wait):
        disk.go_on()
    moved = [SequenceNumber(1)]
    house = disk.house
    house.engine.commit(disk.dead, redrive(house.namespace, disk.dead, moved, house.now), 0)
    disk.finish()
    house.sync()
    check_recovery(disk, disk.folder)
    disk.housekeep()
    check_recovery(disk, disk.folder)


def test_a_message_with_damaged_bytes_does_not_stop_it(disk: DiskHouse) -> None:
    """It is given up and told of; its neighbours are copied."""
    fill(disk, 8)
    first = disk.queue.entries[SequenceNumber(1)]
    fifth = disk.queue.entries[SequenceNumber(5)]
    flip(disk.folder / "journal" / f"{0:020d}.journal", first.body_at + 20)
    tokens = disk.house.held(disk.lock(8))
    done = [t for t in tokens if int.from_bytes(t[8:], "big") not in (1, 5)]
    disk.house.engine.settle_tokens(disk.queue, done, COMPLETE, disk.house.now)
    (receiver,) = disk.house.engine.receivers_of(disk.queue)
    disk.house.engine.detach(receiver, disk.house.now)
    fill(disk, 8)
    start, old = disk.journal.segments[0], fifth.body_at
    for _ in range(3):  # by then no segment but the last is sparse
        disk.housekeep()
    assert start not in disk.journal.segments
    assert SequenceNumber(1) not in disk.queue.entries
    assert fifth.body_at > old
    assert disk.journal.fetch(fifth.body_at).bare == b"5:" + BODY
    (told,) = disk.journal.damages.values()
    assert "00000000000000000000.journal at offset" in told
    check_recovery(disk, disk.folder)


def test_a_holder_of_a_message_with_damaged_bytes_may_still_settle_it(
    disk: DiskHouse,
) -> None:
    fill(disk, 4)
    flip(disk.folder / "journal" / f"{0:020d}.journal", 1500)
    holder = disk.lock(1)
    tokens = disk.house.held(disk.lock(3))
    disk.house.engine.settle_tokens(disk.queue, tokens, COMPLETE, disk.house.now)
    fill(disk, 8)
    disk.housekeep()
    disk.housekeep()
    assert disk.journal.segments[0] == 0, "it is needed until then"
    token = disk.house.held(holder)
    disk.house.engine.settle_tokens(disk.queue, token, COMPLETE, disk.house.now)
    disk.housekeep()
    assert disk.journal.segments[0] > 0


def test_a_failed_snapshot_frees_nothing_more(
    disk: DiskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before stays the one to fall back on, and its segments stay."""
    fill(disk, 40)
    disk.housekeep()
    settle(disk, 40)
    disk.house.sync()

    def fail(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                disk.housekeep()
            disk._chore = None
    assert list((disk.folder / "snapshots").glob("*.writing")) == []
    disk.housekeep()
    flip(max((disk.folder / "snapshots").glob("*.snapshot")), 30)
    recovered = recover(disk.folder)
    assert pictures(recovered.namespace, 0) == pictures(disk.house.namespace, 0)  # type: ignore[arg-type]
    assert len(recovered.report.damages) == 1


def fill_up(disk: DiskHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else takes the rest of the disk."""
    full = os.statvfs_result((4096, 4096, 1000, 0, 0, 10, 10, 10, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda folder: full)
    disk.journal._look_for_room()
    assert not disk.journal.has_room


class TestShortOfRoom:
    def test_it_frees_what_it_can_at_once(
        self, disk: DiskHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However little the journal has grown: consumers make room by consuming."""
        fill(disk, 40)
        assert not disk.housekeeping._is_due(), "there is room"
        fill_up(disk, monkeypatch)
        assert not disk.housekeeping._is_due(), "there is nothing to gain"
        settle(disk, 40)
        disk.house.sync()
        rounds = 0
        while disk.housekeeping._is_due():
            disk.housekeep()
            rounds += 1
        assert rounds == 2
        assert len(disk.journal.segments) == 1

    def test_it_does_not_try_for_ever(
        self, disk: DiskHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(disk, 8)
        flip(disk.folder / "journal" / f"{0:020d}.journal", 1500)
        disk.lock(1)  # held and damaged: its segment cannot go
        tokens = disk.house.held(disk.lock(3))
        disk.house.engine.settle_tokens(disk.queue, tokens, COMPLETE, disk.house.now)
        disk.house.sync()
        fill_up(disk, monkeypatch)
        rounds = 0
        while disk.housekeeping._is_due():
            disk.housekeep()
            rounds += 1
            assert rounds < 10
        assert 0 in disk.journal.segments

    def test_copying_leaves_the_reserve_to_settling(
        self, disk: DiskHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(disk, 60)
        tokens = disk.house.held(disk.lock(60))
        done = [token for token in tokens if int.from_bytes(token[8:], "big") % 4]
        disk.house.engine.settle_tokens(disk.queue, done, COMPLETE, disk.house.now)
        disk.house.sync()
        fill_up(disk, monkeypatch)
        copied = 0
        disk.housekeep()
        reserved = disk.journal.reserved_bytes
        known = len(disk.recording.appends)
        disk.housekeep()
        for _end, facts in disk.recording.appends[known:]:
            copied += sum(len(BODY) for fact in facts if isinstance(fact, Relocated))
        assert 0 < copied <= reserved // 2


def test_the_second_of_two_snapshots_does_not_replace_the_first(disk: DiskHouse) -> None:
    """Also when nothing happened between them: each can be damaged."""
    fill(disk, 40)
    settle(disk, 40)
    disk.house.sync()
    disk.housekeep()
    disk.housekeep()
    newest, _older = list_snapshots(disk.folder / "snapshots")
    flip(snapshot_path(disk.folder / "snapshots", newest), 30)
    recovered = recover(disk.folder)
    (damage,) = recovered.report.damages
    assert damage.why == "the snapshot is damaged"
    now = disk.house.now
    assert pictures(recovered.namespace, now) == pictures(disk.house.namespace, now)
    recovered.journal.close()


def test_no_state_is_needed_to_begin_again(disk: DiskHouse) -> None:
    """After a restart the first round frees nothing that the second does not cover."""
    fill(disk, 40)
    settle(disk, 36)
    disk.house.sync()
    disk.housekeep()
    disk.housekeep()
    assert disk.queue.counts[READY] == 4
    check_recovery(disk, disk.folder)
