"""Entities that a file wants to be there: what is missing is made, what is there stays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from peeklock.engine.engine import Engine
from peeklock.entities.address import key_of, parse_address, subscription_path
from peeklock.entities.derivation import Derivation
from peeklock.entities.forwarding import FORWARD_DEAD_LETTERS_TO, FORWARD_TO
from peeklock.entities.settings import QueueSettings
from peeklock.errors import BrokerError
from peeklock.management.derivations import add_derivation, derivation_from
from peeklock.management.operations import create_queue, settings_from
from peeklock.management.topics import create_subscription, create_topic, rule_from
from peeklock.management.ways_on import of_right
from peeklock.types import EntityPath, UnixMs

Changes = Mapping[str, object]  # settings by their names, other than the default


@dataclass(frozen=True)
class QueueDefinition:
    name: str
    settings: Changes


@dataclass(frozen=True)
class SubscriptionDefinition:
    """Its rules, each as its name and what `rule_from` reads; None: it takes everything."""

    name: str
    settings: Changes
    rules: tuple[tuple[str, Changes], ...] | None = None


@dataclass(frozen=True)
class TopicDefinition:
    name: str
    settings: Changes
    subscriptions: tuple[SubscriptionDefinition, ...] = ()
    derivations: tuple[
        tuple[str, Changes], ...
    ] = ()  # a name, and what `derivation_from` reads


def in_order(
    wanted: Sequence[QueueDefinition | TopicDefinition],
) -> list[QueueDefinition | TopicDefinition]:
    """What others forward to comes before them, wherever the file has it.

    A circle stays as it is: the first of it will be refused, for its target is not there.
    """
    found: list[QueueDefinition | TopicDefinition] = []
    left = list(wanted)
    while left:
        missing = {key_of(one.name) for one in left}
        ready = [one for one in left if missing.isdisjoint(targets_of(one))]
        if not ready:
            return found + left
        left = [one for one in left if not missing.isdisjoint(targets_of(one))]
        found.extend(ready)
    return found


def targets_of(wanted: QueueDefinition | TopicDefinition) -> set[str]:
    """Where it, or a topic's subscription, forwards to, or a topic's derivation makes jobs."""
    given = [wanted.settings]
    if isinstance(wanted, TopicDefinition):
        given = [one.settings for one in wanted.subscriptions]
    named = [one.get(name) for one in given for name in (FORWARD_TO, FORWARD_DEAD_LETTERS_TO)]
    if isinstance(wanted, TopicDefinition):
        named += [one.get("to") for _name, one in wanted.derivations]
    return {key_of(parse_address(name).path) for name in named if isinstance(name, str)}


def ensure(
    engine: Engine, wanted: QueueDefinition | TopicDefinition, now: UnixMs
) -> list[BrokerError]:
    """Make what is missing of it; returns why some of it cannot be, in the file's order."""
    if isinstance(wanted, TopicDefinition):
        return ensure_topic(engine, wanted, now)
    return refused(partial(ensure_queue, engine, wanted, now))


def refused(make: Callable[[], None]) -> list[BrokerError]:
    try:
        make()
    except BrokerError as error:
        return [error]
    return []


def ensure_queue(engine: Engine, wanted: QueueDefinition, now: UnixMs) -> None:
    if not engine.namespace.has(wanted.name):
        settings = settings_from(wanted.settings, QueueSettings())
        create_queue(engine, wanted.name, settings, now, of_right)


def ensure_topic(engine: Engine, wanted: TopicDefinition, now: UnixMs) -> list[BrokerError]:
    """The topic, and each of its subscriptions and derivations."""
    if not engine.namespace.has_topic(wanted.name):
        try:
            create_topic(engine, wanted.name, wanted.settings, now)
        except BrokerError as error:
            return [error]
    topic = wanted.name
    mistakes: list[BrokerError] = []
    for one in wanted.subscriptions:
        mistakes += refused(partial(ensure_subscription, engine, topic, one, now))
    for name, changes in wanted.derivations:
        mistakes += refused(partial(ensure_derivation, engine, topic, name, changes, now))
    return mistakes


def ensure_subscription(
    engine: Engine, topic: str, wanted: SubscriptionDefinition, now: UnixMs
) -> None:
    """Rules are those of a new subscription."""
    if engine.namespace.has(subscription_path(EntityPath(topic), wanted.name)):
        return
    settings = settings_from(wanted.settings, QueueSettings())
    rules = None
    if wanted.rules is not None:
        rules = tuple([rule_from(name, changes) for name, changes in wanted.rules])
    create_subscription(engine, topic, wanted.name, settings, rules, now, of_right)


def ensure_derivation(
    engine: Engine, topic: str, name: str, changes: Changes, now: UnixMs
) -> None:
    """A mistake in one that is there already is told, too: it is not what the file says."""
    settings = derivation_from(name, changes)
    if name.casefold() in engine.namespace.find_topic(topic).derivations.by_name:
        Derivation(settings)
    else:
        add_derivation(engine, topic, settings, now, of_right)
