"""The room for one segment, taken from the disk before it is needed.

A journal writes only into room that it has: so a disk that is full does not end a write half
way, and consumers can settle when senders are refused. `reserve` is an empty segment without a
name; when the segment in use is full, it becomes the next one, which takes no more than a
renaming, and another reserve is made, if the disk has room for it.
"""

import errno
import os
from pathlib import Path
from typing import Final, final

from peeklock.store.segment import segment_path, sync_folder
from peeklock.types import Lsn

NAME: Final = "reserve"
FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class NoRoom(Exception):
    """The disk has no room for another segment. Nothing was written, nothing is lost."""


@final
class Reserve:
    """One spare segment in the journal's folder, or none while the disk is full."""

    def __init__(self, folder: Path, room_bytes: int) -> None:
        self._folder: Final = folder
        self._path: Final = folder / NAME
        self.room_bytes: Final = room_bytes
        self._is_made = False

    @property
    def is_made(self) -> bool:
        return self._is_made

    def make(self) -> bool:
        """See to it that it is there; says whether it is."""
        if not self._is_made:
            try:
                os.close(self._allocate(self.room_bytes))
            except NoRoom:
                return False
            self._is_made = True
        return True

    def become(self, start: Lsn, room_bytes: int) -> int:
        """Turn it into the segment at `start`, with at least so much room.

        Returns the segment's descriptor; the folder is synced, so it is there after a crash.
        Raises `NoRoom`.
        """
        descriptor = self._allocate(max(room_bytes, self.room_bytes))
        self._path.rename(segment_path(self._folder, start))
        self._is_made = False
        sync_folder(self._folder)
        return descriptor

    def _allocate(self, room_bytes: int) -> int:
        """Open the file with its room; what a crash or another size has left is made whole."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, room_bytes)
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in FULL:
                os.close(descriptor)
                raise
            # What it got beyond a whole reserve is no use, and others may want it.
            os.ftruncate(descriptor, self.room_bytes if self._is_made else 0)
            os.close(descriptor)
            raise NoRoom(f"{self._folder}: {error.strerror}") from error
        return descriptor
