"""Entities that a file wants to be there: what is missing is made, what is there stays."""

from collections.abc import Mapping
from dataclasses import dataclass

from peeklock.engine.engine import Engine
from peeklock.entities.address import subscription_path
from peeklock.entities.settings import QueueSettings
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


def ensure_queue(engine: Engine, wanted: QueueDefinition, now: UnixMs) -> None:
    if not engine.namespace.has(wanted.name):
        settings = settings_from(wanted.settings, QueueSettings())
        create_queue(engine, wanted.name, settings, now)


def ensure_topic(engine: Engine, wanted: TopicDefinition, now: UnixMs) -> None:
    """The topic and each of its subscriptions; rules are those of a new subscription."""
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
