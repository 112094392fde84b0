"""One AMQP connection in the house: wire events → engine verbs; effects → link calls."""

from dataclasses import dataclass, replace
from typing import Final, final

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import (
    Accepted,
    Deliver,
    Drained,
    Effect,
    LinkReady,
    LinkStolen,
    ReceiverEnded,
    Refused,
    Replied,
    SessionGranted,
    SessionRefused,
    Settled,
    SettleRefused,
)
from peeklock.engine.engine import Engine
from peeklock.engine.link_desk import LinkDesk
from peeklock.entities.dispositions import (
    RELEASE,
)
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.topic import Topic
from peeklock.errors import (
    BrokerError,
    DeliveryTooLarge,
    NotAllowed,
    NotFound,
    NotOffered,
    ProtocolViolation,
    SessionLockLost,
)
from peeklock.frontends.amqp_dialect import is_azure_sdk
from peeklock.frontends.amqp_grants import Grants
from peeklock.frontends.amqp_intake import BATCH_FORMAT, read_batch, read_sent
from peeklock.frontends.amqp_management import ManagementNode
from peeklock.frontends.amqp_message import (
    OWN_BYTES_MAX,
    delivery_payload,
    read_submission,
)
from peeklock.frontends.amqp_nodes import (
    Node,
    NodeKind,
    answered,
    find_reply_queue,
    find_source,
    find_target,
)
from peeklock.frontends.amqp_outcomes import answer_to, default_outcome, disposition_of
from peeklock.frontends.amqp_recovery import KeptIntake, LinkKeeper
from peeklock.frontends.amqp_request import Reply
from peeklock.frontends.amqp_sessions import (
    granted_filter,
    granted_properties,
    session_wish,
)
from peeklock.frontends.amqp_tokens import TokenReply
from peeklock.frontends.amqp_tokens import answer as answer_token
from peeklock.frontends.amqp_transactions import Controllers, Coordinator
from peeklock.frontends.closing import Closing
from peeklock.frontends.errors_on_the_wire import amqp_error
from peeklock.limits import (
    AMQP_BACKLOG_BYTES_MAX,
    AMQP_IDLE_TIMEOUT,
    AMQP_REQUEST_BYTES_MAX,
    AMQP_SENDER_CREDIT,
    INSTANT_MAX,
    MESSAGE_BYTES_MAX,
    REPLIES_WAITING_MAX,
)
from peeklock.protocols.amqp10.conditions import (
    CONNECTION_FORCED,
    INTERNAL_ERROR,
    MESSAGE_SIZE_EXCEEDED,
    NOT_FOUND,
    RESOURCE_DELETED,
    RESOURCE_LIMIT_EXCEEDED,
    STOLEN,
)
from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.events import (
    AttachReceived,
    ConnectionClosed,
    ConnectionOpened,
    CreditReceived,
    DeliveryResumed,
    DeliverySettled,
    Event,
    LinkDetached,
    MessageReceived,
    OutcomeReceived,
    SaslInitReceived,
    SaslResponseReceived,
    SenderFlowed,
)
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.link import Link, ReceiverLink, SenderLink
from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    RELEASED,
    AmqpError,
    DeliveryState,
    Modified,
    Rejected,
    Released,
    TransactionalState,
)
from peeklock.protocols.amqp10.outcomes import (
    Accepted as AcceptedState,
)
from peeklock.protocols.amqp10.sasl import AUTH, OK
from peeklock.protocols.amqp10.sasl_layer import SaslServer
from peeklock.protocols.amqp10.terminus import AmqpMap, Source, Target
from peeklock.protocols.amqp10.values import Symbol
from peeklock.security.authenticators import (
    Admission,
    Answer,
    Authenticator,
    Challenge,
    Login,
)
from peeklock.security.principal import ANONYMOUS, Principal
from peeklock.security.rights import Right
from peeklock.security.scram import SCRAM, Dialogue
from peeklock.security.token_claims import TokenClaims
from peeklock.security.tokens import Tokens
from peeklock.store.journal import MessageDamaged
from peeklock.types import NO_LINK, ElapsedMs, LockToken, UnixMs

# In our answer to a receiver's attach (§2.7.3 properties), milliseconds: with it, an end of a
# lock tells a client whose clock is wrong how long the lock lasts.
LOCK_DURATION: Final = Symbol("peeklock:lock-duration-ms")

# Mechanisms that begin with a response of the client's.
CLIENT_FIRST: Final = ("PLAIN", SCRAM)
CLOSING_CONDITIONS: Final = {
    Closing.SHUT_DOWN: CONNECTION_FORCED,
    Closing.MISTAKE: INTERNAL_ERROR,
}


@dataclass(frozen=True)
class AmqpHost:
    """What all AMQP connections of a broker share."""

    engine: Engine
    link_desk: LinkDesk
    management: ManagementNode
    authenticator: Authenticator
    tokens: Tokens
    container_id: str
    creates_queues: bool  # --dev: an unknown queue is made when somebody attaches to it


@final
class Intake:
    """A link on which a peer sends to a queue or topic."""

    def __init__(self, entity: Queue | Topic, *, made_it: bool) -> None:
        self.entity: Final = entity
        self.made_it: Final = made_it  # a dynamic node, which goes with this link
        self.unanswered_count = 0  # accepted or refused since we last granted credit
        self.kept: KeptIntake | None = None  # on a recoverable link


@final
class RequestIntake:
    """A link on which a peer sends requests to a management node or to `$cbs`."""

    def __init__(self, node: Node) -> None:
        self.node: Final = node


@final
class ReplyOutlet:
    """A link on which a peer takes the replies of such a node."""

    def __init__(self, node: Node, address: str) -> None:
        self.node: Final = node
        self.address: Final = address  # of its target: what requests name as their reply-to
        self.waiting: Final[list[bytes]] = []
        self.tag = 0


@final
class AmqpFrontend:
    """Owns the wire connection of one peer. See `Wire` and `Peer` for its two faces."""

    def __init__(
        self,
        host: AmqpHost,
        now: UnixMs,
        elapsed: ElapsedMs,
        peer_name: str,
        certificate_name: str = "",
    ) -> None:
        self.peer_name: Final = peer_name
        self.login: Login | None = None  # the server takes it, checks it, calls `on_login`
        self._certificate_name: Final = certificate_name
        self._mechanism = ""  # that the client has chosen
        self._dialogue: Dialogue | None = None  # of one with several steps
        self._host: Final = host
        self._engine: Final = host.engine
        self._principal: Principal = ANONYMOUS
        self._now: UnixMs = now  # when it last heard from the peer or the clock
        self._elapsed: ElapsedMs = elapsed  # that moment, by the clock that nobody sets
        self._writable = True
        self._receivers: Final[list[Receiver]] = []
        self._made: Final[list[Receiver]] = []  # receivers of dynamic nodes of their own
        self._outlets: Final[list[SenderLink]] = []
        self._controllers: Final = Controllers(host.engine, self)
        self._keeper: Final = LinkKeeper(host.engine, host.link_desk, self)
        self._grants: Final = Grants()
        self._in_service_bus = False  # errors in Service Bus' words, see amqp_dialect.py
        authenticator = host.authenticator
        settings = ConnectionSettings(
            container_id=host.container_id,
            idle_time_out_ms=AMQP_IDLE_TIMEOUT,
            max_message_size=MESSAGE_BYTES_MAX,
            properties={"product": "peeklock"},
        )
        sasl = SaslServer(authenticator.mechanisms(certificate_name), authenticator.is_required)
        self._connection: Final = Connection.server(settings, elapsed, sasl)

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
        self._let_tokens_lapse(now)
        self._handle(self._connection.tick(elapsed), now)

    def next_deadline(self) -> ElapsedMs:
        at = self._connection.next_deadline()
        claims = self._principal.claims
        return at if claims is None else claims.next_deadline(at, self._now, self._elapsed)

    def set_writable(self, writable: bool) -> None:
        """The socket takes more, or has enough for now."""
        self._writable = writable
        self._update_blocked()

    def on_login(self, answer: Answer, now: UnixMs) -> None:
        """The answer to `login`."""
        connection = self._connection
        if isinstance(answer, Challenge):
            self._dialogue = answer.dialogue
            connection.sasl_challenge(answer.data)
        elif isinstance(answer, Admission):
            self._principal = answer.principal
            if answer.principal.claims is not None:  # each connection has tokens of its own
                self._principal = replace(answer.principal, claims=TokenClaims())
            connection.sasl_outcome(OK, answer.data)
        else:
            connection.sasl_outcome(AUTH)
        self._handle(connection.take_events(), now)

    def _let_tokens_lapse(self, now: UnixMs) -> None:
        if self._grants.lapse(self._principal, now):
            self._handle(self._connection.take_events(), now)

    def close(self, closing: Closing, why: str) -> None:
        """The broker ends the connection."""
        self._connection.close(AmqpError(CLOSING_CONDITIONS[closing], why))

    def refuse(self, why: str) -> None:
        """There are as many connections as may be: this one is told so, once it opens."""
        self._connection.refuse(AmqpError(RESOURCE_LIMIT_EXCEEDED, why))

    # ---- events

    def _handle(self, events: list[Event], now: UnixMs) -> None:
        for event in events:
            if isinstance(event, MessageReceived):
                self._on_message(event, now)
            elif isinstance(event, OutcomeReceived):
                self._on_outcome(event, now)
            elif isinstance(event, CreditReceived):
                self._on_credit(event)
            else:
                self._on_rare(event, now)
        self._keeper.flush()
        more = self._connection.take_events()
        if more:  # of what we did to links ourselves
            self._handle(more, now)
        self._update_blocked()  # a wider window comes without an event

    def _on_rare(self, event: Event, now: UnixMs) -> None:
        if isinstance(event, AttachReceived):
            self._let_tokens_lapse(now)
            try:
                self._on_attach(event.link, now)
            except BrokerError as error:
                event.link.refuse(self._error(error))
        elif isinstance(event, SenderFlowed):
            if event.forfeited:
                self._give_back(event)
        elif isinstance(event, LinkDetached):
            self._on_detached(event, now)
        elif isinstance(event, DeliverySettled):
            self._keeper.on_settled(event)
        elif isinstance(event, DeliveryResumed):
            if self._keeper.on_resumed(event):
                self._engine.accept_again(self, event.link, event.delivery_id)
        elif isinstance(event, ConnectionOpened):
            self._keeper.container_id = event.open.container_id
            self._in_service_bus = is_azure_sdk(event.open.properties)
        elif isinstance(event, SaslInitReceived):
            self._on_init(event)
        elif isinstance(event, SaslResponseReceived):
            self._log_in(event.response)
        elif isinstance(event, ConnectionClosed):
            self._controllers.end(now)
            for receiver in list(self._receivers):
                self._engine.detach(receiver, now, keep=receiver.link_id != NO_LINK)
            self._receivers.clear()

    def _on_init(self, event: SaslInitReceived) -> None:
        """§5.3.3.2. Some without a response want to be asked for one (RFC 4422 §3)."""
        self._mechanism = event.mechanism
        if event.mechanism in CLIENT_FIRST and event.response is None:
            self._connection.sasl_challenge(b"")
        else:
            self._log_in(event.response or b"")

    def _log_in(self, response: bytes) -> None:
        self.login = Login(self._mechanism, response, self._certificate_name, self._dialogue)

    # ---- attaching

    def _on_attach(self, link: Link, now: UnixMs) -> None:
        if isinstance(link, ReceiverLink):
            self._attach_intake(link, now)
        elif isinstance(link, SenderLink):
            self._attach_outlet(link, now)

    def _attach_intake(self, link: ReceiverLink, now: UnixMs) -> None:
        """A peer that wants to send."""
        node = find_target(self._host, self._principal, link.target, now)
        size = AMQP_REQUEST_BYTES_MAX
        if node.kind is NodeKind.COORDINATOR:
            link.context = self._controllers.attach(link)
        elif node.kind not in (NodeKind.QUEUE, NodeKind.TOPIC):
            link.context = RequestIntake(node)
        else:
            entity = node.entity
            assert entity is not None
            entity.check_taking()
            self._grants.note(link, Right.SEND, entity.path)
            intake = Intake(entity, made_it=node.is_made)
            link.context = intake
            size = entity.settings.max_message_bytes
            if isinstance(node.target, Target) and not node.is_made:
                user = self._principal.name
                intake.kept = self._keeper.attach_intake(
                    link, entity, node.target, size, user, now
                )
                if intake.kept is not None:
                    return  # its attach is answered when what we say of it is durable
        link.accept(source=link.source, target=node.target, max_message_size=size)
        link.grant(AMQP_SENDER_CREDIT)

    def _attach_outlet(self, link: SenderLink, now: UnixMs) -> None:
        """A peer that wants to receive."""
        node = find_source(self._host, self._principal, link.source, now)
        properties: AmqpMap | None = None
        if node.kind is not NodeKind.QUEUE:
            address = getattr(link.target, "address", None)
            link.context = ReplyOutlet(node, address if isinstance(address, str) else "")
            self._outlets.append(link)
        else:
            assert node.queue is not None
            receiver = self._attach_receiver(link, node.queue, node, now)
            self._grants.note(link, Right.LISTEN, node.queue.path)
            if receiver.link_id != NO_LINK:
                return  # as above
            if node.is_made:
                self._made.append(receiver)
            if receiver.seeks_session:
                return  # the answer is an effect
            if receiver.mode is ReceiveMode.PEEK_LOCK:
                properties = {LOCK_DURATION: node.queue.settings.lock_duration_ms}
        self._accept_outlet(link, node.source, properties)

    def _attach_receiver(
        self, link: SenderLink, queue: Queue, node: Node, now: UnixMs
    ) -> Receiver:
        mode = ReceiveMode.PEEK_LOCK
        if node.is_browsing:
            mode = ReceiveMode.BROWSE
        elif link.snd_settle_mode == 1:  # §2.8.2 settled: the receiver wants no locks
            mode = ReceiveMode.RECEIVE_AND_DELETE
        wish = session_wish(link)
        kept = None
        if mode is ReceiveMode.PEEK_LOCK and wish is None and not node.is_made:
            kept = self._keeper.attach_outlet(link, node, self._principal.name, now)
        if kept is not None:
            receiver = kept
        elif wish is None:
            receiver = self._engine.attach(self, link, queue, mode, node.wanted)
        elif mode is ReceiveMode.BROWSE:
            raise NotAllowed("who only looks (distribution-mode copy) takes no session")
        elif node.wanted is not None:
            raise NotAllowed("a session's messages come in their order: select none of them")
        else:
            receiver = self._engine.seek_session(
                self, link, queue, mode, wish.session_id, wish.patience, now
            )
        receiver.blocked = not self._writable
        attach = link.remote_attach
        limit = attach.max_message_size if attach is not None else None
        if limit:
            receiver.fits = lambda entry: self._fits(entry, limit)
        link.context = receiver
        self._receivers.append(receiver)
        return receiver

    def _accept_outlet(
        self, link: SenderLink, source: Source | None, properties: AmqpMap | None
    ) -> None:
        attach = link.remote_attach
        size = attach.max_message_size if attach is not None else None
        link.accept(
            source=source,
            target=link.target,
            properties=properties,
            max_message_size=size or 0,
        )

    def _on_detached(self, event: LinkDetached, now: UnixMs) -> None:
        link = event.link
        self._grants.forget(link)
        context = link.context
        is_kept = self._keeper.on_detached(event, now)
        if isinstance(context, Receiver):
            if context in self._receivers:
                self._receivers.remove(context)
            if is_kept:
                return
            self._engine.detach(context, now)
            if context in self._made:
                self._made.remove(context)
                self._delete_temporary(context.queue)
        elif isinstance(context, ReplyOutlet) and isinstance(link, SenderLink):
            if link in self._outlets:
                self._outlets.remove(link)
        elif isinstance(context, Intake) and context.made_it:
            entity = context.entity
            assert isinstance(entity, Queue)
            self._delete_temporary(entity)
        elif isinstance(context, Coordinator):
            self._controllers.detach(context, now)

    def _delete_temporary(self, queue: Queue) -> None:
        """§3.5.9, §3.5.10: a dynamic node goes with the link that made it."""
        namespace = self._engine.namespace
        if namespace.has_entity(queue):
            self._engine.commit_registry(namespace.delete(queue.path))

    # ---- messages in

    def _on_message(self, event: MessageReceived, now: UnixMs) -> None:
        link = event.link
        context = link.context
        if isinstance(context, Intake):
            try:
                self._take(link, context, event, now)
            except ProtocolViolation as violation:
                error = AmqpError(violation.condition, str(violation))
                self._refuse(link, context, event, error)
                return
            except BrokerError as refusal:
                self._refuse(link, context, event, self._error(refusal))
                return
            if event.settled or isinstance(event.state, TransactionalState):
                self._top_up(link, context)
        elif isinstance(context, Coordinator):
            link.grant(AMQP_SENDER_CREDIT)
            self._controllers.on_request(link, context, event, now)
        elif isinstance(context, RequestIntake):
            if not event.settled:
                link.settle(event.delivery_id, ACCEPTED)
            link.grant(AMQP_SENDER_CREDIT)
            self._on_request(context.node, event.payload, now)

    def _on_request(self, node: Node, payload: bytes, now: UnixMs) -> None:
        principal = self._principal
        if node.kind is NodeKind.TOKENS:
            token_reply = answer_token(self._host.tokens, principal, node, payload, now)
            if token_reply is not None:
                self._reply(token_reply)
            return
        self._let_tokens_lapse(now)
        reply = self._host.management.answer(self, principal, node, payload, now)
        if reply is not None:
            self._engine.reply(self, reply)

    def _take(
        self, link: ReceiverLink, intake: Intake, event: MessageReceived, now: UnixMs
    ) -> None:
        """Read a message, or an envelope of several, and hand it to the engine.

        Raises `ProtocolViolation` and `BrokerError` for what cannot be read as one.
        """
        engine = self._engine
        entity = intake.entity
        state = event.state
        kept = None if event.settled else intake.kept
        if intake.kept is not None and self._keeper.is_taken(intake.kept, event):
            return
        if event.message_format != 0:
            check_format(event.message_format)
            batch = read_batch(event.payload, entity, engine.ids, now)
            if isinstance(state, TransactionalState):
                self._controllers.on_messages(event, state, entity, batch, now)
                return
            if kept is not None:
                self._keeper.take(link, kept, event, entity, batch, now)
                return
            engine.send_all(
                self, link, event.delivery_id, entity, batch, now, settled=event.settled
            )
            return
        given = read_sent(event.payload, entity, engine.ids, now)
        if isinstance(state, TransactionalState):
            self._controllers.on_messages(event, state, entity, [given], now)
            return
        if kept is not None:
            self._keeper.take(link, kept, event, entity, [given], now)
            return
        engine.send(self, link, event.delivery_id, entity, given, now, settled=event.settled)

    def _refuse(
        self, link: ReceiverLink, intake: Intake, event: MessageReceived, error: AmqpError
    ) -> None:
        """It is no message: that needs no journal to be so."""
        if event.settled:
            self._top_up(link, intake)
        else:
            self._answer(link, intake, event.delivery_id, Rejected(error))

    def _answer(
        self, link: ReceiverLink, intake: Intake, delivery_id: int, state: DeliveryState
    ) -> None:
        if intake.kept is not None:
            self._keeper.answer(link, intake.kept, delivery_id, state)
            return
        link.settle(delivery_id, state)
        self._top_up(link, intake)

    def _top_up(self, link: ReceiverLink, intake: Intake) -> None:
        """Credit comes back with the answers, so what is not durable yet stays bounded."""
        if intake.kept is not None:
            self._keeper.top_up(link, intake.kept)
            return
        intake.unanswered_count += 1
        if intake.unanswered_count * 2 >= AMQP_SENDER_CREDIT:
            link.grant(link.credit + intake.unanswered_count)
            intake.unanswered_count = 0

    def _give_back(self, event: SenderFlowed) -> None:
        """Credit that no answer will bring back: what it was used for was no message."""
        link = event.link
        context = link.context
        if isinstance(context, Intake) and context.kept is not None:
            self._keeper.top_up(link, context.kept)
        elif link.is_attached:
            link.grant(min(AMQP_SENDER_CREDIT, link.credit + event.forfeited))

    # ---- receivers

    def _on_credit(self, event: CreditReceived) -> None:
        link = event.link
        context = link.context
        if isinstance(context, Receiver) and context.link_id != NO_LINK:
            self._keeper.on_credit(event, context)
        elif isinstance(context, Receiver):
            link.available = context.available_count()
            if link.is_attached:  # else the link keeps it until a session is granted
                credit = context.left_of(event.credit)
                self._engine.set_credit(context, credit, draining=event.drain)
        elif isinstance(context, ReplyOutlet):
            self._send_replies(link, context)
            link.available = len(context.waiting)
            if event.drain:
                link.drained()

    def _on_outcome(self, event: OutcomeReceived, now: UnixMs) -> None:
        link = event.link
        context = link.context
        if not isinstance(context, Receiver):
            if not event.settled:
                link.settle_range(
                    event.first_delivery_id,
                    event.first_delivery_id + len(event.tags) - 1,
                    event.state,
                )
            return
        state = event.state
        txn_id = None
        if isinstance(state, TransactionalState):
            txn_id = state.txn_id
            state = state.outcome or RELEASED
        disposition = None if state is None else disposition_of(state)
        if disposition is None:
            if not event.settled:
                return  # `received` and the like say nothing that we act on
            # Settled without an outcome: the source's default, else it is given back (§3.5.3).
            state = default_outcome(link)
            disposition = disposition_of(state) or RELEASE
        assert state is not None
        if txn_id is not None:
            self._controllers.on_outcome(
                event, txn_id, context, disposition, answer_to(state), now
            )
            return
        self._engine.settle(
            context,
            event.first_delivery_id,
            [LockToken(tag) for tag in event.tags],
            disposition,
            answer_to(state),
            now,
            settled=event.settled,
        )

    def _update_blocked(self) -> None:
        """A peer that does not read is not handed more."""
        if not self._receivers:
            return
        full = not self._writable or self._connection.backlog_bytes > AMQP_BACKLOG_BYTES_MAX
        for receiver in self._receivers:
            self._engine.set_blocked(receiver, full)

    # ---- effects

    def on_effect(self, effect: Effect) -> None:
        """The engine's word, in AMQP's. A link that is gone meanwhile is passed over."""
        if isinstance(effect, Accepted):
            link = effect.link
            assert isinstance(link, ReceiverLink)
            if link.is_attached:
                context = link.context
                if isinstance(context, Intake):
                    self._answer(link, context, effect.delivery_id, ACCEPTED)
                else:
                    link.settle(effect.delivery_id, ACCEPTED)
        elif isinstance(effect, Deliver):
            self._deliver(effect)
        elif isinstance(effect, Settled):
            outlet = effect.link
            assert isinstance(outlet, SenderLink)
            if outlet.is_attached:
                first = effect.first_delivery_id
                state = effect.outcome
                assert isinstance(
                    state, (AcceptedState, Released, Modified, Rejected, TransactionalState)
                )
                outlet.settle_range(first, first + effect.count - 1, state)
        else:
            self._on_rare_effect(effect)

    def _on_rare_effect(self, effect: Effect) -> None:
        if isinstance(effect, Refused):
            link = effect.link
            assert isinstance(link, ReceiverLink)
            if link.is_attached:
                context = link.context
                state = Rejected(self._error(effect.error))
                if not isinstance(context, Intake):
                    link.settle(effect.delivery_id, state)
                else:
                    self._answer(link, context, effect.delivery_id, state)
                    if isinstance(effect.error, NotFound):  # the entity has gone meanwhile
                        self._fail(link, self._gone(), str(effect.error))
        elif isinstance(effect, SettleRefused):
            outlet = effect.link
            assert isinstance(outlet, SenderLink)
            if outlet.is_attached:
                outlet.settle(effect.delivery_id, Rejected(self._error(effect.error)))
        elif isinstance(effect, Drained):
            self._tell_drained(effect.receiver)
        elif isinstance(effect, LinkReady):
            ready = effect.link
            assert isinstance(ready, Link)
            self._keeper.on_ready(ready)
            self._handle(self._connection.take_events(), self._now)
        elif isinstance(effect, LinkStolen):
            stolen = effect.link
            assert isinstance(stolen, Link)
            self._fail(stolen, STOLEN, f"link {stolen.name!r} was attached elsewhere")
        elif isinstance(effect, Replied):
            assert isinstance(effect.reply, Reply)
            self._reply(effect.reply)
        elif isinstance(effect, ReceiverEnded):
            self._end_receiver(effect)
        elif isinstance(effect, SessionGranted):
            self._grant_session(effect)
        elif isinstance(effect, SessionRefused):
            self._forget_receiver(effect.receiver).refuse(self._error(effect.error))

    def _tell_drained(self, receiver: Receiver) -> None:
        """Unless the peer has given it new credit since: that is not to be taken back."""
        link = receiver.link
        assert isinstance(link, SenderLink)
        if link.is_attached and link.draining and receiver.is_out_of_credit:
            link.available = receiver.available_count()
            link.drained()

    def _end_receiver(self, effect: ReceiverEnded) -> None:
        if isinstance(effect.error, DeliveryTooLarge):
            link = effect.receiver.link
            assert isinstance(link, SenderLink)
            self._fail(link, MESSAGE_SIZE_EXCEEDED, str(effect.error))
            return
        ended = self._forget_receiver(effect.receiver)
        if isinstance(effect.error, SessionLockLost):
            ended.detach(self._error(effect.error))
        else:
            ended.detach(AmqpError(self._gone(), str(effect.error)))

    def _forget_receiver(self, receiver: Receiver) -> SenderLink:
        link = receiver.link
        assert isinstance(link, SenderLink)
        if receiver in self._receivers:
            self._receivers.remove(receiver)
        self._grants.forget(link)
        self._keeper.forget(link, self._now)
        return link

    def _grant_session(self, effect: SessionGranted) -> None:
        """Answer the attach; credit that came before it counts from here on."""
        receiver = effect.receiver
        link = receiver.link
        assert isinstance(link, SenderLink)
        if receiver.closed or link.source is None:
            return
        source = replace(
            answered(link.source, None), filter=granted_filter(link, effect.session_id)
        )
        properties = granted_properties(effect.locked_until)
        properties[LOCK_DURATION] = receiver.queue.settings.lock_duration_ms
        self._accept_outlet(link, source, properties)
        if link.is_attached and (link.credit > 0 or link.draining):
            self._engine.set_credit(receiver, link.credit, draining=link.draining)

    def _deliver(self, effect: Deliver) -> None:
        receiver = effect.receiver
        receiver.untold_count -= len(effect.entries)
        link = receiver.link
        assert isinstance(link, SenderLink)
        if receiver.closed or not link.is_attached:
            return
        nonce = effect.nonce
        is_settled = not nonce
        damaged_count = 0
        message_of = self._engine.message_of
        for entry in effect.entries:
            tag = (nonce or b"\0\0\0\0\0\0\0\0") + entry.number.to_bytes(8, "big")
            try:
                message = message_of(entry)
            except MessageDamaged:
                self._engine.give_up(receiver.queue, entry, nonce)
                damaged_count += 1
                continue
            except OSError as error:
                self._fail(link, INTERNAL_ERROR, f"the journal cannot be read: {error}")
                return
            payload = delivery_payload(entry, message, effect.locked_until)
            if 0 < link.max_message_size < len(payload):
                self._fail(link, MESSAGE_SIZE_EXCEEDED, str(DeliveryTooLarge(entry.number)))
                return
            link.send(tag, payload, settled=is_settled)
        link.available = receiver.available_count()
        if damaged_count:  # the receiver still waits for as many, or wants them drained
            credit = receiver.left_of(link.credit)
            self._engine.set_credit(receiver, credit, draining=link.draining)
        if self._connection.backlog_bytes > AMQP_BACKLOG_BYTES_MAX:
            self._update_blocked()

    def _fits(self, entry: Entry, limit: int) -> bool:
        """Can it go over a link with this max-message-size? Most need not be read for that."""
        if entry.origin is None and entry.size + OWN_BYTES_MAX <= limit:
            return True
        try:
            message = self._engine.message_of(entry)
        except (MessageDamaged, OSError):
            return True  # that is told when it is handed out
        return len(delivery_payload(entry, message, INSTANT_MAX)) <= limit

    def _error(self, error: BrokerError) -> AmqpError:
        """As this peer knows it."""
        return amqp_error(error, in_service_bus=self._in_service_bus)

    def _gone(self) -> str:
        """The condition for an entity that goes while somebody uses it (§2.8.15).

        Service Bus says that it is not found, and its SDKs have no exception for the other.
        """
        return NOT_FOUND if self._in_service_bus else RESOURCE_DELETED

    def _fail(self, link: Link, condition: str, what: str) -> None:
        """End a link from our side; what its receiver holds is free at once."""
        link.fail(condition, what)
        self._handle(self._connection.take_events(), self._now)

    # ---- management

    def _reply(self, reply: Reply | TokenReply) -> None:
        """To the link or the queue that the request named, else to any link of its node."""
        payload = reply.payload()
        outlet = self._outlet_named(reply.reply_to)
        if outlet is None:
            queue = find_reply_queue(self._host, self._principal, reply.reply_to)
            if queue is not None:
                self._enqueue_reply(queue, payload)
                return
            outlet = self._outlet_of(reply.node)
        if outlet is None:
            return  # nobody is there to hear it
        context = outlet.context
        assert isinstance(context, ReplyOutlet)
        context.waiting.append(payload)
        self._send_replies(outlet, context)
        if len(context.waiting) > REPLIES_WAITING_MAX:
            what = f"more than {REPLIES_WAITING_MAX} replies wait for credit"
            self._fail(outlet, RESOURCE_LIMIT_EXCEEDED, what)

    def _outlet_named(self, reply_to: str) -> SenderLink | None:
        """By its target's address, or by its own name."""
        for outlet in reversed(self._outlets):
            context = outlet.context
            if reply_to and isinstance(context, ReplyOutlet):
                if reply_to in (context.address, outlet.name):
                    return outlet
        return None

    def _outlet_of(self, node: Node) -> SenderLink | None:
        for outlet in reversed(self._outlets):
            context = outlet.context
            if isinstance(context, ReplyOutlet) and context.node.is_same(node):
                return outlet
        return None

    def _enqueue_reply(self, queue: Queue, payload: bytes) -> None:
        try:
            self._engine.enqueue(queue, [read_submission(payload, queue, self._now)], self._now)
        except BrokerError:
            return  # it is full, say: there is nobody else to tell

    def _send_replies(self, outlet: SenderLink, context: ReplyOutlet) -> None:
        while context.waiting and outlet.credit > 0:
            context.tag += 1
            outlet.send(context.tag.to_bytes(4, "big"), context.waiting.pop(0), settled=True)


def check_format(message_format: int) -> None:
    """§2.7.5, §3.2.16: format 0 is AMQP's own; most others are not ours to take apart."""
    if message_format not in (0, BATCH_FORMAT):
        raise NotOffered(
            f"message-format 0x{message_format:08x}; 0 and 0x{BATCH_FORMAT:08x} are taken"
        )
