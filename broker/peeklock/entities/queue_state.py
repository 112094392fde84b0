"""What facts have made of a queue: its messages, who holds which, and when what is due.

`apply` obeys: it takes a fact and cannot refuse it. There is no other way to change a queue,
but for `wake`, which moves messages whose time has come to where they are handed out: time
does that, nobody decides it.
"""

from collections import deque
from typing import Final, cast

from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivation_facts import DerivationFact
from peeklock.entities.facts import (
    UNNUMBERED,
    Captured,
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
    WillSet,
)
from peeklock.entities.listeners import QOS
from peeklock.entities.message_session import MessageSessions
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
from peeklock.entities.settings import QueueSettings
from peeklock.entities.tally import Tally
from peeklock.limits import PRIORITY_MAX
from peeklock.message import Message
from peeklock.types import (
    NEVER,
    NOWHERE,
    EntityPath,
    LinkId,
    Lsn,
    Millis,
    QueueId,
    SequenceNumber,
    UnixMs,
    soonest,
)

ORDINARY: Final = QueueId(0)  # `dead_letters_of` of a queue that is no dead-letter queue


def not_a_queues(
    fact: LinkOpened
    | LinkSuspended
    | LinkClosed
    | DeliveryKept
    | DeliveryForgotten
    | WillSet
    | DerivationFact,
) -> None:
    raise AssertionError("a link's fact or a derivation's, not a queue's")


class QueueState:
    """One queue's. `entries` are its messages by number, in the order in which they came."""

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
        self.keeps_begun = False  # of an MQTT session: see `_is_begun`
        self.created_at: Final[UnixMs] = created.created_at
        self.updated_at: UnixMs = created.updated_at or created.created_at  # its settings
        self.entries: Final[dict[SequenceNumber, Entry]] = {}
        self.next_number = SequenceNumber(1)
        self.size_bytes = 0
        self.counts: Final[list[int]] = [0] * STATES
        self.tally: Final = Tally()
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

    # ---- looks

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
            self.tally.leave(fact.cause, len(fact.numbers))
        elif isinstance(fact, Unlocked):
            self._unlock(fact.numbers, fact.failed, fact.not_before)
            self.tally.give_back(len(fact.numbers), failed=fact.failed)
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

    def _is_begun(self, entry: Entry) -> bool:
        """A QoS 2 exchange that waits for its MQTT client to come again. It neither expires
        [MQTT-4.3.3-7] nor gives way: the client would take a later message, under the same
        packet identifier, for this one.
        """
        return self.keeps_begun and entry.delivery_count > 0 and entry.priority & QOS == 2

    def _watch_expiry(self, entry: Entry) -> None:
        if entry.expires_at == NEVER or self._is_begun(entry):
            return
        if not entry.expiry_watched:
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
                if entry.state != LOCKED and not self._is_begun(entry):
                    break
                entry.expiry_watched = False  # watched again when its lock ends
            expiring.drop_first()
