"""Who subscribes to signals by MQTT topic filters, and what each of them is told of a signal.

A listener is the session of one client, or a group of sessions that share a filter.

A session that is kept (5.0 §3.1.2.11.2) has a queue, where signals with QoS 1 and 2 wait for
it; its filters are facts, as the rules of any subscription are. One that goes with its
connection has neither: what it wants is known here and nowhere else, and what it is told is in
no journal.

A group has a queue, too, from which its members take (5.0 §4.8.2). It is there as long as a
session has its filter, `$share/{share name}/{filter}`.
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, final

from peeklock.entities.facts import Fact, QueueDeleted, RuleCreated, RuleDeleted
from peeklock.entities.filter_ways import FilterWays
from peeklock.entities.settings import RuleSettings, Scalar
from peeklock.entities.submission import Publication
from peeklock.entities.topic_filter import TopicFilterTree
from peeklock.errors import QuotaExceeded
from peeklock.limits import MQTT_FILTER_LEVELS_MAX, MQTT_FILTER_WAYS_MAX
from peeklock.types import NEVER, NOWHERE, Lsn, QueueId, UnixMs

if TYPE_CHECKING:  # what arrives in queues knows of hearings
    from peeklock.entities.queue import Queue

TOPIC_FILTER: Final = "topic"  # the kind of rule that a filter of a session is
PREFIX: Final = "$"  # what the names of sessions' subscriptions begin with, and no others
SHARE_PREFIX: Final = "$share/"
GROUP: Final = "group"  # of a rule: it is of the group itself, not of a member
SYSTEM: Final = "$SYS/"
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
    """One session's interest in signals, or one group's."""

    def __init__(self, queue: "Queue | None") -> None:
        self.queue: Final = queue  # None: it goes with its connection
        self.group = ""  # the filter that its members share; "": it is a session
        self.wanted: Final[dict[str, Wanted]] = {}  # by topic filter
        self.ways: Final = FilterWays()
        self._ears: Final[deque[Ear]] = deque()

    @property
    def shared(self) -> list[str]:
        """Of its filters, those that others may have, too."""
        return [one for one in self.wanted if one.startswith(SHARE_PREFIX)]

    @property
    def ear_count(self) -> int:
        """How many connections there are that can be told."""
        return len(self._ears)

    @property
    def is_here(self) -> bool:
        """Can somebody be told?"""
        return bool(self._ears)

    def hear_by(self, ear: Ear) -> None:
        """A connection is there: the session's, or one more member's."""
        self._ears.append(ear)

    def unhear(self, ear: Ear) -> None:
        """It is gone."""
        if ear in self._ears:
            self._ears.remove(ear)

    def next_ear(self) -> Ear | None:
        """Who is told next; None: nobody is there. Members of a group take turns."""
        ears = self._ears
        if not ears:
            return None
        if len(ears) > 1:
            ears.rotate(-1)
        return ears[0]


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

    @property
    def identifiers(self) -> tuple[int, ...]:
        """What goes along with what it matches."""
        return (self.identifier,) if self.identifier else ()


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
        self.groups: Final[dict[str, Listener]] = {}  # by the filter that members share
        self._sizes: Final[dict[str, int]] = {}  # how many sessions have it
        self._lost_before = 0  # by those that are over
        self._tree: Final[TopicFilterTree[Wanted]] = TopicFilterTree()

    @property
    def any(self) -> bool:
        """Does anybody listen? Else nobody need look at a signal's name."""
        return len(self._tree) > 0

    @property
    def shared_count(self) -> int:
        """How many filters there are that are shared, of signals or of a queue's jobs."""
        sizes = self._sizes.items()
        return sum([size for name, size in sizes if name.startswith(SHARE_PREFIX)])

    def sharing_count(self, name: str) -> int:
        """How many sessions have this filter, which is shared."""
        return self._sizes.get(name, 0)

    @property
    def lost_count(self) -> int:
        """How many stored signals gave way to newer ones, or expired, so far."""
        lost = [one.queue.tally.lost_count for one in self.by_queue.values() if one.queue]
        return self._lost_before + sum(lost)

    # ---- verbs

    def rule_of(
        self,
        queue_id: QueueId,
        topic_filter: str,
        wanted: Wanted,
        now: UnixMs,
        *,
        is_group: bool = False,
    ) -> RuleCreated:
        """A kept listener has this filter from now on, or is the group that shares it."""
        values: tuple[tuple[str, Scalar], ...] = (
            ("qos", wanted.qos),
            ("no_local", wanted.no_local),
            ("retain_as_published", wanted.retain_as_published),
            ("retain_handling", wanted.retain_handling),
            ("identifier", wanted.identifier),
        )
        if is_group:
            values = (*values, (GROUP, True))
        return RuleCreated(
            queue_id, RuleSettings(topic_filter, TOPIC_FILTER, properties=values), now
        )

    def unrule_of(self, queue_id: QueueId, topic_filter: str) -> RuleDeleted:
        """It has this filter no more."""
        return RuleDeleted(queue_id, topic_filter)

    def end_empty_groups(self, names: Iterable[str]) -> list[Fact]:
        """Those of these that no session has any more go, with what waits for them."""
        return [
            QueueDeleted(group.queue.queue_id)
            for group in map(self.groups.get, names)
            if group is not None and group.queue is not None and group.group not in self._sizes
        ]

    # ---- looks

    def check_ways(self, listener: Listener, topic_filter: str) -> None:
        """Raises `QuotaExceeded` when a session with this filter, too, would cost too much."""
        if topic_filter in listener.wanted:
            return
        matched = matched_by(topic_filter)
        ways = listener.ways.count_with(matched)
        if ways > max(MQTT_FILTER_WAYS_MAX, listener.ways.count):
            raise QuotaExceeded(
                f"{topic_filter!r:.80}: the session's topic filters have '+' at too many "
                f"different places: {ways} ways for a signal, "
                f"allowed are {MQTT_FILTER_WAYS_MAX}"
            )
        levels = listener.ways.level_count_with(matched)
        if levels > max(MQTT_FILTER_LEVELS_MAX, listener.ways.level_count):
            raise QuotaExceeded(
                f"{topic_filter!r:.80}: the session's topic filters with wildcards have "
                f"{levels} levels; allowed are {MQTT_FILTER_LEVELS_MAX}"
            )

    def hearings(self, topic_name: str, publication: Publication | None) -> list[Hearing]:
        """Who is told of a signal: those whose filters match its name [MQTT-3.3.2-3]. One that
        MQTT did not bring has each filter's own QoS.

        Of several filters of a listener the highest QoS counts [MQTT-3.3.4-2], and all of
        their identifiers go along, each as often as it was given [MQTT-3.3.4-3] [MQTT-3.3.4-4].
        """
        found: dict[Listener, Hearing] = {}
        named: dict[Hearing, list[int]] = {}
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
            if not listener.is_here and (qos == 0 or listener.queue is None):
                continue
            hearing = found.get(listener)
            if hearing is None:
                hearing = Hearing(listener)
                found[listener] = hearing
            hearing.qos = max(hearing.qos, qos)
            hearing.retain = hearing.retain or retain
            if wanted.identifier:
                named.setdefault(hearing, []).append(wanted.identifier)
        for hearing, identifiers in named.items():
            hearing.identifiers = tuple(identifiers)
        return list(found.values())

    def rules_of(self, queue_id: QueueId) -> list[RuleSettings]:
        """The filters of a kept listener, as the facts that make them again."""
        listener = self.by_queue[queue_id]
        is_group = listener.group != ""
        return [
            self.rule_of(queue_id, topic_filter, wanted, NEVER, is_group=is_group).rule
            for topic_filter, wanted in listener.wanted.items()
        ]

    # ---- obedience; for a listener that is not kept, its engine calls these at once

    def keep(self, queue: "Queue") -> None:
        """The queue of a kept session is there."""
        queue.keeps_begun = True
        self.by_queue[queue.queue_id] = Listener(queue)

    def apply(self, fact: RuleCreated | RuleDeleted) -> None:
        listener = self.by_queue[fact.queue_id]
        if isinstance(fact, RuleDeleted):
            self.unlisten(listener, fact.name)
            return
        wanted = wanted_of(listener, fact.rule)
        if (GROUP, True) in fact.rule.properties:
            self._share(listener, fact.rule.name, wanted)
        else:
            self.listen(listener, fact.rule.name, wanted)

    def _share(self, listener: Listener, name: str, wanted: Wanted) -> None:
        """It is the group of those who have this filter."""
        listener.group = name
        listener.wanted[name] = wanted
        self.groups[name] = listener
        self._tree.add(listener, shared_by(name), wanted)

    def listen(self, listener: Listener, topic_filter: str, wanted: Wanted) -> None:
        """One filter more, or in the place of the same one [MQTT-3.8.4-3]."""
        if is_of_signals(topic_filter):
            self._tree.add(listener, topic_filter, wanted)
        elif topic_filter not in listener.wanted:
            self._sizes[topic_filter] = self._sizes.get(topic_filter, 0) + 1
        if topic_filter not in listener.wanted:
            listener.ways.add(matched_by(topic_filter))
        listener.wanted[topic_filter] = wanted

    def unlisten(self, listener: Listener, topic_filter: str) -> None:
        before = listener.wanted.pop(topic_filter, None)
        if before is not None:
            listener.ways.remove(matched_by(topic_filter))
            if not is_of_signals(topic_filter):
                self._count_out(topic_filter)
        self._tree.remove(listener, topic_filter)

    def _count_out(self, topic_filter: str) -> None:
        size = self._sizes.get(topic_filter, 0) - 1
        if size > 0:
            self._sizes[topic_filter] = size
        else:
            self._sizes.pop(topic_filter, None)

    def forget(self, listener: Listener) -> None:
        """Its session is over, or its group."""
        self._tree.remove_all(listener)
        if listener.group:
            self.groups.pop(listener.group, None)
        else:
            for topic_filter in listener.wanted:
                if not is_of_signals(topic_filter):
                    self._count_out(topic_filter)
        listener.wanted.clear()
        listener.ways.clear()
        if listener.queue is not None:
            self._lost_before += listener.queue.tally.lost_count
            self.by_queue.pop(listener.queue.queue_id, None)


def is_of_signals(topic_filter: str) -> bool:
    """Does it match names of signals? A session's filters may lead to queues, too."""
    return not topic_filter.startswith("$") or is_of_system(topic_filter)


def is_of_system(topic_filter: str) -> bool:
    """Does it match what the broker tells of itself?"""
    return topic_filter.startswith(SYSTEM)


def is_shared(topic_filter: str) -> bool:
    """Is it a filter of signals that a group shares? One that leads to a queue is not."""
    if not topic_filter.startswith(SHARE_PREFIX):
        return False
    share_name, _slash, rest = topic_filter[len(SHARE_PREFIX) :].partition("/")
    if "+" in share_name or "#" in share_name:
        return False
    is_for_many = is_of_signals(rest) and not is_of_system(rest)
    return share_name != "" and rest != "" and is_for_many


def shared_by(topic_filter: str) -> str:
    """What is matched for the group."""
    return topic_filter[len(SHARE_PREFIX) :].partition("/")[2]


def matched_by(topic_filter: str) -> str:
    """What of it is in the tree: for its session, or for those who share it."""
    return shared_by(topic_filter) if is_shared(topic_filter) else topic_filter


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
