"""The SASL security layer (§5.3): before AMQP, who is there."""

from dataclasses import dataclass
from typing import Final, final

from peeklock.errors import ProtocolViolation
from peeklock.limits import AMQP_SASL_FRAME_BYTES_MAX
from peeklock.protocols.amqp10.conditions import ILLEGAL_STATE
from peeklock.protocols.amqp10.events import (
    Event,
    SaslFailed,
    SaslInitReceived,
    SaslResponseReceived,
)
from peeklock.protocols.amqp10.frames import HEADER_BYTES, SASL_FRAME, frame_header
from peeklock.protocols.amqp10.sasl import (
    OK,
    SaslChallenge,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslPerformative,
    SaslResponse,
    encode_sasl,
)


@dataclass(frozen=True)
class SaslServer:
    """What a server offers; `required`: a client may not go without."""

    mechanisms: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True)
class SaslClient:
    """What a client wants to use; `otherwise`: where that is not offered."""

    mechanism: str
    initial_response: bytes | None = None
    otherwise: "SaslClient | None" = None


def plain_response(user: str, password: str) -> bytes:
    """RFC 4616."""
    return b"\x00" + user.encode() + b"\x00" + password.encode()


def sasl_frame(performative: SaslPerformative) -> bytes:
    body = encode_sasl(performative)
    assert len(body) + HEADER_BYTES <= AMQP_SASL_FRAME_BYTES_MAX
    return frame_header(len(body), 0, SASL_FRAME) + body


@final
class SaslExchange:
    """One negotiation, of either side."""

    def __init__(self, server: SaslServer | None, client: SaslClient | None) -> None:
        self._server: Final = server
        self._client: Final = client
        self._init_seen = False
        self.is_done = False  # AMQP's own header follows

    def first_frame(self) -> bytes:
        """What a server says once the headers are exchanged; a client says nothing."""
        if self._server is None:
            return b""
        return sasl_frame(SaslMechanisms(list(self._server.mechanisms)))

    def receive(self, performative: SaslPerformative) -> tuple[bytes, Event | None]:
        """What to send at once, and what to tell the owner."""
        if self._server is not None:
            return b"", self._receive_as_server(performative)
        return self._receive_as_client(performative)

    def _receive_as_server(self, performative: SaslPerformative) -> Event:
        if isinstance(performative, SaslInit) and not self._init_seen:
            self._init_seen = True
            return SaslInitReceived(
                performative.mechanism, performative.initial_response, performative.hostname
            )
        if isinstance(performative, SaslResponse) and self._init_seen:
            return SaslResponseReceived(performative.response)
        raise out_of_order(performative)

    def _receive_as_client(self, performative: SaslPerformative) -> tuple[bytes, Event | None]:
        if isinstance(performative, SaslMechanisms):
            client = self._client
            while client is not None and client.mechanism not in performative.mechanisms:
                client = client.otherwise
            if client is None:
                return b"", SaslFailed(-1)
            return sasl_frame(SaslInit(client.mechanism, client.initial_response)), None
        if isinstance(performative, SaslChallenge):
            return sasl_frame(SaslResponse(b"")), None
        if isinstance(performative, SaslOutcome):
            self.is_done = performative.code == OK
            return b"", None if self.is_done else SaslFailed(performative.code)
        raise out_of_order(performative)


def out_of_order(performative: SaslPerformative) -> ProtocolViolation:
    name = type(performative).__name__
    return ProtocolViolation("AMQP 1.0 §5.3.2", f"{name} out of its turn", ILLEGAL_STATE)
