"""Create, change and look at topics, subscriptions and rules: once, for all front-ends."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.entities.rule import Rule
from peeklock.entities.settings import QueueSettings, RuleSettings, Scalar, TopicSettings
from peeklock.entities.subscription import DEFAULT_RULE, Subscription, in_rule
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidFilter, InvalidRequest, NotFound
from peeklock.filters.event_dialects import filters_text
from peeklock.limits import RULE_VALUES_MAX
from peeklock.management.operations import settings_from
from peeklock.management.ways_on import RequireSend, check_forwards
from peeklock.types import UnixMs

SCALARS: Final = (str, bool, int, float, datetime, timedelta)
WHOLE_MIN: Final = -(2**63)  # an AMQP long's least
WHOLE_MAX: Final = 2**64 - 1  # an AMQP ulong's most
SPAN_MAX: Final = timedelta(days=10_675_199)  # as long as .NET's, in which AMQP has them
RULE_ARGUMENTS: Final = (
    "sql cesql filters path correlation kind expression properties action parameters "
    "action_parameters"
).split()
# Those that say a condition, each by the kind of filter that it makes.
CONDITIONS: Final = {"sql": "sql", "cesql": "cesql", "filters": "events", "path": "path"}


# ---- topics


def create_topic(
    engine: Engine, name: str, changes: Mapping[str, object], now: UnixMs
) -> Topic:
    """A new topic; raises `AlreadyExists`, `InvalidRequest`."""
    settings = settings_from(changes, TopicSettings())
    engine.commit_registry(engine.namespace.create_topic(name, settings, now))
    return engine.namespace.find_topic(name)


def update_topic(
    engine: Engine, name: str, changes: Mapping[str, object], now: UnixMs
) -> Topic:
    topic = engine.namespace.find_topic(name)
    settings = settings_from(changes, topic.settings)
    engine.commit_registry(engine.namespace.update_topic(name, settings, now))
    return topic


def delete_topic(engine: Engine, name: str) -> None:
    """With its subscriptions and their messages."""
    engine.commit_registry(engine.namespace.delete_topic(name))


def list_topics(engine: Engine, prefix: str, skip: int, top: int) -> list[Topic]:
    """Topics by name."""
    folded = prefix.casefold()
    found = [t for t in engine.namespace.topics() if t.path.casefold().startswith(folded)]
    found.sort(key=lambda topic: topic.path.casefold())
    return found[skip : skip + top]


# ---- subscriptions


def create_subscription(
    engine: Engine,
    topic: str,
    name: str,
    settings: QueueSettings,
    rules: tuple[RuleSettings, ...] | None,
    now: UnixMs,
    require_send: RequireSend,
) -> Queue:
    """A new subscription; without rules said, it takes everything."""
    check_forwards(require_send, settings, QueueSettings())
    chosen = (RuleSettings(DEFAULT_RULE),) if rules is None else rules
    facts = engine.namespace.create_subscription(topic, name, settings, now, chosen)
    engine.commit_registry(facts)
    return engine.namespace.find_topic(topic).find(name).queue


def list_subscriptions(topic: Topic, prefix: str, skip: int, top: int) -> list[Subscription]:
    """A topic's subscriptions by name."""
    folded = prefix.casefold()
    found = [
        subscription
        for name, subscription in sorted(topic.subscriptions.items())
        if name.startswith(folded)
    ]
    return found[skip : skip + top]


def subscription_at(engine: Engine, path: str) -> Subscription:
    """The subscription with this path, `<topic>/Subscriptions/<name>`."""
    owner = engine.namespace.subscription_of(engine.namespace.find(path))
    if owner is None:
        raise NotFound(path)
    return owner[1]


# ---- rules


def rule_from(name: str, arguments: Mapping[str, object]) -> RuleSettings:
    """A rule as a request or file has it; raises `InvalidRequest`.

    Either a condition (`sql`, `cesql`, `path`, or `filters`: the Subscriptions API's, as a list
    or as its JSON) or `correlation` (a map of what has to be equal), or none for a rule that
    takes everything; or a `kind` with its `expression` or `properties`. An `action` may come
    with each. `parameters` are the values of `@names` in a condition, `action_parameters` in an
    action.
    """
    for key in arguments:
        if key not in RULE_ARGUMENTS:
            known = ", ".join(RULE_ARGUMENTS)
            raise InvalidRequest(f"a rule has no {key!r}; there are {known}")
    implied, expression = condition_in(name, arguments)
    expression = expression or text_of(arguments, "expression")
    properties = values_from(arguments, "correlation") or values_from(arguments, "properties")
    if expression and properties:
        raise InvalidRequest(f"rule {name!r} has an expression and properties: make two of it")
    kind = text_of(arguments, "kind") or implied or implied_kind(expression, properties)
    if implied and implied != kind:
        raise InvalidRequest(
            f"rule {name!r} has a condition of {implied} and is of kind {kind!r}"
        )
    action = text_of(arguments, "action")
    parameters = values_from(arguments, "parameters")
    action_parameters = values_from(arguments, "action_parameters")
    if action_parameters and not action:
        raise InvalidRequest(f"rule {name!r} has parameters of an action, and no action")
    return RuleSettings(
        name, kind, expression, properties, action, parameters, action_parameters
    )


def condition_in(name: str, arguments: Mapping[str, object]) -> tuple[str, str]:
    """The kind of the one condition that is said by its own name, and its text; or nothing."""
    said = [key for key in CONDITIONS if arguments.get(key) not in (None, "")]
    if len(said) > 1:
        both = " and ".join(said)
        raise InvalidRequest(f"rule {name!r} has conditions in {both}: make a rule of each")
    if not said:
        return "", ""
    key = said[0]
    given = arguments[key]
    if key != "filters" or not isinstance(given, list):
        return CONDITIONS[key], text_of(arguments, key)
    try:
        return CONDITIONS[key], filters_text(given)
    except InvalidFilter as error:
        raise in_rule(error, "filter", name) from None


def implied_kind(expression: str, properties: tuple[tuple[str, Scalar], ...]) -> str:
    if properties:
        return "correlation"
    return "sql" if expression else "true"


def text_of(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"a rule's {name} is a string, not {value!r}")
    return str(value)


def values_from(arguments: Mapping[str, object], of: str) -> tuple[tuple[str, Scalar], ...]:
    """Names and values of one of a rule's maps, in the order given; none is empty."""
    given = arguments.get(of)
    if given is None:
        return ()
    if not isinstance(given, dict):
        raise InvalidRequest(f"a rule's {of} are a map, not {given!r}")
    if len(given) > RULE_VALUES_MAX:
        raise InvalidRequest(f"a rule has at most {RULE_VALUES_MAX} {of}, not {len(given)}")
    found: list[tuple[str, Scalar]] = []
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, SCALARS):
            raise InvalidRequest(f"a rule compares no {name!r} with {value!r}")
        found.append((str(name), plain(name, value)))
    return tuple(found)


def plain(name: str, value: Scalar) -> Scalar:
    """Off the wire it may be of a subclass that knows its AMQP type."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and not WHOLE_MIN <= value <= WHOLE_MAX:
        raise InvalidRequest(f"{name!r} is {value}, which no message's number can be")
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, timedelta) and abs(value) > SPAN_MAX:
        raise InvalidRequest(f"{name!r} is {value}, which is longer than {SPAN_MAX}")
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise InvalidRequest(f"{name!r} is {value}, which is out of range in UTC") from None
    return value


def add_rule(
    engine: Engine, subscription: Subscription, rule: RuleSettings, now: UnixMs
) -> Rule:
    engine.commit_registry(subscription.add_rule(rule, now))
    return subscription.find_rule(rule.name)


def update_rule(engine: Engine, subscription: Subscription, rule: RuleSettings) -> Rule:
    engine.commit_registry(subscription.update_rule(rule))
    return subscription.find_rule(rule.name)


def remove_rule(engine: Engine, subscription: Subscription, name: str) -> None:
    engine.commit_registry(subscription.remove_rule(name))
