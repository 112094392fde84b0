"""One MQTT connection in the house: packets → engine verbs; effects → packets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast, final

from peeklock.engine.effects import (
    Accepted,
    Deliver,
    Effect,
    LinkStolen,
    Overheard,
    ReceiverEnded,
    Refused,
    Replied,
    Settled,
    SettleRefused,
)
from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import RELEASED, TAKEN, Session, SignalDesk
from peeklock.entities.kept_links import NO_WILL
from peeklock.errors import BrokerError, Unauthorized
from peeklock.frontends.closing import Closing
from peeklock.frontends.mqtt_deliveries import Deliveries
from peeklock.frontends.mqtt_errors import connect_code, reasoned, subscribe_code
from peeklock.frontends.mqtt_intake import Intake
from peeklock.frontends.mqtt_login import Logins, renew
from peeklock.frontends.mqtt_subscriptions import Subscriptions
from peeklock.frontends.mqtt_system import SystemTopics
from peeklock.frontends.mqtt_topics import Finder
from peeklock.frontends.mqtt_wills import LastWill, delay_of, last_will_of
from peeklock.limits import (
    MQTT_CLIENT_ID_CHARACTERS_MAX,
    MQTT_PACKET_IDS_OF_SESSIONS,
    MQTT_SESSION_LIFETIME_MAX,
)
from peeklock.protocols.mqtt.acceptance import Acceptance
from peeklock.protocols.mqtt.connect import Connect
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
    CLIENT_IDENTIFIER_NOT_VALID,
    MAXIMUM_CONNECT_TIME,
    NO_SUBSCRIPTION_EXISTED,
    NOT_AUTHORIZED,
    QUOTA_EXCEEDED,
    SERVER_SHUTTING_DOWN,
    SESSION_TAKEN_OVER,
    SUCCESS,
    UNSPECIFIED_ERROR,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import Subscribe, Unsubscribe
from peeklock.protocols.mqtt.traffic import Traffic
from peeklock.security.authenticators import (
    Admission,
    Answer,
    Authenticator,
    Challenge,
    Login,
    Rejection,
)
from peeklock.security.principal import ANONYMOUS, Principal
from peeklock.types import NEVER, NOWHERE, ElapsedMs, Millis, UnixMs

SETTINGS: Final = ConnectionSettings(
    packet_ids_reserved=MQTT_PACKET_IDS_OF_SESSIONS,
    answers_by_itself=False,
)
CLOSING_CODES: Final = {
    Closing.SHUT_DOWN: SERVER_SHUTTING_DOWN,
    Closing.MISTAKE: UNSPECIFIED_ERROR,
}


@dataclass(frozen=True)
class MqttHost:
    """What all MQTT connections of a broker share."""

    engine: Engine
    authenticator: Authenticator
    desk: SignalDesk
    creates_queues: bool  # --dev: an unknown queue is made when somebody names it
    system: SystemTopics
    settings: ConnectionSettings = SETTINGS
    clients: "dict[str, MqttFrontend]" = field(default_factory=dict)  # by client id


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
        self.peer_name: Final = peer_name
        self.login: Login | None = None  # the server takes it, checks it, calls `on_login`
        self._host: Final = host
        self._engine: Final = host.engine
        self._principal: Principal = ANONYMOUS
        self._finder: Finder
        self._intake: Intake
        self._now: UnixMs = now  # when it last heard from the peer or the clock
        self._elapsed: ElapsedMs = elapsed  # that moment, by the clock that nobody sets
        self._client_id = ""  # its own, or one that was assigned
        self._refusal = ""  # why it is not let in, whoever it is
        self._connection: Final = Connection.server(host.settings, elapsed)
        self._logins: Final = Logins(self._connection, host.authenticator, certificate_name)
        self._deliveries: Final = Deliveries(host.engine, host.desk, self, self._connection)
        self.session: Session | None = None  # None: it is not let in yet
        self.entered_at: UnixMs = NEVER
        self._last_will: LastWill | None = None
        self._subscriptions: Subscriptions | None = None
        self._obey_rights_of(ANONYMOUS)
        host.system.socket_count += 1

    # ---- the wire's face

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def receive_data(self, data: bytes, now: UnixMs, elapsed: ElapsedMs) -> None:
        self._now = now
        self._elapsed = elapsed
        self._handle(self._connection.receive_data(data, elapsed), now)

    def receive_eof(self, now: UnixMs, elapsed: ElapsedMs) -> None:
        self._handle(self._connection.receive_eof(elapsed), now)

    def data_to_send(self) -> bytes:
        return self._connection.data_to_send()

    def tick(self, now: UnixMs, elapsed: ElapsedMs) -> None:
        self._now = now
        self._elapsed = elapsed
        self._let_token_lapse(now)
        self._handle(self._connection.tick(elapsed), now)

    def next_deadline(self) -> ElapsedMs:
        at = self._connection.next_deadline()
        claims = self._principal.claims
        if claims is None or self._connection.closed:
            return at
        return claims.next_deadline(at, self._now, self._elapsed)

    def set_writable(self, writable: bool) -> None:
        """The socket takes more, or has enough for now."""
        self._deliveries.set_writable(writable)
        self._deliveries.settle_up(self._now)

    def on_login(self, answer: Answer, now: UnixMs) -> None:
        """The answer to `login`."""
        connection = self._connection
        if isinstance(answer, Challenge):
            self._logins.ask(answer)
        elif isinstance(answer, Rejection):
            self._logins.refuse(answer)
        elif connection.is_open:
            self._prove_anew(answer, now)
        elif not connection.closed:
            self._obey_rights_of(answer.principal)
            self._enter(now, answer.data)
        self._handle(connection.take_events(), now)

    def close(self, closing: Closing, why: str) -> None:
        """The broker ends the connection."""
        self._connection.disconnect(CLOSING_CODES[closing], why)
        self._handle(self._connection.take_events(), self._now)

    def refuse(self, why: str) -> None:
        """There are as many connections as may be: this one is told so, once it asks."""
        self._refusal = why

    # ---- events

    def _handle(self, events: list[Event], now: UnixMs) -> None:
        while events:
            for event in events:
                self._on_event(event, now)
            events = self._connection.take_events()  # of what we did ourselves
        self._deliveries.settle_up(now)

    def _on_event(self, event: Event, now: UnixMs) -> None:
        session = self.session
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
            self._on_connect(event.connect)
        elif isinstance(event, AuthReceived):
            self.login = self._logins.of_auth(event.auth)
        elif isinstance(event, ConnectionClosed):
            self._leave(now, is_will_due=event.is_will_due)

    # ---- coming and going

    def _on_connect(self, connect: Connect) -> None:
        """§3.1.4. Who it is takes a moment to find out: the server does, and tells. Whoever is
        refused here or there is closed [MQTT-3.1.4-2]."""
        connection = self._connection
        self._host.system.connect_count += 1
        if self._refusal:
            connection.refuse(QUOTA_EXCEEDED, self._refusal)
        elif len(connect.client_id) > MQTT_CLIENT_ID_CHARACTERS_MAX:
            what = f"a client identifier has up to {MQTT_CLIENT_ID_CHARACTERS_MAX} characters"
            # [MQTT-3.1.3-8]; any of 23 characters are taken [MQTT-3.1.3-5].
            connection.refuse(CLIENT_IDENTIFIER_NOT_VALID, what)
        else:
            self.login = self._logins.of_connect(connect)

    def _prove_anew(self, proved: Admission, now: UnixMs) -> None:
        """It is still who it was (§4.12.1); its session is of nobody else.

        The rights of a new token are those from now on, also for what it has subscribed to.
        """
        assert self._subscriptions is not None
        try:
            renew(self._principal, proved.principal)
            self._hear_by_rights()
            self._subscriptions.check_rights(now)
        except Unauthorized as error:
            self._connection.disconnect(NOT_AUTHORIZED, str(error))  # [MQTT-4.12.1-2]
            return
        self._connection.authenticate(SUCCESS, proved.data)

    def _hear_by_rights(self) -> None:
        """Nobody else pays for that."""
        if self._finder.is_limited:
            self._deliveries.hear_only(self._finder.may_hear)

    def _let_token_lapse(self, now: UnixMs) -> None:
        """What a token allows ends with it, and so does a connection that it has let in."""
        claims = self._principal.claims
        if claims is not None and claims.next_expiry() <= now:
            self._connection.disconnect(MAXIMUM_CONNECT_TIME, "the token has expired")

    def _enter(self, now: UnixMs, proof: bytes | None) -> None:
        """It is who it says, and `proof` is for it to see that so are we. A client with its
        identifier has to go [MQTT-3.1.4-3].

        It hears so when what is kept of its session is durable.
        """
        connection = self._connection
        connect = connection.connect
        assert connect is not None
        # Who brings none is given one [MQTT-3.1.3-6].
        assigned = None if connect.client_id else f"auto-{self._engine.ids.name()}"
        client_id = assigned or connect.client_id
        clients = self._host.clients
        last_will = last_will_of(connect, self._engine, self._finder)
        try:
            if last_will is not None:
                last_will.check(now)
        except BrokerError as error:
            connection.refuse(connect_code(error), str(error))
            return
        self._last_will = last_will
        other = clients.get(client_id)
        if other is not None:
            if other.user_name != self.user_name:
                what = f"client identifier {client_id!r} is in use by another user"
                connection.refuse(NOT_AUTHORIZED, what)
                return
            other.be_taken_over(now)
        asked = connection.session_expiry_interval
        lifetime = lifetime_of(asked)
        try:
            session = self._host.desk.enter(
                *(self, self.user_name, client_id, lifetime, now),
                is_clean=connect.clean_start,
                will=NO_WILL if last_will is None else last_will.kept(),
                will_delay_ms=delay_of(connect.will),
            )
        except BrokerError as error:
            connection.refuse(connect_code(error), str(error))
            return
        self.session = session
        self.entered_at = now
        if last_will is not None:
            last_will.publisher = session.listener  # [MQTT-3.8.3-3]
        self._host.system.enter(self, session.listener)
        self._client_id = client_id
        clients[client_id] = self
        told = lifetime // 1000
        acceptance = Acceptance(
            session.is_present,  # [MQTT-3.2.2-2] [MQTT-3.2.2-3]
            assigned,
            # A 5.0 client is told what it does not get (§3.2.2.3.2).
            None if told == asked else told,
            authentication_data=proof,
            kept_received=session.packet_ids(TAKEN),
            kept_sent=session.packet_ids(RELEASED),
        )
        if session.lsn == NOWHERE:
            self._let_in(acceptance, session)
        else:
            welcome = partial(self._let_in, acceptance, session)
            self._engine.outbox.hold(session.lsn, Replied(self, welcome))

    def _let_in(self, acceptance: Acceptance, session: Session) -> None:
        host = self._host
        subscriptions = Subscriptions(
            host.desk, session, self._finder, self._deliveries, host.system
        )
        self._subscriptions = subscriptions
        # What came ahead may end it: what stands before that counts all the same.
        self._connection.accept(acceptance, self._elapsed)
        if session.is_kept and not self._connection.closed:
            self._deliveries.resume(session)
            subscriptions.resume(self._now)

    def end_session(self, now: UnixMs) -> None:
        """An operator wants it so: nothing is kept of it, and its client is cut off."""
        self._connection.session_expiry_interval = 0
        self._cut_off(ADMINISTRATIVE_ACTION, "an operator has ended the session", now)

    def _cut_off(self, reason_code: int, what: str, now: UnixMs) -> None:
        """At once, and not when it has said something next."""
        self._connection.disconnect(reason_code, what)
        self._handle(self._connection.take_events(), now)
        self._engine.outbox.release_now(LinkStolen(self, None))  # so that its socket is seen to

    @property
    def protocol_version(self) -> str:
        return "5.0" if self._connection.is_v5 else "3.1.1"

    @property
    def traffic(self) -> Traffic:
        """So far."""
        found = self._connection.traffic
        found.publishes_dropped = self.dropped_count
        return found

    @property
    def dropped_count(self) -> int:
        """Messages that the client was not sent, and that nobody else is."""
        return self._deliveries.dropped_count

    @property
    def in_flight_count(self) -> int:
        """QoS 1 and 2 messages that the client has not acknowledged."""
        return self._connection.messages.outgoing.count

    @property
    def user_name(self) -> str:
        return self._principal.name

    def be_taken_over(self, now: UnixMs) -> None:
        """Its client has connected anew: what this connection holds is free at once."""
        what = "a client with the same identifier has connected"
        self._cut_off(SESSION_TAKEN_OVER, what, now)

    def _leave(self, now: UnixMs, *, is_will_due: bool) -> None:
        session = self.session
        if session is None:
            return
        self._deliveries.end(now)
        self._host.system.leave(self)
        lifetime = lifetime_of(self._connection.session_expiry_interval)
        connect = self._connection.connect
        assert connect is not None
        last_will = self._last_will if is_will_due else None
        publish = None if last_will is None else last_will.publish
        self._host.desk.leave(session, lifetime, now, publish, delay_of(connect.will))
        clients = self._host.clients
        if clients.get(self._client_id) is self:
            del clients[self._client_id]

    def _obey_rights_of(self, principal: Principal) -> None:
        engine = self._engine
        self._principal = principal
        self._finder = Finder(engine, principal, creates=self._host.creates_queues)
        self._intake = Intake(engine, self._host.desk, self, self._connection, self._finder)
        self._hear_by_rights()

    # ---- subscriptions

    def _on_subscribe(self, subscribe: Subscribe, now: UnixMs) -> None:
        """Each filter has its own answer [MQTT-3.8.4-6]; the first refusal says why."""
        assert self._subscriptions is not None
        codes: list[int] = []
        why = NO_PROPERTIES
        identifiers = subscribe.properties.subscription_identifiers
        for one in subscribe.filters:
            try:
                codes.append(self._subscriptions.subscribe(one, identifiers, now))
            except BrokerError as error:
                codes.append(subscribe_code(error))
                why = why or reasoned(str(error))
        requests = self._connection.requests
        self._answer(partial(requests.suback, subscribe.packet_id, tuple(codes), why))

    def _on_unsubscribe(self, unsubscribe: Unsubscribe, now: UnixMs) -> None:
        """Each filter has its own answer [MQTT-3.10.4-6] [MQTT-3.11.3-1]."""
        subscriptions = self._subscriptions
        assert subscriptions is not None
        codes = tuple(
            SUCCESS if subscriptions.unsubscribe(one, now) else NO_SUBSCRIPTION_EXISTED
            for one in unsubscribe.topic_filters
        )
        requests = self._connection.requests
        self._answer(partial(requests.unsuback, unsubscribe.packet_id, codes))

    def _answer(self, answer: Callable[[], object]) -> None:
        """Of a session that is kept when what it rests on is."""
        if self.session is not None and self.session.is_kept:
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
            self._now = max(self._now, handed_at(effect))
            self._deliveries.on_deliver(effect, self._now)
        elif isinstance(effect, Overheard):
            self._now = max(self._now, effect.heard.signal.published_at)
            self._deliveries.on_heard(effect, self._now)
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
        self._handle(self._connection.take_events(), self._now)


def handed_at(effect: Deliver) -> UnixMs:
    """When that was, or the latest that is known: the client may have been silent for long."""
    queue = effect.receiver.queue
    if effect.locked_until != NEVER:
        return UnixMs(effect.locked_until - queue.settings.lock_duration_ms)
    return max(entry.enqueued_at for entry in effect.entries)


def lifetime_of(session_expiry_interval: int) -> Millis:
    """Of a session, by the seconds that its client says; 0xFFFFFFFF means for ever."""
    return Millis(min(1000 * session_expiry_interval, MQTT_SESSION_LIFETIME_MAX))
