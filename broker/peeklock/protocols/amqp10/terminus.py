"""Source, target (§3.5) and the transaction coordinator (§4.5.1)."""

from dataclasses import dataclass, field
from typing import TypeAlias

from peeklock.protocols.amqp10.composites import (
    Fields,
    described_fields,
    described_list,
    symbol_array,
    symbol_or_none,
    with_symbol_keys,
)
from peeklock.protocols.amqp10.outcomes import (
    NULL_BYTES,
    DeliveryState,
    encode_state,
    read_state,
)
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.values import AmqpValue, UInt

AmqpMap: TypeAlias = dict[AmqpValue, AmqpValue]


@dataclass(frozen=True)
class Source:
    """§3.5.3: where messages come from. Durations in seconds, as on the wire."""

    address: AmqpValue = None
    durable: int = 0  # §3.5.5: none, configuration, unsettled-state
    expiry_policy: str = "session-end"  # §3.5.6
    timeout: int = 0  # seconds
    dynamic: bool = False
    dynamic_node_properties: AmqpMap | None = None
    distribution_mode: str | None = None  # §3.5.7: move or copy
    filter: AmqpMap | None = None
    default_outcome: DeliveryState | None = None
    outcomes: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """§3.5.4: where messages go."""

    address: AmqpValue = None
    durable: int = 0
    expiry_policy: str = "session-end"
    timeout: int = 0  # seconds
    dynamic: bool = False
    dynamic_node_properties: AmqpMap | None = None
    capabilities: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Coordinator:
    """§4.5.1: the target of a link that declares and discharges transactions."""

    capabilities: list[str] = field(default_factory=list)


AnyTarget: TypeAlias = Target | Coordinator


class UnknownTerminus(Exception):
    """A source or target of a type that some other specification defines: legal, unknown."""


def encode_source(source: Source | None) -> bytes:
    if source is None:
        return NULL_BYTES
    return described_list(
        0x28,
        [
            encode_value(source.address),
            encode_value(UInt(source.durable)),
            encode_value(symbol_or_none(source.expiry_policy)),
            encode_value(UInt(source.timeout)),
            encode_value(source.dynamic),
            encode_value(with_symbol_keys(source.dynamic_node_properties)),
            encode_value(symbol_or_none(source.distribution_mode)),
            encode_value(with_symbol_keys(source.filter)),
            encode_state(source.default_outcome),
            encode_value(symbol_array(source.outcomes)),
            encode_value(symbol_array(source.capabilities)),
        ],
    )


def encode_target(target: AnyTarget | None) -> bytes:
    if target is None:
        return NULL_BYTES
    if isinstance(target, Coordinator):
        return described_list(0x30, [encode_value(symbol_array(target.capabilities))])
    return described_list(
        0x29,
        [
            encode_value(target.address),
            encode_value(UInt(target.durable)),
            encode_value(symbol_or_none(target.expiry_policy)),
            encode_value(UInt(target.timeout)),
            encode_value(target.dynamic),
            encode_value(with_symbol_keys(target.dynamic_node_properties)),
            encode_value(symbol_array(target.capabilities)),
        ],
    )


def read_source(value: AmqpValue) -> Source | None:
    """Raises `UnknownTerminus`, and `ProtocolViolation` for a source that is a wrong one."""
    if value is None:
        return None
    found = described_fields(value)
    if found is None or found[0] != 0x28:
        raise UnknownTerminus("a source of no known type (§3.5.3)")
    fields = Fields("source", found[1], 11)
    return Source(
        address=fields.raw(),
        durable=fields.number("durable", 0),
        expiry_policy=str(fields.symbol("expiry-policy") or "session-end"),
        timeout=fields.number("timeout", 0),
        dynamic=fields.flag("dynamic", False),
        dynamic_node_properties=fields.mapping("dynamic-node-properties"),
        distribution_mode=fields.symbol("distribution-mode"),
        filter=fields.mapping("filter"),
        default_outcome=read_state(fields.raw()),
        outcomes=fields.words("outcomes"),
        capabilities=fields.words("capabilities"),
    )


def read_target(value: AmqpValue) -> AnyTarget | None:
    """Raises as `read_source` does."""
    if value is None:
        return None
    found = described_fields(value)
    if found is not None and found[0] == 0x30:
        return Coordinator(Fields("coordinator", found[1], 1).words("capabilities"))
    if found is None or found[0] != 0x29:
        raise UnknownTerminus("a target of no known type (§3.5.4)")
    fields = Fields("target", found[1], 7)
    return Target(
        address=fields.raw(),
        durable=fields.number("durable", 0),
        expiry_policy=str(fields.symbol("expiry-policy") or "session-end"),
        timeout=fields.number("timeout", 0),
        dynamic=fields.flag("dynamic", False),
        dynamic_node_properties=fields.mapping("dynamic-node-properties"),
        capabilities=fields.words("capabilities"),
    )
