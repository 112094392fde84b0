"""Which segments are still needed: bytes of live messages, by where they lie."""

from itertools import pairwise
from typing import Final, final

from peeklock.limits import SEGMENT_BYTES_DEFAULT
from peeklock.types import Lsn

# The journal's positions are counted in areas, so many to a segment: fine enough to tell one
# that is nearly empty, coarse enough that the table stays small.
AREAS_OF_SEGMENT: Final = 64
# What a message takes besides its size when it is copied forward: its heads (fact_codec).
HEADS_BYTES: Final = 32
# A segment whose live messages fill no more than this share of it is copied forward.
SPARSE_SHARE: Final = 0.25


@final
class LiveBytes:
    """How many bytes of live messages begin in each area of the journal."""

    def __init__(self, segment_bytes: int = SEGMENT_BYTES_DEFAULT) -> None:
        self._area_bytes: Final = max(1, segment_bytes // AREAS_OF_SEGMENT)
        self._areas: Final[dict[int, int]] = {}
        # While somebody looks for all messages before this position, one queue after the
        # other, what moves from queue to queue may be missed: these were.
        self.watched_until = Lsn(0)
        self.moved: Final[list[Lsn]] = []

    def add(self, body_at: Lsn, size: int) -> None:
        area = body_at // self._area_bytes
        self._areas[area] = self._areas.get(area, 0) + size + HEADS_BYTES
        if body_at < self.watched_until:
            self.moved.append(body_at)

    def drop(self, body_at: Lsn, size: int) -> None:
        area = body_at // self._area_bytes
        left = self._areas[area] - size - HEADS_BYTES
        if left:
            self._areas[area] = left
        else:
            del self._areas[area]

    def between(self, start: Lsn, end: Lsn) -> int:
        """Live bytes from `start` to `end`; areas on the edges count wholly."""
        areas = range(start // self._area_bytes, (end - 1) // self._area_bytes + 1)
        return sum(self._areas.get(area, 0) for area in areas)


@final
class SegmentPlan:
    """What may be done about old segments, oldest first."""

    def __init__(self, dead: list[Lsn], sparse: list[tuple[Lsn, Lsn]]) -> None:
        self.dead: Final = dead  # their first positions
        self.sparse: Final = sparse  # first and end positions; copy forward, then they are dead


def plan_collection(segments: list[Lsn], live: LiveBytes, snapshot_at: Lsn) -> SegmentPlan:
    """Segments that a snapshot covers wholly: empty ones can go, sparse ones be emptied.

    The last segment is being written to and never in the plan. Areas on the edge of a segment
    count for both sides, so one with nothing in it may be called sparse.
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
