"""An MQTT 5.0 client that publishes with QoS 1: asyncio around the protocol engine."""

import asyncio
import ssl
import time
from typing import cast

from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import (
    Connected,
    ConnectionClosed,
    Event,
    PublishAcknowledged,
)
from peeklock.protocols.mqtt.properties import CONTENT_TYPE, REASON_STRING, properties
from peeklock.protocols.mqtt.reason_codes import FAILURE
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.types import NO_TIMEOUT, ElapsedMs
from peeklock_client import PeeklockError, Unreachable
from peeklock_client.location import Location

OPEN_SECONDS = 30.0
TICK_SECONDS_MAX = 15.0
KEEP_ALIVE_SECONDS = 30


def now_ms() -> ElapsedMs:
    return ElapsedMs(time.monotonic_ns() // 1_000_000)


class MqttClient(asyncio.Protocol):
    """One connection. `connect_mqtt` makes one that is let in."""

    def __init__(self, connect: Connect) -> None:
        loop = asyncio.get_running_loop()
        self._engine = Connection.client(ConnectionSettings(), connect, now_ms())
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awaited: dict[int, asyncio.Future[None]] = {}  # by packet identifier
        self._farewell = "the connection is closed"
        self.let_in: asyncio.Future[None] = loop.create_future()

    async def publish(self, topic: str, payload: bytes, content_type: str) -> None:
        """Returns when the broker has it on disk; raises `PeeklockError`."""
        if self._engine.closed:
            raise Unreachable(self._farewell)
        told = properties(texts={CONTENT_TYPE: content_type})
        packet_id = self._engine.messages.publish(topic, payload, 1, properties=told)
        if packet_id < 0:
            raise PeeklockError(f"{topic}: the broker takes no such message now")
        acknowledged = asyncio.get_running_loop().create_future()
        self._awaited[packet_id] = acknowledged
        self._flush()
        await acknowledged

    def disconnect(self) -> None:
        """In good order."""
        self._engine.disconnect()
        self._flush()

    def abort(self) -> None:
        """As if the power were cut."""
        if self._transport is not None:
            self._transport.abort()

    # ---- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods but are none of its subclasses.
        self._transport = cast(asyncio.Transport, transport)
        self._flush()
        self._on_timer()

    def data_received(self, data: bytes) -> None:
        self._take(self._engine.receive_data(data, now_ms()))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._take(self._engine.receive_eof(now_ms()))

    def _on_timer(self) -> None:
        self._take(self._engine.tick(now_ms()))
        self._flush()
        at = self._engine.next_deadline()
        delay = max(0.01, (at - now_ms()) / 1000) if at != NO_TIMEOUT else TICK_SECONDS_MAX
        if self._transport is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(delay, TICK_SECONDS_MAX), self._on_timer)

    # ---- what the engine tells

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Connected):
                self.let_in.set_result(None)
            elif isinstance(event, PublishAcknowledged):
                self._on_acknowledged(event)
            elif isinstance(event, ConnectionClosed):
                self._on_closed(event)

    def _on_acknowledged(self, event: PublishAcknowledged) -> None:
        waiting = self._awaited.pop(event.packet_id)
        if waiting.cancelled():
            return
        if event.reason_code < FAILURE:
            waiting.set_result(None)
        else:
            why = event.properties.text(REASON_STRING) or "no reason given"
            waiting.set_exception(PeeklockError(f"refused, 0x{event.reason_code:02x}: {why}"))

    def _on_closed(self, event: ConnectionClosed) -> None:
        self._farewell = f"the MQTT connection is closed: {event.what}"
        for waiting in (self.let_in, *self._awaited.values()):
            if not waiting.done():
                waiting.set_exception(Unreachable(self._farewell))
        self._awaited.clear()

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if data := self._engine.data_to_send():
            self._transport.write(data)
        if self._engine.closed:
            self._transport.close()


async def connect_mqtt(location: Location, client_id: str) -> MqttClient:
    """A client that is let in; raises `Unreachable`."""
    password = location.password.encode() if location.password is not None else None
    connect = Connect(
        client_id, keep_alive=KEEP_ALIVE_SECONDS, user_name=location.user, password=password
    )
    context = ssl.create_default_context() if location.tls else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            _transport, client = await loop.create_connection(
                lambda: MqttClient(connect), location.host, location.port, ssl=context
            )
            await client.let_in
    except (OSError, TimeoutError) as error:
        where = f"{location.host}:{location.port}"
        raise Unreachable(f"no MQTT at {where}: {error or 'no answer'}") from None
    return client
