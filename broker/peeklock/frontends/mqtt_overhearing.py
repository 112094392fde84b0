"""Signals for a client that is here, and for whom they are stored nowhere (docs/adr/0028).

Those with QoS 0 are sent at once, or lost when the client does not read. Those with QoS 1 and
2, of a session that ends with its connection, wait until the client takes more of them; when
too many wait, the oldest are lost.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, cast, final

from peeklock.entities.arrivals import Heard, NamedSignal
from peeklock.entities.listeners import Hearing
from peeklock.errors import ProtocolViolation
from peeklock.frontends.mqtt_event import BroughtEvent
from peeklock.frontends.mqtt_message import contents_of, with_expiry
from peeklock.limits import MIB, MQTT_WAITING_BYTES_MAX, MQTT_WAITING_MESSAGES_MAX
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.properties import Properties
from peeklock.protocols.mqtt.publish import NO_PACKET_ID, EncodedPublish, Publish
from peeklock.protocols.mqtt.varint import VARINT_MAX
from peeklock.types import NEVER, UnixMs

# Beyond it, no packet can be sure to hold a message with its topic name and properties.
PAYLOAD_BYTES_MAX: Final = VARINT_MAX - 1 * MIB
STALE_MS: Final = 1000  # what is told of a message's expiry is true for so long


@final
class Overhearing:
    """Of one connection."""

    def __init__(self, connection: Connection) -> None:
        self.writable = True  # the socket takes more
        self.may_hear: Callable[[str], bool] | None = None  # of a topic name; None: all
        self.dropped_count = 0  # signals that the client was not sent
        self._connection: Final = connection
        self._waiting: Final[deque[Heard]] = deque()
        self._waiting_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Nothing waits: the client takes all that comes."""
        messages = self._connection.messages
        return not self._waiting and self.writable and messages.quota > 0

    def on_heard(self, heard: Heard, now: UnixMs) -> None:
        if self.may_hear is not None and not self.may_hear(heard.signal.topic_name):
            return
        messages = self._connection.messages
        if heard.hearing.qos == 0:
            if self.writable:
                self._send(heard, now)
            else:
                self.dropped_count += 1
        elif self._waiting or not self.writable or messages.quota == 0:
            self._wait(heard)
        else:
            self._send(heard, now)

    def go_on(self, now: UnixMs) -> None:
        """The client may take more."""
        waiting = self._waiting
        messages = self._connection.messages
        while waiting and self.writable and messages.quota:
            heard = waiting.popleft()
            self._waiting_bytes -= heard.signal.message.size
            self._send(heard, now)

    def end(self) -> None:
        self._waiting.clear()

    def _wait(self, heard: Heard) -> None:
        waiting = self._waiting
        waiting.append(heard)
        self._waiting_bytes += heard.signal.message.size
        while (
            len(waiting) > MQTT_WAITING_MESSAGES_MAX
            or self._waiting_bytes > MQTT_WAITING_BYTES_MAX
        ):
            self._waiting_bytes -= waiting.popleft().signal.message.size
            self.dropped_count += 1

    def _send(self, heard: Heard, now: UnixMs) -> None:
        if not self._is_sent(heard, now):
            self.dropped_count += 1

    def _is_sent(self, heard: Heard, now: UnixMs) -> bool:
        """Not if it has expired [MQTT-3.3.2-5], or is too large for the client: that is then
        as if it had been sent [MQTT-3.1.2-25].
        """
        signal = heard.signal
        if NEVER != signal.expires_at <= now:
            return False
        if signal.message.size > PAYLOAD_BYTES_MAX:
            return False
        try:
            encoded = encoded_of(signal, heard.hearing, now, is_v5=self._connection.is_v5)
        except ProtocolViolation:  # nobody has looked into it when it came
            return False
        return self._connection.messages.publish_encoded(encoded) >= NO_PACKET_ID


def encoded_of(
    signal: NamedSignal, hearing: Hearing, now: UnixMs, *, is_v5: bool
) -> EncodedPublish:
    """Once for all who are told in the same way. Raises `ProtocolViolation`."""
    key = (is_v5, hearing.qos, hearing.retain, hearing.identifiers)
    is_stale = signal.expires_at != NEVER and now >= signal.published_at + STALE_MS
    found = signal.encoded.get(key)
    if found is not None and not is_stale:
        return cast(EncodedPublish, found)
    payload, properties = contents_of_signal(signal, is_v5=is_v5)
    properties = with_expiry(properties, signal.expires_at, now)
    if hearing.identifiers:
        properties = properties.with_subscriptions(hearing.identifiers)
    encoded = EncodedPublish(
        signal.topic_name, payload, hearing.qos, hearing.retain, properties, is_v5=is_v5
    )
    signal.encoded[key] = encoded
    return encoded


def contents_of_signal(signal: NamedSignal, *, is_v5: bool) -> tuple[bytes, Properties]:
    """What MQTT brought goes on as it came [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16]
    [MQTT-3.3.2-17] [MQTT-3.3.2-20]; an event, to those of its version. All else is converted
    once a version, for all its subscribers together. Raises `ProtocolViolation`.
    """
    if signal.expires_at == NEVER:
        brought = signal.publish
        if isinstance(brought, BroughtEvent) and brought.is_v5 is is_v5:
            brought = brought.publish
        if isinstance(brought, Publish):
            return brought.payload, brought.properties
    found = signal.encoded.get(is_v5)
    if found is not None:
        return cast(tuple[bytes, Properties], found)
    message = signal.message
    contents = contents_of(message.bare, message, is_v5=is_v5)
    signal.encoded[is_v5] = contents
    return contents
