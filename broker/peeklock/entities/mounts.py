"""Topic names of MQTT ⇄ topics and subjects: one tree over all topics.

A topic `N` is the tree under `N/`: `N/a/b` is the subject `a/b` in it, and `N` alone is no
subject. Of several such topics the one with the longest path has the name. What is under none
is in the built-in topic `signals`, and the whole name is its subject there.

Names are compared as they are written (MQTT 5.0 §4.7.3 [MQTT-4.7.3-4]), unlike addresses.
"""

from typing import Final, final

from peeklock.entities.namespace import Namespace
from peeklock.entities.topic import Topic
from peeklock.entities.topic_names import SIGNALS
from peeklock.errors import NotAllowed
from peeklock.limits import ENTITY_PATH_CHARACTERS_MAX


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
        if namespace.has_topic(path):
            topic = namespace.find_topic(path)
            if topic.path == path and path != SIGNALS:
                rest = topic_name[end + 1 :] if end < len(topic_name) else None
                return Mount(topic, rest)
        end = topic_name.rfind("/", 0, end)
    return None


def check_signals(namespace: Namespace) -> None:
    """Raises `NotAllowed` when something else has the built-in topic's name."""
    if namespace.has(SIGNALS):
        raise NotAllowed(
            f"a queue has the name of the topic of signals under no topic, {SIGNALS!r}"
        )
