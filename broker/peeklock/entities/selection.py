"""What of a queue's messages a selector takes, for the receivers that share the selector.

Each message is looked at when it may be handed out for the first time, and again when it comes
back; never because somebody asked for the next one. So a receiver that wants one message in a
thousand reads its backlog once.
"""

from heapq import heappop, heappush
from typing import Final, Protocol, final

from peeklock.entities.queue_index import READY, Entry
from peeklock.limits import DISPATCH_RUN_MAX
from peeklock.types import SequenceNumber

# How much sparser than its messages the numbers of a queue may be before they are listed
# instead of tried one after the other.
GAPS_MAX: Final = 4


class Selector(Protocol):
    """A predicate over messages in a queue."""

    def matches(self, entry: Entry) -> bool:
        """Does it take this one? Never raises."""
        ...


@final
class Selection:
    """Ready messages that match, oldest first, or by priority where the queue is.

    Its queue tells it what comes back; what has gone meanwhile it finds out by itself.
    """

    def __init__(
        self, selector: Selector, entries: dict[SequenceNumber, Entry], *, by_priority: bool
    ) -> None:
        self.selector: Final = selector
        self.user_count = 0  # receivers that share it
        self._entries: Final = entries
        self._by_priority: Final = by_priority
        self._cursor = SequenceNumber(1)  # what comes from here on nobody has looked at
        self._listed: list[SequenceNumber] = []  # nor at these, below it; the oldest last
        self._again: Final[list[SequenceNumber]] = []  # a heap: came back, to look at again
        self._found: Final[set[SequenceNumber]] = set()  # these match, if they are still here
        self._order: Final[list[tuple[int, SequenceNumber]]] = []  # a heap of them, and stale

    # ---- looks

    def first(self, count: int, next_number: SequenceNumber) -> list[Entry]:
        """The next `count` to hand out, as far as one round of looking finds them.

        `next_number` is the queue's: where new messages come.
        """
        looks_left = DISPATCH_RUN_MAX
        while looks_left and (
            self._again or (self._by_priority and self._is_behind(next_number))
        ):
            self._look(next_number)
            looks_left -= 1
        if self._again or (self._by_priority and self._is_behind(next_number)):
            return []  # one that goes before all others may be among them
        if self.user_count > 1:
            while (
                looks_left
                and len(self._found) < count * self.user_count
                and self._is_behind(next_number)
            ):
                self._look(next_number)
                looks_left -= 1
            count = min(count, self._share())
        chosen: list[Entry] = []
        kept: list[tuple[int, SequenceNumber]] = []
        while len(chosen) < count:
            entry = self._top()
            if entry is not None:
                item = heappop(self._order)
                if not kept or kept[-1] != item:  # one that came back may be there twice
                    kept.append(item)
                    chosen.append(entry)
            elif looks_left and self._is_behind(next_number):
                self._look(next_number)
                looks_left -= 1
            else:
                break
        for item in kept:  # whether they are taken, the next look at them shows
            heappush(self._order, item)
        return chosen

    def _share(self) -> int:
        """How many of what is found one of its receivers may have in this round."""
        self._top()  # drops what others have taken
        return max(1, -(-len(self._found) // self.user_count))

    def has_more(self, next_number: SequenceNumber) -> bool:
        """Is there one, or might there be where nobody has looked?"""
        return self._top() is not None or bool(self._again) or self._is_behind(next_number)

    def _is_behind(self, next_number: SequenceNumber) -> bool:
        """Has something come that nobody has looked at?"""
        return bool(self._listed) or self._cursor < next_number

    def _top(self) -> Entry | None:
        """The first that is still there and free; drops those that are not."""
        order = self._order
        while order:
            number = order[0][1]
            if number in self._found:
                entry = self._entries.get(number)
                if entry is not None and entry.state == READY:
                    return entry
                self._found.discard(number)
            heappop(order)
        return None

    # ---- looking

    def give_back(self, numbers: list[SequenceNumber]) -> None:
        """These may be handed out again, perhaps changed: their failures may count."""
        for number in numbers:
            if number < self._cursor:
                self._found.discard(number)
                heappush(self._again, number)

    def _look(self, next_number: SequenceNumber) -> None:
        """At one that nobody has looked at since it came, or came back."""
        if self._again:
            self._judge(heappop(self._again))
        elif self._listed:
            self._judge(self._listed.pop())
        elif self._cursor < next_number:
            self._judge(self._advance(next_number))

    def _advance(self, next_number: SequenceNumber) -> SequenceNumber:
        """The next number at or behind the cursor; there may be no message of it."""
        number = self._cursor
        if next_number - number <= GAPS_MAX * len(self._entries) + GAPS_MAX:
            self._cursor = SequenceNumber(number + 1)
            return number
        for known in reversed(self._entries):
            if known < number:
                break
            self._listed.append(known)
        self._cursor = next_number
        return self._listed.pop() if self._listed else number

    def _judge(self, number: SequenceNumber) -> None:
        entry = self._entries.get(number)
        if entry is None or entry.state != READY or number in self._found:
            return  # what is not free now is given back when it is
        if self.selector.matches(entry):
            self._found.add(number)
            rank = -entry.priority if self._by_priority else 0
            heappush(self._order, (rank, number))
