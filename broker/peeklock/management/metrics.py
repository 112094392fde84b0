"""What programs that watch a broker are told of each entity; as numbers, when they ask.

Names, kinds and units are as Prometheus recommends. They are part of the API, and
docs/reference/monitoring.md is made from them. Nothing is counted for it: it is what entities
know anyway (docs/adr/0012).
"""

from dataclasses import dataclass
from typing import Final

from peeklock.engine.engine import Engine
from peeklock.entities.facts import Cause
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING
from peeklock.limits import METRICS_ENTITIES_MAX
from peeklock.management.views import oldest
from peeklock.types import UnixMs

Samples = list[tuple[tuple[str, ...], int | float]]  # the labels' values, and the value
GAUGE: Final = "gauge"
COUNTER: Final = "counter"
ENTITY: Final = ("entity",)
STATES: Final = (
    ("active", READY),
    ("locked", LOCKED),
    ("scheduled", WAITING),
    ("deferred", DEFERRED),
)


@dataclass(frozen=True)
class Family:
    """One metric, whatever its labels."""

    name: str
    kind: str
    about: str
    labels: tuple[str, ...] = ()


ENTITY_FAMILIES: Final = (
    Family(
        "peeklock_messages",
        GAUGE,
        "Messages by state: active, locked, scheduled, deferred, dead_lettered.",
        ("entity", "state"),
    ),
    Family("peeklock_message_bytes", GAUGE, "Of all but the dead letters.", ENTITY),
    Family(
        "peeklock_oldest_message_age_seconds",
        GAUGE,
        "How long the oldest message is there, whatever its state; 0: there is none.",
        ENTITY,
    ),
    Family("peeklock_receivers", GAUGE, "Links and subscriptions that take from it.", ENTITY),
    Family(
        "peeklock_messages_enqueued_total",
        COUNTER,
        "That came, those that went on elsewhere included; outlives a restart.",
        ENTITY,
    ),
    Family(
        "peeklock_messages_completed_total",
        COUNTER,
        "That were completed, or received for good.",
        ENTITY,
    ),
    Family(
        "peeklock_messages_abandoned_total",
        COUNTER,
        "Attempts that failed, by their worker's word or as the lock ran out; but for the last "
        "one of a dead letter.",
        ENTITY,
    ),
    Family(
        "peeklock_messages_released_total",
        COUNTER,
        "That were given back, by a worker or because it was gone, without an attempt counted.",
        ENTITY,
    ),
    Family("peeklock_messages_dead_lettered_total", COUNTER, "Put aside for good.", ENTITY),
    Family(
        "peeklock_messages_expired_total",
        COUNTER,
        "That outlived their time, and are no dead letters.",
        ENTITY,
    ),
    Family(
        "peeklock_messages_dropped_total",
        COUNTER,
        "That gave way to newer ones in a full entity.",
        ENTITY,
    ),
    Family(
        "peeklock_topic_messages_total",
        COUNTER,
        "That a topic had takers for, or keeps; outlives a restart.",
        ENTITY,
    ),
    Family("peeklock_topic_last_values", GAUGE, "Subjects whose newest is kept.", ENTITY),
    Family(
        "peeklock_entities_not_shown",
        GAUGE,
        f"Queues, subscriptions and topics beyond the first {METRICS_ENTITIES_MAX} of them "
        "and of these, in the order in which they were made.",
    ),
)


def entity_samples(engine: Engine, now: UnixMs) -> dict[str, Samples]:
    """By the family's name."""
    found: dict[str, Samples] = {family.name: [] for family in ENTITY_FAMILIES}
    queues = shown_queues(engine)
    for queue in queues[:METRICS_ENTITIES_MAX]:
        add_queue(found, engine, queue, now)
    topics = engine.namespace.topics()
    for topic in topics[:METRICS_ENTITIES_MAX]:
        labels = (str(topic.path),)
        found["peeklock_topic_messages_total"].append((labels, topic.next_number - 1))
        kept = len(topic.last_values.entries)
        found["peeklock_topic_last_values"].append((labels, kept))
    hidden = [max(0, len(one) - METRICS_ENTITIES_MAX) for one in (queues, topics)]
    found["peeklock_entities_not_shown"].append(((), sum(hidden)))
    return found


def shown_queues(engine: Engine) -> list[Queue]:
    """Queues and subscriptions; dead letters are a state of theirs, MQTT sessions too many."""
    namespace = engine.namespace
    return [
        queue
        for queue in namespace.by_id.values()
        if not queue.dead_letters_of and queue.queue_id not in namespace.listeners.by_queue
    ]


def add_queue(found: dict[str, Samples], engine: Engine, queue: Queue, now: UnixMs) -> None:
    path = str(queue.path)
    tally = queue.tally
    for state, which in STATES:
        found["peeklock_messages"].append(((path, state), queue.counts[which]))
    dead = len(engine.namespace.dead_letters_of(queue).entries)
    found["peeklock_messages"].append(((path, "dead_lettered"), dead))
    since = oldest(queue)
    completed = tally.left(Cause.COMPLETED) + tally.left(Cause.RECEIVED)
    for name, value in (
        ("peeklock_message_bytes", queue.size_bytes),
        ("peeklock_oldest_message_age_seconds", max(0, now - since) / 1000 if since else 0),
        ("peeklock_receivers", len(engine.receivers_of(queue))),
        ("peeklock_messages_enqueued_total", queue.next_number - 1),
        ("peeklock_messages_completed_total", completed),
        ("peeklock_messages_abandoned_total", tally.failed_count),
        ("peeklock_messages_released_total", tally.released_count),
        ("peeklock_messages_dead_lettered_total", tally.left(Cause.DEAD_LETTERED)),
        ("peeklock_messages_expired_total", tally.left(Cause.EXPIRED)),
        ("peeklock_messages_dropped_total", tally.left(Cause.DROPPED)),
    ):
        found[name].append(((path,), value))
