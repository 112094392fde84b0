"""Subscriptions that push, replaced and listed as CloudEvents' Subscriptions API has them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from peeklock.engine.engine import Engine
from peeklock.entities.facts import Fact, RuleCreated, RuleDeleted
from peeklock.entities.push import Push, renewed
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.subscription import Subscription, check_rule
from peeklock.entities.topic import Topic
from peeklock.errors import NotFound
from peeklock.management.operations import settings_from
from peeklock.types import UnixMs


def pushing(engine: Engine, topic: str | None) -> Iterator[tuple[Topic, Subscription]]:
    """All that push, or those of one topic, by name; raises `NotFound`."""
    namespace = engine.namespace
    topics = namespace.topics() if topic is None else [namespace.find_topic(topic)]
    for one in sorted(topics, key=lambda found: found.path.casefold()):
        for _name, subscription in sorted(one.subscriptions.items()):
            if subscription.queue.settings.push.to:
                yield one, subscription


def find_pushing(engine: Engine, topic: str, name: str) -> tuple[Topic, Subscription]:
    """Raises `NotFound`, also for one that pushes nothing."""
    found = engine.namespace.find_topic(topic)
    subscription = found.find(name)
    if not subscription.queue.settings.push.to:
        raise NotFound(subscription.queue.path)
    return found, subscription


def replace_pushing(
    engine: Engine,
    subscription: Subscription,
    changes: Mapping[str, object],
    rule: RuleSettings | None,
    now: UnixMs,
) -> None:
    """These settings, defaults for the rest, and this rule alone; None: the rules it has.

    What the receiver has allowed, and the secret that it is told, stay with the receiver. All
    of it is one append. Raises `InvalidRequest`, `InvalidFilter`.
    """
    queue = subscription.queue
    before = queue.settings
    kept = Push(
        authorization=before.push.authorization,
        granted=before.push.granted,
        granted_per_minute=before.push.granted_per_minute,
    )
    base = QueueSettings(push=kept, service_bus=before.service_bus)
    settings = settings_from(changes, base)
    settings = replace(settings, push=renewed(before.push, settings.push, set(changes)))
    facts: list[Fact] = engine.namespace.update(queue.path, settings, now)
    if rule is not None:
        check_rule(rule)
        for one in subscription.rules.values():
            if one.settings.name.casefold() != rule.name.casefold():
                facts.append(RuleDeleted(queue.queue_id, one.settings.name))
        facts.append(RuleCreated(queue.queue_id, rule, now))
    engine.commit_registry(facts)
    engine.refresh(queue)
