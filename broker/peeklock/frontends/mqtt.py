"""One MQTT connection in the house: packets → engine verbs; effects → packets.

Who its client is, and how that comes and goes, is in mqtt_presence.py.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, cast, final

from peeklock.engine.effects import (
    Accepted,
    Deliver,
    Effect,
    Overheard,
    ReceiverEnded,
    Refused,
    Replied,
    Settled,
    SettleRefused,
)
from peeklock.errors import BrokerError
from peeklock.frontends.closing import Closing
from peeklock.frontends.mqtt_deliveries import Deliveries
from peeklock.frontends.mqtt_errors import reasoned, subscribe_code
from peeklock.frontends.mqtt_intake import Intake
from peeklock.frontends.mqtt_presence import MqttHost, Presence
from peeklock.frontends.mqtt_topics import Finder
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.events import (
    AuthReceived,
    ConnectionClosed,
    ConnectReceived,
    Event,
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
    PublishReleased,
    SubscribeReceived,
    UnsubscribeReceived,
)
from peeklock.protocols.mqtt.properties import NO_PROPERTIES
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import (
    ADMINISTRATIVE_ACTION,
    NO_SUBSCRIPTION_EXISTED,
    SERVER_SHUTTING_DOWN,
    SUCCESS,
    UNSPECIFIED_ERROR,
)
from peeklock.protocols.mqtt.subscribe import Subscribe, Unsubscribe
from peeklock.security.authenticators import Answer, Login
from peeklock.security.principal import ANONYMOUS
from peeklock.types import NEVER, ElapsedMs, UnixMs

CLOSING_CODES: Final = {
    Closing.SHUT_DOWN: SERVER_SHUTTING_DOWN,
    Closing.MISTAKE: UNSPECIFIED_ERROR,
}


@final
class MqttFrontend:
    """Owns the wire connection of one client. See `Wire` and `Peer` for its two faces."""

    def __init__(
        self,
        host: MqttHost,
        now: UnixMs,
        elapsed: ElapsedMs,
        peer_name: str,
        certificate_name: str = "",
    ) -> None:
        self.login: Login | None = None  # the server takes it, checks it, calls `on_login`
        self.now: UnixMs = now  # when it last heard from the peer or the clock
        self.elapsed: ElapsedMs = elapsed  # that moment, by the clock that nobody sets
        engine = host.engine
        connection = Connection.server(host.settings, elapsed)
        finder = Finder(engine, ANONYMOUS, creates=host.creates_queues)
        self._engine: Final = engine
        self._connection: Final = connection
        self._deliveries: Final = Deliveries(engine, host.desk, self, connection)
        self._intake: Final = Intake(engine, host.desk, self, connection, finder)
        self._presence: Final = Presence(
            host, self, connection, self._deliveries, finder, peer_name, certificate_name
        )
        host.system.socket_count += 1

    # ---- the wire's face

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def receive_data(self, data: bytes, now: UnixMs, elapsed: ElapsedMs) -> None:
        self.now = now
        self.elapsed = elapsed
        self._handle(self._connection.receive_data(data, elapsed), now)

    def receive_eof(self, now: UnixMs, elapsed: ElapsedMs) -> None:
        self._handle(self._connection.receive_eof(elapsed), now)

    def data_to_send(self) -> bytes:
        return self._connection.data_to_send()

    def tick(self, now: UnixMs, elapsed: ElapsedMs) -> None:
        self.now = now
        self.elapsed = elapsed
        self._presence.let_token_lapse(now)
        self._handle(self._connection.tick(elapsed), now)

    def next_deadline(self) -> ElapsedMs:
        at = self._connection.next_deadline()
        claims = self._presence.claims
        if claims is None or self._connection.closed:
            return at
        return claims.next_deadline(at, self.now, self.elapsed)

    def set_writable(self, writable: bool) -> None:
        """The socket takes more, or has enough for now."""
        self._deliveries.set_writable(writable)
        self._deliveries.settle_up(self.now)

    def on_login(self, answer: Answer, now: UnixMs) -> None:
        """The answer to `login`."""
        self._presence.on_login(answer, now)
        self.go_on(now)

    def close(self, closing: Closing, why: str) -> None:
        """The broker ends the connection."""
        self._connection.disconnect(CLOSING_CODES[closing], why)
        self.go_on(self.now)

    def refuse(self, why: str) -> None:
        """There are as many connections as may be: this one is told so, once it asks."""
        self._presence.refusal = why

    def go_on(self, now: UnixMs) -> None:
        """Deal with the events that have come up outside of its own doing."""
        self._handle(self._connection.take_events(), now)

    # ---- events

    def _handle(self, events: list[Event], now: UnixMs) -> None:
        while events:
            for event in events:
                self._on_event(event, now)
            events = self._connection.take_events()  # of what we did ourselves
        self._deliveries.settle_up(now)

    def _on_event(self, event: Event, now: UnixMs) -> None:
        session = self._presence.session
        if isinstance(event, Publish):
            assert session is not None
            self._intake.on_publish(event, session, now)
        elif isinstance(event, PublishAcknowledged):
            self._deliveries.on_acknowledged(event, now)
        elif isinstance(event, PublishReleased):
            assert session is not None
            self._intake.on_released(event.packet_id, session)
        elif isinstance(event, PublishRecorded):
            self._deliveries.on_recorded(event, now)
        elif isinstance(event, PublishCompleted):
            self._deliveries.on_completed(event.packet_id)
        else:
            self._on_rare(event, now)

    def _on_rare(self, event: Event, now: UnixMs) -> None:
        if isinstance(event, SubscribeReceived):
            self._on_subscribe(event.subscribe, now)
        elif isinstance(event, UnsubscribeReceived):
            self._on_unsubscribe(event.unsubscribe, now)
        elif isinstance(event, ConnectReceived):
            self.login = self._presence.on_connect(event.connect)
        elif isinstance(event, AuthReceived):
            self.login = self._presence.on_auth(event.auth)
        elif isinstance(event, ConnectionClosed):
            self._presence.on_closed(now, is_will_due=event.is_will_due)

    # ---- subscriptions

    def _on_subscribe(self, subscribe: Subscribe, now: UnixMs) -> None:
        """Each filter has its own answer [MQTT-3.8.4-6]; the first refusal says why."""
        subscriptions = self._presence.subscriptions
        assert subscriptions is not None
        codes: list[int] = []
        why = NO_PROPERTIES
        identifiers = subscribe.properties.subscription_identifiers
        for one in subscribe.filters:
            try:
                codes.append(subscriptions.subscribe(one, identifiers, now))
            except BrokerError as error:
                codes.append(subscribe_code(error))
                why = why or reasoned(str(error))
        requests = self._connection.requests
        self._answer(partial(requests.suback, subscribe.packet_id, tuple(codes), why))

    def _on_unsubscribe(self, unsubscribe: Unsubscribe, now: UnixMs) -> None:
        """Each filter has its own answer [MQTT-3.10.4-6] [MQTT-3.11.3-1]."""
        subscriptions = self._presence.subscriptions
        assert subscriptions is not None
        codes = tuple(
            SUCCESS if subscriptions.unsubscribe(one, now) else NO_SUBSCRIPTION_EXISTED
            for one in unsubscribe.topic_filters
        )
        requests = self._connection.requests
        self._answer(partial(requests.unsuback, unsubscribe.packet_id, codes))

    def _answer(self, answer: Callable[[], object]) -> None:
        """Of a session that is kept when what it rests on is."""
        session = self._presence.session
        if session is not None and session.is_kept:
            self._engine.outbox.hold(self._engine.journal.end, Replied(self, answer))
        else:
            answer()

    # ---- effects

    def on_effect(self, effect: Effect) -> None:
        """The engine's word, in MQTT's. A connection that is gone meanwhile hears nothing."""
        if self._connection.closed:
            return
        if isinstance(effect, Accepted):
            self._connection.messages.acknowledge(effect.delivery_id)
            return
        if isinstance(effect, Deliver):
            self.now = max(self.now, handed_at(effect))
            self._deliveries.on_deliver(effect, self.now)
        elif isinstance(effect, Overheard):
            self.now = max(self.now, effect.heard.signal.published_at)
            self._deliveries.on_heard(effect, self.now)
        elif isinstance(effect, Settled):
            self._deliveries.release(effect.first_delivery_id)
        elif isinstance(effect, SettleRefused):
            self._deliveries.release(effect.delivery_id)
        elif isinstance(effect, Replied):
            cast(Callable[[], object], effect.reply)()
        elif isinstance(effect, Refused):
            self._intake.refuse(effect.delivery_id, effect.error)
        elif isinstance(effect, ReceiverEnded):  # MQTT cannot say that of one subscription
            self._connection.disconnect(ADMINISTRATIVE_ACTION, str(effect.error))
        self.go_on(self.now)


def handed_at(effect: Deliver) -> UnixMs:
    """When that was, or the latest that is known: the client may have been silent for long."""
    queue = effect.receiver.queue
    if effect.locked_until != NEVER:
        return UnixMs(effect.locked_until - queue.settings.lock_duration_ms)
    return max(entry.enqueued_at for entry in effect.entries)
