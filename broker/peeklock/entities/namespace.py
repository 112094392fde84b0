"""The registry of all entities of one broker: create, change, delete, find.

Every queue brings its dead-letter sub-queue, `<path>/$DeadLetterQueue`, into being and takes
it along when it goes.
"""

from typing import Final, final

from peeklock.entities.address import check_name, dead_letter_path, key_of
from peeklock.entities.facts import Fact, QueueCreated, QueueDeleted, QueueUpdated
from peeklock.entities.queue import Queue
from peeklock.entities.residency import Residency
from peeklock.entities.settings import QueueSettings
from peeklock.errors import AlreadyExists, InvalidRequest, NotFound, QuotaExceeded
from peeklock.limits import ENTITIES_MAX
from peeklock.types import QueueId, UnixMs

ORDINARY: Final = QueueId(0)  # `dead_letters_of` of a queue that is no dead-letter queue


@final
class Namespace:
    """Queues by path and by id."""

    def __init__(self, residency: Residency) -> None:
        self.residency: Final = residency
        self.by_id: Final[dict[QueueId, Queue]] = {}
        self._by_key: Final[dict[str, Queue]] = {}
        self._dead_letters: Final[dict[QueueId, Queue]] = {}
        self._next_id = QueueId(1)

    # ---- verbs

    def create(self, name: str, settings: QueueSettings, now: UnixMs) -> list[Fact]:
        """A queue and its dead-letter sub-queue; raises `AlreadyExists`, `InvalidRequest`."""
        path = check_name(name)
        if key_of(path) in self._by_key:
            raise AlreadyExists(path)
        if len(self.by_id) >= 2 * ENTITIES_MAX:
            raise QuotaExceeded(f"there are {ENTITIES_MAX} queues already, which is the limit")
        first = self._next_id
        dead_letters = QueueSettings(
            lock_duration_ms=settings.lock_duration_ms,
            max_message_bytes=settings.max_message_bytes,
        )
        return [
            QueueCreated(first, path, settings, ORDINARY, now),
            QueueCreated(QueueId(first + 1), dead_letter_path(path), dead_letters, first, now),
        ]

    def update(self, name: str, settings: QueueSettings) -> list[Fact]:
        """Other settings for a queue; what orders its messages is fixed when it is made."""
        queue = self.find(name)
        if settings.priorities != queue.settings.priorities:
            raise InvalidRequest("priorities is fixed when a queue is created")
        return [QueueUpdated(queue.queue_id, settings)]

    def delete(self, name: str) -> list[Fact]:
        """A queue, its dead letters, and all their messages."""
        queue = self.find(name)
        if queue.dead_letters_of != ORDINARY:
            raise InvalidRequest("a dead-letter queue goes with its queue, not by itself")
        dead_letters = self.dead_letters_of(queue)
        return [QueueDeleted(dead_letters.queue_id), QueueDeleted(queue.queue_id)]

    # ---- looks

    def find(self, name: str) -> Queue:
        """The queue with this path, in any case; raises `NotFound`."""
        queue = self._by_key.get(key_of(name))
        if queue is None:
            raise NotFound(name)
        return queue

    def has(self, name: str) -> bool:
        return key_of(name) in self._by_key

    def dead_letters_of(self, queue: Queue) -> Queue:
        """The dead-letter sub-queue of an ordinary queue."""
        return self._dead_letters[queue.queue_id]

    def queues(self) -> list[Queue]:
        """All ordinary queues, in the order of their creation."""
        return [queue for queue in self.by_id.values() if queue.dead_letters_of == ORDINARY]

    # ---- obedience

    def apply(self, fact: Fact) -> None:
        """Make it so, here or in the queue that it is about.

        A fact about a queue that is gone says nothing any more: recovery may meet one when
        the queue's own record was damaged and skipped.
        """
        if isinstance(fact, QueueCreated):
            self._create(fact)
        elif isinstance(fact, QueueDeleted):
            self._delete(fact.queue_id)
        else:
            queue = self.by_id.get(fact.queue_id)
            if queue is not None:
                queue.apply(fact)

    def _create(self, fact: QueueCreated) -> None:
        queue = Queue(fact, self.residency)
        self.by_id[fact.queue_id] = queue
        self._by_key[key_of(fact.path)] = queue
        if fact.dead_letters_of != ORDINARY:
            self._dead_letters[fact.dead_letters_of] = queue
        self._next_id = QueueId(max(self._next_id, fact.queue_id + 1))

    def _delete(self, queue_id: QueueId) -> None:
        queue = self.by_id.pop(queue_id, None)
        if queue is None:
            return
        queue.forget_all()
        del self._by_key[key_of(queue.path)]
        self._dead_letters.pop(queue_id, None)
