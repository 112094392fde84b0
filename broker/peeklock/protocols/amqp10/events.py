"""What a connection tells its owner."""

from typing import TYPE_CHECKING, Final, TypeAlias, final

from peeklock.protocols.amqp10.outcomes import AmqpError, DeliveryState
from peeklock.protocols.amqp10.performatives import Attach, Open

if TYPE_CHECKING:
    from peeklock.protocols.amqp10.link import Link, ReceiverLink, SenderLink
    from peeklock.protocols.amqp10.session import Session


@final
class ConnectionOpened:
    """The peer's open has come; ours is on its way or was before it."""

    def __init__(self, open_: Open) -> None:
        self.open: Final = open_


@final
class ConnectionClosed:
    """Exactly once, and last: by the peer's close, by ours, by a violation or by EOF."""

    def __init__(self, error: AmqpError | None) -> None:
        self.error: Final = error


@final
class SaslInitReceived:
    """A client wants in; the owner answers with `sasl_outcome` or `sasl_challenge`."""

    def __init__(self, mechanism: str, response: bytes | None, hostname: str | None) -> None:
        self.mechanism: Final = mechanism
        self.response: Final = response
        self.hostname: Final = hostname


@final
class SaslResponseReceived:
    """A client's answer to a challenge."""

    def __init__(self, response: bytes) -> None:
        self.response: Final = response


@final
class SaslFailed:
    """The server does not let us in; §5.3.3.6 has the codes."""

    def __init__(self, code: int) -> None:
        self.code: Final = code


@final
class SessionOpened:
    """The peer has begun a session, or answered ours."""

    def __init__(self, session: "Session") -> None:
        self.session: Final = session


@final
class SessionEnded:
    """By either end. Its links were told of before, one `LinkDetached` each."""

    def __init__(self, session: "Session", error: AmqpError | None) -> None:
        self.session: Final = session
        self.error: Final = error


@final
class AttachReceived:
    """The peer wants a link; the owner accepts or refuses it, now or later."""

    def __init__(self, link: "Link", attach: Attach) -> None:
        self.link: Final = link
        self.attach: Final = attach


@final
class LinkAttached:
    """The peer has answered our attach and did not refuse it."""

    def __init__(self, link: "Link", attach: Attach) -> None:
        self.link: Final = link
        self.attach: Final = attach


@final
class LinkDetached:
    """A link ended by the peer, by a violation of its, or under an ending session."""

    def __init__(self, link: "Link", closed: bool, error: AmqpError | None) -> None:
        self.link: Final = link
        self.closed: Final = closed
        self.error: Final = error


@final
class CreditReceived:
    """A flow concerned a link on which we send: `credit` deliveries are wanted now."""

    def __init__(self, link: "SenderLink", credit: int, drain: bool) -> None:
        self.link: Final = link
        self.credit: Final = credit
        self.drain: Final = drain


@final
class SenderFlowed:
    """Something but a message moved a link on which we receive; `credit` is left of ours.

    `forfeited` credit was used up without a message for us: the sender has drained, or given
    a delivery up.
    """

    def __init__(
        self, link: "ReceiverLink", credit: int, available: int | None, forfeited: int
    ) -> None:
        self.link: Final = link
        self.credit: Final = credit
        self.available: Final = available
        self.forfeited: Final = forfeited


@final
class MessageReceived:
    """A whole delivery, of one transfer or many."""

    __slots__ = (
        "delivery_id",
        "delivery_tag",
        "link",
        "message_format",
        "payload",
        "settled",
        "state",
    )

    def __init__(
        self,
        link: "ReceiverLink",
        delivery_id: int,
        delivery_tag: bytes,
        settled: bool,
        payload: bytes,
        message_format: int,
        state: DeliveryState | None,
    ) -> None:
        self.link: Final = link
        self.delivery_id: Final = delivery_id
        self.delivery_tag: Final = delivery_tag
        self.settled: Final = settled
        self.payload: Final = payload
        self.message_format: Final = message_format
        self.state: Final = state


@final
class DeliveryResumed:
    """The sender came back to a delivery that `ReceiverLink.resumable` has (§2.6.13)."""

    def __init__(
        self, link: "ReceiverLink", delivery_id: int, delivery_tag: bytes, settled: bool
    ) -> None:
        self.link: Final = link
        self.delivery_id: Final = delivery_id
        self.delivery_tag: Final = delivery_tag
        self.settled: Final = settled


@final
class OutcomeReceived:
    """The peer gave a state to deliveries that we sent: consecutive ids of one link.

    Not settled, they stay ours to settle with `SenderLink.settle_range`.
    """

    __slots__ = ("first_delivery_id", "link", "settled", "state", "tags")

    def __init__(
        self,
        link: "SenderLink",
        first_delivery_id: int,
        tags: list[bytes],
        state: DeliveryState | None,
        settled: bool,
    ) -> None:
        self.link: Final = link
        self.first_delivery_id: Final = first_delivery_id
        self.tags: Final = tags
        self.state: Final = state
        self.settled: Final = settled


@final
class DeliverySettled:
    """The sender has answered a disposition that we sent unsettled."""

    __slots__ = ("delivery_id", "link", "settled", "state")

    def __init__(
        self, link: "ReceiverLink", delivery_id: int, state: DeliveryState | None, settled: bool
    ) -> None:
        self.link: Final = link
        self.delivery_id: Final = delivery_id
        self.state: Final = state
        self.settled: Final = settled


Event: TypeAlias = (
    ConnectionOpened
    | ConnectionClosed
    | SaslInitReceived
    | SaslResponseReceived
    | SaslFailed
    | SessionOpened
    | SessionEnded
    | AttachReceived
    | LinkAttached
    | LinkDetached
    | CreditReceived
    | SenderFlowed
    | MessageReceived
    | DeliveryResumed
    | OutcomeReceived
    | DeliverySettled
)
