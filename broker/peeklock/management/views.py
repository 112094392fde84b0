"""What an operator sees of queues, topics, subscriptions and rules."""

from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, LOCKED, READY, WAITING
from peeklock.entities.rule import Rule
from peeklock.entities.settings import QueueSettings, TopicSettings
from peeklock.entities.settings_map import rule_as_map, settings_as_map
from peeklock.entities.topic import Topic


def describe(engine: Engine, queue: Queue, *, to_owner: bool) -> dict[str, object]:
    """Settings and state of one queue; counts of messages, sizes in bytes, times in ms.

    `to_owner`: to somebody who may change it, and so may know what headers it sends.
    """
    receivers = engine.receivers_of(queue)
    view: dict[str, object] = {"name": str(queue.path)}
    view.update(settings_shown(queue.settings))
    if not to_owner:
        del view["push_headers"]
    view.update(
        active=queue.counts[READY],
        locked=queue.counts[LOCKED],
        scheduled=queue.counts[WAITING],
        deferred=queue.counts[DEFERRED],
        messages=len(queue.entries),
        bytes=queue.size_bytes,
        next_sequence_number=int(queue.next_number),
        created_at=int(queue.created_at),
        updated_at=int(queue.updated_at),
        accessed_at=int(engine.accessed_at(queue)),
        oldest_enqueued_at=oldest(queue),
        paused=not queue.settings.dispatch,
        receivers=len(receivers),
        receivers_waiting=[receiver.why_waiting().value for receiver in receivers],
    )
    for receiver in receivers:
        if receiver.about is not None:
            view.update(receiver.about())
    if queue.sessions is not None:
        view["sessions"] = len(queue.sessions.by_id)
        view["sessions_held"] = queue.sessions.held_count
    owner = engine.namespace.subscription_of(queue)
    if owner is not None:
        topic, subscription = owner
        view["topic"] = str(topic.path)
        view["subscription"] = subscription.name
        view["rules"] = [rule.settings.name for rule in subscription.rules.values()]
    if queue.queue_id in engine.namespace.listeners.by_queue:
        return view  # a session has no dead letters
    if queue.dead_letters_of == 0:
        view["dead_letters"] = len(engine.namespace.dead_letters_of(queue).entries)
    return view


def describe_topic(engine: Engine, topic: Topic) -> dict[str, object]:
    """Settings and state of a topic; what its subscriptions hold is counted in each, too."""
    view: dict[str, object] = {"name": str(topic.path)}
    view.update(settings_shown(topic.settings))
    view.update(
        subscriptions=len(topic.subscriptions),
        last_values=len(topic.last_values.entries),
        last_values_bytes=topic.last_values.size_bytes,
        derivations=len(topic.derivations.by_name),
        bytes=topic.size_bytes,
        next_sequence_number=int(topic.next_number),
        created_at=int(topic.created_at),
        updated_at=int(topic.updated_at),
        accessed_at=int(engine.accessed_at(topic)),
    )
    return view


def describe_rule(rule: Rule) -> dict[str, object]:
    """A rule as its author wrote it."""
    view = rule_as_map(rule.settings)
    view["properties"] = dict(rule.settings.properties)
    view["parameters"] = dict(rule.settings.parameters)
    view["action_parameters"] = dict(rule.settings.action_parameters)
    view["created_at"] = int(rule.created_at)
    return view


def settings_shown(settings: QueueSettings | TopicSettings) -> dict[str, object]:
    """Without keys and secrets: what is kept for Service Bus' clients has some, and this is for
    everybody who may look. Of the secret of a webhook, whether there is one."""
    view = settings_as_map(settings)
    del view["service_bus"]
    if "push_authorization" in view:
        view["push_authorized"] = view.pop("push_authorization") != ""
    return view


def oldest(queue: Queue) -> int:
    """When the oldest message was enqueued, or is to be; 0 for an empty queue."""
    for entry in queue.entries.values():
        return int(entry.enqueued_at)
    return 0
