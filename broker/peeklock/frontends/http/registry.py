"""What the broker has, as an endpoint registry (xRegistry 1.0-rc4): to be read, not written.

And the schemas that topics hold their messages' data against, as its schema registry.

An endpoint is one way to one entity by one protocol: to send to it (`producer`), or to receive
from it (`consumer`; over MQTT, where one connection does both, also `subscriber`). Endpoints of
one entity have its name as their `channel`. Nobody is told of what they may not use.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, NotFound
from peeklock.frontends.http.instants import write_instant
from peeklock.limits import HTTP_PAGE_MAX
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import UnixMs

Json: TypeAlias = dict[str, Any]
# Where each protocol is spoken, for who knows the broker by this host.
Addresses: TypeAlias = Callable[[str], Mapping[str, Sequence[str]]]

SPECIFICATION: Final = "1.0-rc4"
REGISTRY: Final = "peeklock"
ID_CHARACTERS_MAX: Final = 128  # of the core specification's ids
NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_.\-:@]")
AMQP: Final = "AMQP/1.0"
MQTT: Final = ("MQTT/3.1.1", "MQTT/5.0")
HTTP: Final = "HTTP"
EVENTS: Final = "CloudEvents/1.0"
SCHEMA_GROUP: Final = "topics"
SCHEMA_FORMAT: Final = "JsonSchema/2020-12"
SCHEMA_TYPE: Final = "application/schema+json"


@dataclass(frozen=True)
class Way:
    """One endpoint, before it is written down; `resource` is the path of one of HTTP."""

    usage: tuple[str, ...]
    protocol: str
    options: Json
    resource: str = ""

    @property
    def right(self) -> Right:
        return Right.SEND if self.usage == SEND else Right.LISTEN


@dataclass(frozen=True)
class Entry:
    """What ways lead to: a queue, a topic or a subscription."""

    path: str
    created_at: UnixMs
    updated_at: UnixMs
    ways: Callable[[str], Iterator[Way]]


SEND: Final = ("producer",)
RECEIVE: Final = ("consumer",)
SUBSCRIBE: Final = ("subscriber", "consumer")


def ways_to_send(path: str, mqtt_topic: str) -> Iterator[Way]:
    yield Way(SEND, AMQP, {"node": path})
    for protocol in MQTT:
        yield Way(SEND, protocol, {"topic": mqtt_topic, "qos": 1})
    yield Way(SEND, HTTP, {"method": "POST"}, f"{quote(path)}/events")


def ways_to_take(path: str) -> Iterator[Way]:
    yield Way(RECEIVE, AMQP, {"node": path, "distribution-mode": "move"})
    for protocol in MQTT:
        yield Way(SUBSCRIBE, protocol, {"topicfilter": f"$queue/{path}", "qos": 1})
    yield Way(RECEIVE, HTTP, {"method": "POST"}, f"{quote(path)}/events/head")


def ways_of_queue(path: str) -> Iterator[Way]:
    yield from ways_to_send(path, f"$queue/{path}")
    yield from ways_to_take(path)


def ways_of_topic(path: str) -> Iterator[Way]:
    yield from ways_to_send(path, f"{path}/{{subject}}")
    for protocol in MQTT:
        yield Way(SUBSCRIBE, protocol, {"topicfilter": f"{path}/#", "qos": 1})
    accept = {"name": "Accept", "value": "text/event-stream"}
    options = {"method": "GET", "headers": [accept]}
    yield Way(RECEIVE, HTTP, options, f"{quote(path)}/events")


def endpoint_id(path: str, way: Way) -> str:
    """As the core specification allows ids: a letter, digit or _ first, and few others.

    Other characters of a name are told by their bytes behind a `~`, so that no two names have
    one id; of a long name its digest is told.
    """
    return named(path, f".{way.protocol.lower().replace('/', '-')}.{way.usage[-1]}")


def named(path: str, suffix: str) -> str:
    first = path[0] if path[0].isascii() and path[0].isalnum() else "_" + escape(path[0])
    escaped = first + NOT_IN_IDS.sub(lambda found: escape(found[0]), path[1:])
    if len(escaped) + len(suffix) <= ID_CHARACTERS_MAX:
        return escaped + suffix
    digest = "~" + hashlib.sha256(path.casefold().encode()).hexdigest()[:32]
    return escaped[: ID_CHARACTERS_MAX - len(digest) - len(suffix)] + digest + suffix


def escape(character: str) -> str:
    return "".join(f"~{byte:02x}" for byte in character.encode())


class Registry:
    """Answers as JSON documents; `base` is the address by which the broker was asked."""

    def __init__(self, engine: Engine, now: UnixMs, addresses: Addresses) -> None:
        self._engine: Final = engine
        self._started_at: Final = now
        self._addresses: Final = addresses

    def root(self, principal: Principal, base: str, host: str) -> Json:
        spoken = self._addresses(host)
        count, latest = 0, self._started_at
        for entry in self._entries():
            latest = max(latest, entry.updated_at)
            count += sum(1 for _way in self._open(entry, principal, spoken))
        return {
            "specversion": SPECIFICATION,
            "registryid": REGISTRY,
            "self": f"{base}/",
            "xid": "/",
            "epoch": int(latest),
            "createdat": write_instant(self._started_at),
            "modifiedat": write_instant(latest),
            "endpointsurl": f"{base}/endpoints",
            "endpointscount": count,
            "schemagroupsurl": f"{base}/schemagroups",
            "schemagroupscount": 1,
        }

    def page(
        self, principal: Principal, base: str, host: str, limit: int, after: int
    ) -> tuple[Json, bool]:
        """So many endpoints behind the first `after`, by ids; and are there more?

        In the order of their entities, whose ways stand together.
        """
        if not 0 < limit <= HTTP_PAGE_MAX or after < 0:
            raise InvalidRequest(f"limit is from 1 to {HTTP_PAGE_MAX}, offset from 0 on")
        spoken = self._addresses(host)
        found = (
            (endpoint_id(entry.path, way), entry, way)
            for entry in self._entries()
            for way in self._open(entry, principal, spoken)
        )
        shown = list(islice(found, after, after + limit + 1))
        written = {
            one: written_down(one, e, way, base, spoken) for one, e, way in shown[:limit]
        }
        return written, len(shown) > limit

    def endpoint(self, principal: Principal, base: str, host: str, wanted: str) -> Json:
        """Ids are found in any case. Raises `NotFound`."""
        spoken = self._addresses(host)
        for entry in self._entries():
            for way in self._open(entry, principal, spoken):
                one = endpoint_id(entry.path, way)
                if one.lower() == wanted.lower():
                    return written_down(one, entry, way, base, spoken)
        raise NotFound(f"endpoints/{wanted}")

    # ---- schemas: those of topics, in one group

    def schema_group(self, principal: Principal, base: str) -> Json:
        count = sum(1 for _topic in self._with_schema(principal))
        started = write_instant(self._started_at)
        return {
            "schemagroupid": SCHEMA_GROUP,
            "self": f"{base}/schemagroups/{SCHEMA_GROUP}",
            "xid": f"/schemagroups/{SCHEMA_GROUP}",
            "epoch": int(self._started_at),
            "createdat": started,
            "modifiedat": started,
            "schemasurl": f"{base}/schemagroups/{SCHEMA_GROUP}/schemas",
            "schemascount": count,
        }

    def schemas(self, principal: Principal, base: str) -> Json:
        return {
            schema_id(topic): schema_details(topic, base)
            for topic in self._with_schema(principal)
        }

    def schema(self, principal: Principal, wanted: str) -> Topic:
        """Whose schema that is; raises `NotFound`."""
        for topic in self._with_schema(principal):
            if schema_id(topic).lower() == wanted.lower():
                return topic
        raise NotFound(f"schemagroups/{SCHEMA_GROUP}/schemas/{wanted}")

    def _with_schema(self, principal: Principal) -> Iterator[Topic]:
        """Topics that have one, which their senders and receivers may see."""
        for topic in sorted(
            self._engine.namespace.topics(), key=lambda one: one.path.casefold()
        ):
            if topic.settings.event_schema and any(
                principal.has(right, topic.path) for right in Right
            ):
                yield topic

    # ---- endpoints

    def _entries(self) -> Iterator[Entry]:
        """Queues, then topics, each with its subscriptions."""
        namespace = self._engine.namespace
        for queue in sorted(namespace.queues(), key=lambda one: one.path.casefold()):
            if not queue.settings.temporary:
                yield entry_of(queue, ways_of_queue)
        for topic in sorted(namespace.topics(), key=lambda one: one.path.casefold()):
            yield entry_of(topic, ways_of_topic)
            for _name, subscription in sorted(topic.subscriptions.items()):
                yield entry_of(subscription.queue, ways_to_take)

    def _open(
        self, entry: Entry, principal: Principal, spoken: Mapping[str, Sequence[str]]
    ) -> Iterator[Way]:
        """Those that the principal may use, by protocols that are spoken."""
        may_manage = principal.has(Right.MANAGE, entry.path)
        for way in entry.ways(entry.path):
            if way.protocol in spoken and (may_manage or principal.has(way.right, entry.path)):
                yield way


def entry_of(entity: Queue | Topic, ways: Callable[[str], Iterator[Way]]) -> Entry:
    return Entry(str(entity.path), entity.created_at, entity.updated_at, ways)


def written_down(
    one: str, entry: Entry, way: Way, base: str, spoken: Mapping[str, Sequence[str]]
) -> Json:
    uris = [f"{base}/{way.resource}"] if way.resource else spoken[way.protocol]
    document: Json = {
        "endpointid": one,
        "self": f"{base}/endpoints/{one}",
        "xid": f"/endpoints/{one}",
        "epoch": int(entry.updated_at),
        "name": entry.path,
        "createdat": write_instant(entry.created_at),
        "modifiedat": write_instant(entry.updated_at),
        "usage": list(way.usage),
        "channel": entry.path,
        "protocol": way.protocol,
        "protocoloptions": {
            "endpoints": [{"uri": uri} for uri in uris],
            "deployed": True,
            **way.options,
        },
        "messagesurl": f"{base}/endpoints/{one}/messages",
        "messagescount": 0,
    }
    if way.resource:
        document["envelope"] = EVENTS
    return document


def schema_id(topic: Topic) -> str:
    return named(str(topic.path), "")


def schema_details(topic: Topic, base: str) -> Json:
    """What is known of a schema beside itself; there is one version, the one in force."""
    one = schema_id(topic)
    xid = f"/schemagroups/{SCHEMA_GROUP}/schemas/{one}"
    return {
        "schemaid": one,
        "versionid": str(int(topic.updated_at)),
        "self": f"{base}{xid}$details",
        "xid": xid,
        "epoch": int(topic.updated_at),
        "name": str(topic.path),
        "isdefault": True,
        "createdat": write_instant(topic.created_at),
        "modifiedat": write_instant(topic.updated_at),
        "format": SCHEMA_FORMAT,
        "contenttype": SCHEMA_TYPE,
        "schemaurl": f"{base}{xid}",
    }


CAPABILITIES: Final[Json] = {
    "apis": ["/capabilities", "/model"],
    "flags": [],
    "mutable": [],
    "pagination": True,
    "shortself": False,
    "specversions": [SPECIFICATION],
}
MODEL: Final[Json] = {
    "groups": {
        "endpoints": {
            "plural": "endpoints",
            "singular": "endpoint",
            "attributes": {
                "usage": {
                    "name": "usage",
                    "type": "array",
                    "item": {"type": "string"},
                    "required": True,
                },
                "channel": {"name": "channel", "type": "string"},
                "envelope": {"name": "envelope", "type": "string"},
                "protocol": {"name": "protocol", "type": "string"},
                "protocoloptions": {
                    "name": "protocoloptions",
                    "type": "object",
                    "attributes": {"*": {"name": "*", "type": "any"}},
                },
            },
            "resources": {
                "messages": {
                    "plural": "messages",
                    "singular": "message",
                    "maxversions": 1,
                    "hasdocument": False,
                }
            },
        },
        "schemagroups": {
            "plural": "schemagroups",
            "singular": "schemagroup",
            "resources": {
                "schemas": {
                    "plural": "schemas",
                    "singular": "schema",
                    "maxversions": 1,
                    "hasdocument": True,
                    "attributes": {
                        "format": {"name": "format", "type": "string"},
                        "contenttype": {"name": "contenttype", "type": "string"},
                    },
                }
            },
        },
    }
}
