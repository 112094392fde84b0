"""An engine without a server around it: a clock, ids and a journal that the test owns."""

from collections.abc import Iterable

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import Deliver, Effect
from peeklock.engine.engine import Engine
from peeklock.engine.restore import Restorer
from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivations import Derivations
from peeklock.entities.facts import Fact
from peeklock.entities.last_values import LastValue
from peeklock.entities.message_session import MessageSessions
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.queue_index import WAITING
from peeklock.entities.residency import NobodyKeeps, Residency
from peeklock.entities.settings import QueueSettings, RuleSettings, TopicSettings
from peeklock.entities.submission import AS_THE_TOPIC_SAYS, Submission
from peeklock.entities.subscription import DEFAULT_RULE
from peeklock.entities.topic import Topic
from peeklock.frontends.amqp_lens import AmqpLens
from peeklock.limits import DERIVATION_CAUSE_WINDOW
from peeklock.message import NO_TTL, Message
from peeklock.store.journal import Journal
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, LockToken, Millis, SequenceNumber, SessionId, UnixMs
from tests.support.fake_clock import FakeClock
from tests.support.fake_ids import FakeIds

PLENTY = 1 << 40


class Recorder:
    """A peer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Effect] = []

    def on_effect(self, effect: Effect) -> None:
        self.told.append(effect)


def empty_namespace() -> Namespace:
    """Without a bound on memory, its messages AMQP's."""
    return Namespace(Residency(PLENTY, NobodyKeeps()), AmqpLens(FakeIds()))


class House:
    """Verbs in short form. Nothing is durable until `sync`."""

    def __init__(
        self, journal: Journal | None = None, namespace: Namespace | None = None
    ) -> None:
        self.clock = FakeClock()
        self.ids = FakeIds()
        self.journal = journal or MemoryJournal(keep=True)
        self.namespace = namespace or empty_namespace()
        self.engine = Engine(self.journal, self.namespace, self.ids)
        self.peer = Recorder()

    @property
    def now(self) -> UnixMs:
        return self.clock.now()

    def queue(self, name: str = "orders", **settings: object) -> Queue:
        """A new one."""
        chosen = QueueSettings(**settings)  # type: ignore[arg-type]  # checked by the class
        self.engine.commit_registry(self.namespace.create(name, chosen, self.now))
        return self.namespace.find(name)

    def topic(self, name: str = "tickets", **settings: object) -> Topic:
        """A new one."""
        chosen = TopicSettings(**settings)  # type: ignore[arg-type]  # checked by the class
        self.engine.commit_registry(self.namespace.create_topic(name, chosen, self.now))
        return self.namespace.find_topic(name)

    def subscription(
        self, topic: Topic, name: str, *rules: RuleSettings, **settings: object
    ) -> Queue:
        """A new one's queue; without rules it takes everything."""
        chosen = QueueSettings(**settings)  # type: ignore[arg-type]  # checked by the class
        facts = self.namespace.create_subscription(
            topic.path, name, chosen, self.now, rules or (RuleSettings(DEFAULT_RULE),)
        )
        self.engine.commit_registry(facts)
        return topic.find(name).queue

    def dead_letters(self, queue: Queue) -> Queue:
        return self.namespace.dead_letters_of(queue)

    def send(
        self,
        entity: Queue | Topic,
        body: bytes = b"job",
        *,
        not_before: int = NEVER,
        ttl_ms: int = NO_TTL,
        priority: int = 4,
        delivery_id: int = 0,
        message_id: bytes = b"",
        session_id: str | None = None,
        last_value: int = AS_THE_TOPIC_SAYS,
    ) -> None:
        message = Message(body, priority=priority, ttl_ms=ttl_ms)
        session = None if session_id is None else SessionId(session_id)
        self.engine.send(
            self.peer, "link", delivery_id, entity,
            Submission(
                message, UnixMs(not_before), message_id, session, last_value=last_value
            ),
            self.now, settled=False,
        )  # fmt: skip

    def receiver(
        self, queue: Queue, credit: int = 0, mode: ReceiveMode = ReceiveMode.PEEK_LOCK
    ) -> Receiver:
        receiver = self.engine.attach(Recorder(), f"link-{id(queue)}", queue, mode)
        if credit:
            self.engine.set_credit(receiver, credit, draining=False)
        return receiver

    def seek(
        self,
        queue: Queue,
        session_id: str | None = None,
        credit: int = 0,
        *,
        patience: int = 65_000,
        mode: ReceiveMode = ReceiveMode.PEEK_LOCK,
    ) -> Receiver:
        """A receiver of a message session: of this one, or of the next."""
        wanted = None if session_id is None else SessionId(session_id)
        receiver = self.engine.seek_session(
            Recorder(), f"link-{id(queue)}", queue, mode, wanted, Millis(patience), self.now
        )
        self.turn()
        if credit:
            self.engine.set_credit(receiver, credit, draining=False)
            self.turn()
        return receiver

    def turn(self) -> None:
        while self.engine.turn(self.now):
            pass

    def advance(self, ms: int) -> None:
        self.turn()  # as the server does before it waits: deadlines are noted
        self.clock.advance(ms)
        self.engine.tick(self.now)
        self.turn()

    def sync(self) -> list[Effect]:
        """Serve, make durable, and hand out what may be told."""
        self.turn()
        self.journal.sync()
        effects = self.engine.take_effects()
        for effect in effects:
            peer = getattr(effect, "peer", None)
            if isinstance(peer, Recorder):
                peer.on_effect(effect)
            elif isinstance(effect, Deliver):
                receiving = effect.receiver.peer
                assert isinstance(receiving, Recorder)
                receiving.on_effect(effect)
        return effects

    def held(self, receiver: Receiver) -> list[LockToken]:
        """The tokens of what this receiver was handed and still holds."""
        queue = receiver.queue
        return [token_of(queue.entries[number]) for number in receiver.held_numbers()]


def picture(queue: Queue, now: UnixMs) -> dict[str, object]:
    """A queue's whole state, to compare: time's own work is done first."""
    queue.wake(now)
    entries = {
        number: (
            entry.state,
            entry.size,
            entry.priority,
            entry.enqueued_at,
            entry.expires_at,
            entry.delivery_count,
            entry.not_before if entry.state == WAITING else NEVER,
            (entry.lock.nonce, entry.lock.until, entry.lock.link_id)
            if entry.lock is not None
            else None,
            (entry.origin.source, entry.origin.number, entry.origin.reason)
            if entry.origin is not None
            else None,
            entry.source_number,
        )
        for number, entry in queue.entries.items()
    }
    ready: list[SequenceNumber] = [entry.number for entry in queue.first_ready(1_000_000)]
    sessions = queue.sessions
    return {
        "sessions": None if sessions is None else session_pictures(sessions),
        "path": queue.path,
        "settings": queue.settings,
        "updated_at": queue.updated_at,
        "entries": entries,
        "ready": ready,
        "next": queue.next_number,
        "bytes": queue.size_bytes,
        "counts": list(queue.counts),
        "seen": still_seen(queue.seen, queue.settings.duplicate_window_ms, now),
    }


def still_seen(seen: Deduplication, window_ms: int, now: UnixMs) -> list[tuple[bytes, UnixMs]]:
    """What is remembered and still decides something."""
    return sorted((key, at) for key, at in seen.items() if now < at + window_ms)


def topic_picture(topic: Topic, now: UnixMs) -> dict[str, object]:
    return {
        "path": topic.path,
        "settings": topic.settings,
        "updated_at": topic.updated_at,
        "rules": {
            name: [rule.settings for rule in subscription.rules.values()]
            for name, subscription in topic.subscriptions.items()
        },
        "derivations": derivations_picture(topic.derivations, now),
        "next": topic.next_number,
        "seen": still_seen(topic.seen, topic.settings.duplicate_window_ms, now),
        "last values": last_values_picture(topic, now),
        "last values' bytes": topic.last_values.size_bytes,
    }


def last_values_picture(topic: Topic, now: UnixMs) -> list[tuple[object, ...]]:
    """By subject, in their order."""
    values: list[LastValue] = []
    page = topic.last_values.page("#", now)
    values += page.values
    while page.after is not None:
        page = topic.last_values.page("#", now, page.after)
        values += page.values
    return [
        (
            value.subject,
            value.entry.number,
            value.entry.size,
            value.entry.enqueued_at,
            value.entry.expires_at,
            value.entry.source_number,
        )
        for value in values
    ]


def derivations_picture(derivations: Derivations, now: UnixMs) -> dict[str, object]:
    return {
        "causes": still_seen(derivations.causes, DERIVATION_CAUSE_WINDOW, now),
        "ledgers": [
            (
                ledger.settings,
                [
                    (key, account.serial, account.as_json())
                    for key, account in ledger.accounts.items()
                ],
            )
            for ledger in derivations.by_name.values()
        ],
    }


def session_pictures(sessions: MessageSessions) -> dict[str, object]:
    """Each session's state, and the line in which the free ones wait."""
    shown: dict[str, object] = {
        session_id: (
            (session.lock.nonce, session.lock.until) if session.lock is not None else None,
            session.state,
            session.state_at,
            sessions.browse(session_id, SequenceNumber(0), 1_000_000) != [],
            session.next_numbers(1_000_000),
        )
        for session_id, session in sorted(sessions.by_id.items())
    }
    waiting = [s for s in sessions.by_id.values() if s.waits_since is not None]
    waiting.sort(key=lambda session: session.waits_since or ())
    shown["the line"] = [(session.session_id, session.waits_since) for session in waiting]
    first = sessions.next_free()
    shown["the next"] = None if first is None else first.session_id
    shown["the next deadline"] = sessions.next_deadline()
    shown["bytes"] = sessions.state_bytes
    return shown


def pictures(namespace: Namespace, now: UnixMs) -> list[dict[str, object]]:
    return [picture(queue, now) for queue in namespace.by_id.values()] + [
        topic_picture(topic, now) for topic in namespace.topics()
    ]


def replayed(appends: Iterable[tuple[int, list[Fact]]]) -> Namespace:
    """A namespace that recovery would build from these appends, with their end positions."""
    from peeklock.types import Lsn

    namespace = empty_namespace()
    restorer = Restorer(namespace)
    for end, facts in appends:
        restorer.apply(facts, Lsn(end))
    return namespace
