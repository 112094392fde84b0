"""Everything that can happen to an entity: the closed union of facts.

The journal holds these and nothing else, and `apply` takes these and nothing else. A fact
may stand for a run of messages where that saves objects. `queue_id` comes first in each, so
that recovery knows whom to tell; topics are numbered in the same row.

Facts are plain final classes and not dataclasses because several are made per message
(docs/adr/0013). To add or change one, see the top of store/fact_codec.py.
"""

from enum import IntEnum
from typing import Final, TypeAlias, final

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
from peeklock.entities.dispositions import Verdict
from peeklock.entities.settings import QueueSettings, RuleSettings, TopicSettings
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

UNNUMBERED: Final = SequenceNumber(0)  # it came from nowhere else
NO_QUEUE: Final = QueueId(0)  # a fact of the broker's own


class Cause(IntEnum):
    """Why a message left its queue. The numbers are in the journal: never reuse one."""

    COMPLETED = 1
    RECEIVED = 2  # handed out at most once (receive-and-delete)
    EXPIRED = 3  # outlived its time and was not wanted in the dead-letter queue
    DEAD_LETTERED = 4  # moved: the same append holds its `Enqueued` elsewhere
    PURGED = 5
    DROPPED = 6  # gave way to a newer one in a full queue
    MOVED = 7  # to another queue by an operator: the same append holds its `Enqueued` there
    DAMAGED = 8  # the disk changed its bytes: nobody can have it any more


@final
class Origin:
    """Where a dead letter came from, and why."""

    __slots__ = ("description", "enqueued_at", "number", "reason", "source")
    __match_args__ = ("source", "number", "enqueued_at", "reason", "description")

    def __init__(
        self,
        source: EntityPath,
        number: SequenceNumber,
        enqueued_at: UnixMs,
        reason: str,
        description: str,
    ) -> None:
        self.source: Final = source
        self.number: Final = number  # its sequence number there
        self.enqueued_at: Final = enqueued_at  # when it was first enqueued there
        self.reason: Final = reason
        self.description: Final = description


@final
class QueueCreated:
    """A queue exists. Its dead-letter sub-queue is the next `QueueCreated`, naming it."""

    __slots__ = ("created_at", "dead_letters_of", "path", "queue_id", "settings", "updated_at")
    __match_args__ = ("queue_id", "path", "settings", "dead_letters_of", "created_at")

    def __init__(
        self,
        queue_id: QueueId,
        path: EntityPath,
        settings: QueueSettings,
        dead_letters_of: QueueId,
        created_at: UnixMs,
        updated_at: UnixMs = NEVER,
    ) -> None:
        self.queue_id: Final = queue_id
        self.path: Final = path
        self.settings: Final = settings
        self.dead_letters_of: Final = dead_letters_of  # 0: an ordinary queue
        self.created_at: Final = created_at
        self.updated_at: Final = updated_at  # in a snapshot; NEVER: its settings are its first


@final
class QueueUpdated:
    """A queue has other settings from now on."""

    __slots__ = ("queue_id", "settings", "updated_at")
    __match_args__ = ("queue_id", "settings", "updated_at")

    def __init__(self, queue_id: QueueId, settings: QueueSettings, updated_at: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.settings: Final = settings
        self.updated_at: Final = updated_at  # NEVER: older versions did not say


@final
class QueueDeleted:
    """A queue is gone, with all its messages."""

    __slots__ = ("queue_id",)
    __match_args__ = ("queue_id",)

    def __init__(self, queue_id: QueueId) -> None:
        self.queue_id: Final = queue_id


@final
class TopicCreated:
    """A topic exists, without subscriptions yet."""

    __slots__ = ("created_at", "path", "queue_id", "settings", "updated_at")
    __match_args__ = ("queue_id", "path", "settings", "created_at")

    def __init__(
        self,
        queue_id: QueueId,
        path: EntityPath,
        settings: TopicSettings,
        created_at: UnixMs,
        updated_at: UnixMs = NEVER,
    ) -> None:
        self.queue_id: Final = queue_id
        self.path: Final = path
        self.settings: Final = settings
        self.created_at: Final = created_at
        self.updated_at: Final = updated_at  # in a snapshot; NEVER: its settings are its first


@final
class TopicUpdated:
    """A topic has other settings from now on."""

    __slots__ = ("queue_id", "settings", "updated_at")
    __match_args__ = ("queue_id", "settings", "updated_at")

    def __init__(self, queue_id: QueueId, settings: TopicSettings, updated_at: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.settings: Final = settings
        self.updated_at: Final = updated_at  # NEVER: older versions did not say


@final
class TopicDeleted:
    """A topic is gone; the same append says so of each subscription before."""

    __slots__ = ("queue_id",)
    __match_args__ = ("queue_id",)

    def __init__(self, queue_id: QueueId) -> None:
        self.queue_id: Final = queue_id


@final
class SubscriptionCreated:
    """A subscription exists: a queue under a topic, without rules yet."""

    __slots__ = ("created_at", "name", "path", "queue_id", "settings", "topic_id", "updated_at")
    __match_args__ = ("queue_id", "path", "name", "settings", "topic_id", "created_at")

    def __init__(
        self,
        queue_id: QueueId,
        path: EntityPath,
        name: str,
        settings: QueueSettings,
        topic_id: QueueId,
        created_at: UnixMs,
        updated_at: UnixMs = NEVER,
    ) -> None:
        self.queue_id: Final = queue_id
        self.path: Final = path  # "<topic>/Subscriptions/<name>"
        self.name: Final = name
        self.settings: Final = settings
        self.topic_id: Final = topic_id
        self.created_at: Final = created_at
        self.updated_at: Final = updated_at  # in a snapshot; NEVER: its settings are its first


@final
class RuleCreated:
    """A subscription has one more rule, or another one of this name."""

    __slots__ = ("created_at", "queue_id", "rule")
    __match_args__ = ("queue_id", "rule", "created_at")

    def __init__(self, queue_id: QueueId, rule: RuleSettings, created_at: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.rule: Final = rule
        self.created_at: Final = created_at


@final
class RuleDeleted:
    """A subscription has one rule less."""

    __slots__ = ("name", "queue_id")
    __match_args__ = ("queue_id", "name")

    def __init__(self, queue_id: QueueId, name: str) -> None:
        self.queue_id: Final = queue_id
        self.name: Final = name


@final
class MessageIdSeen:
    """A message with this id was taken: for a while, another one with it is a duplicate."""

    __slots__ = ("at", "key", "queue_id")
    __match_args__ = ("queue_id", "key", "at")

    def __init__(self, queue_id: QueueId, key: bytes, at: UnixMs) -> None:
        self.queue_id: Final = queue_id  # a queue's or a topic's
        self.key: Final = key  # the message-id as AMQP encodes it, type and all
        self.at: Final = at  # from when on the window counts


@final
class SessionLocked:
    """A message session has a holder, under the session's own nonce, until an instant."""

    __slots__ = ("nonce", "queue_id", "session_id", "until")
    __match_args__ = ("queue_id", "session_id", "nonce", "until")

    def __init__(
        self, queue_id: QueueId, session_id: SessionId, nonce: bytes, until: UnixMs
    ) -> None:
        self.queue_id: Final = queue_id
        self.session_id: Final = session_id
        self.nonce: Final = nonce  # 8 bytes
        self.until: Final = until


@final
class SessionRenewed:
    """A session's lock runs longer, and with it those of the messages held in it."""

    __slots__ = ("queue_id", "session_id", "until")
    __match_args__ = ("queue_id", "session_id", "until")

    def __init__(self, queue_id: QueueId, session_id: SessionId, until: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.session_id: Final = session_id
        self.until: Final = until


@final
class SessionUnlocked:
    """A session has no holder. What became of its messages, other facts of the append say."""

    __slots__ = ("at", "queue_id", "session_id")
    __match_args__ = ("queue_id", "session_id", "at")

    def __init__(self, queue_id: QueueId, session_id: SessionId, at: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.session_id: Final = session_id
        self.at: Final = at  # from then on it waits; NEVER: since its first message came


@final
class SessionStateSet:
    """A session remembers something for its next holder; None: nothing any more."""

    __slots__ = ("at", "queue_id", "session_id", "state")
    __match_args__ = ("queue_id", "session_id", "state", "at")

    def __init__(
        self, queue_id: QueueId, session_id: SessionId, state: bytes | None, at: UnixMs
    ) -> None:
        self.queue_id: Final = queue_id
        self.session_id: Final = session_id
        self.state: Final = state
        self.at: Final = at


@final
class Enqueued:
    """A message is in the queue.

    Live, `message` is there and `body_at` is NOWHERE until the journal has given it a place;
    a moved message (dead-lettered) brings the place it has, and one of a topic's fan-out
    `shares` that of an earlier fact of the same append: its bytes are stored once. Read back,
    `message` is None and its bytes are at `body_at` when somebody wants them.
    """

    __slots__ = (
        "body_at",
        "delivery_count",
        "enqueued_at",
        "expires_at",
        "message",
        "not_before",
        "number",
        "origin",
        "priority",
        "queue_id",
        "session_id",
        "shares",
        "size",
        "source_number",
    )
    __match_args__ = ("queue_id", "number", "message", "enqueued_at")

    def __init__(
        self,
        queue_id: QueueId,
        number: SequenceNumber,
        message: Message | None,
        enqueued_at: UnixMs,
        size: int,
        priority: int,
        expires_at: UnixMs = NEVER,
        not_before: UnixMs = NEVER,
        delivery_count: int = 0,
        origin: Origin | None = None,
        body_at: Lsn = NOWHERE,
        session_id: SessionId | None = None,
        source_number: SequenceNumber = UNNUMBERED,
        shares: "Enqueued | LastValueSet | None" = None,
    ) -> None:
        self.queue_id: Final = queue_id
        self.number: Final = number
        self.message: Final = message
        self.enqueued_at: Final = enqueued_at  # of what is scheduled, when it is due
        self.size: Final = size  # bytes, as `Message.size` says
        # The queue's order; 0 where it has none. Of a signal that waits for an MQTT session:
        # its QoS, and 4 if it says that it was retained.
        self.priority: Final = priority
        self.expires_at: Final = expires_at  # NEVER when it does not
        self.not_before: Final = not_before  # scheduled until then; NEVER: at once
        self.delivery_count: Final = delivery_count  # failed attempts so far
        self.origin: Final = origin
        self.body_at = body_at  # set once, by the journal's append
        # None: in no message session. Of a signal as above: its topic name, and behind a U+0000
        # the subscription identifiers.
        self.session_id: Final = session_id
        self.source_number: Final = source_number  # in the topic or queue it came from
        self.shares: Final = shares  # not journaled: a position is


@final
class LastValueSet:
    """A topic keeps this signal as the last value of its subject, instead of the one before.

    Where its bytes are is said as `Enqueued` says it; they are often shared with copies.
    """

    __slots__ = (
        "body_at",
        "expires_at",
        "kept_at",
        "message",
        "number",
        "queue_id",
        "shares",
        "size",
        "source_number",
        "subject",
    )
    __match_args__ = ("queue_id", "number", "subject", "message")

    def __init__(
        self,
        queue_id: QueueId,
        number: SequenceNumber,
        subject: str | None,
        message: Message | None,
        kept_at: UnixMs,
        size: int,
        expires_at: UnixMs = NEVER,
        body_at: Lsn = NOWHERE,
        source_number: SequenceNumber = UNNUMBERED,
        shares: "Enqueued | LastValueSet | None" = None,
    ) -> None:
        self.queue_id: Final = queue_id  # the topic's
        self.number: Final = number  # the topic's own
        self.subject: Final = subject  # None: it has none
        self.message: Final = message  # None when read back
        self.kept_at: Final = kept_at
        self.size: Final = size  # bytes, as `Message.size` says
        self.expires_at: Final = expires_at  # NEVER when it does not
        self.body_at = body_at  # set once, by the journal's append
        self.source_number: Final = source_number  # in the first entity it came through
        self.shares: Final = shares  # not journaled: a position is


@final
class LastValueCleared:
    """A topic keeps these no more, and nothing in their place."""

    __slots__ = ("cause", "numbers", "queue_id")
    __match_args__ = ("queue_id", "numbers", "cause")

    def __init__(self, queue_id: QueueId, numbers: list[SequenceNumber], cause: Cause) -> None:
        self.queue_id: Final = queue_id  # the topic's
        self.numbers: Final = numbers
        self.cause: Final = cause  # PURGED: somebody cleared it; EXPIRED; DAMAGED


@final
class Locked:
    """A run of messages is held, each under the token `nonce + number`, until an instant.

    The token's second half is the number as 8 bytes, most significant first.
    """

    __slots__ = ("nonce", "numbers", "queue_id", "until")
    __match_args__ = ("queue_id", "numbers", "nonce", "until")

    def __init__(
        self, queue_id: QueueId, numbers: list[SequenceNumber], nonce: bytes, until: UnixMs
    ) -> None:
        self.queue_id: Final = queue_id
        self.numbers: Final = numbers
        self.nonce: Final = nonce  # 8 bytes
        self.until: Final = until


@final
class Renewed:
    """The locks of these messages run longer."""

    __slots__ = ("numbers", "queue_id", "until")
    __match_args__ = ("queue_id", "numbers", "until")

    def __init__(self, queue_id: QueueId, numbers: list[SequenceNumber], until: UnixMs) -> None:
        self.queue_id: Final = queue_id
        self.numbers: Final = numbers
        self.until: Final = until


@final
class Unlocked:
    """Locks are gone and the messages are back, at once or from `not_before` on.

    Of messages that are deferred, and held by nobody, it says that they are so no more.
    """

    __slots__ = ("failed", "not_before", "numbers", "queue_id")
    __match_args__ = ("queue_id", "numbers", "failed", "not_before")

    def __init__(
        self,
        queue_id: QueueId,
        numbers: list[SequenceNumber],
        failed: bool,
        not_before: UnixMs = NEVER,
    ) -> None:
        self.queue_id: Final = queue_id
        self.numbers: Final = numbers
        self.failed: Final = failed  # counts as an attempt
        self.not_before: Final = not_before


@final
class Deferred:
    """Held messages were set aside, to be fetched by number. Counts as an attempt."""

    __slots__ = ("numbers", "queue_id")
    __match_args__ = ("queue_id", "numbers")

    def __init__(self, queue_id: QueueId, numbers: list[SequenceNumber]) -> None:
        self.queue_id: Final = queue_id
        self.numbers: Final = numbers


@final
class Removed:
    """Messages left the queue; `cause` says why, the texts only for dead letters."""

    __slots__ = ("cause", "description", "numbers", "queue_id", "reason")
    __match_args__ = ("queue_id", "numbers", "cause", "reason", "description")

    def __init__(
        self,
        queue_id: QueueId,
        numbers: list[SequenceNumber],
        cause: Cause,
        reason: str = "",
        description: str = "",
    ) -> None:
        self.queue_id: Final = queue_id
        self.numbers: Final = numbers
        self.cause: Final = cause
        self.reason: Final = reason
        self.description: Final = description


@final
class Relocated:
    """The journal copied a message's bytes forward, so that an old segment can go.

    Of a message that several queues share, the first has the bytes and the others `shares` it.
    """

    __slots__ = ("body_at", "message", "number", "queue_id", "shares")
    __match_args__ = ("queue_id", "number", "message")

    def __init__(
        self,
        queue_id: QueueId,
        number: SequenceNumber,
        message: Message | None,
        body_at: Lsn = NOWHERE,
        shares: "Relocated | None" = None,
    ) -> None:
        self.queue_id: Final = queue_id
        self.number: Final = number
        self.message: Final = message  # None when read back
        self.body_at = body_at  # set once, by the journal's append
        self.shares: Final = shares  # not journaled: a position is


@final
class Rewritten:
    """A settlement changed a message's properties: these are its bytes from now on.

    They are this queue's own, also of a message that others share with it.
    """

    __slots__ = ("body_at", "message", "number", "queue_id", "size")
    __match_args__ = ("queue_id", "number", "message")

    def __init__(
        self,
        queue_id: QueueId,
        number: SequenceNumber,
        message: Message | None,
        size: int,
        body_at: Lsn = NOWHERE,
    ) -> None:
        self.queue_id: Final = queue_id
        self.number: Final = number
        self.message: Final = message  # None when read back
        self.size: Final = size  # bytes, as `Message.size` says
        self.body_at = body_at  # set once, by the journal's append


@final
class Numbered:
    """A queue's next sequence number: what a snapshot says beside its messages."""

    __slots__ = ("next_number", "queue_id")
    __match_args__ = ("queue_id", "next_number")

    def __init__(self, queue_id: QueueId, next_number: SequenceNumber) -> None:
        self.queue_id: Final = queue_id
        self.next_number: Final = next_number


@final
class LinkOpened:
    """A recoverable link is attached, for the first time or again (AMQP 1.0 §2.6.13)."""

    __slots__ = (
        "container_id",
        "entity_id",
        "is_sender",
        "lifetime_ms",
        "link_id",
        "name",
        "queue_id",
        "user",
    )
    __match_args__ = ("link_id", "entity_id", "user", "container_id", "name")

    def __init__(
        self,
        link_id: LinkId,
        entity_id: QueueId,
        is_sender: bool,
        lifetime_ms: Millis,
        user: str,
        container_id: str,
        name: str,
    ) -> None:
        self.queue_id: Final = NO_QUEUE
        self.link_id: Final = link_id
        self.entity_id: Final = entity_id  # where it leads
        self.is_sender: Final = is_sender  # the peer sends on it
        self.lifetime_ms: Final = lifetime_ms  # how long it is remembered while it is away
        self.user: Final = user
        self.container_id: Final = container_id
        self.name: Final = name


@final
class LinkSuspended:
    """A recoverable link is away; nobody has to remember it after `until`."""

    __slots__ = ("link_id", "queue_id", "until")
    __match_args__ = ("link_id", "until")

    def __init__(self, link_id: LinkId, until: UnixMs) -> None:
        self.queue_id: Final = NO_QUEUE
        self.link_id: Final = link_id
        self.until: Final = until


@final
class LinkClosed:
    """A recoverable link is over, and with it all that was remembered of it."""

    __slots__ = ("link_id", "queue_id")
    __match_args__ = ("link_id",)

    def __init__(self, link_id: LinkId) -> None:
        self.queue_id: Final = NO_QUEUE
        self.link_id: Final = link_id


@final
class DeliveryKept:
    """Deliveries have this outcome here, and the peer may not have heard of it."""

    __slots__ = ("link_id", "queue_id", "tags", "verdict")
    __match_args__ = ("link_id", "tags", "verdict")

    def __init__(self, link_id: LinkId, tags: list[bytes], verdict: Verdict) -> None:
        self.queue_id: Final = NO_QUEUE
        self.link_id: Final = link_id
        self.tags: Final = tags
        self.verdict: Final = verdict


@final
class DeliveryForgotten:
    """The peer knows what became of these deliveries, or too many came after them."""

    __slots__ = ("link_id", "queue_id", "tags")
    __match_args__ = ("link_id", "tags")

    def __init__(self, link_id: LinkId, tags: list[bytes]) -> None:
        self.queue_id: Final = NO_QUEUE
        self.link_id: Final = link_id
        self.tags: Final = tags


@final
class WillSet:
    """What is to be published when an MQTT session's client does not come back."""

    __slots__ = ("delay_ms", "link_id", "queue_id", "will")
    __match_args__ = ("link_id", "will", "delay_ms")

    def __init__(self, link_id: LinkId, will: bytes, delay_ms: Millis) -> None:
        self.queue_id: Final = NO_QUEUE
        self.link_id: Final = link_id
        self.will: Final = will  # as its front-end writes it; empty: nothing any more
        self.delay_ms: Final = delay_ms  # from when the client goes


@final
class HeldFor:
    """These locked messages stay locked for a recoverable link while it is away.

    Or, for BY_TIME, for whoever has their lock tokens.
    """

    __slots__ = ("link_id", "numbers", "queue_id")
    __match_args__ = ("queue_id", "numbers", "link_id")

    def __init__(
        self, queue_id: QueueId, numbers: list[SequenceNumber], link_id: LinkId
    ) -> None:
        self.queue_id: Final = queue_id
        self.numbers: Final = numbers
        self.link_id: Final = link_id


@final
class Captured:
    """In a snapshot: this queue's messages up to number `through` are as of position `at`.

    A snapshot is taken in slices while the broker works on, so each slice says when it was
    taken; recovery then leaves out what the journal's tail says of these messages before.
    """

    __slots__ = ("at", "queue_id", "through")
    __match_args__ = ("queue_id", "through", "at")

    def __init__(self, queue_id: QueueId, through: SequenceNumber, at: Lsn) -> None:
        self.queue_id: Final = queue_id
        self.through: Final = through
        self.at: Final = at


Fact: TypeAlias = (
    QueueCreated
    | QueueUpdated
    | QueueDeleted
    | Enqueued
    | Locked
    | Renewed
    | Unlocked
    | Deferred
    | Removed
    | Relocated
    | Rewritten
    | Numbered
    | Captured
    | TopicCreated
    | TopicUpdated
    | TopicDeleted
    | SubscriptionCreated
    | RuleCreated
    | RuleDeleted
    | MessageIdSeen
    | SessionLocked
    | SessionRenewed
    | SessionUnlocked
    | SessionStateSet
    | LinkOpened
    | LinkSuspended
    | LinkClosed
    | DeliveryKept
    | DeliveryForgotten
    | WillSet
    | HeldFor
    | LastValueSet
    | LastValueCleared
    | DerivationCreated
    | DerivationUpdated
    | DerivationDeleted
    | CauseSeen
    | SignalTaken
    | SampleTaken
    | KeyCrossed
    | KeyClosed
    | KeyKept
)

LinkFact: TypeAlias = (
    LinkOpened | LinkSuspended | LinkClosed | DeliveryKept | DeliveryForgotten | WillSet
)
