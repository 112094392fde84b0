"""Hands out message sessions, and to their holders what is in them.

It serves the lines that have a `session_line`, one desk for all; the engine lends it its ways
to record facts and to hand messages out, and everything is told through the engine's outbox.
"""

from collections.abc import Callable
from typing import Final, final

from peeklock.clock import IdSource
from peeklock.engine.dispatch import Line, Receiver
from peeklock.engine.effects import Drained, ReceiverEnded, SessionGranted, SessionRefused
from peeklock.engine.outbox import Outbox
from peeklock.engine.session_line import SessionLine
from peeklock.entities.facts import Fact, SessionUnlocked
from peeklock.entities.message_session import MessageSession
from peeklock.entities.queue_index import NO_NUMBER, Entry
from peeklock.entities.session_verbs import accept_session, release_session, sessions_of
from peeklock.errors import BrokerError, SessionLockLost, Timeout
from peeklock.limits import DISPATCH_RUN_MAX
from peeklock.store.journal import Journal
from peeklock.types import Lsn, Millis, SessionId, UnixMs

Record = Callable[[Line, list[Fact]], Lsn]
HandOut = Callable[[Line, Receiver, list[Entry], MessageSession, UnixMs], None]


@final
class SessionDesk:
    """Grants sessions, ends them, and serves who holds one."""

    def __init__(
        self,
        journal: Journal,
        ids: IdSource,
        outbox: Outbox,
        record: Record,
        hand_out: HandOut,
    ) -> None:
        self._journal: Final = journal
        self._ids: Final = ids
        self._outbox: Final = outbox
        self._record: Final = record
        self._hand_out: Final = hand_out

    # ---- what receivers ask

    def seek(
        self,
        line: Line,
        receiver: Receiver,
        session_id: SessionId | None,
        patience: Millis,
        now: UnixMs,
    ) -> None:
        """This session, now or not at all; None: the next free one, within `patience`.

        The answer is an effect: `SessionGranted` or `SessionRefused`.
        """
        seats = seats_of(line)
        receiver.seeks_session = True
        if session_id is None:
            receiver.patience = patience
            seats.seek(receiver, UnixMs(now + patience))
            return
        try:
            self._grant(line, seats, receiver, session_id, now)
        except BrokerError as error:
            receiver.closed = True
            self._outbox.hold(self._journal.end, SessionRefused(receiver, error))

    def leave(self, line: Line, receiver: Receiver, now: UnixMs) -> list[Fact]:
        """It is gone; the facts that free what it held."""
        seats = seats_of(line)
        held = receiver.session_id if seats.has(receiver) else None
        seats.remove(receiver)
        if held is None:
            return []
        return release_session(line.queue, held, receiver.session_nonce, now)

    def _grant(
        self,
        line: Line,
        seats: SessionLine,
        receiver: Receiver,
        session_id: SessionId,
        now: UnixMs,
    ) -> None:
        locked = accept_session(line.queue, session_id, self._ids.nonce(), now)
        seats.seat(receiver, locked)
        lsn = self._record(line, [locked])
        granted = SessionGranted(receiver, locked.session_id, locked.until)
        receiver.told_at = self._outbox.hold(lsn, granted)

    # ---- turns and time

    def serve(self, line: Line, now: UnixMs) -> bool:
        """Grant what is free and hand out one round; says whether there is more to do."""
        seats = seats_of(line)
        sessions = sessions_of(line.queue)
        while line.queue.hands_out:
            seeker = seats.next_seeker()
            session = sessions.next_free()
            if seeker is None or session is None:
                break
            self._grant(line, seats, seeker, session.session_id, now)
        seats.notice_sessions(sessions.take_stirred())
        is_more = False
        for receiver in seats.take_noticed():
            if self._serve_holder(line, seats, receiver, now):
                seats.notice(receiver)
                is_more = True
        return is_more

    def _serve_holder(
        self, line: Line, seats: SessionLine, receiver: Receiver, now: UnixMs
    ) -> bool:
        """Is there something left that it wants and could have in another round?"""
        if receiver.blocked or not seats.has(receiver):
            return False
        assert receiver.session_id is not None
        sessions = sessions_of(line.queue)
        session = sessions.by_id[receiver.session_id]
        if line.queue.hands_out and receiver.credit > 0:
            wanted = min(receiver.credit, DISPATCH_RUN_MAX)
            ready = sessions.next_entries(session, wanted)
            if ready:
                self._hand_out(line, receiver, ready, session, now)
            if receiver.credit > 0 and session.next_number() != NO_NUMBER:
                return True
        if receiver.draining:
            receiver.draining = False
            receiver.credit = 0
            self._outbox.hold_behind_all(Drained(receiver))
        return False

    def let_time_pass(self, line: Line, facts: list[Fact], now: UnixMs) -> None:
        """After `facts` of the queue's `expire`: whose session has run out hears of it, and
        so does whose patience has.
        """
        seats = seats_of(line)
        for fact in facts:
            if isinstance(fact, SessionUnlocked):
                holder = seats.holders.get(fact.session_id)
                if holder is not None:
                    lost = SessionLockLost(f"message session {fact.session_id!r}")
                    self._end(line, seats, holder)
                    self._outbox.hold(self._journal.end, ReceiverEnded(holder, lost))
        for seeker in seats.take_late(now):
            timeout = Timeout("no message session became free", seeker.patience)
            self._end(line, seats, seeker)
            self._outbox.hold(self._journal.end, SessionRefused(seeker, timeout))

    def _end(self, line: Line, seats: SessionLine, receiver: Receiver) -> None:
        receiver.closed = True
        seats.remove(receiver)


def seats_of(line: Line) -> SessionLine:
    seats = line.session_line
    assert seats is not None
    return seats
