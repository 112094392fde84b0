"""The data structures under a queue. No policy: what is ready, due, held, and in which order.

The order in which messages are handed out is a function of their state alone (priority,
then sequence number), so a queue that recovery rebuilt hands out as the live one would.
"""

from bisect import bisect_left, insort
from collections import deque
from heapq import heapify, heappop, heappush
from typing import Final, final

from peeklock.entities.facts import Origin
from peeklock.message import Message
from peeklock.types import NEVER, NO_LINK, Lsn, SequenceNumber, SessionId, UnixMs

READY: Final = 0  # may be handed out
LOCKED: Final = 1  # held by a receiver, for a time
WAITING: Final = 2  # scheduled by its sender, or failed and backing off
DEFERRED: Final = 3  # set aside, to be fetched by number
STATES: Final = 4

NUMBER_BITS: Final = 63
NUMBER_MASK: Final = (1 << NUMBER_BITS) - 1
SWEEP_AT_MIN: Final = 1024  # items of a heap before it is worth looking for stale ones

NO_NUMBER: Final = SequenceNumber(0)
SLACK: Final = 64  # stale items that are not worth a pass over what holds them


@final
class LockRun:
    """Messages that one hand-out locked under one nonce, until one instant.

    Or all that is locked in a message session, whose renewal moves the instant.
    """

    __slots__ = ("link_id", "live_count", "nonce", "numbers", "until")

    def __init__(self, nonce: bytes, numbers: list[SequenceNumber], until: UnixMs) -> None:
        self.nonce: Final = nonce
        self.numbers: Final = numbers
        self.until = until
        self.live_count = len(numbers)  # how many of them still are under this lock
        self.link_id = NO_LINK  # the recoverable link that keeps it; or BY_TIME


@final
class Entry:
    """One message in one queue, and where it stands."""

    __slots__ = (
        "body_at",
        "delivery_count",
        "enqueued_at",
        "expires_at",
        "expiry_watched",
        "lock",
        "message",
        "not_before",
        "number",
        "origin",
        "priority",
        "session_id",
        "set_aside",
        "size",
        "source_number",
        "state",
    )

    def __init__(
        self,
        number: SequenceNumber,
        message: Message | None,
        body_at: Lsn,
        size: int,
        priority: int,
        enqueued_at: UnixMs,
        expires_at: UnixMs,
        not_before: UnixMs,
        delivery_count: int,
        origin: Origin | None,
        state: int,
        session_id: SessionId | None,
        source_number: SequenceNumber,
    ) -> None:
        self.number: Final = number
        self.message = message  # None: read it from the journal at `body_at`
        self.body_at = body_at
        self.size = size
        self.priority: Final = priority
        self.enqueued_at: Final = enqueued_at
        self.expires_at: Final = expires_at
        self.not_before = not_before
        self.delivery_count = delivery_count
        self.origin: Final = origin
        self.session_id = session_id  # None: in no message session
        self.source_number: Final = source_number  # in the topic or queue it came from; 0
        self.state = state
        self.lock: LockRun | None = None
        self.set_aside = False  # held by number out of DEFERRED: unlocked, it goes back there
        self.expiry_watched = False  # the queue's expiry heap holds it


@final
class Lane:
    """The ready messages of one priority, oldest first.

    Fresh ones arrive in order of number, so a deque keeps them; those that come back
    (released, retried, due) are older than most and wait in a list, sorted, newest first.
    Numbers whose entry is gone or no longer ready are skipped, and dropped from the front.
    """

    __slots__ = ("fresh", "returned")

    def __init__(self) -> None:
        self.fresh: Final[deque[SequenceNumber]] = deque()
        self.returned: list[SequenceNumber] = []

    def give_back(self, numbers: list[SequenceNumber]) -> None:
        self.returned.extend(numbers)
        self.returned.sort(reverse=True)  # two sorted runs: timsort merges them in one pass

    def first(self, count: int, entries: dict[SequenceNumber, Entry]) -> list[Entry]:
        """The oldest `count` ready entries; looks only."""
        found: list[Entry] = []
        if not self.returned:
            self._scan_fresh(count, entries, found)
            return found
        back = len(self.returned) - 1
        for number in self.fresh:
            while back >= 0 and self.returned[back] <= number and len(found) < count:
                add_if_ready(self.returned[back], entries, found)
                back -= 1
            if len(found) >= count:
                return found
            add_if_ready(number, entries, found)
        while back >= 0 and len(found) < count:
            add_if_ready(self.returned[back], entries, found)
            back -= 1
        return found

    def _scan_fresh(
        self, count: int, entries: dict[SequenceNumber, Entry], found: list[Entry]
    ) -> None:
        wanted = count
        for number in self.fresh:
            if wanted <= 0:
                return
            entry = entries.get(number)
            if entry is not None and entry.state == READY:
                found.append(entry)
                wanted -= 1

    def trim(self, entries: dict[SequenceNumber, Entry]) -> None:
        """Forget numbers at the front that are no longer ready.

        Behind one that nobody takes, others expire: they are swept when they are most of it.
        """
        fresh = self.fresh
        if len(fresh) > 2 * len(entries) + SWEEP_AT_MIN:
            kept = [number for number in fresh if is_ready(number, entries)]
            fresh.clear()
            fresh.extend(kept)
        while fresh:
            entry = entries.get(fresh[0])
            if entry is not None and entry.state == READY:
                break
            fresh.popleft()
        returned = self.returned
        while returned:
            entry = entries.get(returned[-1])
            if entry is not None and entry.state == READY:
                break
            returned.pop()


def is_ready(number: SequenceNumber, entries: dict[SequenceNumber, Entry]) -> bool:
    entry = entries.get(number)
    return entry is not None and entry.state == READY


def add_if_ready(
    number: SequenceNumber, entries: dict[SequenceNumber, Entry], found: list[Entry]
) -> None:
    """Append the entry unless it is stale, or the one just appended (it may stand in both)."""
    entry = entries.get(number)
    if entry is None or entry.state != READY:
        return
    if found and found[-1] is entry:
        return
    found.append(entry)


@final
class Deadlines:
    """Numbers by the instant at which something is to be done with them.

    Stale items are left in and dropped when they reach the top: which are, the queue knows.
    One that stays at the top would keep all behind it, so a heap that has grown by much is
    swept. An item is one int, the instant before the number: a million cost 48 MB and not
    three times that.
    """

    __slots__ = ("_heap", "_sweep_at")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._sweep_at = SWEEP_AT_MIN

    def __len__(self) -> int:
        return len(self._heap)

    def add(
        self, at: UnixMs, number: SequenceNumber, entries: dict[SequenceNumber, Entry]
    ) -> None:
        heappush(self._heap, at << NUMBER_BITS | number)
        if len(self._heap) >= self._sweep_at:
            self._heap = [item for item in self._heap if number_of(item) in entries]
            heapify(self._heap)
            self._sweep_at = max(SWEEP_AT_MIN, 2 * len(self._heap))

    def first_at(self) -> UnixMs:
        """The soonest instant; NEVER when there is none."""
        return UnixMs(self._heap[0] >> NUMBER_BITS) if self._heap else NEVER

    def first_number(self) -> SequenceNumber:
        return number_of(self._heap[0])

    def drop_first(self) -> None:
        heappop(self._heap)

    def due(self, now: UnixMs, limit: int) -> list[SequenceNumber]:
        """Numbers due at `now`, at most `limit`, in no order; looks only.

        Walks the heap from its root: a child is never due before its parent.
        """
        found: list[SequenceNumber] = []
        beyond = (now + 1) << NUMBER_BITS
        places = [0]
        while places and len(found) < limit:
            place = places.pop()
            if place < len(self._heap) and self._heap[place] < beyond:
                found.append(number_of(self._heap[place]))
                places.append(2 * place + 1)
                places.append(2 * place + 2)
        return found

    def numbers(self) -> list[SequenceNumber]:
        """All of them, stale ones too, in no order."""
        return [number_of(item) for item in self._heap]


def number_of(item: int) -> SequenceNumber:
    return SequenceNumber(item & NUMBER_MASK)


@final
class LockEnds:
    """Lock runs by the instant at which they run out.

    A worker that takes its time keeps its run at the top, and behind it those that others
    have settled since: so a heap that has grown by much is swept.
    """

    __slots__ = ("_added", "_sweep_at", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[UnixMs, int, LockRun]] = []
        self._added = 0  # ties are broken by age, since runs do not compare
        self._sweep_at = SWEEP_AT_MIN

    def add(self, run: LockRun) -> None:
        self._added += 1
        heappush(self.heap, (run.until, self._added, run))
        if len(self.heap) >= self._sweep_at:
            self.heap = [item for item in self.heap if item[2].live_count]
            heapify(self.heap)
            self._sweep_at = max(SWEEP_AT_MIN, 2 * len(self.heap))

    def due(self, now: UnixMs) -> list[LockRun]:
        """Runs that are over at `now`, in no order; looks only."""
        found: list[LockRun] = []
        places = [0]
        while places:
            place = places.pop()
            if place < len(self.heap) and self.heap[place][0] <= now:
                found.append(self.heap[place][2])
                places.append(2 * place + 1)
                places.append(2 * place + 2)
        return found

    def trim(self) -> None:
        """Drop runs from the top that hold nothing any more."""
        heap = self.heap
        while heap and heap[0][2].live_count == 0:
            heappop(heap)


@final
class Numbers:
    """Sequence numbers in their order, each once; cheap at both ends.

    What goes from the front leaves a gap there, which is where what comes back belongs.
    """

    __slots__ = ("_head", "_numbers")

    def __init__(self) -> None:
        self._numbers: Final[list[SequenceNumber]] = []
        self._head = 0

    def __len__(self) -> int:
        return len(self._numbers) - self._head

    def first(self) -> SequenceNumber:
        """The lowest; NO_NUMBER when there is none."""
        return self._numbers[self._head] if self._head < len(self._numbers) else NO_NUMBER

    def starting(self, start: SequenceNumber, count: int) -> list[SequenceNumber]:
        """Up to `count` numbers from `start` on."""
        at = self._head
        if start > self.first():
            at = bisect_left(self._numbers, start, self._head)
        return self._numbers[at : at + count]

    def add(self, number: SequenceNumber) -> None:
        numbers = self._numbers
        head = self._head
        if head == len(numbers) or number > numbers[-1]:
            numbers.append(number)
        elif head > 0 and number < numbers[head]:
            self._head = head - 1
            numbers[head - 1] = number
        else:
            insort(numbers, number, head)

    def remove(self, number: SequenceNumber) -> None:
        """Take it out; it need not be there."""
        numbers = self._numbers
        at = self._head
        if at < len(numbers) and numbers[at] == number:
            at += 1
            if at == len(numbers) or (at > SLACK and 2 * at > len(numbers)):
                del numbers[:at]
                at = 0
            self._head = at
            return
        at = bisect_left(numbers, number, at)
        if at < len(numbers) and numbers[at] == number:
            del numbers[at]
