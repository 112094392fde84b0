"""A receiver's outcomes and the dispositions they ask for (design: Settlement)."""

from collections.abc import Mapping
from typing import Final

from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
    Properties,
    Verdict,
)
from peeklock.frontends.amqp_message import DELIVERY_TIME
from peeklock.limits import DEAD_LETTER_TEXT_CHARACTERS_MAX, INSTANT_MAX
from peeklock.protocols.amqp10.link import SenderLink
from peeklock.protocols.amqp10.outcomes import (
    RELEASED,
    Accepted,
    AmqpError,
    DeliveryState,
    Modified,
    Rejected,
    Released,
)
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.values import AmqpValue, Described
from peeklock.types import NEVER, UnixMs

OWN_PREFIX: Final = "x-opt-"  # of annotations that mean something to the broker
REASON: Final = "DeadLetterReason"
DESCRIPTION: Final = "DeadLetterErrorDescription"


def default_outcome(link: SenderLink) -> DeliveryState:
    """Of deliveries that are settled without any (§3.5.3)."""
    source = link.source
    outcome = source.default_outcome if source is not None else None
    return outcome if outcome is not None else RELEASED


def disposition_of(state: DeliveryState) -> Disposition | None:
    """What an outcome asks for (design: Settlement)."""
    if isinstance(state, Accepted):
        return COMPLETE
    if isinstance(state, Released):
        return RELEASE
    if isinstance(state, Modified):
        if state.message_annotations:
            return with_annotations(state, state.message_annotations)
        # Not `delivery_failed`? The JavaScript SDK of Service Bus abandons without it, too.
        return DEFER if state.undeliverable_here else ABANDON
    if isinstance(state, Rejected):
        return dead_letter_of(state.error)
    return None


def with_annotations(
    state: Modified, annotations: Mapping[AmqpValue, AmqpValue]
) -> Disposition:
    """What a later delivery should show becomes application properties (docs/adr/0027)."""
    properties = properties_of(annotations)
    if state.undeliverable_here:
        return Disposition(Verdict.DEFER, properties=properties)
    again_at = annotations.get(DELIVERY_TIME)
    at = NEVER
    if isinstance(again_at, int) and again_at > 0:
        at = UnixMs(min(int(again_at), INSTANT_MAX))
    return Disposition(Verdict.ABANDON, not_before=at, properties=properties)


def properties_of(given: Mapping[AmqpValue, AmqpValue]) -> Properties | None:
    """Those of `given` that may be application properties; None when there is none.

    `x-opt-` begins the names that mean something to the broker. What is no simple value or has
    no name is passed over: §3.2.5 has no place for it, and a peer that
    says more than we understand has always been settled with.
    """
    found: dict[str, bytes] = {}
    for key, value in given.items():
        if isinstance(key, str) and not key.startswith(OWN_PREFIX) and is_simple(value):
            found[str(key)] = encode_value(value)
    return found or None


def is_simple(value: AmqpValue) -> bool:
    """§3.2.5: no map, list or array; .NET's clients describe some values."""
    if isinstance(value, Described):
        value = value.value
    return not isinstance(value, (dict, list, Described))


def dead_letter_of(error: AmqpError | None) -> Disposition:
    """§3.4.3, with Service Bus' reason and description where the error's info has them."""
    if error is None:
        return Disposition(Verdict.DEAD_LETTER, NEVER, "", "")
    info = error.info or {}
    reason = info.get(REASON)
    description = info.get(DESCRIPTION)
    others = {key: value for key, value in info.items() if key not in (REASON, DESCRIPTION)}
    return Disposition(
        Verdict.DEAD_LETTER,
        NEVER,
        cut(reason if isinstance(reason, str) else error.condition),
        cut(description if isinstance(description, str) else error.description or ""),
        properties_of(others),
    )


def cut(text: str) -> str:
    return str(text)[:DEAD_LETTER_TEXT_CHARACTERS_MAX]


REJECTED: Final = Rejected(None)


def answer_to(state: DeliveryState) -> DeliveryState:
    """The same outcome; a rejection without its error, which would read as a refusal.

    Annotations need not come back either: they may be longer than the peer's frames.
    """
    if isinstance(state, Rejected):
        return REJECTED
    if isinstance(state, Modified) and state.message_annotations:
        return Modified(state.delivery_failed, state.undeliverable_here)
    return state
