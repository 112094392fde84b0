"""Unsettled maps (§2.6.13): what the two ends of a link that comes again say of deliveries."""

from typing import Final

from peeklock.errors import ProtocolViolation
from peeklock.limits import AMQP_DELIVERY_TAG_BYTES_MAX
from peeklock.protocols.amqp10.outcomes import (
    DeliveryState,
    encode_state,
    read_state,
)
from peeklock.protocols.amqp10.primitives import read_value
from peeklock.protocols.amqp10.terminus import AmqpMap

WHERE: Final = "AMQP 1.0 §2.6.13"


def read_unsettled(found: AmqpMap | None) -> dict[bytes, DeliveryState | None]:
    """States by delivery tag; raises `ProtocolViolation` for what can be none."""
    states: dict[bytes, DeliveryState | None] = {}
    for tag, value in (found or {}).items():
        if not isinstance(tag, bytes) or len(tag) > AMQP_DELIVERY_TAG_BYTES_MAX:
            raise ProtocolViolation(WHERE, "a key of an unsettled map is no delivery tag")
        states[tag] = read_state(value)
    return states


def as_unsettled(states: dict[bytes, DeliveryState | None]) -> AmqpMap:
    """The same as an attach holds it."""
    return {tag: read_value(encode_state(state), 0)[0] for tag, state in states.items()}


def half_of(unsettled: AmqpMap) -> AmqpMap:
    """Fewer of them, for a peer whose frames do not hold all."""
    kept = list(unsettled)[: len(unsettled) // 2]
    return {tag: unsettled[tag] for tag in kept}
