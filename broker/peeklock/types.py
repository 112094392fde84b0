"""The broker's words, with their units in their types."""

from typing import Final, NewType

UnixMs = NewType("UnixMs", int)  # an instant; the AMQP `timestamp` (AMQP 1.0 §1.6.17)
Millis = NewType("Millis", int)  # a duration
ElapsedMs = NewType("ElapsedMs", int)  # since some moment; only differences mean anything
SequenceNumber = NewType("SequenceNumber", int)  # per entity; from 1; never reused
LockToken = NewType("LockToken", bytes)  # 16 bytes; doubles as the AMQP delivery-tag
Lsn = NewType("Lsn", int)  # journal position in bytes; "durable to Lsn n" includes all before n
QueueId = NewType("QueueId", int)  # a queue's number in the journal; never reused
LinkId = NewType("LinkId", int)  # a recoverable link's number; not reused while known
SessionId = NewType("SessionId", str)  # of a message session (AMQP group-id), in one entity
EntityPath = NewType("EntityPath", str)  # "orders", "orders/$DeadLetterQueue"; as first written

NONCE_BYTES: Final = (
    8  # a lock token's first half: who holds; the other is the message's number
)
NEVER: Final = UnixMs(0)  # an instant that does not come: no expiry, no schedule
NO_TIMEOUT: Final = ElapsedMs(0)  # a time-out that does not come
NO_LINK: Final = LinkId(0)
# Marks a lock that nothing but time and its token end: its holder has no connection to lose.
BY_TIME: Final = LinkId(0xFFFFFFFF)
NOWHERE: Final = Lsn(-1)  # the position of something the journal does not hold


def soonest(one: UnixMs, other: UnixMs) -> UnixMs:
    """The earlier instant, where NEVER comes last."""
    if one == NEVER:
        return other
    return one if other == NEVER or one < other else other


def next_timeout(one: ElapsedMs, other: ElapsedMs) -> ElapsedMs:
    """The earlier of two time-outs, where NO_TIMEOUT comes last."""
    if one == NO_TIMEOUT:
        return other
    return one if other == NO_TIMEOUT or one < other else other
