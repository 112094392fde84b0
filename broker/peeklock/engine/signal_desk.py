"""Sessions of MQTT clients, for signals: who is here, what is kept of whom (docs/adr/0028).

A session that ends with its connection is known here alone. One that is kept is a subscription
of the built-in topic and a link that is remembered as recoverable ones are: the link's lifetime
is the session's, its tags are the packet identifiers that are in use on either side.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias, final

from peeklock.engine.alarms import Alarm
from peeklock.engine.effects import Peer
from peeklock.engine.engine import Engine
from peeklock.entities.arrivals import Arrivals
from peeklock.entities.dispositions import Verdict
from peeklock.entities.facts import (
    Cause,
    DeliveryForgotten,
    DeliveryKept,
    Fact,
    LinkSuspended,
    Removed,
)
from peeklock.entities.kept_links import NO_WILL, KeptLink, opened
from peeklock.entities.listeners import (
    Ear,
    Hearing,
    Listener,
    Wanted,
    how_of,
    under_of,
)
from peeklock.entities.mounts import check_signals
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.settings import Overflow, QueueSettings, TopicSettings
from peeklock.entities.submission import Passage, SharedBytes, Submission
from peeklock.entities.topic import Topic
from peeklock.entities.topic_filter import check_topic_filter
from peeklock.entities.topic_names import SIGNALS
from peeklock.errors import QuotaExceeded, Unauthorized
from peeklock.limits import (
    LOCK_DURATION_MAX,
    MAX_DELIVERY_COUNT_MAX,
    MESSAGE_BYTES_MAX,
    MQTT_GROUPS_MAX,
    MQTT_QUEUED_BYTES_MAX,
    MQTT_QUEUED_MESSAGES_MAX,
    MQTT_WILL_GRACE,
)
from peeklock.message import Message
from peeklock.types import NOWHERE, Lsn, Millis, SequenceNumber, SessionId, UnixMs

# Publishes a will, and records by the same append that it is owed no more; or neither.
PublishWill: TypeAlias = Callable[[UnixMs, list[Fact]], object]
NO_DELAY: Final = Millis(0)

# What is remembered of packet identifiers: the client's own, whose QoS 2 messages were taken
# and not released yet, and ours, whose messages it has and whose end it has not confirmed.
TAKEN: Final = b"i"
RELEASED: Final = b"o"
SESSION_SETTINGS: Final = QueueSettings(
    lock_duration_ms=LOCK_DURATION_MAX,
    max_delivery_count=MAX_DELIVERY_COUNT_MAX,
    max_bytes=MQTT_QUEUED_BYTES_MAX,
    max_messages=MQTT_QUEUED_MESSAGES_MAX,
    max_message_bytes=MESSAGE_BYTES_MAX,
    overflow=Overflow.DROP_OLDEST,
)


@final
class Session:
    """One client's, while it is here."""

    def __init__(
        self,
        listener: Listener,
        ear: Ear,
        link: KeptLink | None,
        lsn: Lsn,
        *,
        is_present: bool,
    ) -> None:
        self.listener: Final = listener
        self.ear: Final = ear
        listener.hear_by(ear)
        self.link: Final = link  # None: it ends with its connection
        self.lsn: Final = lsn  # it is as its client is told when this is durable; NOWHERE: now
        self.is_present: Final = is_present  # it was there before

    @property
    def is_kept(self) -> bool:
        return self.link is not None

    @property
    def queue(self) -> Queue:
        """Of a kept one."""
        assert self.listener.queue is not None
        return self.listener.queue

    def packet_ids(self, side: bytes) -> list[int]:
        """Those that an earlier connection has left in use, TAKEN or RELEASED."""
        if self.link is None:
            return []
        return [int.from_bytes(tag[1:], "big") for tag in self.link.outcomes if tag[:1] == side]


@final
class SignalDesk:
    """All sessions of one broker."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        # Wills whose delay runs, by client identifier.
        self._wills: Final[dict[str, tuple[Alarm, PublishWill]]] = {}

    # ---- clients come and go

    def enter(
        self,
        peer: Peer,
        user: str,
        client_id: str,
        lifetime_ms: Millis,
        now: UnixMs,
        *,
        is_clean: bool,
        will: bytes = NO_WILL,
        will_delay_ms: Millis = NO_DELAY,
    ) -> Session:
        """A client is here (5.0 §3.1.2.4): its session of before, or a new one [MQTT-3.1.2-6].

        Its will is kept with a session that is kept [MQTT-3.1.2-7].

        Raises `Unauthorized` when the session is another user's, `QuotaExceeded`, `NotAllowed`.
        """
        engine = self._engine
        links = engine.namespace.links
        found = links.sessions.get(client_id)  # [MQTT-3.1.3-2]
        if found is not None and found.key.user != user:
            raise Unauthorized(f"client identifier {client_id!r} has a session of another user")
        lsn = NOWHERE
        is_whole = found is not None and found.entity_id in engine.namespace.listeners.by_queue
        # [MQTT-3.1.2-4] [MQTT-3.1.4-4]; or it is damaged.
        if found is not None and (is_clean or not is_whole):
            self._end_delay(client_id, now, is_over=True)
            engine.close_link(found, now)
            lsn = engine.journal.end
            found = None
        if found is not None:  # [MQTT-3.1.2-5]
            self._end_delay(client_id, now, is_over=False)
            comes = opened(found.link_id, found.key, found.entity_id, lifetime_ms)
            lsn = engine.commit_facts([comes, *links.leave_will(found, will, will_delay_ms)])
            listener = engine.namespace.listeners.by_queue[found.entity_id]
            return Session(listener, Ear(peer, lsn), found, lsn, is_present=True)
        if lifetime_ms == 0:  # else it is kept, and the client's QoS with it [MQTT-3.1.2-23]
            return Session(Listener(None), Ear(peer), None, lsn, is_present=False)
        topic = find_signals(engine, now)
        created = engine.namespace.create_session(topic, SESSION_SETTINGS, now)
        link_opened = links.open_session(user, client_id, created.queue_id, lifetime_ms)
        lsn = engine.commit_facts([created, link_opened])
        link = links.by_id[link_opened.link_id]
        if will != NO_WILL:
            lsn = engine.commit_facts(links.leave_will(link, will, will_delay_ms))
        listener = engine.namespace.listeners.by_queue[created.queue_id]
        return Session(listener, Ear(peer, lsn), link, lsn, is_present=False)

    def leave(
        self,
        session: Session,
        lifetime_ms: Millis,
        now: UnixMs,
        will: PublishWill | None = None,
        will_delay_ms: Millis = NO_DELAY,
    ) -> None:
        """The connection is gone; so long the session is kept.

        Its will, if it is due, is published after its delay or when the session ends, whichever
        comes first [MQTT-3.1.2-8] [MQTT-3.1.3-9]; if not, it is forgotten [MQTT-3.1.2-10].
        """
        engine = self._engine
        session.listener.unhear(session.ear)
        links = engine.namespace.links
        link = session.link
        if link is None:
            shared = session.listener.shared
            engine.namespace.listeners.forget(session.listener)
            engine.end_empty_groups(shared)
        elif links.by_id.get(link.link_id) is not link:
            link = None  # it was ended meanwhile
        waits = link is not None and min(will_delay_ms, lifetime_ms) > 0
        if will is not None and not waits:
            self._publish(will, link, now)
        if link is None:
            return
        if lifetime_ms == 0:
            engine.close_link(link, now)
            return
        facts: list[Fact] = []
        if will is None:
            facts += links.leave_will(link, NO_WILL, NO_DELAY)
        if lifetime_ms != link.lifetime_ms:
            facts.append(opened(link.link_id, link.key, link.entity_id, lifetime_ms))
        # It ends by then [MQTT-4.1.0-2], and never while its client is here [MQTT-4.1.0-1].
        engine.commit_facts([*facts, LinkSuspended(link.link_id, UnixMs(now + lifetime_ms))])
        if will is not None and waits:
            self._delay(will, link, link.will_at)

    def resume_wills(self, publishes: Callable[[KeptLink], PublishWill], now: UnixMs) -> None:
        """After a restart nobody is here: the wills that are kept are due in their time, or
        when their sessions end, but clients have a while to come back."""
        for link in self._engine.namespace.links.sessions.values():
            if link.will != NO_WILL:
                at = max(link.will_at, now + MQTT_WILL_GRACE)
                self._delay(publishes(link), link, UnixMs(min(at, link.until)))

    def _delay(self, will: PublishWill, link: KeptLink, at: UnixMs) -> None:
        client_id = link.key.container_id
        ends = partial(self._end_delay, client_id, is_over=True)
        self._wills[client_id] = (self._engine.alarms.set(at, ends), will)

    def end(self, link: KeptLink, now: UnixMs) -> None:
        """An operator ends a session whose client is away; its will comes before its delay."""
        self._end_delay(link.key.container_id, now, is_over=True)
        self._engine.close_link(link, now)

    def _end_delay(self, client_id: str, now: UnixMs, *, is_over: bool) -> None:
        """Of a will: it is to be published now, or the client has come back before."""
        found = self._wills.pop(client_id, None)
        if found is None:
            return
        alarm, will = found
        self._engine.alarms.cancel(alarm)
        if is_over:
            self._publish(will, self._engine.namespace.links.sessions.get(client_id), now)

    def _publish(self, will: PublishWill, link: KeptLink | None, now: UnixMs) -> None:
        """Once, whatever is refused or cut off. While the broker ends, it is left for later:
        everybody is cut off then, and that says nothing of anybody."""
        if self._engine.draining:
            return
        links = self._engine.namespace.links
        will(now, [] if link is None else links.leave_will(link, NO_WILL, NO_DELAY))
        if link is not None and link.will != NO_WILL:  # it was refused
            self._engine.commit_facts(links.leave_will(link, NO_WILL, NO_DELAY))

    # ---- what they listen to

    def check_filter(self, session: Session, topic_filter: str) -> None:
        """Whether it may have this one, too; raises `InvalidRequest`, `QuotaExceeded`."""
        check_topic_filter(topic_filter)
        self._engine.namespace.listeners.check_ways(session.listener, topic_filter)

    def listen(self, session: Session, topic_filter: str, wanted: Wanted, now: UnixMs) -> None:
        """One topic filter more, or one in the place of the same; raises `InvalidRequest`."""
        listeners = self._engine.namespace.listeners
        check_topic_filter(topic_filter)
        if session.is_kept:
            rule = listeners.rule_of(session.queue.queue_id, topic_filter, wanted, now)
            self._engine.commit_facts([rule])
        else:
            listeners.listen(session.listener, topic_filter, wanted)

    def unlisten(self, session: Session, topic_filter: str) -> None:
        listeners = self._engine.namespace.listeners
        if session.is_kept:
            rule = listeners.unrule_of(session.queue.queue_id, topic_filter)
            self._engine.commit_facts([rule])
        else:
            listeners.unlisten(session.listener, topic_filter)
        self._engine.end_empty_groups([topic_filter])

    def group(self, name: str, now: UnixMs) -> Listener:
        """Those who share the filter `$share/…/…`: what they take from; raises
        `InvalidRequest`, `QuotaExceeded`.

        It is to be asked for with each `listen`, before it: a group without a session goes.
        """
        engine = self._engine
        listeners = engine.namespace.listeners
        found = listeners.groups.get(name)
        if found is None:
            check_topic_filter(name)
            if len(listeners.groups) >= MQTT_GROUPS_MAX:
                raise QuotaExceeded(
                    f"there are {MQTT_GROUPS_MAX} shared subscriptions, the limit"
                )
            topic = find_signals(engine, now)
            created = engine.namespace.create_session(topic, SESSION_SETTINGS, now)
            wanted = Wanted(Listener(None), 1)
            rule = listeners.rule_of(created.queue_id, name, wanted, now, is_group=True)
            engine.commit_facts([created, rule])
            found = listeners.groups[name]
        return found

    def store(
        self,
        session: Session,
        topic_name: str,
        hearing: Hearing,
        kept: Entry,
        message: Message,
        now: UnixMs,
    ) -> None:
        """A last value, for a session that is kept; its bytes are there already."""
        queue = session.queue
        arrivals = Arrivals()
        passage = Passage(
            SharedBytes(), kept.source_number, kept.expires_at, body_at=kept.body_at
        )
        given = Submission(message, passage=passage)
        under = SessionId(under_of(topic_name, hearing))
        stored = queue.take_signal(given, under, how_of(hearing), now, arrivals)
        try:
            room = self._engine.relay.room(arrivals)
        except QuotaExceeded:
            queue.tally.turned_away_count += 1  # all that it has is under way
            return
        self._engine.commit_facts([*room, stored])

    # ---- packet identifiers of kept sessions

    def take(self, session: Session, packet_id: int) -> list[Fact]:
        """A QoS 2 message of the client is taken: what goes beside its own facts."""
        assert session.link is not None
        return [DeliveryKept(session.link.link_id, [tag(TAKEN, packet_id)], Verdict.COMPLETE)]

    def release(self, session: Session, packet_id: int) -> Lsn:
        """The client has released it: the identifier may come again, when this is durable."""
        return self._forget(session, tag(TAKEN, packet_id))

    def hand_over(self, session: Session, packet_id: int, number: SequenceNumber) -> Lsn:
        """The client has a QoS 2 message of ours: it is not sent again once this is durable,
        and its release is, until the client confirms it [MQTT-4.3.3-6]."""
        assert session.link is not None
        facts: list[Fact] = []
        queue = session.queue
        if number in queue.entries:
            facts.append(Removed(queue.queue_id, [number], Cause.COMPLETED))
        kept = DeliveryKept(session.link.link_id, [tag(RELEASED, packet_id)], Verdict.COMPLETE)
        return self._engine.commit_facts([*facts, kept])

    def confirm(self, session: Session, packet_id: int) -> None:
        """The client knows of the release."""
        self._forget(session, tag(RELEASED, packet_id))

    def _forget(self, session: Session, packet: bytes) -> Lsn:
        link = session.link
        if link is None or packet not in link.outcomes:
            return self._engine.journal.end
        return self._engine.commit_facts([DeliveryForgotten(link.link_id, [packet])])


def tag(side: bytes, packet_id: int) -> bytes:
    return side + packet_id.to_bytes(2, "big")


def find_signals(engine: Engine, now: UnixMs) -> Topic:
    """The built-in topic, which is made when it is first used; raises `NotAllowed`."""
    namespace = engine.namespace
    found = namespace.topic_named(SIGNALS)
    if found is None:
        check_signals(namespace)
        engine.commit_registry(namespace.create_topic(SIGNALS, TopicSettings(), now))
        found = namespace.find_topic(SIGNALS)
    return found
