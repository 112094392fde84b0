"""Recoverable links: which deliveries of theirs the broker has settled in its own mind, while
the peer may not know it yet (AMQP 1.0 §2.6.13).

Of a link on which a peer sends: the tags that were accepted. Of one on which it receives: the
lock tokens that it settled, with their outcome; what it still holds is in its queue's locks.
As everywhere, verbs return facts and `apply` obeys; each fact sets or removes something by its
name, so that recovery may tell a snapshot again what it knows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, assert_never, final

from peeklock.entities.dispositions import Verdict
from peeklock.entities.facts import (
    DeliveryForgotten,
    DeliveryKept,
    Fact,
    LinkClosed,
    LinkFact,
    LinkOpened,
    LinkSuspended,
    WillSet,
)
from peeklock.errors import InvalidRequest, QuotaExceeded
from peeklock.limits import (
    KEPT_DELIVERIES_MAX,
    KEPT_LINK_NAME_CHARACTERS_MAX,
    KEPT_LINKS_MAX,
    MQTT_SESSIONS_MAX,
)
from peeklock.types import NEVER, LinkId, Millis, QueueId, UnixMs

NO_WILL: Final = b""
# The name of the link that keeps an MQTT session; its container-id is the client identifier.
SESSION_LINK: Final = "$mqtt"


@dataclass(frozen=True)
class LinkKey:
    """What makes it the same link when it comes again (§2.6.1), and nobody else's."""

    user: str
    container_id: str
    name: str
    is_sender: bool  # the peer sends on it


@final
class KeptLink:
    """One recoverable link."""

    __slots__ = (
        "entity_id",
        "key",
        "lifetime_ms",
        "link_id",
        "outcomes",
        "until",
        "will",
        "will_delay_ms",
    )

    def __init__(
        self, link_id: LinkId, key: LinkKey, entity_id: QueueId, lifetime_ms: Millis
    ) -> None:
        self.link_id: Final = link_id
        self.key: Final = key
        self.entity_id: Final = entity_id
        self.lifetime_ms = lifetime_ms
        self.until: UnixMs = NEVER  # when it is forgotten; NEVER: somebody has it
        self.outcomes: Final[dict[bytes, Verdict]] = {}  # by delivery tag, oldest first
        self.will = NO_WILL  # of an MQTT session: what is to be said when its client is gone
        self.will_delay_ms = Millis(0)

    @property
    def is_session(self) -> bool:
        """Does it keep an MQTT session? Its tags say which packet identifiers are in use."""
        return self.key.name == SESSION_LINK

    @property
    def will_at(self) -> UnixMs:
        """When its will is due, while its client is away: after its delay, or when the session
        ends, whichever comes first (MQTT 5.0 §3.1.2.5)."""
        assert self.until != NEVER
        went_at = self.until - self.lifetime_ms
        return UnixMs(went_at + min(self.will_delay_ms, self.lifetime_ms))


@final
class KeptLinks:
    """All of one broker's."""

    def __init__(self) -> None:
        self.by_id: Final[dict[LinkId, KeptLink]] = {}
        self.sessions: Final[dict[str, KeptLink]] = {}  # of MQTT, by client identifier
        self._by_key: Final[dict[LinkKey, KeptLink]] = {}
        self._ends: Final[list[tuple[UnixMs, LinkId]]] = []  # stale items come off the top
        self._next_id = LinkId(1)

    # ---- looks

    def find(self, key: LinkKey) -> KeptLink | None:
        return self._by_key.get(key)

    def next_deadline(self) -> UnixMs:
        """When the next link is forgotten; NEVER when none is away."""
        return self._ends[0][0] if self._ends else NEVER

    def lapsed(self, now: UnixMs) -> list[KeptLink]:
        """Those that nobody has come back for in time."""
        return [link for link in self.by_id.values() if NEVER != link.until <= now]

    # ---- verbs

    def open(self, key: LinkKey, entity_id: QueueId, lifetime_ms: Millis) -> LinkOpened:
        """A new one; raises `QuotaExceeded`, `InvalidRequest`."""
        longest = max(len(key.container_id), len(key.name))
        if longest > KEPT_LINK_NAME_CHARACTERS_MAX:
            raise InvalidRequest(
                f"the container-id and the name of a recoverable link have at most "
                f"{KEPT_LINK_NAME_CHARACTERS_MAX} characters each"
            )
        if len(self.by_id) - len(self.sessions) >= KEPT_LINKS_MAX:
            raise QuotaExceeded(f"there are {KEPT_LINKS_MAX} recoverable links, the limit")
        return opened(self._next_id, key, entity_id, lifetime_ms)

    def open_session(
        self, user: str, client_id: str, queue_id: QueueId, lifetime_ms: Millis
    ) -> LinkOpened:
        """A new one that keeps an MQTT session; raises `QuotaExceeded`."""
        if len(self.sessions) >= MQTT_SESSIONS_MAX:
            raise QuotaExceeded(f"{MQTT_SESSIONS_MAX} MQTT sessions are kept, the limit")
        key = LinkKey(user, client_id, SESSION_LINK, is_sender=True)
        return opened(self._next_id, key, queue_id, lifetime_ms)

    def keep(self, link: KeptLink, tags: list[bytes], verdict: Verdict) -> list[Fact]:
        """Remember what became of these, in place of the oldest when they are too many."""
        facts: list[Fact] = [DeliveryKept(link.link_id, tags, verdict)]
        more = len(link.outcomes) + len(tags) - KEPT_DELIVERIES_MAX
        if more > 0:  # some of them may be known already: then it is less than it could be
            fresh = set(tags)
            oldest = [tag for tag in link.outcomes if tag not in fresh][:more]
            facts.extend(self.forget(link, oldest))
        return facts

    def forget(self, link: KeptLink, tags: list[bytes]) -> list[Fact]:
        """The peer knows what became of these."""
        known = [tag for tag in tags if tag in link.outcomes]
        return [DeliveryForgotten(link.link_id, known)] if known else []

    def suspend(self, link: KeptLink, now: UnixMs) -> LinkSuspended:
        """Nobody has it any more; it is remembered for its lifetime."""
        return LinkSuspended(link.link_id, UnixMs(now + link.lifetime_ms))

    def leave_will(self, link: KeptLink, will: bytes, delay_ms: Millis) -> list[Fact]:
        """This one from now on, or NO_WILL."""
        if will == link.will and (will == NO_WILL or delay_ms == link.will_delay_ms):
            return []
        return [WillSet(link.link_id, will, delay_ms)]

    def facts(self) -> Iterator[Fact]:
        """What makes all of them again, each as of when it is asked for."""
        for link in list(self.by_id.values()):
            yield opened(link.link_id, link.key, link.entity_id, link.lifetime_ms)
            run: list[bytes] = []
            last = Verdict.COMPLETE
            for tag, verdict in link.outcomes.copy().items():
                if run and verdict is not last:
                    yield DeliveryKept(link.link_id, run, last)
                    run = []
                last = verdict
                run.append(tag)
            if run:
                yield DeliveryKept(link.link_id, run, last)
            if link.will != NO_WILL:
                yield WillSet(link.link_id, link.will, link.will_delay_ms)
            if link.until != NEVER:
                yield LinkSuspended(link.link_id, link.until)

    # ---- obedience

    def apply(self, fact: LinkFact) -> None:
        """Make it so. Recovery may have lost the record that opened a link: then not."""
        if isinstance(fact, LinkOpened):
            self._open(fact)
            return
        link = self.by_id.get(fact.link_id)
        if link is None:
            return
        if isinstance(fact, DeliveryKept):
            for tag in fact.tags:
                link.outcomes.pop(tag, None)  # to the end: the order is that of their coming
                link.outcomes[tag] = fact.verdict
        elif isinstance(fact, DeliveryForgotten):
            for tag in fact.tags:
                link.outcomes.pop(tag, None)
        elif isinstance(fact, LinkSuspended):
            link.until = fact.until
            heappush(self._ends, (fact.until, fact.link_id))
        elif isinstance(fact, LinkClosed):
            self._close(link)
        elif isinstance(fact, WillSet):
            link.will = fact.will
            link.will_delay_ms = fact.delay_ms
        else:
            assert_never(fact)

    def forget_entity(self, entity_id: QueueId) -> None:
        """It was deleted: nothing can be resumed there."""
        for link in list(self.by_id.values()):
            if link.entity_id == entity_id:
                self._close(link)

    def _open(self, fact: LinkOpened) -> None:
        link = self.by_id.get(fact.link_id)
        if link is None:
            key = LinkKey(fact.user, fact.container_id, fact.name, fact.is_sender)
            link = KeptLink(fact.link_id, key, fact.entity_id, fact.lifetime_ms)
            self.by_id[fact.link_id] = link
            if link.is_session:
                self.sessions[key.container_id] = link
            self._next_id = LinkId(max(self._next_id, fact.link_id + 1))
        self._by_key[link.key] = link
        link.lifetime_ms = fact.lifetime_ms
        link.until = NEVER
        self._trim_ends()

    def _close(self, link: KeptLink) -> None:
        del self.by_id[link.link_id]
        if self._by_key.get(link.key) is link:
            del self._by_key[link.key]
        if link.is_session and self.sessions.get(link.key.container_id) is link:
            del self.sessions[link.key.container_id]
        self._trim_ends()

    def _trim_ends(self) -> None:
        """Drop what is stale from the top, so that the deadline is true."""
        ends = self._ends
        while ends:
            link = self.by_id.get(ends[0][1])
            if link is not None and link.until == ends[0][0]:
                return
            heappop(ends)


def opened(
    link_id: LinkId, key: LinkKey, entity_id: QueueId, lifetime_ms: Millis
) -> LinkOpened:
    return LinkOpened(
        link_id, entity_id, key.is_sender, lifetime_ms, key.user, key.container_id, key.name
    )
