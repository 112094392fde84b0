"""A client's coming and going: its CONNECT, who it is, its session, its will, and its end
(5.0 §3.1.4, §4.12, §4.13).

What it says while it is here is in mqtt.py.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, final

from peeklock.engine.effects import Effect, LinkStolen, Replied
from peeklock.engine.engine import Engine
from peeklock.engine.signal_desk import RELEASED, TAKEN, Session, SignalDesk
from peeklock.entities.kept_links import NO_WILL
from peeklock.errors import BrokerError, Unauthorized
from peeklock.frontends.mqtt_deliveries import Deliveries
from peeklock.frontends.mqtt_errors import connect_code
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
from peeklock.protocols.mqtt.packets import Auth
from peeklock.protocols.mqtt.reason_codes import (
    ADMINISTRATIVE_ACTION,
    CLIENT_IDENTIFIER_NOT_VALID,
    MAXIMUM_CONNECT_TIME,
    NOT_AUTHORIZED,
    QUOTA_EXCEEDED,
    SESSION_TAKEN_OVER,
    SUCCESS,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.traffic import Traffic
from peeklock.security.authenticators import (
    Admission,
    Answer,
    Authenticator,
    Challenge,
    Login,
    Rejection,
)
from peeklock.security.token_claims import TokenClaims
from peeklock.types import NEVER, NOWHERE, ElapsedMs, Millis, UnixMs

SETTINGS: Final = ConnectionSettings(
    packet_ids_reserved=MQTT_PACKET_IDS_OF_SESSIONS,
    answers_by_itself=False,
)


@dataclass(frozen=True)
class MqttHost:
    """What all MQTT connections of a broker share."""

    engine: Engine
    authenticator: Authenticator
    desk: SignalDesk
    creates_queues: bool  # --dev: an unknown queue is made when somebody names it
    system: SystemTopics
    settings: ConnectionSettings = SETTINGS
    clients: "dict[str, Presence]" = field(default_factory=dict)  # by client id


class Owner(Protocol):
    """Who has the connection, and turns its events into what follows; a `Peer`, too."""

    @property
    def now(self) -> UnixMs:
        """When it last heard from the peer or the clock."""
        ...

    @property
    def elapsed(self) -> ElapsedMs:
        """That moment, by the clock that nobody sets."""
        ...

    def go_on(self, now: UnixMs) -> None:
        """Deal with the events that have come up outside of its own doing."""
        ...

    def on_effect(self, effect: Effect) -> None: ...


@final
class Presence:
    """One client, for as long as its connection lasts."""

    def __init__(
        self,
        host: MqttHost,
        owner: Owner,
        connection: Connection,
        deliveries: Deliveries,
        finder: Finder,
        peer_name: str,
        certificate_name: str,
    ) -> None:
        self.peer_name: Final = peer_name
        self.refusal = ""  # why it is not let in, whoever it is
        self.session: Session | None = None  # None: it is not let in yet
        self.subscriptions: Subscriptions | None = None
        self.entered_at: UnixMs = NEVER
        self._host: Final = host
        self._owner: Final = owner
        self._connection: Final = connection
        self._deliveries: Final = deliveries
        self._finder: Final = finder
        self._logins: Final = Logins(connection, host.authenticator, certificate_name)
        self._client_id = ""  # its own, or one that was assigned
        self._last_will: LastWill | None = None

    # ---- looks

    @property
    def user_name(self) -> str:
        return self._finder.principal.name

    @property
    def claims(self) -> TokenClaims | None:
        """Of the token that it has come by."""
        return self._finder.principal.claims

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

    # ---- who it is

    def on_connect(self, connect: Connect) -> Login | None:
        """§3.1.4. Who it is takes a moment to find out: the server does, and tells. Whoever is
        refused here or there is closed [MQTT-3.1.4-2]."""
        connection = self._connection
        self._host.system.connect_count += 1
        if self.refusal:
            connection.refuse(QUOTA_EXCEEDED, self.refusal)
            return None
        if len(connect.client_id) > MQTT_CLIENT_ID_CHARACTERS_MAX:
            what = f"a client identifier has up to {MQTT_CLIENT_ID_CHARACTERS_MAX} characters"
            # [MQTT-3.1.3-8]; any of 23 characters are taken [MQTT-3.1.3-5].
            connection.refuse(CLIENT_IDENTIFIER_NOT_VALID, what)
            return None
        return self._logins.of_connect(connect)

    def on_auth(self, auth: Auth) -> Login | None:
        return self._logins.of_auth(auth)

    def on_login(self, answer: Answer, now: UnixMs) -> None:
        """The answer to a login."""
        if isinstance(answer, Challenge):
            self._logins.ask(answer)
        elif isinstance(answer, Rejection):
            self._logins.refuse(answer)
        elif self._connection.is_open:
            self._prove_anew(answer, now)
        elif not self._connection.closed:
            self._finder.principal = answer.principal
            self._hear_by_rights()
            self._enter(now, answer.data)

    def let_token_lapse(self, now: UnixMs) -> None:
        """What a token allows ends with it, and so does a connection that it has let in."""
        claims = self.claims
        if claims is not None and claims.next_expiry() <= now:
            self._connection.disconnect(MAXIMUM_CONNECT_TIME, "the token has expired")

    def _prove_anew(self, proved: Admission, now: UnixMs) -> None:
        """It is still who it was (§4.12.1); its session is of nobody else.

        The rights of a new token are those from now on, also for what it has subscribed to.
        """
        assert self.subscriptions is not None
        try:
            renew(self._finder.principal, proved.principal)
            self._hear_by_rights()
            self.subscriptions.check_rights(now)
        except Unauthorized as error:
            self._connection.disconnect(NOT_AUTHORIZED, str(error))  # [MQTT-4.12.1-2]
            return
        self._connection.authenticate(SUCCESS, proved.data)

    def _hear_by_rights(self) -> None:
        """Nobody else pays for that."""
        if self._finder.is_limited:
            self._deliveries.hear_only(self._finder.may_hear)

    # ---- it comes

    def _enter(self, now: UnixMs, proof: bytes | None) -> None:
        """It is who it says, and `proof` is for it to see that so are we.

        It hears so when what is kept of its session is durable.
        """
        connect = self._connection.connect
        assert connect is not None
        # Who brings none is given one [MQTT-3.1.3-6].
        assigned = None if connect.client_id else f"auto-{self._host.engine.ids.name()}"
        client_id = assigned or connect.client_id
        asked = self._connection.session_expiry_interval
        lifetime = lifetime_of(asked)
        last_will = last_will_of(connect, self._host.engine, self._finder)
        try:
            if last_will is not None:
                last_will.check(now)
            self._take_over(client_id, now)
            session = self._host.desk.enter(
                *(self._owner, self.user_name, client_id, lifetime, now),
                is_clean=connect.clean_start,
                will=NO_WILL if last_will is None else last_will.kept(),
                will_delay_ms=delay_of(connect.will),
            )
        except BrokerError as error:
            self._connection.refuse(connect_code(error), str(error))
            return
        self._be_here(client_id, session, last_will, now)
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
            self._host.engine.outbox.hold(session.lsn, Replied(self._owner, welcome))

    def _take_over(self, client_id: str, now: UnixMs) -> None:
        """A client with the same identifier has to go [MQTT-3.1.4-3]; raises `Unauthorized`."""
        other = self._host.clients.get(client_id)
        if other is None:
            return
        if other.user_name != self.user_name:
            raise Unauthorized(f"client identifier {client_id!r} is in use by another user")
        what = "a client with the same identifier has connected"
        other.cut_off(SESSION_TAKEN_OVER, what, now)  # what it holds is free at once

    def _be_here(
        self, client_id: str, session: Session, last_will: LastWill | None, now: UnixMs
    ) -> None:
        if last_will is not None:
            last_will.publisher = session.listener  # [MQTT-3.8.3-3]
        self._last_will = last_will
        self.session = session
        self.entered_at = now
        self._client_id = client_id
        self._host.clients[client_id] = self
        self._host.system.enter(self, session.listener)

    def _let_in(self, acceptance: Acceptance, session: Session) -> None:
        host = self._host
        owner = self._owner
        subscriptions = Subscriptions(
            host.desk, session, self._finder, self._deliveries, host.system
        )
        self.subscriptions = subscriptions
        # What came ahead may end it: what stands before that counts all the same.
        self._connection.accept(acceptance, owner.elapsed)
        if session.is_kept and not self._connection.closed:
            self._deliveries.resume(session)
            subscriptions.resume(owner.now)

    # ---- it goes

    def end_session(self, now: UnixMs) -> None:
        """An operator wants it so: nothing is kept of it, and its client is cut off."""
        self._connection.session_expiry_interval = 0
        self.cut_off(ADMINISTRATIVE_ACTION, "an operator has ended the session", now)

    def cut_off(self, reason_code: int, what: str, now: UnixMs) -> None:
        """At once, and not when it has said something next."""
        owner = self._owner
        self._connection.disconnect(reason_code, what)
        owner.go_on(now)
        # So that its socket is seen to.
        self._host.engine.outbox.release_now(LinkStolen(owner, None))

    def on_closed(self, now: UnixMs, *, is_will_due: bool) -> None:
        """The connection is no more."""
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


def lifetime_of(session_expiry_interval: int) -> Millis:
    """Of a session, by the seconds that its client says; 0xFFFFFFFF means for ever."""
    return Millis(min(1000 * session_expiry_interval, MQTT_SESSION_LIFETIME_MAX))
