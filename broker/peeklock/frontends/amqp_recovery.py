"""Recoverable links of one connection: exactly-once settlement (AMQP 1.0 §2.6.13).

A link is recoverable when its attach asks for a terminus that outlives it (`lifetime_of`). All
others pass this module by.
"""

from dataclasses import replace
from typing import Final, final

from peeklock.engine.dispatch import Receiver
from peeklock.engine.effects import Peer
from peeklock.engine.engine import Engine
from peeklock.engine.link_desk import Claims, Comeback, LinkDesk
from peeklock.entities.dispositions import RELEASE, Verdict
from peeklock.entities.kept_links import KeptLink, LinkKey
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, NotAllowed, ProtocolViolation
from peeklock.frontends.amqp_message import delivery_payload
from peeklock.frontends.amqp_nodes import Node
from peeklock.frontends.amqp_outcomes import disposition_of
from peeklock.limits import (
    AMQP_SENDER_CREDIT,
    KEPT_LINK_LIFETIME_DEFAULT,
    KEPT_LINK_LIFETIME_MAX,
)
from peeklock.protocols.amqp10.conditions import STOLEN
from peeklock.protocols.amqp10.events import (
    CreditReceived,
    DeliveryResumed,
    DeliverySettled,
    LinkDetached,
    MessageReceived,
)
from peeklock.protocols.amqp10.link import Link, LinkState, ReceiverLink, SenderLink
from peeklock.protocols.amqp10.outcomes import (
    ACCEPTED,
    RELEASED,
    DeliveryState,
    Modified,
    Received,
    Rejected,
)
from peeklock.protocols.amqp10.terminus import Source, Target
from peeklock.protocols.amqp10.unsettled import as_unsettled, read_unsettled
from peeklock.store.journal import MessageDamaged
from peeklock.types import NO_LINK, NONCE_BYTES, LinkId, Millis, UnixMs

# The same outcomes as they were given, as far as anybody has to know.
STATES: Final[dict[Verdict, DeliveryState]] = {
    Verdict.COMPLETE: ACCEPTED,
    Verdict.RELEASE: RELEASED,
    Verdict.ABANDON: Modified(delivery_failed=True),
    Verdict.DEFER: Modified(undeliverable_here=True),
    Verdict.DEAD_LETTER: Rejected(None),
}
UNSETTLED_STATE: Final = 2  # §3.5.5
SETTLED_BY_SENDER: Final = 1  # snd-settle-mode settled (§2.8.2)
SECOND: Final = 1  # rcv-settle-mode (§2.8.3)


@final
class KeptIntake:
    """A recoverable link on which a peer sends."""

    def __init__(self, kept: KeptLink, target: Target, max_message_size: int) -> None:
        self.kept: Final = kept
        self.target: Final = target  # of our attach, to come
        self.max_message_size: Final = max_message_size
        self.tags: Final[dict[int, bytes]] = {}  # not settled yet, by delivery-id
        self.settled: list[bytes] = []  # by the sender; to be forgotten
        self.stale: Final[set[bytes]] = set()  # accepted before this attach, not settled since
        self.only_resumes = False  # we did not say all: new deliveries must wait (§2.7.3)

    def room(self) -> int:
        """How many more deliveries it may have under way."""
        return max(1, AMQP_SENDER_CREDIT - len(self.stale) - len(self.tags))


@final
class KeptOutlet:
    """A recoverable link on which a peer receives, as long as there is something to resume."""

    def __init__(
        self, comeback: Comeback, source: Source | None, max_message_size: int
    ) -> None:
        self.comeback: Final = comeback
        self.source: Final = source  # of our attach, to come
        self.max_message_size: Final = max_message_size
        self.tags: Final[list[bytes]] = []  # to be resumed, in order
        self.open_tags: Final[set[bytes]] = set()  # those that the peer has no outcome for
        self.only_resumes = False  # the peer did not say all: it wants nothing new (§2.7.3)


@final
class LinkKeeper:
    """One connection's recoverable links."""

    def __init__(self, engine: Engine, desk: LinkDesk, peer: Peer) -> None:
        self.container_id = ""  # of the peer's open
        self._engine: Final = engine
        self._desk: Final = desk
        self._peer: Final = peer
        self._intakes: Final[dict[Link, KeptIntake]] = {}
        self._outlets: Final[dict[Link, KeptOutlet]] = {}
        self._link_ids: Final[dict[Link, LinkId]] = {}
        self._news: Final[list[KeptIntake]] = []  # with deliveries to be forgotten

    # ---- attaching

    def attach_intake(
        self,
        link: ReceiverLink,
        entity: Queue | Topic,
        target: Target,
        max_message_size: int,
        user: str,
        now: UnixMs,
    ) -> KeptIntake | None:
        """A peer that wants to send; None: on a plain link. Its attach is answered later."""
        lifetime_ms = lifetime_of(link)
        if not lifetime_ms:
            return None
        theirs = unsettled_of(link)
        kept = self._desk.attach_sender(
            self._peer,
            link,
            LinkKey(user, self.container_id, link.name, is_sender=True),
            entity,
            lifetime_ms,
            set(theirs) if says_all(link) else None,
            now,
        )
        answer = replace(
            target,
            durable=UNSETTLED_STATE,
            expiry_policy="link-detach",
            timeout=lifetime_ms // 1000,
        )
        intake = KeptIntake(kept, answer, max_message_size)
        self._intakes[link] = intake
        self._link_ids[link] = kept.link_id
        return intake

    def attach_outlet(
        self, link: SenderLink, node: Node, user: str, now: UnixMs
    ) -> Receiver | None:
        """A peer that wants to receive; None: on a plain link. Its attach is answered later."""
        queue = node.queue
        source = node.source
        lifetime_ms = lifetime_of(link)
        if not lifetime_ms or queue is None or queue.sessions is not None or source is None:
            return None
        comeback = self._desk.attach_receiver(
            self._peer,
            link,
            LinkKey(user, self.container_id, link.name, is_sender=False),
            queue,
            node.wanted,
            lifetime_ms,
            claims_of(unsettled_of(link)),
            now,
            says_all=says_all(link),
        )
        answer = replace(
            source,
            durable=UNSETTLED_STATE,
            expiry_policy="link-detach",
            timeout=lifetime_ms // 1000,
        )
        attach = link.remote_attach
        size = attach.max_message_size if attach is not None else None
        self._outlets[link] = KeptOutlet(comeback, answer, size or 0)
        self._link_ids[link] = comeback.receiver.link_id
        return comeback.receiver

    def on_ready(self, link: Link) -> None:
        """What we say of deliveries is durable: answer the attach."""
        intake = self._intakes.get(link)
        outlet = self._outlets.get(link)
        if isinstance(link, ReceiverLink) and intake is not None:
            self._answer_intake(link, intake)
        elif isinstance(link, SenderLink) and outlet is not None:
            self._answer_outlet(link, outlet)
            self._go_on(link, outlet)

    def _answer_intake(self, link: ReceiverLink, intake: KeptIntake) -> None:
        outcomes = intake.kept.outcomes
        link.resumable = outcomes
        intake.stale.update(outcomes)
        told_all = link.accept(
            source=link.source,
            target=intake.target,
            max_message_size=intake.max_message_size,
            unsettled=as_unsettled({tag: STATES[kept] for tag, kept in outcomes.items()}),
        )
        intake.only_resumes = not told_all
        link.grant(intake.room())

    def _answer_outlet(self, link: SenderLink, outlet: KeptOutlet) -> None:
        comeback = outlet.comeback
        states: dict[bytes, DeliveryState | None] = dict.fromkeys(comeback.held)
        for tag, verdict in comeback.outcomes.items():
            states[tag] = STATES[verdict]
        theirs = unsettled_of(link)
        outlet.tags.extend(tag for tag in theirs if tag in states)
        outlet.open_tags.update(
            tag for tag, state in theirs.items() if state is None or isinstance(state, Received)
        )
        outlet.only_resumes = not says_all(link)
        link.accept(
            source=outlet.source,
            target=link.target,
            max_message_size=outlet.max_message_size,
            unsettled=as_unsettled(states),
        )

    def on_detached(self, event: LinkDetached, now: UnixMs) -> bool:
        """Says whether the link was a recoverable one."""
        link = event.link
        link_id = self._link_ids.pop(link, NO_LINK)
        if link_id == NO_LINK:
            return False
        self.flush()
        self._intakes.pop(link, None)
        self._outlets.pop(link, None)
        # Only its peer ends it for good: after a mistake, or a token that ran out, it may come
        # again.
        stolen = event.error is not None and event.error.condition == STOLEN
        closed = event.closed and not stolen and link.state is LinkState.DETACHED
        self._desk.leave(link_id, link, now, closed=closed)
        return True

    def forget(self, link: Link, now: UnixMs) -> None:
        """Where it led to is gone."""
        link_id = self._link_ids.pop(link, NO_LINK)
        if link_id != NO_LINK:
            self._outlets.pop(link, None)
            self._desk.leave(link_id, link, now, closed=True)

    # ---- a peer that sends

    def take(
        self,
        link: ReceiverLink,
        intake: KeptIntake,
        event: MessageReceived,
        entity: Queue | Topic,
        given: list[Submission],
        now: UnixMs,
    ) -> None:
        """A new delivery, unsettled. Raises `BrokerError`."""
        self.flush()  # a tag may come again as soon as its delivery is settled
        kept = intake.kept
        if not self._desk.has(kept.link_id, link):
            return  # stolen: whoever has it now is told what is not here, and sends it again
        if intake.only_resumes:
            raise NotAllowed(
                "a new delivery on a link whose unsettled ones are not resumed yet"
            )
        intake.tags[event.delivery_id] = event.delivery_tag
        self._desk.take(
            self._peer,
            link,
            kept,
            event.delivery_id,
            event.delivery_tag,
            entity,
            given,
            now,
            until_settled=link.rcv_settle_mode == SECOND,
        )

    def answer(
        self, link: ReceiverLink, intake: KeptIntake, delivery_id: int, state: DeliveryState
    ) -> None:
        """Tell its outcome; rcv-settle-mode second: the sender settles first (§2.8.3)."""
        if link.rcv_settle_mode == SECOND:
            link.settle(delivery_id, state, settled=False)
            return
        intake.tags.pop(delivery_id, None)
        link.settle(delivery_id, state)
        self.top_up(link, intake)

    def on_settled(self, event: DeliverySettled) -> None:
        """The sender knows the outcome and has settled: we may forget it."""
        intake = self._intakes.get(event.link)
        if intake is None or not event.settled:
            return
        tag = intake.tags.pop(event.delivery_id, None)
        if tag is not None:
            self._note_settled(intake, tag)
        self.top_up(event.link, intake)

    def on_resumed(self, event: DeliveryResumed) -> bool:
        """A delivery that was accepted before, once more; says whether it is to be answered."""
        link = event.link
        intake = self._intakes.get(link)
        if intake is None:
            return False
        intake.stale.discard(event.delivery_tag)
        if event.settled:
            self._note_settled(intake, event.delivery_tag)
            self.top_up(link, intake)
            return False
        intake.tags[event.delivery_id] = event.delivery_tag
        return True

    def is_taken(self, intake: KeptIntake, event: MessageReceived) -> bool:
        """Is it one that was accepted before, which its sender should have resumed?

        Its tag is in our map, so it is no other delivery's (§2.6.12): it is not taken twice,
        but answered as one that is resumed.
        """
        if event.delivery_tag not in intake.stale:
            return False
        link, tag = event.link, event.delivery_tag
        if self.on_resumed(DeliveryResumed(link, event.delivery_id, tag, event.settled)):
            self._engine.accept_again(self._peer, link, event.delivery_id)
        return True

    def top_up(self, link: ReceiverLink, intake: KeptIntake) -> None:
        """Credit comes back with the answers, in mode second with the sender's settling."""
        room = intake.room()
        if link.credit * 2 <= room:
            link.grant(room)

    def _note_settled(self, intake: KeptIntake, tag: bytes) -> None:
        if not intake.settled:
            self._news.append(intake)
        intake.settled.append(tag)

    def flush(self) -> None:
        """Forget what was settled since the last time, by one append a link."""
        if not self._news:
            return
        for intake in self._news:
            self._desk.forget(intake.kept, intake.settled)
            intake.settled = []
        self._news.clear()

    # ---- a peer that receives

    def on_credit(self, event: CreditReceived, receiver: Receiver) -> None:
        """First what is to be resumed, then new deliveries."""
        link = event.link
        outlet = self._outlets.get(link)
        if outlet is not None:
            self._go_on(link, outlet)
        else:
            link.available = receiver.available_count()
            credit = receiver.left_of(event.credit)
            self._engine.set_credit(receiver, credit, draining=event.drain)

    def _go_on(self, link: SenderLink, outlet: KeptOutlet) -> None:
        while link.is_attached and outlet.tags and link.credit > 0:
            tag = outlet.tags.pop(0)
            self._resume(link, outlet.comeback, tag, is_open=tag in outlet.open_tags)
        if not link.is_attached or outlet.tags:
            return
        receiver = outlet.comeback.receiver
        if not outlet.only_resumes:
            del self._outlets[link]
            link.available = receiver.available_count()
            self._engine.set_credit(receiver, link.credit, draining=link.draining)
        elif link.draining:
            link.drained()

    def _resume(
        self, link: SenderLink, comeback: Comeback, tag: bytes, *, is_open: bool
    ) -> None:
        """§2.6.13: an outcome with its settlement, or the whole message again.

        `is_open`: the peer may wait for the message. Where there is an outcome none comes.
        """
        verdict = comeback.outcomes.get(tag)
        if verdict is not None:
            state = STATES[verdict]
            link.resume(tag, b"", settled=True, state=state, aborted=is_open)
            return
        queue = comeback.receiver.queue
        entry = queue.entries.get(comeback.held[tag])
        if entry is None or entry.lock is None or not tag.startswith(entry.lock.nonce):
            return  # its lock has run out since: it is ignored, and its settling refused
        try:
            message = self._engine.message_of(entry)
        except MessageDamaged:
            self._engine.give_up(queue, entry, tag[:NONCE_BYTES])
            return
        payload = delivery_payload(entry, message, entry.lock.until)
        link.resume(tag, payload, settled=False, state=None)


def lifetime_of(link: Link) -> Millis:
    """How long a link is remembered while nobody has it; 0: it is none to be remembered.

    A peer asks by a terminus that is durable, or expires never or after a time: one that
    receives by its source, one that sends by either. Settle modes do not ask: Service Bus' SDK
    for Python says unsettled and second on every link, and never settles what it sends.
    """
    termini: list[Source | Target] = []
    if link.source is not None:
        termini.append(link.source)
    if not link.is_sender:
        if isinstance(link.target, Target):
            termini.append(link.target)
        if link.snd_settle_mode == SETTLED_BY_SENDER:
            return Millis(0)
    longest = max((terminus.timeout for terminus in termini), default=0)
    if longest:
        return min(Millis(longest * 1000), KEPT_LINK_LIFETIME_MAX)
    for terminus in termini:
        if terminus.durable or terminus.expiry_policy == "never":
            return KEPT_LINK_LIFETIME_DEFAULT
    return Millis(0)


def says_all(link: Link) -> bool:
    attach = link.remote_attach
    return attach is None or not attach.incomplete_unsettled


def unsettled_of(link: Link) -> dict[bytes, DeliveryState | None]:
    """What the peer's attach says of its deliveries; raises `InvalidRequest`."""
    attach = link.remote_attach
    try:
        return read_unsettled(attach.unsettled if attach is not None else None)
    except ProtocolViolation as violation:
        raise InvalidRequest(str(violation)) from violation


def claims_of(unsettled: dict[bytes, DeliveryState | None]) -> Claims:
    """What a receiver wants done. Part of a message is given back: it is sent anew, whole."""
    claims: Claims = {}
    for tag, state in unsettled.items():
        claim = None if state is None else disposition_of(state)
        if isinstance(state, Received):
            claim = RELEASE
        claims[tag] = claim
    return claims
