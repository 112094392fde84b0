"""Group commit: sync, then let out what the sync made safe."""

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

import structlog

from peeklock.limits import DISK_LOOK_AGAIN
from peeklock.store.journal import Journal
from peeklock.types import Lsn

log = structlog.get_logger()


class Committer:
    """One thread that syncs, and nothing else: thousands of times a second under load.

    So it is handed its work by the barest means there are. Facts that arrive during a sync
    wait for the next one: the batch grows with the load and with nothing else, and there is
    no timer and no batch size to tune.

    When the disk has no room, what could not be written waits, and so do those who want to
    hear of it: sends are refused by then, so these are settles, and few.

    An error from `sync` is not handled, here or above: after a failed fsync nobody knows what
    is on the disk, so the process ends and recovery finds out.
    """

    def __init__(self, journal: Journal, release: Callable[[], None]) -> None:
        self.failed: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self.sync_count = 0
        self.sync_seconds = 0.0  # that they took
        self._journal: Final = journal
        self._release: Final = release
        self._loop: Final = asyncio.get_running_loop()
        self._asked: Lsn = journal.end
        self._is_syncing = False
        self._is_stuck = False
        self._requests: Final[SimpleQueue[bool]] = SimpleQueue()  # False: no more will come
        self._thread: Final = threading.Thread(
            target=self._sync_until_stopped, name="peeklock-journal", daemon=True
        )
        self._thread.start()

    def commit(self) -> None:
        """See to it that what was appended becomes durable. Cheap when nothing was."""
        journal = self._journal
        if not self._is_syncing and not self._is_stuck and journal.durable < journal.end:
            self.sync_soon()

    def sync_soon(self) -> None:
        """Also when nothing was appended: the disk may have room again."""
        if not self._is_syncing:
            self._is_syncing = True
            self._asked = self._journal.end
            self._requests.put(True)

    def stop(self) -> None:
        """Let a sync that runs come to its end. Blocks."""
        self._requests.put(False)
        self._thread.join()

    def _sync_until_stopped(self) -> None:
        while self._requests.get():
            began = time.monotonic()
            try:
                self._journal.sync()
            except Exception as error:  # noqa: BLE001 (whatever it is, nothing is safe any more)
                self._loop.call_soon_threadsafe(self._fail, error)
                return
            self.sync_count += 1
            self.sync_seconds += time.monotonic() - began
            self._loop.call_soon_threadsafe(self._on_synced)

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _on_synced(self) -> None:
        self._is_syncing = False
        durable = self._journal.durable
        if durable >= self._asked:
            if self._is_stuck:
                self._is_stuck = False
                log.info("the disk has room again", durable=durable)
        else:
            if not self._is_stuck:
                self._is_stuck = True
                waiting = self._asked - durable
                log.error("no room on the disk, not even for settling", waiting=waiting)
            self._loop.call_later(DISK_LOOK_AGAIN / 1000, self.sync_soon)
        self._release()
