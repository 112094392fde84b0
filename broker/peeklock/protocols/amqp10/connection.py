"""An AMQP connection (§2.4), sans-IO and for both ends.

Bytes go in by `receive_data` and come out by `data_to_send`; what the peer means comes back
as events. Nothing here raises for what a peer does: its violations leave as close, end or
detach frames, each ending only its own scope. `now` is of a clock that nobody sets: all that
is timed here are durations.
"""

from typing import Final, final

from peeklock.errors import ProtocolViolation
from peeklock.limits import (
    AMQP_CLOSE_TIMEOUT,
    AMQP_FRAME_BYTES_MIN,
    AMQP_HEARTBEATS_MIN,
    AMQP_OPEN_TIMEOUT,
    AMQP_PEER_IDLE_TIMEOUT_MIN,
    AMQP_SASL_FRAME_BYTES_MAX,
    AMQP_UNREAD_BYTES_MAX,
)
from peeklock.protocols.amqp10.conditions import (
    DECODE_ERROR,
    FRAMING_ERROR,
    INVALID_FIELD,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
)
from peeklock.protocols.amqp10.connection_state import Half, Step, step
from peeklock.protocols.amqp10.events import ConnectionClosed, ConnectionOpened, Event
from peeklock.protocols.amqp10.exchange import ConnectionSettings, Exchange
from peeklock.protocols.amqp10.frames import (
    AMQP_FRAME,
    AMQP_HEADER,
    EMPTY_FRAME,
    HEADER_BYTES,
    SASL_FRAME,
    SASL_HEADER,
    FrameReader,
    framing_error,
)
from peeklock.protocols.amqp10.outcomes import AmqpError
from peeklock.protocols.amqp10.performatives import (
    Begin,
    Close,
    Open,
    Performative,
    Transfer,
    decode_performative,
)
from peeklock.protocols.amqp10.sasl import OK, SaslChallenge, SaslOutcome, decode_sasl
from peeklock.protocols.amqp10.sasl_layer import (
    SaslClient,
    SaslExchange,
    SaslServer,
    sasl_frame,
)
from peeklock.protocols.amqp10.session import Session, SessionState
from peeklock.types import NO_TIMEOUT, ElapsedMs

EMPTY: Final = b""


@final
class Connection:
    """One connection. `server` and `client` make one; see the module's docstring."""

    def __init__(
        self,
        settings: ConnectionSettings,
        now: ElapsedMs,
        *,
        server: SaslServer | None,
        client: SaslClient | None,
        is_server: bool,
    ) -> None:
        self.settings: Final = settings
        self.is_server: Final = is_server
        self.remote_open: Open | None = None
        self.closed = False  # the socket is to be closed, after what is to be sent
        self._exchange: Final = Exchange(settings)
        self._reader: Final = FrameReader(AMQP_SASL_FRAME_BYTES_MAX)
        self._sasl_server: Final = server
        self._sasl: SaslExchange | None = SaslExchange(None, client) if client else None
        self._in_sasl = False  # SASL frames are exchanged, AMQP's header is to come
        self._header_awaited = True
        self._verdict_due = False  # the owner decides about a login; what comes on waits
        self._remote = Half.START
        self._local = Half.START
        self._told_closed = False
        self._discarding = False  # we have closed: of the peer, only its close counts
        self._close_end = 0  # of the parts to be sent, those up to our close
        self._refusal: AmqpError | None = None  # why the peer's open is answered by a close
        self._sessions: Final[dict[int, Session]] = {}  # by our channel
        self._by_remote: Final[dict[int, Session]] = {}  # by the peer's channel
        self._last_heard: ElapsedMs = now
        self._open_by: ElapsedMs = ElapsedMs(now + AMQP_OPEN_TIMEOUT)
        self._close_by: ElapsedMs = NO_TIMEOUT
        self._heartbeat_ms = 0
        self._heartbeat_at: ElapsedMs = NO_TIMEOUT
        self._wrote = False
        self._now: ElapsedMs = now
        if not is_server:
            self._start_client()

    @staticmethod
    def server(
        settings: ConnectionSettings, now: ElapsedMs, sasl: SaslServer | None = None
    ) -> "Connection":
        """The end that was connected to. Without `sasl` it has no SASL layer to offer."""
        return Connection(settings, now, server=sasl, client=None, is_server=True)

    @staticmethod
    def client(
        settings: ConnectionSettings, now: ElapsedMs, sasl: SaslClient | None = None
    ) -> "Connection":
        """The end that connects; its header and open are to be sent at once."""
        return Connection(settings, now, server=None, client=sasl, is_server=False)

    def _start_client(self) -> None:
        if self._sasl is not None:
            self._in_sasl = True
            self._exchange.parts.append(SASL_HEADER)
        else:
            self._write_header()
            self._write_open()

    # ---- what the owner asks

    @property
    def backlog_bytes(self) -> int:
        """Bytes of transfers that wait for the peer to widen a session's window."""
        return self._exchange.backlog_bytes

    @property
    def is_open(self) -> bool:
        return self._remote is Half.OPENED and self._local is Half.OPENED

    def begin(self) -> Session:
        """Begin a session; the peer's answer comes as an event. Not before ours is open."""
        assert self._local is Half.OPENED, "begin before open"
        session = self._new_session()
        session.write_begin(None)
        return session

    def close(self, error: AmqpError | None = None) -> None:
        """Close in good order: the peer's close ends it."""
        if self._local is Half.CLOSED or self._local is Half.START:
            self.closed = True
            return
        for session in self._sessions.values():
            session.flush()
        if self._local is Half.HEADER:
            self._write_open()
        self._local = Half.CLOSED
        self._discarding = True
        self._exchange.write(Close(error), 0)
        self._close_end = len(self._exchange.parts)
        self._close_by = ElapsedMs(self._now + AMQP_CLOSE_TIMEOUT)
        if self._remote is Half.CLOSED:
            self.closed = True

    def refuse(self, error: AmqpError) -> None:
        """Answer the peer's open, when it comes, and close at once (§2.4.3)"""
        self._refusal = error

    def sasl_challenge(self, challenge: bytes) -> None:
        """Ask a client for more (§5.3.3.3)."""
        self._exchange.parts.append(sasl_frame(SaslChallenge(challenge)))
        self._verdict_due = False
        self._consume()

    def sasl_outcome(self, code: int, data: bytes | None = None) -> None:
        """Let a client in (0), or not (§5.3.3.6); then the connection ends."""
        self._exchange.parts.append(sasl_frame(SaslOutcome(code, data)))
        self._verdict_due = False
        self._in_sasl = False
        if code == OK:
            self._header_awaited = True
            self._consume()  # what was pipelined behind the init
        else:
            self._tell_closed(AmqpError("amqp:unauthorized-access", "not authenticated"))
            self.closed = True

    # ---- bytes and time

    def receive_data(self, data: bytes, now: ElapsedMs) -> list[Event]:
        """What the peer has sent; never raises."""
        self._now = now
        self._last_heard = now
        if not self.closed:
            self._reader.feed(data)
            self._consume()
            if self._verdict_due and self._reader.unread_bytes > AMQP_UNREAD_BYTES_MAX:
                self._end_at_once("too much was sent before the login was decided")
        return self.take_events()

    def receive_eof(self, now: ElapsedMs) -> list[Event]:
        """The peer's bytes have ended, in order or not."""
        self._now = now
        if not self._told_closed:
            self._tell_closed(None)
        self.closed = True
        return self.take_events()

    def take_events(self) -> list[Event]:
        """Events that came up outside `receive_data`, such as after `sasl_outcome`."""
        events = self._exchange.events
        if events:
            self._exchange.events = []
        return events

    def data_to_send(self) -> bytes:
        """All that is due, gathered dispositions included; the buffer is empty after it."""
        parts = self._exchange.parts
        if self._local is Half.CLOSED:
            del parts[self._close_end :]  # §2.4.6: nothing follows our close
            self._close_end = 0
        else:
            for session in self._sessions.values():
                session.flush_all()
        if not parts:
            return EMPTY
        self._wrote = True
        data = b"".join(parts)
        parts.clear()
        return data

    def tick(self, now: ElapsedMs) -> list[Event]:
        """Time-outs of both ends, and the heartbeat (§2.4.5)."""
        self._now = now
        if self._open_by != NO_TIMEOUT and now >= self._open_by:
            self._open_by = NO_TIMEOUT
            self._end_at_once("the connection was not opened in time")
        elif self._close_by != NO_TIMEOUT and now >= self._close_by:
            self._end_at_once("the peer did not close in time")
        idle = self.settings.idle_time_out_ms
        if idle is not None and self.is_open and now - self._last_heard >= 2 * idle:
            self.close(
                AmqpError(RESOURCE_LIMIT_EXCEEDED, f"nothing was heard for {2 * idle} ms")
            )
            self._end_at_once("local-idle-timeout expired")
        if self._heartbeat_at != NO_TIMEOUT and now >= self._heartbeat_at:
            self._heartbeat_at = ElapsedMs(now + self._heartbeat_ms)
            if not self._wrote and self._local is Half.OPENED:
                self._exchange.parts.append(EMPTY_FRAME)
            self._wrote = False
        return self.take_events()

    def next_deadline(self) -> ElapsedMs:
        """When `tick` next has work; NO_TIMEOUT when it has none."""
        found = [self._open_by, self._close_by, self._heartbeat_at]
        idle = self.settings.idle_time_out_ms
        if idle is not None and self.is_open:
            found.append(ElapsedMs(self._last_heard + 2 * idle))
        due = [at for at in found if at != NO_TIMEOUT]
        return min(due) if due else NO_TIMEOUT

    def _end_at_once(self, why: str) -> None:
        self._tell_closed(AmqpError(RESOURCE_LIMIT_EXCEEDED, why))
        self.closed = True

    # ---- reading

    def _consume(self) -> None:
        while not self.closed:
            try:
                self._consume_frames()
                return
            except ProtocolViolation as violation:
                self._on_violation(violation)

    def _consume_frames(self) -> None:
        while not self.closed and not self._verdict_due:
            if self._header_awaited:
                if not self._read_header():
                    return
            elif not self._reader.next_frame():
                return
            elif not self._discarding or self._reader.frame_type == AMQP_FRAME:
                self._on_frame()

    def _read_header(self) -> bool:
        """§2.2, §5.3.1: the peer's protocol header, or as much of it as shows it is none."""
        so_far = self._reader.peek()
        if not AMQP_HEADER.startswith(so_far) and not SASL_HEADER.startswith(so_far):
            self._on_wrong_header()
            return False
        header = self._reader.take_header()
        if header is None:
            return False
        self._header_awaited = False
        if header == SASL_HEADER:
            self._on_sasl_header()
        else:
            self._on_amqp_header()
        return True

    def _on_wrong_header(self) -> None:
        """§2.2: answer with what we speak, and close."""
        if self._local is Half.START:
            server = self._sasl_server
            wanted = server is not None and server.required and self._sasl is None
            self._exchange.parts.append(SASL_HEADER if wanted else AMQP_HEADER)
        self._tell_closed(AmqpError(FRAMING_ERROR, "the peer does not speak AMQP 1.0"))
        self.closed = True

    def _on_sasl_header(self) -> None:
        if self.is_server:
            if self._sasl_server is None or self._sasl is not None:
                self._on_wrong_header()
                return
            self._sasl = SaslExchange(self._sasl_server, None)
            self._in_sasl = True
            self._exchange.parts.append(SASL_HEADER)
            self._exchange.parts.append(self._sasl.first_frame())
        elif self._sasl is None or not self._in_sasl:
            self._on_wrong_header()

    def _on_amqp_header(self) -> None:
        if self.is_server and self._sasl is None:
            if self._sasl_server is not None and self._sasl_server.required:
                self._on_wrong_header()
                return
        elif not self.is_server and self._in_sasl:
            self._on_wrong_header()
            return
        self._remote = step(self._remote, Step.HEADER)
        self._reader.frame_bytes_max = self.settings.max_frame_size
        if self._local is Half.START:
            self._write_header()

    def _write_header(self) -> None:
        self._local = Half.HEADER
        self._exchange.parts.append(AMQP_HEADER)

    def _write_open(self) -> None:
        self._local = Half.OPENED
        settings = self.settings
        self._exchange.write(
            Open(
                container_id=settings.container_id,
                hostname=settings.hostname,
                max_frame_size=settings.max_frame_size,
                channel_max=settings.channel_max,
                idle_time_out=settings.idle_time_out_ms,
                properties=settings.properties or {},
            ),
            0,
        )

    def _on_frame(self) -> None:
        reader = self._reader
        if self._in_sasl:
            self._on_sasl_frame()
            return
        if reader.frame_type != AMQP_FRAME:
            raise framing_error(f"a frame of type {reader.frame_type}")
        at = reader.body_at
        end = reader.body_end
        if at == end:
            return  # §2.4.5: the peer is there
        performative, at = decode_performative(reader.data, at, end)
        if isinstance(performative, Transfer) and self._remote is Half.OPENED:
            if not self._discarding:
                session = self._by_remote.get(reader.channel)
                if session is None:
                    raise no_session(reader.channel)
                session.on_transfer(performative, reader.data[at:end])
            return
        self._on_performative(performative, reader.channel, reader.data[at:end])

    def _on_sasl_frame(self) -> None:
        reader = self._reader
        if reader.frame_type != SASL_FRAME:
            raise framing_error(f"a frame of type {reader.frame_type} during SASL")
        sasl = self._sasl
        assert sasl is not None
        answer, event = sasl.receive(decode_sasl(reader.data, reader.body_at, reader.body_end))
        if answer:
            self._exchange.parts.append(answer)
        if event is not None:
            self._exchange.tell(event)
        if self.is_server:
            self._verdict_due = True  # AMQP's header comes next, or a response
        elif sasl.is_done:
            self._in_sasl = False
            self._header_awaited = True
            self._write_header()
            self._write_open()
        elif event is not None:
            self._tell_closed(AmqpError("amqp:unauthorized-access", "the broker let us not in"))
            self.closed = True

    def _on_performative(
        self, performative: Performative, channel: int, payload: bytes
    ) -> None:
        if payload:
            raise ProtocolViolation(
                "AMQP 1.0 §2.3.2",
                "bytes behind a performative that has no payload",
                DECODE_ERROR,
            )
        if isinstance(performative, Close):
            self._on_close(performative)
        elif self._discarding:
            return
        elif isinstance(performative, Open):
            self._on_open(performative)
        else:
            self._remote = step(self._remote, Step.FRAME)
            if isinstance(performative, Begin):
                self._on_begin(performative, channel)
                return
            session = self._by_remote.get(channel)
            if session is None:
                raise no_session(channel)
            session.on_frame(performative)
            if session.state is SessionState.ENDED:
                self._forget(session)

    def _on_open(self, open_: Open) -> None:
        self._remote = step(self._remote, Step.OPEN)
        self._open_by = NO_TIMEOUT
        if open_.max_frame_size < AMQP_FRAME_BYTES_MIN:
            raise ProtocolViolation(
                "AMQP 1.0 §2.7.1",
                f"max-frame-size {open_.max_frame_size} is below {AMQP_FRAME_BYTES_MIN}",
                INVALID_FIELD,
            )
        self.remote_open = open_
        self._exchange.peer_frame_bytes_max = min(
            open_.max_frame_size, self.settings.max_frame_size
        )
        if open_.idle_time_out:
            if open_.idle_time_out < AMQP_PEER_IDLE_TIMEOUT_MIN:
                raise ProtocolViolation(
                    "AMQP 1.0 §2.4.5",
                    f"an idle-time-out of {open_.idle_time_out} ms;"
                    f" at least {AMQP_PEER_IDLE_TIMEOUT_MIN} can be kept",
                    NOT_ALLOWED,
                )
            self._heartbeat_ms = max(1, open_.idle_time_out // AMQP_HEARTBEATS_MIN)
            self._heartbeat_at = ElapsedMs(self._now + self._heartbeat_ms)
        if self._local is Half.HEADER:
            self._write_open()
        if self._refusal is not None:
            self.close(self._refusal)
            return
        self._exchange.tell(ConnectionOpened(open_))

    def _on_begin(self, begin: Begin, channel: int) -> None:
        if channel > self.settings.channel_max:
            raise ProtocolViolation(
                "AMQP 1.0 §2.7.1",
                f"channel {channel} is beyond the channel-max {self.settings.channel_max}",
                NOT_ALLOWED,
            )
        if channel in self._by_remote:
            raise ProtocolViolation(
                "AMQP 1.0 §2.5.1", f"channel {channel} has a session already", NOT_ALLOWED
            )
        if begin.remote_channel is None:
            session = self._new_session()
        else:
            found = self._sessions.get(begin.remote_channel)
            if found is None or found.state not in (
                SessionState.BEGIN_SENT,
                SessionState.END_SENT,
            ):
                raise ProtocolViolation(
                    "AMQP 1.0 §2.7.2", "a begin that answers none of ours", INVALID_FIELD
                )
            session = found
        self._by_remote[channel] = session
        session.on_begin(begin, channel)

    def _new_session(self) -> Session:
        channel = 0
        while channel in self._sessions:
            channel += 1
        peer = self.remote_open
        if peer is not None and channel > peer.channel_max:
            raise ProtocolViolation(
                "AMQP 1.0 §2.7.1", "no channel is left that you would take", NOT_ALLOWED
            )
        session = Session(self._exchange, channel)
        self._sessions[channel] = session
        return session

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.channel, None)
        self._by_remote.pop(session.remote_channel, None)

    def _on_close(self, close: Close) -> None:
        self._remote = step(self._remote, Step.CLOSE)
        self._tell_closed(close.error)
        if self._local is not Half.CLOSED:
            self.close()
        self.closed = True

    # ---- ending

    def _on_violation(self, violation: ProtocolViolation) -> None:
        """§2.4.3: say what was wrong, then hear nothing more."""
        error = AmqpError(violation.condition, str(violation))
        if self._in_sasl or self._local is Half.START:
            self.closed = True  # before AMQP there is no frame to say it with
        elif self._local is not Half.CLOSED:
            self.close(error)
        self._tell_closed(error)
        self._discarding = True
        if violation.condition == FRAMING_ERROR:
            self.closed = True  # where the next frame begins is unknown

    def _tell_closed(self, error: AmqpError | None) -> None:
        if self._told_closed:
            return
        self._told_closed = True
        for session in list(self._sessions.values()):
            session.abandon(error)
        self._exchange.tell(ConnectionClosed(error))


def no_session(channel: int) -> ProtocolViolation:
    return ProtocolViolation(
        "AMQP 1.0 §2.5.1", f"a frame on channel {channel}, which has no session", NOT_ALLOWED
    )


assert HEADER_BYTES == len(AMQP_HEADER)
