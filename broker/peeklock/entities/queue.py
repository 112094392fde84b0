"""A queue: who may have which message, and for how long.

A verb (`send`, `receive`, `settle`, `renew`, `expire`, `purge`) *decides*: it looks, changes
nothing, and returns facts. `apply` *obeys*: it takes a fact and cannot refuse it. Live, the
engine journals the facts and applies them; after a crash, recovery only applies them. There
is no other way to change a queue, but for `wake`, which moves messages whose time has come
to where they are handed out: time does that, nobody decides it.
"""

from collections import deque
from collections.abc import Container
from typing import Final, assert_never, cast, final

from peeklock.entities.arrivals import Arrivals, Onward
from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivation_facts import DerivationFact
from peeklock.entities.dispositions import Disposition, Verdict
from peeklock.entities.facts import (
    UNNUMBERED,
    Captured,
    Cause,
    Deferred,
    DeliveryForgotten,
    DeliveryKept,
    Enqueued,
    Fact,
    HeldFor,
    LastValueCleared,
    LastValueSet,
    LinkClosed,
    LinkOpened,
    LinkSuspended,
    Locked,
    MessageIdSeen,
    Numbered,
    Origin,
    QueueCreated,
    QueueDeleted,
    QueueUpdated,
    Relocated,
    Removed,
    Renewed,
    Rewritten,
    RuleCreated,
    RuleDeleted,
    SessionLocked,
    SessionRenewed,
    SessionStateSet,
    SessionUnlocked,
    SubscriptionCreated,
    TopicCreated,
    TopicDeleted,
    TopicUpdated,
    Unlocked,
)
from peeklock.entities.message_session import MessageSessions, check_session_id
from peeklock.entities.queue_index import (
    DEFERRED,
    LOCKED,
    READY,
    STATES,
    WAITING,
    Deadlines,
    Entry,
    Lane,
    LockEnds,
    LockRun,
)
from peeklock.entities.residency import Residency
from peeklock.entities.selection import Selection, Selector
from peeklock.entities.settings import Overflow, QueueSettings
from peeklock.entities.submission import Passage, SharedBytes, Submission
from peeklock.errors import (
    EntityDisabled,
    LockLost,
    MessageNotFound,
    MessageTooLarge,
    NotAllowed,
    QuotaExceeded,
)
from peeklock.limits import DISPATCH_RUN_MAX, PRIORITY_MAX
from peeklock.message import NO_TTL, Message
from peeklock.types import (
    BY_TIME,
    NEVER,
    NONCE_BYTES,
    NOWHERE,
    EntityPath,
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

TOKEN_BYTES: Final = 16
ORDINARY: Final = QueueId(0)  # `dead_letters_of` of a queue that is no dead-letter queue
# Reasons and descriptions of dead letters, in Service Bus' words: people search for them.
TOO_MANY_FAILURES: Final = "MaxDeliveryCountExceeded"
TOO_MANY_FAILURES_WHY: Final = "Message could not be consumed after {} delivery attempts."
EXPIRED: Final = "TTLExpiredException"
EXPIRED_WHY: Final = "The message expired and was dead lettered."


def not_a_queues(
    fact: LinkOpened
    | LinkSuspended
    | LinkClosed
    | DeliveryKept
    | DeliveryForgotten
    | DerivationFact,
) -> None:
    raise AssertionError("a link's fact or a derivation's, not a queue's")


def outlasts(lock: LockRun, kept: Container[LinkId]) -> bool:
    """Is a lock still its holder's after a restart?"""
    return lock.link_id == BY_TIME or lock.link_id in kept


def token_of(entry: Entry) -> LockToken:
    """The lock token of a locked entry: the nonce, then the number, most significant first."""
    assert entry.lock is not None
    return LockToken(entry.lock.nonce + entry.number.to_bytes(8, "big"))


@final
class Queue:
    """One queue, or one dead-letter sub-queue (`dead_letters_of` is its queue's id)."""

    def __init__(
        self, created: QueueCreated | SubscriptionCreated, residency: Residency
    ) -> None:
        self.queue_id: Final[QueueId] = created.queue_id
        self.path: Final[EntityPath] = created.path
        self.settings: QueueSettings = created.settings
        self.takes = True  # what its settings say for each message, worked out once:
        self.hands_out = True
        self.forwards = False  # what comes goes on at once, and what is there does
        self.is_plain = True  # what is sent here stays here, and nobody notes that it came
        self._follow(created.settings)
        self.dead_letters_of: Final[QueueId] = (
            created.dead_letters_of if isinstance(created, QueueCreated) else ORDINARY
        )
        self.created_at: Final[UnixMs] = created.created_at
        self.updated_at: UnixMs = created.updated_at or created.created_at  # its settings
        self.entries: Final[dict[SequenceNumber, Entry]] = {}
        self.next_number = SequenceNumber(1)
        self.size_bytes = 0
        self.counts: Final[list[int]] = [0] * STATES
        self.seen: Final = Deduplication()
        # None: it has none, and hands its messages out in common lanes.
        self.sessions: Final[MessageSessions | None] = (
            MessageSessions(created.queue_id, self.entries)
            if created.settings.requires_session
            else None
        )
        self._residency: Final = residency
        self._selections: list[Selection] = []  # they hear of what comes back
        lane_count = PRIORITY_MAX + 1 if created.settings.priorities else 1
        if created.settings.requires_session:
            lane_count = 0  # what is ready stands in its session
        self._lanes: Final[list[Lane]] = [Lane() for _ in range(lane_count)]
        self._waiting: Final = Deadlines()
        self._expiring: Final = Deadlines()
        self._lock_ends: Final = LockEnds()

    # ---- verbs

    def send(self, given: Submission, now: UnixMs) -> list[Fact]:
        """Take a message; no facts for a duplicate, which is accepted and dropped.

        Raises `MessageTooLarge`, `QuotaExceeded`, `NotAllowed`, `EntityDisabled`. A queue that
        drops its oldest instead of refusing returns their `Removed` before the `Enqueued`.
        """
        assert self.is_plain  # else it is for `send_all`
        self.check_taking()
        self._check(given)
        if self._is_duplicate(given, now):
            return []
        facts: list[Fact] = []
        over_bytes = self.size_bytes + given.message.size - self.settings.max_bytes
        if over_bytes > 0 or 0 < self.settings.max_messages <= len(self.entries):
            facts.append(self._make_room(over_bytes, 1))
        facts.append(self._enqueued(given, now, 0))
        if given.message_id and self.settings.duplicate_window_ms:
            facts.append(MessageIdSeen(self.queue_id, given.message_id, now))
        return facts

    def send_all(self, given: list[Submission], now: UnixMs, arrivals: Arrivals) -> list[Fact]:
        """Take several messages in their order, or pass them on; or raise as `send` does.

        `arrivals` has what the same append brings in already, and gets what goes on from here.
        The caller asks for `room_for` all of it.
        """
        self.check_taking()
        load = arrivals.load(self.queue_id)
        window = self.settings.duplicate_window_ms
        facts: list[Fact] = []
        seen: list[Fact] = []
        passed = False
        for one in given:
            self._check(one)
            if window and one.message_id:
                if load.has_id(one.message_id) or self._is_duplicate(one, now):
                    continue
                load.note_id(one.message_id)
                seen.append(MessageIdSeen(self.queue_id, one.message_id, now))
            if self.forwards and one.not_before <= now:
                number = SequenceNumber(self.next_number + load.number())
                arrivals.onward.append(
                    Onward(self.queue_id, number, self._onward(one, number, now))
                )
                passed = True
            else:
                facts.append(self._enqueued(one, now, load.take(one.message.size)))
        if passed:
            facts.append(
                Numbered(self.queue_id, SequenceNumber(self.next_number + load.number_count))
            )
        return facts + seen

    def _onward(self, given: Submission, number: SequenceNumber, now: UnixMs) -> Submission:
        """The message as it leaves this queue, which does not keep it."""
        before = given.passage or Passage(SharedBytes())
        ttl = self.settings.default_ttl_ms
        passage = Passage(
            before.bytes,
            before.source_number or number,
            soonest(before.expires_at, UnixMs(now + ttl) if ttl else NEVER),
            before.hop_count + 1,
            before.body_at,
            before.origin,
        )
        return Submission(given.message, NEVER, given.message_id, given.session_id, passage)

    def room_for(self, size: int, count: int) -> list[Fact]:
        """What gives way to `count` messages of `size` bytes; raises `QuotaExceeded`."""
        over_bytes = self.size_bytes + size - self.settings.max_bytes
        limit = self.settings.max_messages
        over_count = len(self.entries) + count - limit if limit else 0
        if over_bytes <= 0 and over_count <= 0:
            return []
        return [self._make_room(over_bytes, over_count)]

    def _check(self, given: Submission) -> None:
        size = given.message.size
        settings = self.settings
        if size > settings.max_message_bytes:
            raise MessageTooLarge(size, settings.max_message_bytes)
        if settings.requires_session:
            if given.session_id is None:
                raise NotAllowed(
                    f"{self.path!r} takes only messages of a session: give it a group-id"
                )
            check_session_id(given.session_id)

    def _is_duplicate(self, given: Submission, now: UnixMs) -> bool:
        window = self.settings.duplicate_window_ms
        if window == 0 or not given.message_id:
            return False
        return self.seen.is_duplicate(given.message_id, Millis(window), now)

    def _enqueued(self, given: Submission, now: UnixMs, place: int) -> Enqueued:
        """The `place`-th arrival (from 0) of one append. What is scheduled arrives when due."""
        if given.passage is not None:
            return self._arrived(given, given.passage, now, place)
        message = given.message
        due = given.not_before if given.not_before > now else NEVER
        start = due if due != NEVER else now
        return Enqueued(
            self.queue_id,
            SequenceNumber(self.next_number + place),
            message,
            start,
            message.size,
            self._priority_of(message),
            self._expiry_of(message, start),
            due,
            session_id=given.session_id if self.settings.requires_session else None,
        )

    def _arrived(
        self,
        given: Submission,
        passage: Passage,
        now: UnixMs,
        place: int,
        under: SessionId | None = None,
        how: int = 0,
    ) -> Enqueued:
        """As `_enqueued`, of a message that has come through other entities."""
        message = given.message
        if under is None and self.settings.requires_session:
            under = given.session_id
        due = given.not_before if given.not_before > now else NEVER
        start = due if due != NEVER else now
        if passage.origin is None:
            expires_at = soonest(self._expiry_of(message, start), passage.expires_at)
        else:  # a dead letter: what its sender allowed it has had
            ttl = self.settings.default_ttl_ms
            expires_at = UnixMs(start + ttl) if ttl else NEVER
        fact = Enqueued(
            self.queue_id,
            SequenceNumber(self.next_number + place),
            message,
            start,
            message.size,
            how or self._priority_of(message),
            expires_at,
            due,
            origin=passage.origin,
            body_at=passage.body_at,
            session_id=under,
            source_number=passage.source_number,
            shares=passage.bytes.first,
        )
        passage.bytes.arrive_with(fact)
        return fact

    def take_copy(self, given: Submission, now: UnixMs, arrivals: Arrivals) -> Enqueued:
        """A copy of a topic's message; what the topic asks of it, it has asked."""
        size = given.message.size
        if size > self.settings.max_message_bytes:
            raise MessageTooLarge(size, self.settings.max_message_bytes)
        return self._enqueued(given, now, arrivals.load(self.queue_id).take(size))

    def take_signal(
        self, given: Submission, under: SessionId, how: int, now: UnixMs, arrivals: Arrivals
    ) -> Enqueued:
        """As `take_copy`, into the queue of a session that listens: under which name, and how
        it is delivered, goes along (listeners.py)."""
        passage = given.passage
        assert passage is not None
        place = arrivals.load(self.queue_id).take(given.message.size)
        return self._arrived(given, passage, now, place, under, how)

    def bury(
        self, given: Submission, passage: Passage, origin: Origin, now: UnixMs, place: int
    ) -> Enqueued:
        """Take a dead letter that was never alive in its queue, as the `place`-th arrival."""
        message = given.message
        fact = Enqueued(
            self.queue_id,
            SequenceNumber(self.next_number + place),
            message,
            now,
            message.size,
            0,
            origin=origin,
            body_at=passage.body_at,
            session_id=given.session_id,
            source_number=passage.source_number,
            shares=passage.bytes.first,
        )
        passage.bytes.arrive_with(fact)
        return fact

    def adopt(
        self,
        entry: Entry,
        source: EntityPath,
        reason: str,
        description: str,
        now: UnixMs,
        place: int,
        changed: Message | None = None,
    ) -> Enqueued:
        """Take a dead letter over, as the `place`-th of one move (from 0).

        `changed`: it arrives with other properties, and so with bytes of its own.
        """
        origin = Origin(source, entry.number, entry.enqueued_at, reason, description)
        # What made it a dead letter was a failure, too: after three of them it shows three.
        failures = entry.delivery_count + (reason == TOO_MANY_FAILURES)
        return self._arrival(entry, now, place, failures, origin, changed)

    def take_back(self, entry: Entry, now: UnixMs, place: int) -> Enqueued:
        """A dead letter comes home, as the `place`-th of one move, as if never tried.

        Raises `NotAllowed` for one without a session where that is needed.
        """
        if not self.can_take_back(entry):
            raise NotAllowed(f"message {entry.number} has no session to go back to")
        return self._arrival(entry, now, place, 0, None)

    def _arrival(
        self,
        entry: Entry,
        now: UnixMs,
        place: int,
        delivery_count: int,
        origin: Origin | None,
        changed: Message | None = None,
    ) -> Enqueued:
        return Enqueued(
            self.queue_id,
            SequenceNumber(self.next_number + place),
            entry.message if changed is None else changed,
            now,
            entry.size if changed is None else changed.size,
            entry.priority,
            delivery_count=delivery_count,
            origin=origin,
            body_at=entry.body_at if changed is None else NOWHERE,
            session_id=entry.session_id,
            source_number=entry.source_number,
        )

    def receive(self, entries: list[Entry], nonce: bytes, now: UnixMs) -> Locked:
        """Lock these, which the caller found by `first_ready`, under `nonce`."""
        numbers = [entry.number for entry in entries]
        until = UnixMs(now + self.settings.lock_duration_ms)
        return Locked(self.queue_id, numbers, nonce, until)

    def receive_deferred(
        self, numbers: list[SequenceNumber], nonce: bytes, now: UnixMs
    ) -> list[Fact]:
        """Lock deferred messages by number; `MessageNotFound` when one is not deferred."""
        self.check_handing_out()
        if self.sessions is not None:
            raise NotAllowed(f"{self.path!r}: say in which message session they are")
        for number in numbers:
            entry = self.entries.get(number)
            if entry is None or entry.state != DEFERRED:
                raise MessageNotFound(self.path, number, "deferred")
        until = UnixMs(now + self.settings.lock_duration_ms)
        return [Locked(self.queue_id, numbers, nonce, until)]

    def held_by(self, token: LockToken, now: UnixMs) -> SequenceNumber:
        """The number of the message that `token` holds; raises `LockLost`."""
        if len(token) == TOKEN_BYTES:
            number = SequenceNumber(int.from_bytes(token[NONCE_BYTES:], "big"))
            entry = self.entries.get(number)
            if entry is not None:
                lock = entry.lock
                if lock is not None and lock.until > now and token.startswith(lock.nonce):
                    return number
        raise LockLost(token) if self.sessions is None else self.sessions.lost(token, now)

    def settle(
        self, numbers: list[SequenceNumber], disposition: Disposition, now: UnixMs
    ) -> list[Fact]:
        """End the locks of `numbers`, which the caller found by `held_by`.

        Raises `NotAllowed` for dead letters that are to be dead-lettered.
        """
        verdict = disposition.verdict
        if verdict is Verdict.COMPLETE:
            return [Removed(self.queue_id, numbers, Cause.COMPLETED)]
        if verdict is Verdict.RELEASE:
            return [Unlocked(self.queue_id, numbers, failed=False)]
        if verdict is Verdict.ABANDON:
            return self._failed(numbers, disposition.not_before, now)
        if verdict is Verdict.DEFER:
            return [Deferred(self.queue_id, numbers)]
        if verdict is Verdict.DEAD_LETTER:
            if self.dead_letters_of != ORDINARY:
                raise NotAllowed(
                    f"{self.path!r} has no dead letters of its own: complete it or give it back"
                )
            return [self._dead_letter(numbers, disposition.reason, disposition.description)]
        assert_never(verdict)

    def renew(self, token: LockToken, now: UnixMs) -> list[Fact]:
        """Hold it for another lock duration from now; raises `LockLost`."""
        if self.sessions is not None:
            raise NotAllowed("what is held in a message session is renewed by its session")
        number = self.held_by(token, now)
        until = UnixMs(now + self.settings.lock_duration_ms)
        return [Renewed(self.queue_id, [number], until)]

    def expire(self, now: UnixMs) -> list[Fact]:
        """What time has undone: locks that ran out, messages that outlived their time.

        At most `DISPATCH_RUN_MAX` messages a call; `next_deadline` says that more is due.
        """
        facts = (
            self._run_out_locks(now)
            if self.sessions is None
            else self._run_out_sessions(self.sessions, now)
        )
        late = [
            number
            for number in self._expiring.due(now, DISPATCH_RUN_MAX)
            if self._expires_now(number, now)
        ]
        if late:
            facts.append(self._expired(late))
        return facts

    def recall_locks(self, kept: Container[LinkId] = ()) -> list[Fact]:
        """After a crash nobody holds anything: every lock ends, its attempt counted.

        Those that a recoverable link holds stay, if `kept` has it: it may come back. So do
        those that end by time alone.
        """
        held: list[SequenceNumber] = []
        for entry in self.entries.values():
            lock = entry.lock
            if entry.state == LOCKED and (lock is None or not outlasts(lock, kept)):
                held.append(entry.number)
        facts = self._failed(held, NEVER, NEVER) if held else []
        if self.sessions is not None:
            for session in self.sessions.by_id.values():
                if session.lock is not None:
                    facts.append(SessionUnlocked(self.queue_id, session.session_id, NEVER))
        return facts

    def undefer(self, numbers: list[SequenceNumber]) -> list[Fact]:
        """Deferred messages are handed out again, in their old places; nothing is counted.

        Raises `MessageNotFound` when one is not deferred, or held by its number just now.
        """
        for number in numbers:
            entry = self.entries.get(number)
            if entry is None or entry.state != DEFERRED:
                raise MessageNotFound(self.path, number, "deferred")
        return [Unlocked(self.queue_id, numbers, failed=False)] if numbers else []

    def purge(self, states: tuple[int, ...], count: int) -> list[Fact]:
        """Remove up to `count` messages in these states; never one that is held."""
        assert LOCKED not in states
        numbers: list[SequenceNumber] = []
        for entry in self.entries.values():
            if len(numbers) >= count:
                break
            if entry.state in states:
                numbers.append(entry.number)
        return self.purge_these(numbers) if numbers else []

    def purge_these(self, numbers: list[SequenceNumber]) -> list[Fact]:
        """Remove messages that the caller found, and that nobody holds."""
        return [Removed(self.queue_id, numbers, Cause.PURGED)]

    def numbers_in(self, state: int, count: int) -> list[SequenceNumber]:
        """The first `count` messages in a state."""
        found: list[SequenceNumber] = []
        if self.counts[state]:
            for entry in self.entries.values():
                if len(found) >= count:
                    break
                if entry.state == state:
                    found.append(entry.number)
        return found

    def cancel_scheduled(self, numbers: list[SequenceNumber]) -> list[Fact]:
        """Remove scheduled messages before their time; `MessageNotFound` if not waiting.

        One that failed and waits to be tried again is scheduled no more.
        """
        for number in numbers:
            entry = self.entries.get(number)
            if entry is None or entry.state != WAITING or entry.delivery_count:
                raise MessageNotFound(self.path, number, "scheduled")
        return [Removed(self.queue_id, numbers, Cause.PURGED)]

    # ---- looks

    def can_take_back(self, entry: Entry) -> bool:
        """Could a dead letter come home?"""
        return self.sessions is None or entry.session_id is not None

    def check_taking(self) -> None:
        """Raises `EntityDisabled` when its status lets nobody send."""
        if not self.takes:
            raise EntityDisabled(
                f"{self.path!r} is {self.settings.status}: it takes no messages for now"
            )

    def check_handing_out(self) -> None:
        """Raises `EntityDisabled` or `NotAllowed` when nobody may receive from it."""
        if not self.settings.status.receives:
            raise EntityDisabled(
                f"{self.path!r} is {self.settings.status}: it hands out no messages for now"
            )
        if self.settings.forward_to:
            raise NotAllowed(
                f"{self.path!r} forwards to {self.settings.forward_to!r}: receive from there"
            )

    @property
    def wants_identity(self) -> bool:
        """Does it look at a message's id or session? Else nobody need read them."""
        settings = self.settings
        return (
            settings.requires_session
            or settings.duplicate_window_ms != 0
            or settings.forward_to != ""
        )

    def first_ready(self, count: int) -> list[Entry]:
        """The next `count` messages to hand out, in their order; none of message sessions."""
        if self.counts[READY] == 0 or count <= 0:
            return []
        if len(self._lanes) == 1:
            return self._lanes[0].first(count, self.entries)
        found: list[Entry] = []
        for lane in reversed(self._lanes):
            if len(found) >= count:
                break
            found.extend(lane.first(count - len(found), self.entries))
        return found

    def held_for(self, link_id: LinkId) -> list[SequenceNumber]:
        """The messages that a recoverable link holds, in their order; BY_TIME: that nobody's
        connection does."""
        found: list[SequenceNumber] = []
        for _until, _age, run in self._lock_ends.heap:
            if run.link_id == link_id:
                for number in run.numbers:
                    entry = self.entries.get(number)
                    if entry is not None and entry.lock is run:
                        found.append(number)
        found.sort()
        return found

    def waiting_copies(self, source_numbers: set[SequenceNumber]) -> list[SequenceNumber]:
        """Messages that are not due yet, by their numbers in the topic they came from."""
        found: list[SequenceNumber] = []
        for number in self._waiting.numbers():
            entry = self.entries.get(number)
            if entry is not None and entry.state == WAITING and entry.delivery_count == 0:
                if entry.source_number in source_numbers and number not in found:
                    found.append(number)
        found.sort()
        return found

    def browse(self, start: SequenceNumber, count: int) -> list[Entry]:
        """Up to `count` messages in any state, by number from `start` on."""
        found: list[Entry] = []
        if self.next_number - start <= 4 * len(self.entries):
            for number in range(max(start, 1), self.next_number):
                entry = self.entries.get(SequenceNumber(number))
                if entry is not None:
                    found.append(entry)
                    if len(found) >= count:
                        break
            return found
        for entry in self.entries.values():  # numbers are sparse: few messages are left
            if entry.number >= start:
                found.append(entry)
                if len(found) >= count:
                    break
        return found

    def next_deadline(self) -> UnixMs:
        """When `wake` or `expire` next has work; NEVER when they have none."""
        first = NEVER
        if self._lock_ends.heap:
            first = self._lock_ends.heap[0][0]
        if len(self._waiting):
            first = soonest(first, self._waiting.first_at())
        if len(self._expiring):
            first = soonest(first, self._expiring.first_at())
        if self.sessions is not None:
            first = soonest(first, self.sessions.next_deadline())
        return first

    # ---- obedience

    def wake(self, now: UnixMs) -> bool:
        """Make messages ready whose time has come; says whether there were any."""
        waiting = self._waiting
        back: list[SequenceNumber] = []
        while len(waiting) and waiting.first_at() <= now:
            at = waiting.first_at()
            number = waiting.first_number()
            waiting.drop_first()
            entry = self.entries.get(number)
            if entry is not None and entry.state == WAITING and entry.not_before == at:
                self._set_state(entry, READY)
                back.append(number)
        self._give_back(back, WAITING)
        return bool(back)

    def apply(self, fact: Fact) -> None:
        """Make it so. The order of the tests is the order of frequency."""
        if isinstance(fact, Enqueued):
            self._enqueue(fact)
        elif isinstance(fact, Locked):
            self._lock(fact.numbers, fact.nonce, fact.until)
        elif isinstance(fact, Removed):
            self._remove(fact.numbers)
        elif isinstance(fact, Unlocked):
            self._unlock(fact.numbers, fact.failed, fact.not_before)
        elif isinstance(fact, Renewed):
            self._renew(fact.numbers, fact.until)
        elif isinstance(fact, Deferred):
            self._defer(fact.numbers)
        elif isinstance(fact, (Relocated, Rewritten)):
            self._take_bytes(fact)
        elif isinstance(fact, HeldFor):
            self._hold_for(fact.numbers, fact.link_id)
        elif isinstance(fact, QueueUpdated):
            self._follow(fact.settings)
            self.updated_at = fact.updated_at or self.updated_at
        elif isinstance(fact, Numbered):
            self.next_number = fact.next_number
        elif isinstance(fact, MessageIdSeen):
            self.seen.add(fact.key, fact.at, Millis(self.settings.duplicate_window_ms))
        elif isinstance(
            fact, (SessionLocked, SessionRenewed, SessionUnlocked, SessionStateSet)
        ):
            self._apply_to_sessions(fact)
        elif isinstance(fact, (QueueCreated, QueueDeleted, SubscriptionCreated, Captured)):
            raise AssertionError("the namespace's fact, not a queue's")
        elif isinstance(
            fact, (TopicCreated, TopicUpdated, TopicDeleted, LastValueSet, LastValueCleared)
        ):
            raise AssertionError("a topic's fact, not a queue's")
        elif isinstance(fact, (RuleCreated, RuleDeleted)):
            raise AssertionError("a subscription's fact, not a queue's")
        else:
            not_a_queues(fact)

    def _apply_to_sessions(
        self, fact: SessionLocked | SessionRenewed | SessionUnlocked | SessionStateSet
    ) -> None:
        sessions = self.sessions
        if sessions is None:
            return  # recovery lost the record that said so
        before = sessions.state_bytes
        sessions.apply(fact)
        self.size_bytes += sessions.state_bytes - before

    # ---- selections: who looks, and for what, is no fact; recovery begins without any

    def select(self, selector: Selector) -> Selection:
        """Follow what `selector` takes, until `unselect`."""
        selection = Selection(selector, self.entries, by_priority=len(self._lanes) > 1)
        self._selections.append(selection)
        return selection

    def unselect(self, selection: Selection) -> None:
        self._selections.remove(selection)

    def forget_all(self) -> None:
        """The queue was deleted: its messages no longer take memory or room."""
        self._remove(list(self.entries))

    # ---- helpers of the verbs

    def _priority_of(self, message: Message) -> int:
        return min(message.priority, PRIORITY_MAX) if self.settings.priorities else 0

    def _expiry_of(self, message: Message, start: UnixMs) -> UnixMs:
        """The shorter of what the sender and the queue allow, from `start` on."""
        ttl = self.settings.default_ttl_ms
        if message.ttl_ms != NO_TTL and (ttl == 0 or message.ttl_ms < ttl):
            ttl = max(message.ttl_ms, 1)
        return UnixMs(start + ttl) if ttl else NEVER

    def _make_room(self, over_bytes: int, places: int) -> Removed:
        """The oldest free messages, until `over_bytes` and so many places are gained."""
        held = f"{len(self.entries)} messages, {self.size_bytes} bytes"
        full = f"queue {self.path!r} is full: {held}"
        if self.settings.overflow is Overflow.REJECT:
            raise QuotaExceeded(full)
        numbers: list[SequenceNumber] = []
        gained = 0
        for entry in self.entries.values():
            if entry.state != LOCKED:
                numbers.append(entry.number)
                gained += entry.size
                if gained >= over_bytes and len(numbers) >= places:
                    return Removed(self.queue_id, numbers, Cause.DROPPED)
        raise QuotaExceeded(full + ", and receivers hold too many of them to make room")

    def _failed(
        self, numbers: list[SequenceNumber], not_before: UnixMs, now: UnixMs
    ) -> list[Fact]:
        """An attempt failed: again later, or to the dead letters when it was the last.

        What was held by number goes back to where it is fetched by number, however often.
        """
        again: dict[UnixMs, list[SequenceNumber]] = {}
        given_up: list[SequenceNumber] = []
        for number in numbers:
            entry = self.entries[number]
            failures = entry.delivery_count + 1
            if entry.set_aside:
                again.setdefault(NEVER, []).append(number)
            elif failures >= self.settings.max_delivery_count and self.dead_letters_of == 0:
                given_up.append(number)
            else:
                at = (
                    not_before if not_before != NEVER else self._retry_at(number, failures, now)
                )
                again.setdefault(at, []).append(number)
        facts: list[Fact] = [
            Unlocked(self.queue_id, same, failed=True, not_before=at)
            for at, same in again.items()
        ]
        if given_up:
            limit = self.settings.max_delivery_count
            facts.append(
                self._dead_letter(
                    given_up, TOO_MANY_FAILURES, TOO_MANY_FAILURES_WHY.format(limit)
                )
            )
        return facts

    def _retry_at(self, number: SequenceNumber, failures: int, now: UnixMs) -> UnixMs:
        """The queue's back-off. The lock's nonce is random: it is the jitter's chance, too."""
        lock = self.entries[number].lock
        if now == NEVER or lock is None:
            return NEVER
        chance = (
            int.from_bytes(lock.nonce[:4], "big") ^ (number * 2654435761 & 0xFFFFFFFF)
        ) / 2**32
        delay = self.settings.retry.delay(failures, chance)
        return UnixMs(now + delay) if delay else NEVER

    def _dead_letter(
        self, numbers: list[SequenceNumber], reason: str, description: str
    ) -> Fact:
        """Out, to the dead letters."""
        assert self.dead_letters_of == ORDINARY
        return Removed(self.queue_id, numbers, Cause.DEAD_LETTERED, reason, description)

    def _expires_now(self, number: SequenceNumber, now: UnixMs) -> bool:
        entry = self.entries.get(number)
        return entry is not None and entry.state != LOCKED and entry.expires_at <= now

    def _expired(self, numbers: list[SequenceNumber]) -> Fact:
        if self.settings.dead_letter_on_expiry and self.dead_letters_of == 0:
            return self._dead_letter(numbers, EXPIRED, EXPIRED_WHY)
        return Removed(self.queue_id, numbers, Cause.EXPIRED)

    def _run_out_locks(self, now: UnixMs) -> list[Fact]:
        numbers: list[SequenceNumber] = []
        for run in self._lock_ends.due(now):
            for number in run.numbers:
                entry = self.entries.get(number)
                if entry is not None and entry.lock is run:
                    numbers.append(number)
            if len(numbers) >= DISPATCH_RUN_MAX:
                break
        return self._failed(numbers, NEVER, now) if numbers else []

    def _run_out_sessions(self, sessions: MessageSessions, now: UnixMs) -> list[Fact]:
        """A session's lock ends for all that is held in it; each counts as an attempt."""
        facts: list[Fact] = []
        count = 0
        for session in sessions.run_out(now):
            held = sessions.locked_numbers(session)
            if held:
                facts.extend(self._failed(held, NEVER, now))
            facts.append(SessionUnlocked(self.queue_id, session.session_id, now))
            count += len(held)
            if count >= DISPATCH_RUN_MAX:
                break
        return facts

    # ---- helpers of obedience

    def _follow(self, settings: QueueSettings) -> None:
        self.settings = settings
        self.takes = settings.status.sends
        is_open = settings.dispatch and settings.status.receives
        self.forwards = is_open and settings.forward_to != ""
        self.hands_out = is_open and settings.forward_to == ""
        self.is_plain = not self.forwards and settings.auto_delete_on_idle_ms == 0

    def _give_back(self, numbers: list[SequenceNumber], was: int) -> None:
        """Ready again: to their lanes or their sessions, in their order."""
        lanes = self._lanes
        if self.sessions is not None:
            for number in sorted(numbers, reverse=True):  # each to the front: the quick way
                self.sessions.move(self.entries[number], was)
        elif len(lanes) == 1:
            if numbers:
                lanes[0].give_back(numbers)
        else:
            back: dict[int, list[SequenceNumber]] = {}
            for number in numbers:
                back.setdefault(self.entries[number].priority, []).append(number)
            for priority, same in back.items():
                lanes[priority].give_back(same)
        for selection in self._selections:
            selection.give_back(numbers)

    def _set_state(self, entry: Entry, state: int) -> None:
        counts = self.counts
        counts[entry.state] -= 1
        counts[state] += 1
        entry.state = state

    def _enqueue(self, fact: Enqueued) -> None:
        number = fact.number
        size = fact.size
        waits = fact.not_before != NEVER
        residency = self._residency
        message = fact.message
        if fact.source_number != UNNUMBERED:
            message = residency.hold_shared(message, fact.body_at, size)
        elif message is not None:
            if fact.body_at == NOWHERE or residency.used_bytes + size <= residency.budget_bytes:
                residency.used_bytes += size
            else:
                message = None
        if fact.body_at != NOWHERE and fact.source_number == UNNUMBERED:
            residency.keeper.add(fact.body_at, size)
        state = WAITING if waits else READY
        entry = Entry(
            number,
            message,
            fact.body_at,
            size,
            fact.priority,
            fact.enqueued_at,
            fact.expires_at,
            fact.not_before,
            fact.delivery_count,
            fact.origin,
            state,
            fact.session_id,
            fact.source_number,
        )
        key: object = number  # one object for both tables: compiled, each would make its own
        cast("dict[object, Entry]", self.entries)[key] = entry
        self.next_number = SequenceNumber(number + 1)
        self.size_bytes += size
        self.counts[state] += 1
        lanes = self._lanes
        if len(lanes) == 1 and not waits:
            cast("deque[object]", lanes[0].fresh).append(key)
        else:
            self._place(entry)
        self._watch_expiry(entry)

    def _place(self, entry: Entry) -> None:
        """A new message that waits, has a priority, or belongs to a session."""
        if entry.state == WAITING:
            self._waiting.add(entry.not_before, entry.number, self.entries)
        elif self._lanes:
            self._lanes[entry.priority].fresh.append(entry.number)
        if self.sessions is not None:
            self.sessions.add(entry)

    def _watch_expiry(self, entry: Entry) -> None:
        if entry.expires_at != NEVER and not entry.expiry_watched:
            entry.expiry_watched = True
            self._expiring.add(entry.expires_at, entry.number, self.entries)

    def _lock(self, numbers: list[SequenceNumber], nonce: bytes, until: UnixMs) -> None:
        if self.sessions is not None:
            self._lock_in_session(self.sessions, numbers, nonce, until)
            return
        run = LockRun(nonce, numbers, until)
        entries = self.entries
        counts = self.counts
        for number in numbers:
            entry = entries[number]
            counts[entry.state] -= 1
            entry.set_aside = entry.state == DEFERRED
            entry.state = LOCKED
            entry.lock = run
        counts[LOCKED] += len(numbers)
        self._lock_ends.add(run)
        for lane in self._lanes:
            lane.trim(entries)
        if len(self._expiring):
            self._trim_deadlines()  # what is held does not expire: no deadline of ours

    def _lock_in_session(
        self,
        sessions: MessageSessions,
        numbers: list[SequenceNumber],
        nonce: bytes,
        until: UnixMs,
    ) -> None:
        for number in numbers:
            entry = self.entries[number]
            was = entry.state
            self._set_state(entry, LOCKED)
            entry.set_aside = was == DEFERRED
            entry.lock = sessions.lock_of(entry, nonce, until)
            sessions.move(entry, was)
        self._trim_deadlines()

    def _remove(self, numbers: list[SequenceNumber]) -> None:
        residency = self._residency
        keeper = residency.keeper
        entries = self.entries
        counts = self.counts
        if self.sessions is not None:
            for number in numbers:
                self.sessions.drop(entries[number])
        were_ready = False
        for number in numbers:
            entry = entries.pop(number)
            self.size_bytes -= entry.size
            counts[entry.state] -= 1
            were_ready = were_ready or entry.state == READY
            lock = entry.lock
            if lock is not None:
                lock.live_count -= 1
            if entry.source_number != UNNUMBERED:
                residency.let_go_shared(entry.message, entry.body_at, entry.size)
                continue
            if entry.message is not None:
                residency.used_bytes -= entry.size
            if entry.body_at != NOWHERE:
                keeper.drop(entry.body_at, entry.size)
        self._trim_deadlines()
        if were_ready:
            for lane in self._lanes:
                lane.trim(entries)

    def _unlock(self, numbers: list[SequenceNumber], failed: bool, not_before: UnixMs) -> None:
        ready: list[SequenceNumber] = []
        for number in numbers:
            entry = self.entries[number]
            if entry.state == DEFERRED:
                entry.set_aside = False  # it is deferred no more
            self._drop_lock(entry)
            if failed:
                entry.delivery_count += 1
            if entry.set_aside:
                self._set_state(entry, DEFERRED)
            elif not_before != NEVER:
                entry.not_before = not_before
                self._set_state(entry, WAITING)
                self._waiting.add(not_before, number, self.entries)
            else:
                self._set_state(entry, READY)
                ready.append(number)
        self._give_back(ready, LOCKED)
        if self.sessions is not None and len(ready) < len(numbers):
            for number in numbers:
                if self.entries[number].state != READY:
                    self.sessions.move(self.entries[number], LOCKED)
        self._trim_deadlines()

    def _drop_lock(self, entry: Entry) -> None:
        lock = entry.lock
        if lock is not None:
            lock.live_count -= 1
            entry.lock = None
            self._watch_expiry(entry)  # its time may have passed while it was held

    def _renew(self, numbers: list[SequenceNumber], until: UnixMs) -> None:
        for number in numbers:
            entry = self.entries[number]
            lock = entry.lock
            assert lock is not None
            lock.live_count -= 1
            entry.lock = LockRun(lock.nonce, [number], until)
            entry.lock.link_id = lock.link_id
            self._lock_ends.add(entry.lock)
        self._trim_deadlines()

    def _hold_for(self, numbers: list[SequenceNumber], link_id: LinkId) -> None:
        for number in numbers:
            lock = self.entries[number].lock
            assert lock is not None
            lock.link_id = link_id

    def _defer(self, numbers: list[SequenceNumber]) -> None:
        for number in numbers:
            entry = self.entries[number]
            was = entry.state
            if entry.lock is not None:  # a snapshot restores deferred messages without one
                self._drop_lock(entry)
                entry.delivery_count += 1
            self._set_state(entry, DEFERRED)
            if self.sessions is not None:
                self.sessions.move(entry, was)
        self._trim_deadlines()
        for lane in self._lanes:
            lane.trim(self.entries)

    def _take_bytes(self, fact: Relocated | Rewritten) -> None:
        """The message's bytes are elsewhere from now on; perhaps they are others."""
        if isinstance(fact, Relocated):
            self._relocate(fact)
        else:
            self._rewrite(fact)

    def _relocate(self, fact: Relocated) -> None:
        entry = self.entries.get(fact.number)
        if entry is None:
            return
        residency = self._residency
        if entry.source_number != UNNUMBERED:
            residency.spare_shared(entry.body_at, entry.size)
            entry.body_at = fact.body_at
            residency.want_shared(entry.body_at, entry.size)
            return
        residency.keeper.drop(entry.body_at, entry.size)
        entry.body_at = fact.body_at
        residency.keeper.add(entry.body_at, entry.size)

    def _rewrite(self, fact: Rewritten) -> None:
        entry = self.entries[fact.number]
        self._forget_bytes(entry)
        self.size_bytes += fact.size - entry.size
        entry.size = fact.size
        entry.body_at = fact.body_at
        if entry.source_number != UNNUMBERED:
            entry.message = self._residency.hold_shared(fact.message, fact.body_at, fact.size)
        else:
            entry.message = self._keep_own(fact.message, fact.body_at, fact.size)

    def _forget_bytes(self, entry: Entry) -> None:
        if entry.source_number != UNNUMBERED:
            self._residency.let_go_shared(entry.message, entry.body_at, entry.size)
            return
        if entry.message is not None:
            self._residency.used_bytes -= entry.size
        if entry.body_at != NOWHERE:
            self._residency.keeper.drop(entry.body_at, entry.size)

    def _keep_own(self, message: Message | None, body_at: Lsn, size: int) -> Message | None:
        """Its bytes are this queue's; returns what of it stays in memory."""
        residency = self._residency
        if body_at != NOWHERE:
            residency.keeper.add(body_at, size)
        if message is not None:
            if body_at != NOWHERE and residency.used_bytes + size > residency.budget_bytes:
                return None
            residency.used_bytes += size
        return message

    def _trim_deadlines(self) -> None:
        """Drop what is stale from the tops of the heaps, so that deadlines are true."""
        self._lock_ends.trim()
        entries = self.entries
        waiting = self._waiting
        while len(waiting):
            entry = entries.get(waiting.first_number())
            if (
                entry is not None
                and entry.state == WAITING
                and entry.not_before == waiting.first_at()
            ):
                break
            waiting.drop_first()
        expiring = self._expiring
        while len(expiring):
            entry = entries.get(expiring.first_number())
            if entry is not None:
                if entry.state != LOCKED:
                    break
                entry.expiry_watched = False  # watched again when its lock ends
            expiring.drop_first()
