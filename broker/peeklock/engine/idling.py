"""Entities that go by themselves when nobody has used them for a while.

Used is what somebody sends to, receives from, holds a message of, or changes. The instants are
not recorded: after a restart every clock starts anew, since nobody could use anything while
the broker was down.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final, final

from peeklock.entities.namespace import Namespace
from peeklock.types import NEVER, QueueId, UnixMs


@final
class Idling:
    """When each entity with `auto_delete_on_idle_ms` was last used, and which are due."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace: Final = namespace
        self._used_at: Final[dict[QueueId, UnixMs]] = {}
        self._due_at: Final[dict[QueueId, UnixMs]] = {}  # the one in the heap that counts
        self._heap: Final[list[tuple[UnixMs, QueueId]]] = []
        self._changed: Final[list[QueueId]] = []

    @property
    def has_changes(self) -> bool:
        """Has an entity come or changed since `begin`?"""
        return bool(self._changed)

    def on_change(self, entity_id: QueueId) -> None:
        """It is new, or has other settings or rules: that is a use, too."""
        self._changed.append(entity_id)

    def begin(self, now: UnixMs) -> None:
        """The clocks of what has changed start now."""
        for entity_id in self._changed:
            if self._idle_ms(entity_id):
                self._used_at[entity_id] = now
                self._expect(entity_id)
            else:
                self._forget(entity_id)
        self._changed.clear()

    def use(self, entity_id: QueueId, now: UnixMs) -> None:
        if entity_id in self._used_at:
            self._used_at[entity_id] = now

    def use_all(self, entity_ids: Iterable[QueueId], now: UnixMs) -> None:
        """They were sent to. A copy for a subscription is no use of it: nobody asked for it."""
        if not self._used_at:
            return
        for entity_id in entity_ids:
            if entity_id in self._used_at and not self._namespace.is_subscription(entity_id):
                self._used_at[entity_id] = now

    def next_deadline(self) -> UnixMs:
        return self._heap[0][0] if self._heap else NEVER

    def due(self, now: UnixMs) -> list[QueueId]:
        """Those that nobody has used for as long as they allow. They are watched no more:
        `use_after_all` is for those that may not go."""
        found: list[QueueId] = []
        while self._heap and self._heap[0][0] <= now:
            at, entity_id = heappop(self._heap)
            if self._due_at.get(entity_id) != at:
                continue  # it has been put off, or is gone
            idle_ms = self._idle_ms(entity_id)
            if not idle_ms:
                self._forget(entity_id)
            elif self._used_at[entity_id] + idle_ms > now:
                self._expect(entity_id)
            else:
                self._forget(entity_id)
                found.append(entity_id)
        return found

    def use_after_all(self, entity_id: QueueId, now: UnixMs) -> None:
        """It was due, and somebody has a hold on it."""
        self._used_at[entity_id] = now
        self._expect(entity_id)

    def _expect(self, entity_id: QueueId) -> None:
        at = UnixMs(self._used_at[entity_id] + self._idle_ms(entity_id))
        self._due_at[entity_id] = at
        heappush(self._heap, (at, entity_id))

    def _forget(self, entity_id: QueueId) -> None:
        self._used_at.pop(entity_id, None)
        self._due_at.pop(entity_id, None)

    def _idle_ms(self, entity_id: QueueId) -> int:
        """0 for one that stays, or is gone."""
        queue = self._namespace.by_id.get(entity_id)
        if queue is not None:
            return queue.settings.auto_delete_on_idle_ms
        topic = self._namespace.topics_by_id.get(entity_id)
        return 0 if topic is None else topic.settings.auto_delete_on_idle_ms
