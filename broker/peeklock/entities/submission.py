"""A message as its sender hands it in, with what the entity wants to know of it."""

from typing import Final, final

from peeklock.entities.facts import UNNUMBERED, Enqueued, LastValueSet, Origin
from peeklock.message import Message
from peeklock.types import NEVER, NOWHERE, Lsn, SequenceNumber, SessionId, UnixMs


@final
class SharedBytes:
    """The bytes of one message that several entities get by one append: stored once."""

    __slots__ = ("first", "is_taken")

    def __init__(self) -> None:
        self.first: Enqueued | LastValueSet | None = (
            None  # the fact that brings them; all others name it
        )
        self.is_taken = False  # somebody keeps it, perhaps changed

    def arrive_with(self, fact: Enqueued) -> None:
        """This fact tells of one arrival."""
        self.is_taken = True
        if self.first is None:
            self.first = fact

    def stay_with(self, fact: LastValueSet) -> None:
        """A topic keeps it, which is no arrival: nobody is handed it by that."""
        if self.first is None:
            self.first = fact


@final
class Passage:
    """What a message brings along from the entities that it has come through."""

    __slots__ = ("body_at", "bytes", "expires_at", "hop_count", "origin", "source_number")

    def __init__(
        self,
        bytes_: SharedBytes,
        source_number: SequenceNumber = UNNUMBERED,
        expires_at: UnixMs = NEVER,
        hop_count: int = 0,
        body_at: Lsn = NOWHERE,
        origin: Origin | None = None,
    ) -> None:
        self.bytes: Final = bytes_
        self.source_number: Final = source_number  # in the first of them
        self.expires_at: Final = expires_at  # at the latest, as they say; NEVER: they do not
        self.hop_count: Final = hop_count  # how often it was forwarded
        self.body_at: Final = body_at  # where its bytes lie if they are stored; else NOWHERE
        self.origin: Final = origin  # of a dead letter


# Whether a topic keeps the signal as the last value of its subject.
AS_THE_TOPIC_SAYS: Final = 0  # its setting `keep_last_value`
KEEP: Final = 1  # this one in any case
CLEAR: Final = 2  # and what it kept goes; the signal goes to subscriptions, and is not kept


@final
class Publication:
    """What MQTT says of a signal beside its message."""

    __slots__ = ("publish", "publisher", "qos", "retain", "topic_name")

    def __init__(
        self,
        topic_name: str,
        qos: int,
        retain: bool,
        publisher: object,
        publish: object = None,
    ) -> None:
        self.topic_name: Final = topic_name
        self.qos: Final = qos
        self.retain: Final = retain
        self.publish: Final = publish  # the front-end's own: what it came as
        self.publisher: Final = publisher  # the listener whose own signal it is; None: nobody


@final
class Submission:
    """The front-end reads out of the bytes what the entity's settings ask for, once."""

    __slots__ = (
        "last_value",
        "message",
        "message_id",
        "not_before",
        "passage",
        "publication",
        "session_id",
    )

    def __init__(
        self,
        message: Message,
        not_before: UnixMs = NEVER,
        message_id: bytes = b"",
        session_id: SessionId | None = None,
        passage: Passage | None = None,
        publication: Publication | None = None,
        last_value: int = AS_THE_TOPIC_SAYS,
    ) -> None:
        self.message: Final = message
        self.not_before: Final = not_before  # to be had from then on; NEVER: at once
        # What duplicate detection compares, as AMQP encodes it; b"": not looked at, or none.
        self.message_id: Final = message_id
        self.session_id: Final = session_id  # None: not looked at, or none
        self.passage: Final = passage  # None: it comes straight from its sender
        self.publication: Final = publication  # None: it came another way than by MQTT
        self.last_value: Final = last_value  # AS_THE_TOPIC_SAYS, KEEP or CLEAR
