"""A subscription's rules over its own `$management` node, in Service Bus' names and forms.

`com.microsoft:add-rule`, `remove-rule` and `enumerate-rules`. A rule comes as a map, and goes
as described lists whose descriptors are Service Bus' numbers.
"""

from collections.abc import Callable, Mapping
from typing import Final, final

from peeklock.engine.engine import Engine
from peeklock.entities.rule import Rule
from peeklock.entities.settings import RuleSettings
from peeklock.entities.subscription import Subscription
from peeklock.errors import InvalidRequest, NotAllowed
from peeklock.frontends.amqp_request import NO_CONTENT, Reply, Request
from peeklock.frontends.amqp_rule_values import read_value, written
from peeklock.limits import PEEK_COUNT_MAX
from peeklock.management.topics import add_rule, remove_rule, rule_from
from peeklock.protocols.amqp10.values import AmqpValue, Described, Int, Timestamp, ULong
from peeklock.security.rights import Right

# The fields of a correlation filter, in their order: Service Bus' key, and our name.
CORRELATED: Final = (
    ("correlation-id", "sys.CorrelationId"),
    ("message-id", "sys.MessageId"),
    ("to", "sys.To"),
    ("reply-to", "sys.ReplyTo"),
    ("label", "sys.Label"),
    ("session-id", "sys.SessionId"),
    ("reply-to-session-id", "sys.ReplyToSessionId"),
    ("content-type", "sys.ContentType"),
)
RULE: Final = ULong(0x13700000004)
NO_ACTION: Final = ULong(0x13700000005)
SQL_ACTION: Final = ULong(0x13700000006)
SQL_FILTER: Final = ULong(0x1370000006)  # filters have one hexadecimal zero fewer
TRUE_FILTER: Final = ULong(0x1370000007)
FALSE_FILTER: Final = ULong(0x1370000008)
CORRELATION_FILTER: Final = ULong(0x1370000009)
COMPATIBILITY_LEVEL: Final = Int(20)  # what Service Bus says of its SQL


@final
class RuleOperations:
    """Each is about the subscription that the node is of."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def by_name(self) -> dict[str, Callable[[Request, Reply], None]]:
        return {
            "com.microsoft:add-rule": self._add,
            "com.microsoft:remove-rule": self._remove,
            "com.microsoft:enumerate-rules": self._enumerate,
        }

    def _subscription(self, request: Request) -> Subscription:
        owner = self._engine.namespace.subscription_of(request.queue)
        if owner is None:
            raise NotAllowed(f"{request.queue.path!r} is no subscription: it has no rules")
        return owner[1]

    def _add(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        rule = read_rule(rule_name(request), request.arguments.get("rule-description"))
        add_rule(self._engine, self._subscription(request), rule, request.now)

    def _remove(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.MANAGE, request.queue.path)
        remove_rule(self._engine, self._subscription(request), rule_name(request))

    def _enumerate(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        skip = max(request.whole("skip", 0), 0)
        top = min(max(request.whole("top", PEEK_COUNT_MAX), 0), PEEK_COUNT_MAX)
        rules = list(self._subscription(request).rules.values())[skip : skip + top]
        if not rules:
            reply.status = NO_CONTENT
            reply.description = "no more rules"
        reply.result = {"rules": [{"rule-description": described(rule)} for rule in rules]}


def rule_name(request: Request) -> str:
    name = request.text("rule-name", "")
    if not name:
        raise InvalidRequest(f"{request.operation}: rule-name is missing")
    return name


# ---- as requests have them


def read_rule(name: str, description: AmqpValue) -> RuleSettings:
    """A rule-description; raises `InvalidRequest`."""
    fields = map_of("rule-description", description)
    arguments: dict[str, object] = {}
    if fields.get("sql-filter") is not None:
        arguments["kind"] = "sql"
        arguments["expression"] = expression_of("sql-filter", fields["sql-filter"])
    if fields.get("correlation-filter") is not None:
        arguments["kind"] = "correlation"
        arguments["properties"] = read_correlation(fields["correlation-filter"])
    if fields.get("sql-rule-action") is not None:
        arguments["action"] = expression_of("sql-rule-action", fields["sql-rule-action"])
    if "kind" not in arguments:
        raise InvalidRequest("rule-description has neither sql-filter nor correlation-filter")
    return rule_from(name, arguments)


def map_of(name: str, value: AmqpValue) -> Mapping[str, AmqpValue]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"add-rule: {name} is a map, not {value!r}")
    return {str(key): item for key, item in value.items()}


def expression_of(name: str, value: AmqpValue) -> AmqpValue:
    """ "" for none, which a filter refuses and an action does not mind."""
    return map_of(name, value).get("expression") or ""


def read_correlation(value: AmqpValue) -> dict[str, AmqpValue]:
    fields = map_of("correlation-filter", value)
    found: dict[str, AmqpValue] = {}
    for key, name in CORRELATED:
        if fields.get(key) is not None:
            found[name] = fields[key]
    if fields.get("properties") is not None:
        properties = map_of("properties", fields["properties"])
        found.update({key: read_value(item) for key, item in properties.items()})
    return found


# ---- as replies have them


def described(rule: Rule) -> Described:
    fields: list[AmqpValue] = [
        described_filter(rule.settings),
        described_action(rule.settings),
        rule.settings.name,
        Timestamp(rule.created_at),
    ]
    return Described(RULE, fields)


def described_filter(rule: RuleSettings) -> Described:
    if rule.kind == "true":
        return Described(TRUE_FILTER, [])
    if rule.kind == "false":
        return Described(FALSE_FILTER, [])
    if rule.kind != "correlation":
        return Described(SQL_FILTER, [rule.expression, COMPATIBILITY_LEVEL])
    system: dict[str, AmqpValue] = {}
    user: dict[AmqpValue, AmqpValue] = {}
    for name, value in rule.properties:
        if name.lower().startswith("sys."):
            system[canonical(name)] = value
        else:
            user.update(written([(name, value)]))
    fields = [system.get(name) for _key, name in CORRELATED]
    # A map even when it is empty: the JavaScript SDK takes a null for a map, and fails.
    return Described(CORRELATION_FILTER, [*fields, user])


def canonical(name: str) -> str:
    """As the table above spells it; Service Bus' SDKs say Subject for Label, too."""
    for _key, known in CORRELATED:
        if known.lower() == name.lower():
            return known
    return "sys.Label"


def described_action(rule: RuleSettings) -> Described:
    if not rule.action:
        return Described(NO_ACTION, [])
    return Described(SQL_ACTION, [rule.action, COMPATIBILITY_LEVEL])
