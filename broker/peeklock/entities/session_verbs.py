"""What may be asked of a queue's message sessions. As the queue's verbs: they decide, no more.

`nonce` is what a holder holds its session under: whoever lost it meanwhile is refused with
`SessionLockLost`, whoever has it now. All raise `NotAllowed` for a queue without sessions.
"""

from peeklock.entities.facts import (
    Fact,
    Locked,
    SessionLocked,
    SessionRenewed,
    SessionStateSet,
    SessionUnlocked,
    Unlocked,
)
from peeklock.entities.message_session import (
    MessageSession,
    MessageSessions,
    check_session_id,
)
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, Entry
from peeklock.errors import (
    MessageNotFound,
    MessageTooLarge,
    NotAllowed,
    QuotaExceeded,
    SessionCannotBeLocked,
)
from peeklock.types import SequenceNumber, SessionId, UnixMs


def sessions_of(queue: Queue) -> MessageSessions:
    if queue.sessions is None:
        raise NotAllowed(f"{queue.path!r} has no message sessions")
    return queue.sessions


def accept_session(
    queue: Queue, session_id: SessionId, nonce: bytes, now: UnixMs
) -> SessionLocked:
    """Hold a session under `nonce`, whether it has messages or not.

    Raises `SessionCannotBeLocked`; one whose lock has run out is not free before
    `Queue.expire` has said so.
    """
    check_session_id(session_id)
    session = sessions_of(queue).by_id.get(session_id)
    if session is not None and session.lock is not None:
        raise SessionCannotBeLocked(session_id)
    until = UnixMs(now + queue.settings.lock_duration_ms)
    return SessionLocked(queue.queue_id, session_id, nonce, until)


def receive_in_session(queue: Queue, session: MessageSession, entries: list[Entry]) -> Locked:
    """Lock these, which the caller found by `next_entries`, under the session's lock."""
    lock = session.lock
    assert lock is not None
    numbers = [entry.number for entry in entries]
    return Locked(queue.queue_id, numbers, lock.nonce, lock.until)


def receive_deferred_in_session(
    queue: Queue,
    session_id: SessionId,
    nonce: bytes,
    numbers: list[SequenceNumber],
    now: UnixMs,
) -> list[Fact]:
    """Lock deferred messages of a session by number; `MessageNotFound` when one is not."""
    lock = sessions_of(queue).held(session_id, nonce, now).lock
    assert lock is not None
    for number in numbers:
        entry = queue.entries.get(number)
        if entry is None or entry.state != DEFERRED or entry.session_id != session_id:
            raise MessageNotFound(queue.path, number, "deferred")
    return [Locked(queue.queue_id, numbers, nonce, lock.until)]


def renew_session(
    queue: Queue, session_id: SessionId, nonce: bytes, now: UnixMs
) -> SessionRenewed:
    """Hold it, and all that is held in it, for another lock duration from now."""
    sessions_of(queue).held(session_id, nonce, now)
    until = UnixMs(now + queue.settings.lock_duration_ms)
    return SessionRenewed(queue.queue_id, session_id, until)


def set_session_state(
    queue: Queue, session_id: SessionId, nonce: bytes, state: bytes | None, now: UnixMs
) -> SessionStateSet:
    """Remember it for the next holder; None: nothing any more.

    Raises `MessageTooLarge` and `QuotaExceeded`: it counts as messages do.
    """
    session = sessions_of(queue).held(session_id, nonce, now)
    size = len(state or b"")
    limits = queue.settings
    if size > limits.max_message_bytes:
        raise MessageTooLarge(size, limits.max_message_bytes, "session's state")
    grown = size - len(session.state or b"")
    if grown > 0 and queue.size_bytes + grown > limits.max_bytes:
        raise QuotaExceeded(f"queue {queue.path!r} has no room for {size} bytes of state")
    return SessionStateSet(queue.queue_id, session_id, state, now)


def release_session(
    queue: Queue, session_id: SessionId, nonce: bytes, now: UnixMs
) -> list[Fact]:
    """Its holder is gone: what it held is free at once, and no attempt is counted.

    No facts when it was not the holder any more.
    """
    sessions = sessions_of(queue)
    session = sessions.by_id.get(session_id)
    if session is None or session.lock is None or session.lock.nonce != nonce:
        return []
    facts: list[Fact] = []
    held = sessions.locked_numbers(session)
    if held:
        facts.append(Unlocked(queue.queue_id, held, failed=False))
    facts.append(SessionUnlocked(queue.queue_id, session_id, now))
    return facts
