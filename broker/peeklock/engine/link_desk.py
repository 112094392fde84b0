"""Recoverable links: who has which, and what happens when one comes again (AMQP 1.0 §2.6.13).

What is remembered of them is in `KeptLinks`, by facts; who has one at this moment is here, and
goes with the process. An attach is answered by an effect, `LinkReady`: what the broker says of
deliveries is durable by then.
"""

from typing import Final, TypeAlias, final

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import LinkReady, LinkStolen, Peer
from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import RELEASE, Disposition, Verdict
from peeklock.entities.facts import LinkOpened
from peeklock.entities.kept_links import SESSION_LINK, KeptLink, LinkKey, opened
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import BrokerError, InvalidRequest, QuotaExceeded
from peeklock.filters.filter import Filter
from peeklock.limits import KEPT_DELIVERIES_MAX
from peeklock.types import LinkId, Millis, QueueId, SequenceNumber, UnixMs

# What a receiver says of its unsettled deliveries, by tag: the outcome that it has given, or
# none yet.
Claims: TypeAlias = dict[bytes, Disposition | None]


@final
class Holder:
    """Who has a recoverable link now."""

    __slots__ = ("link", "peer", "receiver")

    def __init__(self, peer: Peer, link: object, receiver: Receiver | None) -> None:
        self.peer: Final = peer
        self.link: Final = link
        self.receiver: Final = receiver


@final
class Comeback:
    """A receiver on a recoverable link, and what the broker knows of its deliveries."""

    __slots__ = ("held", "outcomes", "receiver")

    def __init__(
        self,
        receiver: Receiver,
        outcomes: dict[bytes, Verdict],
        held: dict[bytes, SequenceNumber],
    ) -> None:
        self.receiver: Final = receiver
        self.outcomes: Final = outcomes  # settled here; the receiver has not heard of it
        self.held: Final = held  # still locked for it


@final
class LinkDesk:
    """All recoverable links of one broker."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._holders: Final[dict[LinkId, Holder]] = {}

    # ---- links come and go

    def attach_sender(
        self,
        peer: Peer,
        link: object,
        key: LinkKey,
        entity: Queue | Topic,
        lifetime_ms: Millis,
        unsettled: set[bytes] | None,
        now: UnixMs,
    ) -> KeptLink:
        """A peer that sends has come, perhaps again; `LinkReady` follows.

        What is not `unsettled` at its end it has settled; None: it does not say.
        """
        entity_id = entity.queue_id if isinstance(entity, Queue) else entity.topic_id
        kept = self._open(key, entity_id, lifetime_ms, now)
        self._forget_settled(kept, unsettled)
        self._holders[kept.link_id] = Holder(peer, link, None)
        self._answer(peer, link)
        return kept

    def attach_receiver(
        self,
        peer: Peer,
        link: object,
        key: LinkKey,
        queue: Queue,
        wanted: Filter | None,
        lifetime_ms: Millis,
        claims: Claims,
        now: UnixMs,
        *,
        says_all: bool,
    ) -> Comeback:
        """A peer that receives has come, perhaps again; `LinkReady` follows.

        What it has given an outcome is settled now. What it does not know of is free again,
        unless it has not said all that it knows.
        """
        queue.check_handing_out()
        kept = self._open(key, queue.queue_id, lifetime_ms, now)
        self._forget_settled(kept, set(claims) if says_all else None)
        held = self._held_tokens(queue, kept, now)
        chosen: dict[Disposition, list[bytes]] = {}
        for tag in list(held):
            claim = claims.get(tag)
            if claim is not None:
                chosen.setdefault(claim, []).append(tag)
        for disposition, tags in chosen.items():
            deliveries = [(tag, held[tag]) for tag in tags]
            if self._settle(kept, queue, deliveries, disposition, now):
                for tag in tags:
                    del held[tag]
        unknown = [held.pop(tag) for tag in list(held) if tag not in claims and says_all]
        if unknown:
            self._engine.commit(queue, queue.settle(unknown, RELEASE, now), now)
        receiver = self._engine.attach(peer, link, queue, ReceiveMode.PEEK_LOCK, wanted)
        receiver.link_id = kept.link_id
        self._holders[kept.link_id] = Holder(peer, link, receiver)
        self._answer(peer, link)
        known = {tag: verdict for tag, verdict in kept.outcomes.items() if tag in claims}
        return Comeback(receiver, known, held)

    def leave(self, link_id: LinkId, link: object, now: UnixMs, *, closed: bool) -> None:
        """The link is gone: for good, or it may come again."""
        holder = self._holders.get(link_id)
        if holder is None or holder.link is not link:
            return  # it was stolen
        del self._holders[link_id]
        if holder.receiver is not None:
            self._engine.detach(holder.receiver, now, keep=True)
        kept = self._engine.namespace.links.by_id.get(link_id)
        if kept is None:
            return  # its entity was deleted
        if closed:
            self._engine.close_link(kept, now)
        else:
            self._engine.commit_facts([self._engine.namespace.links.suspend(kept, now)])

    def has(self, link_id: LinkId, link: object) -> bool:
        """Is it still this link's, and not stolen by another?"""
        holder = self._holders.get(link_id)
        return holder is not None and holder.link is link

    # ---- deliveries of senders

    def take(
        self,
        peer: Peer,
        link: object,
        kept: KeptLink,
        delivery_id: int,
        tag: bytes,
        entity: Queue | Topic,
        given: list[Submission],
        now: UnixMs,
        *,
        until_settled: bool,
    ) -> None:
        """Take a delivery's messages and remember, by the same append, that they were taken.

        `until_settled`: what the sender has not settled is not given up for newer ones; raises
        `QuotaExceeded` when it leaves too many so.
        """
        links = self._engine.namespace.links
        if until_settled and len(kept.outcomes) >= KEPT_DELIVERIES_MAX:
            raise QuotaExceeded(f"{KEPT_DELIVERIES_MAX} accepted deliveries wait to be settled")
        beside = links.keep(kept, [tag], Verdict.COMPLETE)
        self._engine.send_all(
            peer, link, delivery_id, entity, given, now, settled=False, beside=beside
        )

    def forget(self, kept: KeptLink, tags: list[bytes]) -> None:
        """The sender has settled these."""
        facts = self._engine.namespace.links.forget(kept, tags)
        if facts:
            self._engine.commit_facts(facts)

    # ---- helpers

    def _open(
        self, key: LinkKey, entity_id: QueueId, lifetime_ms: Millis, now: UnixMs
    ) -> KeptLink:
        """The link of before, taken from whoever has it; or a new one."""
        links = self._engine.namespace.links
        if key.name == SESSION_LINK:
            raise InvalidRequest(f"no recoverable link can have the name {SESSION_LINK!r}")
        found = links.find(key)
        if found is not None:
            self._steal(found, now)
            if found.entity_id != entity_id:  # it leads elsewhere now: another link (§2.6.3)
                self._engine.close_link(found, now)
                found = None
        fact: LinkOpened = (
            links.open(key, entity_id, lifetime_ms)
            if found is None
            else opened(found.link_id, key, entity_id, lifetime_ms)
        )
        self._engine.commit_facts([fact])
        return links.by_id[fact.link_id]

    def _steal(self, found: KeptLink, now: UnixMs) -> None:
        holder = self._holders.pop(found.link_id, None)
        if holder is None:
            return
        if holder.receiver is not None:
            self._engine.detach(holder.receiver, now, keep=True)
        self._engine.outbox.hold(self._engine.journal.end, LinkStolen(holder.peer, holder.link))

    def _forget_settled(self, kept: KeptLink, unsettled: set[bytes] | None) -> None:
        if unsettled is not None:
            self.forget(kept, [tag for tag in kept.outcomes if tag not in unsettled])

    def _held_tokens(
        self, queue: Queue, kept: KeptLink, now: UnixMs
    ) -> dict[bytes, SequenceNumber]:
        held: dict[bytes, SequenceNumber] = {}
        for number in queue.held_for(kept.link_id):
            entry = queue.entries[number]
            if entry.lock is not None and entry.lock.until > now:
                held[bytes(token_of(entry))] = number
        return held

    def _settle(
        self,
        kept: KeptLink,
        queue: Queue,
        deliveries: list[tuple[bytes, SequenceNumber]],
        disposition: Disposition,
        now: UnixMs,
    ) -> bool:
        """Settle, and remember that it was done, by one append.

        Says whether it was: what is refused stays held, so its receiver says it again, and is
        told why.
        """
        numbers = [number for _tag, number in deliveries]
        try:
            facts = self._engine.relay.settled(queue, numbers, disposition, now)
        except BrokerError:
            return False
        tags = [tag for tag, _number in deliveries]
        facts = facts + self._engine.namespace.links.keep(kept, tags, disposition.verdict)
        self._engine.commit_facts(facts)
        return True

    def _answer(self, peer: Peer, link: object) -> None:
        self._engine.outbox.hold(self._engine.journal.end, LinkReady(peer, link))
