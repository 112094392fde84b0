"""Copies of a topic's messages for the subscriptions that take them: the facts of one append.

The first copy of a message brings its bytes; all others share them.
"""

from typing import Final, final

from peeklock.entities.facts import UNNUMBERED, Enqueued, Fact, Numbered, Origin
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.subscription import Subscription
from peeklock.types import QueueId, SequenceNumber, UnixMs

NO_SESSION: Final = "Session ID is null."  # Service Bus' words
NO_SESSION_WHY: Final = "the subscription takes messages of a session only: set a group-id"


@final
class Load:
    """What comes to one queue."""

    __slots__ = ("count", "queue", "size_bytes")

    def __init__(self, queue: Queue) -> None:
        self.queue: Final = queue
        self.count = 0
        self.size_bytes = 0


@final
class FanOut:
    """Gathers copies, message by message, and gives them out as facts."""

    def __init__(
        self,
        topic_id: QueueId,
        next_number: SequenceNumber,
        ttl_ms: int,
        now: UnixMs,
        arrivals: dict[QueueId, int],
    ) -> None:
        self._topic_id: Final = topic_id
        self._first_number: Final = next_number
        self._number = next_number
        self._ttl_ms: Final = ttl_ms  # the topic's; 0: none
        self._now: Final = now
        self._arrivals: Final = arrivals  # how many the append brings in, by queue
        self._copies: Final[list[Fact]] = []
        self._loads: Final[dict[QueueId, Load]] = {}
        self._first: Enqueued | None = None
        self.size_bytes = 0  # of all copies

    def add(self, given: Submission, takers: list[Subscription], number: bool) -> None:
        """One message, and who takes it. It gets a number if somebody does, or if `number`."""
        self._first = None
        for subscription in takers:
            queue = subscription.queue
            if not queue.takes:
                continue
            if queue.settings.requires_session and given.session_id is None:
                self._dead_letter(given, subscription, NO_SESSION, NO_SESSION_WHY)
                continue
            place = self._place(queue, given.message.size)
            copy = queue.take_copy(
                given, self._now, place, self._ttl_ms, self._number, self._first
            )
            self._keep(copy)
        if number or self._first is not None:
            self._number = SequenceNumber(self._number + 1)

    def _dead_letter(
        self, given: Submission, subscription: Subscription, reason: str, description: str
    ) -> None:
        """Straight to the subscription's dead letters: it has never been in its queue."""
        source = subscription.queue.path
        origin = Origin(source, UNNUMBERED, self._now, reason, description)
        dead_letters = subscription.dead_letters
        place = self._place(dead_letters, given.message.size)
        copy = dead_letters.take_dead_copy(
            given, self._now, place, origin, self._number, self._first
        )
        self._keep(copy)

    def _place(self, queue: Queue, size: int) -> int:
        """Room for one more; returns which of this append's arrivals it is there, from 0."""
        load = self._loads.get(queue.queue_id)
        if load is None:
            load = Load(queue)
            self._loads[queue.queue_id] = load
        load.count += 1
        load.size_bytes += size
        self.size_bytes += size
        place = self._arrivals.get(queue.queue_id, 0)
        self._arrivals[queue.queue_id] = place + 1
        return place

    def _keep(self, copy: Enqueued) -> None:
        self._copies.append(copy)
        if self._first is None:
            self._first = copy

    def facts(self) -> list[Fact]:
        """All copies behind what gives way to them; raises `QuotaExceeded`."""
        facts: list[Fact] = []
        for load in self._loads.values():
            facts.extend(load.queue.room_for(load.size_bytes, load.count))
        facts.extend(self._copies)
        if self._number != self._first_number:
            facts.append(Numbered(self._topic_id, self._number))
        return facts
