"""Which topics have something to do by themselves, and when: a last value that expires, say."""

from heapq import heappop, heappush
from typing import Final, final

from peeklock.types import NEVER, QueueId, UnixMs


@final
class DueTopics:
    """Times may be too early, never too late."""

    def __init__(self) -> None:
        self._heap: Final[list[tuple[UnixMs, QueueId]]] = []
        self._noted: Final[dict[QueueId, UnixMs]] = {}  # the one in the heap that counts

    def note(self, at: UnixMs, topic_id: QueueId) -> None:
        """It has something to do then, perhaps earlier than before; NEVER: it has nothing."""
        if at == NEVER:
            return
        before = self._noted.get(topic_id, NEVER)
        if before == NEVER or at < before:
            self._noted[topic_id] = at
            heappush(self._heap, (at, topic_id))

    def first_at(self) -> UnixMs:
        """NEVER when there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def take(self, now: UnixMs) -> list[QueueId]:
        """Topics whose time has come; they are `note`d again, or not looked at any more."""
        found: list[QueueId] = []
        while self._heap and self._heap[0][0] <= now:
            at, topic_id = heappop(self._heap)
            if self._noted.get(topic_id) == at:
                del self._noted[topic_id]
                found.append(topic_id)
        return found
