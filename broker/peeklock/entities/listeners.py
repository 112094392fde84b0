"""Who subscribes to signals by MQTT topic filters, and what each of them is told of a signal.

A listener is the session of one client. One that is kept (5.0 §3.1.2.11.2) has a queue, where
signals with QoS 1 and 2 wait for it; its filters are facts, as the rules of any subscription
are. One that goes with its connection has neither: what it wants is known here and nowhere
else, and what it is told is in no journal.
"""

from typing import TYPE_CHECKING, Final, final

from peeklock.entities.facts import Fact, RuleCreated, RuleDeleted
from peeklock.entities.settings import RuleSettings
from peeklock.entities.submission import Publication
from peeklock.entities.topic_filter import TopicFilterTree
from peeklock.types import NOWHERE, Lsn, QueueId, UnixMs

if TYPE_CHECKING:  # what arrives in queues knows of hearings
    from peeklock.entities.queue import Queue

TOPIC_FILTER: Final = "topic"  # the kind of rule that a filter of a session is
PREFIX: Final = "$"  # what the names of sessions' subscriptions begin with, and no others
QOS: Final = 3  # of how a stored signal is delivered: its quality of service
RETAIN: Final = 4  # and whether it says that it was retained


@final
class Ear:
    """A connection that hears what is not stored for it."""

    __slots__ = ("peer", "told_at")

    def __init__(self, peer: object, told_at: Lsn = NOWHERE) -> None:
        self.peer: Final = peer  # the engine's
        self.told_at = told_at  # what it was told last waits in the outbox for this position


@final
class Listener:
    """One session's interest in signals."""

    def __init__(self, queue: "Queue | None") -> None:
        self.queue: Final = queue  # None: it goes with its connection
        self.ear: Ear | None = None  # None: nobody is there
        self.wanted: Final[dict[str, Wanted]] = {}  # by topic filter


@final
class Wanted:
    """A topic filter, and how what it matches is to be delivered (5.0 §3.8.3.1)."""

    __slots__ = (
        "identifier", "listener", "no_local", "qos", "retain_as_published", "retain_handling",
    )  # fmt: skip

    def __init__(
        self,
        listener: Listener,
        qos: int,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
        identifier: int = 0,
    ) -> None:
        self.listener: Final = listener
        self.qos: Final = qos  # at most
        self.no_local: Final = no_local
        self.retain_as_published: Final = retain_as_published
        self.retain_handling: Final = retain_handling
        self.identifier: Final = identifier  # 0: the client gave it none


@final
class Hearing:
    """How one listener is told of one signal, whichever of its filters match."""

    __slots__ = ("identifiers", "listener", "qos", "retain")

    def __init__(self, listener: Listener) -> None:
        self.listener: Final = listener
        self.qos = 0
        self.retain = False
        self.identifiers: tuple[int, ...] = ()

    @property
    def is_stored(self) -> bool:
        return self.qos > 0 and self.listener.queue is not None


@final
class Audience:
    """Those who are told of a signal, and under which name."""

    __slots__ = ("hearings", "topic_name")

    def __init__(self, topic_name: str, hearings: list[Hearing]) -> None:
        self.topic_name: Final = topic_name
        self.hearings: Final = hearings


@final
class Listeners:
    """All of one broker's."""

    def __init__(self) -> None:
        self.by_queue: Final[dict[QueueId, Listener]] = {}
        self._tree: Final[TopicFilterTree[Wanted]] = TopicFilterTree()

    @property
    def any(self) -> bool:
        """Does anybody listen? Else nobody need look at a signal's name."""
        return len(self._tree) > 0

    # ---- verbs

    def rule_of(self, queue: "Queue", topic_filter: str, wanted: Wanted, now: UnixMs) -> Fact:
        """A kept listener has this filter from now on."""
        values = (
            ("qos", wanted.qos),
            ("no_local", wanted.no_local),
            ("retain_as_published", wanted.retain_as_published),
            ("retain_handling", wanted.retain_handling),
            ("identifier", wanted.identifier),
        )
        rule = RuleSettings(topic_filter, TOPIC_FILTER, properties=values)
        return RuleCreated(queue.queue_id, rule, now)

    def unrule_of(self, queue: "Queue", topic_filter: str) -> Fact:
        """It has this filter no more."""
        return RuleDeleted(queue.queue_id, topic_filter)

    # ---- looks

    def hearings(self, topic_name: str, publication: Publication | None) -> list[Hearing]:
        """Who is told of a signal. One that MQTT did not bring has each filter's own QoS.

        Of several filters of a listener the highest QoS counts [MQTT-3.3.4-2], and all of
        their identifiers go along [MQTT-3.3.4-3] [MQTT-3.3.4-5].
        """
        found: dict[Listener, Hearing] = {}
        for wanted in self._tree.matching(topic_name):
            listener = wanted.listener
            qos = wanted.qos
            retain = False
            if publication is not None:
                if wanted.no_local and publication.publisher is listener:
                    continue  # [MQTT-3.8.3-3]
                qos = min(qos, publication.qos)  # [MQTT-3.8.4-8]
                # [MQTT-3.3.1-12] [MQTT-3.3.1-13]
                retain = publication.retain and wanted.retain_as_published
            if listener.ear is None and (qos == 0 or listener.queue is None):
                continue
            hearing = found.get(listener)
            if hearing is None:
                hearing = Hearing(listener)
                found[listener] = hearing
            hearing.qos = max(hearing.qos, qos)
            hearing.retain = hearing.retain or retain
            if wanted.identifier and wanted.identifier not in hearing.identifiers:
                hearing.identifiers = (*hearing.identifiers, wanted.identifier)
        return list(found.values())

    def rules_of(self, queue_id: QueueId) -> list[RuleSettings]:
        """The filters of a kept listener, as the facts that make them again."""
        listener = self.by_queue[queue_id]
        queue = listener.queue
        assert queue is not None
        rules: list[RuleSettings] = []
        for topic_filter, wanted in listener.wanted.items():
            fact = self.rule_of(queue, topic_filter, wanted, queue.created_at)
            assert isinstance(fact, RuleCreated)
            rules.append(fact.rule)
        return rules

    # ---- obedience; for a listener that is not kept, its engine calls these at once

    def keep(self, queue: "Queue") -> None:
        """The queue of a kept session is there."""
        self.by_queue[queue.queue_id] = Listener(queue)

    def apply(self, fact: RuleCreated | RuleDeleted) -> None:
        listener = self.by_queue[fact.queue_id]
        if isinstance(fact, RuleCreated):
            self.listen(listener, fact.rule.name, wanted_of(listener, fact.rule))
        else:
            self.unlisten(listener, fact.name)

    def listen(self, listener: Listener, topic_filter: str, wanted: Wanted) -> None:
        """One filter more, or in the place of the same one [MQTT-3.8.4-3]."""
        if is_of_signals(topic_filter):
            self._tree.add(listener, topic_filter, wanted)
        listener.wanted[topic_filter] = wanted

    def unlisten(self, listener: Listener, topic_filter: str) -> None:
        listener.wanted.pop(topic_filter, None)
        self._tree.remove(listener, topic_filter)

    def forget(self, listener: Listener) -> None:
        """Its session is over."""
        self._tree.remove_all(listener)
        listener.wanted.clear()
        listener.ear = None
        if listener.queue is not None:
            self.by_queue.pop(listener.queue.queue_id, None)


def is_of_signals(topic_filter: str) -> bool:
    """Does it match names of signals? A session's filters may lead to queues, too."""
    return not topic_filter.startswith("$")


def wanted_of(listener: Listener, rule: RuleSettings) -> Wanted:
    values = dict(rule.properties)
    return Wanted(
        listener,
        whole(values.get("qos")),
        values.get("no_local") is True,
        values.get("retain_as_published") is True,
        whole(values.get("retain_handling")),
        whole(values.get("identifier")),
    )


def whole(value: object) -> int:
    return value if isinstance(value, int) else 0


# ---- what a stored signal remembers of its hearing


def how_of(hearing: Hearing) -> int:
    """One byte, beside the entry."""
    return hearing.qos | (RETAIN if hearing.retain else 0)


def under_of(topic_name: str, hearing: Hearing) -> str:
    """The topic name, which has no U+0000 in it, and behind one the identifiers."""
    if not hearing.identifiers:
        return topic_name
    return topic_name + "\0" + ",".join([str(one) for one in hearing.identifiers])


def named_under(under: str) -> tuple[str, tuple[int, ...]]:
    """And back."""
    topic_name, _nul, rest = under.partition("\0")
    return topic_name, tuple([int(one) for one in rest.split(",")]) if rest else ()
