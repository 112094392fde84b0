"""When topics have something to do by themselves: what their derivations wait for."""

from heapq import heappop, heappush
from typing import Final, final

from peeklock.entities.topic import Topic
from peeklock.types import NEVER, QueueId, UnixMs


@final
class TopicTimers:
    """Times may be too early, never too late."""

    def __init__(self) -> None:
        self._heap: Final[list[tuple[UnixMs, QueueId]]] = []
        self._noted: Final[dict[QueueId, UnixMs]] = {}  # the one in the heap that counts

    def note(self, topic: Topic) -> None:
        """It may have something to do earlier than before."""
        at = topic.derivations.next_wake()
        before = self._noted.get(topic.topic_id, NEVER)
        if at != NEVER and (before == NEVER or at < before):
            self._noted[topic.topic_id] = at
            heappush(self._heap, (at, topic.topic_id))

    def next_deadline(self) -> UnixMs:
        return self._heap[0][0] if self._heap else NEVER

    def due(self, now: UnixMs) -> list[QueueId]:
        """Topics whose time has come; they are `note`d again, or not looked at any more."""
        found: list[QueueId] = []
        while self._heap and self._heap[0][0] <= now:
            at, topic_id = heappop(self._heap)
            if self._noted.get(topic_id) == at:
                del self._noted[topic_id]
                found.append(topic_id)
        return found
