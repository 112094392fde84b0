"""Topic names and filters → what they lead to.

`$queue/orders` is the queue `orders`: a job is published to it, and leased by a subscription to
it or to `$share/g/$queue/orders`, which is the same: who takes from a queue shares it anyway.

What else does not begin with `$` is a signal, of the topic that it is under (mounts.py).
"""

from typing import Final, final

from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import find_signals
from peeklock.entities.address import Address
from peeklock.entities.listeners import is_of_system, is_shared, shared_by
from peeklock.entities.mounts import mount_of
from peeklock.entities.queue import Queue
from peeklock.entities.topic import Topic
from peeklock.entities.topic_names import SIGNALS
from peeklock.errors import InvalidRequest, NotAllowed, NotFound, Unauthorized
from peeklock.frontends.amqp_nodes import find_queue
from peeklock.limits import MQTT_SIGNAL_NAME_BYTES_MAX
from peeklock.protocols.mqtt.topics import has_wildcard, shared_filter
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import EntityPath, UnixMs

QUEUE_PREFIX: Final = "$queue/"
RESERVED: Final = "$"  # what the names of a server's own begin with (5.0 §4.7.2)
TOPIC_SCHEME: Final = "topic://"  # before a topic name that is an AMQP reply-to


@final
class Place:
    """What a topic name leads to; `subject` is of a signal that has one."""

    __slots__ = ("entity", "subject")

    def __init__(self, entity: Queue | Topic, subject: str | None) -> None:
        self.entity: Final = entity
        self.subject: Final = subject


@final
class Finder:
    """For one client, whose rights decide."""

    def __init__(self, engine: Engine, principal: Principal, *, creates: bool) -> None:
        self._engine: Final = engine
        self.principal = principal  # nobody in particular before the login
        self._creates: Final = creates

    def target(self, topic_name: str, now: UnixMs) -> Place:
        """Where a PUBLISH goes; raises `BrokerError`."""
        if not topic_name.startswith(RESERVED):
            return self._signal(topic_name, now)
        if not topic_name.startswith(QUEUE_PREFIX):
            raise NotFound(topic_name)
        queue = self._queue(topic_name[len(QUEUE_PREFIX) :], Right.SEND, now)
        owner = self._engine.namespace.subscription_of(queue)
        if owner is not None:
            raise NotAllowed(f"a subscription takes from its topic {owner[0].path!r} alone")
        return Place(queue, None)

    def _signal(self, topic_name: str, now: UnixMs) -> Place:
        check_length(topic_name, "name")
        mount = mount_of(self._engine.namespace, topic_name)
        if mount is not None:
            self.principal.require(Right.SEND, mount.topic.path)
            return Place(mount.topic, mount.subject)
        self.principal.require(Right.SEND, SIGNALS)
        return Place(find_signals(self._engine, now), topic_name)

    def check_filter(self, topic_filter: str) -> None:
        """Of signals; raises `Unauthorized`, `InvalidRequest`.

        A user has the right on all topics, or on none. A token has to have it on the topic that
        the filter leads to by its levels without wildcards; what it matches elsewhere is not
        told (`may_hear`). To a group it would be lost: of what leads further, none is shared.
        """
        if self.is_limited and not is_of_system(topic_filter):
            self._require_where_it_leads(topic_filter)
        else:
            self.principal.require(Right.LISTEN, topic_filter)
        check_length(topic_filter, "filter")

    def _require_where_it_leads(self, topic_filter: str) -> None:
        is_of_group = is_shared(topic_filter)
        plain = shared_by(topic_filter) if is_of_group else topic_filter
        mount = mount_of(self._engine.namespace, fixed_levels(plain))
        if mount is None and is_of_group:
            may = "only who may listen to everything may share it"
            raise Unauthorized(f"{topic_filter!r} is under no topic: {may}")
        path = SIGNALS if mount is None else mount.topic.path
        self.principal.require(Right.LISTEN, path)

    @property
    def is_limited(self) -> bool:
        """May it listen to some of the signals only?"""
        principal = self.principal
        return principal.claims is not None and not principal.has(Right.LISTEN, "")

    def may_hear(self, topic_name: str) -> bool:
        """Of a signal that one of its filters matches."""
        if is_of_system(topic_name):
            return self.principal.has(Right.LISTEN, topic_name)
        mount = mount_of(self._engine.namespace, topic_name)
        path = SIGNALS if mount is None else mount.topic.path
        return self.principal.has(Right.LISTEN, path)

    def source(self, topic_filter: str, now: UnixMs) -> Queue:
        """Which queue a subscription takes from; raises `BrokerError`."""
        shared = shared_filter(topic_filter)
        plain = topic_filter if shared is None else shared.topic_filter
        if not plain.startswith(QUEUE_PREFIX):
            raise NotFound(plain)
        if has_wildcard(plain):
            raise InvalidRequest(f"{plain!r}: a queue is subscribed to by its name")
        return self._queue(plain[len(QUEUE_PREFIX) :], Right.LISTEN, now)

    def _queue(self, name: str, right: Right, now: UnixMs) -> Queue:
        path = EntityPath(name)
        self.principal.require(right, path)
        namespace = self._engine.namespace
        if not name:
            raise InvalidRequest(f"{QUEUE_PREFIX} without a queue's name behind it")
        if namespace.has_topic(path):
            raise NotAllowed(f"{name!r} is a topic and no queue")
        return find_queue(self._engine, Address(path), name, now, creates=self._creates)


def fixed_levels(topic_filter: str) -> str:
    """Those before the first wildcard."""
    kept: list[str] = []
    for level in topic_filter.split("/"):
        if level in ("+", "#"):
            break
        kept.append(level)
    return "/".join(kept)


def check_length(text: str, what: str) -> None:
    """Of a topic name or filter of signals."""
    size = len(text.encode())
    if size > MQTT_SIGNAL_NAME_BYTES_MAX:
        raise InvalidRequest(
            f"a topic {what} of {size} bytes; allowed are {MQTT_SIGNAL_NAME_BYTES_MAX}"
        )


def topic_name_of(queue: Queue) -> str:
    """Under which name its messages are sent."""
    return QUEUE_PREFIX + queue.path


def reply_to_of(response_topic: str) -> str:
    """A response topic as AMQP's reply-to: a queue's address, where it is one."""
    if response_topic.startswith(QUEUE_PREFIX):
        return response_topic[len(QUEUE_PREFIX) :]
    return TOPIC_SCHEME + response_topic


def response_topic_of(reply_to: str) -> str | None:
    """And back; None for what is no topic name."""
    if reply_to.startswith(TOPIC_SCHEME):
        topic = reply_to[len(TOPIC_SCHEME) :]
    else:
        topic = QUEUE_PREFIX + reply_to if reply_to else ""
    return None if not topic or has_wildcard(topic) else topic
