"""Message bodies, read back from segments by their position.

Neighbours in a queue are neighbours in the journal, so reading goes by blocks and keeps the
last few: a backlog is read from the disk once, in order.
"""

import os
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Final, final

from peeklock.message import Message
from peeklock.store.fact_codec import MESSAGE_HEAD, decode_message
from peeklock.store.segment import segment_path
from peeklock.types import Lsn

BLOCK_BYTES: Final = 256 * 1024
BLOCKS_MAX: Final = 32  # 8 MiB: a few queues read at once, each with its own place


@final
class Bodies:
    """Reads what was written. Positions that are not written yet are not its business."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._starts: list[Lsn] = []
        self._files: Final[dict[Lsn, int]] = {}
        self._blocks: Final[OrderedDict[tuple[Lsn, int], bytes]] = OrderedDict()

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
        """The message at `body_at`; everything before `written` is in the files."""
        place = bisect_right(self._starts, body_at) - 1
        if place < 0:
            raise LookupError(f"position {body_at} is before the journal's first segment")
        start = self._starts[place]
        at = body_at - start
        head = self._bytes(start, at, MESSAGE_HEAD.size, written)
        lengths = MESSAGE_HEAD.unpack(head)
        size = MESSAGE_HEAD.size + int(lengths[3]) + int(lengths[4])
        return decode_message(self._bytes(start, at, size, written), 0)

    def _bytes(self, start: Lsn, at: int, size: int, written: Lsn) -> bytes:
        first = at // BLOCK_BYTES
        last = (at + size - 1) // BLOCK_BYTES
        if first == last:
            offset = at - first * BLOCK_BYTES
            found = self._block(start, first, written)[offset : offset + size]
        elif last - first > 2:  # a large message: straight from the file, past the blocks
            found = os.pread(self._file(start), size, at)
        else:
            blocks = [self._block(start, index, written) for index in range(first, last + 1)]
            offset = at - first * BLOCK_BYTES
            found = b"".join(blocks)[offset : offset + size]
        if len(found) < size:
            raise LookupError(f"segment {start} ends before position {start + at + size}")
        return found

    def _block(self, start: Lsn, index: int, written: Lsn) -> bytes:
        key = (start, index)
        block = self._blocks.get(key)
        if block is not None:
            self._blocks.move_to_end(key)
            return block
        block = os.pread(self._file(start), BLOCK_BYTES, index * BLOCK_BYTES)
        if start + (index + 1) * BLOCK_BYTES <= written:  # else more will be written into it
            self._blocks[key] = block
            if len(self._blocks) > BLOCKS_MAX:
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
