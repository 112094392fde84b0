"""Facts for tests: a few by hand, and all of them for Hypothesis."""

from hypothesis import strategies as st

from peeklock.entities.facts import (
    Captured,
    Cause,
    Deferred,
    Enqueued,
    Fact,
    Locked,
    Numbered,
    Origin,
    QueueCreated,
    QueueDeleted,
    QueueUpdated,
    Relocated,
    Removed,
    Renewed,
    Unlocked,
)
from peeklock.entities.settings import Overflow, QueueSettings, RetryPolicy
from peeklock.message import Message
from peeklock.types import NOWHERE, EntityPath, Lsn, QueueId, SequenceNumber, UnixMs

QUEUE = QueueId(1)

queue_ids = st.integers(1, 2**32 - 1).map(QueueId)
sequence_numbers = st.integers(1, 2**63 - 1).map(SequenceNumber)
instants = st.integers(0, 2**63 - 1).map(UnixMs)
positions = st.integers(0, 2**62).map(Lsn)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
runs = st.lists(sequence_numbers, min_size=1, max_size=30, unique=True).map(sorted)
messages = st.builds(
    Message,
    st.binary(max_size=300),
    st.binary(max_size=40),
    st.booleans(),
    st.integers(0, 255),
    st.integers(-1, 2**32 - 1),
)
origins = st.builds(Origin, texts.map(EntityPath), sequence_numbers, instants, texts, texts)
queue_settings = st.builds(
    QueueSettings,
    lock_duration_ms=st.integers(100, 86_400_000),
    max_delivery_count=st.integers(1, 100),
    default_ttl_ms=st.integers(0, 10**9),
    dead_letter_on_expiry=st.booleans(),
    priorities=st.booleans(),
    max_bytes=st.integers(1, 2**40),
    max_messages=st.integers(0, 2**40),
    overflow=st.sampled_from(Overflow),
    retry=st.builds(
        RetryPolicy,
        first_ms=st.integers(0, 10**6),
        factor=st.floats(1.0, 100.0),
        cap_ms=st.integers(0, 10**8),
        jitter=st.floats(0.0, 1.0),
    ),
    dispatch=st.booleans(),
    temporary=st.booleans(),
)


def _enqueued(message: Message | None, **given: object) -> Enqueued:
    place = given.pop("body_at")
    return Enqueued(message=message, body_at=NOWHERE if message else place, **given)  # type: ignore[arg-type]


facts = st.one_of(
    st.builds(
        QueueCreated, queue_ids, texts.map(EntityPath), queue_settings, queue_ids, instants
    ),
    st.builds(QueueUpdated, queue_ids, queue_settings),
    st.builds(QueueDeleted, queue_ids),
    st.builds(
        _enqueued,
        st.none() | messages,
        queue_id=queue_ids,
        number=sequence_numbers,
        enqueued_at=instants,
        size=st.integers(0, 2**32 - 1),
        priority=st.integers(0, 9),
        expires_at=instants,
        not_before=instants,
        delivery_count=st.integers(0, 2**32 - 1),
        origin=st.none() | origins,
        body_at=positions,
    ),
    st.builds(Locked, queue_ids, runs, st.binary(min_size=8, max_size=8), instants),
    st.builds(Renewed, queue_ids, runs, instants),
    st.builds(Unlocked, queue_ids, runs, st.booleans(), instants),
    st.builds(Deferred, queue_ids, runs),
    st.builds(Removed, queue_ids, runs, st.sampled_from(Cause), texts, texts),
    st.builds(Relocated, queue_ids, sequence_numbers, messages),
    st.builds(Numbered, queue_ids, sequence_numbers),
    st.builds(Captured, queue_ids, sequence_numbers, positions),
)


def attributes(value: object) -> list[str]:
    """Names of the data of a slotted class, compiled or not, or of a dataclass."""
    names = [name for name in dir(value) if not name.startswith("_")]
    return [name for name in names if not callable(getattr(value, name))]


def shown(fact: Fact) -> tuple[object, ...]:
    """What of a fact the journal keeps, to compare; messages are elsewhere."""
    fields: list[object] = [type(fact).__name__]
    for name in attributes(fact):
        value = getattr(fact, name)
        if name in ("message", "body_at"):
            continue
        if isinstance(value, Origin):
            value = (value.source, value.number, value.enqueued_at, value.reason)
        fields.append(value)
    return tuple(fields)


def enqueued(number: int, body: bytes = b"body") -> Enqueued:
    message = Message(body)
    return Enqueued(QUEUE, SequenceNumber(number), message, UnixMs(5), message.size, 0)


def removed(*numbers: int) -> Removed:
    return Removed(QUEUE, [SequenceNumber(n) for n in numbers], Cause.COMPLETED)
