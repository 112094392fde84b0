"""What a sender's transfer brings in: one message, or an envelope of several.

Here a message is held against the limits of its headers, and gets a message-id when its sender
gave it none: Service Bus' JavaScript client cannot settle one without. All else of the bare
message passes as it came, and all of one with a footer, which may have its checksum (§3.2.9).
"""

from struct import Struct
from typing import Final

from peeklock.clock import IdSource
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, MessageTooLarge, ProtocolViolation
from peeklock.frontends.amqp_message import check_length, read_message, submission_of
from peeklock.limits import AMQP_MAP_BYTES_MAX, BATCH_MESSAGES_MAX, ID_CHARACTERS_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.primitives import read_value, skip_value
from peeklock.protocols.amqp10.sections import (
    APPLICATION_PROPERTIES,
    DATA,
    FOOTER,
    PROPERTIES,
    section_code,
    split_message,
    value_at,
)
from peeklock.types import UnixMs

# The message-format of an envelope: Service Bus' own, and Event Hubs'. §2.8.11 has a vendor's
# number in the upper three bytes.
BATCH_FORMAT: Final = 0x80013700

LIST0: Final = 0x45
LIST8: Final = 0xC0
LIST32: Final = 0xD0
NULL: Final = 0x40
STRING8: Final = 0xA1
TEXTS: Final = b"\xa0\xa1\xb0\xb1"  # binaries and strings
LIST32_HEAD: Final = Struct(">BII")
PROPERTIES_HEAD: Final = b"\x00\x53\x73"
SHORT_PROPERTIES_HEAD: Final = PROPERTIES_HEAD + b"\xc0"
SHORT_ID_BYTES_MIN: Final = 2  # behind the list's count: a type and a length


def read_sent(payload: bytes, entity: Queue | Topic, ids: IdSource, now: UnixMs) -> Submission:
    """One message. Raises `ProtocolViolation` for what is none, and `InvalidRequest`."""
    message = read_message(payload)
    given = submission_of(message, entity, now)
    bare = message.bare
    if len(bare) <= AMQP_MAP_BYTES_MAX:  # else its application properties may be too large
        if has_short_id(bare):
            return given
    else:
        check_application_properties(bare)
    at = message_id_at(bare)
    if at >= 0:
        check_message_id(bare, at)
        return given
    if has_footer(bare):
        return given
    stamped = Message(
        with_message_id(bare, ids.name()),
        message.annotations,
        message.durable,
        message.priority,
        message.ttl_ms,
    )
    return Submission(stamped, given.not_before, given.message_id, given.session_id)


def read_batch(
    payload: bytes, entity: Queue | Topic, ids: IdSource, now: UnixMs
) -> list[Submission]:
    """The messages of an envelope, in their order: each Data section is one, encoded."""
    limit = entity.settings.max_message_bytes
    if len(payload) > limit:
        raise MessageTooLarge(len(payload), limit)
    bare = split_message(payload).bare
    found: list[Submission] = []
    at = 0
    while at < len(bare):
        code = section_code(bare, at)
        start = value_at(bare, at)
        at = skip_value(bare, start)
        if code in (PROPERTIES, APPLICATION_PROPERTIES):
            continue  # clients repeat the first message's here
        inner, _end = read_value(bare, start)
        if code != DATA or not isinstance(inner, bytes):
            raise ProtocolViolation("message-format 0x80013700", "messages are data sections")
        if len(found) == BATCH_MESSAGES_MAX:
            raise InvalidRequest(
                f"more than {BATCH_MESSAGES_MAX} messages in one envelope, the limit"
            )
        found.append(read_sent(inner, entity, ids, now))
    if not found:
        raise InvalidRequest("an envelope without messages")
    return found


def has_short_id(bare: bytes) -> bool:
    """Is it what clients usually send: a few properties, the first of them a short string?"""
    return (
        bare.startswith(SHORT_PROPERTIES_HEAD)
        and bare[4] > SHORT_ID_BYTES_MIN
        and bare[5] > 0
        and bare[6] == STRING8
        and bare[7] <= ID_CHARACTERS_MAX
    )


def message_id_at(bare: bytes) -> int:
    """Where the message-id, the first of the properties (§3.2.4), begins; -1: there is none."""
    if bare.startswith(PROPERTIES_HEAD):
        start = 3
    elif bare and section_code(bare, 0) == PROPERTIES:
        start = value_at(bare, 0)
    else:
        return -1
    at, count = list_at(bare, start)
    return at if count and at < len(bare) and bare[at] != NULL else -1


def list_at(bare: bytes, start: int) -> tuple[int, int]:
    """Where the items of the properties' list begin, and how many they are said to be."""
    code = bare[start]
    if code == LIST8 and bare[start + 1] >= 1:
        return start + 3, bare[start + 2]
    if code == LIST32 and start + LIST32_HEAD.size <= len(bare):
        _code, size, count = LIST32_HEAD.unpack_from(bare, start)
        if size >= 4:
            return start + LIST32_HEAD.size, int(count)
    if code != LIST0:
        raise ProtocolViolation("AMQP 1.0 §3.2.4", "properties that are no list")
    return start + 1, 0


def check_message_id(bare: bytes, at: int) -> None:
    """A string or binary may be too long; numbers and uuids cannot."""
    code = bare[at]
    if code not in TEXTS:
        return
    if code == STRING8 and at + 1 < len(bare) and bare[at + 1] <= ID_CHARACTERS_MAX:
        return
    check_length("message-id", read_value(bare, at)[0])


def check_application_properties(bare: bytes) -> None:
    at = 0
    if section_code(bare, 0) == PROPERTIES:
        at = skip_value(bare, value_at(bare, 0))
    if at < len(bare) and section_code(bare, at) == APPLICATION_PROPERTIES:
        start = value_at(bare, at)
        size = skip_value(bare, start) - start
        if size > AMQP_MAP_BYTES_MAX:
            raise InvalidRequest(
                f"application properties of {size} bytes; allowed are {AMQP_MAP_BYTES_MAX}"
            )


def has_footer(bare: bytes) -> bool:
    at = 0
    while at < len(bare):
        if section_code(bare, at) == FOOTER:
            return True
        at = skip_value(bare, value_at(bare, at))
    return False


def with_message_id(bare: bytes, message_id: str) -> bytes:
    """`bare` with this id, where it has none. All other properties stay the bytes they were."""
    raw = message_id.encode("ascii")
    stamp = bytes((STRING8, len(raw))) + raw
    end = 0
    rest = b""
    count = 1
    if bare and section_code(bare, 0) == PROPERTIES:
        start = value_at(bare, 0)
        end = skip_value(bare, start)
        items_at, found_count = list_at(bare, start)
        if found_count > 0:
            rest = bare[items_at + 1 : end]  # behind the null in its place
            count = found_count
    size = 4 + len(stamp) + len(rest)
    head = PROPERTIES_HEAD + LIST32_HEAD.pack(LIST32, size, count)
    return head + stamp + rest + bare[end:]
