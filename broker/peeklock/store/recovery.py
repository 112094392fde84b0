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
from peeklock.store.data_dir import DataDirUnusable
from peeklock.store.fact_codec import BadFact
from peeklock.store.record import Scanner
from peeklock.store.segment import list_segments, segment_path
from peeklock.store.snapshot import (
    list_snapshots,
    open_snapshot,
    remove_unfinished,
    snapshot_path,
)
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
    torn_tail: Damage | None = None
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
        """Raises `DataDirUnusable` for a snapshot that another version wrote."""
        report = self.report
        remove_unfinished(self._snapshots)
        report.snapshot_at = self._read_snapshots()
        report.end = report.snapshot_at
        told = report.snapshot_at  # everything before it was read, or reported
        tail = self._tail_from(report.snapshot_at)
        for start in tail:
            if start > told:
                self._on_gap(told, start)
            told = max(told, self._read_segment(start, is_last=start == tail[-1]))
        report.end = max(report.end, told)
        return report

    def _tail_from(self, at: Lsn) -> list[Lsn]:
        """The segment that holds the position, and all after it."""
        segments = list_segments(self._journal)
        return segments[max(0, bisect_right(segments, at) - 1) :]

    # ---- the snapshot

    def _read_snapshots(self) -> Lsn:
        """The newest good one; returns its position, 0 when there is none."""
        for at in list_snapshots(self._snapshots):
            path = snapshot_path(self._snapshots, at)
            if self._read_snapshot(path, at):
                return at
            damage = Damage(path, 0, path.stat().st_size, "the snapshot is damaged")
            self.report.damages.append(damage)
            path.rename(path.with_suffix(".damaged"))  # for people; nobody reads it again
        self._count_bytes_to_read(0, Lsn(0))
        return Lsn(0)

    def _read_snapshot(self, path: Path, at: Lsn) -> bool:
        """Apply it, or say that it is damaged: it is checked wholly before."""
        report = self.report
        try:
            snapshot = open_snapshot(path)
            if snapshot is None:
                return False
            self._count_bytes_to_read(path.stat().st_size, at)
            for facts, done in snapshot:
                report.fact_count += len(facts)
                self._apply(facts, at)
                self._progress(done, self._bytes_total)
        except BadFact as error:
            raise DataDirUnusable(f"{path}: {error}") from error
        report.byte_count = path.stat().st_size
        return True

    def _count_bytes_to_read(self, snapshot_bytes: int, at: Lsn) -> None:
        tail = [segment_path(self._journal, start) for start in self._tail_from(at)]
        self._bytes_total = snapshot_bytes + sum(path.stat().st_size for path in tail)

    # ---- the journal

    def _read_segment(self, start: Lsn, *, is_last: bool) -> Lsn:
        """Apply what is good; returns up to which position it was read, or reported."""
        path = segment_path(self._journal, start)
        data = path.read_bytes()
        scanner = Scanner(data, start)
        self._read_records(scanner, path)
        for offset, length in scanner.damaged:
            why = "its checksum does not fit"
            self.report.damages.append(Damage(path, offset, length, why))
        told = Lsn(start + scanner.at)
        if not scanner.rest_is_empty():
            if is_last:
                why = "which were never synced, or are damaged"
                self.report.torn_tail = Damage(path, scanner.at, len(data) - scanner.at, why)
            else:
                why = "nothing behind it could be read"
                rest = Damage(path, scanner.at, len(data) - scanner.at, why)
                self.report.damages.append(rest)
                told = Lsn(start + len(data))
        if is_last:
            cut_after(path, scanner.at)
        self.report.byte_count += len(data)
        self._progress(self.report.byte_count, self._bytes_total)
        return told

    def _read_records(self, scanner: Scanner, path: Path) -> None:
        report = self.report
        while True:
            found = scanner.next_record()
            if found is None:
                return
            end = Lsn(scanner.base + found[1])
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

    def _on_gap(self, told: Lsn, start: Lsn) -> None:
        """Segments follow one another without a gap: a file is missing, or the end of one."""
        path = segment_path(self._journal, start)
        why = f"the journal from position {told} to {start}, before this file, is missing"
        self.report.damages.append(Damage(path, 0, start - told, why))


def cut_after(path: Path, size: int) -> None:
    """Drop reserved room and torn tail, so that no later scan takes them for anything."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
