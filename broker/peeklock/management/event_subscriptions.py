"""Subscriptions that push or forward, replaced, listed and looked at as CloudEvents'
Subscriptions API has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from peeklock.engine.engine import Engine
from peeklock.entities.facts import Fact, RuleCreated, RuleDeleted
from peeklock.entities.push import Push, PushStatus, renewed
from peeklock.entities.queue import Queue
from peeklock.entities.settings import QueueSettings, RuleSettings
from peeklock.entities.subscription import Subscription, check_rule
from peeklock.entities.topic import Topic
from peeklock.errors import NotFound
from peeklock.management.operations import settings_from
from peeklock.management.ways_on import RequireSend, check_forwards
from peeklock.types import UnixMs

FORWARDS: Final = "forwards"
STARTS: Final = "starts"


def pushing(engine: Engine, topic: str | None) -> Iterator[tuple[Topic, Subscription]]:
    """All that push or forward, or those of one topic, by name; raises `NotFound`."""
    namespace = engine.namespace
    topics = namespace.topics() if topic is None else [namespace.find_topic(topic)]
    for one in sorted(topics, key=lambda found: found.path.casefold()):
        for _name, subscription in sorted(one.subscriptions.items()):
            if has_sink(subscription.queue.settings):
                yield one, subscription


def has_sink(settings: QueueSettings) -> bool:
    """Do its messages go somewhere by themselves?"""
    return settings.push.to != "" or settings.forward_to != ""


def find_pushing(engine: Engine, topic: str, name: str) -> tuple[Topic, Subscription]:
    """Raises `NotFound`, also for one whose messages are fetched."""
    found = engine.namespace.find_topic(topic)
    subscription = found.find(name)
    if not has_sink(subscription.queue.settings):
        raise NotFound(subscription.queue.path)
    return found, subscription


def replace_pushing(
    engine: Engine,
    subscription: Subscription,
    changes: Mapping[str, object],
    rule: RuleSettings | None,
    now: UnixMs,
    require_send: RequireSend,
) -> None:
    """These settings, defaults for the rest, and this rule alone; None: the rules it has.

    What the receiver has allowed, and the secret that it is told, stay with the receiver. All
    of it is one append. Raises `InvalidRequest`, `InvalidFilter`, `Unauthorized`.
    """
    queue = subscription.queue
    before = queue.settings
    kept = Push(
        authorization=before.push.authorization,
        authorized_until=before.push.authorized_until,
        granted=before.push.granted,
        granted_per_minute=before.push.granted_per_minute,
    )
    base = QueueSettings(push=kept, service_bus=before.service_bus)
    settings = settings_from(changes, base)
    check_forwards(require_send, settings, base)  # all of them: they are said anew
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


def status_of(engine: Engine, queue: Queue) -> dict[str, object]:
    """How it goes, for who has made it: `state`; the last `error`, and when, if it holds it up
    still; how many were `delivered` since the broker started, and how many wait.
    """
    settings = queue.settings
    found: dict[str, object] = {"state": FORWARDS, "messages": len(queue.entries)}
    if settings.forward_to:
        if engine.namespace.target(settings.forward_to) is None:
            found["error"] = f"no queue or topic {settings.forward_to!r} is there"
        return found
    if settings.push.status is not PushStatus.ACTIVE:
        found["state"] = str(settings.push.status)
    else:
        found["state"] = STARTS if settings.status.receives else str(settings.status)
    for receiver in engine.receivers_of(queue):
        if receiver.about is not None:
            about = receiver.about()
            found["state"] = about["push_state"]
            found["delivered"] = about["push_delivered"]
            if about["push_error"]:
                found["error"] = about["push_error"]
                found["errorat"] = about["push_error_at"]
    return found
