"""The data directory: who may use it, and in which format it is.

::

    FORMAT       one line: the format's number
    LOCK         held by the running broker, with its process id
    journal/     segments
    snapshots/   snapshots

All of it is its owner's alone: keys and secrets of webhooks lie in it as they are, as messages
do (ADR 0031).
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, final

from peeklock.store.segment import open_private, sync_folder

FORMAT_VERSION: Final = "1"


class DataDirBusy(Exception):
    """Another broker uses this directory."""


class DataDirUnusable(Exception):
    """It cannot be used at all: its format is not known, or it cannot be made."""


@final
class DataDir:
    """An opened data directory; its lock is held until `close`."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.journal: Final = path / "journal"
        self.snapshots: Final = path / "snapshots"
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.journal.mkdir(exist_ok=True, mode=0o700)
            self.snapshots.mkdir(exist_ok=True, mode=0o700)
            self._lock = os.open(path / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirUnusable(f"{path}: {error.strerror}") from error
        self._take_lock()
        self._check_format()

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise DataDirBusy(
                f"{self.path} is used by another broker (process {holder or 'unknown'})"
            ) from None
        with suppress(OSError):  # a full disk; it is only for people
            os.pwrite(self._lock, f"{os.getpid():<20}\n".encode(), 0)

    def _check_format(self) -> None:
        file = self.path / "FORMAT"
        try:
            if not file.exists():
                self._write_format(file)
            found = file.read_text().strip()
        except OSError as error:
            self.close()
            raise DataDirUnusable(f"{file}: {error.strerror}") from error
        if found != FORMAT_VERSION:
            self.close()
            raise DataDirUnusable(
                f"{self.path} has format {found}; this version reads format {FORMAT_VERSION}"
            )

    def _write_format(self, file: Path) -> None:
        """Whole or not at all: half a number would lock everybody out after a crash."""
        aside = file.with_suffix(".new")
        with os.fdopen(open_private(aside), "w") as opened:
            opened.write(FORMAT_VERSION + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        aside.rename(file)
        sync_folder(self.path)
        with suppress(OSError):  # not ours to read, perhaps
            sync_folder(self.path.parent)

    def close(self) -> None:
        os.close(self._lock)
