"""Receivers of an entity: who is next, with how much, and why one is not served."""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final, final

from peeklock.engine.selector import MessageSelector
from peeklock.engine.session_line import SessionLine
from peeklock.entities.facts import Locked
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import READY, Entry
from peeklock.entities.selection import Selection, Selector
from peeklock.filters.filter import Filter
from peeklock.limits import AMQP_BACKLOG_BYTES_MAX
from peeklock.types import NEVER, NO_LINK, Lsn, Millis, SequenceNumber, SessionId, UnixMs

if TYPE_CHECKING:
    from peeklock.engine.effects import Peer


class ReceiveMode(Enum):
    """What being handed a message means."""

    PEEK_LOCK = "peek-lock"  # held under a lock until it is settled
    RECEIVE_AND_DELETE = "receive-and-delete"  # gone when it is sent: at most once
    BROWSE = "browse"  # looked at, in any state, without touching it


class Waiting(Enum):
    """Why a receiver is not being served."""

    CAUGHT_UP = "caught up"
    NO_CREDIT = "no credit"
    SLOW_PEER = "slow peer"
    PAUSED = "paused"
    DISABLED = "receiving is disabled"
    NO_SESSION = "no session"
    FORWARDED = "forwarded"


@final
class Receiver:
    """One receiver of one queue. Its owner sets `credit` and `blocked`; the engine serves."""

    def __init__(self, peer: "Peer", link: object, queue: Queue, mode: ReceiveMode) -> None:
        self.peer: Final = peer
        self.link: Final = link
        self.queue: Final = queue
        self.mode: Final = mode
        self.credit = 0  # deliveries it still wants
        self.untold_count = 0  # deliveries in the outbox, which its peer has not heard of
        self.draining = False  # wants what is there and no more (AMQP 1.0 §2.6.7)
        self.blocked = False  # its connection has more under way than it reads
        self.closed = False
        self.cursor = SequenceNumber(1)  # browse: the next number to show
        self.selection: Selection | None = None  # what it has from; None: from all there is
        self.selector: Selector | None = None  # browse: what it is shown; None: everything
        self.told_at = Lsn(0)  # its last effect waits in the outbox for this position
        self.session_id: SessionId | None = None  # of the message session it was given
        self.session_nonce = b""  # what it holds that session under
        self.link_id = NO_LINK  # of its recoverable link; BY_TIME: its locks outlast it
        self.fits: Callable[[Entry], bool] | None = None  # can it take that? None: anything
        self.patience = Millis(0)  # how long it waits for a session, in all
        self.seeks_session = False  # it came for one, whether it has it yet or not
        # What its owner knows of it, for operators; None: nothing beside what is here.
        self.about: Callable[[], dict[str, object]] | None = None
        self._handed: list[Locked] = []
        self._prune_at = 64

    def left_of(self, credit: int) -> int:
        """Of the credit that its peer gives: what waits in the outbox will use up some of it.

        A peer that says its credit again, or more of it, does not know of those deliveries.
        """
        return max(0, credit - self.untold_count)

    @property
    def is_out_of_credit(self) -> bool:
        """Nothing more will come, nor is anything on its way."""
        return self.credit <= 0 and self.untold_count == 0

    def remember(self, run: Locked) -> None:
        """Keep what it was handed, so that it can be given back when it drops.

        `run` need not be applied yet: nobody asks whether it is held before the next one.
        """
        if len(self._handed) >= self._prune_at:
            self._handed = [one for one in self._handed if self._still_held(one)]
            self._prune_at = max(64, 2 * len(self._handed))
        self._handed.append(run)

    def held_numbers(self) -> list[SequenceNumber]:
        """The messages that it holds at this moment."""
        sessions = self.queue.sessions
        if sessions is not None:
            return sessions.held_numbers(self.session_id, self.session_nonce)
        return [number for run in self._handed for number in self._still_held(run)]

    def _still_held(self, run: Locked) -> list[SequenceNumber]:
        held: list[SequenceNumber] = []
        for number in run.numbers:
            entry = self.queue.entries.get(number)
            if entry is not None:
                lock = entry.lock
                if lock is not None and lock.nonce == run.nonce:
                    held.append(number)
        return held

    def available_count(self) -> int | None:
        """How many messages it could have, given credit; None: nobody has counted them."""
        if self.mode is ReceiveMode.BROWSE or not self.queue.settings.dispatch:
            return None
        sessions = self.queue.sessions
        if sessions is not None:
            return sessions.ready_count(self.session_id)
        return self.queue.counts[READY]

    def why_waiting(self) -> Waiting:
        """The reason, for operators; meaningful when it is not being served."""
        if not self.queue.settings.status.receives:
            return Waiting.DISABLED
        if self.queue.settings.forward_to:
            return Waiting.FORWARDED
        if not self.queue.settings.dispatch:
            return Waiting.PAUSED
        if self.queue.sessions is not None and self.session_id is None:
            return Waiting.NO_SESSION
        if self.credit <= 0:
            return Waiting.NO_CREDIT
        return Waiting.SLOW_PEER if self.blocked else Waiting.CAUGHT_UP


@final
class Line:
    """The receivers of one queue, standing in line; of message sessions, in `session_line`.

    Each turn shares what is ready evenly among those that want some, starting with the one
    after whoever was served last, so that a small credit never waits behind a large one.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue: Final = queue
        self.receivers: Final[list[Receiver]] = []
        self.is_dirty = False  # the engine looks at it in this turn
        self.deadline = NEVER  # the tick that is due for it; NEVER: none
        self.accessed_at = NEVER  # when it was sent to or received from; NEVER: not yet
        self.forward_at = NEVER  # its target took nothing: try again then; NEVER: it does
        self.enqueued_lsn = Lsn(0)  # all messages of the queue are durable from here on
        self.moved_lsn = Lsn(0)  # and all that were moved here from another queue
        self.session_line: Final = SessionLine() if queue.sessions is not None else None
        self.selections: dict[Filter, Selection] = {}  # of selectors in use
        self._next = 0
        self._numbered = SequenceNumber(1)  # the queue's next number when it was looked at

    def note_sends(self, now: UnixMs) -> None:
        """Has something come since the last turn? Asked once a turn, not for each message."""
        number = self.queue.next_number
        if number != self._numbered:
            self._numbered = number
            self.accessed_at = now

    def add(self, receiver: Receiver) -> None:
        self.receivers.append(receiver)

    def remove(self, receiver: Receiver) -> None:
        self.receivers.remove(receiver)
        self.unselect(receiver)

    def select(self, receiver: Receiver, selector: MessageSelector) -> None:
        """It has only what `selector` takes. Receivers with the same one share a selection."""
        if receiver.mode is ReceiveMode.BROWSE:
            receiver.selector = selector
            return
        selection = self.selections.get(selector.wanted)
        if selection is None:
            selection = self.queue.select(selector)
            self.selections[selector.wanted] = selection
        selection.user_count += 1
        receiver.selection = selection

    def unselect(self, receiver: Receiver) -> None:
        """It is gone; the last one takes its selection along."""
        selection = receiver.selection
        if selection is None:
            return
        selection.user_count -= 1
        if selection.user_count == 0:
            self.queue.unselect(selection)
            self.selections = {
                wanted: one for wanted, one in self.selections.items() if one is not selection
            }

    def everybody(self) -> list[Receiver]:
        """Those of message sessions, too."""
        if self.session_line is None:
            return list(self.receivers)
        return self.receivers + self.session_line.receivers()

    def wanting(self) -> list[Receiver]:
        """Who can be served now, in the order of turns."""
        count = len(self.receivers)
        self._next = (self._next + 1) % count if count else 0
        turned = self.receivers[self._next :] + self.receivers[: self._next]
        hands_out = self.queue.hands_out
        return [
            receiver
            for receiver in turned
            if receiver.credit > 0
            and not receiver.blocked
            and (hands_out or receiver.mode is ReceiveMode.BROWSE)
        ]

    def has_more_for(self, receiver: Receiver) -> bool:
        """Is there something that it wants and could have in another round?"""
        queue = self.queue
        if receiver.credit <= 0:
            return False
        if receiver.mode is ReceiveMode.BROWSE:
            return receiver.cursor < queue.next_number
        if not queue.hands_out or queue.counts[READY] == 0:
            return False
        selection = receiver.selection
        return selection is None or selection.has_more(queue.next_number)

    def share(self, among: int) -> int:
        """How many messages each of so many receivers gets in this round; at least one."""
        return max(1, -(-self.queue.counts[READY] // among))


def within_bytes(entries: list[Entry], bytes_max: int) -> list[Entry]:
    """The first of `entries` whose sizes add up to no more, and at least one of them."""
    total = 0
    for place, entry in enumerate(entries):
        total += entry.size
        if total > bytes_max and place > 0:
            return entries[:place]
    return entries


def select_shown(receiver: Receiver, selector: Selector, entries: list[Entry]) -> list[Entry]:
    """Those that a browser with a selector is shown, as far as its credit goes; it has then
    seen all up to the last of them."""
    shown: list[Entry] = []
    total = 0
    for entry in entries:
        if len(shown) >= receiver.credit:
            break
        if selector.matches(entry):
            total += entry.size
            if shown and total > AMQP_BACKLOG_BYTES_MAX:
                break
            shown.append(entry)
        receiver.cursor = SequenceNumber(entry.number + 1)
    return shown
