"""A job in a worker's hands: its message, and what can be said about it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    RELEASED,
    AmqpError,
    DeliveryState,
    Modified,
    Rejected,
    encode_state,
)
from peeklock.protocols.amqp10.primitives import encode_value
from peeklock.protocols.amqp10.values import AmqpValue, Symbol, Timestamp
from peeklock_client.message import ReceivedMessage, milliseconds

if TYPE_CHECKING:
    from peeklock_client.receiver import Receiver

DEAD_LETTER = "com.microsoft:dead-letter"
# Names of properties that would be read as something else on their way.
RESERVED = ("DeadLetterReason", "DeadLetterErrorDescription")
RESERVED_PREFIX = "x-opt-"
# A frame of the broker's takes 64 KiB; the rest of a disposition fits into what is left.
STATE_BYTES_MAX = 64_000


def modifications(properties: Mapping[str, Any] | None) -> dict[AmqpValue, AmqpValue]:
    """Properties to be set by settling.

    Raises `ValueError` for what the broker would pass over, and `TypeError` for what AMQP has
    no type for.
    """
    found: dict[AmqpValue, AmqpValue] = {}
    for name, value in (properties or {}).items():
        if name in RESERVED or name.startswith(RESERVED_PREFIX) or not name.isascii():
            raise ValueError(f"{name!r} is no name for a property that settling sets")
        if isinstance(value, (dict, list)):
            raise ValueError(f"property {name!r} is {value!r}; allowed is what has no parts")
        encode_value(value)
        found[Symbol(name)] = value
    return found


def check_size(state: DeliveryState, properties: Mapping[str, Any] | None) -> None:
    """A disposition is one frame (§2.3): what does not fit would be left out of it."""
    size = len(encode_state(state)) if properties else 0
    if size > STATE_BYTES_MAX:
        raise ValueError(f"{size} bytes to settle with; allowed are {STATE_BYTES_MAX}")


class Job:
    """One leased message. Exactly one of the settling methods ends the lease.

    Each of them returns when the broker has made it durable, and raises `LockLost` when the
    lock had run out or the connection that held it was lost: then somebody else may have it.
    """

    def __init__(
        self,
        receiver: "Receiver",
        delivery_id: int,
        lock_token: bytes,
        message: ReceivedMessage,
    ) -> None:
        self._receiver = receiver
        self.delivery_id = delivery_id
        self.lock_token = lock_token
        self.message = message
        self.locked_until_ms = int(message.annotations.get("x-opt-locked-until", 0))
        self.is_settled = False

    # ---- what it says

    @property
    def body(self) -> bytes:
        return self.message.body

    def text(self) -> str:
        return self.message.text()

    def json(self) -> Any:
        return self.message.json()

    @property
    def message_id(self) -> Any:
        return self.message.message_id

    @property
    def session_id(self) -> str | None:
        """The message session that it belongs to."""
        return self.message.session_id

    @property
    def properties(self) -> dict[str, Any]:
        """The sender's application properties."""
        return self.message.application_properties

    @property
    def sequence_number(self) -> int:
        return self.message.sequence_number

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return self.message.delivery_count + 1

    @property
    def locked_until(self) -> datetime:
        return datetime.fromtimestamp(self.locked_until_ms / 1000, UTC)

    def seconds_locked(self) -> float:
        """How much longer it is ours, unrenewed, whatever our own clock says."""
        return self._receiver.clock.seconds_until(self.locked_until_ms)

    # ---- what can be said about it

    async def complete(self) -> None:
        """It is done: the broker forgets it."""
        await self._settle(ACCEPTED)

    async def abandon(
        self,
        *,
        delay: timedelta | float | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """It failed, and counts as an attempt: again after the queue's back-off, or `delay`.

        `delay` is a timedelta or seconds, and overrides the queue's policy this once.
        `properties` are set on the message, for whoever has it next: to how far it got, say.
        Where they make it larger than its queue takes, it is `Refused`, and comes again as it
        was when its lock has run out.
        """
        annotations = modifications(properties)
        if delay is not None:
            due = int(self._receiver.clock.now_ms()) + milliseconds("delay", delay)
            annotations[Symbol("x-opt-delivery-time")] = Timestamp(due)
        state = Modified(True, False, annotations or None)
        check_size(state, properties)
        await self._settle(state)

    async def release(self) -> None:
        """Give it back untried: no attempt is counted, anybody may have it at once."""
        await self._settle(RELEASED)

    async def defer(self, *, properties: Mapping[str, Any] | None = None) -> None:
        """Set it aside: from now on it is had by its sequence number only.

        `properties`: as with `abandon`.
        """
        state = Modified(True, True, modifications(properties) or None)
        check_size(state, properties)
        await self._settle(state)

    async def dead_letter(
        self,
        reason: str = "",
        description: str = "",
        *,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """It cannot be done: to the dead-letter queue, with why.

        `properties`: as with `abandon`.
        """
        info: dict[AmqpValue, AmqpValue] = {
            **modifications(properties),
            "DeadLetterReason": reason,
            "DeadLetterErrorDescription": description,
        }
        state = Rejected(AmqpError(DEAD_LETTER, description or reason, info))
        check_size(state, properties)
        await self._settle(state)

    async def renew(self) -> None:
        """Hold it for the queue's lock duration from now. As often as one likes."""
        await self._receiver.renew(self)

    async def _settle(self, state: DeliveryState) -> None:
        await self._receiver.settle(self.delivery_id, self, state)
        self.is_settled = True
