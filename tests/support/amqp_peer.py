"""A scripted AMQP peer: says exactly what a test tells it, and reads what comes back.

It shares no code with the broker (see amqp_bytes), so it can be wrong on purpose.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from tests.support.amqp_bytes import (
    AMQP_HEADER,
    SASL_HEADER,
    Composite,
    Message,
    Raw,
    composite,
    data_section,
    decode,
    frame,
    read_message,
)
from tests.support.socket_peer import PeerClosed, SocketPeer

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Heard:
    """One frame of the broker's."""

    channel: int
    performative: Composite
    payload: bytes

    def __getitem__(self, field: str) -> object:
        return self.performative[field]

    @property
    def name(self) -> str:
        return self.performative.name


class AmqpPeer(SocketPeer):
    """A socket to a broker. Use it as a context manager."""

    def __init__(self, port: int, through: Any = None) -> None:
        """`through` is what stands for a socket, where it is none."""
        super().__init__(
            through or socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        )

    # ---- saying

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(
        self, performative: str, channel: int = 0, /, payload: bytes = b"", **given: object
    ) -> None:
        """A performative; fields by the specification's names with `_` for `-`."""
        self.send_bytes(frame(composite(performative, **given) + payload, channel))

    def transfer(
        self, delivery_id: int | None, payload: bytes, handle: int = 0, **given: object
    ) -> None:
        tag = None if delivery_id is None else b"tag-%d" % delivery_id
        fields: dict[str, object] = {
            "handle": handle,
            "delivery_id": delivery_id,
            "delivery_tag": tag,
            "message_format": 0,
        }
        self.send("transfer", payload=payload, **(fields | given))

    # ---- hearing

    def next_frame(self) -> Heard:
        """The next frame that says something."""
        while True:
            size, doff, _kind, channel = struct.unpack(">IBBH", self.take(8))
            body = self.take(size - 8)[4 * doff - 8 :]
            if body:
                performative, at = decode(body)
                assert isinstance(performative, Composite), performative
                return Heard(channel, performative, body[at:])

    def expect(self, name: str, /, **fields: object) -> Heard:
        """The next frame is this one, and these of its fields have these values."""
        heard = self.next_frame()
        assert heard.name == name, f"{heard.performative} instead of {name}"
        for field, value in fields.items():
            got = heard[field.replace("_", "-").rstrip("-")]
            assert got == value, f"{field} is {got!r}"
        return heard

    def expect_error(self, name: str, condition: str) -> str:
        """`detach`, `end` or `close` with this condition; returns the description."""
        error = self.expect(name)["error"]
        assert isinstance(error, Composite), f"{name} without an error"
        assert error["condition"] == condition, error
        description = error["description"]
        assert isinstance(description, str)
        return description

    def expect_close(self, condition: str) -> str:
        """The broker closes with this error, hears our close, and closes the socket."""
        description = self.expect_error("close", condition)
        try:
            self.send("close")
        except OSError:
            pass  # it did not wait
        self.expect_end()
        return description

    def expect_end(self) -> None:
        """The broker closes the socket and says nothing more."""
        try:
            more = self.take(1)
        except PeerClosed:
            return
        raise AssertionError(f"the broker said more: {more + self._buffer!r}")

    def expect_silence(self, seconds: float = 0.2) -> None:
        """Nothing comes for a while: use it where nothing must come."""
        assert self._buffer == b"", decode(self._buffer[8:])
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return
        finally:
            self.socket.settimeout(PATIENCE_SECONDS)
        raise AssertionError(f"the broker said {data!r}")

    def ping(self, channel: int = 0) -> None:
        """Session and connection live, and all that was sent before has been handled."""
        self.send(
            "flow", channel, incoming_window=2048, next_outgoing_id=0,
            outgoing_window=2048, next_incoming_id=0, echo=True,
        )  # fmt: skip
        self.expect("flow", handle=None)

    def ping_link(self, handle: int) -> Heard:
        """The broker's flow for a link on which we send, once all before was handled."""
        token = 4711  # of a sender's `available`, the receiver repeats the last it has heard
        self.send(
            "flow", handle=handle, delivery_count=0, link_credit=0, available=token, echo=True,
            next_incoming_id=0, incoming_window=2048, next_outgoing_id=0, outgoing_window=2048,
        )  # fmt: skip
        while True:
            heard = self.expect("flow")
            if heard["handle"] == handle and heard["available"] == token:
                return heard

    # ---- phrases

    def open(self, **given: object) -> Heard:
        self.send_bytes(AMQP_HEADER)
        assert self.take(8) == AMQP_HEADER
        self.send("open", **({"container_id": "peer"} | given))
        return self.expect("open")

    def sasl(self, mechanism: str, response: bytes | None = None) -> int:
        """Negotiate; returns the outcome's code."""
        self.send_bytes(SASL_HEADER)
        assert self.take(8) == SASL_HEADER
        self.expect("sasl-mechanisms")
        init = composite("sasl-init", mechanism=mechanism, initial_response=response)
        self.send_bytes(frame(init, kind=1))
        code = self.expect("sasl-outcome")["code"]
        assert isinstance(code, int)
        return code

    def begin(self, channel: int = 0, **given: object) -> Heard:
        wanted = {"next_outgoing_id": 0, "incoming_window": 2048, "outgoing_window": 2048}
        self.send("begin", channel, **(wanted | given))
        return self.expect("begin")

    def attach_sender(self, address: object, handle: int = 0, **given: object) -> Heard:
        """A link on which this peer sends; returns the broker's attach."""
        wanted = {
            "name": f"s{handle}",
            "handle": handle,
            "role": False,
            "source": composite("source"),
            "target": composite("target", address=address),
            "initial_delivery_count": 0,
        }
        self.send("attach", **(wanted | given))
        heard = self.expect("attach")
        self.expect("flow")
        return heard

    def attach_receiver(
        self, address: object, handle: int = 0, credit: int = 0, **given: object
    ) -> Heard:
        """A link on which this peer receives; returns the broker's attach."""
        wanted = {
            "name": f"r{handle}",
            "handle": handle,
            "role": True,
            "source": composite("source", address=address),
            "target": composite("target"),
        }
        self.send("attach", **(wanted | given))
        heard = self.expect("attach")
        if credit:
            self.credit(credit, handle)
        return heard

    def credit(self, credit: int, handle: int = 0, count: int = 0, **given: object) -> None:
        """Grant credit on a link whose delivery-count is `count`."""
        state: dict[str, object] = {
            "next_incoming_id": 0,
            "incoming_window": 2048,
            "next_outgoing_id": 0,
            "outgoing_window": 2048,
        }
        self.send(
            "flow", handle=handle, delivery_count=count, link_credit=credit, **(state | given)
        )

    def dispose(self, first: object, state: Raw | None, **given: object) -> None:
        """A receiver's disposition of one delivery, or with `last` of several."""
        self.send("disposition", **({"role": True, "first": first, "state": state} | given))

    def receive(self) -> tuple[Heard, Message]:
        """A delivery in one transfer."""
        heard = self.expect("transfer")
        return heard, read_message(heard.payload)

    def put(self, *bodies: bytes, handle: int = 0, first: int = 0) -> None:
        """Send messages, each in one transfer, and hear that all are accepted."""
        for number, body in enumerate(bodies, first):
            self.transfer(number, data_section(body), handle)
        self.hear_accepted(first, first + len(bodies) - 1)

    def hear_accepted(self, first: int, last: int) -> None:
        """Dispositions, in whatever ranges, that settle these deliveries as accepted."""
        expected = first
        while expected <= last:
            heard = self.next_frame()
            if heard.name == "flow":
                continue
            assert heard.name == "disposition", heard
            state = heard["state"]
            assert isinstance(state, Composite)
            assert state.name == "accepted", state
            assert heard["settled"]
            assert heard["first"] == expected
            end = heard["last"] if heard["last"] is not None else heard["first"]
            assert isinstance(end, int)
            expected = end + 1
        assert expected == last + 1


def ready_peer(port: int) -> AmqpPeer:
    """Opened, with a session on channel 0."""
    peer = AmqpPeer(port)
    peer.open()
    peer.begin()
    return peer
