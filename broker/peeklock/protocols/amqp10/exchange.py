"""What the endpoints of one connection share: bytes to send, events to tell, settings."""

from dataclasses import dataclass
from typing import Final, final

from peeklock.limits import (
    AMQP_CHANNEL_MAX,
    AMQP_FRAME_BYTES_MAX,
    AMQP_FRAME_BYTES_MIN,
    AMQP_HANDLE_MAX,
    AMQP_LINKS_MAX,
    AMQP_PARTIAL_BYTES_MAX,
    AMQP_WINDOW_FRAMES,
    MESSAGE_BYTES_DEFAULT,
)
from peeklock.protocols.amqp10.events import Event
from peeklock.protocols.amqp10.frames import FRAME_HEADER, HEADER_BYTES
from peeklock.protocols.amqp10.performatives import (
    Performative,
    encode_performative,
    shortened,
)
from peeklock.protocols.amqp10.terminus import AmqpMap


@dataclass(frozen=True)
class ConnectionSettings:
    """One end's choices. Sizes in bytes, windows in frames, times in milliseconds."""

    container_id: str
    hostname: str | None = None
    max_frame_size: int = AMQP_FRAME_BYTES_MAX
    channel_max: int = AMQP_CHANNEL_MAX
    handle_max: int = AMQP_HANDLE_MAX
    links_max: int = AMQP_LINKS_MAX  # over all sessions
    idle_time_out_ms: int | None = None  # how long we bear silence; None: for ever
    window_frames: int = AMQP_WINDOW_FRAMES
    max_message_size: int = MESSAGE_BYTES_DEFAULT
    partial_bytes_max: int = AMQP_PARTIAL_BYTES_MAX
    # Off by default: the official Service Bus SDK for Python grants itself credit.
    enforce_credit: bool = False
    properties: AmqpMap | None = None


@final
class Exchange:
    """The shared part of a connection, its sessions and its links."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings: Final = settings
        self.parts: list[bytes] = []  # frames to send, in order
        self.events: list[Event] = []
        self.backlog_bytes = 0  # transfers that wait for a session's window
        self.partial_bytes = 0  # of deliveries whose last transfer has not come
        self.link_count = 0  # of all sessions
        self.peer_frame_bytes_max = AMQP_FRAME_BYTES_MIN  # until its open says more (§2.4.1)

    def write(self, performative: Performative, channel: int) -> None:
        """A frame without payload. An error's text is cut where the peer's frames are small."""
        body = encode_performative(performative)
        if not self.fits(body):
            body = encode_performative(shortened(performative))
        self.parts.append(FRAME_HEADER.pack(HEADER_BYTES + len(body), 2, 0, channel) + body)

    def fits(self, body: bytes) -> bool:
        """Does the peer take a frame with this body (§2.7.1 max-frame-size)?"""
        return HEADER_BYTES + len(body) <= self.peer_frame_bytes_max

    def write_body(self, body: bytes, channel: int) -> None:
        self.parts.append(FRAME_HEADER.pack(HEADER_BYTES + len(body), 2, 0, channel) + body)

    def tell(self, event: Event) -> None:
        self.events.append(event)
