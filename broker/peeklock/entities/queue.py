"""A queue: who may have which message, and for how long.

A verb (`send`, `receive`, `settle`, `renew`, `expire`, `purge`) *decides*: it looks, changes
nothing, and returns facts, which the state obeys (queue_state.py). Live, the engine journals
the facts and applies them; after a crash, recovery only applies them.
"""

from collections.abc import Container
from typing import Final, assert_never, final

from peeklock.entities.arrivals import Arrivals, Onward
from peeklock.entities.dispositions import Disposition, Verdict
from peeklock.entities.facts import (
    Cause,
    Deferred,
    Enqueued,
    Fact,
    Locked,
    MessageIdSeen,
    Numbered,
    Origin,
    Removed,
    Renewed,
    SessionUnlocked,
    Unlocked,
)
from peeklock.entities.message_session import MessageSessions, check_session_id
from peeklock.entities.queue_index import (
    DEFERRED,
    LOCKED,
    WAITING,
    Entry,
    LockRun,
)
from peeklock.entities.queue_state import ORDINARY, QueueState
from peeklock.entities.settings import Overflow
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
    Millis,
    SequenceNumber,
    SessionId,
    UnixMs,
    soonest,
)

TOKEN_BYTES: Final = 16
# Reasons and descriptions of dead letters, in Service Bus' words: people search for them.
TOO_MANY_FAILURES: Final = "MaxDeliveryCountExceeded"
TOO_MANY_FAILURES_WHY: Final = "Message could not be consumed after {} delivery attempts."
EXPIRED: Final = "TTLExpiredException"
EXPIRED_WHY: Final = "The message expired and was dead lettered."


def outlasts(lock: LockRun, kept: Container[LinkId]) -> bool:
    """Is a lock still its holder's after a restart?"""
    return lock.link_id == BY_TIME or lock.link_id in kept


def token_of(entry: Entry) -> LockToken:
    """The lock token of a locked entry: the nonce, then the number, most significant first."""
    assert entry.lock is not None
    return LockToken(entry.lock.nonce + entry.number.to_bytes(8, "big"))


@final
class Queue(QueueState):
    """One queue, or one dead-letter sub-queue (`dead_letters_of` is its queue's id)."""

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
            if entry.state != LOCKED and not self._is_begun(entry):
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
        if entry is None or entry.state == LOCKED or self._is_begun(entry):
            return False
        return entry.expires_at <= now

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
