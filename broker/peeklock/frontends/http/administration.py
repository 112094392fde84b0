"""Requests of Service Bus' administration clients, each answered with an Atom document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from peeklock.engine.engine import Engine
from peeklock.entities.address import rule_path
from peeklock.entities.queue import Queue
from peeklock.entities.settings import QueueSettings, RuleSettings, TopicSettings
from peeklock.entities.subscription import DEFAULT_RULE, Subscription
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, NotFound
from peeklock.frontends.http import atom
from peeklock.frontends.http.descriptions import (
    QUEUE,
    RULE,
    SUBSCRIPTION,
    TOPIC,
    changes_in,
    namespace_description,
    queue_description,
    subscription_description,
    topic_description,
)
from peeklock.frontends.http.places import Kind, Place, place_of
from peeklock.frontends.http.rules_xml import rule_description, rule_in
from peeklock.frontends.http.xml_tree import Element
from peeklock.limits import HTTP_PAGE_MAX
from peeklock.management.operations import (
    create_queue,
    delete_queue,
    list_queues,
    settings_from,
    update_queue,
)
from peeklock.management.topics import (
    add_rule,
    create_subscription,
    create_topic,
    delete_topic,
    list_subscriptions,
    list_topics,
    remove_rule,
    update_rule,
    update_topic,
)
from peeklock.management.ways_on import RequireSend
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import UnixMs

PAGE: Final = 100  # entities, when a client does not say
OK: Final = 200
CREATED: Final = 201


@dataclass(frozen=True)
class Request:
    """One request. `authority` is HOST:PORT as the client knows the broker."""

    method: str  # GET, PUT or DELETE
    path: str  # decoded
    query: Mapping[str, str]
    updates: bool  # of a PUT: what is there is to be changed
    body: bytes
    base_url: str
    authority: str
    principal: Principal
    require_send: RequireSend
    now: UnixMs


@dataclass(frozen=True)
class Reply:
    status: int
    document: Element | None = None  # None: there is nothing to tell


class Administration:
    """Answers requests; raises `BrokerError`. What it has changed may not be durable yet."""

    def __init__(self, engine: Engine, started_at: UnixMs) -> None:
        self._engine: Final = engine
        self._started_at: Final = started_at

    def answer(self, request: Request) -> Reply:
        request.principal.require(Right.MANAGE, request.path.strip("/"))
        place = place_of(request.path)
        if request.method == "GET":
            return Reply(OK, self._read(request, place))
        if request.method == "PUT":
            return self._put(request, place)
        self._delete(place)
        return Reply(OK)

    # ---- looking

    def _read(self, request: Request, place: Place) -> Element:
        match place.kind:
            case Kind.ENTITY:
                return self._entity_entry(request, place.entity)
            case Kind.SUBSCRIPTION:
                found = self._subscription(place)
                return self._subscription_entry(request, place.entity, found)
            case Kind.RULE:
                subscription = self._subscription(place)
                return self._rule_entry(request, place, subscription, place.rule)
            case Kind.NAMESPACE:
                name = request.authority.partition(":")[0]
                description = namespace_description(name, self._started_at)
                base, at = request.base_url, self._started_at
                return atom.entry(base, "$namespaceinfo", name, description, at, at)
        return self._list(request, place)

    def _list(self, request: Request, place: Place) -> Element:
        """One page, and where the next one is if there is more."""
        skip = whole(request.query, "$skip", 0)
        top = min(whole(request.query, "$top", PAGE), HTTP_PAGE_MAX)
        found = self._listed(request, place, skip, top + 1)
        following = f"$skip={skip + top}&$top={top}" if len(found) > top and top else ""
        path = request.path.strip("/")
        return atom.feed(request.base_url, path, found[:top], request.now, following)

    def _listed(self, request: Request, place: Place, skip: int, count: int) -> list[Element]:
        engine = self._engine
        if place.kind is Kind.QUEUES:
            queues = list_queues(engine, "", skip, count)
            return [self._queue_entry(request, queue) for queue in queues]
        if place.kind is Kind.TOPICS:
            topics = list_topics(engine, "", skip, count)
            return [self._topic_entry(request, topic) for topic in topics]
        if place.kind is Kind.SUBSCRIPTIONS:
            topic = engine.namespace.find_topic(place.entity)
            subscriptions = list_subscriptions(topic, "", skip, count)
            return [self._subscription_entry(request, topic.path, one) for one in subscriptions]
        subscription = self._subscription(place)
        names = [rule.settings.name for rule in subscription.rules.values()]
        return [
            self._rule_entry(request, place, subscription, name)
            for name in names[skip : skip + count]
        ]

    # ---- making and changing

    def _put(self, request: Request, place: Place) -> Reply:
        status = OK if request.updates else CREATED
        description = atom.content_of(request.body)
        match place.kind:
            case Kind.ENTITY if description.name == QUEUE:
                self._put_queue(request, place.entity, description)
                return Reply(status, self._entity_entry(request, place.entity))
            case Kind.ENTITY if description.name == TOPIC:
                self._put_topic(request, place.entity, description)
                return Reply(status, self._entity_entry(request, place.entity))
            case Kind.SUBSCRIPTION if description.name == SUBSCRIPTION:
                found = self._put_subscription(request, place, description)
                return Reply(status, self._subscription_entry(request, place.entity, found))
            case Kind.RULE if description.name == RULE:
                subscription = self._subscription(place)
                self._put_rule(request, subscription, rule_in(description, place.rule))
                return Reply(status, self._rule_entry(request, place, subscription, place.rule))
        raise InvalidRequest(f"a {description.name} cannot be put at {request.path!r}")

    def _put_queue(self, request: Request, name: str, description: Element) -> None:
        if request.updates:
            queue = self._queue(name)
            changes = changes_in(description, queue.settings)
            update_queue(self._engine, name, changes, request.now, request.require_send)
            return
        changes = changes_in(description, QueueSettings())
        settings = settings_from(changes, QueueSettings())
        create_queue(self._engine, name, settings, request.now, request.require_send)

    def _put_topic(self, request: Request, name: str, description: Element) -> None:
        if request.updates:
            topic = self._engine.namespace.find_topic(name)
            update_topic(
                self._engine, name, changes_in(description, topic.settings), request.now
            )
            return
        changes = changes_in(description, TopicSettings())
        create_topic(self._engine, name, changes, request.now)

    def _put_subscription(
        self, request: Request, place: Place, description: Element
    ) -> Subscription:
        if request.updates:
            found = self._subscription(place)
            changes = changes_in(description, found.queue.settings)
            update_queue(
                self._engine, found.queue.path, changes, request.now, request.require_send
            )
            return found
        changes = changes_in(description, QueueSettings())
        create_subscription(
            self._engine,
            place.entity,
            place.subscription,
            settings_from(changes, QueueSettings()),
            first_rules(description),
            request.now,
            request.require_send,
        )
        return self._subscription(place)

    def _put_rule(
        self, request: Request, subscription: Subscription, rule: RuleSettings
    ) -> None:
        if request.updates:
            update_rule(self._engine, subscription, rule)
        else:
            add_rule(self._engine, subscription, rule, request.now)

    # ---- taking away

    def _delete(self, place: Place) -> None:
        match place.kind:
            case Kind.ENTITY if self._engine.namespace.has_topic(place.entity):
                delete_topic(self._engine, place.entity)
            case Kind.ENTITY:
                delete_queue(self._engine, self._queue(place.entity).path)
            case Kind.SUBSCRIPTION:
                delete_queue(self._engine, self._subscription(place).queue.path)
            case Kind.RULE:
                remove_rule(self._engine, self._subscription(place), place.rule)
            case _:
                raise InvalidRequest("a list cannot be deleted as a whole")

    # ---- finding

    def _queue(self, name: str) -> Queue:
        """A queue of its own: no subscription's, and no dead-letter queue."""
        queue = self._engine.namespace.find(name)
        if queue.dead_letters_of != 0 or self._engine.namespace.subscription_of(queue):
            raise NotFound(name)
        return queue

    def _subscription(self, place: Place) -> Subscription:
        return self._engine.namespace.find_topic(place.entity).find(place.subscription)

    # ---- telling

    def _entity_entry(self, request: Request, name: str) -> Element:
        namespace = self._engine.namespace
        if namespace.has_topic(name):
            return self._topic_entry(request, namespace.find_topic(name))
        return self._queue_entry(request, self._queue(name))

    def _queue_entry(self, request: Request, queue: Queue) -> Element:
        content = queue_description(self._engine, queue, request.authority)
        return entity_entry(request, queue, queue.path, content)

    def _topic_entry(self, request: Request, topic: Topic) -> Element:
        content = topic_description(self._engine, topic, request.authority)
        return entity_entry(request, topic, topic.path, content)

    def _subscription_entry(self, request: Request, topic: str, found: Subscription) -> Element:
        queue = found.queue
        content = subscription_description(self._engine, queue, request.authority)
        return entity_entry(request, queue, found.name, content)

    def _rule_entry(
        self, request: Request, place: Place, subscription: Subscription, name: str
    ) -> Element:
        rule = subscription.find_rule(name)
        path = rule_path(subscription.queue.path, rule.settings.name)
        content = rule_description(rule.settings, rule.created_at)
        title = rule.settings.name
        made_at = rule.created_at
        return atom.entry(request.base_url, path, title, content, made_at, made_at)


def entity_entry(
    request: Request, entity: Queue | Topic, title: str, content: Element
) -> Element:
    at, changed_at = entity.created_at, entity.updated_at
    return atom.entry(request.base_url, entity.path, title, content, at, changed_at)


def first_rules(description: Element) -> tuple[RuleSettings, ...] | None:
    """The rule that a new subscription is to begin with, if its description names one."""
    given = description.find("DefaultRuleDescription")
    if given is None:
        return None
    return (rule_in(given, given.text_at("Name") or DEFAULT_RULE),)


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequest(f"{name} is {text[:40]!r}, no whole number")
    return int(text)
