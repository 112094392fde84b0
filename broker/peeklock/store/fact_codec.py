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
from peeklock.errors import BrokerError
from peeklock.message import Message
from peeklock.types import NOWHERE, EntityPath, Lsn, QueueId, SequenceNumber, UnixMs

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

INLINE: Final = 1  # flags of ENQUEUED and RELOCATED: the message follows
HAS_ORIGIN: Final = 2  # the dead letter's origin follows

CODE: Final = Struct(">BI")  # type, queue
# type, queue, number, enqueued at, size, priority, flags, delivery count, expires, not before
ENQUEUED_HEAD: Final = Struct(">BIQQIBBIQQ")
RELOCATED_HEAD: Final = Struct(">BIQB")
# durable, priority, ttl, length of the annotations, length of the bare message
MESSAGE_HEAD: Final = Struct(">BBqII")
U8: Final = Struct(">B")
U16: Final = Struct(">H")
U32: Final = Struct(">I")
U64: Final = Struct(">Q")
I64: Final = Struct(">q")
RANGE: Final = Struct(">QI")

# Messages of one range: no verb makes a longer one, and reading one back costs memory.
RUN_COUNT_MAX: Final = 1 << 24


class BadFact(Exception):
    """Bytes with a good checksum that this version cannot read."""


# ---- writing


def encode_fact(parts: list[bytes], fact: Fact, at: Lsn) -> Lsn:
    """Append the bytes of `fact`, which begin at `at`; returns where they end."""
    if isinstance(fact, Enqueued):
        return encode_enqueued(parts, fact, at)
    if isinstance(fact, Relocated):
        message = fact.message
        assert message is not None
        parts.append(RELOCATED_HEAD.pack(RELOCATED, fact.queue_id, fact.number, INLINE))
        fact.body_at = Lsn(at + RELOCATED_HEAD.size)
        return encode_message(parts, message, fact.body_at)
    encoded = encode_small(fact)
    parts.append(encoded)
    return Lsn(at + len(encoded))


def encode_enqueued(parts: list[bytes], fact: Enqueued, at: Lsn) -> Lsn:
    message = fact.message if fact.body_at == NOWHERE else None
    flags = 0 if message is None else INLINE
    origin = fact.origin
    tail = b""
    if origin is not None:
        flags |= HAS_ORIGIN
        tail = encode_origin(origin)
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
            + encode_settings(fact.settings)
        )
    if isinstance(fact, QueueUpdated):
        return CODE.pack(QUEUE_UPDATED, fact.queue_id) + encode_settings(fact.settings)
    if isinstance(fact, QueueDeleted):
        return CODE.pack(QUEUE_DELETED, fact.queue_id)
    if isinstance(fact, Numbered):
        return CODE.pack(NUMBERED, fact.queue_id) + U64.pack(fact.next_number)
    if isinstance(fact, Captured):
        return CODE.pack(CAPTURED, fact.queue_id) + U64.pack(fact.through) + U64.pack(fact.at)
    assert not isinstance(fact, (Enqueued, Locked, Removed, Unlocked, Renewed))
    assert not isinstance(fact, (Deferred, Relocated))
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


def encode_origin(origin: Origin) -> bytes:
    return (
        U64.pack(origin.number)
        + U64.pack(origin.enqueued_at)
        + encode_text(origin.source)
        + encode_text(origin.reason)
        + encode_text(origin.description)
    )


def encode_settings(settings: QueueSettings) -> bytes:
    """As JSON: it describes itself, and newer settings may be added."""
    raw = orjson.dumps(settings_as_map(settings))
    return U16.pack(len(raw)) + raw


def settings_as_map(settings: QueueSettings) -> dict[str, object]:
    """Every setting by its name, the retry policy's flattened."""
    retry = settings.retry
    return {
        "lock_duration_ms": settings.lock_duration_ms,
        "max_delivery_count": settings.max_delivery_count,
        "default_ttl_ms": settings.default_ttl_ms,
        "dead_letter_on_expiry": settings.dead_letter_on_expiry,
        "priorities": settings.priorities,
        "max_bytes": settings.max_bytes,
        "max_messages": settings.max_messages,
        "max_message_bytes": settings.max_message_bytes,
        "overflow": str(settings.overflow),
        "retry_first_ms": retry.first_ms,
        "retry_factor": retry.factor,
        "retry_cap_ms": retry.cap_ms,
        "retry_jitter": retry.jitter,
        "dispatch": settings.dispatch,
        "temporary": settings.temporary,
    }


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
            self._u8()
            body_at = self._skip_message()
            return Relocated(queue_id, number, None, body_at)
        if code == QUEUE_CREATED:
            dead_letters_of = QueueId(self._u32())
            created_at = UnixMs(self._u64())
            path = EntityPath(self._text())
            return QueueCreated(queue_id, path, self._settings(), dead_letters_of, created_at)
        if code == QUEUE_UPDATED:
            return QueueUpdated(queue_id, self._settings())
        if code == QUEUE_DELETED:
            return QueueDeleted(queue_id)
        if code == NUMBERED:
            return Numbered(queue_id, SequenceNumber(self._u64()))
        if code == CAPTURED:
            through = SequenceNumber(self._u64())
            return Captured(queue_id, through, Lsn(self._u64()))
        raise BadFact(f"fact type {code} is not known to this version")

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
        origin = self._origin() if flags & HAS_ORIGIN else None
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
        )

    def _skip_message(self) -> Lsn:
        """Over a message; returns its position. Nothing of it is read."""
        at = self._at
        lengths = MESSAGE_HEAD.unpack_from(self._data, at)
        self._at = at + MESSAGE_HEAD.size + int(lengths[3]) + int(lengths[4])
        return Lsn(self._base + at)

    def _origin(self) -> Origin:
        number = SequenceNumber(self._u64())
        enqueued_at = UnixMs(self._u64())
        source = EntityPath(self._text())
        reason = self._text()
        return Origin(source, number, enqueued_at, reason, self._text())

    def _settings(self) -> QueueSettings:
        return settings_from_map(orjson.loads(self._take(self._u16())))

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

    def _take(self, count: int) -> bytes:
        raw = self._data[self._at : self._at + count]
        self._at += count
        return raw

    def _u8(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

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


def settings_from_map(values: dict[str, object]) -> QueueSettings:
    """Settings by name; missing ones have their defaults, unknown ones are left out.

    Raises `InvalidRequest` for a value out of its range and `TypeError` for one of a wrong
    type: the management node checks types before.
    """
    default = QueueSettings()
    known = settings_as_map(default)
    found = {name: values.get(name, value) for name, value in known.items()}
    return QueueSettings(
        lock_duration_ms=whole(found["lock_duration_ms"]),
        max_delivery_count=whole(found["max_delivery_count"]),
        default_ttl_ms=whole(found["default_ttl_ms"]),
        dead_letter_on_expiry=bool(found["dead_letter_on_expiry"]),
        priorities=bool(found["priorities"]),
        max_bytes=whole(found["max_bytes"]),
        max_messages=whole(found["max_messages"]),
        max_message_bytes=whole(found["max_message_bytes"]),
        overflow=Overflow(str(found["overflow"])),
        retry=RetryPolicy(
            first_ms=whole(found["retry_first_ms"]),
            factor=real(found["retry_factor"]),
            cap_ms=whole(found["retry_cap_ms"]),
            jitter=real(found["retry_jitter"]),
        ),
        dispatch=bool(found["dispatch"]),
        temporary=bool(found["temporary"]),
    )


def whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return int(value)


def real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


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
