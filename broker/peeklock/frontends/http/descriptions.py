"""Queues, topics and subscriptions ⇄ the elements that describe them to Service Bus' clients.

The order of what is in an element is the service's own; what comes in is taken in any order.
"""

from typing import Final

from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import LOCKED, READY, WAITING
from peeklock.entities.settings import QueueSettings, TopicSettings
from peeklock.entities.settings_map import Settings
from peeklock.entities.topic import Topic
from peeklock.frontends.http.instants import write_instant
from peeklock.frontends.http.xml_tree import Element
from peeklock.management.service_bus import (
    PATHS,
    changes_from,
    properties_of,
    property_names,
)
from peeklock.management.service_bus_kept import (
    AUTHORIZATION,
    FIELDS,
    RIGHTS,
    TYPE,
    access_rules_of,
)

CONTENT: Final = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
COUNTED: Final = "http://schemas.microsoft.com/netservices/2011/06/servicebus"
INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
DESCRIBED: Final = {"xmlns": CONTENT, "xmlns:i": INSTANCE}

QUEUE: Final = "QueueDescription"
TOPIC: Final = "TopicDescription"
SUBSCRIPTION: Final = "SubscriptionDescription"
RULE: Final = "RuleDescription"

QUEUE_ORDER: Final = (
    "LockDuration MaxSizeInMegabytes RequiresDuplicateDetection RequiresSession "
    "DefaultMessageTimeToLive DeadLetteringOnMessageExpiration "
    "DuplicateDetectionHistoryTimeWindow MaxDeliveryCount EnableBatchedOperations SizeInBytes "
    "MessageCount IsAnonymousAccessible AuthorizationRules Status CreatedAt UpdatedAt "
    "AccessedAt SupportOrdering CountDetails AutoDeleteOnIdle EnablePartitioning "
    "EntityAvailabilityStatus EnableExpress ForwardTo UserMetadata "
    "ForwardDeadLetteredMessagesTo MaxMessageSizeInKilobytes"
).split()
TOPIC_ORDER: Final = (
    "DefaultMessageTimeToLive MaxSizeInMegabytes RequiresDuplicateDetection "
    "DuplicateDetectionHistoryTimeWindow EnableBatchedOperations SizeInBytes "
    "FilteringMessagesBeforePublishing IsAnonymousAccessible AuthorizationRules Status "
    "CreatedAt UpdatedAt AccessedAt SupportOrdering CountDetails SubscriptionCount "
    "AutoDeleteOnIdle EnablePartitioning EntityAvailabilityStatus "
    "EnableSubscriptionPartitioning EnableExpress UserMetadata MaxMessageSizeInKilobytes"
).split()
SUBSCRIPTION_ORDER: Final = (
    "LockDuration RequiresSession DefaultMessageTimeToLive DeadLetteringOnMessageExpiration "
    "DeadLetteringOnFilterEvaluationExceptions MessageCount MaxDeliveryCount "
    "EnableBatchedOperations Status ForwardTo CreatedAt UpdatedAt AccessedAt CountDetails "
    "ForwardDeadLetteredMessagesTo AutoDeleteOnIdle EntityAvailabilityStatus UserMetadata"
).split()
ACCESS_RULE: Final = "AuthorizationRule"
ACCESS_RIGHT: Final = "AccessRights"


# ---- theirs → ours


def changes_in(description: Element, base: Settings) -> dict[str, object]:
    """The settings that a description changes in `base`; raises `InvalidRequest`.

    Clients send back all that they were told, and more with every version: what is no
    setting says nothing.
    """
    known = set(property_names(base))
    given: dict[str, object] = {
        one.name: access_rules_in(one) if one.name == AUTHORIZATION else one.text
        for one in description.below
        if one.name in known
    }
    return changes_from(given, base)


def access_rules_in(given: Element) -> list[object]:
    found: list[object] = []
    for one in given.below:
        fields: dict[str, object] = {below.name: below.text for below in one.below}
        rights = one.find(RIGHTS)
        if rights is not None:
            fields[RIGHTS] = [right.text for right in rights.below]
        if TYPE in one.attributes:
            fields[TYPE] = one.attributes[TYPE].rpartition(":")[2]
        found.append(fields)
    return found


# ---- ours → theirs


def queue_description(engine: Engine, queue: Queue, authority: str) -> Element:
    dead_letters = engine.namespace.dead_letters_of(queue)
    values = told(engine, queue, authority)
    values["SizeInBytes"] = str(queue.size_bytes + dead_letters.size_bytes)
    values["MessageCount"] = str(len(queue.entries) + len(dead_letters.entries))
    counts = counts_of(queue, dead_letters)
    return describe(QUEUE, QUEUE_ORDER, values, counts, access_rules(queue.settings))


def subscription_description(engine: Engine, queue: Queue, authority: str) -> Element:
    dead_letters = engine.namespace.dead_letters_of(queue)
    values = told(engine, queue, authority)
    values["MessageCount"] = str(len(queue.entries) + len(dead_letters.entries))
    return describe(SUBSCRIPTION, SUBSCRIPTION_ORDER, values, counts_of(queue, dead_letters))


def topic_description(engine: Engine, topic: Topic, authority: str) -> Element:
    """What is scheduled waits in the subscriptions, each with a copy of its own."""
    values = told(engine, topic, authority)
    subscriptions = topic.subscriptions.values()
    values["SizeInBytes"] = str(topic.size_bytes)
    values["SubscriptionCount"] = str(len(subscriptions))
    waiting = max((one.queue.counts[WAITING] for one in subscriptions), default=0)
    counts = count_details(0, 0, waiting)
    return describe(TOPIC, TOPIC_ORDER, values, counts, access_rules(topic.settings))


def told(engine: Engine, entity: Queue | Topic, authority: str) -> dict[str, str]:
    """What all have."""
    values = properties_of(entity.settings)
    values["EntityAvailabilityStatus"] = "Available"
    for name in PATHS:
        path = values.pop(name, "")
        if path:
            values[name] = f"sb://{authority}/{path}"
    if not values["UserMetadata"]:
        del values["UserMetadata"]
    values["CreatedAt"] = write_instant(entity.created_at)
    values["UpdatedAt"] = write_instant(entity.updated_at)
    values["AccessedAt"] = write_instant(engine.accessed_at(entity))
    return values


def describe(
    name: str, order: list[str], values: dict[str, str], *elements: Element
) -> Element:
    """Texts by their names, and what is more than a text, in this order."""
    given = {key: Element(key, text=text) for key, text in values.items()}
    given |= {one.name: one for one in elements}
    found = [given[key] for key in order if key in given]
    return Element(name, *found, attributes=DESCRIBED)


def access_rules(settings: QueueSettings | TopicSettings) -> Element:
    """As they were sent. They get nobody in."""
    found: list[Element] = []
    for rule in access_rules_of(settings):
        below = [access_field(name, rule[name]) for name in FIELDS if name in rule]
        attributes = {"i:type": str(rule[TYPE])} if TYPE in rule else {}
        found.append(Element(ACCESS_RULE, *below, attributes=attributes))
    return Element(AUTHORIZATION, *found)


def access_field(name: str, value: object) -> Element:
    if isinstance(value, list):
        return Element(name, *[Element(ACCESS_RIGHT, text=str(right)) for right in value])
    return Element(name, text=str(value))


def counts_of(queue: Queue, dead_letters: Queue) -> Element:
    """Messages that are held count as active, as with Service Bus."""
    active = queue.counts[READY] + queue.counts[LOCKED]
    return count_details(active, len(dead_letters.entries), queue.counts[WAITING])


def count_details(active: int, dead_lettered: int, scheduled: int) -> Element:
    """Nothing is ever on its way between entities: moves are one append."""
    counts = {
        "ActiveMessageCount": active,
        "DeadLetterMessageCount": dead_lettered,
        "ScheduledMessageCount": scheduled,
        "TransferMessageCount": 0,
        "TransferDeadLetterMessageCount": 0,
    }
    below = [Element(f"d2p1:{name}", text=str(count)) for name, count in counts.items()]
    return Element("CountDetails", *below, attributes={"xmlns:d2p1": COUNTED})


def namespace_description(name: str, created_at: int) -> Element:
    values = {
        "Alias": "",
        "CreatedTime": write_instant(created_at),
        "MessagingSKU": "Premium",  # the tier whose sizes and features come nearest
        "MessagingUnits": "1",
        "ModifiedTime": write_instant(created_at),
        "Name": name,
        "NamespaceType": "Messaging",
    }
    below = [Element(key, text=value) for key, value in values.items() if value]
    return Element("NamespaceInfo", *below, attributes=DESCRIBED)
