"""What one append brings to entities before it is whole.

An append may touch many entities, and some of them more than once: a topic's subscriptions
may forward to the same queue. Each decides by its state, which is not changed before the
append is recorded; what else the same append brings to it, it learns here.
"""

from typing import Final, final

from peeklock.entities.last_values import Keeping
from peeklock.entities.listeners import Hearing
from peeklock.entities.scratch import Scratch
from peeklock.entities.submission import Submission
from peeklock.entities.tally import Tally
from peeklock.message import Message
from peeklock.types import QueueId, SequenceNumber, UnixMs


@final
class Load:
    """What comes to one entity."""

    __slots__ = (
        "_ids",
        "count",
        "keeping",
        "number_count",
        "scratch",
        "size_bytes",
    )

    def __init__(self) -> None:
        self.number_count = 0  # sequence numbers given, also to what is passed on
        self.count = 0  # messages that stay, and need room
        self.size_bytes = 0
        # Where duplicates are dropped. None: so far no copy has had to pay for a set.
        self._ids: set[bytes] | None = None
        self.keeping: Keeping | None = None  # a topic's last values, if it keeps any of it
        self.scratch: Scratch | None = None  # of a topic's derivations

    def has_id(self, message_id: bytes) -> bool:
        """Does this append bring a message with this id already?"""
        return self._ids is not None and message_id in self._ids

    def note_id(self, message_id: bytes) -> None:
        """It brings one."""
        if self._ids is None:
            self._ids = set()
        self._ids.add(message_id)

    def number(self) -> int:
        """The place of one more number, from 0; what gets it needs no room."""
        self.number_count += 1
        return self.number_count - 1

    def grow(self, size: int) -> None:
        """Messages that are there already get larger by so much; smaller ones gain nothing."""
        self.size_bytes += max(0, size)

    def take(self, size: int) -> int:
        """As `number`, for a message that stays."""
        self.count += 1
        self.size_bytes += size
        return self.number()

    def copy(self) -> "Load":
        """For a try that may fail."""
        other = Load()
        other.number_count = self.number_count
        other.count = self.count
        other.size_bytes = self.size_bytes
        other._ids = None if self._ids is None else self._ids.copy()
        other.keeping = None if self.keeping is None else self.keeping.copy()
        other.scratch = None if self.scratch is None else self.scratch.copy()
        return other


@final
class Onward:
    """A message that goes on from a queue which does not keep it."""

    __slots__ = ("given", "number", "queue_id")

    def __init__(self, queue_id: QueueId, number: SequenceNumber, given: Submission) -> None:
        self.queue_id: Final = queue_id
        self.number: Final = number  # there
        self.given: Final = given


@final
class Stillborn:
    """A message that its queue cannot take: a dead letter that was never alive there."""

    __slots__ = ("description", "given", "number", "queue_id", "reason")

    def __init__(
        self,
        queue_id: QueueId,
        number: SequenceNumber,
        given: Submission,
        reason: str,
        description: str,
    ) -> None:
        self.queue_id: Final = queue_id
        self.number: Final = number  # there; UNNUMBERED when it got none
        self.given: Final = given
        self.reason: Final = reason
        self.description: Final = description


@final
class Signal:
    """A message that a topic has taken, for those who follow it live."""

    __slots__ = ("given", "topic_id")

    def __init__(self, topic_id: QueueId, given: Submission) -> None:
        self.topic_id: Final = topic_id
        self.given: Final = given


@final
class NamedSignal:
    """The same, under its MQTT topic name, for those who listen to names."""

    __slots__ = (
        "encoded",
        "expires_at",
        "message",
        "publish",
        "published_at",
        "topic_name",
    )

    def __init__(
        self,
        topic_name: str,
        message: Message,
        published_at: UnixMs,
        expires_at: UnixMs,
        publish: object = None,
    ) -> None:
        self.topic_name: Final = topic_name
        self.message: Final = message
        self.published_at: Final = published_at
        self.expires_at: Final = expires_at  # NEVER: it does not
        self.publish: Final = (
            publish  # what it came as, if MQTT brought it and it is as it came
        )
        self.encoded: Final[dict[object, object]] = {}  # the front-end's, once for all it tells


@final
class Heard:
    """A signal for somebody who is there, and for whom it is not stored."""

    __slots__ = ("hearing", "signal")

    def __init__(self, signal: NamedSignal, hearing: Hearing) -> None:
        self.signal: Final = signal
        self.hearing: Final = hearing


@final
class Derived:
    """A job on its way to its queue; or, with a `reason`, the signal that should have made it,
    on its way to that queue's dead letters.
    """

    __slots__ = ("description", "given", "path", "reason", "to")

    def __init__(
        self, path: str, to: str, given: Submission, reason: str = "", description: str = ""
    ) -> None:
        self.path: Final = path  # of the derivation
        self.to: Final = to  # the name of the queue
        self.given: Final = given
        self.reason: Final = reason
        self.description: Final = description


@final
class Arrivals:
    """Loads by entity, and what does not stay: it goes on, or to the dead letters.

    `signals` are told live, when the append is durable; `heard` by those who listen to names.
    `turned_away` counts for those who had no room for one.
    """

    __slots__ = ("derived", "heard", "loads", "onward", "signals", "stillborn", "turned_away")

    def __init__(self) -> None:
        self.loads: Final[dict[QueueId, Load]] = {}
        self.onward: Final[list[Onward]] = []
        self.stillborn: Final[list[Stillborn]] = []
        self.signals: Final[list[Signal]] = []
        self.heard: Final[list[Heard]] = []
        self.derived: Final[list[Derived]] = []
        self.turned_away: list[Tally] | None = None  # seldom any

    def turn_away(self, tally: Tally) -> None:
        """The queue that has this tally cannot take a signal."""
        if self.turned_away is None:
            self.turned_away = []
        self.turned_away.append(tally)

    def load(self, entity_id: QueueId) -> Load:
        load = self.loads.get(entity_id)
        if load is None:
            load = Load()
            self.loads[entity_id] = load
        return load

    def copy(self) -> "Arrivals":
        """The same loads, and nothing under way: for a try that may fail."""
        other = Arrivals()
        for entity_id, load in self.loads.items():
            other.loads[entity_id] = load.copy()
        return other

    def become(self, other: "Arrivals") -> None:
        """The try did not fail."""
        self.loads.clear()
        self.loads.update(other.loads)
        self.signals.extend(other.signals)
        self.heard.extend(other.heard)
        for tally in other.turned_away or ():
            self.turn_away(tally)
