"""Sessions (§2.5): a window of frames each way, and the links within.

A session's violations end the session alone. Deliveries are numbered here, since their ids
are the session's; dispositions for consecutive ids leave as one range.
"""

from collections import deque
from enum import Enum
from typing import Final, final

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.conditions import (
    FRAMING_ERROR,
    HANDLE_IN_USE,
    INVALID_FIELD,
    NOT_ALLOWED,
    NOT_IMPLEMENTED,
    RESOURCE_LIMIT_EXCEEDED,
    STOLEN,
    UNATTACHED_HANDLE,
)
from peeklock.protocols.amqp10.events import (
    AttachReceived,
    DeliverySettled,
    LinkAttached,
    LinkDetached,
    OutcomeReceived,
    SessionEnded,
    SessionOpened,
)
from peeklock.protocols.amqp10.exchange import Exchange
from peeklock.protocols.amqp10.link import Link, LinkState, ReceiverLink, SenderLink
from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    ACCEPTED_BYTES,
    AmqpError,
    DeliveryState,
    brief_state,
    encode_state,
)
from peeklock.protocols.amqp10.performatives import (
    NOT_GIVEN,
    Attach,
    Begin,
    Detach,
    Disposition,
    End,
    Flow,
    Performative,
    Transfer,
    encode_disposition,
)
from peeklock.protocols.amqp10.serial import SERIAL_MODULUS, serial_add, serial_distance
from peeklock.protocols.amqp10.terminus import AmqpMap, AnyTarget, Source


class SessionState(Enum):
    """How far a session has come, seen from here (§2.5.5)."""

    BEGIN_SENT = "we have begun, the peer has not answered"
    MAPPED = "mapped"
    END_SENT = "we have ended, the peer has not answered"
    ENDED = "ended"


@final
class Outgoing:
    """A delivery that we sent and that is not settled yet."""

    __slots__ = ("link", "tag")

    def __init__(self, link: SenderLink, tag: bytes) -> None:
        self.link: Final = link
        self.tag: Final = tag


@final
class Session:
    """One session. Its owner attaches links; the connection brings the peer's frames."""

    def __init__(self, exchange: Exchange, channel: int) -> None:
        self.exchange: Final = exchange
        self.channel: Final = channel  # ours
        self.remote_channel = NOT_GIVEN
        self.state = SessionState.BEGIN_SENT
        self.context: object = None  # the owner's
        self._links: Final[dict[int, Link]] = {}  # by our handle
        self._remote_links: Final[dict[int, Link]] = {}  # by the peer's handle
        self._by_name: Final[dict[tuple[str, bool], Link]] = {}
        self._remote_handle_max = 0xFFFFFFFF
        self._echoes: list[Link] = []  # whose peers want to hear where they stand
        # §2.5.6, all in frames
        self._window: Final = exchange.settings.window_frames
        self._incoming_left = exchange.settings.window_frames
        self._next_incoming_id = 0
        self._next_outgoing_id = 0
        self._peer_window = 0
        # what waits for the peer's window: its link, a transfer's head (empty: another frame
        # that must not overtake the link's transfers), and the rest
        self._blocked: Final[deque[tuple[SenderLink, bytes, bytes]]] = deque()
        # deliveries
        self._next_delivery_id = 0
        self._outgoing: Final[dict[int, Outgoing]] = {}
        self._awaiting: Final[dict[int, ReceiverLink]] = {}
        # the disposition that is being gathered
        self._run_role = False
        self._run_first = NOT_GIVEN
        self._run_last = NOT_GIVEN
        self._run_settled = False
        self._run_state: DeliveryState | None = None

    # ---- what the owner asks

    def attach_sender(
        self,
        name: str,
        *,
        source: Source,
        target: AnyTarget,
        snd_settle_mode: int = 0,
        rcv_settle_mode: int = 0,
        properties: AmqpMap | None = None,
        unsettled: AmqpMap | None = None,
    ) -> SenderLink:
        """A link on which we send."""
        link = SenderLink(self, name, self._free_handle())
        self._ask(link, source, target, snd_settle_mode, rcv_settle_mode, properties, unsettled)
        return link

    def attach_receiver(
        self,
        name: str,
        *,
        source: Source,
        target: AnyTarget,
        snd_settle_mode: int = 0,
        rcv_settle_mode: int = 0,
        properties: AmqpMap | None = None,
        unsettled: AmqpMap | None = None,
    ) -> ReceiverLink:
        """A link on which we receive."""
        link = ReceiverLink(self, name, self._free_handle())
        self._ask(link, source, target, snd_settle_mode, rcv_settle_mode, properties, unsettled)
        return link

    def _ask(
        self,
        link: Link,
        source: Source,
        target: AnyTarget,
        snd_settle_mode: int,
        rcv_settle_mode: int,
        properties: AmqpMap | None,
        unsettled: AmqpMap | None,
    ) -> None:
        link.snd_settle_mode = snd_settle_mode
        link.rcv_settle_mode = rcv_settle_mode
        link.max_message_size = 0 if link.is_sender else self.exchange.settings.max_message_size
        self._keep(link)
        link.ask_attach(source, target, properties, unsettled)

    def end(self, error: AmqpError | None = None) -> None:
        """End the session with all its links; what still comes on it is ignored."""
        if self.state in (SessionState.END_SENT, SessionState.ENDED):
            return
        self._drop_blocked(None)
        self.state = SessionState.END_SENT
        self.write(End(error))

    # ---- windows and deliveries, for links

    def write(self, performative: Performative, behind: SenderLink | None = None) -> None:
        """A frame of this session; not before the transfers of `behind` that wait."""
        self.flush()
        if behind is None or not self._waits(behind.handle):
            self.exchange.write(performative, self.channel)
            return
        parts = self.exchange.parts
        before = len(parts)
        self.exchange.write(performative, self.channel)
        self._blocked.append((behind, b"", b"".join(parts[before:])))
        del parts[before:]

    def _waits(self, handle: int) -> bool:
        """Does anything of the link with this handle of ours wait for the peer's window?"""
        return any(link.handle == handle for link, _frame, _payload in self._blocked)

    def write_transfer(self, link: SenderLink, frame: bytes, payload: bytes) -> None:
        """§2.5.6: one frame of the peer's window, or wait for it to open."""
        if self._peer_window > 0 and not self._blocked:
            self._peer_window -= 1
            self._next_outgoing_id = serial_add(self._next_outgoing_id, 1)
            parts = self.exchange.parts
            parts.append(frame)
            parts.append(payload)
        else:
            self._blocked.append((link, frame, payload))
            self.exchange.backlog_bytes += len(frame) + len(payload)

    def _unblock(self) -> None:
        blocked = self._blocked
        while blocked:
            _link, frame, payload = blocked[0]
            if frame:
                if self._peer_window <= 0:
                    return
                self._peer_window -= 1
                self._next_outgoing_id = serial_add(self._next_outgoing_id, 1)
                self.exchange.backlog_bytes -= len(frame) + len(payload)
                self.exchange.parts.append(frame)
            self.exchange.parts.append(payload)
            blocked.popleft()

    def _drop_blocked(self, gone: Link | None) -> bytes:
        """Nobody wants what waits for this link any more; None: for any.

        Returns the last frame of it that was no transfer: a detach that we still owe.
        """
        kept: list[tuple[SenderLink, bytes, bytes]] = []
        last = b""
        for link, frame, payload in self._blocked:
            if gone is not None and link is not gone:
                kept.append((link, frame, payload))
            elif frame:
                self.exchange.backlog_bytes -= len(frame) + len(payload)
            else:
                last = payload
        self._blocked.clear()
        self._blocked.extend(kept)
        return last

    def next_delivery(self, link: SenderLink, tag: bytes, settled: bool) -> int:
        delivery_id = self._next_delivery_id
        self._next_delivery_id = serial_add(delivery_id, 1)
        if not settled:
            self._outgoing[delivery_id] = Outgoing(link, tag)
        return delivery_id

    def forget_outgoing(self, first: int, last: int) -> None:
        outgoing = self._outgoing
        for number in range(first, first + serial_distance(first, last) + 1):
            outgoing.pop(number % SERIAL_MODULUS, None)

    def await_settlement(self, link: ReceiverLink, first: int, last: int) -> None:
        for number in range(first, first + serial_distance(first, last) + 1):
            self._awaiting[number % SERIAL_MODULUS] = link

    def drop_link_deliveries(self, link: Link) -> None:
        """The link has ended: nothing more is heard of its deliveries."""
        if isinstance(link, ReceiverLink):
            link.forget_partial()
            gone = [number for number, one in self._awaiting.items() if one is link]
            for number in gone:
                del self._awaiting[number]
        else:
            sent = [number for number, one in self._outgoing.items() if one.link is link]
            for number in sent:
                del self._outgoing[number]

    def dispose(
        self, role: bool, first: int, last: int, settled: bool, state: DeliveryState | None
    ) -> None:
        """Gather dispositions: ids that follow one another leave as one range (§2.7.6)."""
        if (
            self._run_first != NOT_GIVEN
            and self._run_role == role
            and self._run_settled == settled
            and self._run_state is state
            and serial_add(self._run_last, 1) == first
        ):
            self._run_last = last
            return
        self.flush()
        self._run_role = role
        self._run_first = first
        self._run_last = last
        self._run_settled = settled
        self._run_state = state

    def flush(self) -> None:
        """Write the disposition that was being gathered."""
        if self._run_first == NOT_GIVEN:
            return
        state = self._run_state
        encoded = ACCEPTED_BYTES if state is ACCEPTED else encode_state(state)
        body = self._disposition(encoded)
        if not self.exchange.fits(body):
            body = self._disposition(encode_state(brief_state(state)))
        self._run_first = NOT_GIVEN
        self.exchange.write_body(body, self.channel)

    def _disposition(self, encoded_state: bytes) -> bytes:
        """The one that was being gathered."""
        return encode_disposition(
            self._run_role, self._run_first, self._run_last, self._run_settled, encoded_state
        )

    def flush_all(self) -> None:
        """Everything that waited for the end of a round: dispositions, echoes (§2.7.4).

        An echo tells of the state after what came with it was done, so one answers several.
        """
        self.flush()
        if self._echoes:
            echoes = self._echoes
            self._echoes = []
            for link in echoes:
                if link.is_attached:
                    link.write_flow(echo=False)

    def flow(
        self,
        handle: int | None = None,
        delivery_count: int | None = None,
        link_credit: int | None = None,
        available: int | None = None,
        drain: bool = False,
        echo: bool = False,
    ) -> Flow:
        """A flow with the session's own state in it (§2.5.6)."""
        self._incoming_left = self._window
        known = self.remote_channel != NOT_GIVEN
        return Flow(
            self._next_incoming_id if known else None,
            self._window,
            self._next_outgoing_id,
            self._window,
            handle,
            delivery_count,
            link_credit,
            available,
            drain,
            echo,
        )

    # ---- the peer's frames

    def on_begin(self, begin: Begin, channel: int) -> None:
        """§2.5.1: the peer's begin, asking or answering."""
        self.remote_channel = channel
        self._next_incoming_id = begin.next_outgoing_id
        self._peer_window = begin.incoming_window
        self._remote_handle_max = begin.handle_max
        if begin.remote_channel is None:
            self.write_begin(channel)
        if self.state is SessionState.BEGIN_SENT:  # else we have ended it meanwhile
            self.state = SessionState.MAPPED
            self.exchange.tell(SessionOpened(self))
            self._unblock()

    def write_begin(self, remote_channel: int | None) -> None:
        self.exchange.write(
            Begin(
                remote_channel=remote_channel,
                next_outgoing_id=self._next_outgoing_id,
                incoming_window=self._window,
                outgoing_window=self._window,
                handle_max=self.exchange.settings.handle_max,
            ),
            self.channel,
        )

    def on_frame(self, performative: Performative) -> None:
        """Any frame of the session but begin and transfer."""
        if self.state is not SessionState.MAPPED:
            if isinstance(performative, End):
                self.on_end(performative)
            return  # we have ended it: the rest is ignored
        if isinstance(performative, Disposition):
            self._on_disposition(performative)
        elif isinstance(performative, Flow):
            self._on_flow(performative)
        elif isinstance(performative, Attach):
            self._on_attach(performative)
        elif isinstance(performative, Detach):
            self._on_detach(performative)
        elif isinstance(performative, End):
            self.on_end(performative)
        else:
            raise ProtocolViolation("AMQP 1.0 §2.7", "a frame that has no place in a session")

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        if self.state is not SessionState.MAPPED:
            return
        self._next_incoming_id = serial_add(self._next_incoming_id, 1)
        self._incoming_left -= 1
        link = self._remote_links.get(transfer.handle)
        if link is None:
            self.fail(UNATTACHED_HANDLE, f"handle {transfer.handle} is not attached")
            return
        if link.state is LinkState.ATTACHED or link.state is LinkState.ATTACH_RECEIVED:
            if isinstance(link, ReceiverLink):
                link.on_transfer(transfer, payload)
            else:
                link.fail(NOT_ALLOWED, "a transfer on a link whose receiver you are (§2.7.5)")
        # Widened at half, always: so nobody can be seen to overrun it (window-violation).
        if self._incoming_left * 2 <= self._window and self.state is SessionState.MAPPED:
            self.write(self.flow())

    def fail(self, condition: str, what: str) -> None:
        """The peer broke a rule of this session: it ends, and nothing else does."""
        error = AmqpError(condition, what)
        self._detach_all(error)
        self.end(error)
        self.exchange.tell(SessionEnded(self, error))

    def on_end(self, end: End) -> None:
        """§2.5.3."""
        if self.state is SessionState.MAPPED:
            self._detach_all(end.error)
            self.write(End())
            self.exchange.tell(SessionEnded(self, end.error))
        self.state = SessionState.ENDED

    def abandon(self, error: AmqpError | None) -> None:
        """The connection ends under it."""
        if self.state in (SessionState.MAPPED, SessionState.BEGIN_SENT):
            self._detach_all(error)
            self.exchange.tell(SessionEnded(self, error))
        self.state = SessionState.ENDED

    def _detach_all(self, error: AmqpError | None) -> None:
        for link in list(self._links.values()):
            if link.state not in (LinkState.DETACH_SENT, LinkState.DETACHED):
                link.state = LinkState.DETACHED
                self.drop_link_deliveries(link)
                self.exchange.tell(LinkDetached(link, closed=False, error=error))
        self._drop_blocked(None)
        self.exchange.link_count -= len(self._links)
        self._links.clear()
        self._remote_links.clear()
        self._by_name.clear()

    # ---- links

    def _free_handle(self) -> int:
        handle = 0
        while handle in self._links or self._waits(handle):
            handle += 1
        return handle

    def _keep(self, link: Link) -> None:
        self._links[link.handle] = link
        self._by_name[link.name, link.is_sender] = link
        self.exchange.link_count += 1

    def _on_attach(self, attach: Attach) -> None:
        handle_max = self.exchange.settings.handle_max
        if attach.handle > handle_max:
            raise ProtocolViolation(
                "AMQP 1.0 §2.7.2",
                f"handle {attach.handle} beyond the handle-max {handle_max}",
                FRAMING_ERROR,
            )
        if attach.handle in self._remote_links:
            self.fail(HANDLE_IN_USE, f"handle {attach.handle} is attached already")
            return
        we_send = attach.role
        known = self._by_name.get((attach.name, we_send))
        if known is not None and known.state is LinkState.ATTACH_SENT:
            self._on_attach_answer(known, attach)
            return
        if known is not None and known.remote_attach is None:
            self._remote_links[attach.handle] = known  # an answer that we wait for no more:
            known.on_peer_attached(attach)  # its detach follows
            return
        if known is not None:
            known.fail(STOLEN, f"link {attach.name!r} was attached again")
            self._forget_name(known)
        most = self.exchange.settings.links_max
        if self.exchange.link_count >= most:
            self.fail(RESOURCE_LIMIT_EXCEEDED, f"more than {most} links on one connection")
            return
        handle = self._free_handle()
        if handle > self._remote_handle_max:
            self.fail(RESOURCE_LIMIT_EXCEEDED, "no handle is left that you would take (§2.7.2)")
            return
        link: Link = (
            SenderLink(self, attach.name, handle)
            if we_send
            else ReceiverLink(self, attach.name, handle)
        )
        link.state = LinkState.ATTACH_RECEIVED
        link.snd_settle_mode = attach.snd_settle_mode
        link.rcv_settle_mode = attach.rcv_settle_mode
        link.source = attach.source
        link.target = attach.target
        if not we_send:
            link.delivery_count = attach.initial_delivery_count or 0
            link.max_message_size = self.exchange.settings.max_message_size
        self._keep(link)
        self._remote_links[attach.handle] = link
        link.on_peer_attached(attach)
        if attach.unknown is not None:
            link.refuse(AmqpError(NOT_IMPLEMENTED, attach.unknown))
            return
        self.exchange.tell(AttachReceived(link, attach))

    def _on_attach_answer(self, link: Link, attach: Attach) -> None:
        self._remote_links[attach.handle] = link
        link.on_peer_attached(attach)
        if not link.is_sender:
            link.delivery_count = attach.initial_delivery_count or 0
        refused = attach.target is None if link.is_sender else attach.source is None
        if refused:  # §2.6.3: a detach with the reason follows
            link.state = LinkState.REFUSED
            return
        link.state = LinkState.ATTACHED
        link.snd_settle_mode = attach.snd_settle_mode
        link.rcv_settle_mode = attach.rcv_settle_mode
        if link.is_sender:
            link.max_message_size = attach.max_message_size or 0
        self.exchange.tell(LinkAttached(link, attach))
        if isinstance(link, ReceiverLink) and link.credit:
            link.grant(link.credit)  # granted before the answer had come

    def _forget_name(self, link: Link) -> None:
        if self._by_name.get((link.name, link.is_sender)) is link:
            del self._by_name[link.name, link.is_sender]

    def _on_detach(self, detach: Detach) -> None:
        link = self._remote_links.pop(detach.handle, None)
        if link is None:
            self.fail(UNATTACHED_HANDLE, f"handle {detach.handle} is not attached")
            return
        if self._links.pop(link.handle, None) is not None:
            self.exchange.link_count -= 1
        self._forget_name(link)
        owed = self._drop_blocked(link)
        answered = link.state is LinkState.DETACH_SENT
        if answered:
            if owed:  # a detach that waited behind transfers
                self.exchange.parts.append(owed)
        else:
            if link.state is LinkState.ATTACH_RECEIVED:  # gone before we answered
                link.detach(None, closed=detach.closed)
            else:
                self.write(Detach(link.handle, detach.closed))
            self.drop_link_deliveries(link)
        link.state = LinkState.DETACHED
        if not answered:
            self.exchange.tell(LinkDetached(link, detach.closed, detach.error))

    def _on_flow(self, flow: Flow) -> None:
        """§2.5.6 and §2.6.7."""
        start = flow.next_incoming_id
        seen = 0 if start is None else start  # it has not seen our begin: from our first id
        under_way = (self._next_outgoing_id - seen) % SERIAL_MODULUS
        self._peer_window = max(0, flow.incoming_window - under_way)
        self._unblock()
        handle = flow.handle
        if handle is None:
            if flow.echo:
                self.write(self.flow())
            return
        link = self._remote_links.get(handle)
        if link is None:
            self.fail(UNATTACHED_HANDLE, f"handle {handle} is not attached")
            return
        if link.state in (LinkState.ATTACHED, LinkState.ATTACH_RECEIVED):
            if isinstance(link, SenderLink):
                link.on_flow(flow)
            elif isinstance(link, ReceiverLink):
                link.on_flow(flow)
            if flow.echo and link not in self._echoes:
                self._echoes.append(link)

    # ---- dispositions

    def _on_disposition(self, disposition: Disposition) -> None:
        """§2.7.6: a range over whatever ids we know; the others were settled before."""
        span = serial_distance(disposition.first, disposition.last)
        if span < 0:
            self.fail(INVALID_FIELD, "a range that ends before it begins (§2.7.6)")
            return
        if disposition.role:
            self._on_outcomes(disposition, span)
            return
        for number in self._numbers(disposition.first, span, list(self._awaiting)):
            link = self._awaiting.get(number)
            if link is not None:
                if disposition.settled:
                    del self._awaiting[number]
                self.exchange.tell(
                    DeliverySettled(link, number, disposition.state, disposition.settled)
                )

    def _numbers(self, first: int, span: int, known: list[int]) -> list[int]:
        """The ids of a range; of a wide one only those that exist, so that it costs nothing."""
        if span <= 2 * len(known):
            return [number % SERIAL_MODULUS for number in range(first, first + span + 1)]
        return [number for number in known if 0 <= serial_distance(first, number) <= span]

    def _on_outcomes(self, disposition: Disposition, span: int) -> None:
        """What we sent was given a state: one event for each run of ids of one link."""
        outgoing = self._outgoing
        settled = disposition.settled
        state = disposition.state
        if not settled and state is None:
            return  # says nothing
        first = disposition.first
        numbers = (
            self._numbers(first, span, list(outgoing))
            if span > len(outgoing)
            else list(range(first, first + span + 1))
        )
        link: SenderLink | None = None
        start = NOT_GIVEN
        expected = NOT_GIVEN
        tags: list[bytes] = []
        for serial in numbers:
            number = serial if serial < SERIAL_MODULUS else serial - SERIAL_MODULUS
            found = outgoing.get(number)
            if found is None:
                continue
            if found.link is not link or number != expected:
                if link is not None:
                    self.exchange.tell(OutcomeReceived(link, start, tags, state, settled))
                link = found.link
                start = number
                tags = []
            tags.append(found.tag)
            expected = number + 1
            if settled:
                del outgoing[number]
        if link is not None:
            self.exchange.tell(OutcomeReceived(link, start, tags, state, settled))
