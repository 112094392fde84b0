"""Message sessions: ordered groups of a queue's messages, each held by one receiver at a time.

A session is there as long as it has messages, a state or a holder. Its messages are held by
the session's own lock: one nonce, one instant. What is ready in it is handed out strictly in
order, to its holder alone; a message that failed and waits to be tried again holds up those
behind it.

The free sessions with something to hand out stand in a line: who has waited longest is next.
Since when a session waits is a function of its state (when its first message came, or when it
was given up last), so a queue that recovery rebuilt hands out as the live one would.
"""

from bisect import bisect_left
from heapq import heapify, heappop, heappush
from typing import Final, final

from peeklock.entities.facts import (
    Fact,
    SessionLocked,
    SessionRenewed,
    SessionStateSet,
    SessionUnlocked,
)
from peeklock.entities.queue_index import (
    LOCKED,
    NO_NUMBER,
    READY,
    SLACK,
    WAITING,
    Entry,
    LockRun,
    Numbers,
)
from peeklock.errors import InvalidRequest, LockLost, SessionLockLost
from peeklock.limits import SESSION_ID_CHARACTERS_MAX
from peeklock.types import (
    NEVER,
    NONCE_BYTES,
    LockToken,
    QueueId,
    SequenceNumber,
    SessionId,
    UnixMs,
)

NO_ID: Final = SessionId("")  # where a message without one got in by an operator's move


@final
class MessageSession:
    """One session of one queue."""

    __slots__ = (
        "aside",
        "backing_off",
        "free_since",
        "is_stirred",
        "lock",
        "ready",
        "session_id",
        "state",
        "state_at",
        "waits_since",
    )

    def __init__(self, session_id: SessionId) -> None:
        self.session_id: Final = session_id
        self.lock: LockRun | None = None  # the holder's, over all that is held in the session
        self.state: bytes | None = None  # what it remembers for its next holder
        self.state_at = NEVER  # when that was set
        self.free_since = NEVER  # when its last holder left; NEVER: it had none
        self.ready: Final = Numbers()
        self.aside: Final = Numbers()  # all others: held, deferred, scheduled, backing off
        self.backing_off: Final = Numbers()  # of those, what holds up what is behind it
        # Its place in the line: (since when, its next message). None: it is not in it.
        self.waits_since: tuple[UnixMs, SequenceNumber] | None = None
        self.is_stirred = False  # the table's list of stirred ones has it

    @property
    def is_needless(self) -> bool:
        """Nothing is lost when it is forgotten."""
        return (
            self.lock is None
            and self.state is None
            and len(self.ready) == 0
            and len(self.aside) == 0
        )

    def next_number(self) -> SequenceNumber:
        """What is to be handed out next; NO_NUMBER when nothing is, at this moment."""
        number = self.ready.first()
        held_up_by = self.backing_off.first()
        return number if held_up_by == NO_NUMBER or number < held_up_by else NO_NUMBER

    def next_numbers(self, count: int) -> list[SequenceNumber]:
        """The next `count` to be handed out, in their order."""
        numbers = self.ready.starting(NO_NUMBER, count)
        held_up_by = self.backing_off.first()
        if held_up_by == NO_NUMBER:
            return numbers
        return numbers[: bisect_left(numbers, held_up_by)]

    def browse(self, start: SequenceNumber, count: int) -> list[SequenceNumber]:
        """Up to `count` of its messages in any state, by number from `start` on."""
        found = self.ready.starting(start, count) + self.aside.starting(start, count)
        found.sort()
        return found[:count]


@final
class MessageSessions:
    """All sessions of one queue, and the line of the free ones. What they do: session_verbs."""

    def __init__(self, queue_id: QueueId, entries: dict[SequenceNumber, Entry]) -> None:
        self.by_id: Final[dict[SessionId, MessageSession]] = {}
        self.state_bytes = 0
        self._queue_id: Final = queue_id
        self._entries: Final = entries  # the queue's
        self._by_nonce: Final[dict[bytes, MessageSession]] = {}  # those that are held
        # Both heaps keep stale items until they come to the top; ties are broken by age.
        self._line: list[tuple[UnixMs, SequenceNumber, int, MessageSession]] = []
        self._ends: list[tuple[UnixMs, int, MessageSession]] = []
        self._added = 0
        self._stirred: list[MessageSession] = []

    # ---- looks

    def held(self, session_id: SessionId, nonce: bytes, now: UnixMs) -> MessageSession:
        """The session that is held under `nonce`; raises `SessionLockLost`."""
        session = self.by_id.get(session_id)
        if session is not None:
            lock = session.lock
            if lock is not None and lock.nonce == nonce and lock.until > now:
                return session
        raise SessionLockLost(f"message session {session_id!r}")

    def lost(self, token: LockToken, now: UnixMs) -> LockLost:
        """Why `token` holds nothing: its session's lock is gone, or only its message is."""
        session = self._by_nonce.get(token[:NONCE_BYTES])
        if session is not None and session.lock is not None and session.lock.until > now:
            return LockLost(token)
        return SessionLockLost("the delivery's message session")

    @property
    def held_count(self) -> int:
        """How many sessions have a holder."""
        return len(self._by_nonce)

    def next_free(self) -> MessageSession | None:
        """The free session that has waited longest with something to hand out."""
        return self._line[0][3] if self._line else None

    def ready_count(self, session_id: SessionId | None) -> int:
        """How much is ready in a session; nothing in one that is not there."""
        session = None if session_id is None else self.by_id.get(session_id)
        return 0 if session is None else len(session.ready)

    def next_entries(self, session: MessageSession, count: int) -> list[Entry]:
        """What its holder is to have next, in order."""
        entries = self._entries
        return [entries[number] for number in session.next_numbers(count)]

    def locked_numbers(self, session: MessageSession) -> list[SequenceNumber]:
        """Its messages that are held, in order."""
        entries = self._entries
        aside = session.aside.starting(NO_NUMBER, len(session.aside))
        return [number for number in aside if entries[number].state == LOCKED]

    def held_numbers(self, session_id: SessionId | None, nonce: bytes) -> list[SequenceNumber]:
        """What is held in a session under `nonce`."""
        session = self._by_nonce.get(nonce)
        if session is None or session.session_id != session_id:
            return []
        return self.locked_numbers(session)

    def browse(self, session_id: SessionId, start: SequenceNumber, count: int) -> list[Entry]:
        """Its messages in any state, by number."""
        session = self.by_id.get(session_id)
        if session is None:
            return []
        entries = self._entries
        return [entries[number] for number in session.browse(start, count)]

    def with_work_or_state(self) -> list[SessionId]:
        """Those with messages to be had (free or held now) or with a state."""
        return [
            session.session_id
            for session in self.by_id.values()
            if session.state is not None
            or len(session.ready) > 0
            or self.locked_numbers(session)
        ]

    def with_state_set_after(self, at: UnixMs) -> list[SessionId]:
        """Those whose state was set after an instant."""
        return [
            session.session_id
            for session in self.by_id.values()
            if session.state is not None and session.state_at > at
        ]

    def run_out(self, now: UnixMs) -> list[MessageSession]:
        """Sessions whose locks are over at `now`, in no order; looks only."""
        found: dict[SessionId, MessageSession] = {}
        places = [0]
        while places:
            place = places.pop()
            if place < len(self._ends) and self._ends[place][0] <= now:
                until, _added, session = self._ends[place]
                if ends_at(session) == until:
                    found[session.session_id] = session
                places.append(2 * place + 1)
                places.append(2 * place + 2)
        return list(found.values())

    def next_deadline(self) -> UnixMs:
        """When a session's lock runs out next; NEVER when none is held."""
        return self._ends[0][0] if self._ends else NEVER

    def take_stirred(self) -> list[SessionId]:
        """Held sessions for which something became ready since the last call."""
        if not self._stirred:
            return []
        found = [session.session_id for session in self._stirred]
        for session in self._stirred:
            session.is_stirred = False
        self._stirred = []
        return found

    def facts_of(self, session_id: SessionId) -> list[Fact]:
        """What makes this session again beside its messages; nothing when it is gone."""
        session = self.by_id.get(session_id)
        if session is None:
            return []
        facts: list[Fact] = []
        lock = session.lock
        if lock is not None:
            facts.append(SessionLocked(self._queue_id, session_id, lock.nonce, lock.until))
        elif session.free_since != NEVER:
            facts.append(SessionUnlocked(self._queue_id, session_id, session.free_since))
        if session.state is not None:
            state_at = session.state_at
            facts.append(SessionStateSet(self._queue_id, session_id, session.state, state_at))
        return facts

    # ---- obedience: sessions

    def apply(
        self, fact: SessionLocked | SessionRenewed | SessionUnlocked | SessionStateSet
    ) -> None:
        """Make it so. Recovery may bring what a snapshot knows already: it does no harm."""
        if isinstance(fact, SessionLocked):
            self._lock(self._find_or_make(fact.session_id), fact.nonce, fact.until)
            return
        session = self.by_id.get(fact.session_id)
        if isinstance(fact, SessionStateSet):
            if session is None:
                session = self._find_or_make(fact.session_id)
            self.state_bytes += len(fact.state or b"") - len(session.state or b"")
            session.state = fact.state
            session.state_at = NEVER if fact.state is None else fact.at
        elif session is None:
            return
        elif isinstance(fact, SessionRenewed):
            if session.lock is not None:
                session.lock.until = fact.until
                self._note_end(session, fact.until)
            return
        else:
            self._unlock(session)
            session.free_since = fact.at
        self._find_place(session)

    def _find_or_make(self, session_id: SessionId) -> MessageSession:
        session = self.by_id.get(session_id)
        if session is None:
            session = MessageSession(session_id)
            self.by_id[session_id] = session
        return session

    def _lock(self, session: MessageSession, nonce: bytes, until: UnixMs) -> None:
        self._unlock(session)
        lock = LockRun(nonce, [], until)
        session.lock = lock
        self._by_nonce[nonce] = session
        for number in self.locked_numbers(session):  # none, but for what a snapshot had
            entry = self._entries[number]
            if entry.lock is not None and entry.lock.nonce == nonce:
                entry.lock = lock
        self._note_end(session, until)
        self._find_place(session)

    def _unlock(self, session: MessageSession) -> None:
        lock = session.lock
        if lock is not None:
            self._by_nonce.pop(lock.nonce, None)
            session.lock = None
        self._trim_ends()

    def _note_end(self, session: MessageSession, until: UnixMs) -> None:
        self._added += 1
        heappush(self._ends, (until, self._added, session))
        if len(self._ends) > 2 * len(self._by_nonce) + SLACK:
            self._ends = [item for item in self._ends if ends_at(item[2]) == item[0]]
            heapify(self._ends)
        self._trim_ends()

    def _trim_ends(self) -> None:
        ends = self._ends
        while ends and ends_at(ends[0][2]) != ends[0][0]:
            heappop(ends)

    # ---- obedience: messages

    def add(self, entry: Entry) -> None:
        """A message came, ready or not yet."""
        session = self._find_or_make(NO_ID if entry.session_id is None else entry.session_id)
        entry.session_id = session.session_id  # one text for all its messages
        if entry.state == READY:
            session.ready.add(entry.number)
        else:
            session.aside.add(entry.number)
            if entry.state == WAITING and entry.delivery_count > 0:
                session.backing_off.add(entry.number)
        self._find_place(session)

    def move(self, entry: Entry, was: int) -> None:
        """A message is in another state than it was."""
        number = entry.number
        session = self.of(entry)
        if was == READY:
            session.ready.remove(number)
            session.aside.add(number)
        elif entry.state == READY:
            session.aside.remove(number)
            session.ready.add(number)
        if was == WAITING:
            session.backing_off.remove(number)
        elif entry.state == WAITING:
            session.backing_off.add(number)
        self._find_place(session)

    def drop(self, entry: Entry) -> None:
        """A message is gone."""
        session = self.of(entry)
        if entry.state == READY:
            session.ready.remove(entry.number)
        else:
            session.aside.remove(entry.number)
            if entry.state == WAITING:
                session.backing_off.remove(entry.number)
        self._find_place(session)

    def of(self, entry: Entry) -> MessageSession:
        """The session of a message in the queue."""
        assert entry.session_id is not None
        return self.by_id[entry.session_id]

    def lock_of(self, entry: Entry, nonce: bytes, until: UnixMs) -> LockRun:
        """The lock under which a message is held: its session's."""
        lock = self.of(entry).lock
        if lock is not None and lock.nonce == nonce:
            return lock
        return LockRun(nonce, [entry.number], until)  # from a snapshot, before its session's

    # ---- the line

    def _find_place(self, session: MessageSession) -> None:
        """After any change: does it wait, since when, or has its holder something to get?"""
        number = session.next_number()
        place: tuple[UnixMs, SequenceNumber] | None = None
        if number == NO_NUMBER:
            if session.is_needless:
                self.by_id.pop(session.session_id, None)
        elif session.lock is None:
            came_at = self._entries[number].enqueued_at
            place = (max(came_at, session.free_since), number)
        elif not session.is_stirred:
            session.is_stirred = True
            self._stirred.append(session)
        if place == session.waits_since:
            return
        session.waits_since = place
        if place is not None:
            self._added += 1
            heappush(self._line, (place[0], place[1], self._added, session))
            if len(self._line) > 2 * len(self.by_id) + SLACK:
                self._line = [item for item in self._line if is_true(item)]
                heapify(self._line)
        line = self._line
        while line and not is_true(line[0]):
            heappop(line)


def ends_at(session: MessageSession) -> UnixMs:
    """When its lock runs out; NEVER when it has none."""
    return NEVER if session.lock is None else session.lock.until


def is_true(item: tuple[UnixMs, SequenceNumber, int, MessageSession]) -> bool:
    """Does an item of the line still say where its session stands?"""
    place = item[3].waits_since
    return place is not None and place[0] == item[0] and place[1] == item[1]


def check_session_id(session_id: SessionId) -> None:
    """Refuse an id that no session can have."""
    if len(session_id) > SESSION_ID_CHARACTERS_MAX:
        raise InvalidRequest(
            f"a message session's id of {len(session_id)} characters; "
            f"allowed are {SESSION_ID_CHARACTERS_MAX}"
        )
