"""An MQTT connection, sans-IO and for both ends, in 3.1.1 and 5.0.

Bytes go in by `receive_data` and come out by `data_to_send`; what the peer means comes back as
events. Nothing here raises for what a peer does: a violation leaves as CONNACK or DISCONNECT
with its reason code, or in 3.1.1 as a close, and its text names the normative statement.

What the connection holds of a peer's bytes is its CONNECT, the names of its topic aliases, and
a packet that is not there in full, or what came ahead of the decision about the CONNECT.
`held_bytes` says how much that is but for the CONNECT, and `ConnectionSettings` how much it may
be.

What the owner says to a connection that has closed meanwhile goes nowhere.
"""

from collections.abc import Iterable
from typing import Final, final

from peeklock.protocols.mqtt.acceptance import Acceptance, connack_properties, keep_alive_for
from peeklock.protocols.mqtt.acknowledgements import PUBACK, Acknowledgement
from peeklock.protocols.mqtt.authentication import Authentication
from peeklock.protocols.mqtt.clauses import clause_for
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connack, Connect, version_of
from peeklock.protocols.mqtt.connection_state import State, Step, step
from peeklock.protocols.mqtt.events import (
    AuthReceived,
    Connected,
    ConnectionClosed,
    ConnectReceived,
    ConnectRefused,
    Event,
)
from peeklock.protocols.mqtt.keep_alive import KeepAlive
from peeklock.protocols.mqtt.message_flow import MessageFlow
from peeklock.protocols.mqtt.offers import check_publish, check_will
from peeklock.protocols.mqtt.packet_reader import PacketReader
from peeklock.protocols.mqtt.packet_writer import PacketWriter
from peeklock.protocols.mqtt.packets import (
    CONNECT,
    PINGREQ_BYTES,
    PINGRESP_BYTES,
    Auth,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    decode_packet,
)
from peeklock.protocols.mqtt.properties import (
    ASSIGNED_CLIENT_IDENTIFIER,
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    NO_PROPERTIES,
    REASON_STRING,
    REQUEST_PROBLEM_INFORMATION,
    SERVER_KEEP_ALIVE,
    SERVER_REFERENCE,
    SESSION_EXPIRY_INTERVAL,
    Properties,
    properties,
)
from peeklock.protocols.mqtt.publish import PUBLISH_TYPE, read_publish
from peeklock.protocols.mqtt.reason_codes import (
    DISCONNECT_WITH_WILL,
    FAILURE,
    KEEP_ALIVE_TIMEOUT,
    PACKET_TOO_LARGE,
    QUOTA_EXCEEDED,
    RETURN_CODES,
    SUCCESS,
    UNSPECIFIED_ERROR,
    MqttViolation,
    protocol_error,
)
from peeklock.protocols.mqtt.requests import Requests
from peeklock.protocols.mqtt.settings import ConnectionSettings, PeerLimits
from peeklock.protocols.mqtt.subscribe import Suback, Subscribe, Unsuback, Unsubscribe
from peeklock.protocols.mqtt.traffic import Traffic
from peeklock.types import NO_TIMEOUT, ElapsedMs, next_timeout

NOTHING_CAME: Final = -1
PUBACK_FIRST: Final = 0x40
CONNECT_FIRST: Final = CONNECT << 4
FOREVER: Final = 0xFFFFFFFF  # of a session expiry interval, in seconds


@final
class Connection:
    """One connection. `server` and `client` make one; see the module's docstring."""

    def __init__(
        self, settings: ConnectionSettings, now: ElapsedMs, *, is_server: bool
    ) -> None:
        self.settings: Final = settings
        self.is_server: Final = is_server
        self.is_v5 = True
        self.connect: Connect | None = None  # the client's, once it is sent
        self.client_id = ""  # the client's own, or what the server assigned
        self.session_expiry_interval = 0  # seconds; 0xFFFFFFFF: for ever
        self.closed = False  # the socket is to be closed, after what is to be sent
        self._state = State.START
        self._reader: Final = PacketReader(settings.packet_bytes_max)
        self._writer: Final = PacketWriter()
        self.messages: Final = MessageFlow(settings, self._writer)
        self.requests: Final = Requests(settings, self._writer, self.messages.outgoing)
        self._authentication: Final = Authentication()
        self._keep_alive: Final = KeepAlive(
            is_server=is_server, ping_timeout_ms=settings.ping_timeout_ms
        )
        self._connect_by: ElapsedMs = ElapsedMs(now + settings.connect_timeout_ms)
        self._events: list[Event] = []
        self._told_closed = False
        self._has_session = False  # client: a session of ours is kept
        self._was_open = False
        self._now: ElapsedMs = now
        if is_server:
            self._reader.packet_bytes_max = settings.connect_bytes_max

    @staticmethod
    def server(settings: ConnectionSettings, now: ElapsedMs) -> "Connection":
        """The end that was connected to. Its version will be the client's."""
        return Connection(settings, now, is_server=True)

    @staticmethod
    def client(
        settings: ConnectionSettings,
        connect: Connect,
        now: ElapsedMs,
        *,
        kept_sent: Iterable[int] = (),
        kept_received: Iterable[int] = (),
        has_session: bool = False,
    ) -> "Connection":
        """The end that connects; its CONNECT is to be sent at once.

        What `settings` says of sizes and maxima goes into the CONNECT. `has_session`: state of
        an earlier connection is there, of which `MessageFlow.keep` has the identifiers.
        """
        one = Connection(settings, now, is_server=False)
        one._start(connect, has_session=has_session)
        one.messages.keep(kept_sent, kept_received)
        return one

    def _start(self, connect: Connect, *, has_session: bool) -> None:
        self._has_session = has_session
        if connect.version == MQTT_5_0:
            told = self.settings.announced(by_server=False) | connect.properties.values
            connect = Connect(
                connect.client_id, connect.version, connect.clean_start, connect.keep_alive,
                connect.will, connect.user_name, connect.password,
                Properties(told, connect.properties.user),
            )  # fmt: skip
        self._take_connect(connect)
        self._state = step(self._state, Step.CONNECT)
        sent = self._writer.send(connect)
        assert sent

    # ---- what the owner asks

    @property
    def is_open(self) -> bool:
        return self._state is State.CONNECTED

    @property
    def held_bytes(self) -> int:
        """Of the peer's bytes: what has come and is not dealt with, and its aliases' names."""
        return self._reader.unread_bytes + self.messages.alias_characters

    @property
    def traffic(self) -> Traffic:
        """What went over it so far."""
        found = Traffic()
        found.bytes_received = self._reader.byte_count
        found.bytes_sent = self._writer.byte_count
        found.packets_received = self._reader.packet_count
        found.packets_sent = self._writer.packet_count
        found.publishes_received = self.messages.received_count
        found.publishes_sent = self.messages.sent_count
        found.payload_bytes_received = self.messages.received_bytes
        found.payload_bytes_sent = self.messages.sent_bytes
        return found

    def accept(self, given: Acceptance, now: ElapsedMs) -> None:
        """Let a client in [MQTT-3.1.4-5]; its keep alive begins to count.

        What it had sent ahead is dealt with now; its events are `take_events`' to give.
        """
        if self.closed:
            return
        self._now = now
        connect = self.connect
        assert connect is not None
        assert not (given.session_present and connect.clean_start), "[MQTT-3.2.2-2]"
        assert connect.client_id or given.assigned_client_id, "[MQTT-3.2.2-16]"
        self._state = step(self._state, Step.CONNACK)
        if given.assigned_client_id is not None:
            self.client_id = given.assigned_client_id
        if given.session_expiry_interval is not None:
            self.session_expiry_interval = given.session_expiry_interval
        self._open(PeerLimits(connect.properties), keep_alive_for(connect, self.settings))
        self.messages.keep(given.kept_sent, given.kept_received)
        told = connack_properties(given, connect, self.settings)
        if not self._writer.send(Connack(SUCCESS, given.session_present, told)):
            self._end(PACKET_TOO_LARGE, "the client takes no CONNACK of that size")
        self._reader.feed(b"")
        self._consume()

    def refuse(
        self,
        reason_code: int,
        reason: str | None = None,
        server_reference: str | None = None,
        user: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Do not let a client in; the connection closes [MQTT-3.2.2-7]."""
        assert reason_code >= FAILURE
        if self.closed:
            return
        self._state = step(self._state, Step.REFUSAL)
        texts = {REASON_STRING: reason, SERVER_REFERENCE: server_reference}
        # Where 3.1.1 has no word for it, it just closes [MQTT-3.2.2-6 of 3.1.1].
        if self.is_v5 or reason_code in RETURN_CODES:
            told = properties(texts=texts, user=user)
            self._writer.send(Connack(reason_code, False, told))
        self._end(reason_code, reason or f"refused with 0x{reason_code:02x}")

    def authenticate(
        self, reason_code: int, data: bytes | None = None, reason: str | None = None
    ) -> None:
        """Send an AUTH (§4.12): a challenge, an answer to one, or a step of doing it anew."""
        if self.closed:
            return
        is_connected = self._state is State.CONNECTED
        self._authentication.send(
            reason_code, is_server=self.is_server, is_connected=is_connected
        )
        self._state = step(self._state, Step.CHALLENGE if self.is_server else Step.RESPONSE)
        told = properties(
            texts={
                AUTHENTICATION_METHOD: self._authentication.method,
                REASON_STRING: reason,
            },
            binaries={AUTHENTICATION_DATA: data},
        )
        if not self._writer.send(Auth(reason_code, told)):
            self._end(PACKET_TOO_LARGE, "the peer takes no AUTH of that size")
        self._reader.feed(b"")
        self._consume()

    def ping(self, now: ElapsedMs) -> None:
        """Ask a server whether it is there; `tick` does so when nothing else was sent."""
        assert not self.is_server
        self._writer.write(PINGREQ_BYTES)
        self._keep_alive.pinged(now)

    def disconnect(
        self,
        reason_code: int = SUCCESS,
        reason: str | None = None,
        *,
        session_expiry_interval: int | None = None,
        server_reference: str | None = None,
        user: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Close, with a DISCONNECT where there may be one; nothing follows [MQTT-3.14.4-1]."""
        if self.closed:
            return
        if session_expiry_interval is not None:
            assert not self.is_server, "[MQTT-3.14.2-2]"
            self.session_expiry_interval = session_expiry_interval
        told = properties(
            numbers={SESSION_EXPIRY_INTERVAL: session_expiry_interval},
            texts={REASON_STRING: reason, SERVER_REFERENCE: server_reference},
            user=user,
        )
        if self._state is State.CONNECTED and (self.is_v5 or not self.is_server):
            if self.is_v5 or reason_code == SUCCESS:  # 3.1.1's says that all is well
                self._writer.send(Disconnect(reason_code, told))
        self._end(reason_code, reason or f"we disconnect with 0x{reason_code:02x}")

    # ---- bytes and time

    def receive_data(self, data: bytes, now: ElapsedMs) -> list[Event]:
        """What the peer has sent; never raises."""
        self._now = now
        if self.closed:
            return self.take_events()
        if self._is_held():
            self._reader.keep(data)
        else:
            self._reader.feed(data)
        self._consume()
        return self.take_events()

    def receive_eof(self, now: ElapsedMs) -> list[Event]:
        """The peer's bytes have ended, in order or not."""
        self._now = now
        self._end(UNSPECIFIED_ERROR, "the connection was cut")
        return self.take_events()

    def take_events(self) -> list[Event]:
        """Events that came up outside `receive_data`, such as after `accept`."""
        events = self._events
        if events:
            self._events = []
        return events

    def data_to_send(self) -> bytes:
        """All that is due; the buffer is empty after it."""
        data = self._writer.take()
        if data:
            self._keep_alive.sent(self._now)
        return data

    def tick(self, now: ElapsedMs) -> list[Event]:
        """Time-outs, and a client's PINGREQ."""
        self._now = now
        if self.closed:
            return self.take_events()
        if self._connect_by != NO_TIMEOUT and now >= self._connect_by:
            self._end(UNSPECIFIED_ERROR, "the login was not done in time")
        elif self._keep_alive.is_lost(now):
            self._on_silence()
        elif self._keep_alive.is_ping_due(now):
            self.ping(now)
            self._keep_alive.sent(now)
        return self.take_events()

    def next_deadline(self) -> ElapsedMs:
        """When `tick` next has work; NO_TIMEOUT when it has none."""
        if self.closed:
            return NO_TIMEOUT
        return next_timeout(self._connect_by, self._keep_alive.next_deadline())

    def _on_silence(self) -> None:
        seconds = self._keep_alive.seconds
        if self.is_server:
            section = clause_for("MQTT-3.1.2-22", is_v5=self.is_v5)
            what = f"nothing came for one and a half times {seconds} s [{section}]"
        else:
            what = "the server does not answer our PINGREQ [MQTT 5.0 §3.1.2.10]"
        self.disconnect(KEEP_ALIVE_TIMEOUT, what)

    # ---- reading

    def _consume(self) -> None:
        reader = self._reader
        heard = False
        try:
            while not self.closed and not self._is_held() and reader.next_packet():
                self._on_packet()
                heard = True
            if self._state is State.START:
                self._check_first(reader.peek())
        except MqttViolation as violation:
            self._on_violation(violation)
        if heard:
            self._keep_alive.heard(self._now)
        if self._is_held() and reader.unread_bytes > self.settings.unread_bytes_max:
            self._end(QUOTA_EXCEEDED, "too much was sent before the CONNECT was decided")

    def _is_held(self) -> bool:
        """The owner decides about the client; what came behind its CONNECT waits (§3.1.4)."""
        return self._state is State.DECIDING and self.is_server

    def _check_first(self, first: int) -> None:
        """Whoever speaks something else need not be waited for."""
        if first not in (CONNECT_FIRST, NOTHING_CAME):
            raise protocol_error("MQTT-3.1.0-1", "the first packet is no CONNECT")

    def _on_packet(self) -> None:
        """The packet that the reader shows; those that come with each message first."""
        reader = self._reader
        first = reader.first
        if self._state is State.CONNECTED:
            if first & 0xF0 == PUBLISH_TYPE:
                publish = read_publish(
                    first, reader.data, reader.at, reader.end, is_v5=self.is_v5
                )
                if self.is_server and (publish.qos or publish.retain or publish.properties):
                    check_publish(publish, self.settings)
                self._tell(self.messages.on_publish(publish))
                return
            if first == PUBACK_FIRST and reader.end - reader.at == 2:
                packet_id = reader.data[reader.at] << 8 | reader.data[reader.at + 1]
                if packet_id:
                    self._tell(self.messages.on_puback(packet_id, SUCCESS, NO_PROPERTIES))
                    return
        elif self._state is State.START:
            self._check_first(first)
        if first == CONNECT_FIRST:
            self._state = step(self._state, Step.CONNECT)
        packet = decode_packet(first, reader.data, reader.at, reader.end, is_v5=self.is_v5)
        self._dispatch(packet)

    def _dispatch(self, packet: Packet) -> None:
        if isinstance(packet, Connect):
            self._on_connect(packet)
        elif isinstance(packet, Connack):
            self._on_connack(packet)
        elif isinstance(packet, Auth):
            self._on_auth(packet)
        elif isinstance(packet, Disconnect):
            self._on_disconnect(packet)
        else:
            self._state = step(self._state, Step.OTHER)
            if isinstance(packet, Acknowledgement):
                self._on_acknowledgement(packet)
            elif self.is_server:
                self._on_request(packet)
            else:
                self._on_answer(packet)

    def _on_acknowledgement(self, packet: Acknowledgement) -> None:
        self._check_problem_information(packet.properties)
        if packet.packet_type == PUBACK:
            event = self.messages.on_puback(
                packet.packet_id, packet.reason_code, packet.properties
            )
            self._tell(event)
        else:
            self._tell(self.messages.on_acknowledgement(packet))

    def _on_request(self, packet: Packet) -> None:
        """What a client may send."""
        if isinstance(packet, Subscribe):
            self._tell(self.requests.on_subscribe(packet))
        elif isinstance(packet, Unsubscribe):
            self._tell(self.requests.on_unsubscribe(packet))
        elif isinstance(packet, Pingreq):
            self._writer.write(PINGRESP_BYTES)  # [MQTT-3.12.4-1]
        else:
            raise protocol_error("MQTT-4.13.1-1", "a packet that only servers send")

    def _on_answer(self, packet: Packet) -> None:
        """What a server may send."""
        if isinstance(packet, Suback):
            self._check_problem_information(packet.properties)
            self._tell(self.requests.on_suback(packet))
        elif isinstance(packet, Unsuback):
            self._check_problem_information(packet.properties)
            self._tell(self.requests.on_unsuback(packet))
        elif isinstance(packet, Pingresp):
            self._keep_alive.answered()
        else:
            raise protocol_error("MQTT-4.13.1-1", "a packet that only clients send")

    def _check_problem_information(self, found: Properties) -> None:
        """A client that did not ask for reasons gets none (§3.1.2.11.7)."""
        if self.is_server or not found:
            return
        connect = self.connect
        assert connect is not None
        if connect.properties.number(REQUEST_PROBLEM_INFORMATION, 1) == 0 and (
            found.has(REASON_STRING) or found.user
        ):
            raise protocol_error("MQTT-3.1.2-29", "a reason that was not asked for")

    # ---- logging in

    def _take_connect(self, connect: Connect) -> None:
        self.connect = connect
        self.client_id = connect.client_id
        self.is_v5 = connect.version == MQTT_5_0
        self._writer.is_v5 = self.is_v5
        self.requests.is_v5 = self.is_v5
        self._authentication.method = connect.properties.text(AUTHENTICATION_METHOD)
        if self.is_v5:
            self.session_expiry_interval = connect.properties.number(SESSION_EXPIRY_INTERVAL, 0)
        else:
            self.session_expiry_interval = 0 if connect.clean_start else FOREVER

    def _on_connect(self, connect: Connect) -> None:
        self._take_connect(connect)
        limits = PeerLimits(connect.properties)
        self._writer.packet_bytes_max = limits.packet_bytes_max
        self._writer.wants_problem_information = limits.wants_problem_information
        check_will(connect, self.settings)
        self._tell(ConnectReceived(connect))

    def _on_connack(self, connack: Connack) -> None:
        if self.is_server:
            raise protocol_error("MQTT-4.13.1-1", "a packet that only servers send")
        if connack.reason_code >= FAILURE:
            self._state = step(self._state, Step.REFUSAL)
            self._tell(ConnectRefused(connack))
            self._end(connack.reason_code, "the server does not let us in")
            return
        self._state = step(self._state, Step.CONNACK)
        connect = self.connect
        assert connect is not None
        told = connack.properties
        if connack.session_present and not self._has_session:
            raise protocol_error(
                "MQTT-3.2.2-4", "a session is present, of which we know nothing"
            )
        if self.is_v5:
            self._authentication.check_method(told)
            assigned = told.text(ASSIGNED_CLIENT_IDENTIFIER)
            if not connect.client_id and not assigned:
                raise protocol_error("MQTT-3.2.2-16", "no client identifier was assigned to us")
            if assigned:
                self.client_id = assigned
            self.session_expiry_interval = told.number(
                SESSION_EXPIRY_INTERVAL, self.session_expiry_interval
            )
        if not connack.session_present:
            self.messages.forget_kept()  # [MQTT-3.2.2-5]
        # The server's keep alive, if it names one [MQTT-3.1.2-21] [MQTT-3.2.2-21].
        self._open(PeerLimits(told), told.number(SERVER_KEEP_ALIVE, connect.keep_alive))
        self._tell(Connected(connack))

    def _open(self, limits: PeerLimits, keep_alive: int) -> None:
        self._was_open = True
        self._connect_by = NO_TIMEOUT
        self._reader.packet_bytes_max = self.settings.packet_bytes_max
        self._writer.packet_bytes_max = limits.packet_bytes_max
        self.messages.open(limits, is_v5=self.is_v5)
        self.requests.is_open = True
        self._keep_alive.start(keep_alive, self._now)

    def _on_auth(self, auth: Auth) -> None:
        is_connected = self._state is State.CONNECTED
        self._check_problem_information(auth.properties)
        self._authentication.receive(auth, is_server=self.is_server, is_connected=is_connected)
        self._state = step(self._state, Step.RESPONSE if self.is_server else Step.CHALLENGE)
        self._tell(AuthReceived(auth))

    # ---- ending

    def _on_disconnect(self, disconnect: Disconnect) -> None:
        step(self._state, Step.DISCONNECT)
        told = disconnect.properties
        if self.is_server:
            if told.has(SERVER_REFERENCE):
                raise protocol_error("MQTT 5.0 §3.14.2.2.5", "a server reference from a client")
            expiry = told.number(SESSION_EXPIRY_INTERVAL, self.session_expiry_interval)
            if expiry and not self.session_expiry_interval:
                what = "a session that was to end is to be kept after all"
                raise protocol_error("MQTT 5.0 §3.14.2.2.2", what)
            self.session_expiry_interval = expiry
        elif not self.is_v5:
            raise protocol_error("MQTT-4.13.1-1", "a packet that only clients send")
        elif told.has(SESSION_EXPIRY_INTERVAL):
            raise protocol_error("MQTT-3.14.2-2", "a session expiry interval from a server")
        elif disconnect.reason_code == DISCONNECT_WITH_WILL:
            raise protocol_error("MQTT-3.14.2-1", "DISCONNECT 0x04 from a server")
        what = told.text(REASON_STRING) or "the peer disconnected"
        self._end(disconnect.reason_code, what, disconnect)

    def _on_violation(self, violation: MqttViolation) -> None:
        """§4.13: say what was wrong where the protocol has words for it, and close."""
        code = violation.reason_code
        what = f"{violation.what} [{clause_for(violation.section, is_v5=self.is_v5)}]"
        if self.connect is None:
            self._refuse_unread(code, violation)
        elif self.is_server and self._state is not State.CONNECTED:
            self.refuse(code, what)
        else:  # also of a re-authentication [MQTT-4.12.1-2]
            self.disconnect(code, what)

    def _refuse_unread(self, code: int, violation: MqttViolation) -> None:
        """A first packet that is no CONNECT of ours. 3.1.1 closes without a word, unless the
        version is the trouble, or the client identifier [MQTT-3.1.4-1].
        """
        reader = self._reader
        version = 0
        if self._state is State.DECIDING:  # it has the type of a CONNECT
            version = version_of(reader.data, reader.at, reader.end)
        is_v5 = version != MQTT_3_1_1
        what = f"{violation.what} [{clause_for(violation.section, is_v5=is_v5)}]"
        if version and (is_v5 or code in RETURN_CODES):
            self._writer.is_v5 = is_v5
            self._writer.send(Connack(code, False, Properties({REASON_STRING: what})))
        self._end(code, what)

    def _end(self, reason_code: int, what: str, disconnect: Disconnect | None = None) -> None:
        if self._told_closed:
            return
        self._told_closed = True
        connect = self.connect
        was_open = self._was_open
        # On a DISCONNECT with 0x00 the will is discarded [MQTT-3.14.4-3].
        is_discarded = disconnect is not None and disconnect.reason_code == SUCCESS
        has_will = self.is_server and connect is not None and connect.will is not None
        self._tell(
            ConnectionClosed(
                reason_code, what, disconnect,
                is_will_due=has_will and was_open and not is_discarded,
            )
        )  # fmt: skip
        self.closed = True  # [MQTT-3.14.4-2] [MQTT-4.13.2-1]
        self._writer.is_closed = True
        self._state = State.CLOSED
        self._connect_by = NO_TIMEOUT
        self._keep_alive.stop()
        self._reader.clear()  # nothing more is processed [MQTT-3.1.4-6]

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self._events.append(event)
