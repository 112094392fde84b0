"""AMQP 1.0 over a socket: all the asyncio that the client's protocol engine sees."""

import asyncio
import os
import re
import ssl
import time
from collections.abc import Callable
from typing import cast

from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.events import (
    ConnectionClosed,
    ConnectionOpened,
    Event,
    SaslFailed,
)
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.outcomes import AmqpError
from peeklock.protocols.amqp10.sasl_layer import SaslClient, plain_response
from peeklock.types import NO_TIMEOUT, ElapsedMs
from peeklock_client.errors import Unauthenticated, Unreachable
from peeklock_client.location import Location

OPEN_SECONDS = 10.0
TICK_SECONDS_MAX = 15.0
IDLE_TIME_OUT_MS = 60_000


def now_ms() -> ElapsedMs:
    """By the clock that nobody sets: a step of the other one is no silence."""
    return ElapsedMs(time.monotonic_ns() // 1_000_000)


class AmqpTransport(asyncio.Protocol):
    """One connection. Events go to `on_event`; `flush_soon` sends what the engine has."""

    def __init__(
        self,
        location: Location,
        settings: ConnectionSettings,
        sasl: SaslClient,
        on_event: Callable[[Event], None],
    ) -> None:
        self._location = location
        self.connection = Connection.client(settings, now_ms(), sasl)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()  # the socket is closed
        self.farewell: str | None = None  # why the connection is closed, once it is
        self._on_event = on_event
        self._transport: asyncio.Transport | None = None
        self._flush_is_due = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods but are none of its subclasses.
        self._transport = cast(asyncio.Transport, transport)
        self.flush()
        self._set_timer()

    def data_received(self, data: bytes) -> None:
        self._take(self.connection.receive_data(data, now_ms()))
        self.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._take(self.connection.receive_eof(now_ms()))
        self.lost.set()

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, ConnectionOpened) and not self.opened.done():
                self.opened.set_result(None)
            elif isinstance(event, SaslFailed) and not self.opened.done():
                self.opened.set_exception(
                    Unauthenticated("the broker refused user or password")
                )
            elif isinstance(event, ConnectionClosed):
                told = event.error.description if event.error is not None else None
                self.farewell = told or self._guess()
                if not self.opened.done():
                    self.opened.set_exception(self.closed_by_peer())
            self._on_event(event)

    def closed_by_peer(self) -> Unreachable:
        return Unreachable(f"{self._location} closed the connection: {self.farewell}")

    def _guess(self) -> str:
        return "no reason given" if self._location.tls else "does it want TLS, amqps://?"

    def flush_soon(self) -> None:
        """Once in this turn of the loop, however often it is called."""
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        self._flush_is_due = False
        if self._transport is None or self._transport.is_closing():
            return
        data = self.connection.data_to_send()
        if data:
            self._transport.write(data)
        if self.connection.closed:
            self._transport.close()

    def close(self, error: AmqpError | None = None) -> None:
        self.connection.close(error)
        self.flush()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _set_timer(self) -> None:
        at = self.connection.next_deadline()
        delay = max(0.01, (at - now_ms()) / 1000) if at != NO_TIMEOUT else TICK_SECONDS_MAX
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(delay, TICK_SECONDS_MAX), self._on_timer)

    def _on_timer(self) -> None:
        self._take(self.connection.tick(now_ms()))
        self.flush()
        if self._transport is not None:
            self._set_timer()


async def open_transport(
    location: Location,
    container_id: str,
    tls: ssl.SSLContext | None,
    on_event: Callable[[Event], None],
) -> AmqpTransport:
    """Connect and open; raises `Unreachable` or `Unauthenticated`."""
    sasl = SaslClient("ANONYMOUS", b"")
    if location.tls and tls is not None:  # its certificate may say who we are
        sasl = SaslClient("EXTERNAL", b"", sasl)
    if location.user is not None:
        sasl = SaslClient("PLAIN", plain_response(location.user, location.password or ""))
    settings = ConnectionSettings(
        container_id=container_id,
        hostname=location.host,
        idle_time_out_ms=IDLE_TIME_OUT_MS,
        properties={"product": "peeklock-client"},
    )
    context = (tls or ssl.create_default_context()) if location.tls else None
    loop = asyncio.get_running_loop()
    try:
        _transport, protocol = await asyncio.wait_for(
            loop.create_connection(
                lambda: AmqpTransport(location, settings, sasl, on_event),
                location.host,
                location.port,
                ssl=context,
            ),
            OPEN_SECONDS,
        )
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"no broker at {location}: {why(error)}") from None
    try:
        await asyncio.wait_for(asyncio.shield(protocol.opened), OPEN_SECONDS)
        if protocol.farewell is not None:  # §2.4.3: opened, only to say why it is closed
            raise protocol.closed_by_peer()
    except BaseException as error:
        protocol.abort()  # nobody will know of it who could close it
        if isinstance(error, TimeoutError):
            why_not = f"{location} did not answer within {OPEN_SECONDS:.0f} s"
            raise Unreachable(why_not) from None
        if isinstance(error, Unauthenticated) and location.user is None:
            raise Unauthenticated(f"{location} wants a user and a password") from None
        raise
    return protocol


def why(error: OSError) -> str:
    """In few words, without the addresses that asyncio puts into its own."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS there; amqp:// is without"
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_SECONDS:.0f} s"
    number = re.search(r"\[Errno (\d+)\]", str(error))
    return os.strerror(int(number[1])) if number else error.strerror or str(error)
