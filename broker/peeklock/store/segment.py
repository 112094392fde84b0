"""Segment files: the journal's positions, cut into pieces that can go one by one.

A segment is named by the position of its first byte, so a position finds its file by
bisection, and a file listing says what the journal holds.
"""

import os
from pathlib import Path
from typing import Final, final

from peeklock.limits import FREEING_SLICE_BYTES
from peeklock.types import Lsn

SUFFIX: Final = ".journal"


def segment_path(folder: Path, start: Lsn) -> Path:
    return folder / f"{start:020d}{SUFFIX}"


def list_segments(folder: Path) -> list[Lsn]:
    """The first positions of all segments, oldest first."""
    return sorted(Lsn(int(path.name[: -len(SUFFIX)])) for path in folder.glob(f"*{SUFFIX}"))


@final
class Removal:
    """Segments that go: from the folder durably and at once, from the disk slice by slice.

    A file system that frees much in one go holds up every sync for as long; freed a slice at
    a time, a segment costs no sync more than its slice. Their files have no names by then, so
    what a crash leaves over, the file system itself frees.
    """

    def __init__(self, folder: Path, starts: list[Lsn]) -> None:
        """Blocks for a sync of the folder."""
        self._files: Final[list[int]] = []
        for start in starts:
            path = segment_path(folder, start)
            self._files.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            path.unlink()
        sync_folder(folder)

    def free_slice(self) -> bool:
        """Give a slice back to the disk; says whether something is left. Blocks."""
        if self._files:
            file = self._files[-1]
            left = os.fstat(file).st_size - FREEING_SLICE_BYTES
            if left > 0:
                os.ftruncate(file, left)
            else:
                os.close(self._files.pop())
        return bool(self._files)


def open_private(path: Path) -> int:
    """A new file's descriptor, to write. Its owner alone can read it, whatever the umask: there
    are messages, keys and the secrets of webhooks in it.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def sync_folder(folder: Path) -> None:
    """Make creations, renamings and deletions in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
