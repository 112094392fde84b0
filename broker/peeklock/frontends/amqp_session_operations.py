"""Message sessions over an entity's `$management` node, in Service Bus' names and forms.

Renewing, and the state, are for a session's holder: the connection that the request comes on
must have it, and the link that the request names must be the one. Whoever lost a session
cannot act on it for the next holder.
"""

from collections.abc import Callable
from typing import Final, final

from peeklock.engine.dispatch import Receiver
from peeklock.engine.engine import Engine
from peeklock.entities.session_verbs import renew_session, sessions_of, set_session_state
from peeklock.errors import InvalidRequest, SessionLockLost
from peeklock.frontends.amqp_request import NO_CONTENT, Reply, Request
from peeklock.limits import PEEK_COUNT_MAX
from peeklock.protocols.amqp10.link import SenderLink
from peeklock.protocols.amqp10.values import (
    ARRAY_STRING,
    AmqpArray,
    AmqpValue,
    Int,
    Timestamp,
)
from peeklock.security.rights import Right
from peeklock.types import SessionId, UnixMs

# What stands for "never mind since when" in `last-updated-time`: the end of .NET's calendar.
ALL_TIMES: Final = 253_402_300_800_000


@final
class SessionOperations:
    """Each is about the queue or subscription that the node is of."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def by_name(self) -> dict[str, Callable[[Request, Reply], None]]:
        return {
            "com.microsoft:renew-session-lock": self._renew,
            "com.microsoft:set-session-state": self._set_state,
            "com.microsoft:get-session-state": self._get_state,
            "com.microsoft:get-message-sessions": self._list,
        }

    def _renew(self, request: Request, reply: Reply) -> None:
        session_id, holder = self._held(request)
        queue = request.queue
        fact = renew_session(queue, session_id, holder.session_nonce, request.now)
        self._engine.commit(queue, [fact], request.now)
        reply.result = {"expiration": Timestamp(fact.until)}

    def _set_state(self, request: Request, reply: Reply) -> None:
        session_id, holder = self._held(request)
        state = request.arguments.get("session-state")
        if state is not None and not isinstance(state, bytes):
            raise InvalidRequest(f"session-state is binary or null, not {state!r}")
        queue = request.queue
        nonce = holder.session_nonce
        fact = set_session_state(queue, session_id, nonce, state, request.now)
        self._engine.commit(queue, [fact], request.now)

    def _get_state(self, request: Request, reply: Reply) -> None:
        session_id, holder = self._held(request)
        sessions = sessions_of(request.queue)
        session = sessions.held(session_id, holder.session_nonce, request.now)
        reply.result = {"session-state": session.state}

    def _list(self, request: Request, reply: Reply) -> None:
        request.principal.require(Right.LISTEN, request.queue.path)
        sessions = sessions_of(request.queue)
        since = request.whole("last-updated-time", ALL_TIMES)
        skip = max(0, request.whole("skip", 0))
        top = min(max(0, request.whole("top", 100)), PEEK_COUNT_MAX)
        if since >= ALL_TIMES:
            found = sessions.with_work_or_state()
        else:
            found = sessions.with_state_set_after(UnixMs(since))
        page: list[AmqpValue] = [str(session_id) for session_id in found[skip : skip + top]]
        if not page:
            reply.refuse(NO_CONTENT, "com.microsoft:session-not-found", "no more sessions")
            return
        reply.result = {
            "skip": Int(skip + len(page)),
            "sessions-ids": AmqpArray(ARRAY_STRING, page),
        }

    def _held(self, request: Request) -> tuple[SessionId, Receiver]:
        request.principal.require(Right.LISTEN, request.queue.path)
        session_id = request.session_id()
        if session_id is None:
            raise InvalidRequest(f"{request.operation}: session-id is missing")
        return session_id, holder_for(self._engine, request, session_id)


def holder_for(engine: Engine, request: Request, session_id: SessionId) -> Receiver:
    """The receiver on whose behalf a request acts on a session; raises `SessionLockLost`."""
    sessions_of(request.queue)
    holder = engine.holder_of(request.queue, session_id)
    if holder is None or holder.peer is not request.peer:
        raise SessionLockLost(f"message session {session_id!r}")
    link = holder.link
    if request.link_name and isinstance(link, SenderLink) and link.name != request.link_name:
        raise SessionLockLost(f"message session {session_id!r}")
    return holder
