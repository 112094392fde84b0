"""The journal on disk: segments, one write and one fdatasync for everything that waits.

`append` runs on the event loop and `sync` on one I/O thread; they share one deque. Its
`append` and `popleft` are atomic, each item is one whole record, and there is one thread at
each end. A record leaves the deque after it was made durable: so no lock is needed, no record
is missed, none is torn between two syncs, and each can be found here or in the files.
"""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

from peeklock.entities.facts import Fact
from peeklock.limits import DISK_FREE_BYTES_MIN, ROOM_CHECK_BYTES, SEGMENT_BYTES_DEFAULT
from peeklock.message import Message
from peeklock.store.bodies import Bodies
from peeklock.store.fact_codec import decode_message
from peeklock.store.journal import JournalFailed, MessageDamaged
from peeklock.store.record import HEADER_BYTES, Scanner, encode_record
from peeklock.store.reserve import NoRoom, Reserve
from peeklock.store.segment import list_segments, segment_path
from peeklock.types import Lsn


@final
class FileJournal:
    """Open for appending at `end`, which recovery has found. See `Journal` for the contract.

    Raises `NoRoom` when the disk has none for a first segment.
    """

    def __init__(
        self,
        folder: Path,
        end: Lsn = Lsn(0),
        *,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        free_bytes_min: int = DISK_FREE_BYTES_MIN,
    ) -> None:
        self._folder: Final = folder
        self._free_bytes_min: Final = free_bytes_min
        self._end = end
        self._durable = end
        self._waiting: Final[deque[tuple[Lsn, bytes, bytes]]] = deque()
        self._bodies: Final = Bodies(folder)
        self.segments: Final[list[Lsn]] = list_segments(folder)
        for start in self.segments:
            self._bodies.add_segment(start)
        self._reserve: Final = Reserve(folder, segment_bytes)
        self.damages: Final[dict[Lsn, str]] = {}  # what `fetch` found, for whoever tells it
        self._file = -1
        self._room_end = end  # the position at which the reserved room of the segment ends
        self._has_room = True
        self._unchecked_bytes = 0
        self._failed = False
        self._roll(0)
        self._look_for_room()

    @property
    def end(self) -> Lsn:
        return self._end

    @property
    def durable(self) -> Lsn:
        return self._durable

    @property
    def has_room(self) -> bool:
        if not self._has_room and self._reserve.is_made:
            self._check_free()  # somebody may have made room meanwhile
        return self._has_room

    @property
    def reserved_bytes(self) -> int:
        """Room that no other user of the disk can take: of this segment, and the reserve."""
        spare = self._reserve.room_bytes if self._reserve.is_made else 0
        return self._room_end - self._durable + spare

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
        try:
            self._write(list(self._waiting))
            if self._unchecked_bytes >= ROOM_CHECK_BYTES or not self._reserve.is_made:
                self._look_for_room()
        except OSError as error:
            self._failed = True
            raise JournalFailed(f"writing the journal failed: {error}") from error
        return self._durable

    def _write(self, batch: list[tuple[Lsn, bytes, bytes]]) -> None:
        """As much of it as there is room for; what is left over waits for room."""
        first = 0
        while first < len(batch):
            stop = len(batch) if record_end(batch[-1]) <= self._room_end else first
            while stop < len(batch) and record_end(batch[stop]) <= self._room_end:
                stop += 1
            if stop > first:
                self._write_run(batch[first:stop])
                first = stop
                continue
            try:
                self._roll(record_end(batch[first]) - batch[first][0])
            except NoRoom:
                return

    def _write_run(self, run: list[tuple[Lsn, bytes, bytes]]) -> None:
        data = b"".join([part for record in run for part in record[1:]])
        offset = self._durable - self.segments[-1]
        view = memoryview(data)
        while view:
            done = os.pwrite(self._file, view, offset)
            offset += done
            view = view[done:]
        os.fdatasync(self._file)
        self._durable = Lsn(self._durable + len(data))
        self._unchecked_bytes += len(data)
        for _ in run:
            self._waiting.popleft()

    def _roll(self, room_bytes: int) -> None:
        """Begin a new segment where the last one ends, with room for a record of this size."""
        start = self._durable
        file = self._reserve.become(start, room_bytes)
        if self.segments and self.segments[-1] == start:
            # The one before is empty, and the new one has taken its name.
            self._bodies.drop_segment(start)
            self.segments.pop()
        elif self._file >= 0:
            os.ftruncate(self._file, start - self.segments[-1])
            os.fsync(self._file)
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._room_end = Lsn(start + os.fstat(file).st_size)
        self.segments.append(start)
        self._bodies.add_segment(start)

    def _look_for_room(self) -> None:
        self._reserve.make()
        self._check_free()

    def _check_free(self) -> None:
        self._unchecked_bytes = 0
        enough = self.free_bytes() >= self._free_bytes_min
        self._has_room = enough and self._reserve.is_made

    def free_bytes(self) -> int:
        """Free bytes of the journal's disk."""
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def fetch(self, body_at: Lsn) -> Message:
        if body_at >= self._durable:
            for at, _header, payload in list(self._waiting):
                start = at + HEADER_BYTES
                if start <= body_at < start + len(payload):
                    return decode_message(payload, body_at - start)
        try:
            return self._bodies.fetch(body_at, self._durable)  # perhaps it was just written
        except MessageDamaged as damage:
            self.damages[body_at] = str(damage)
            raise

    def forget_segment(self, start: Lsn) -> None:
        """Nothing needs it: no live message, a snapshot behind it. Its file may go."""
        assert start != self.segments[-1], "the segment that is written to"
        self._bodies.drop_segment(start)
        self.segments.remove(start)

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
            os.ftruncate(self._file, self._durable - self.segments[-1])
            os.close(self._file)
            self._file = -1
        self._bodies.close()


def record_end(record: tuple[Lsn, bytes, bytes]) -> int:
    return record[0] + len(record[1]) + len(record[2])
