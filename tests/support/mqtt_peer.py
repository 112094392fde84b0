"""An MQTT client over a real socket: our engine, driven step by step; or raw bytes."""

import socket
import ssl
import time
from types import TracebackType
from typing import Any, TypeVar

from peeklock.protocols.mqtt.connect import MQTT_3_1_1, Connack, Connect
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import (
    Connected,
    ConnectionClosed,
    Event,
    PublishAcknowledged,
    SubackReceived,
    UnsubackReceived,
)
from peeklock.protocols.mqtt.properties import NO_PROPERTIES, REASON_STRING, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from peeklock.types import ElapsedMs
from tests.support.socket_peer import SocketPeer

PATIENCE_SECONDS = 20.0
SILENCE_SECONDS = 0.3
Kind = TypeVar("Kind")


def now() -> ElapsedMs:
    return ElapsedMs(time.monotonic_ns() // 1_000_000)


class RawMqtt(SocketPeer):
    """A socket to the broker's MQTT port, for bytes that no client would send."""

    def __init__(self, port: int) -> None:
        super().__init__(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)


class MqttPeer:
    """One client. `expect` waits for an event of a kind and keeps the others for later."""

    def __init__(
        self,
        port: int,
        connect: Connect | None = None,
        *,
        settings: ConnectionSettings | None = None,
        context: ssl.SSLContext | None = None,
        has_session: bool = False,
        through: Any = None,
    ) -> None:
        """`through` is what stands for a socket, where it is none."""
        plain = through or socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket = context.wrap_socket(plain) if context else plain
        self.engine = Connection.client(
            settings or ConnectionSettings(), connect or Connect(""), now(),
            has_session=has_session,
        )  # fmt: skip
        self._events: list[Event] = []
        self.connack: Connack | None = None
        self.flush()

    def __enter__(self) -> "MqttPeer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    # ---- saying

    def flush(self) -> None:
        data = self.engine.data_to_send()
        if data:
            self.socket.sendall(data)

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 1,
        *,
        retain: bool = False,
        properties: Properties = NO_PROPERTIES,
    ) -> int:
        packet_id = self.engine.messages.publish(topic, payload, qos, retain, properties)
        self.flush()
        return packet_id

    def put(self, topic: str, *payloads: bytes, properties: Properties = NO_PROPERTIES) -> None:
        """With QoS 1, and acknowledged."""
        for payload in payloads:
            self.publish(topic, payload, properties=properties)
        for _ in payloads:
            assert self.expect(PublishAcknowledged).reason_code == 0

    def subscribe(
        self, *filters: str, qos: int = 1, properties: Properties = NO_PROPERTIES
    ) -> SubackReceived:
        requests = tuple(FilterRequest(one, qos) for one in filters)
        self.engine.requests.subscribe(requests, properties)
        self.flush()
        return self.expect(SubackReceived)

    def unsubscribe(self, *filters: str) -> UnsubackReceived:
        self.engine.requests.unsubscribe(filters)
        self.flush()
        return self.expect(UnsubackReceived)

    def acknowledge(self, publish: Publish, code: int = 0, reason: str | None = None) -> None:
        found = NO_PROPERTIES if reason is None else Properties({REASON_STRING: reason})
        self.engine.messages.acknowledge(publish.packet_id, code, found)
        self.flush()

    def disconnect(self, code: int = 0) -> None:
        self.engine.disconnect(code)
        self.flush()

    # ---- hearing

    def expect(self, kind: type[Kind], seconds: float = PATIENCE_SECONDS) -> Kind:
        until = time.monotonic() + seconds
        while True:
            for event in self._events:
                if isinstance(event, kind):
                    self._events.remove(event)
                    return event
            left = until - time.monotonic()
            if left <= 0 or not self._hear(left):
                raise AssertionError(f"no {kind.__name__} but {self._events}")

    def take(self) -> Publish:
        """The next message."""
        return self.expect(Publish)

    def expect_silence(self, seconds: float = SILENCE_SECONDS) -> None:
        """Nothing comes but what was there."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._hear(left)
        assert self._events == [], self._events

    def expect_closed(self, code: int | None = None) -> str:
        """The server ends it, and says why."""
        closed = self.expect(ConnectionClosed)
        if code is not None:
            assert closed.reason_code == code, (hex(closed.reason_code), closed.what)
        return closed.what

    def _hear(self, seconds: float) -> bool:
        """Read once; False when nothing came."""
        if self.engine.closed:
            return False
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return False
        except ConnectionResetError:
            data = b""
        fresh = (
            self.engine.receive_data(data, now()) if data else self.engine.receive_eof(now())
        )
        self._events.extend(fresh)
        self.flush()
        return True


def mqtt_peer(port: int, client_id: str = "", *, v5: bool = True, **more: object) -> MqttPeer:
    """Connected and let in."""
    version = 5 if v5 else MQTT_3_1_1
    settings = more.pop("settings", None)
    context = more.pop("context", None)
    has_session = bool(more.pop("has_session", False))
    connect = Connect(client_id, version, **more)  # type: ignore[arg-type]  # fields of it
    one = MqttPeer(port, connect, settings=settings, context=context, has_session=has_session)  # type: ignore[arg-type]  # as given
    one.connack = one.expect(Connected).connack
    return one
