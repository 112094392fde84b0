"""From disk to facts: the newest good snapshot, then the journal's tail.

What is damaged is stepped over and reported with its file and offset; what follows the last
good record of the newest segment is a torn tail, was never promised to anybody, and is cut.
"""

import os
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from peeklock.entities.facts import Fact
from peeklock.store.fact_codec import BadFact
from peeklock.store.record import Scanner
from peeklock.store.segment import list_segments, segment_path
from peeklock.store.snapshot import list_snapshots, read_snapshot, snapshot_path
from peeklock.types import Lsn


@dataclass(frozen=True)
class Damage:
    """Bytes that could not be read; the rest was."""

    file: Path
    offset: int
    length: int
    why: str

    def __str__(self) -> str:
        return f"{self.file} at offset {self.offset}: {self.length} bytes skipped, {self.why}"


@dataclass
class RecoveryReport:
    """What recovery found."""

    end: Lsn = Lsn(0)
    snapshot_at: Lsn = Lsn(0)
    record_count: int = 0
    fact_count: int = 0
    byte_count: int = 0
    torn_bytes: int = 0
    damages: list[Damage] = field(default_factory=list)


@final
class Recovery:
    """One recovery. `apply` gets the facts of each record, with the position behind it."""

    def __init__(
        self,
        journal_folder: Path,
        snapshot_folder: Path,
        apply: Callable[[list[Fact], Lsn], None],
        progress: Callable[[int, int], None],
    ) -> None:
        self._journal: Final = journal_folder
        self._snapshots: Final = snapshot_folder
        self._apply: Final = apply
        self._progress: Final = progress
        self._bytes_total = 0
        self.report: Final = RecoveryReport()

    def run(self) -> RecoveryReport:
        report = self.report
        report.snapshot_at = self._read_snapshot()
        segments = list_segments(self._journal)
        # The segment that holds the snapshot's position, and all after it.
        first = max(0, bisect_right(segments, report.snapshot_at) - 1)
        tail = segments[first:]
        paths = [segment_path(self._journal, start) for start in tail]
        self._bytes_total = sum(path.stat().st_size for path in paths)
        report.end = report.snapshot_at
        for start, path in zip(tail, paths, strict=True):
            self._read_segment(start, path, is_last=start == tail[-1])
        return report

    def _read_snapshot(self) -> Lsn:
        for at in list_snapshots(self._snapshots):
            path = snapshot_path(self._snapshots, at)
            try:
                records = read_snapshot(self._snapshots, at)
            except BadFact:
                records = None
            if records is None:
                damage = Damage(path, 0, path.stat().st_size, "the snapshot is damaged")
                self.report.damages.append(damage)
                path.rename(path.with_suffix(".damaged"))  # for people; nobody reads it again
                continue
            for facts in records:
                self.report.fact_count += len(facts)
                self._apply(facts, at)
            return at
        return Lsn(0)

    def _read_segment(self, start: Lsn, path: Path, *, is_last: bool) -> None:
        data = path.read_bytes()
        scanner = Scanner(data, start)
        report = self.report
        while True:
            found = scanner.next_record()
            if found is None:
                break
            end = Lsn(start + found[1])
            report.end = max(report.end, end)
            if end <= report.snapshot_at:
                continue
            try:
                facts = scanner.facts(found[0], found[1])
            except BadFact as error:
                why = f"its facts are unreadable: {error}"
                report.damages.append(Damage(path, found[0], found[1] - found[0], why))
                continue
            report.record_count += 1
            report.fact_count += len(facts)
            self._apply(facts, end)
            if report.record_count % 8192 == 0:
                self._progress(report.byte_count + scanner.at, self._bytes_total)
        for offset, length in scanner.damaged:
            report.damages.append(Damage(path, offset, length, "its checksum does not fit"))
        if not scanner.rest_is_empty():
            self._on_bad_rest(path, scanner, len(data), is_last=is_last)
        if is_last:
            cut_after(path, scanner.at)
        report.byte_count += len(data)
        self._progress(report.byte_count, self._bytes_total)

    def _on_bad_rest(self, path: Path, scanner: Scanner, size: int, *, is_last: bool) -> None:
        if is_last:
            self.report.torn_bytes = size - scanner.at
        else:
            why = "nothing behind it could be read"
            self.report.damages.append(Damage(path, scanner.at, size - scanner.at, why))


def cut_after(path: Path, size: int) -> None:
    """Drop reserved room and torn tail, so that no later scan takes them for anything."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
