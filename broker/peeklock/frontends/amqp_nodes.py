"""An attach's address → what is there, and who may attach."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import find_signals
from peeklock.entities.address import (
    MANAGEMENT,
    SUBSCRIPTIONS,
    Address,
    key_of,
    parse_address,
)
from peeklock.entities.queue import Queue
from peeklock.entities.settings import QueueSettings
from peeklock.entities.topic import Topic
from peeklock.entities.topic_names import SIGNALS
from peeklock.errors import InvalidRequest, NotAllowed, NotFound
from peeklock.filters.filter import Filter
from peeklock.frontends.amqp_source_filter import source_filter_of
from peeklock.management.operations import create_queue
from peeklock.management.ways_on import of_right
from peeklock.protocols.amqp10.outcomes import OUTCOME_SYMBOLS
from peeklock.protocols.amqp10.terminus import AmqpMap, AnyTarget, Coordinator, Source
from peeklock.protocols.amqp10.values import AmqpValue, Described, Symbol, ULong
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import UnixMs

if TYPE_CHECKING:
    from peeklock.frontends.amqp10 import AmqpHost

# §4.5.1 and §4.6: local transactions, several of them at a time, over several sessions.
TRANSACTION_CAPABILITIES: Final = (
    "amqp:local-transactions",
    "amqp:multi-txns-per-ssn",
    "amqp:multi-ssns-per-txn",
)


# §3.5.9: what a dynamic node is, whatever was asked for: it goes with its link (§3.5.10).
NODE_PROPERTIES: Final[AmqpMap] = {Symbol("lifetime-policy"): Described(ULong(0x2B), [])}


TEMPORARY: Final = "temporary/"  # what the paths of dynamic nodes begin with


class NodeKind(Enum):
    """What an address can lead to."""

    QUEUE = "queue"
    TOPIC = "topic"
    MANAGEMENT = "management"
    COORDINATOR = "coordinator"
    TOKENS = "$cbs"


@dataclass(frozen=True)
class Node:
    """Where a link ends in the broker, and the termini that its attach is answered with."""

    kind: NodeKind
    queue: Queue | None = None
    topic: Topic | None = None  # management: what it is of; neither: the namespace's
    source: Source | None = None
    target: AnyTarget | None = None
    is_browsing: bool = False
    is_made: bool = False  # by this attach, and to go with its link: a dynamic node
    wanted: Filter | None = None  # its filter; None: everything

    @property
    def entity(self) -> Queue | Topic | None:
        return self.topic or self.queue

    def is_same(self, other: "Node") -> bool:
        same = self.kind is other.kind and self.queue is other.queue
        return same and self.topic is other.topic


def find_target(
    host: "AmqpHost", principal: Principal, target: AnyTarget | None, now: UnixMs
) -> Node:
    """Where somebody wants to send to; raises `BrokerError`."""
    if target is None:
        raise InvalidRequest("an attach without a target; name a queue in its address")
    if isinstance(target, Coordinator):
        return Node(NodeKind.COORDINATOR, target=Coordinator(list(TRANSACTION_CAPABILITIES)))
    if target.dynamic:
        principal.require(Right.SEND, "temporary queues")
        queue = create_temporary(host, now)
        answer = replace(
            target, address=str(queue.path), dynamic_node_properties=dict(NODE_PROPERTIES)
        )
        return Node(NodeKind.QUEUE, queue, target=answer, is_made=True)
    found = find_node(host, principal, target.address, Right.SEND, now)
    if found.queue is not None and found.kind is NodeKind.QUEUE:
        owner = host.engine.namespace.subscription_of(found.queue)
        if owner is not None:
            raise NotAllowed(
                f"a subscription takes from its topic alone: send to {owner[0].path!r}"
            )
    return replace(found, target=target)


def find_source(
    host: "AmqpHost", principal: Principal, source: Source | None, now: UnixMs
) -> Node:
    """Where somebody wants to receive from; raises `BrokerError`."""
    if source is None:
        raise InvalidRequest("an attach without a source; name a queue in its address")
    chosen = source_filter_of(source.filter)
    key, wanted = (None, None) if chosen is None else chosen
    if source.dynamic:
        principal.require(Right.LISTEN, "temporary queues")
        queue = create_temporary(host, now)
        made = replace(
            source, address=str(queue.path), dynamic_node_properties=dict(NODE_PROPERTIES)
        )
        answer = answered(made, key)
        return Node(NodeKind.QUEUE, queue, source=answer, is_made=True, wanted=wanted)
    found = find_node(host, principal, source.address, Right.LISTEN, now)
    if found.kind is NodeKind.TOPIC:
        raise NotAllowed(
            f"a topic hands nothing out: receive from {source.address}/Subscriptions/<name>"
        )
    mode = source.distribution_mode
    if mode not in (None, "move", "copy"):
        raise InvalidRequest(f"distribution-mode {mode!r}; there are move and copy (§3.5.7)")
    is_browsing = mode == "copy"
    answer = answered(source, key)
    return replace(found, source=answer, is_browsing=is_browsing, wanted=wanted)


def answered(source: Source, filter_key: AmqpValue) -> Source:
    """§2.6.3: what of the wanted source is really there. Of the filters, that is the one that
    we apply."""
    outcomes = source.outcomes or list(OUTCOME_SYMBOLS)
    filters = source.filter
    in_force = None
    if filters is not None and filter_key is not None:
        in_force = {filter_key: filters[filter_key]}
    return replace(source, filter=in_force, outcomes=outcomes)


def find_node(
    host: "AmqpHost", principal: Principal, address: AmqpValue, right: Right, now: UnixMs
) -> Node:
    if not isinstance(address, str) or isinstance(address, Symbol) or not address:
        raise InvalidRequest("an address is a string that names a queue")
    parsed = parse_address(address)
    if parsed.is_cbs:
        return Node(NodeKind.TOKENS)
    if parsed.is_management:
        return management_node(host, principal, parsed, address, now)
    principal.require(right, parsed.path)
    namespace = host.engine.namespace
    if namespace.has_topic(parsed.path):
        return Node(NodeKind.TOPIC, topic=namespace.find_topic(parsed.path))
    if key_of(parsed.path) == SIGNALS and not namespace.has(SIGNALS):
        return Node(NodeKind.TOPIC, topic=find_signals(host.engine, now))
    return Node(
        NodeKind.QUEUE,
        find_queue(host.engine, parsed, address, now, creates=host.creates_queues),
    )


def management_node(
    host: "AmqpHost", principal: Principal, parsed: Address, address: str, now: UnixMs
) -> Node:
    if not parsed.path:
        principal.require(Right.MANAGE, MANAGEMENT)
        return Node(NodeKind.MANAGEMENT)
    namespace = host.engine.namespace
    if namespace.has_topic(parsed.path):
        return Node(NodeKind.MANAGEMENT, topic=namespace.find_topic(parsed.path))
    # What is missing is the entity: its node is there whenever it is.
    return Node(
        NodeKind.MANAGEMENT,
        find_queue(host.engine, parsed, parsed.path, now, creates=host.creates_queues),
    )


def find_queue(
    engine: Engine, parsed: Address, address: str, now: UnixMs, *, creates: bool
) -> Queue:
    """The queue at an address; with `creates` (`--dev`), a new one where there was none."""
    namespace = engine.namespace
    if not namespace.has(parsed.path):
        key = key_of(parsed.path)
        below_a_topic = SUBSCRIPTIONS.casefold() in key
        was_dynamic = key.startswith(
            TEMPORARY
        )  # whoever comes late finds nothing, not a new one
        if not creates or "$" in key or below_a_topic or was_dynamic:
            raise NotFound(address)
        return create_queue(engine, parsed.path, QueueSettings(), now, of_right)
    return namespace.find(parsed.path)


def find_reply_queue(host: "AmqpHost", principal: Principal, reply_to: str) -> Queue | None:
    """The queue that a request names for its reply: a dynamic node, say (§3.2.4 reply-to).

    None where it names no queue, or none that the requester may send to. None is made here,
    `--dev` or not: what names a link need not be an address.
    """
    parsed = parse_address(reply_to)
    namespace = host.engine.namespace
    if parsed.is_management or not parsed.path or not namespace.has(parsed.path):
        return None
    return namespace.find(parsed.path) if principal.has(Right.SEND, parsed.path) else None


def create_temporary(host: "AmqpHost", now: UnixMs) -> Queue:
    """A dynamic node (§3.5.9)."""
    name = f"{TEMPORARY}{host.engine.ids.name()}"
    return create_queue(host.engine, name, QueueSettings(temporary=True), now, of_right)
