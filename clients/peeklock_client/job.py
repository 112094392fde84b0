"""A job in a worker's hands: its message, and what can be said about it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    RELEASED,
    AmqpError,
    DeliveryState,
    Modified,
    Rejected,
)
from peeklock.protocols.amqp10.values import AmqpValue, Symbol, Timestamp
from peeklock_client.message import ReceivedMessage, milliseconds

if TYPE_CHECKING:
    from peeklock_client.receiver import Receiver

DEAD_LETTER = "com.microsoft:dead-letter"


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

    async def abandon(self, *, delay: timedelta | float | None = None) -> None:
        """It failed, and counts as an attempt: again after the queue's back-off, or `delay`.

        `delay` is a timedelta or seconds, and overrides the queue's policy this once.
        """
        annotations: dict[AmqpValue, AmqpValue] | None = None
        if delay is not None:
            due = int(self._receiver.clock.now_ms()) + milliseconds("delay", delay)
            annotations = {Symbol("x-opt-delivery-time"): Timestamp(due)}
        await self._settle(Modified(True, False, annotations))

    async def release(self) -> None:
        """Give it back untried: no attempt is counted, anybody may have it at once."""
        await self._settle(RELEASED)

    async def defer(self) -> None:
        """Set it aside: from now on it is had by its sequence number only."""
        await self._settle(Modified(True, True, None))

    async def dead_letter(self, reason: str = "", description: str = "") -> None:
        """It cannot be done: to the dead-letter queue, with why."""
        info: dict[AmqpValue, AmqpValue] = {
            "DeadLetterReason": reason,
            "DeadLetterErrorDescription": description,
        }
        await self._settle(Rejected(AmqpError(DEAD_LETTER, description or reason, info)))

    async def renew(self) -> None:
        """Hold it for the queue's lock duration from now. As often as one likes."""
        await self._receiver.renew(self)

    async def _settle(self, state: DeliveryState) -> None:
        await self._receiver.settle(self.delivery_id, self, state)
        self.is_settled = True
