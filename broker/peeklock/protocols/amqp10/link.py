"""Links (§2.6): one way for messages, from a source to a target.

A `ReceiverLink` is one on which we receive, a `SenderLink` one on which we send. Both ends
use the same classes. A link's own mistakes and its peer's end the link alone.
"""

from collections.abc import Container
from enum import Enum
from typing import TYPE_CHECKING, Final

from peeklock.limits import AMQP_EXCESS_BYTES_MAX, AMQP_PART_BYTES
from peeklock.protocols.amqp10.conditions import (
    FRAME_SIZE_TOO_SMALL,
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    RESOURCE_LIMIT_EXCEEDED,
    TRANSFER_LIMIT_EXCEEDED,
)
from peeklock.protocols.amqp10.credit import remaining_credit
from peeklock.protocols.amqp10.events import (
    CreditReceived,
    DeliveryResumed,
    LinkDetached,
    MessageReceived,
    SenderFlowed,
)
from peeklock.protocols.amqp10.frames import FRAME_HEADER, HEADER_BYTES
from peeklock.protocols.amqp10.outcomes import AmqpError, DeliveryState, Rejected
from peeklock.protocols.amqp10.performatives import (
    NOT_GIVEN,
    Attach,
    Detach,
    Flow,
    Transfer,
    encode_performative,
    encode_transfer,
)
from peeklock.protocols.amqp10.serial import serial_add, serial_distance
from peeklock.protocols.amqp10.terminus import AmqpMap, AnyTarget, Source
from peeklock.protocols.amqp10.unsettled import half_of

if TYPE_CHECKING:
    from peeklock.protocols.amqp10.session import Session

# What stands before a transfer's payload, at most: frame header, fields, a 32-byte tag.
TRANSFER_OVERHEAD_BYTES: Final = 80


class LinkState(Enum):
    """How far a link has come, seen from here."""

    ATTACH_RECEIVED = "the peer has attached, we have not answered"
    ATTACH_SENT = "we have attached, the peer has not answered"
    ATTACHED = "attached"
    REFUSED = "the peer has refused, its detach is to come"
    DETACH_SENT = "we have detached, the peer has not answered"
    DETACHED = "detached"


class Link:
    """What both directions share."""

    def __init__(self, session: "Session", name: str, handle: int, *, is_sender: bool) -> None:
        self.session: Final = session
        self.name: Final = name
        self.handle: Final = handle  # ours
        self.is_sender: Final = is_sender  # we send
        self.state = LinkState.ATTACH_SENT
        self.remote_handle = NOT_GIVEN
        self.remote_attach: Attach | None = None
        self.source: Source | None = None
        self.target: AnyTarget | None = None
        self.snd_settle_mode = 2
        self.rcv_settle_mode = 0
        self.max_message_size = 0  # of what goes over this link; 0: no bound
        self.delivery_count = 0  # §2.6.7, a serial number
        self.credit = 0  # deliveries
        self.draining = False  # the receiver wants what is there, and its credit back
        self.available: int | None = None  # of the messages that its sender could send
        self.context: object = None  # the owner's

    @property
    def is_attached(self) -> bool:
        return self.state is LinkState.ATTACHED

    # ---- what the owner asks

    def accept(
        self,
        *,
        source: Source | None,
        target: AnyTarget | None,
        properties: AmqpMap | None = None,
        max_message_size: int | None = None,
        offered_capabilities: list[str] | None = None,
        unsettled: AmqpMap | None = None,
    ) -> bool:
        """Answer the peer's attach: name and settle modes echoed.

        Says whether `unsettled` was told in full: a peer's frames may be too small for it.
        """
        if self.state is not LinkState.ATTACH_RECEIVED:
            return True  # it has gone meanwhile
        self.source = source
        self.target = target
        if max_message_size is not None:
            self.max_message_size = max_message_size
        offered = offered_capabilities or []
        attach = self._attach(source, target, properties or {}, offered, unsettled)
        while not self.session.exchange.fits(encode_performative(attach)) and unsettled:
            unsettled = half_of(unsettled)
            attach = self._attach(
                source, target, properties or {}, offered, unsettled, incomplete_unsettled=True
            )
        if not self.session.exchange.fits(encode_performative(attach)):
            error = AmqpError(FRAME_SIZE_TOO_SMALL, "the answer to this attach does not fit")
            self.refuse(error)
            self.session.exchange.tell(LinkDetached(self, closed=True, error=error))
            return True
        self.state = LinkState.ATTACHED
        self.session.write(attach)
        return not attach.incomplete_unsettled

    def refuse(self, error: AmqpError) -> None:
        """§2.6.3: attach without the terminus that is not to be had, then detach."""
        if self.state is LinkState.ATTACH_RECEIVED:
            self.detach(error)

    def detach(self, error: AmqpError | None = None, *, closed: bool = True) -> None:
        """End the link. What the peer still sends on it is ignored until it answers."""
        if self.state in (LinkState.DETACH_SENT, LinkState.DETACHED):
            return
        if self.state is LinkState.ATTACH_RECEIVED:
            nothing = self._attach(None, None, {}, [])
            if not self.session.exchange.fits(encode_performative(nothing)):
                self.session.fail(
                    FRAME_SIZE_TOO_SMALL, "the name of a link is longer than your frames"
                )
                return
            self.session.write(nothing)
        self.state = LinkState.DETACH_SENT
        self.session.write(Detach(self.handle, closed, error), self.as_sender())
        self.session.drop_link_deliveries(self)

    # ---- what the session tells

    def fail(self, condition: str, what: str) -> None:
        """The peer broke a rule of this link: it ends, and nothing else does."""
        error = AmqpError(condition, what)
        if self.state in (LinkState.DETACH_SENT, LinkState.DETACHED):
            return
        self.detach(error)
        self.session.exchange.tell(LinkDetached(self, closed=True, error=error))

    def on_peer_attached(self, attach: Attach) -> None:
        """Take over what the peer says of itself."""
        self.remote_attach = attach
        self.remote_handle = attach.handle

    def ask_attach(
        self,
        source: Source,
        target: AnyTarget,
        properties: AmqpMap | None,
        unsettled: AmqpMap | None,
    ) -> None:
        """We attach first; the peer's answer comes as an event."""
        self.source = source
        self.target = target
        self.session.write(self._attach(source, target, properties, [], unsettled))

    def _attach(
        self,
        source: Source | None,
        target: AnyTarget | None,
        properties: AmqpMap | None,
        offered_capabilities: list[str],
        unsettled: AmqpMap | None = None,
        *,
        incomplete_unsettled: bool = False,
    ) -> Attach:
        return Attach(
            name=self.name,
            handle=self.handle,
            role=not self.is_sender,
            snd_settle_mode=self.snd_settle_mode,
            rcv_settle_mode=self.rcv_settle_mode,
            source=source,
            target=target,
            unsettled=unsettled,
            incomplete_unsettled=incomplete_unsettled,
            initial_delivery_count=self.delivery_count if self.is_sender else None,
            max_message_size=self.max_message_size,
            offered_capabilities=offered_capabilities,
            properties=properties,
        )

    def write_flow(self, *, echo: bool) -> None:
        """Tell the peer where this link stands (§2.6.7)."""
        flow = self.session.flow(
            self.handle, self.delivery_count, self.credit, self.available, self.draining, echo
        )
        self.session.write(flow, self.as_sender())

    def as_sender(self) -> "SenderLink | None":
        """Itself, when its frames must not overtake its transfers."""
        return self if isinstance(self, SenderLink) else None


class ReceiverLink(Link):
    """A link on which we receive. `credit` is what the peer may still send."""

    def __init__(self, session: "Session", name: str, handle: int) -> None:
        super().__init__(session, name, handle, is_sender=False)
        self._parts: list[bytes] = []  # of the delivery that is coming in
        self._parts_bytes = 0
        self._first: Transfer | None = None
        self._settled = False
        self._is_skipped = False
        self._excess_bytes = 0  # of the delivery that is too large and still coming in
        # §2.6.13: what the owner knows of deliveries from before; others that the sender
        # resumes are ignored (§2.7.5).
        self.resumable: Container[bytes] = ()

    # ---- what the owner asks

    def grant(self, credit: int) -> None:
        """From now on the peer may send `credit` deliveries."""
        self.credit = credit
        self.draining = False
        if self.is_attached:
            self.write_flow(echo=False)

    def drain(self) -> None:
        """Ask for what is there, now, and for the rest of the credit back (§2.6.7)."""
        if self.is_attached:
            self.draining = True
            self.write_flow(echo=False)

    def settle(self, delivery_id: int, state: DeliveryState, *, settled: bool = True) -> None:
        """Tell the sender this delivery's state; runs of ids leave as one disposition."""
        self.settle_range(delivery_id, delivery_id, state, settled=settled)

    def settle_range(
        self, first: int, last: int, state: DeliveryState, *, settled: bool = True
    ) -> None:
        if not settled:
            self.session.await_settlement(self, first, last)
        self.session.dispose(True, first, last, settled, state)

    # ---- what the session tells

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """§2.6.12–2.6.14: put a delivery together, of one transfer or many."""
        first = self._first
        if first is None:
            if not self._begins_delivery(transfer):
                return
            first = transfer
            if not transfer.more and not transfer.aborted and not transfer.resume:
                # It is here, in one frame: if it is too large, its owner refuses it.
                self._tell(transfer, transfer.settled, payload)
                return
            self._first = transfer
            self._settled = False
            self._is_skipped = transfer.resume
        elif transfer.delivery_id not in (NOT_GIVEN, first.delivery_id):
            self.fail(INVALID_FIELD, "a new delivery before the last one was whole (§2.7.5)")
            return
        self._add(transfer, payload)

    def _begins_delivery(self, transfer: Transfer) -> bool:
        if transfer.delivery_id == NOT_GIVEN or transfer.delivery_tag is None:
            self.fail(INVALID_FIELD, "a delivery begins with its id and its tag (§2.7.5)")
            return False
        if self.credit <= 0 and self.session.exchange.settings.enforce_credit:
            self.fail(TRANSFER_LIMIT_EXCEEDED, "a delivery beyond the credit (§2.6.7)")
            return False
        if transfer.rcv_settle_mode > self.rcv_settle_mode:
            self.fail(INVALID_FIELD, "a rcv-settle-mode that the link has not got (§2.7.5)")
            return False
        self.delivery_count = serial_add(self.delivery_count, 1)
        if self.credit > 0:
            self.credit -= 1
        return True

    def _add(self, transfer: Transfer, payload: bytes) -> None:
        first = self._first
        assert first is not None
        if transfer.aborted or self._is_skipped:
            # §2.7.5: an aborted delivery is as if it had never begun, and settled. A resumed
            # one is known already, or, when the owner does not know it, ignored.
            self._settled = self._settled or transfer.settled or transfer.aborted
            if transfer.aborted or not transfer.more:
                self._end_skipped(first)
            return
        self._settled = self._settled or transfer.settled
        if self._excess_bytes or not self._fits(self._parts_bytes + len(payload)):
            self._pass_over(first, transfer, len(payload))
            return
        if payload and not self._keep(payload):
            return
        if not transfer.more:
            whole = b"".join(self._parts)
            settled = self._settled
            self.forget_partial()
            self._tell(first, settled, whole)

    def _end_skipped(self, first: Transfer) -> None:
        is_resumed = self._is_skipped
        settled = self._settled
        self.forget_partial()
        tag = first.delivery_tag
        assert tag is not None
        if is_resumed and tag in self.resumable:
            event = DeliveryResumed(self, first.delivery_id, tag, settled)
            self.session.exchange.tell(event)
        else:
            self._tell_flowed(1)

    def _keep(self, payload: bytes) -> bool:
        """A part of the delivery that is coming in, as long as it may grow."""
        exchange = self.session.exchange
        cost = len(payload) + AMQP_PART_BYTES
        if exchange.partial_bytes + cost > exchange.settings.partial_bytes_max:
            self.fail(RESOURCE_LIMIT_EXCEEDED, "too many unfinished deliveries")
            return False
        exchange.partial_bytes += cost
        self._parts_bytes += len(payload)
        self._parts.append(payload)
        return True

    def _fits(self, size: int) -> bool:
        return not 0 < self.max_message_size < size

    def _pass_over(self, first: Transfer, transfer: Transfer, size: int) -> None:
        """§2.7.3: nothing of a delivery that is too large is kept, and it alone is refused.

        One that goes on and on, as if nobody had said how long it may be, ends the link.
        """
        what = f"a message of more than the {self.max_message_size} bytes this link takes"
        excess = self._excess_bytes + self._parts_bytes + size
        settled = self._settled
        self.forget_partial()
        if excess > self.max_message_size + AMQP_EXCESS_BYTES_MAX:
            self.fail(MESSAGE_SIZE_EXCEEDED, what)
            return
        if transfer.more:
            self._first = first
            self._settled = settled
            self._excess_bytes = excess
            return
        if not settled:
            error = AmqpError(MESSAGE_SIZE_EXCEEDED, what)
            self.settle(first.delivery_id, Rejected(error))
        self._tell_flowed(1)

    def _tell(self, first: Transfer, settled: bool, payload: bytes) -> None:
        tag = first.delivery_tag
        assert tag is not None
        self.session.exchange.events.append(
            MessageReceived(
                self,
                first.delivery_id,
                tag,
                settled,
                payload,
                max(0, first.message_format),
                first.state,
            )
        )

    def forget_partial(self) -> None:
        """The delivery that was coming in is not to be."""
        cost = self._parts_bytes + AMQP_PART_BYTES * len(self._parts)
        self.session.exchange.partial_bytes -= cost
        self._parts = []
        self._parts_bytes = 0
        self._excess_bytes = 0
        self._first = None

    def on_flow(self, flow: Flow) -> None:
        """The sender says where it stands; a drained one has moved its count (§2.6.7)."""
        advanced = 0
        if flow.delivery_count is not None:
            advanced = max(0, serial_distance(self.delivery_count, flow.delivery_count))
            self.delivery_count = serial_add(self.delivery_count, advanced)
            self.credit = max(0, self.credit - advanced)
        self.available = flow.available
        self._tell_flowed(advanced)

    def _tell_flowed(self, forfeited: int) -> None:
        event = SenderFlowed(self, self.credit, self.available, forfeited)
        self.session.exchange.tell(event)


class SenderLink(Link):
    """A link on which we send. `credit` is how many deliveries the peer still wants."""

    def __init__(self, session: "Session", name: str, handle: int) -> None:
        super().__init__(session, name, handle, is_sender=True)

    # ---- what the owner asks

    def send(
        self, tag: bytes, payload: bytes, *, settled: bool = False, message_format: int = 0
    ) -> int:
        """Send a message; returns its delivery-id. Credit is the caller's to respect."""
        session = self.session
        delivery_id = session.next_delivery(self, tag, settled)
        self.delivery_count = serial_add(self.delivery_count, 1)
        if self.credit > 0:
            self.credit -= 1
        room = session.exchange.peer_frame_bytes_max - TRANSFER_OVERHEAD_BYTES
        if len(payload) <= room:
            body = encode_transfer(
                self.handle, delivery_id, tag, message_format, settled, False
            )
            self._write_transfer(body, payload)
            return delivery_id
        for start in range(0, len(payload), room):
            more = start + room < len(payload)
            body = encode_transfer(self.handle, delivery_id, tag, message_format, settled, more)
            self._write_transfer(body, payload[start : start + room])
        return delivery_id

    def resume(
        self,
        tag: bytes,
        payload: bytes,
        *,
        settled: bool,
        state: DeliveryState | None,
        aborted: bool = False,
    ) -> int:
        """Send a delivery again that the receiver knows of (§2.6.13); returns its new id.

        `aborted`: what the receiver has of the message is not to be completed (§2.6.14).
        """
        session = self.session
        delivery_id = session.next_delivery(self, tag, settled)
        self.delivery_count = serial_add(self.delivery_count, 1)
        if self.credit > 0:
            self.credit -= 1
        room = session.exchange.peer_frame_bytes_max - TRANSFER_OVERHEAD_BYTES
        for start in range(0, max(1, len(payload)), room):
            transfer = Transfer(
                self.handle,
                delivery_id,
                tag,
                0,
                settled,
                start + room < len(payload),
                state=state,
                resume=True,
                aborted=aborted,
            )
            part = payload[start : start + room]
            self._write_transfer(encode_performative(transfer), part)
        return delivery_id

    def _write_transfer(self, body: bytes, payload: bytes) -> None:
        size = HEADER_BYTES + len(body) + len(payload)
        frame = FRAME_HEADER.pack(size, 2, 0, self.session.channel) + body
        self.session.write_transfer(self, frame, payload)

    def settle(self, delivery_id: int, state: DeliveryState | None) -> None:
        """Settle a delivery that the peer has given a state, with a state of our own."""
        self.settle_range(delivery_id, delivery_id, state)

    def settle_range(self, first: int, last: int, state: DeliveryState | None) -> None:
        self.session.forget_outgoing(first, last)
        self.session.dispose(False, first, last, True, state)

    def drained(self) -> None:
        """Give the rest of the credit back: we have no more (§2.6.7)."""
        self.delivery_count = serial_add(self.delivery_count, self.credit)
        self.credit = 0
        self.draining = True  # as the receiver said; only it takes that back
        if self.is_attached:
            self.write_flow(echo=False)

    # ---- what the session tells

    def on_flow(self, flow: Flow) -> None:
        if flow.link_credit is None:
            return
        counted = flow.delivery_count
        attach = self.remote_attach
        if counted is None:  # §2.7.4: it has not seen our attach yet
            counted = (attach.initial_delivery_count or 0) if attach is not None else 0
        self.credit = remaining_credit(
            link_credit=flow.link_credit,
            count_at_receiver=counted,
            count_at_sender=self.delivery_count,
        )
        self.draining = flow.drain
        self.session.exchange.tell(CreditReceived(self, self.credit, flow.drain))
