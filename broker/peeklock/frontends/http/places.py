"""What a path of the administration interface leads to.

`/orders` · `/tickets/subscriptions/erp` · `/tickets/subscriptions/erp/rules/paid`, the lists
above each of these, `/$Resources/queues` and `topics`, and `/$namespaceinfo`. Words of the path
are found in any case, and names may contain `/`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from peeklock.entities.address import subscription_path
from peeklock.errors import NotFound
from peeklock.types import EntityPath


class Kind(Enum):
    ENTITY = auto()  # a queue or a topic
    SUBSCRIPTION = auto()
    RULE = auto()
    QUEUES = auto()
    TOPICS = auto()
    SUBSCRIPTIONS = auto()
    RULES = auto()
    NAMESPACE = auto()


ONE = frozenset({Kind.ENTITY, Kind.SUBSCRIPTION, Kind.RULE})


@dataclass(frozen=True)
class Place:
    kind: Kind
    entity: str = ""
    subscription: str = ""
    rule: str = ""

    @property
    def subscription_path(self) -> EntityPath:
        return subscription_path(EntityPath(self.entity), self.subscription)


def place_of(path: str) -> Place:
    """Reads a decoded path; raises `NotFound` for what can lead nowhere."""
    parts = path.strip("/").split("/")
    words = [part.casefold() for part in parts]
    if words == ["$namespaceinfo"]:
        return Place(Kind.NAMESPACE)
    if words[0] == "$resources":
        lists = {"queues": Kind.QUEUES, "topics": Kind.TOPICS}
        if len(words) != 2 or words[1] not in lists:
            raise NotFound(path)
        return Place(lists[words[1]])
    if "subscriptions" not in words:
        if not words[0] or words[0].startswith("$"):
            raise NotFound(path)
        return Place(Kind.ENTITY, "/".join(parts))
    at = words.index("subscriptions")
    topic = "/".join(parts[:at])
    match parts[at + 1 :]:
        case []:
            return Place(Kind.SUBSCRIPTIONS, topic)
        case [name]:
            return Place(Kind.SUBSCRIPTION, topic, name)
        case [name, word] if word.casefold() == "rules":
            return Place(Kind.RULES, topic, name)
        case [name, word, rule] if word.casefold() == "rules":
            return Place(Kind.RULE, topic, name, rule)
    raise NotFound(path)
