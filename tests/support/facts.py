"""Facts for tests: a few by hand, and all of them for Hypothesis."""

from datetime import UTC, timedelta
from typing import Any

from hypothesis import strategies as st

from peeklock.entities.derivation_facts import (
    CauseSeen,
    DerivationCreated,
    DerivationDeleted,
    DerivationUpdated,
    KeyClosed,
    KeyCrossed,
    KeyKept,
    SampleTaken,
    SignalTaken,
)
from peeklock.entities.derivation_settings import WAITS, DerivationKind, DerivationSettings
from peeklock.entities.dispositions import Verdict
from peeklock.entities.facts import (
    Captured,
    Deferred,
    DeliveryForgotten,
    DeliveryKept,
    Enqueued,
    Fact,
    HeldFor,
    LastValueCleared,
    LastValueSet,
    LinkClosed,
    LinkOpened,
    LinkSuspended,
    Locked,
    MessageIdSeen,
    Numbered,
    Origin,
    QueueCreated,
    QueueDeleted,
    QueueUpdated,
    Relocated,
    Removed,
    Renewed,
    Rewritten,
    RuleCreated,
    RuleDeleted,
    SessionLocked,
    SessionRenewed,
    SessionStateSet,
    SessionUnlocked,
    SubscriptionCreated,
    TopicCreated,
    TopicDeleted,
    TopicUpdated,
    Unlocked,
    WillSet,
)
from peeklock.entities.facts import (
    Cause as Left,
)
from peeklock.entities.key_account import KeyAccount
from peeklock.entities.push import Push, PushMode, PushStatus
from peeklock.entities.settings import (
    Overflow,
    QueueSettings,
    RetryPolicy,
    RuleSettings,
    Status,
    TopicSettings,
)
from peeklock.entities.signal_reader import Cause
from peeklock.entities.threshold import BELOW, Aggregate, Threshold
from peeklock.message import Message
from peeklock.types import (
    NOWHERE,
    EntityPath,
    LinkId,
    Lsn,
    Millis,
    QueueId,
    SequenceNumber,
    SessionId,
    UnixMs,
)

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
    duplicate_window_ms=st.sampled_from([0, 20_000, 600_000]),
    forward_to=texts,
    forward_dead_letters_to=texts,
    auto_delete_on_idle_ms=st.sampled_from([0, 300_000]),
    status=st.sampled_from(Status),
    dead_letter_on_filter_error=st.booleans(),
    user_metadata=texts,
    service_bus=texts,
)
pushed_settings = st.builds(
    QueueSettings,
    push=st.builds(
        Push,
        to=st.sampled_from(["", "https://erp.example/events?a=b"]),
        mode=st.sampled_from(PushMode),
        concurrency=st.integers(1, 64),
        per_minute=st.integers(0, 60_000),
        timeout_ms=st.integers(100, 300_000),
        authorization=st.sampled_from(["", "Bearer abc"]),
        status=st.sampled_from(PushStatus),
        granted=st.booleans(),
        granted_per_minute=st.integers(0, 10**9),
    ),
)
queue_settings = queue_settings | pushed_settings
topic_settings = st.builds(
    TopicSettings,
    default_ttl_ms=st.integers(0, 10**9),
    max_bytes=st.integers(1, 2**40),
    duplicate_window_ms=st.sampled_from([0, 20_000]),
    status=st.sampled_from(Status),
    user_metadata=texts,
    service_bus=texts,
    keep_last_value=st.booleans(),
)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.timedeltas(timedelta(days=-10_675_199), timedelta(days=10_675_199)),
)
pairs = st.lists(st.tuples(texts, scalars), max_size=4).map(tuple)
rules = st.builds(
    RuleSettings,
    texts,
    st.sampled_from(["true", "false", "sql", "correlation"]),
    texts,
    pairs,
    texts,
    pairs,
    pairs,
)
words = texts.filter(lambda text: text != "" and "/" not in text)
finite = st.floats(allow_nan=False, allow_infinity=False)
thresholds = st.builds(
    Threshold,
    value=words,
    aggregate=st.sampled_from([Aggregate.AVG, Aggregate.MIN, Aggregate.MAX]),
    over_ms=st.integers(1, 10**9),
    latest_per=texts,
    above=finite,
    hysteresis=st.floats(0, 1e9),
)
kinds = st.one_of(
    st.sampled_from(DerivationKind)
    .filter(lambda kind: kind is not DerivationKind.THRESHOLD)
    .map(lambda kind: {"kind": kind, "period_ms": 100 if kind in WAITS else 0}),
    thresholds.map(lambda one: {"kind": DerivationKind.THRESHOLD, "threshold": one}),
)


def _derivation(kind: dict[str, Any], **given: Any) -> DerivationSettings:
    return DerivationSettings(**kind, **given)


def _account(first: tuple[str, str], context: str, at: UnixMs, count: int) -> bytes:
    account = KeyAccount(at, Cause(*first))
    account.context = context.encode()
    account.count = count
    account.samples["a part"] = (at, count / 3)
    account.side = BELOW
    return account.as_json()


serials = st.integers(1, 2**63 - 1)
accounts = st.builds(_account, st.tuples(texts, texts), texts, instants, st.integers(1, 2**40))
derivations = st.builds(
    _derivation,
    kinds,
    name=words,
    to=words,
    path=texts,
    sql=texts,
    key=texts,
    subject=texts,
    session=texts,
    body=texts,
    properties=st.dictionaries(words.map("x{}".format), texts, max_size=3).map(
        lambda properties: tuple(properties.items())
    ),
    dead_letter_on_error=st.booleans(),
)
session_ids = texts.map(SessionId)
nonces = st.binary(min_size=8, max_size=8)
link_ids = st.integers(1, 2**32 - 1).map(LinkId)
tags = st.lists(st.binary(max_size=32), max_size=20)


def _enqueued(message: Message | None, **given: object) -> Enqueued:
    place = given.pop("body_at")
    return Enqueued(message=message, body_at=NOWHERE if message else place, **given)  # type: ignore[arg-type]


def _rewritten(queue_id: QueueId, number: SequenceNumber, message: Message) -> Rewritten:
    return Rewritten(queue_id, number, message, message.size)


def _last_value(message: Message | None, **given: object) -> LastValueSet:
    place = given.pop("body_at")
    return LastValueSet(message=message, body_at=NOWHERE if message else place, **given)  # type: ignore[arg-type]


facts = st.one_of(
    st.builds(
        QueueCreated,
        queue_ids,
        texts.map(EntityPath),
        queue_settings,
        queue_ids,
        instants,
        instants,
    ),
    st.builds(QueueUpdated, queue_ids, queue_settings, instants),
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
        session_id=st.none() | session_ids,
        source_number=st.just(0) | sequence_numbers,
    ),
    st.builds(Locked, queue_ids, runs, nonces, instants),
    st.builds(Renewed, queue_ids, runs, instants),
    st.builds(Unlocked, queue_ids, runs, st.booleans(), instants),
    st.builds(Deferred, queue_ids, runs),
    st.builds(Removed, queue_ids, runs, st.sampled_from(Left), texts, texts),
    st.builds(Relocated, queue_ids, sequence_numbers, messages),
    st.builds(_rewritten, queue_ids, sequence_numbers, messages),
    st.builds(Numbered, queue_ids, sequence_numbers),
    st.builds(Captured, queue_ids, sequence_numbers, positions),
    st.builds(
        TopicCreated, queue_ids, texts.map(EntityPath), topic_settings, instants, instants
    ),
    st.builds(TopicUpdated, queue_ids, topic_settings, instants),
    st.builds(TopicDeleted, queue_ids),
    st.builds(
        SubscriptionCreated,
        queue_ids,
        texts.map(EntityPath),
        texts,
        queue_settings,
        queue_ids,
        instants,
        instants,
    ),
    st.builds(RuleCreated, queue_ids, rules, instants),
    st.builds(RuleDeleted, queue_ids, texts),
    st.builds(MessageIdSeen, queue_ids, st.binary(max_size=200), instants),
    st.builds(SessionLocked, queue_ids, session_ids, nonces, instants),
    st.builds(SessionRenewed, queue_ids, session_ids, instants),
    st.builds(SessionUnlocked, queue_ids, session_ids, instants),
    st.builds(
        SessionStateSet, queue_ids, session_ids, st.none() | st.binary(max_size=300), instants
    ),
    st.builds(
        LinkOpened,
        link_ids,
        queue_ids,
        st.booleans(),
        st.integers(0, 2**62).map(Millis),
        texts,
        texts,
        texts,
    ),
    st.builds(LinkSuspended, link_ids, instants),
    st.builds(LinkClosed, link_ids),
    st.builds(DeliveryKept, link_ids, tags, st.sampled_from(Verdict)),
    st.builds(DeliveryForgotten, link_ids, tags),
    st.builds(WillSet, link_ids, st.binary(max_size=8), st.integers(0, 2**62).map(Millis)),
    st.builds(HeldFor, queue_ids, runs, link_ids),
    st.builds(
        _last_value,
        st.none() | messages,
        queue_id=queue_ids,
        number=sequence_numbers,
        subject=st.none() | texts,
        kept_at=instants,
        size=st.integers(0, 2**32 - 1),
        expires_at=instants,
        body_at=positions,
        source_number=st.just(0) | sequence_numbers,
    ),
    st.builds(LastValueCleared, queue_ids, runs, st.sampled_from(Left)),
    st.builds(DerivationCreated, queue_ids, derivations, instants),
    st.builds(DerivationUpdated, queue_ids, derivations),
    st.builds(DerivationDeleted, queue_ids, texts),
    st.builds(CauseSeen, queue_ids, st.binary(max_size=16), instants),
    st.builds(
        SignalTaken,
        queue_ids,
        texts,
        serials,
        texts,
        instants,
        texts,
        texts,
        st.binary(max_size=300),
    ),
    st.builds(SampleTaken, queue_ids, texts, serials, texts, instants, texts, finite),
    st.builds(KeyCrossed, queue_ids, texts, serials, texts, st.sampled_from([-1, 0, 1])),
    st.builds(KeyClosed, queue_ids, texts, serials, texts),
    st.builds(KeyKept, queue_ids, texts, serials, texts, accounts),
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
        if name in ("message", "body_at", "shares"):
            continue
        if isinstance(value, Origin):
            value = (value.source, value.number, value.enqueued_at, value.reason)
        fields.append(value)
    return tuple(fields)


def enqueued(number: int, body: bytes = b"body") -> Enqueued:
    message = Message(body)
    return Enqueued(QUEUE, SequenceNumber(number), message, UnixMs(5), message.size, 0)


def removed(*numbers: int) -> Removed:
    return Removed(QUEUE, [SequenceNumber(n) for n in numbers], Left.COMPLETED)
