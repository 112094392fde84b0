"""Fact ⇄ bytes. docs/FORMAT.md draws them.

To change a fact: never give an old type code a new layout. Write a new code beside it, read
both, and record a fixture of the old one in tests/unit/store/. Unknown codes are refused by
name, so that an older broker says what it cannot read instead of guessing.

All numbers are big-endian. A run of sequence numbers is written as ranges, since numbers that
are locked, settled or removed together nearly always follow one another.
"""

from struct import Struct
from struct import error as struct_error
from typing import Final, assert_never

import orjson

from peeklock.entities.derivation_facts import (
    CauseSeen,
    DerivationCreated,
    DerivationDeleted,
    DerivationUpdated,
    KeyClosed,
    KeyCrossed,
    KeyFact,
    KeyKept,
    SampleTaken,
    SignalTaken,
)
from peeklock.entities.derivation_settings import derivation_as_map, derivation_from_map
from peeklock.entities.dispositions import Verdict
from peeklock.entities.facts import (
    UNNUMBERED,
    Captured,
    Cause,
    Deferred,
    DeliveryForgotten,
    DeliveryKept,
    Enqueued,
    Fact,
    HeldFor,
    LastValueCleared,
    LastValueSet,
    LinkClosed,
    LinkFact,
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
from peeklock.entities.key_account import account_from
from peeklock.entities.settings import QueueSettings, TopicSettings
from peeklock.entities.settings_map import (
    rule_as_map,
    rule_from_map,
    settings_as_map,
    with_changes,
)
from peeklock.errors import BrokerError
from peeklock.message import Message
from peeklock.types import (
    NEVER,
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

ENQUEUED: Final = 1
LOCKED: Final = 2
REMOVED: Final = 3
UNLOCKED: Final = 4
RENEWED: Final = 5
DEFERRED: Final = 6
RELOCATED: Final = 7
QUEUE_CREATED: Final = 8
QUEUE_UPDATED: Final = 9
QUEUE_DELETED: Final = 10
NUMBERED: Final = 11
CAPTURED: Final = 12
TOPIC_CREATED: Final = 13
TOPIC_UPDATED: Final = 14
TOPIC_DELETED: Final = 15
SUBSCRIPTION_CREATED: Final = 16
RULE_CREATED: Final = 17
RULE_DELETED: Final = 18
MESSAGE_ID_SEEN: Final = 19
SESSION_LOCKED: Final = 20
SESSION_RENEWED: Final = 21
SESSION_UNLOCKED: Final = 22
SESSION_STATE_SET: Final = 23
LINK_OPENED: Final = 24
LINK_SUSPENDED: Final = 25
LINK_CLOSED: Final = 26
DELIVERY_KEPT: Final = 27
DELIVERY_FORGOTTEN: Final = 28
HELD_FOR: Final = 29
REWRITTEN: Final = 30
LAST_VALUE_SET: Final = 31
LAST_VALUE_CLEARED: Final = 32
WILL_SET: Final = 33
DERIVATION_CREATED: Final = 40  # from here on: of a topic's derivations
DERIVATION_DELETED: Final = 41
CAUSE_SEEN: Final = 42
SIGNAL_TAKEN: Final = 43
KEY_CLOSED: Final = 44
KEY_KEPT: Final = 45
SAMPLE_TAKEN: Final = 46
KEY_CROSSED: Final = 47
DERIVATION_UPDATED: Final = 48

INLINE: Final = 1  # flags of ENQUEUED and RELOCATED: the message follows
HAS_ORIGIN: Final = 2  # the dead letter's origin follows
HAS_SESSION: Final = 4  # then the session's id
HAS_SOURCE: Final = 8  # then the number in the entity it came from
FLAGS_KNOWN: Final = INLINE | HAS_ORIGIN | HAS_SESSION | HAS_SOURCE
HAS_SUBJECT: Final = 2  # of LAST_VALUE_SET, beside INLINE
LAST_VALUE_FLAGS_KNOWN: Final = INLINE | HAS_SUBJECT

CODE: Final = Struct(">BI")  # type, queue
# type, queue, number, enqueued at, size, priority, flags, delivery count, expires, not before
ENQUEUED_HEAD: Final = Struct(">BIQQIBBIQQ")
RELOCATED_HEAD: Final = Struct(">BIQB")
REWRITTEN_HEAD: Final = Struct(">BIQ")
# type, topic, number, kept at, size, expires, number in the entity it came from, flags
LAST_VALUE_HEAD: Final = Struct(">BIQQIQQB")
# durable, priority, ttl, length of the annotations, length of the bare message
MESSAGE_HEAD: Final = Struct(">BBqII")
U8: Final = Struct(">B")
U16: Final = Struct(">H")
U32: Final = Struct(">I")
U64: Final = Struct(">Q")
I64: Final = Struct(">q")
I8: Final = Struct(">b")
F64: Final = Struct(">d")
RANGE: Final = Struct(">QI")

UPDATED_AT: Final = "updated_at"  # in the JSON of settings, beside them

# Messages of one range: no verb makes a longer one, and reading one back costs memory.
RUN_COUNT_MAX: Final = 1 << 24


class BadFact(Exception):
    """Bytes with a good checksum that this version cannot read."""


# ---- writing


def encode_fact(parts: list[bytes], fact: Fact, at: Lsn) -> Lsn:
    """Append the bytes of `fact`, which begin at `at`; returns where they end."""
    if isinstance(fact, Enqueued):
        return encode_enqueued(parts, fact, at)
    if isinstance(fact, Rewritten):
        assert fact.message is not None
        parts.append(REWRITTEN_HEAD.pack(REWRITTEN, fact.queue_id, fact.number))
        fact.body_at = Lsn(at + REWRITTEN_HEAD.size)
        return encode_message(parts, fact.message, fact.body_at)
    if isinstance(fact, Relocated):
        if fact.shares is not None:
            fact.body_at = fact.shares.body_at
            head = RELOCATED_HEAD.pack(RELOCATED, fact.queue_id, fact.number, 0)
            parts.append(head + I64.pack(fact.body_at))
            return Lsn(at + RELOCATED_HEAD.size + I64.size)
        message = fact.message
        assert message is not None
        parts.append(RELOCATED_HEAD.pack(RELOCATED, fact.queue_id, fact.number, INLINE))
        fact.body_at = Lsn(at + RELOCATED_HEAD.size)
        return encode_message(parts, message, fact.body_at)
    if isinstance(fact, LastValueSet):
        return encode_last_value(parts, fact, at)
    encoded = encode_small(fact)
    parts.append(encoded)
    return Lsn(at + len(encoded))


def encode_enqueued(parts: list[bytes], fact: Enqueued, at: Lsn) -> Lsn:
    shares = fact.shares
    if shares is not None:
        fact.body_at = shares.body_at
    message = fact.message if fact.body_at == NOWHERE else None
    flags = 0 if message is None else INLINE
    origin = fact.origin
    tail = b""
    if origin is not None:
        flags |= HAS_ORIGIN
        tail = encode_origin(origin)
    if fact.session_id is not None:
        flags |= HAS_SESSION
        tail += encode_text(fact.session_id)
    if fact.source_number != UNNUMBERED:
        flags |= HAS_SOURCE
        tail += U64.pack(fact.source_number)
    if message is None:
        tail += I64.pack(fact.body_at)
    head = ENQUEUED_HEAD.pack(
        ENQUEUED,
        fact.queue_id,
        fact.number,
        fact.enqueued_at,
        fact.size,
        fact.priority,
        flags,
        fact.delivery_count,
        fact.expires_at,
        fact.not_before,
    )
    parts.append(head + tail if tail else head)
    at = Lsn(at + len(head) + len(tail))
    if message is None:
        return at
    fact.body_at = at
    return encode_message(parts, message, at)


def encode_last_value(parts: list[bytes], fact: LastValueSet, at: Lsn) -> Lsn:
    shares = fact.shares
    if shares is not None:
        fact.body_at = shares.body_at
    message = fact.message if fact.body_at == NOWHERE else None
    flags = 0 if message is None else INLINE
    tail = b""
    if fact.subject is not None:
        flags |= HAS_SUBJECT
        tail = encode_text(fact.subject)
    if message is None:
        tail += I64.pack(fact.body_at)
    head = LAST_VALUE_HEAD.pack(
        LAST_VALUE_SET,
        fact.queue_id,
        fact.number,
        fact.kept_at,
        fact.size,
        fact.expires_at,
        fact.source_number,
        flags,
    )
    parts.append(head + tail)
    at = Lsn(at + len(head) + len(tail))
    if message is None:
        return at
    fact.body_at = at
    return encode_message(parts, message, at)


def encode_message(parts: list[bytes], message: Message, at: Lsn) -> Lsn:
    annotations = message.annotations
    bare = message.bare
    parts.append(
        MESSAGE_HEAD.pack(
            message.durable, message.priority, message.ttl_ms, len(annotations), len(bare)
        )
    )
    if annotations:
        parts.append(annotations)
    parts.append(bare)
    return Lsn(at + MESSAGE_HEAD.size + len(annotations) + len(bare))


def encode_small(fact: Fact) -> bytes:
    """Everything without a message in it."""
    if isinstance(fact, Locked):
        return (
            CODE.pack(LOCKED, fact.queue_id)
            + fact.nonce
            + U64.pack(fact.until)
            + encode_numbers(fact.numbers)
        )
    if isinstance(fact, Removed):
        return (
            CODE.pack(REMOVED, fact.queue_id)
            + U8.pack(fact.cause)
            + encode_text(fact.reason)
            + encode_text(fact.description)
            + encode_numbers(fact.numbers)
        )
    if isinstance(fact, Unlocked):
        return (
            CODE.pack(UNLOCKED, fact.queue_id)
            + U8.pack(fact.failed)
            + U64.pack(fact.not_before)
            + encode_numbers(fact.numbers)
        )
    if isinstance(fact, Renewed):
        until = U64.pack(fact.until)
        return CODE.pack(RENEWED, fact.queue_id) + until + encode_numbers(fact.numbers)
    if isinstance(fact, Deferred):
        return CODE.pack(DEFERRED, fact.queue_id) + encode_numbers(fact.numbers)
    return encode_rare(fact)


def encode_rare(fact: Fact) -> bytes:
    if isinstance(fact, QueueCreated):
        return (
            CODE.pack(QUEUE_CREATED, fact.queue_id)
            + U32.pack(fact.dead_letters_of)
            + U64.pack(fact.created_at)
            + encode_text(fact.path)
            + encode_settings(fact.settings, fact.updated_at)
        )
    if isinstance(fact, QueueUpdated):
        return CODE.pack(QUEUE_UPDATED, fact.queue_id) + encode_settings(
            fact.settings, fact.updated_at
        )
    if isinstance(fact, QueueDeleted):
        return CODE.pack(QUEUE_DELETED, fact.queue_id)
    if isinstance(fact, Numbered):
        return CODE.pack(NUMBERED, fact.queue_id) + U64.pack(fact.next_number)
    if isinstance(fact, Captured):
        return CODE.pack(CAPTURED, fact.queue_id) + U64.pack(fact.through) + U64.pack(fact.at)
    if isinstance(fact, MessageIdSeen):
        head = CODE.pack(MESSAGE_ID_SEEN, fact.queue_id) + U64.pack(fact.at)
        return head + encode_bytes(fact.key)
    if isinstance(fact, (SessionLocked, SessionRenewed, SessionUnlocked, SessionStateSet)):
        return encode_of_session(fact)
    if isinstance(fact, HeldFor):
        head = CODE.pack(HELD_FOR, fact.queue_id) + U32.pack(fact.link_id)
        return head + encode_numbers(fact.numbers)
    if isinstance(
        fact,
        (LinkOpened, LinkSuspended, LinkClosed, DeliveryKept, DeliveryForgotten, WillSet),
    ):
        return encode_of_link(fact)
    if isinstance(fact, LastValueCleared):
        head = CODE.pack(LAST_VALUE_CLEARED, fact.queue_id) + U8.pack(fact.cause)
        return head + encode_numbers(fact.numbers)
    if isinstance(fact, (SignalTaken, SampleTaken, KeyCrossed, KeyClosed, KeyKept)):
        return encode_of_key(fact)
    if isinstance(fact, (DerivationCreated, DerivationUpdated, DerivationDeleted, CauseSeen)):
        return encode_of_derivations(fact)
    assert not isinstance(fact, (Enqueued, Locked, Removed, Unlocked, Renewed))
    assert not isinstance(fact, (Deferred, Relocated, Rewritten, LastValueSet))
    return encode_of_topic(fact)


def encode_of_session(
    fact: SessionLocked | SessionRenewed | SessionUnlocked | SessionStateSet,
) -> bytes:
    session = encode_text(fact.session_id)
    if isinstance(fact, SessionLocked):
        until = U64.pack(fact.until)
        return CODE.pack(SESSION_LOCKED, fact.queue_id) + fact.nonce + until + session
    if isinstance(fact, SessionRenewed):
        return CODE.pack(SESSION_RENEWED, fact.queue_id) + U64.pack(fact.until) + session
    if isinstance(fact, SessionUnlocked):
        return CODE.pack(SESSION_UNLOCKED, fact.queue_id) + U64.pack(fact.at) + session
    state = fact.state
    head = CODE.pack(SESSION_STATE_SET, fact.queue_id) + U64.pack(fact.at)
    there = U8.pack(state is not None)
    return head + there + session + encode_bytes(state or b"")


def encode_of_link(fact: LinkFact) -> bytes:
    link_id = U32.pack(fact.link_id)
    if isinstance(fact, LinkOpened):
        return (
            CODE.pack(LINK_OPENED, fact.queue_id)
            + link_id
            + U32.pack(fact.entity_id)
            + U8.pack(fact.is_sender)
            + U64.pack(fact.lifetime_ms)
            + encode_text(fact.user)
            + encode_text(fact.container_id)
            + encode_text(fact.name)
        )
    if isinstance(fact, LinkSuspended):
        return CODE.pack(LINK_SUSPENDED, fact.queue_id) + link_id + U64.pack(fact.until)
    if isinstance(fact, LinkClosed):
        return CODE.pack(LINK_CLOSED, fact.queue_id) + link_id
    if isinstance(fact, DeliveryKept):
        head = CODE.pack(DELIVERY_KEPT, fact.queue_id) + link_id + U8.pack(fact.verdict)
        return head + encode_tags(fact.tags)
    if isinstance(fact, DeliveryForgotten):
        head = CODE.pack(DELIVERY_FORGOTTEN, fact.queue_id) + link_id
        return head + encode_tags(fact.tags)
    if isinstance(fact, WillSet):
        head = CODE.pack(WILL_SET, fact.queue_id) + link_id + U64.pack(fact.delay_ms)
        return head + encode_bytes(fact.will)
    assert_never(fact)


def encode_of_key(fact: KeyFact) -> bytes:
    serial = U64.pack(fact.serial)
    of_whom = encode_text(fact.name) + encode_text(fact.key)
    if isinstance(fact, SignalTaken):
        return (
            CODE.pack(SIGNAL_TAKEN, fact.queue_id)
            + serial
            + of_whom
            + U64.pack(fact.at)
            + encode_long_text(fact.cause_source)
            + encode_long_text(fact.cause_id)
            + encode_bytes(fact.context)
        )
    if isinstance(fact, SampleTaken):
        head = CODE.pack(SAMPLE_TAKEN, fact.queue_id) + serial + of_whom
        return head + U64.pack(fact.at) + encode_text(fact.part) + F64.pack(fact.value)
    if isinstance(fact, KeyCrossed):
        return CODE.pack(KEY_CROSSED, fact.queue_id) + serial + of_whom + I8.pack(fact.side)
    if isinstance(fact, KeyClosed):
        return CODE.pack(KEY_CLOSED, fact.queue_id) + serial + of_whom
    if isinstance(fact, KeyKept):
        head = CODE.pack(KEY_KEPT, fact.queue_id) + serial + of_whom
        return head + encode_bytes(fact.account)
    assert_never(fact)


def encode_of_derivations(
    fact: DerivationCreated | DerivationUpdated | DerivationDeleted | CauseSeen,
) -> bytes:
    if isinstance(fact, DerivationCreated):
        settings = encode_bytes(orjson.dumps(derivation_as_map(fact.settings)))
        head = CODE.pack(DERIVATION_CREATED, fact.queue_id)
        return head + U64.pack(fact.created_at) + settings
    if isinstance(fact, DerivationUpdated):
        settings = encode_bytes(orjson.dumps(derivation_as_map(fact.settings)))
        return CODE.pack(DERIVATION_UPDATED, fact.queue_id) + settings
    if isinstance(fact, DerivationDeleted):
        return CODE.pack(DERIVATION_DELETED, fact.queue_id) + encode_text(fact.name)
    if isinstance(fact, CauseSeen):
        head = CODE.pack(CAUSE_SEEN, fact.queue_id) + U64.pack(fact.at)
        return head + encode_bytes(fact.key)
    assert_never(fact)


def encode_tags(tags: list[bytes]) -> bytes:
    """Delivery tags have at most 32 bytes (§2.8.7)."""
    parts = [U32.pack(len(tags))]
    for tag in tags:
        parts.append(U8.pack(len(tag)))
        parts.append(tag)
    return b"".join(parts)


def encode_of_topic(
    fact: TopicCreated
    | TopicUpdated
    | TopicDeleted
    | SubscriptionCreated
    | RuleCreated
    | RuleDeleted,
) -> bytes:
    if isinstance(fact, TopicCreated):
        return (
            CODE.pack(TOPIC_CREATED, fact.queue_id)
            + U64.pack(fact.created_at)
            + encode_text(fact.path)
            + encode_settings(fact.settings, fact.updated_at)
        )
    if isinstance(fact, TopicUpdated):
        return CODE.pack(TOPIC_UPDATED, fact.queue_id) + encode_settings(
            fact.settings, fact.updated_at
        )
    if isinstance(fact, TopicDeleted):
        return CODE.pack(TOPIC_DELETED, fact.queue_id)
    if isinstance(fact, SubscriptionCreated):
        return (
            CODE.pack(SUBSCRIPTION_CREATED, fact.queue_id)
            + U32.pack(fact.topic_id)
            + U64.pack(fact.created_at)
            + encode_text(fact.path)
            + encode_text(fact.name)
            + encode_settings(fact.settings, fact.updated_at)
        )
    if isinstance(fact, RuleCreated):
        rule = encode_bytes(orjson.dumps(rule_as_map(fact.rule)))
        return CODE.pack(RULE_CREATED, fact.queue_id) + U64.pack(fact.created_at) + rule
    if isinstance(fact, RuleDeleted):
        return CODE.pack(RULE_DELETED, fact.queue_id) + encode_text(fact.name)
    assert_never(fact)


def encode_numbers(numbers: list[SequenceNumber]) -> bytes:
    """A count of ranges, then each range's first number and length."""
    ranges: list[bytes] = []
    first = numbers[0]
    count = 0
    for number in numbers:
        if number == first + count:
            count += 1
        else:
            ranges.append(RANGE.pack(first, count))
            first = number
            count = 1
    ranges.append(RANGE.pack(first, count))
    return U32.pack(len(ranges)) + b"".join(ranges)


def encode_text(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")[:0xFFFF]
    return U16.pack(len(raw)) + raw


def encode_long_text(text: str) -> bytes:
    return encode_bytes(text.encode("utf-8", "replace"))


def encode_bytes(raw: bytes) -> bytes:
    return U32.pack(len(raw)) + raw


def encode_origin(origin: Origin) -> bytes:
    return (
        U64.pack(origin.number)
        + U64.pack(origin.enqueued_at)
        + encode_text(origin.source)
        + encode_text(origin.reason)
        + encode_text(origin.description)
    )


def encode_settings(settings: QueueSettings | TopicSettings, updated_at: UnixMs) -> bytes:
    """As JSON: it describes itself, and newer settings may be added.

    When they were changed goes along: who does not know it passes over it.
    """
    values = settings_as_map(settings)
    if not settings.service_bus:
        del values["service_bus"]  # most have nothing there
    if updated_at != NEVER:
        values[UPDATED_AT] = updated_at
    raw = orjson.dumps(values)
    return U16.pack(len(raw)) + raw


# ---- reading


class FactReader:
    """Reads the facts of one record; positions are relative to `data`, which is at `base`."""

    def __init__(self, data: bytes, at: int, end: int, base: Lsn) -> None:
        self._data = data
        self._at = at
        self._end = end
        self._base = base

    def read_all(self) -> list[Fact]:
        facts: list[Fact] = []
        try:
            while self._at < self._end:
                facts.append(self._read())
        except (struct_error, IndexError, TypeError, ValueError, BrokerError) as error:
            raise BadFact(f"a fact that makes no sense: {error}") from error
        if self._at != self._end:
            raise BadFact("a fact reaches beyond its record")
        return facts

    def _read(self) -> Fact:
        code = self._data[self._at]
        if code == ENQUEUED:
            return self._read_enqueued()
        queue_id = QueueId(U32.unpack_from(self._data, self._at + 1)[0])
        self._at += CODE.size
        if code == LOCKED:
            nonce = self._take(8)
            until = UnixMs(self._u64())
            return Locked(queue_id, self._numbers(), nonce, until)
        if code == REMOVED:
            cause = Cause(self._u8())
            reason = self._text()
            description = self._text()
            return Removed(queue_id, self._numbers(), cause, reason, description)
        if code == UNLOCKED:
            failed = self._u8() != 0
            not_before = UnixMs(self._u64())
            return Unlocked(queue_id, self._numbers(), failed, not_before)
        if code == RENEWED:
            renewed_until = UnixMs(self._u64())
            return Renewed(queue_id, self._numbers(), renewed_until)
        if code == DEFERRED:
            return Deferred(queue_id, self._numbers())
        return self._read_rare(code, queue_id)

    def _read_rare(self, code: int, queue_id: QueueId) -> Fact:
        if code == RELOCATED:
            number = SequenceNumber(self._u64())
            inline = self._u8() == INLINE
            body_at = self._skip_message() if inline else Lsn(self._i64())
            return Relocated(queue_id, number, None, body_at)
        if code == REWRITTEN:
            number = SequenceNumber(self._u64())
            body_at = Lsn(self._base + self._at)
            return Rewritten(queue_id, number, None, self._skip_sized(), body_at)
        if code == QUEUE_CREATED:
            dead_letters_of = QueueId(self._u32())
            created_at = UnixMs(self._u64())
            path = EntityPath(self._text())
            settings, updated_at = self._settings()
            return QueueCreated(
                queue_id, path, settings, dead_letters_of, created_at, updated_at
            )
        if code == QUEUE_UPDATED:
            settings, updated_at = self._settings()
            return QueueUpdated(queue_id, settings, updated_at)
        if code == QUEUE_DELETED:
            return QueueDeleted(queue_id)
        if code == NUMBERED:
            return Numbered(queue_id, SequenceNumber(self._u64()))
        if code == CAPTURED:
            through = SequenceNumber(self._u64())
            return Captured(queue_id, through, Lsn(self._u64()))
        if code == MESSAGE_ID_SEEN:
            seen_at = UnixMs(self._u64())
            return MessageIdSeen(queue_id, self._bytes(), seen_at)
        if SESSION_LOCKED <= code <= SESSION_STATE_SET:
            return self._read_of_session(code, queue_id)
        if LINK_OPENED <= code <= HELD_FOR or code == WILL_SET:
            return self._read_of_link(code, queue_id)
        if code >= DERIVATION_CREATED:
            return self._read_of_derivations(code, queue_id)
        return self._read_of_topic(code, queue_id)

    def _read_of_session(self, code: int, queue_id: QueueId) -> Fact:
        if code == SESSION_LOCKED:
            nonce = self._take(8)
            until = UnixMs(self._u64())
            return SessionLocked(queue_id, SessionId(self._text()), nonce, until)
        if code == SESSION_RENEWED:
            renewed_until = UnixMs(self._u64())
            return SessionRenewed(queue_id, SessionId(self._text()), renewed_until)
        if code == SESSION_UNLOCKED:
            unlocked_at = UnixMs(self._u64())
            return SessionUnlocked(queue_id, SessionId(self._text()), unlocked_at)
        at = UnixMs(self._u64())
        there = self._u8() != 0
        session_id = SessionId(self._text())
        state = self._bytes()
        return SessionStateSet(queue_id, session_id, state if there else None, at)

    def _read_of_link(self, code: int, queue_id: QueueId) -> Fact:
        link_id = LinkId(self._u32())
        if code == HELD_FOR:
            return HeldFor(queue_id, self._numbers(), link_id)
        if code == LINK_OPENED:
            entity_id = QueueId(self._u32())
            is_sender = self._u8() != 0
            lifetime_ms = Millis(self._u64())
            user = self._text()
            container_id = self._text()
            name = self._text()
            return LinkOpened(
                link_id, entity_id, is_sender, lifetime_ms, user, container_id, name
            )
        if code == LINK_SUSPENDED:
            return LinkSuspended(link_id, UnixMs(self._u64()))
        if code == LINK_CLOSED:
            return LinkClosed(link_id)
        if code == DELIVERY_KEPT:
            verdict = Verdict(self._u8())
            return DeliveryKept(link_id, self._tags(), verdict)
        if code == WILL_SET:
            delay_ms = Millis(self._u64())
            return WillSet(link_id, self._bytes(), delay_ms)
        return DeliveryForgotten(link_id, self._tags())

    def _tags(self) -> list[bytes]:
        return [self._take(self._u8()) for _ in range(self._u32())]

    def _read_of_topic(self, code: int, queue_id: QueueId) -> Fact:
        if code == TOPIC_CREATED:
            created_at = UnixMs(self._u64())
            path = EntityPath(self._text())
            chosen, updated_at = self._topic_settings()
            return TopicCreated(queue_id, path, chosen, created_at, updated_at)
        if code == TOPIC_UPDATED:
            chosen, updated_at = self._topic_settings()
            return TopicUpdated(queue_id, chosen, updated_at)
        if code == TOPIC_DELETED:
            return TopicDeleted(queue_id)
        if code == SUBSCRIPTION_CREATED:
            topic_id = QueueId(self._u32())
            created_at = UnixMs(self._u64())
            path = EntityPath(self._text())
            name = self._text()
            settings, updated_at = self._settings()
            return SubscriptionCreated(
                queue_id, path, name, settings, topic_id, created_at, updated_at
            )
        if code == RULE_CREATED:
            created_at = UnixMs(self._u64())
            rule = rule_from_map(orjson.loads(self._bytes()))
            return RuleCreated(queue_id, rule, created_at)
        if code == RULE_DELETED:
            return RuleDeleted(queue_id, self._text())
        if code == LAST_VALUE_SET:
            return self._read_last_value()
        if code == LAST_VALUE_CLEARED:
            cause = Cause(self._u8())
            return LastValueCleared(queue_id, self._numbers(), cause)
        raise BadFact(f"fact type {code} is not known to this version")

    def _read_last_value(self) -> LastValueSet:
        self._at -= CODE.size
        head = LAST_VALUE_HEAD.unpack_from(self._data, self._at)
        _code, topic_id, number, kept_at, size, expires_at, source_number, flags = head
        self._at += LAST_VALUE_HEAD.size
        if flags & ~LAST_VALUE_FLAGS_KNOWN:
            raise BadFact(f"flags {flags:#x} are not known to this version")
        subject = self._text() if flags & HAS_SUBJECT else None
        body_at = self._skip_message() if flags & INLINE else Lsn(self._i64())
        return LastValueSet(
            topic_id, number, subject, None, kept_at, size, expires_at, body_at, source_number
        )

    def _read_of_derivations(self, code: int, queue_id: QueueId) -> Fact:
        if code == DERIVATION_CREATED:
            created_at = UnixMs(self._u64())
            settings = derivation_from_map(orjson.loads(self._bytes()))
            return DerivationCreated(queue_id, settings, created_at)
        if code == DERIVATION_UPDATED:
            changed = derivation_from_map(orjson.loads(self._bytes()))
            return DerivationUpdated(queue_id, changed)
        if code == DERIVATION_DELETED:
            return DerivationDeleted(queue_id, self._text())
        if code == CAUSE_SEEN:
            at = UnixMs(self._u64())
            return CauseSeen(queue_id, self._bytes(), at)
        if SIGNAL_TAKEN <= code <= KEY_CROSSED:
            return self._read_of_key(code, queue_id)
        raise BadFact(f"fact type {code} is not known to this version")

    def _read_of_key(self, code: int, queue_id: QueueId) -> Fact:
        serial = self._u64()
        name = self._text()
        key = self._text()
        if code == KEY_CLOSED:
            return KeyClosed(queue_id, name, serial, key)
        if code == KEY_KEPT:
            account = self._bytes()
            account_from(account, serial)  # it has to be one
            return KeyKept(queue_id, name, serial, key, account)
        if code == KEY_CROSSED:
            return KeyCrossed(queue_id, name, serial, key, self._i8())
        at = UnixMs(self._u64())
        if code == SAMPLE_TAKEN:
            part = self._text()
            return SampleTaken(queue_id, name, serial, key, at, part, self._f64())
        source = self._long_text()
        cause_id = self._long_text()
        return SignalTaken(queue_id, name, serial, key, at, source, cause_id, self._bytes())

    def _read_enqueued(self) -> Enqueued:
        (
            _code,
            queue_id,
            number,
            enqueued_at,
            size,
            priority,
            flags,
            delivery_count,
            expires_at,
            not_before,
        ) = ENQUEUED_HEAD.unpack_from(self._data, self._at)
        self._at += ENQUEUED_HEAD.size
        if flags & ~FLAGS_KNOWN:
            raise BadFact(f"flags {flags:#x} are not known to this version")
        origin = self._origin() if flags & HAS_ORIGIN else None
        session_id = SessionId(self._text()) if flags & HAS_SESSION else None
        source = SequenceNumber(self._u64()) if flags & HAS_SOURCE else UNNUMBERED
        body_at = self._skip_message() if flags & INLINE else Lsn(self._i64())
        return Enqueued(
            queue_id,
            number,
            None,
            enqueued_at,
            size,
            priority,
            expires_at,
            not_before,
            delivery_count,
            origin,
            body_at,
            session_id,
            source,
        )

    def _skip_message(self) -> Lsn:
        """Over a message; returns its position. Nothing of it is read."""
        at = self._at
        self._skip_sized()
        return Lsn(self._base + at)

    def _skip_sized(self) -> int:
        """Over a message; returns its size, as `Message.size` says."""
        lengths = MESSAGE_HEAD.unpack_from(self._data, self._at)
        size = int(lengths[3]) + int(lengths[4])
        self._at += MESSAGE_HEAD.size + size
        return size

    def _origin(self) -> Origin:
        number = SequenceNumber(self._u64())
        enqueued_at = UnixMs(self._u64())
        source = EntityPath(self._text())
        reason = self._text()
        return Origin(source, number, enqueued_at, reason, self._text())

    def _settings(self) -> tuple[QueueSettings, UnixMs]:
        """And when they were changed; NEVER if that is not said."""
        values = orjson.loads(self._take(self._u16()))
        return with_changes(QueueSettings(), values), UnixMs(int(values.get(UPDATED_AT, NEVER)))

    def _topic_settings(self) -> tuple[TopicSettings, UnixMs]:
        values = orjson.loads(self._take(self._u16()))
        return with_changes(TopicSettings(), values), UnixMs(int(values.get(UPDATED_AT, NEVER)))

    def _bytes(self) -> bytes:
        return self._take(self._u32())

    def _numbers(self) -> list[SequenceNumber]:
        numbers: list[SequenceNumber] = []
        for _ in range(self._u32()):
            first, count = RANGE.unpack_from(self._data, self._at)
            self._at += RANGE.size
            if count > RUN_COUNT_MAX:
                raise BadFact(f"a run of {count} messages")
            numbers.extend([SequenceNumber(n) for n in range(first, first + count)])
        return numbers

    def _text(self) -> str:
        return self._take(self._u16()).decode("utf-8", "replace")

    def _long_text(self) -> str:
        return self._bytes().decode("utf-8", "replace")

    def _take(self, count: int) -> bytes:
        raw = self._data[self._at : self._at + count]
        self._at += count
        return raw

    def _u8(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _i8(self) -> int:
        self._at += 1
        return int(I8.unpack_from(self._data, self._at - 1)[0])

    def _f64(self) -> float:
        self._at += 8
        return float(F64.unpack_from(self._data, self._at - 8)[0])

    def _u16(self) -> int:
        self._at += 2
        return int(U16.unpack_from(self._data, self._at - 2)[0])

    def _u32(self) -> int:
        self._at += 4
        return int(U32.unpack_from(self._data, self._at - 4)[0])

    def _u64(self) -> int:
        self._at += 8
        return int(U64.unpack_from(self._data, self._at - 8)[0])

    def _i64(self) -> int:
        self._at += 8
        return int(I64.unpack_from(self._data, self._at - 8)[0])


def decode_message(data: bytes, at: int) -> Message:
    """The message whose encoding begins at `at`; all its bytes are there."""
    durable, priority, ttl_ms, annotated, size = MESSAGE_HEAD.unpack_from(data, at)
    start = at + MESSAGE_HEAD.size
    bare_at = start + annotated
    return Message(
        data[bare_at : bare_at + size],
        data[start:bare_at],
        durable != 0,
        priority,
        ttl_ms,
    )
