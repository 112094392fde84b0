"""Message bodies, read back from segments by their position.

Neighbours in a queue are neighbours in the journal, so reading goes by blocks and keeps the
last few: a backlog is read from the disk once, in order.

A body lies in a record, and the record's checksum is looked at before anybody gets the body:
a broker may run for months on a segment that it last read when it wrote it.
"""

import os
from bisect import bisect_right
from collections import OrderedDict, deque
from pathlib import Path
from typing import Final, final
from zlib import crc32

from peeklock.limits import BODY_BLOCK_BYTES, BODY_BLOCKS_MAX
from peeklock.message import Message
from peeklock.store.fact_codec import ENQUEUED_HEAD, MESSAGE_HEAD, decode_message
from peeklock.store.journal import MessageDamaged
from peeklock.store.record import CHECKED, HEADER, HEADER_BYTES, MAGIC
from peeklock.store.segment import segment_path
from peeklock.types import Lsn

# Where the message is in the record of a single send, as nearly all are.
USUAL_OFFSET: Final = HEADER_BYTES + ENQUEUED_HEAD.size
# How far before a message its record's header mostly is, when it is at no usual offset.
NEAR_BYTES: Final = 256
# Records of several messages whose sum was found good; neighbours are asked for next.
CHECKED_MAX: Final = 8


@final
class Bodies:
    """Reads what was written. Positions that are not written yet are not its business."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._starts: list[Lsn] = []
        self._files: Final[dict[Lsn, int]] = {}
        self._blocks: Final[OrderedDict[tuple[Lsn, int], bytes]] = OrderedDict()
        self._checked: Final[deque[tuple[int, int]]] = deque(maxlen=CHECKED_MAX)

    def add_segment(self, start: Lsn) -> None:
        self._starts.append(start)

    def drop_segment(self, start: Lsn) -> None:
        """The file is about to go."""
        self._starts.remove(start)
        descriptor = self._files.pop(start, None)
        if descriptor is not None:
            os.close(descriptor)
        for key in [key for key in self._blocks if key[0] == start]:
            del self._blocks[key]

    def fetch(self, body_at: Lsn, written: Lsn) -> Message:
        """The message at `body_at`; everything before `written` is in the files.

        Raises `MessageDamaged`, and `OSError` when the disk cannot be read.
        """
        place = bisect_right(self._starts, body_at) - 1
        if place < 0:
            raise MessageDamaged(f"position {body_at} is before the journal's first segment")
        start = self._starts[place]
        at = body_at - start
        record_at = at - USUAL_OFFSET
        size = self._record_bytes(start, record_at, written) if record_at >= 0 else 0
        if size > USUAL_OFFSET:  # else it is the one before: ours has a short head
            record = self._bytes(start, record_at, size, written)
            self._check(start, record_at, record)
            return decode_message(record, USUAL_OFFSET)
        if not any(first <= body_at < end for first, end in self._checked):
            self._check_record_around(start, at, written)
        lengths = MESSAGE_HEAD.unpack(self._bytes(start, at, MESSAGE_HEAD.size, written))
        size = MESSAGE_HEAD.size + int(lengths[3]) + int(lengths[4])
        return decode_message(self._bytes(start, at, size, written), 0)

    def _record_bytes(self, start: Lsn, at: int, written: Lsn) -> int:
        """The size of the record that begins here, 0 when none does."""
        head = self._bytes(start, at, HEADER_BYTES, written)
        magic, length, position, _crc = HEADER.unpack(head)
        return HEADER_BYTES + int(length) if magic == MAGIC and position == start + at else 0

    def _check(self, start: Lsn, at: int, record: bytes) -> None:
        _magic, length, position, crc = HEADER.unpack_from(record)
        facts = memoryview(record)[HEADER_BYTES:]
        if crc32(facts, crc32(CHECKED.pack(length, position))) != crc:
            raise self._damage(start, at, "its checksum does not fit")

    def _check_record_around(self, start: Lsn, at: int, written: Lsn) -> None:
        """Find the record that holds offset `at`, going back from there, and check it."""
        stop = at - HEADER_BYTES + 1  # its header begins before this, and ends before `at`
        step = NEAR_BYTES
        while stop > 0:
            begin = max(0, stop - step)
            step = BODY_BLOCK_BYTES
            data = self._bytes(start, begin, stop - begin + HEADER_BYTES - 1, written)
            place = data.rfind(MAGIC)
            while place >= 0:
                size = self._record_bytes(start, begin + place, written)
                if size > 0:
                    if begin + place + size <= at:
                        raise self._damage(start, begin + place + size, "it is no record")
                    record = self._bytes(start, begin + place, size, written)
                    self._check(start, begin + place, record)
                    first = start + begin + place
                    self._checked.append((first, first + size))
                    return
                place = data.rfind(MAGIC, 0, place)
            stop = begin
        raise self._damage(start, at, "no record is around it")

    def _damage(self, start: Lsn, at: int, why: str) -> MessageDamaged:
        return MessageDamaged(f"{segment_path(self._folder, start)} at offset {at}: {why}")

    def _bytes(self, start: Lsn, at: int, size: int, written: Lsn) -> bytes:
        first = at // BODY_BLOCK_BYTES
        last = (at + size - 1) // BODY_BLOCK_BYTES
        if first == last:
            offset = at - first * BODY_BLOCK_BYTES
            found = self._block(start, first, written)[offset : offset + size]
        elif last - first > 2:  # a large message: straight from the file, past the blocks
            found = os.pread(self._file(start), size, at)
        else:
            blocks = [self._block(start, index, written) for index in range(first, last + 1)]
            offset = at - first * BODY_BLOCK_BYTES
            found = b"".join(blocks)[offset : offset + size]
        if len(found) < size:
            raise self._damage(start, at, "the file ends before it does")
        return found

    def _block(self, start: Lsn, index: int, written: Lsn) -> bytes:
        key = (start, index)
        block = self._blocks.get(key)
        if block is not None:
            self._blocks.move_to_end(key)
            return block
        block = os.pread(self._file(start), BODY_BLOCK_BYTES, index * BODY_BLOCK_BYTES)
        if (
            start + (index + 1) * BODY_BLOCK_BYTES <= written
        ):  # else more will be written into it
            self._blocks[key] = block
            if len(self._blocks) > BODY_BLOCKS_MAX:
                self._blocks.popitem(last=False)
        return block

    def _file(self, start: Lsn) -> int:
        descriptor = self._files.get(start)
        if descriptor is None:
            path = segment_path(self._folder, start)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._files[start] = descriptor
        return descriptor

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
