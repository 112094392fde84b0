"""One AMQP connection of the load generator: a blocking socket.

Our protocol engine opens the connection, the session and the link; from then on the caller
reads and writes frames itself, so that a message costs the generator next to nothing.
"""

import socket
import ssl
import struct
import time
from collections import deque

from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.events import (
    AttachReceived,
    ConnectionClosed,
    ConnectionOpened,
    CreditReceived,
    Event,
    LinkAttached,
    LinkDetached,
    MessageReceived,
    SaslFailed,
    SaslInitReceived,
    SessionOpened,
)
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.link import Link, ReceiverLink, SenderLink
from peeklock.protocols.amqp10.performatives import Performative, decode_performative
from peeklock.protocols.amqp10.sasl_layer import SaslClient, SaslServer, plain_response
from peeklock.protocols.amqp10.sections import (
    Header,
    Properties,
    ValueBody,
    encode_bare,
    encode_message,
)
from peeklock.protocols.amqp10.session import Session
from peeklock.protocols.amqp10.terminus import Source, Target
from peeklock.protocols.amqp10.values import AmqpValue
from peeklock.types import ElapsedMs
from peeklock_client.location import find_broker

WINDOW_FRAMES = 1 << 30  # never the limit
READ_BYTES = 1 << 18
PATIENCE_SECONDS = 30.0
SIZE = struct.Struct(">I")


class PeerFailed(Exception):
    """The other end closed, refused, or said nothing."""


def now_ms() -> ElapsedMs:
    return ElapsedMs(time.monotonic_ns() // 1_000_000)


class Peer:
    """An open connection with one session; `socket` is the caller's after `attach_…`."""

    def __init__(self, connection: Connection, opened: socket.socket) -> None:
        self.socket = opened
        self.connection = connection
        self.session: Session | None = None
        self._events: deque[Event] = deque()
        opened.settimeout(PATIENCE_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def connect(url: str, container_id: str) -> "Peer":
        location = find_broker(url)
        sasl = SaslClient("ANONYMOUS", b"")
        if location.user is not None:
            sasl = SaslClient("PLAIN", plain_response(location.user, location.password or ""))
        opened = socket.create_connection((location.host, location.port), PATIENCE_SECONDS)
        if location.tls:
            opened = ssl.create_default_context().wrap_socket(
                opened, server_hostname=location.host
            )
        settings = ConnectionSettings(
            container_id, hostname=location.host, window_frames=WINDOW_FRAMES
        )
        peer = Peer(Connection.client(settings, now_ms(), sasl), opened)
        peer.wait(ConnectionOpened)
        peer.session = peer.connection.begin()
        peer.wait(SessionOpened)
        return peer

    @staticmethod
    def accept(listener: socket.socket) -> tuple["Peer", ReceiverLink]:
        """Stand in for a broker, for one connection that wants to send."""
        opened, _address = listener.accept()
        settings = ConnectionSettings("null", window_frames=WINDOW_FRAMES)
        server = SaslServer(("ANONYMOUS",), required=False)
        peer = Peer(Connection.server(settings, now_ms(), server), opened)
        peer.wait(SaslInitReceived)
        peer.connection.sasl_outcome(0)
        asked = peer.wait(AttachReceived)
        assert isinstance(asked, AttachReceived)
        link = asked.link
        assert isinstance(link, ReceiverLink)
        link.accept(source=link.source, target=link.target)
        peer.session = link.session
        peer.flush()
        return peer, link

    def flush(self) -> None:
        data = self.connection.data_to_send()
        if data:
            self.socket.sendall(data)

    def wait(self, *kinds: type) -> Event:
        """The next event of one of these kinds; others are passed over."""
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, kinds):
                    return event
                if isinstance(event, ConnectionClosed | LinkDetached | SaslFailed):
                    raise PeerFailed(f"the other end ended it: {why(event)}")
            self.flush()
            data = self.socket.recv(READ_BYTES)
            if not data:
                raise PeerFailed("the other end closed the socket")
            self._events.extend(self.connection.receive_data(data, now_ms()))

    def attach_sender(self, address: str) -> tuple[SenderLink, int]:
        """A link that may send, and its first credit."""
        assert self.session is not None
        link = self.session.attach_sender(
            f"send-{address}", source=Source(), target=Target(address=address)
        )
        self.wait(LinkAttached)
        credit = self.wait(CreditReceived)
        assert isinstance(credit, CreditReceived)
        return link, credit.credit

    def attach_receiver(self, address: str) -> ReceiverLink:
        """A link that receives once it has granted credit."""
        assert self.session is not None
        link = self.session.attach_receiver(
            f"receive-{address}", source=Source(address=address), target=Target()
        )
        self.wait(LinkAttached)
        self.flush()
        return link

    def attach_pair(self, address: str) -> "RequestLinks":
        """A link each way, for requests to a management node and their replies."""
        assert self.session is not None
        name = f"pair-{address}"
        paired: dict[AmqpValue, AmqpValue] = {"paired": True}
        receiver = self.session.attach_receiver(
            name,
            source=Source(address=address),
            target=Target(address="$me"),
            snd_settle_mode=1,
            properties=paired,
        )
        self.wait(LinkAttached)
        sender = self.session.attach_sender(
            name,
            source=Source(address="$me"),
            target=Target(address=address),
            snd_settle_mode=1,
            properties=paired,
        )
        self.wait(LinkAttached)
        self.wait(CreditReceived)
        receiver.grant(10)
        return RequestLinks(self, sender)

    def close(self) -> None:
        self.socket.close()


class RequestLinks:
    """Asks a RabbitMQ 4 management node: HTTP's verbs in AMQP's properties."""

    def __init__(self, peer: Peer, sender: SenderLink) -> None:
        self._peer = peer
        self._sender = sender
        self._sent = 0

    def request(self, verb: str, path: str, body: AmqpValue) -> bytes:
        """The whole reply, encoded."""
        self._sent += 1
        properties = Properties(
            message_id=str(self._sent), to=path, subject=verb, reply_to="$me"
        )
        bare = encode_bare(properties, None, ValueBody(body))
        payload = encode_message(bare, Header(durable=False), {})
        self._sender.send(b"%d" % self._sent, payload, settled=True)
        reply = self._peer.wait(MessageReceived)
        assert isinstance(reply, MessageReceived)
        return reply.payload


def why(event: ConnectionClosed | LinkDetached | SaslFailed) -> str:
    return f"not let in ({event.code})" if isinstance(event, SaslFailed) else str(event.error)


def remote_window(link: Link) -> int:
    """Frames that the peer's session takes at the beginning (§2.5.6)."""
    return link.session._peer_window


def first_transfer_id(link: Link) -> int:
    """The number that the peer gives its session's first transfer (§2.5.6)."""
    return link.session._next_incoming_id


class FrameScanner:
    """Splits what comes in into frames: transfers by count, all else decoded."""

    def __init__(self) -> None:
        self._rest = b""
        self.transfer_ends: list[int] = []  # in `data`
        self.data = b""

    def feed(self, data: bytes) -> list[Performative]:
        """The performatives in `data` that are no transfers."""
        if self._rest:
            data = self._rest + data
        self.data = data
        self.transfer_ends = ends = []
        others: list[Performative] = []
        at = 0
        length = len(data)
        unpack = SIZE.unpack_from
        while length - at >= 8:
            end = at + unpack(data, at)[0]
            if end > length:
                break
            if end - at > 8:
                if data[at + 10] == 0x14:
                    ends.append(end)
                else:
                    others.append(decode_performative(data, at + 4 * data[at + 4], end)[0])
            at = end
        self._rest = data[at:]
        return others
