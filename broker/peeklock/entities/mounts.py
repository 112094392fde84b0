"""Topic names of MQTT ⇄ topics and subjects: one tree over all topics.

A topic `N` is the tree under `N/`: `N/a/b` is the subject `a/b` in it, and `N` alone is no
subject. Of several such topics the one with the longest path has the name. What is under none
is in the built-in topic `signals`, and the whole name is its subject there.

Names are compared as they are written (MQTT 5.0 §4.7.3 [MQTT-4.7.3-4]), unlike addresses.
"""

from typing import Final, final

from peeklock.entities.namespace import Namespace
from peeklock.entities.topic import Topic
from peeklock.entities.topic_filter import ALL_LEVELS, ONE_LEVEL, SEPARATOR
from peeklock.entities.topic_names import SIGNALS
from peeklock.errors import NotAllowed
from peeklock.limits import ENTITY_PATH_CHARACTERS_MAX

# What a filter asks that matches a topic's own name: signals without a subject. No filter has
# a U+0000 in it.
BARE_NAME: Final = "\0"


@final
class Mount:
    """Where a topic name leads."""

    __slots__ = ("subject", "topic")

    def __init__(self, topic: Topic, subject: str | None) -> None:
        self.topic: Final = topic
        self.subject: Final = subject  # None: none


def mount_of(namespace: Namespace, topic_name: str) -> Mount | None:
    """The topic that a name is under; None: it belongs to the built-in one."""
    end = len(topic_name)
    if end > ENTITY_PATH_CHARACTERS_MAX:
        end = topic_name.rfind("/", 0, ENTITY_PATH_CHARACTERS_MAX + 1)
    while end > 0:
        path = topic_name[:end]
        topic = namespace.topic_named(path)
        if topic is not None and topic.path == path and path != SIGNALS:
            rest = topic_name[end + 1 :] if end < len(topic_name) else None
            return Mount(topic, rest)
        end = topic_name.rfind("/", 0, end)
    return None


@final
class Part:
    """What a topic filter asks of one topic."""

    __slots__ = ("is_root", "topic", "topic_filter")

    def __init__(self, topic: Topic, topic_filter: str, *, is_root: bool = False) -> None:
        self.topic: Final = topic
        self.topic_filter: Final = topic_filter  # about its subjects; or BARE_NAME
        self.is_root: Final = is_root  # they are whole topic names


def parts_of(namespace: Namespace, topic_filter: str) -> list[Part]:
    """What a filter asks of each topic that keeps anything."""
    parts: list[Part] = []
    for topic in namespace.topics():
        if not topic.last_values.entries:
            continue
        if topic.path == SIGNALS:
            parts.append(Part(topic, topic_filter, is_root=True))
            continue
        rest = rest_of(topic.path, topic_filter)
        if rest is not None:
            parts.append(Part(topic, rest))
    return parts


def rest_of(path: str, topic_filter: str) -> str | None:
    """The filter behind a topic's name; BARE_NAME: it matches that; None: nothing there."""
    levels = path.split(SEPARATOR)
    wanted = topic_filter.split(SEPARATOR)
    for place, level in enumerate(levels):
        if place == len(wanted):
            return None
        if wanted[place] == ALL_LEVELS:
            return ALL_LEVELS
        if wanted[place] not in (ONE_LEVEL, level):
            return None
    rest = wanted[len(levels) :]
    return SEPARATOR.join(rest) if rest else BARE_NAME


def check_signals(namespace: Namespace) -> None:
    """Raises `NotAllowed` when something else has the built-in topic's name."""
    if namespace.has(SIGNALS):
        raise NotAllowed(
            f"a queue has the name of the topic of signals under no topic, {SIGNALS!r}"
        )
