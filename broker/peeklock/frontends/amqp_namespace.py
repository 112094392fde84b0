"""`$management`'s operations on entities: CREATE, READ, UPDATE, DELETE and QUERY.

A request names an entity by its path: `orders`, `tickets`, `tickets/Subscriptions/erp`,
`tickets/Subscriptions/erp/Rules/paid`. What cannot be told from the path, its `type` says:
of a new entity `topic` or, by default, `queue`; of a QUERY `topic`, `subscription` or `rule`,
the latter two with the owner's path as the request's name. Of a derivation, it always does:
`derivation` (amqp_derivations.py); so it does of what MQTT's clients have, `mqtt-session`,
whose name is the client identifier, and `mqtt-group`. These are for those who may manage the
broker, since they tell who is here, and from where; rights on an entity are none on a client
that has the same name.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, final

from peeklock.engine.engine import Engine
from peeklock.entities.address import MANAGEMENT, rule_parts, subscription_parts
from peeklock.entities.queue import Queue
from peeklock.entities.rule import Rule
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.subscription import Subscription
from peeklock.errors import InvalidRequest
from peeklock.frontends.amqp_derivations import DERIVATION, DerivationOperations
from peeklock.frontends.amqp_rule_values import read_arguments, written
from peeklock.limits import PEEK_COUNT_MAX
from peeklock.management.mqtt_sessions import MqttSessions
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
    rule_from,
    subscription_at,
    update_rule,
    update_topic,
)
from peeklock.management.views import describe, describe_rule, describe_topic
from peeklock.security.rights import Right

if TYPE_CHECKING:
    from peeklock.frontends.amqp_request import Reply, Request

View = dict[str, object]
CREATED: Final = 201
QUEUE: Final = "queue"
TOPIC: Final = "topic"
SUBSCRIPTION: Final = "subscription"
RULE: Final = "rule"
MQTT_SESSION: Final = "mqtt-session"
MQTT_GROUP: Final = "mqtt-group"


@final
class NamespaceOperations:
    """Each checks the right, does it, and tells what is there then."""

    def __init__(self, engine: Engine, mqtt_sessions: MqttSessions) -> None:
        self._engine: Final = engine
        self._mqtt_sessions: Final = mqtt_sessions
        self._derivations: Final = DerivationOperations(engine)

    def by_name(self) -> dict[str, Callable[["Request", "Reply"], None]]:
        return {
            "CREATE": self._create,
            "READ": self._read,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "QUERY": self._query,
        }

    # ---- one entity

    def _create(self, request: "Request", reply: "Reply") -> None:
        request.principal.require(Right.MANAGE, request.name)
        reply.status = CREATED
        rule = rule_parts(request.name)
        below = subscription_parts(request.name)
        if request.entity_type == DERIVATION:
            reply.tell(self._derivations.create(request))
        elif rule is not None:
            reply.tell(self._create_rule(request, rule[0], rule[1]))
        elif below is not None:
            reply.tell(self._create_subscription(request, below[0], below[1]))
        elif request.entity_type == TOPIC:
            topic = create_topic(self._engine, request.name, request.arguments, request.now)
            reply.tell(describe_topic(self._engine, topic))
        else:
            settings = settings_from(request.arguments, QueueSettings())
            require_send = request.principal.require_send
            queue = create_queue(
                self._engine, request.name, settings, request.now, require_send
            )
            reply.tell(self._told(request, queue))

    def _create_subscription(self, request: "Request", topic: str, name: str) -> View:
        changes = dict(request.arguments)
        rules = rules_from(changes.pop("rules", None))
        settings = settings_from(changes, QueueSettings())
        require_send = request.principal.require_send
        queue = create_subscription(
            self._engine, topic, name, settings, rules, request.now, require_send
        )
        return self._told(request, queue)

    def _create_rule(self, request: "Request", path: str, name: str) -> View:
        subscription = subscription_at(self._engine, path)
        rule = rule_from(name, read_arguments(request.arguments))
        return told(subscription, add_rule(self._engine, subscription, rule, request.now))

    def _read(self, request: "Request", reply: "Reply") -> None:
        require_look(request, request.entity_type, request.name)
        rule = rule_parts(request.name)
        namespace = self._engine.namespace
        if request.entity_type == DERIVATION:
            reply.tell(self._derivations.read(request))
        elif request.entity_type == MQTT_SESSION:
            reply.tell(self._mqtt_sessions.describe(request.name))
        elif rule is not None:
            subscription = subscription_at(self._engine, rule[0])
            reply.tell(told(subscription, subscription.find_rule(rule[1])))
        elif namespace.has_topic(request.name):
            reply.tell(describe_topic(self._engine, namespace.find_topic(request.name)))
        else:
            reply.tell(self._told(request, namespace.find(request.name)))

    def _update(self, request: "Request", reply: "Reply") -> None:
        request.principal.require(Right.MANAGE, request.name)
        rule = rule_parts(request.name)
        if request.entity_type == DERIVATION:
            reply.tell(self._derivations.update(request))
        elif rule is not None:
            subscription = subscription_at(self._engine, rule[0])
            changed = rule_from(
                subscription.find_rule(rule[1]).settings.name,
                read_arguments(request.arguments),
            )
            changed_rule = update_rule(self._engine, subscription, changed)
            reply.tell(told(subscription, changed_rule))
        elif self._engine.namespace.has_topic(request.name):
            topic = update_topic(self._engine, request.name, request.arguments, request.now)
            reply.tell(describe_topic(self._engine, topic))
        else:
            require_send = request.principal.require_send
            queue = update_queue(
                self._engine, request.name, request.arguments, request.now, require_send
            )
            reply.tell(self._told(request, queue))

    def _delete(self, request: "Request", reply: "Reply") -> None:
        if request.entity_type == MQTT_SESSION:
            request.principal.require(Right.MANAGE, MANAGEMENT)
            self._mqtt_sessions.end(request.name, request.now)
            return
        request.principal.require(Right.MANAGE, request.name)
        rule = rule_parts(request.name)
        if request.entity_type == DERIVATION:
            self._derivations.delete(request)
        elif rule is not None:
            remove_rule(self._engine, subscription_at(self._engine, rule[0]), rule[1])
        elif self._engine.namespace.has_topic(request.name):
            delete_topic(self._engine, request.name)
        else:
            delete_queue(self._engine, request.name)

    # ---- many

    def _query(self, request: "Request", reply: "Reply") -> None:
        prefix = request.text("prefix", "")
        skip = request.whole("skip", 0)
        top = min(request.whole("top", 100), PEEK_COUNT_MAX)
        kind = request.entity_type or QUEUE
        owner = "" if kind in (QUEUE, TOPIC) else request.name
        require_look(request, kind, owner)
        reply.result = {"entities": [*self._found(request, kind, prefix, skip, top)]}

    def _told(self, request: "Request", queue: Queue) -> View:
        to_owner = request.principal.has(Right.MANAGE, queue.path)
        return describe(self._engine, queue, to_owner=to_owner)

    def _found(
        self, request: "Request", kind: str, prefix: str, skip: int, top: int
    ) -> list[View]:
        engine, owner = self._engine, request.name
        if kind == QUEUE:
            queues = list_queues(engine, prefix, skip, top)
            return [self._told(request, queue) for queue in queues]
        if kind == TOPIC:
            return [
                describe_topic(engine, topic)
                for topic in list_topics(engine, prefix, skip, top)
            ]
        if kind == SUBSCRIPTION:
            topic = engine.namespace.find_topic(owner)
            found = list_subscriptions(topic, prefix, skip, top)
            return [self._told(request, subscription.queue) for subscription in found]
        if kind == RULE:
            subscription = subscription_at(engine, owner)
            rules = list(subscription.rules.values())[skip : skip + top]
            return [told(subscription, rule) for rule in rules]
        if kind == DERIVATION:
            return self._derivations.found(owner, prefix, skip, top)
        if kind == MQTT_SESSION:
            return self._mqtt_sessions.page(prefix, skip, top)
        if kind == MQTT_GROUP:
            return self._mqtt_sessions.groups(prefix, skip, top)
        kinds = ", ".join(
            (QUEUE, TOPIC, SUBSCRIPTION, RULE, DERIVATION, MQTT_SESSION, MQTT_GROUP)
        )
        raise InvalidRequest(f"no entities of type {kind!r}; there are {kinds}")


def require_look(request: "Request", kind: str, path: str) -> None:
    """Users may look at any entity; of tokens, those that let manage it, or all of them ("").

    What MQTT's clients have belongs to no entity, whatever name they give it: it is for those
    who may manage all. Raises `Unauthorized`.
    """
    principal = request.principal
    if kind in (MQTT_SESSION, MQTT_GROUP):
        principal.require(Right.MANAGE, MANAGEMENT)
    elif not principal.has(Right.MANAGE, MANAGEMENT):
        principal.require_look(path)


def told(subscription: Subscription, rule: Rule) -> View:
    view = describe_rule(rule)
    view["properties"] = written(rule.settings.properties)
    view["parameters"] = written(rule.settings.parameters)
    view["action_parameters"] = written(rule.settings.action_parameters)
    view["subscription"] = str(subscription.queue.path)
    return view


def rules_from(given: object) -> tuple[RuleSettings, ...] | None:
    """A new subscription's rules: maps, each with a name; None: the default one."""
    if given is None:
        return None
    if not isinstance(given, list):
        raise InvalidRequest(f"rules are a list of maps, not {given!r}")
    found: list[RuleSettings] = []
    for one in given:
        if not isinstance(one, dict):
            raise InvalidRequest(f"a rule is a map, not {one!r}")
        arguments: Mapping[str, object] = {str(key): value for key, value in one.items()}
        name = arguments.get("name")
        if not isinstance(name, str):
            raise InvalidRequest("a rule has a name")
        rest = {key: value for key, value in arguments.items() if key != "name"}
        found.append(rule_from(str(name), read_arguments(rest)))
    return tuple(found)
