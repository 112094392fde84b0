"""The journal on disk: segments, one write and one fdatasync for everything that waits.

`append` runs on the event loop and `sync` on one I/O thread; they share one deque. Its
`append` and `popleft` are atomic, each item is one whole record, there is one thread at each
end, and `sync` counts what is there before it begins: so no lock is needed, no record is
missed, and none is torn between two syncs.
"""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from peeklock.entities.facts import Fact
from peeklock.limits import DISK_FREE_BYTES_MIN, MIB, SEGMENT_BYTES_DEFAULT
from peeklock.message import Message
from peeklock.store.bodies import Bodies
from peeklock.store.fact_codec import decode_message
from peeklock.store.journal import JournalFailed
from peeklock.store.record import HEADER_BYTES, Scanner, encode_record
from peeklock.store.segment import create_segment, list_segments, segment_path, sync_folder
from peeklock.types import Lsn

# How much may be written between two looks at the disk's free space.
ROOM_CHECK_BYTES: Final = 4 * MIB


@final
class FileJournal:
    """Open for appending at `end`, which recovery has found. See `Journal` for the contract."""

    def __init__(
        self,
        folder: Path,
        end: Lsn = Lsn(0),
        *,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        free_bytes_min: int = DISK_FREE_BYTES_MIN,
    ) -> None:
        self._folder: Final = folder
        self._segment_bytes: Final = segment_bytes
        self._free_bytes_min: Final = free_bytes_min
        self._end = end
        self._written = end
        self._durable = end
        self._waiting: Final[deque[tuple[Lsn, bytes, bytes]]] = deque()
        self._under_way: list[tuple[Lsn, bytes, bytes]] = []
        self._bodies: Final = Bodies(folder)
        self.segments: Final[list[Lsn]] = list_segments(folder)
        for start in self.segments:
            self._bodies.add_segment(start)
        self._file = -1
        self._has_room = True
        self._unchecked_bytes = ROOM_CHECK_BYTES
        self._failed = False
        self._roll()

    @property
    def end(self) -> Lsn:
        return self._end

    @property
    def durable(self) -> Lsn:
        return self._durable

    @property
    def has_room(self) -> bool:
        if not self._has_room:
            self._check_room()  # somebody may have made room meanwhile
        return self._has_room

    def append(self, facts: list[Fact]) -> Lsn:
        if not facts:
            return self._end
        at = self._end
        header, payload, end = encode_record(facts, at)
        self._end = end
        self._waiting.append((at, header, payload))
        return end

    def sync(self) -> Lsn:
        if self._failed:
            raise JournalFailed("the journal failed before")
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(len(waiting))]
        self._under_way = batch
        if batch:
            try:
                self._write(batch)
            except OSError as error:
                self._failed = True
                raise JournalFailed(f"writing the journal failed: {error}") from error
        self._under_way = []
        return self._durable

    def _write(self, batch: list[tuple[Lsn, bytes, bytes]]) -> None:
        if self._written - self.segments[-1] >= self._segment_bytes:
            self._roll()
        data = b"".join([part for record in batch for part in record[1:]])
        offset = self._written - self.segments[-1]
        view = memoryview(data)
        while view:
            done = os.pwrite(self._file, view, offset)
            offset += done
            view = view[done:]
        os.fdatasync(self._file)
        self._written = Lsn(self._written + len(data))
        self._durable = self._written
        self._unchecked_bytes += len(data)
        if self._unchecked_bytes >= ROOM_CHECK_BYTES:
            self._check_room()

    def _roll(self) -> None:
        """Begin a new segment where the last one ends."""
        if self._file >= 0:
            os.ftruncate(self._file, self._written - self.segments[-1])
            os.fsync(self._file)
            os.close(self._file)
        elif self.segments and self.segments[-1] == self._written:
            # The last start left an empty segment behind: take it again.
            os.unlink(segment_path(self._folder, self._written))
            self._bodies.drop_segment(self._written)
            self.segments.pop()
        self._file = create_segment(self._folder, self._written, self._segment_bytes)
        self.segments.append(self._written)
        self._bodies.add_segment(self._written)
        self._check_room()

    def _check_room(self) -> None:
        self._unchecked_bytes = 0
        self._has_room = self.free_bytes() >= self._free_bytes_min

    def free_bytes(self) -> int:
        """Free bytes of the journal's disk."""
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def fetch(self, body_at: Lsn) -> Message:
        if body_at < self._durable:
            return self._bodies.fetch(body_at, self._durable)
        for at, _header, payload in [*self._under_way, *list(self._waiting)]:
            start = at + HEADER_BYTES
            if start <= body_at < start + len(payload):
                return decode_message(payload, body_at - start)
        return self._bodies.fetch(body_at, self._written)  # it was written just now

    def drop_segment(self, start: Lsn) -> None:
        """Delete a segment that nothing needs: no live message, a snapshot behind it."""
        assert start != self.segments[-1], "the segment that is written to"
        self._bodies.drop_segment(start)
        self.segments.remove(start)
        os.unlink(segment_path(self._folder, start))
        sync_folder(self._folder)

    def read(self) -> Iterator[list[Fact]]:
        for start in self.segments:
            scanner = Scanner(segment_path(self._folder, start).read_bytes(), start)
            while True:
                found = scanner.next_record()
                if found is None or start + found[1] > self._durable:
                    break
                yield scanner.facts(found[0], found[1])

    def close(self) -> None:
        """Give the files back; what was not synced is lost."""
        if self._file >= 0:
            os.ftruncate(self._file, self._written - self.segments[-1])
            os.close(self._file)
            self._file = -1
        self._bodies.close()
