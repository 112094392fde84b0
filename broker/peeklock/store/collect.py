"""Which segments are still needed: bytes of live messages, by where they lie."""

from itertools import pairwise
from typing import Final, final

from peeklock.types import Lsn

# The journal's positions are counted in areas of this size: fine enough to tell a segment
# that is nearly empty, coarse enough that the table stays small.
AREA_BYTES: Final = 1 << 20
# A segment whose live messages fill no more than this share of it is copied forward.
SPARSE_SHARE: Final = 0.25


@final
class LiveBytes:
    """How many bytes of live messages begin in each area of the journal."""

    def __init__(self) -> None:
        self._areas: Final[dict[int, int]] = {}

    def add(self, body_at: Lsn, size: int) -> None:
        area = body_at // AREA_BYTES
        self._areas[area] = self._areas.get(area, 0) + size + 1

    def drop(self, body_at: Lsn, size: int) -> None:
        area = body_at // AREA_BYTES
        left = self._areas[area] - size - 1
        if left:
            self._areas[area] = left
        else:
            del self._areas[area]

    def between(self, start: Lsn, end: Lsn) -> int:
        """Live bytes from `start` to `end`; areas on the edges count wholly."""
        areas = range(start // AREA_BYTES, (end - 1) // AREA_BYTES + 1)
        return sum(self._areas.get(area, 0) for area in areas)


@final
class SegmentPlan:
    """What may be done about old segments, oldest first."""

    def __init__(self, dead: list[Lsn], sparse: list[tuple[Lsn, Lsn]]) -> None:
        self.dead: Final = dead  # their first positions
        self.sparse: Final = sparse  # first and end positions; copy forward, then they are dead


def plan_collection(segments: list[Lsn], live: LiveBytes, snapshot_at: Lsn) -> SegmentPlan:
    """Segments that a snapshot covers wholly: empty ones can go, sparse ones be emptied.

    The last segment is being written to and never in the plan.
    """
    dead: list[Lsn] = []
    sparse: list[tuple[Lsn, Lsn]] = []
    for start, end in pairwise(segments):
        if end > snapshot_at:
            break
        live_bytes = live.between(start, end)
        if live_bytes == 0:
            dead.append(start)
        elif live_bytes <= SPARSE_SHARE * (end - start):
            sparse.append((start, end))
    return SegmentPlan(dead, sparse)
