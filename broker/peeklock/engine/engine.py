"""The engine: one method a verb. Every change of the broker's state goes through `_commit`.

The owner calls verbs as requests come in, `turn` once after each batch of them, `tick` when
`next_deadline` says, and hands `take_effects` out after each of these and after each sync.
Nothing here blocks, sleeps or knows a protocol.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final, NoReturn, cast, final

from peeklock.clock import IdSource
from peeklock.engine.alarms import Alarms
from peeklock.engine.dispatch import Line, ReceiveMode, Receiver, select_shown, within_bytes
from peeklock.engine.effects import (
    Accepted,
    Deliver,
    Drained,
    Effect,
    EntityChanged,
    Overheard,
    Peer,
    ReceiverEnded,
    Refused,
    Replied,
    Settled,
    SettleRefused,
    Signalled,
)
from peeklock.engine.idling import Idling
from peeklock.engine.last_value_desk import LastValueDesk
from peeklock.engine.outbox import Outbox
from peeklock.engine.relay import Relay
from peeklock.engine.selector import MessageSelector
from peeklock.engine.session_desk import SessionDesk
from peeklock.entities.arrivals import Arrivals
from peeklock.entities.derivation_facts import (
    DerivationCreated,
    DerivationDeleted,
    DerivationUpdated,
)
from peeklock.entities.dispositions import RELEASE, Disposition
from peeklock.entities.facts import (
    UNNUMBERED,
    Cause,
    Enqueued,
    Fact,
    HeldFor,
    LinkClosed,
    QueueCreated,
    QueueDeleted,
    QueueUpdated,
    Removed,
    Rewritten,
    RuleCreated,
    RuleDeleted,
    SubscriptionCreated,
    TopicCreated,
    TopicDeleted,
    TopicUpdated,
)
from peeklock.entities.kept_links import KeptLink
from peeklock.entities.message_session import MessageSession
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import LOCKED, READY, WAITING, Entry
from peeklock.entities.session_verbs import (
    receive_deferred_in_session,
    receive_in_session,
    sessions_of,
)
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import (
    BrokerError,
    DeliveryTooLarge,
    DiskFull,
    EntityDisabled,
    LockLost,
    NotAllowed,
    NotFound,
)
from peeklock.filters.filter import Filter, TrueFilter
from peeklock.limits import (
    AMQP_BACKLOG_BYTES_MAX,
    DERIVATION_RUN_MAX,
    DISPATCH_RUN_MAX,
    FORWARD_RETRY,
    FORWARD_RUN_MAX,
)
from peeklock.message import Message
from peeklock.store.journal import Journal, MemoryBehindJournal
from peeklock.types import (
    BY_TIME,
    NEVER,
    NO_LINK,
    NONCE_BYTES,
    NOWHERE,
    LinkId,
    LockToken,
    Lsn,
    Millis,
    QueueId,
    SequenceNumber,
    SessionId,
    UnixMs,
    soonest,
)

# Facts by which an entity comes or changes.
CHANGES: Final = (
    QueueCreated,
    QueueUpdated,
    SubscriptionCreated,
    RuleCreated,
    RuleDeleted,
    TopicCreated,
    TopicUpdated,
    DerivationCreated,
    DerivationUpdated,
    DerivationDeleted,
)


@final
class Engine:
    """All entities of one broker, the journal behind them, and who is served."""

    def __init__(
        self,
        journal: Journal,
        namespace: Namespace,
        ids: IdSource,
        end_process: Callable[[MemoryBehindJournal], None] | None = None,
    ) -> None:
        """`end_process` does so and does not return; without it, an exception goes up."""
        self.journal: Final = journal
        self.namespace: Final = namespace
        self.ids: Final = ids
        self._end_process: Final = end_process
        self.relay: Final = Relay(namespace, journal)
        self.last_values: Final = LastValueDesk(namespace, self.commit_facts)
        self._idling: Final = Idling(namespace)
        self.outbox: Final = Outbox()
        self.alarms: Final = Alarms()
        self.draining = False  # shutting down: no new work is taken
        self.sessions_lapsed = 0  # of MQTT, whose client did not come back in time
        self._lines: Final[dict[QueueId, Line]] = {}
        self._topics_accessed: Final[dict[QueueId, UnixMs]] = {}  # when each was sent to
        # Who wants a topic's messages live.
        self._followers: Final[dict[QueueId, tuple[Topic, set[Peer]]]] = {}
        self._watchers: Final[list[Peer]] = []  # who wants to know of queues that change
        self._started_at: UnixMs = NEVER
        self._dirty: list[Line] = []
        self._deadlines: Final[list[tuple[UnixMs, QueueId]]] = []
        self._desk: Final = SessionDesk(journal, ids, self.outbox, self._record, self._hand_out)

    # ---- what senders ask

    def send(
        self,
        peer: Peer,
        link: object,
        delivery_id: int,
        entity: Queue | Topic,
        given: Submission,
        now: UnixMs,
        *,
        settled: bool,
    ) -> None:
        """Take a message. The answer, if the sender waits for one, is an effect."""
        try:
            self.check_sending(entity)
            if isinstance(entity, Queue) and entity.is_plain:
                lsn = self._commit(entity, entity.send(given, now))
            else:
                lsn = self._send_along(entity, [given], now)
        except BrokerError as error:
            if not settled:
                self._refuse(Refused(peer, link, delivery_id, error))
            return
        if not settled:
            self.outbox.hold(lsn, Accepted(peer, link, delivery_id))

    def send_all(
        self,
        peer: Peer,
        link: object,
        delivery_id: int,
        entity: Queue | Topic,
        given: list[Submission],
        now: UnixMs,
        *,
        settled: bool,
        beside: Sequence[Fact] = (),
    ) -> None:
        """Take all messages of one delivery, or none of them; they have one answer.

        `beside` is of the same append: what else becomes so when they are taken.
        """
        try:
            self.check_sending(entity)
            lsn = self._send_along(entity, given, now, beside=beside)
        except BrokerError as error:
            if not settled:
                self._refuse(Refused(peer, link, delivery_id, error))
            return
        if not settled:
            self.outbox.hold(lsn, Accepted(peer, link, delivery_id))

    def _send_along(
        self,
        entity: Queue | Topic,
        given: list[Submission],
        now: UnixMs,
        *,
        number_all: bool = False,
        beside: Sequence[Fact] = (),
    ) -> Lsn:
        """To wherever they end up. Raises what refuses one of them."""
        arrivals = Arrivals()
        facts = self.relay.sent([(entity, given)], now, arrivals, number_all=number_all)
        self.relay.tell(arrivals)
        self.note_use(arrivals, now)
        self.note_access(entity, now)
        return self._fan_out([*facts, *beside])

    def follow(self, peer: Peer, topic: Topic) -> None:
        """From now on `peer` has each message that the topic takes, as `Signalled`."""
        self._followers.setdefault(topic.topic_id, (topic, set()))[1].add(peer)
        topic.is_followed = True

    def unfollow(self, peer: Peer, topic: Topic) -> None:
        """It has no more of them."""
        followed = self._followers.get(topic.topic_id)
        if followed is None:
            return
        followed[1].discard(peer)
        if not followed[1]:
            del self._followers[topic.topic_id]
            topic.is_followed = False

    def note_use(self, arrivals: Arrivals, now: UnixMs) -> None:
        """These entities were sent to."""
        self._idling.use_all(arrivals.loads, now)

    def note_access(self, entity: Queue | Topic, now: UnixMs) -> None:
        """It was sent to. A queue's numbers say so themselves, once a turn; a topic that
        nobody takes anything from has none."""
        if isinstance(entity, Topic):
            self._topics_accessed[entity.topic_id] = now

    def accept_again(self, peer: Peer, link: object, delivery_id: int) -> None:
        """A delivery was taken before, and its sender has not heard so: tell it again."""
        self.outbox.hold(self.journal.end, Accepted(peer, link, delivery_id))

    def _refuse(self, refused: Refused) -> None:
        """Behind all that it may rest on, but not behind a disk that has no room for it."""
        if isinstance(refused.error, DiskFull):
            self.outbox.release_now(refused)
        else:
            self.outbox.hold(self.journal.end, refused)

    def enqueue(
        self, queue: Queue, given: list[Submission], now: UnixMs
    ) -> list[SequenceNumber]:
        """Take several messages, all or none; raises `BrokerError`.

        Returns the queue's number of each, kept or passed on; UNNUMBERED of a duplicate.
        """
        self.check_sending(queue)
        fresh = fresh_of(queue, given, now)
        first = queue.next_number
        self._send_along(queue, given, now)
        return numbered(first, fresh)

    def publish(
        self, topic: Topic, given: list[Submission], now: UnixMs
    ) -> list[SequenceNumber]:
        """Send several messages to a topic, all or none; raises `BrokerError`.

        Returns the topic's number of each, taken or not; UNNUMBERED of a duplicate.
        """
        self.check_sending(topic)
        fresh = fresh_of(topic, given, now)
        first = topic.next_number
        self._send_along(topic, given, now, number_all=True)
        return numbered(first, fresh)

    def unpublish(self, topic: Topic, numbers: list[SequenceNumber]) -> None:
        """Take back all copies of messages that are not due yet; raises `MessageNotFound`."""
        self.commit_facts(topic.cancel_scheduled(numbers))

    def check_sending(self, entity: Queue | Topic) -> None:
        """Raises `EntityDisabled` and `DiskFull`: nothing is taken now; and `NotFound`."""
        if self.draining:
            raise EntityDisabled(
                "the broker is shutting down; send it again elsewhere or later"
            )
        if not self.journal.has_room:
            raise DiskFull(
                "the broker's disk is nearly full; receiving and settling still work"
            )
        if not self.namespace.has_entity(entity):  # a link may outlive what it leads to
            raise NotFound(entity.path)

    # ---- what receivers ask

    def attach(
        self,
        peer: Peer,
        link: object,
        queue: Queue,
        mode: ReceiveMode,
        wanted: Filter | None = None,
    ) -> Receiver:
        """A receiver, without credit yet; of what `wanted` takes, or of everything.

        Raises `EntityDisabled`; looking is allowed. Raises `NotAllowed` for a queue whose
        messages are had by `seek_session` only.
        """
        if mode is not ReceiveMode.BROWSE:
            queue.check_handing_out()
            if queue.sessions is not None:
                raise NotAllowed(f"{queue.path!r} hands out message sessions: ask for one")
        receiver = Receiver(peer, link, queue, mode)
        line = self._line(queue)
        line.add(receiver)
        if wanted is not None and not isinstance(wanted, TrueFilter):
            line.select(receiver, MessageSelector(wanted, self.namespace.lens, self.journal))
        return receiver

    def seek_session(
        self,
        peer: Peer,
        link: object,
        queue: Queue,
        mode: ReceiveMode,
        session_id: SessionId | None,
        patience: Millis,
        now: UnixMs,
    ) -> Receiver:
        """A receiver of one message session: this one, or the next free one within `patience`.

        The answer is `SessionGranted` or `SessionRefused`; it wants no credit before. Raises
        `NotAllowed` where there are no sessions, `EntityDisabled`.
        """
        sessions_of(queue)
        queue.check_handing_out()
        line = self._line(queue)
        at = queue.next_deadline()
        if at != NEVER and at <= now:
            self._let_time_pass(line, now)  # the session's last lock may have run out
        receiver = Receiver(peer, link, queue, mode)
        self._desk.seek(line, receiver, session_id, patience, now)
        self._mark(line)
        return receiver

    def holder_of(self, queue: Queue, session_id: SessionId) -> Receiver | None:
        """Who has this message session."""
        line = self._lines.get(queue.queue_id)
        if line is None or line.session_line is None:
            return None
        return line.session_line.holders.get(session_id)

    def set_credit(self, receiver: Receiver, credit: int, *, draining: bool) -> None:
        """How many more deliveries it wants, beside those on their way to it (`left_of`).

        It is served in this turn.
        """
        receiver.credit = credit
        receiver.draining = draining
        self._look_at(receiver)

    def set_blocked(self, receiver: Receiver, blocked: bool) -> None:
        """Its connection has too much under way, or has caught up again."""
        if receiver.blocked != blocked:
            receiver.blocked = blocked
            if not blocked:
                self._look_at(receiver)

    def _look_at(self, receiver: Receiver) -> None:
        line = self._line(receiver.queue)
        if line.session_line is not None:
            line.session_line.notice(receiver)
        self._mark(line)

    def detach(self, receiver: Receiver, now: UnixMs, *, keep: bool = False) -> None:
        """It is gone: what it holds is free at once, and no attempt is counted.

        With `keep` that stays locked: for its recoverable link, or until its time is over.
        """
        if receiver.closed:
            return
        receiver.closed = True
        queue = receiver.queue
        line = self._lines.get(queue.queue_id)
        if line is None:
            return  # the queue was deleted before
        self._use(queue, now)
        if line.session_line is not None and receiver.mode is not ReceiveMode.BROWSE:
            facts = self._desk.leave(line, receiver, now)
            if facts:
                self._commit(queue, facts)
            return
        line.remove(receiver)
        held = [] if keep else receiver.held_numbers()
        if held:
            self._commit(queue, queue.settle(held, RELEASE, now))

    def settle(
        self,
        receiver: Receiver,
        first_delivery_id: int,
        tokens: list[LockToken],
        disposition: Disposition,
        outcome: object,
        now: UnixMs,
        *,
        settled: bool,
    ) -> None:
        """Settle a run of deliveries; `settled` says that the receiver awaits no answer."""
        queue = receiver.queue
        link = self.namespace.links.by_id.get(receiver.link_id)
        numbers: list[SequenceNumber] = []
        lost: list[tuple[int, BrokerError]] = []
        for place, token in enumerate(tokens):
            try:
                numbers.append(queue.held_by(token, now))
            except LockLost as error:
                if link is None or link.outcomes.get(token) is not disposition.verdict:
                    lost.append((place, error))  # else it is said again, and done already
        lsn = self.journal.end
        if numbers:
            try:
                facts = self.relay.settled(queue, numbers, disposition, now)
            except BrokerError as refusal:  # nothing is changed: they are held as before
                facts = []
                lost = with_refused(lost, tokens, numbers, refusal)
            if facts and link is not None and not settled:
                # It may miss the answer, and ask again.
                gone = {place for place, _error in lost}
                done = [bytes(t) for place, t in enumerate(tokens) if place not in gone]
                facts = facts + self.namespace.links.keep(link, done, disposition.verdict)
            lsn = self._commit(queue, facts)
        if settled:
            return
        self._answer_settle(receiver, first_delivery_id, len(tokens), lost, outcome, lsn)

    def _answer_settle(
        self,
        receiver: Receiver,
        first: int,
        count: int,
        lost: list[tuple[int, BrokerError]],
        outcome: object,
        lsn: Lsn,
    ) -> None:
        """One effect a stretch between lost ones, one for each lost one."""
        peer = receiver.peer
        link = receiver.link
        done = 0
        for place, error in lost:
            if place > done:
                self.outbox.hold(lsn, Settled(peer, link, first + done, place - done, outcome))
            self.outbox.hold(lsn, SettleRefused(peer, link, first + place, error))
            done = place + 1
        if count > done:
            self.outbox.hold(lsn, Settled(peer, link, first + done, count - done, outcome))

    def settle_tokens(
        self, queue: Queue, tokens: list[LockToken], disposition: Disposition, now: UnixMs
    ) -> None:
        """Settle from outside a link (a management node): all, or `LockLost` and none."""
        self._use(queue, now)
        numbers = [queue.held_by(token, now) for token in tokens]
        self._commit(queue, self.relay.settled(queue, numbers, disposition, now))

    def renew(self, queue: Queue, tokens: list[LockToken], now: UnixMs) -> list[UnixMs]:
        """Longer locks; returns until when. All, or `LockLost` and none."""
        self._use(queue, now)
        facts: list[Fact] = []
        for token in tokens:
            facts.extend(queue.renew(token, now))
        self._commit(queue, facts)
        return [UnixMs(now + queue.settings.lock_duration_ms)] * len(tokens)

    def receive_deferred(
        self,
        queue: Queue,
        numbers: list[SequenceNumber],
        now: UnixMs,
        *,
        delete: bool,
        holder: Receiver | None = None,
        link_id: LinkId = NO_LINK,
    ) -> list[Entry]:
        """Deferred messages by number, locked or, with `delete`, taken for good.

        Those of a message session are for its `holder` only. `link_id` says what the locks
        outlast, as a receiver's does.
        """
        self._use(queue, now)
        entries = [queue.entries[number] for number in numbers if number in queue.entries]
        if holder is None or holder.session_id is None:
            facts = queue.receive_deferred(numbers, self.ids.nonce(), now)
        else:
            facts = receive_deferred_in_session(
                queue, holder.session_id, holder.session_nonce, numbers, now
            )
        if delete:
            facts = [Removed(queue.queue_id, numbers, Cause.RECEIVED)]
        elif link_id != NO_LINK:
            facts.append(HeldFor(queue.queue_id, numbers, link_id))
        self._commit(queue, facts)
        return entries

    # ---- what operators ask

    def commit(self, queue: Queue, facts: list[Fact], now: UnixMs) -> Lsn:
        """Facts that a verb of `queue` decided, with the moves that follow from them."""
        self._use(queue, now)
        return self._commit(queue, self.relay.with_moves(queue, facts, now))

    def commit_facts(self, facts: list[Fact]) -> Lsn:
        """Facts of several entities, as one append: all of them, or none."""
        lsn = self.journal.append(facts)
        try:
            for fact in facts:
                self._apply_elsewhere(fact, lsn)
        except Exception as error:  # noqa: BLE001 (whatever it is, memory is behind)
            self._end_behind(error)
        self._tell_news(lsn)
        return lsn

    def commit_registry(self, facts: list[Fact]) -> Lsn:
        """Facts about which queues there are."""
        lsn = self.journal.append(facts)
        try:
            for fact in facts:
                self.namespace.apply(fact)
                if isinstance(fact, CHANGES):
                    self._idling.on_change(fact.queue_id)
                elif isinstance(fact, TopicDeleted):
                    self._topics_accessed.pop(fact.queue_id, None)
        except Exception as error:  # noqa: BLE001 (whatever it is, memory is behind)
            self._end_behind(error)
        self._end_orphans()
        self._tell_watchers(facts, lsn)
        return lsn

    def watch(self, peer: Peer) -> None:
        """From now on `peer` hears of queues and subscriptions that change or go, or push."""
        self._watchers.append(peer)

    def _tell_watchers(self, facts: list[Fact], lsn: Lsn) -> None:
        for fact in facts:
            if isinstance(fact, (QueueCreated, SubscriptionCreated)):
                is_news = fact.settings.push.to != ""
            else:
                is_news = isinstance(fact, (QueueUpdated, QueueDeleted))
            if is_news:
                for peer in self._watchers:
                    self.outbox.hold(lsn, EntityChanged(peer, fact.queue_id))

    def refresh(self, queue: Queue) -> None:
        """Its settings changed: look at its receivers in this turn."""
        line = self._line(queue)
        line.forward_at = NEVER
        if line.session_line is not None:
            line.session_line.notice_all()
        self._mark(line)

    def reply(self, peer: Peer, reply: object) -> None:
        """Answer a management request when all before it is durable."""
        self.outbox.hold(self.journal.end, Replied(peer, reply))

    def receivers_of(self, queue: Queue) -> list[Receiver]:
        line = self._lines.get(queue.queue_id)
        return line.everybody() if line is not None else []

    def accessed_at(self, entity: Queue | Topic) -> UnixMs:
        """When it was last made, sent to, or received from; looking does not count.

        Nothing of it is recorded, so it is the start of the broker at least: that is the latest
        that it can have been before. Of sends the turn is told, of deliveries each run.
        """
        if isinstance(entity, Topic):
            at = self._topics_accessed.get(entity.topic_id, NEVER)
        else:
            line = self._lines.get(entity.queue_id)
            at = NEVER if line is None else line.accessed_at
        return max(at, entity.created_at, self._started_at)

    def is_held(self) -> bool:
        """Does any receiver that is there still hold a message?"""
        held = sum(queue.counts[LOCKED] for queue in self.namespace.by_id.values())
        return held > self._held_for_absent()

    def _held_for_absent(self) -> int:
        """How many messages wait for recoverable links that nobody has now, or for time."""
        count = sum(
            len(queue.held_for(BY_TIME))
            for queue in self.namespace.by_id.values()
            if queue.counts[LOCKED]
        )
        for link in self.namespace.links.by_id.values():
            queue = self.namespace.by_id.get(link.entity_id)
            if link.until != NEVER and queue is not None and not link.key.is_sender:
                count += len(queue.held_for(link.link_id))
        return count

    def message_of(self, entry: Entry) -> Message:
        """The message itself: from memory, or read back from the journal.

        Raises `MessageDamaged`, after which it is to be given up, and `OSError`.
        """
        message = entry.message
        return message if message is not None else self.journal.fetch(entry.body_at)

    def give_up(self, queue: Queue, entry: Entry, nonce: bytes) -> None:
        """Its bytes are damaged: out of the queue with it, unless another holds it.

        A message that nobody can have would otherwise stand before all others for good.
        """
        if queue.entries.get(entry.number) is not entry:
            return
        lock = entry.lock
        if lock is None or lock.nonce == nonce:
            self._commit(queue, [Removed(queue.queue_id, [entry.number], Cause.DAMAGED)])

    # ---- recoverable links (see link_desk.py)

    def close_link(self, link: KeptLink, now: UnixMs) -> None:
        """It is over: forgotten, and what it holds is free; an MQTT session's queue goes."""
        facts: list[Fact] = [LinkClosed(link.link_id)]
        if link.is_session:
            listener = self.namespace.listeners.by_queue.get(link.entity_id)
            shared = [] if listener is None else listener.shared
            self.commit_registry([*facts, QueueDeleted(link.entity_id)])
            self.end_empty_groups(shared)
            return
        queue = self.namespace.by_id.get(link.entity_id)
        if queue is not None and not link.key.is_sender:
            held = queue.held_for(link.link_id)
            if held:
                facts.extend(queue.settle(held, RELEASE, now))
        self.commit_facts(facts)

    def end_empty_groups(self, names: Iterable[str]) -> None:
        """Of MQTT sessions that shared one of these filters, where nobody has it any more."""
        facts = self.namespace.listeners.end_empty_groups(names)
        if facts:
            self.commit_registry(facts)

    # ---- turns and time

    def turn(self, now: UnixMs) -> bool:
        """Serve receivers of queues that changed; says whether there is more to do."""
        if self._idling.has_changes:
            self._idling.begin(now)
        dirty = self._dirty
        if not dirty:
            return False
        self._dirty = []
        for line in dirty:
            line.is_dirty = False
            line.note_sends(now)
            self._serve(line, now)
            self._note_deadline(line)
        return bool(self._dirty)

    @property
    def has_work(self) -> bool:
        """Would another turn do anything? What is told may lead to it, too."""
        return bool(self._dirty)

    def tick(self, now: UnixMs) -> None:
        """Let time do its work where a deadline has passed: one round a queue.

        What one round leaves over is due again at once, and others get their turn before it.
        """
        due: list[Line] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            at, queue_id = heappop(self._deadlines)
            line = self._lines.get(queue_id)
            if line is not None and line.deadline == at:
                line.deadline = NEVER
                due.append(line)
        for line in due:
            self._let_time_pass(line, now)
        for topic_id in self.namespace.waking.take(now):
            self._make_due_jobs(topic_id, now)
        for entity_id in self._idling.due(now):
            self._let_go(entity_id, now)
        if NEVER != self.namespace.expiring.first_at() <= now:
            self.last_values.expire(now)
        self.alarms.ring(now)  # before sessions end, whose wills are due then
        links = self.namespace.links
        if NEVER != links.next_deadline() <= now:
            for link in links.lapsed(now):
                self.sessions_lapsed += link.is_session
                self.close_link(link, now)
        self.turn(now)

    def _make_due_jobs(self, topic_id: QueueId, now: UnixMs) -> None:
        """Some of those whose time has come; each is an append of its own."""
        topic = self.namespace.topics_by_id.get(topic_id)
        if topic is None:
            return
        derivations = topic.derivations
        for name, key in derivations.take_due(now, DERIVATION_RUN_MAX):
            arrivals = Arrivals()
            try:
                facts = self.relay.due_job(topic, name, key, now, arrivals)
            except BrokerError:
                derivations.put_off(name, key, UnixMs(now + FORWARD_RETRY))
                continue
            self.note_use(arrivals, now)
            self._fan_out(facts)
        self.namespace.waking.note(derivations.next_wake(), topic_id)

    def _let_time_pass(self, line: Line, now: UnixMs) -> None:
        queue = line.queue
        woken = queue.wake(now)
        if line.forward_at != NEVER and line.forward_at <= now:
            line.forward_at = NEVER
            woken = True
        facts = queue.expire(now)
        if facts:
            self._commit(queue, self.relay.with_moves(queue, facts, now))
        elif woken:
            self._mark(line)
        if line.session_line is not None:
            self._desk.let_time_pass(line, facts, now)
        self._note_deadline(line)

    def next_deadline(self) -> UnixMs:
        """When `tick` next has work; NEVER when it has none."""
        first = self._deadlines[0][0] if self._deadlines else NEVER
        first = soonest(first, self.namespace.links.next_deadline())
        first = soonest(first, self.alarms.next_deadline())
        first = soonest(first, self.namespace.expiring.first_at())
        first = soonest(first, self.namespace.waking.first_at())
        return soonest(first, self._idling.next_deadline())

    def take_effects(self) -> list[Effect]:
        """What may be told now."""
        return self.outbox.release(self.journal.durable)

    def start(self, now: UnixMs) -> None:
        """After recovery: nobody is there; recoverable links may come back for what they hold.

        So locks of others end, temporary queues go.
        """
        self._started_at = now
        # Of those who were here, and kept nothing.
        self.end_empty_groups(self.namespace.listeners.groups)
        temporary = [queue for queue in self.namespace.queues() if queue.settings.temporary]
        for queue in temporary:
            self.commit_registry(self.namespace.delete(queue.path))
        links = self.namespace.links
        away: list[Fact] = [
            links.suspend(link, now) for link in links.by_id.values() if link.until == NEVER
        ]
        if away:
            self.commit_facts(away)
        for queue in list(self.namespace.by_id.values()):
            queue.tally.clear()
            recalled = queue.recall_locks(links.by_id)
            if recalled:
                self._commit(queue, self.relay.with_moves(queue, recalled, now))
            self._mark(self._line(queue))
            self._idling.on_change(queue.queue_id)
        for topic in self.namespace.topics():
            self._idling.on_change(topic.topic_id)
            topic.derivations.start(now)
        self.turn(now)

    # ---- entities that nobody uses

    def _use(self, queue: Queue, now: UnixMs) -> None:
        """Somebody has to do with it, or with its dead letters."""
        self._idling.use(queue.dead_letters_of or queue.queue_id, now)
        line = self._lines.get(queue.queue_id)
        if line is not None:
            line.accessed_at = now

    def _let_go(self, entity_id: QueueId, now: UnixMs) -> None:
        """Nobody has used it for as long as it allows: it goes, unless somebody has a hold."""
        topic = self.namespace.topics_by_id.get(entity_id)
        in_use = topic is not None and (
            self.namespace.keeps_sessions(topic) or bool(topic.derivations.by_name)
        )
        if topic is not None and not topic.subscriptions and not in_use:
            self.commit_registry(self.namespace.delete_topic(topic.path))
            return
        queue = self.namespace.by_id.get(entity_id)
        if queue is not None and not self._is_held(queue):
            self.commit_registry(self.namespace.delete(queue.path))
        else:
            self._idling.use_after_all(entity_id, now)

    def _is_held(self, queue: Queue) -> bool:
        """By receivers or scheduled messages, its own or those of its dead letters."""
        for one in (queue, self.namespace.dead_letters_of(queue)):
            line = self._lines.get(one.queue_id)
            if line is not None and line.everybody():
                return True
            if one.counts[LOCKED] or one.counts[WAITING]:
                return True
        return False

    # ---- the one way to change anything

    def _commit(self, queue: Queue, facts: list[Fact]) -> Lsn:
        """Record and obey; receivers of the queue are looked at in this turn."""
        line = self._line(queue)
        self._mark(line)
        return self._record(line, facts)

    def _record(self, line: Line, facts: list[Fact]) -> Lsn:
        """Journal, then apply, with nothing in between. Promises come after, in the outbox."""
        lsn = self.journal.append(facts)
        queue = line.queue
        try:
            for fact in facts:
                if fact.queue_id == queue.queue_id:
                    queue.apply(fact)
                    if isinstance(fact, (Enqueued, Rewritten)):
                        line.enqueued_lsn = lsn
                else:
                    self._apply_elsewhere(fact, lsn)
        except Exception as error:  # noqa: BLE001 (whatever it is, memory is behind)
            self._end_behind(error)
        self._tell_news(lsn)
        return lsn

    def _fan_out(self, facts: list[Fact]) -> Lsn:
        """Record and obey what a topic decided; most of it is about its subscriptions."""
        lsn = self.journal.append(facts)
        queues = self.namespace.by_id
        try:
            for fact in facts:
                queue = queues.get(fact.queue_id)
                if queue is None:
                    self.namespace.apply(fact)
                    continue
                queue.apply(fact)
                line = self._line(queue)
                if isinstance(fact, Enqueued):
                    line.enqueued_lsn = lsn
                self._mark(line)
        except Exception as error:  # noqa: BLE001 (whatever it is, memory is behind)
            self._end_behind(error)
        self._tell_news(lsn, is_recorded=bool(facts))
        return lsn

    def _tell_news(self, lsn: Lsn, *, is_recorded: bool = True) -> None:
        """What topics took by an append; behind it, so that nobody hears what is not so."""
        if self.relay.heard:
            self._tell_listeners(lsn if is_recorded else NOWHERE)
        if self.relay.signals:
            self._tell_followers(lsn)

    def _tell_followers(self, lsn: Lsn) -> None:
        signals = self.relay.signals
        self.relay.signals = []
        for signal in signals:
            followed = self._followers.get(signal.topic_id)
            if followed is not None:
                topic, peers = followed
                for peer in peers:
                    self.outbox.hold(lsn, Signalled(peer, topic, signal.given.message))

    def _tell_listeners(self, lsn: Lsn) -> None:
        """Behind the facts of the same append, and behind what each was told before.

        NOWHERE: there are none, so nothing has to be durable first (docs/adr/0028).
        """
        heard = self.relay.heard
        self.relay.heard = []
        outbox = self.outbox
        for one in heard:
            ear = one.hearing.listener.next_ear()
            if ear is None:
                continue
            effect = Overheard(cast(Peer, ear.peer), one)
            if lsn != NOWHERE:
                ear.told_at = outbox.hold(lsn, effect)
            elif ear.told_at > outbox.released:
                ear.told_at = outbox.hold(ear.told_at, effect)
            else:
                outbox.release_now(effect)

    def _end_behind(self, error: Exception) -> NoReturn:
        """What was appended cannot be taken back, so it must not be contradicted either.

        `apply` cannot refuse: this is a mistake of ours. It must not be caught on the way up,
        where an exception costs one connection: whoever owns the process ends it in here.
        """
        behind = MemoryBehindJournal(f"{type(error).__name__}: {error}")
        behind.__cause__ = error
        if self._end_process is not None:
            self._end_process(behind)
        raise behind

    def _apply_elsewhere(self, fact: Fact, lsn: Lsn) -> None:
        """One append touches several entities; this is another one."""
        self.namespace.apply(fact)
        queue = self.namespace.by_id.get(fact.queue_id)
        if queue is None:
            return  # a topic, which hands nothing out
        line = self._line(queue)
        line.enqueued_lsn = lsn
        line.moved_lsn = lsn
        self._mark(line)

    # ---- serving

    def _line(self, queue: Queue) -> Line:
        line = self._lines.get(queue.queue_id)
        if line is None:
            line = Line(queue)
            self._lines[queue.queue_id] = line
        return line

    def _mark(self, line: Line) -> None:
        if not line.is_dirty:
            line.is_dirty = True
            self._dirty.append(line)

    def _note_deadline(self, line: Line) -> None:
        at = soonest(line.queue.next_deadline(), line.forward_at)
        if line.session_line is not None:
            at = soonest(at, line.session_line.next_deadline())
        if at != NEVER and (line.deadline == NEVER or at < line.deadline):
            line.deadline = at
            heappush(self._deadlines, (at, line.queue.queue_id))

    def _serve(self, line: Line, now: UnixMs) -> None:
        """Hand out one round of what is ready; the rest in the next turn: others wait."""
        if self.draining:
            return
        if line.queue.forwards:
            self._move_on(line, now)
        if line.session_line is not None and self._desk.serve(line, now):
            self._mark(line)
        if not line.receivers:
            return
        wanting = line.wanting()
        if wanting:
            share = min(line.share(len(wanting)), DISPATCH_RUN_MAX)
            for receiver in wanting:
                self._serve_receiver(line, receiver, share, now)
        for receiver in line.receivers:
            if receiver.blocked or (receiver.credit <= 0 and not receiver.draining):
                continue
            if line.has_more_for(receiver):
                self._mark(line)
            elif receiver.draining:
                receiver.draining = False
                receiver.credit = 0
                self.outbox.hold_behind_all(Drained(receiver))

    def _move_on(self, line: Line, now: UnixMs) -> None:
        """What is in a queue that forwards goes on, a slice in each turn."""
        queue = line.queue
        if line.forward_at > now or not queue.counts[READY]:
            return
        entries = within_bytes(queue.first_ready(FORWARD_RUN_MAX), AMQP_BACKLOG_BYTES_MAX)
        try:
            facts = self.relay.moved_on(queue, entries, now)
        except (BrokerError, OSError):
            line.forward_at = UnixMs(now + FORWARD_RETRY)
            return
        self._commit(queue, facts)

    def _serve_receiver(self, line: Line, receiver: Receiver, share: int, now: UnixMs) -> None:
        queue = line.queue
        if receiver.mode is ReceiveMode.BROWSE:
            self._show(line, receiver)
            return
        wanted = min(share, receiver.credit)
        selection = receiver.selection
        if selection is None:
            ready = queue.first_ready(wanted)
        else:
            ready = selection.first(wanted, queue.next_number)
        if ready:
            self._hand_out(line, receiver, ready, None, now)

    def _hand_out(
        self,
        line: Line,
        receiver: Receiver,
        ready: list[Entry],
        session: MessageSession | None,
        now: UnixMs,
    ) -> None:
        queue = line.queue
        entries = within_bytes(ready, AMQP_BACKLOG_BYTES_MAX)
        if receiver.fits is not None:
            entries = self._that_fit(receiver, receiver.fits, entries)
            if not entries:
                return
        receiver.credit -= len(entries)
        receiver.untold_count += len(entries)
        line.accessed_at = now
        if receiver.mode is ReceiveMode.RECEIVE_AND_DELETE:
            numbers = [entry.number for entry in entries]
            removed: list[Fact] = [Removed(queue.queue_id, numbers, Cause.RECEIVED)]
            lsn = self._record(line, removed)
            self._tell(lsn, Deliver(receiver, entries, b"", NEVER))
            return
        if session is None:
            locked = queue.receive(entries, self.ids.nonce(), now)
            receiver.remember(locked)
        else:
            locked = receive_in_session(queue, session, entries)
        effect = Deliver(receiver, entries, locked.nonce, locked.until)
        if receiver.link_id == NO_LINK:
            self._record(line, [locked])
            self._deliver(line, effect)
        else:  # it will name these tokens after a crash: they must be known then
            held = HeldFor(queue.queue_id, locked.numbers, receiver.link_id)
            self._tell(self._record(line, [locked, held]), effect)

    def _that_fit(
        self, receiver: Receiver, fits: Callable[[Entry], bool], entries: list[Entry]
    ) -> list[Entry]:
        """Those before the first that the receiver cannot take: at that one it ends.

        Nothing has happened to that message: another receiver may have it.
        """
        for place, entry in enumerate(entries):
            if fits(entry):
                continue
            if place == 0:
                receiver.credit = 0  # it is told behind what it was handed before
                receiver.draining = False
                refusal = ReceiverEnded(receiver, DeliveryTooLarge(entry.number))
                self.outbox.hold_behind_all(refusal)
            return entries[:place]
        return entries

    def _tell(self, until: Lsn, effect: Deliver) -> None:
        effect.receiver.told_at = self.outbox.hold(until, effect)

    def _deliver(self, line: Line, effect: Deliver) -> None:
        """Behind the messages' own durability, not behind that of their locks.

        Where a message's bytes lie says whether it is durable, except for one that was moved:
        its bytes are old, its being here is not. And never before what the receiver was told
        earlier: that may be durable by now, and wait in the outbox all the same.
        """
        durable = self.journal.durable
        if effect.receiver.told_at > self.outbox.released:
            self._tell(line.enqueued_lsn, effect)
            return
        if line.enqueued_lsn <= durable:
            self.outbox.release_now(effect)
            return
        is_fresh = line.moved_lsn > durable
        for entry in effect.entries:
            if is_fresh or entry.body_at >= durable or entry.body_at == NOWHERE:
                self._tell(line.enqueued_lsn, effect)
                return
        self.outbox.release_now(effect)

    def _show(self, line: Line, receiver: Receiver) -> None:
        queue = line.queue
        selector = receiver.selector
        wanted = DISPATCH_RUN_MAX if selector is not None else receiver.credit
        entries = queue.browse(receiver.cursor, min(wanted, DISPATCH_RUN_MAX))
        if not entries:
            receiver.cursor = queue.next_number  # nothing left behind it
            return
        if selector is None:
            entries = within_bytes(entries, AMQP_BACKLOG_BYTES_MAX)
            receiver.cursor = SequenceNumber(entries[-1].number + 1)
        else:
            entries = select_shown(receiver, selector, entries)
        if entries:
            receiver.credit -= len(entries)
            receiver.untold_count += len(entries)
            self._deliver(line, Deliver(receiver, entries, b"", NEVER))

    def _end_orphans(self) -> None:
        """Receivers of queues that are gone hear of it."""
        gone = [
            line
            for line in self._lines.values()
            if line.queue.queue_id not in self.namespace.by_id
        ]
        for line in gone:
            del self._lines[line.queue.queue_id]
            for receiver in line.everybody():
                receiver.closed = True
                error = NotFound(line.queue.path)
                self.outbox.hold(self.journal.end, ReceiverEnded(receiver, error))


def fresh_of(entity: Queue | Topic, given: list[Submission], now: UnixMs) -> list[bool]:
    """Which of these `entity` will not drop as duplicates."""
    window = Millis(entity.settings.duplicate_window_ms)
    return entity.seen.fresh([one.message_id for one in given], window, now)


def numbered(first: SequenceNumber, fresh: list[bool]) -> list[SequenceNumber]:
    """Numbers in the order of the messages, so that their sender knows which is whose."""
    found: list[SequenceNumber] = []
    number = int(first)
    for is_fresh in fresh:
        found.append(SequenceNumber(number) if is_fresh else UNNUMBERED)
        number += is_fresh
    return found


def with_refused(
    lost: list[tuple[int, BrokerError]],
    tokens: list[LockToken],
    numbers: list[SequenceNumber],
    error: BrokerError,
) -> list[tuple[int, BrokerError]]:
    """`lost`, and the places of the tokens that hold `numbers`, in their order."""
    held = set(numbers)
    why = dict(lost)
    for place, token in enumerate(tokens):
        if place not in why and int.from_bytes(token[NONCE_BYTES:], "big") in held:
            why[place] = error
    return [(place, why[place]) for place in sorted(why)]
