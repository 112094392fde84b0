"""Message sessions of one queue, as their receivers see them: who waits for one, who has which.

Only who is concerned by a change is looked at: a queue with a thousand held sessions costs a
turn no more than those of them that got something.
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, final

from peeklock.entities.facts import SessionLocked
from peeklock.types import NEVER, SessionId, UnixMs

if TYPE_CHECKING:
    from peeklock.engine.dispatch import Receiver

SLACK: Final = 64  # stale items that are not worth a pass over the heap


@final
class SessionLine:
    """Seekers wait for the next free session; holders have one each."""

    def __init__(self) -> None:
        self.holders: Final[dict[SessionId, Receiver]] = {}
        self._seekers: Final[OrderedDict[Receiver, UnixMs]] = OrderedDict()  # longest first
        self._late: list[tuple[UnixMs, int, Receiver]] = []  # stale items come off the top
        self._added = 0  # ties are broken by age
        self._noticed: dict[Receiver, None] = {}

    def receivers(self) -> "list[Receiver]":
        """Holders and seekers."""
        return [*self.holders.values(), *self._seekers]

    def remove(self, receiver: "Receiver") -> None:
        """It is gone."""
        self._stop_seeking(receiver)
        if self.has(receiver):
            assert receiver.session_id is not None
            del self.holders[receiver.session_id]

    # ---- seekers

    def seek(self, receiver: "Receiver", until: UnixMs) -> None:
        """It waits for a session, as the last of those who do, and gives up at `until`."""
        self._seekers[receiver] = until
        self._added += 1
        heappush(self._late, (until, self._added, receiver))

    def next_seeker(self) -> "Receiver | None":
        """Who has waited longest."""
        return next(iter(self._seekers), None)

    def take_late(self, now: UnixMs) -> "list[Receiver]":
        """Those whose time is up, longest over first; they wait no more."""
        found: list[Receiver] = []
        while self._late and self._late[0][0] <= now:
            receiver = self._late[0][2]
            found.append(receiver)
            self._stop_seeking(receiver)
        return found

    def next_deadline(self) -> UnixMs:
        """When the next of them gives up; NEVER when nobody waits."""
        return self._late[0][0] if self._late else NEVER

    def _stop_seeking(self, receiver: "Receiver") -> None:
        if self._seekers.pop(receiver, None) is None:
            return
        late = self._late
        if len(late) > 2 * len(self._seekers) + SLACK:
            late = [item for item in late if item[2] in self._seekers]
            heapify(late)
            self._late = late
        while late and late[0][2] not in self._seekers:
            heappop(late)

    # ---- holders

    def seat(self, receiver: "Receiver", locked: SessionLocked) -> None:
        """It has this session now."""
        self._stop_seeking(receiver)
        receiver.session_id = locked.session_id
        receiver.session_nonce = locked.nonce
        self.holders[locked.session_id] = receiver

    def has(self, receiver: "Receiver") -> bool:
        """Does it hold a session?"""
        session_id = receiver.session_id
        return session_id is not None and self.holders.get(session_id) is receiver

    # ---- who is to be looked at

    def notice(self, receiver: "Receiver") -> None:
        """Its credit or its connection changed."""
        if self.has(receiver):
            self._noticed[receiver] = None

    def notice_sessions(self, session_ids: list[SessionId]) -> None:
        """There is something to get in these."""
        for session_id in session_ids:
            receiver = self.holders.get(session_id)
            if receiver is not None:
                self._noticed[receiver] = None

    def notice_all(self) -> None:
        """The queue's settings changed."""
        for receiver in self.holders.values():
            self._noticed[receiver] = None

    def take_noticed(self) -> "list[Receiver]":
        """Those to look at, each once."""
        if not self._noticed:
            return []
        found = list(self._noticed)
        self._noticed = {}
        return found
