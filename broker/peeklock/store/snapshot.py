"""Snapshots: the whole state as facts, so that recovery need not read all of the journal.

A snapshot is a file of records like a segment's, named by the journal position at which it was
begun. It is written aside, synced and renamed, so one that is there is whole; its last record
is an end mark, and one without it (a damaged disk) is passed over for the one before.

It is taken in slices while the broker works on, so its parts are of different moments; each
slice ends with a `Captured` fact that says which.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from peeklock.entities.facts import Captured, Fact
from peeklock.store.record import Scanner, encode_record
from peeklock.store.segment import open_private, sync_folder
from peeklock.types import Lsn, QueueId, SequenceNumber

SUFFIX: Final = ".snapshot"
UNFINISHED: Final = ".writing"
KEPT: Final = 2  # the newest, and one to fall back on
END_MARK: Final = Captured(QueueId(0), SequenceNumber(0), Lsn(0))


def snapshot_path(folder: Path, at: Lsn) -> Path:
    return folder / f"{at:020d}{SUFFIX}"


def list_snapshots(folder: Path) -> list[Lsn]:
    """Positions of the snapshots that are there, newest first."""
    found = [Lsn(int(path.name[: -len(SUFFIX)])) for path in folder.glob(f"*{SUFFIX}")]
    return sorted(found, reverse=True)


def remove_unfinished(folder: Path) -> None:
    """What a crash left of a snapshot that was being written."""
    for path in folder.glob(f"*{UNFINISHED}"):
        path.unlink()


@final
class SnapshotWriter:
    """Writes one snapshot. Until `commit`, nobody sees it."""

    def __init__(self, folder: Path, at: Lsn) -> None:
        self.at: Final = at
        self._folder: Final = folder
        self._aside: Final = folder / f"{at:020d}{UNFINISHED}"
        self._file: Final = os.fdopen(open_private(self._aside), "wb")
        self._position = Lsn(0)
        self.size_bytes = 0

    def add(self, facts: list[Fact]) -> None:
        if facts:
            header, payload, self._position = encode_record(facts, self._position)
            self._file.write(header)
            self._file.write(payload)
            self.size_bytes = self._position

    def commit(self) -> None:
        """Make it the newest snapshot, durably. Blocks."""
        self.add([END_MARK])
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._aside.rename(snapshot_path(self._folder, self.at))
        sync_folder(self._folder)
        for old in list_snapshots(self._folder)[KEPT:]:
            snapshot_path(self._folder, old).unlink()

    def abort(self) -> None:
        self._file.close()
        self._aside.unlink(missing_ok=True)


def open_snapshot(path: Path) -> Iterator[tuple[list[Fact], int]] | None:
    """The facts of a snapshot, with how many bytes are read then; None when it is damaged.

    Raises `BadFact`, at once or on the way, when another version wrote it.
    """
    data = path.read_bytes()
    records: list[tuple[int, int]] = []
    scanner = Scanner(data, Lsn(0))
    while True:
        found = scanner.next_record()
        if found is None:
            break
        records.append(found)
    if scanner.damaged or not records or scanner.at != len(data):
        return None
    last = scanner.facts(records[-1][0], records[-1][1])
    if len(last) != 1 or not isinstance(last[0], Captured) or last[0].queue_id != 0:
        return None
    return ((scanner.facts(start, end), end) for start, end in records[:-1])
