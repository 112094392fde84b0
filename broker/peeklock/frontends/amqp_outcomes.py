"""A receiver's outcomes and the dispositions they ask for (design: Settlement)."""

from typing import Final

from peeklock.entities.dispositions import (
    ABANDON,
    COMPLETE,
    DEFER,
    RELEASE,
    Disposition,
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
from peeklock.types import NEVER, UnixMs


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
        if state.undeliverable_here:
            return DEFER
        annotations = state.message_annotations or {}
        again_at = annotations.get(DELIVERY_TIME)
        if isinstance(again_at, int) and again_at > 0:
            at = UnixMs(min(int(again_at), INSTANT_MAX))
            return Disposition(Verdict.ABANDON, not_before=at)
        # Not `delivery_failed`? The JavaScript SDK of Service Bus abandons without it, too.
        return ABANDON
    if isinstance(state, Rejected):
        return dead_letter_of(state.error)
    return None


def dead_letter_of(error: AmqpError | None) -> Disposition:
    """§3.4.3, with Service Bus' reason and description where the error's info has them."""
    if error is None:
        return Disposition(Verdict.DEAD_LETTER, NEVER, "", "")
    info = error.info or {}
    reason = info.get("DeadLetterReason")
    description = info.get("DeadLetterErrorDescription")
    return Disposition(
        Verdict.DEAD_LETTER,
        NEVER,
        cut(reason if isinstance(reason, str) else error.condition),
        cut(description if isinstance(description, str) else error.description or ""),
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
