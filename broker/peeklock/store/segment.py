"""Segment files: the journal's positions, cut into pieces that can go one by one.

A segment is named by the position of its first byte, so a position finds its file by
bisection, and a file listing says what the journal holds.
"""

import os
from pathlib import Path
from typing import Final

from peeklock.types import Lsn

SUFFIX: Final = ".journal"


def segment_path(folder: Path, start: Lsn) -> Path:
    return folder / f"{start:020d}{SUFFIX}"


def list_segments(folder: Path) -> list[Lsn]:
    """The first positions of all segments, oldest first."""
    return sorted(Lsn(int(path.name[: -len(SUFFIX)])) for path in folder.glob(f"*{SUFFIX}"))


def delete_segments(folder: Path, starts: list[Lsn]) -> None:
    """Durably. Blocks: freeing a large file takes its time."""
    for start in starts:
        segment_path(folder, start).unlink()
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make creations, renamings and deletions in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
