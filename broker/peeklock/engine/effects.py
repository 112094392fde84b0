"""Everything a peer is told: the closed union of effects.

An effect is made together with the facts behind it and waits in the outbox until they are
durable. `link` is the front-end's own object: it comes back as it was given.
"""

from typing import Final, Protocol, TypeAlias, final

from peeklock.engine.dispatch import Receiver
from peeklock.entities.arrivals import Heard
from peeklock.entities.queue_index import Entry
from peeklock.entities.topic import Topic
from peeklock.errors import BrokerError
from peeklock.message import Message
from peeklock.types import QueueId, SessionId, UnixMs


class Peer(Protocol):
    """One connection's front-end."""

    def on_effect(self, effect: "Effect") -> None:
        """Put it into the protocol's words. Never raises; a closed link is ignored."""
        ...


@final
class Accepted:
    """The broker has taken responsibility for a message that was sent."""

    __slots__ = ("delivery_id", "link", "peer")

    def __init__(self, peer: Peer, link: object, delivery_id: int) -> None:
        self.peer: Final = peer
        self.link: Final = link
        self.delivery_id: Final = delivery_id


@final
class Refused:
    """A message that was sent is not taken."""

    __slots__ = ("delivery_id", "error", "link", "peer")

    def __init__(self, peer: Peer, link: object, delivery_id: int, error: BrokerError) -> None:
        self.peer: Final = peer
        self.link: Final = link
        self.delivery_id: Final = delivery_id
        self.error: Final = error


@final
class Deliver:
    """Messages go to a receiver: under locks, or, with no nonce, for good.

    A front-end whose peer counts its credit takes them off the receiver's `untold_count`.
    """

    __slots__ = ("entries", "locked_until", "nonce", "peer", "receiver")

    def __init__(
        self, receiver: Receiver, entries: list[Entry], nonce: bytes, locked_until: UnixMs
    ) -> None:
        self.peer: Final[Peer] = receiver.peer
        self.receiver: Final = receiver
        self.entries: Final = entries
        self.nonce: Final = nonce  # b"": the receiver is told that they are settled
        self.locked_until: Final = locked_until


@final
class Settled:
    """A run of deliveries got the disposition that the receiver asked for."""

    __slots__ = ("count", "first_delivery_id", "link", "outcome", "peer")

    def __init__(
        self, peer: Peer, link: object, first_delivery_id: int, count: int, outcome: object
    ) -> None:
        self.peer: Final = peer
        self.link: Final = link
        self.first_delivery_id: Final = first_delivery_id
        self.count: Final = count
        self.outcome: Final = outcome  # the front-end's own: echoed


@final
class SettleRefused:
    """A delivery did not get the disposition that the receiver asked for."""

    __slots__ = ("delivery_id", "error", "link", "peer")

    def __init__(self, peer: Peer, link: object, delivery_id: int, error: BrokerError) -> None:
        self.peer: Final = peer
        self.link: Final = link
        self.delivery_id: Final = delivery_id
        self.error: Final = error


@final
class Drained:
    """A receiver that asked for all or nothing has got all there is."""

    __slots__ = ("peer", "receiver")

    def __init__(self, receiver: Receiver) -> None:
        self.peer: Final[Peer] = receiver.peer
        self.receiver: Final = receiver


@final
class SessionGranted:
    """A receiver that sought a message session has one."""

    __slots__ = ("locked_until", "peer", "receiver", "session_id")

    def __init__(self, receiver: Receiver, session_id: SessionId, locked_until: UnixMs) -> None:
        self.peer: Final[Peer] = receiver.peer
        self.receiver: Final = receiver
        self.session_id: Final = session_id
        self.locked_until: Final = locked_until


@final
class SessionRefused:
    """A receiver that sought a message session gets none."""

    __slots__ = ("error", "peer", "receiver")

    def __init__(self, receiver: Receiver, error: BrokerError) -> None:
        self.peer: Final[Peer] = receiver.peer
        self.receiver: Final = receiver
        self.error: Final = error


@final
class LinkReady:
    """What is remembered of a recoverable link is durable: its attach can be answered."""

    __slots__ = ("link", "peer")

    def __init__(self, peer: Peer, link: object) -> None:
        self.peer: Final = peer
        self.link: Final = link


@final
class LinkStolen:
    """A recoverable link was attached elsewhere (AMQP 1.0 §2.6.1).

    Without a link: the peer's client has come in anew (MQTT 5.0 §3.1.4), and it is to go.
    """

    __slots__ = ("link", "peer")

    def __init__(self, peer: Peer, link: object) -> None:
        self.peer: Final = peer
        self.link: Final = link


@final
class Overheard:
    """A signal for a peer that listens, and for whom it is stored nowhere."""

    __slots__ = ("heard", "peer")

    def __init__(self, peer: Peer, heard: Heard) -> None:
        self.peer: Final = peer
        self.heard: Final = heard


@final
class Replied:
    """A request to a management node has its answer."""

    __slots__ = ("peer", "reply")

    def __init__(self, peer: Peer, reply: object) -> None:
        self.peer: Final = peer
        self.reply: Final = reply  # the front-end's own


@final
class ReceiverEnded:
    """The entity under a receiver is gone, or its message session is."""

    __slots__ = ("error", "peer", "receiver")

    def __init__(self, receiver: Receiver, error: BrokerError) -> None:
        self.peer: Final[Peer] = receiver.peer
        self.receiver: Final = receiver
        self.error: Final = error


@final
class Signalled:
    """A topic has taken a message; told to who follows it live."""

    __slots__ = ("message", "peer", "topic")

    def __init__(self, peer: Peer, topic: Topic, message: Message) -> None:
        self.peer: Final = peer
        self.topic: Final = topic
        self.message: Final = message


@final
class EntityChanged:
    """A queue or subscription has come or gone, or is set otherwise; told to who watches."""

    __slots__ = ("peer", "queue_id")

    def __init__(self, peer: Peer, queue_id: QueueId) -> None:
        self.peer: Final = peer
        self.queue_id: Final = queue_id


Effect: TypeAlias = (
    Accepted
    | Refused
    | Deliver
    | Settled
    | SettleRefused
    | Drained
    | SessionGranted
    | SessionRefused
    | LinkReady
    | LinkStolen
    | Overheard
    | Replied
    | ReceiverEnded
    | Signalled
    | EntityChanged
)
