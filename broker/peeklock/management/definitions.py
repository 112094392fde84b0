"""Entities that a file wants to be there: what is missing is made, what is there stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from peeklock.engine.engine import Engine
from peeklock.entities.address import key_of, parse_address, subscription_path
from peeklock.entities.forwarding import FORWARD_DEAD_LETTERS_TO, FORWARD_TO
from peeklock.entities.settings import QueueSettings
from peeklock.management.derivations import add_derivation, derivation_from
from peeklock.management.operations import create_queue, settings_from
from peeklock.management.topics import create_subscription, create_topic, rule_from
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


def ensure(engine: Engine, wanted: QueueDefinition | TopicDefinition, now: UnixMs) -> None:
    if isinstance(wanted, TopicDefinition):
        ensure_topic(engine, wanted, now)
    else:
        ensure_queue(engine, wanted, now)


def ensure_queue(engine: Engine, wanted: QueueDefinition, now: UnixMs) -> None:
    if not engine.namespace.has(wanted.name):
        settings = settings_from(wanted.settings, QueueSettings())
        create_queue(engine, wanted.name, settings, now)


def ensure_topic(engine: Engine, wanted: TopicDefinition, now: UnixMs) -> None:
    """The topic and each of its subscriptions; rules are those of a new subscription.

    And each of its derivations, under a name that is not there yet.
    """
    if not engine.namespace.has_topic(wanted.name):
        create_topic(engine, wanted.name, wanted.settings, now)
    for one in wanted.subscriptions:
        if engine.namespace.has(subscription_path(EntityPath(wanted.name), one.name)):
            continue
        settings = settings_from(one.settings, QueueSettings())
        rules = None
        if one.rules is not None:
            rules = tuple([rule_from(name, changes) for name, changes in one.rules])
        create_subscription(engine, wanted.name, one.name, settings, rules, now)
    there = engine.namespace.find_topic(wanted.name).derivations.by_name
    for name, changes in wanted.derivations:
        if name.casefold() not in there:
            add_derivation(engine, wanted.name, derivation_from(name, changes), now)
