"""A disk that changes or loses bytes: recovery says where, and keeps everything else.

What recovery makes of a damaged journal is compared with what the undamaged appends make.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peeklock.entities.facts import Fact
from peeklock.entities.queue_index import LOCKED, READY
from peeklock.store.journal import MessageDamaged
from peeklock.store.segment import list_segments, segment_path
from peeklock.types import UnixMs
from tests.property.test_disk_life import SESSION_COUNT, do, steps
from tests.support.disk_house import (
    DiskHouse,
    Recovered,
    bodies_after,
    flip,
    holders_of,
    quick_folder,
    recover,
)
from tests.support.house import House, pictures, replayed

lives = st.lists(steps.filter(lambda step: step[0] != "housekeep"), min_size=5, max_size=40)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Append:
    """One append of a life, and where its record lies."""

    start: int
    end: int
    facts: list[Fact]


class Life:
    """A journal with a past, closed in order."""

    def __init__(self, life: list[tuple[str, int, object]]) -> None:
        self.root = quick_folder()
        disk = DiskHouse(self.root / "data")
        disk.open_topic("a", "b", "c")
        disk.open_sessions()
        disk.open_rooms()
        for what, count, more in life:
            do(disk, what, count, more)
        disk.house.sync()
        disk.close()
        self.folder = disk.folder
        self.now: UnixMs = disk.house.now
        self.appends: list[Append] = []
        start = 0
        for end, facts in disk.recording.appends:
            self.appends.append(Append(start, end, facts))
            start = end
        self.segments = list_segments(self.folder / "journal")

    def place(self, share: float) -> tuple[int, Path, int]:
        """A position anywhere in the journal, its file, and its offset there."""
        position = min(int(share * self.appends[-1].end), self.appends[-1].end - 1)
        start = max(start for start in self.segments if start <= position)
        return position, segment_path(self.folder / "journal", start), position - start

    def check(self, recovered: Recovered, lost: list[Append]) -> None:
        """Everything is as if the lost appends had never been."""
        kept = [(a.end, a.facts) for a in self.appends if a not in lost]
        every = [append.facts for append in self.appends]
        bodies = bodies_after([facts for _end, facts in kept], every)
        expected = pictures(replayed(kept), self.now)
        assert pictures(recovered.namespace, self.now) == expected
        for holder in holders_of(recovered.namespace):
            for entry in holder.entries.values():
                body_at = entry.body_at
                if any(a.start <= body_at < a.end for a in lost):
                    with pytest.raises(MessageDamaged):
                        recovered.journal.fetch(body_at)
                else:
                    body = recovered.journal.fetch(body_at).bare
                    assert body == bodies[holder.queue_id, entry.number]

    def check_that_it_serves(self, recovered: Recovered) -> None:
        """A broker starts on it, and hands out what is ready."""
        house = House(recovered.journal, recovered.namespace)
        house.engine.start(house.now)
        for queue in list(recovered.namespace.by_id.values()):
            ready = queue.counts[READY]
            sessions = queue.sessions
            if sessions is None:
                house.receiver(queue, ready)
                house.turn()
            else:  # where one that waits holds up its session's others
                ready = sum(len(s.next_numbers(ready)) for s in sessions.by_id.values())
                for _ in range(SESSION_COUNT):
                    house.seek(queue, None, queue.counts[READY])
            assert queue.counts[LOCKED] == ready
        house.sync()

    def close(self, recovered: Recovered) -> None:
        recovered.journal.close()
        shutil.rmtree(self.root)


@QUICK
@given(lives, st.floats(0, 1))
def test_a_changed_byte_loses_one_append_and_is_named(
    life: list[tuple[str, int, object]], share: float
) -> None:
    past = Life(life)
    position, path, offset = past.place(share)
    flip(path, offset)
    recovered = recover(past.folder)
    (lost,) = (a for a in past.appends if a.start <= position < a.end)
    report = recovered.report
    is_torn = lost is past.appends[-1]
    named = [report.torn_tail] if is_torn else report.damages
    (damage,) = named
    assert damage is not None
    assert damage.file == path
    assert (damage.offset, damage.length) == (
        lost.start - (position - offset),
        lost.end - lost.start,
    )
    assert report.end == (lost.start if is_torn else past.appends[-1].end)
    past.check(recovered, [lost])
    past.check_that_it_serves(recovered)
    past.close(recovered)


@QUICK
@given(lives, st.floats(0, 1))
def test_a_file_that_was_cut_loses_what_was_behind_and_is_named(
    life: list[tuple[str, int, object]], share: float
) -> None:
    past = Life(life)
    position, path, offset = past.place(share)
    with path.open("r+b") as file:
        file.truncate(offset)
    is_newest = path == segment_path(past.folder / "journal", past.segments[-1])
    recovered = recover(past.folder)
    behind = past.appends[-1].end
    if not is_newest:
        behind = min(start for start in past.segments if start > position)
    lost = [a for a in past.appends if a.end > position and a.start < behind]
    report = recovered.report
    if is_newest:
        assert report.damages == []
        assert report.end == lost[0].start
    else:
        assert report.damages
        assert {damage.file.parent for damage in report.damages} == {path.parent}
        assert report.end == past.appends[-1].end
    past.check(recovered, lost)
    past.check_that_it_serves(recovered)
    past.close(recovered)


@QUICK
@given(lives, st.data())
def test_a_missing_segment_is_named(
    life: list[tuple[str, int, object]], data: st.DataObject
) -> None:
    past = Life(life)
    start = data.draw(st.sampled_from(past.segments))
    later = [segment for segment in past.segments if segment > start]
    end = later[0] if later else past.appends[-1].end
    segment_path(past.folder / "journal", start).unlink()
    recovered = recover(past.folder)
    lost = [a for a in past.appends if start <= a.start < end]
    if later:  # else nothing tells that there was one
        (damage,) = recovered.report.damages
        assert f"from position {start} to {end}" in damage.why
    past.check(recovered, lost)
    past.check_that_it_serves(recovered)
    past.close(recovered)
