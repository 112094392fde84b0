"""Moves between queues: one batch of facts, or none."""

from peeklock.entities.facts import Cause, Fact, Removed
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.errors import InvalidRequest
from peeklock.types import QueueId, SequenceNumber, UnixMs


def with_moves(
    namespace: Namespace,
    queue: Queue,
    facts: list[Fact],
    now: UnixMs,
    arrivals: dict[QueueId, int] | None = None,
) -> list[Fact]:
    """`facts` of `queue`, and for each message it dead-letters, its arrival there.

    `arrivals` counts, by queue, what the same append brings in already.
    """
    moved: list[Fact] = []
    if arrivals is None:
        arrivals = {}
    for fact in facts:
        if isinstance(fact, Removed) and fact.cause is Cause.DEAD_LETTERED:
            dead_letters = namespace.dead_letters_of(queue)
            place = arrivals.get(dead_letters.queue_id, 0)
            arrivals[dead_letters.queue_id] = place + len(fact.numbers)
            for number in fact.numbers:
                moved.append(
                    dead_letters.adopt(
                        queue.entries[number],
                        queue.path,
                        fact.reason,
                        fact.description,
                        now,
                        place,
                    )
                )
                place += 1
    return facts + moved if moved else facts


def redrive(
    namespace: Namespace, dead_letters: Queue, numbers: list[SequenceNumber], now: UnixMs
) -> list[Fact]:
    """Dead letters go back to the end of the queue they came from, as if never tried."""
    target = namespace.by_id.get(dead_letters.dead_letters_of)
    if target is None:
        raise InvalidRequest(f"{dead_letters.path!r} is no dead-letter queue")
    facts: list[Fact] = [Removed(dead_letters.queue_id, numbers, Cause.MOVED)]
    for place, number in enumerate(numbers):
        facts.append(target.take_back(dead_letters.entries[number], now, place))
    return facts
