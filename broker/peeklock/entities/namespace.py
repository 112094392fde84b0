"""The registry of all entities of one broker: create, change, delete, find.

Every queue and subscription brings its dead-letter sub-queue, `<path>/$DeadLetterQueue`, into
being and takes it along when it goes; a topic takes its subscriptions along.
"""

from dataclasses import replace
from typing import Final, final

from peeklock.entities.address import (
    check_name,
    dead_letter_path,
    key_of,
    subscription_path,
)
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
from peeklock.entities.derivation_settings import DerivationSettings
from peeklock.entities.due_topics import DueTopics
from peeklock.entities.facts import (
    DeliveryForgotten,
    DeliveryKept,
    Fact,
    LastValueCleared,
    LastValueSet,
    LinkClosed,
    LinkOpened,
    LinkSuspended,
    MessageIdSeen,
    Numbered,
    QueueCreated,
    QueueDeleted,
    QueueUpdated,
    Relocated,
    RuleCreated,
    RuleDeleted,
    SubscriptionCreated,
    TopicCreated,
    TopicDeleted,
    TopicUpdated,
    WillSet,
)
from peeklock.entities.forwarding import FORWARD_TO, check_loop, checked
from peeklock.entities.kept_links import KeptLinks
from peeklock.entities.lens import Lens
from peeklock.entities.listeners import PREFIX, Listeners
from peeklock.entities.queue import Queue
from peeklock.entities.queue_state import ORDINARY
from peeklock.entities.residency import Residency
from peeklock.entities.settings import FIXED, QueueSettings, RuleSettings, TopicSettings
from peeklock.entities.subscription import DEFAULT_RULE, Subscription, check_rule
from peeklock.entities.topic import Topic
from peeklock.entities.topic_names import SIGNALS
from peeklock.errors import (
    AlreadyExists,
    ForwardTargetGone,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
)
from peeklock.limits import (
    ENTITIES_MAX,
    SUBSCRIPTION_NAME_CHARACTERS_MAX,
    SUBSCRIPTIONS_MAX,
)
from peeklock.types import NEVER, EntityPath, QueueId, UnixMs


@final
class Namespace:
    """Queues, among them dead-letter queues and those of subscriptions, and topics."""

    def __init__(self, residency: Residency, lens: Lens) -> None:
        self.residency: Final = residency
        self.lens: Final = lens
        self.by_id: Final[dict[QueueId, Queue]] = {}
        self.topics_by_id: Final[dict[QueueId, Topic]] = {}
        self.links: Final = KeptLinks()
        self.expiring: Final = DueTopics()  # last values
        self.waking: Final = DueTopics()  # derivations
        self.listeners: Final = Listeners()
        self._by_key: Final[dict[str, Queue]] = {}
        self._topics_by_key: Final[dict[str, Topic]] = {}
        self._dead_letters: Final[dict[QueueId, Queue]] = {}
        self._subscriptions: Final[dict[QueueId, tuple[Topic, Subscription]]] = {}
        self._next_id = QueueId(1)

    # ---- verbs

    def create(self, name: str, settings: QueueSettings, now: UnixMs) -> list[Fact]:
        """A queue and its dead-letter sub-queue; raises `AlreadyExists`, `InvalidRequest`."""
        path = self._check_new(name)
        first = self._next_id
        chosen = checked(self, path, settings)
        return [
            QueueCreated(first, path, chosen, ORDINARY, now),
            self._dead_letters_created(first, path, chosen, now),
        ]

    def _check_new(self, name: str) -> EntityPath:
        path = check_name(name)
        if self.is_taken(path):
            raise AlreadyExists(path)
        if len(self.by_id) + len(self.topics_by_id) >= 2 * ENTITIES_MAX:
            raise QuotaExceeded(f"there are {ENTITIES_MAX} entities already, the limit")
        return path

    def _dead_letters_created(
        self, owner: QueueId, path: EntityPath, settings: QueueSettings, now: UnixMs
    ) -> QueueCreated:
        own = QueueSettings(
            lock_duration_ms=settings.lock_duration_ms,
            max_message_bytes=settings.max_message_bytes,
        )
        return QueueCreated(QueueId(owner + 1), dead_letter_path(path), own, owner, now)

    def update(self, name: str, settings: QueueSettings, now: UnixMs) -> list[Fact]:
        """Other settings for a queue or subscription; some are fixed when it is made."""
        queue = self.find(name)
        for fixed in FIXED:
            if getattr(settings, fixed) != getattr(queue.settings, fixed):
                raise InvalidRequest(f"{fixed} is fixed when a queue is created")
        if bool(settings.duplicate_window_ms) != bool(queue.settings.duplicate_window_ms):
            raise InvalidRequest("whether duplicates are dropped is fixed at creation")
        if queue.dead_letters_of != ORDINARY:
            check_of_dead_letters(settings)
        owner = self.subscription_of(queue)
        topic = None if owner is None else owner[0].path
        chosen = checked(self, queue.path, settings, topic, queue.settings)
        return [QueueUpdated(queue.queue_id, chosen, now)]

    def delete(self, name: str) -> list[Fact]:
        """A queue or subscription, its dead letters, and all their messages."""
        queue = self.find(name)
        if queue.dead_letters_of != ORDINARY:
            raise InvalidRequest("a dead-letter queue goes with its queue, not by itself")
        if queue.queue_id in self.listeners.by_queue:
            raise InvalidRequest("the queue of an MQTT session goes with the session")
        dead_letters = self.dead_letters_of(queue)
        return [QueueDeleted(dead_letters.queue_id), QueueDeleted(queue.queue_id)]

    def create_topic(self, name: str, settings: TopicSettings, now: UnixMs) -> list[Fact]:
        """A topic; raises `AlreadyExists`, `InvalidRequest`."""
        self._check_schema(settings)
        return [TopicCreated(self._next_id, self._check_new(name), settings, now)]

    def update_topic(self, name: str, settings: TopicSettings, now: UnixMs) -> list[Fact]:
        topic = self.find_topic(name)
        if bool(settings.duplicate_window_ms) != bool(topic.settings.duplicate_window_ms):
            raise InvalidRequest("whether duplicates are dropped is fixed at creation")
        self._check_schema(settings)
        return [TopicUpdated(topic.topic_id, settings, now)]

    def _check_schema(self, settings: TopicSettings) -> None:
        """Raises `InvalidRequest` for one that is none."""
        if settings.event_schema:
            self.lens.conformity(settings.event_schema, events_only=False)

    def delete_topic(self, name: str) -> list[Fact]:
        """A topic with all its subscriptions."""
        topic = self.find_topic(name)
        if self.keeps_sessions(topic):
            raise InvalidRequest("MQTT sessions are kept in this topic")
        facts: list[Fact] = []
        for subscription in topic.subscriptions.values():
            facts.extend(self.delete(subscription.queue.path))
        return [*facts, TopicDeleted(topic.topic_id)]

    def create_derivation(
        self, topic_name: str, settings: DerivationSettings, now: UnixMs
    ) -> list[Fact]:
        """One more derivation of a topic, its jobs for a queue that is there.

        Raises `NotFound`, `AlreadyExists`, `QuotaExceeded`, `InvalidFilter`, `InvalidRequest`.
        """
        topic = self.find_topic(topic_name)
        return topic.derivations.add(self._with_target(topic, settings), now)

    def update_derivation(
        self, topic_name: str, settings: DerivationSettings, now: UnixMs
    ) -> list[Fact]:
        """Other settings for one that is there; a queue that it had may be gone by now.

        Raises `NotFound`, `NotAllowed`, `InvalidFilter`, `InvalidRequest`.
        """
        topic = self.find_topic(topic_name)
        before = topic.derivations.find(settings.name).settings
        if settings.to != before.to:
            settings = self._with_target(topic, settings)
        return topic.derivations.update(settings, now)

    def _with_target(self, topic: Topic, settings: DerivationSettings) -> DerivationSettings:
        """With the path of its queue as that has it; raises `InvalidRequest`."""
        wanted = settings.target
        target = self._by_key.get(key_of(wanted))
        if target is None or self.target(target.path) is None:
            expected = "expected a queue that is there"
            if self.has_topic(wanted):
                expected = (
                    "expected a queue, for what fails has a place there, and none in a topic: "
                    f"one with {FORWARD_TO} passes jobs on to it"
                )
            raise settings.wrong("to", f"is {settings.to!r}; {expected}")
        what = f"to of derivation {settings.name!r}"
        check_loop(self, topic.path, what, target.path, None)
        return replace(settings, to=str(target.path))

    def create_subscription(
        self,
        topic_name: str,
        name: str,
        settings: QueueSettings,
        now: UnixMs,
        rules: tuple[RuleSettings, ...] = (RuleSettings(DEFAULT_RULE),),
    ) -> list[Fact]:
        """A subscription with these rules and its dead-letter sub-queue."""
        topic = self.find_topic(topic_name)
        if not 0 < len(name) <= SUBSCRIPTION_NAME_CHARACTERS_MAX or "/" in name:
            raise InvalidRequest(
                f"a subscription's name has 1 to {SUBSCRIPTION_NAME_CHARACTERS_MAX} "
                f"characters and no '/': {name!r}"
            )
        check_name(name)
        if name.casefold() in topic.subscriptions:
            raise AlreadyExists(subscription_path(topic.path, name))
        if settings.duplicate_window_ms:
            raise InvalidRequest("duplicates are dropped by the topic: set it there")
        check_rules(rules)
        if len(topic.subscriptions) >= SUBSCRIPTIONS_MAX:
            raise QuotaExceeded(f"topic {topic.path!r} has {SUBSCRIPTIONS_MAX} subscriptions")
        first = self._next_id
        path = subscription_path(topic.path, name)
        chosen = checked(self, path, settings, topic.path)
        facts: list[Fact] = [
            SubscriptionCreated(first, path, name, chosen, topic.topic_id, now),
            self._dead_letters_created(first, path, chosen, now),
        ]
        for rule in rules:
            facts.append(RuleCreated(first, rule, now))
        return facts

    def create_session(
        self, topic: Topic, settings: QueueSettings, now: UnixMs
    ) -> SubscriptionCreated:
        """The subscription that is a kept session; its dead letters would be nobody's."""
        if len(self.by_id) + len(self.topics_by_id) >= 2 * ENTITIES_MAX:
            raise QuotaExceeded(f"there are {ENTITIES_MAX} entities already, the limit")
        name = f"{PREFIX}{self._next_id}"
        path = subscription_path(topic.path, name)
        return SubscriptionCreated(self._next_id, path, name, settings, topic.topic_id, now)

    def stand_in(self, queue_id: QueueId, *, is_dead_letters: bool) -> list[Fact]:
        """A queue with its dead letters in the place of one whose own record was lost.

        Both were made in one record, the queue first; what is there already stays.
        """
        first = QueueId(queue_id - 1) if is_dead_letters else queue_id
        path = EntityPath(f"recovered-{first}")
        while self.is_taken(path):
            path = EntityPath(path + "-again")
        settings = QueueSettings()
        pair = [
            QueueCreated(first, path, settings, ORDINARY, NEVER),
            self._dead_letters_created(first, path, settings, NEVER),
        ]
        return [fact for fact in pair if fact.queue_id not in self.by_id]

    # ---- looks

    def find(self, name: str) -> Queue:
        """The queue with this path, in any case; raises `NotFound`."""
        queue = self._by_key.get(key_of(name))
        if queue is None:
            raise NotFound(name)
        return queue

    def find_topic(self, name: str) -> Topic:
        """The topic with this path, in any case; raises `NotFound`."""
        topic = self.topic_named(name)
        if topic is None:
            raise NotFound(name)
        return topic

    def topic_named(self, name: str) -> Topic | None:
        """The same, where there need not be one."""
        return self._topics_by_key.get(key_of(name))

    def target(self, name: str) -> EntityPath | None:
        """The path of the queue or topic with this name, which others may forward to."""
        topic = self._topics_by_key.get(key_of(name))
        if topic is not None:
            return topic.path
        queue = self._by_key.get(key_of(name))
        if queue is None or queue.dead_letters_of != ORDINARY:
            return None
        return None if queue.queue_id in self._subscriptions else queue.path

    def onward(self, path: str) -> list[EntityPath]:
        """Where what is in this entity may go by itself."""
        topic = self._topics_by_key.get(key_of(path))
        if topic is not None:
            ways = [one.queue.path for one in topic.subscriptions.values()]
            for ledger in topic.derivations.by_name.values():
                ways.append(EntityPath(ledger.settings.to))
            return ways
        queue = self._by_key.get(key_of(path))
        if queue is None:
            return []
        named = (queue.settings.forward_to, queue.settings.forward_dead_letters_to)
        return [EntityPath(way) for way in named if way]

    def find_target(self, queue: Queue, name: str) -> Queue | Topic:
        """Where `queue` forwards to; raises `ForwardTargetGone`."""
        topic = self._topics_by_key.get(key_of(name))
        if topic is not None:
            return topic
        target = self._by_key.get(key_of(name))
        if target is None:
            raise ForwardTargetGone(queue.path, name)
        return target

    def find_queue(self, path: str, name: str) -> Queue:
        """The queue that the derivation at `path` makes jobs for.

        Raises `ForwardTargetGone`.
        """
        target = self._by_key.get(key_of(name))
        if target is None:
            raise ForwardTargetGone(path, name)
        return target

    def has(self, name: str) -> bool:
        return key_of(name) in self._by_key

    def has_topic(self, name: str) -> bool:
        return self.topic_named(name) is not None

    def is_taken(self, name: str) -> bool:
        """Is there an entity of any kind with this path?"""
        return self.has(name) or self.has_topic(name)

    def has_entity(self, entity: Queue | Topic) -> bool:
        """Is it still there?"""
        if isinstance(entity, Queue):
            return entity.queue_id in self.by_id
        return entity.topic_id in self.topics_by_id

    def dead_letters_of(self, queue: Queue) -> Queue:
        """The dead-letter sub-queue of an ordinary queue or a subscription."""
        return self._dead_letters[queue.queue_id]

    def subscription_of(self, queue: Queue) -> tuple[Topic, Subscription] | None:
        """The topic and subscription that a queue belongs to; None for a plain queue."""
        return self._subscriptions.get(queue.queue_id)

    def keeps_sessions(self, topic: Topic) -> bool:
        """Of MQTT clients: they are subscriptions of the built-in topic."""
        return topic.path == SIGNALS and bool(self.listeners.by_queue)

    def is_subscription(self, queue_id: QueueId) -> bool:
        return queue_id in self._subscriptions

    def queues(self) -> list[Queue]:
        """All plain queues, in the order of their creation."""
        return [
            queue
            for queue in self.by_id.values()
            if queue.dead_letters_of == ORDINARY and queue.queue_id not in self._subscriptions
        ]

    def topics(self) -> list[Topic]:
        """All topics, in the order of their creation."""
        return list(self.topics_by_id.values())

    # ---- obedience

    def apply(self, fact: Fact) -> None:
        """Make it so, here or in the entity that it is about.

        A fact about an entity that is gone says nothing any more: recovery may meet one when
        the entity's own record was damaged and skipped.
        """
        queue = self.by_id.get(fact.queue_id)
        if isinstance(fact, (QueueCreated, SubscriptionCreated)):
            self._create(fact)
        elif isinstance(fact, QueueDeleted):
            self._delete(fact.queue_id)
        elif isinstance(fact, (TopicCreated, TopicUpdated, TopicDeleted)):
            self._apply_to_topic(fact)
        elif isinstance(fact, (RuleCreated, RuleDeleted)):
            self._apply_rule(fact)
        elif queue is not None:
            queue.apply(fact)
            if isinstance(fact, QueueUpdated):
                owner = self._subscriptions.get(fact.queue_id)
                if owner is not None:
                    owner[0].on_rules_changed()
        elif isinstance(
            fact, (MessageIdSeen, Numbered, LastValueSet, LastValueCleared, Relocated)
        ):
            topic = self.topics_by_id.get(fact.queue_id)
            if topic is not None:
                topic.apply(fact)
        elif isinstance(fact, (DerivationCreated, DerivationDeleted, CauseSeen)):
            topic = self.topics_by_id.get(fact.queue_id)
            if topic is not None:
                topic.derivations.apply(fact)
        elif isinstance(
            fact, (DerivationUpdated, SignalTaken, SampleTaken, KeyCrossed, KeyClosed, KeyKept)
        ):
            topic = self.topics_by_id.get(fact.queue_id)
            if topic is not None:
                topic.derivations.apply(fact)
                self.waking.note(topic.derivations.next_wake(), topic.topic_id)
        elif isinstance(
            fact,
            (LinkOpened, LinkSuspended, LinkClosed, DeliveryKept, DeliveryForgotten, WillSet),
        ):
            self.links.apply(fact)

    def _apply_rule(self, fact: RuleCreated | RuleDeleted) -> None:
        if fact.queue_id in self.listeners.by_queue:
            self.listeners.apply(fact)
            return
        owner = self._subscriptions.get(fact.queue_id)
        if owner is not None:
            owner[1].apply(fact)
            owner[0].on_rules_changed()

    def _create(self, fact: QueueCreated | SubscriptionCreated) -> None:
        self._next_id = QueueId(max(self._next_id, fact.queue_id + 1))
        topic = None
        if isinstance(fact, SubscriptionCreated):
            topic = self.topics_by_id.get(fact.topic_id)
            if topic is None:
                return  # its topic's record was damaged
        queue = Queue(fact, self.residency)
        self.by_id[fact.queue_id] = queue
        self._by_key[key_of(fact.path)] = queue
        if isinstance(fact, SubscriptionCreated):
            assert topic is not None
            subscription = Subscription(fact.name, queue)
            if fact.name.startswith(PREFIX):
                self.listeners.keep(queue)
                # A stand-in for it would be a queue with its dead letters: the next number.
                self._next_id = QueueId(max(self._next_id, fact.queue_id + 2))
            else:
                topic.subscriptions[fact.name.casefold()] = subscription
                topic.on_rules_changed()
            self._subscriptions[fact.queue_id] = (topic, subscription)
        elif fact.dead_letters_of != ORDINARY:
            self._dead_letters[fact.dead_letters_of] = queue

    def _delete(self, queue_id: QueueId) -> None:
        queue = self.by_id.pop(queue_id, None)
        if queue is None:
            return
        queue.forget_all()
        self.links.forget_entity(queue_id)
        del self._by_key[key_of(queue.path)]
        self._dead_letters.pop(queue_id, None)
        owner = self._subscriptions.pop(queue_id, None)
        if owner is not None:
            topic, subscription = owner
            listener = self.listeners.by_queue.get(queue_id)
            if listener is not None:
                self.listeners.forget(listener)
                return
            del topic.subscriptions[subscription.name.casefold()]
            topic.on_rules_changed()

    def _apply_to_topic(self, fact: TopicCreated | TopicUpdated | TopicDeleted) -> None:
        if isinstance(fact, TopicCreated):
            topic = Topic(fact, self.lens, self.residency, self.expiring, self.listeners)
            self.topics_by_id[fact.queue_id] = topic
            self._topics_by_key[key_of(fact.path)] = topic
            self._next_id = QueueId(max(self._next_id, fact.queue_id + 1))
            return
        found = self.topics_by_id.get(fact.queue_id)
        if found is None:
            return
        if isinstance(fact, TopicUpdated):
            found.obey(fact)
        else:
            found.last_values.forget_all()
            del self.topics_by_id[fact.queue_id]
            self.links.forget_entity(fact.queue_id)
            del self._topics_by_key[key_of(found.path)]


def check_rules(rules: tuple[RuleSettings, ...]) -> None:
    """Of a new subscription: each is one, and no two have the same name."""
    names: set[str] = set()
    for rule in rules:
        check_rule(rule)
        if rule.name.casefold() in names:
            raise AlreadyExists(f"Rules/{rule.name}")
        names.add(rule.name.casefold())


def check_of_dead_letters(settings: QueueSettings) -> None:
    """What a dead-letter queue has of its queue, or has not at all."""
    if settings.forward_to or settings.forward_dead_letters_to:
        raise InvalidRequest(
            "a dead-letter queue forwards nothing: set forward_dead_letters_to on its queue"
        )
    if settings.auto_delete_on_idle_ms:
        raise InvalidRequest("a dead-letter queue goes with its queue, not by itself")
    if settings.push.to:
        raise InvalidRequest("a dead-letter queue pushes nothing: that is for its queue")
