"""One append of facts as bytes, and how to find it again.

::

    0        4        8                16       20
    | magic  | length | own position   | crc32  | facts … |

`length` counts the bytes of the facts. The position is the record's own, so that bytes that
are stale or in a wrong place are not taken for a record, and so that the next good record
behind a damaged one can be found: look for the magic, compare the position, check the sum.
The CRC (zlib's, over length, position and facts) is the one that the standard library does in
C; CRC-32C would be slower here.

The torn-tail rule: what follows the last good record of the newest segment was never synced,
or it would be good; it is cut off. Damage anywhere else is reported and stepped over.
"""

from struct import Struct
from typing import Final, final
from zlib import crc32

from peeklock.entities.facts import Fact
from peeklock.store.fact_codec import FactReader, encode_fact
from peeklock.types import Lsn

MAGIC: Final = b"\xa7plk"
HEADER: Final = Struct(">4sIQI")
CHECKED: Final = Struct(">IQ")  # what the sum covers besides the facts
HEADER_BYTES: Final = HEADER.size


def encode_record(facts: list[Fact], at: Lsn) -> tuple[bytes, bytes, Lsn]:
    """Header, facts, and the position after them, of a record that begins at `at`."""
    parts: list[bytes] = []
    end = Lsn(at + HEADER_BYTES)
    for fact in facts:
        end = encode_fact(parts, fact, end)
    payload = parts[0] if len(parts) == 1 else b"".join(parts)
    crc = crc32(payload, crc32(CHECKED.pack(len(payload), at)))
    return HEADER.pack(MAGIC, len(payload), at, crc), payload, end


@final
class Scanner:
    """Walks the records of one segment, whose bytes start at position `base`."""

    def __init__(self, data: bytes, base: Lsn) -> None:
        self._data: Final = data
        self._view: Final = memoryview(data)
        self.base: Final = base
        self.at = 0  # offset of the next record
        self.damaged: list[tuple[int, int]] = []  # offset and length of what was skipped

    def next_record(self) -> tuple[int, int] | None:
        """Offsets of the next good record's facts; None at the end of what is good."""
        end = self._good_end(self.at)
        if end < 0:
            found = self._next_good(self.at + 1)
            if found < 0:
                return None
            self.damaged.append((self.at, found - self.at))
            self.at = found
            end = self._good_end(found)
        start = self.at + HEADER_BYTES
        self.at = end
        return start, end

    def facts(self, start: int, end: int) -> list[Fact]:
        return FactReader(self._data, start, end, self.base).read_all()

    def rest_is_empty(self) -> bool:
        """Is there nothing but room behind the last good record?"""
        return self._data.count(0, self.at) == len(self._data) - self.at

    def _good_end(self, at: int) -> int:
        """Where the record at `at` ends, -1 when there is no good one."""
        if len(self._data) - at < HEADER_BYTES:
            return -1
        magic, length, position, crc = HEADER.unpack_from(self._data, at)
        if magic != MAGIC or position != self.base + at:
            return -1
        start = at + HEADER_BYTES
        end: int = start + length
        if end > len(self._data):
            return -1
        if crc32(self._view[start:end], crc32(CHECKED.pack(length, position))) != crc:
            return -1
        return end

    def _next_good(self, at: int) -> int:
        while True:
            at = self._data.find(MAGIC, at)
            if at < 0 or self._good_end(at) >= 0:
                return at
            at += 1
