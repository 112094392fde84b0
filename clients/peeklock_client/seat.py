"""A place in a message session, as a receiver's link asks for it and gets it."""

import asyncio

from peeklock.protocols.amqp10.performatives import Attach
from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import Symbol, UInt
from peeklock_client.errors import PeeklockError, Refused, SessionLost

SESSION_FILTER = Symbol("com.microsoft:session-filter")
LOCKED_UNTIL_UTC = Symbol("com.microsoft:locked-until-utc")
TIMEOUT = Symbol("com.microsoft:timeout")
TICKS_AT_UNIX_EPOCH = 621_355_968_000_000_000  # .NET's, of 100 ns, since the year 1
TICKS_PER_MS = 10_000


def session_lost(why: str) -> SessionLost:
    return SessionLost("com.microsoft:session-lock-lost", why)


class Seat:
    """Which session is wanted (None: the next free one), and what became of it."""

    def __init__(self, wanted: str | None, wait_ms: int | None) -> None:
        self._wanted = wanted
        self._wait_ms = wait_ms
        self.session_id = ""
        self.locked_until_ms = 0
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Nobody need await it: who gives up has no use for why it would not have come.
        self.granted.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def filters(self) -> AmqpMap:
        return {SESSION_FILTER: self._wanted}

    @property
    def properties(self) -> AmqpMap | None:
        return None if self._wait_ms is None else {TIMEOUT: UInt(self._wait_ms)}

    @property
    def is_taken(self) -> bool:
        done = self.granted.done() and not self.granted.cancelled()
        return done and self.granted.exception() is None

    def on_attached(self, attach: Attach) -> None:
        source = attach.source
        found = (source.filter if source is not None else None) or {}
        session_id = found.get(SESSION_FILTER)
        if not isinstance(session_id, str):
            self.fail(Refused("peeklock:unreadable", "the broker did not name the session"))
            return
        self.session_id = str(session_id)
        ticks = (attach.properties or {}).get(LOCKED_UNTIL_UTC)
        if isinstance(ticks, int):
            self.locked_until_ms = (int(ticks) - TICKS_AT_UNIX_EPOCH) // TICKS_PER_MS
        if not self.granted.done():
            self.granted.set_result(None)

    def fail(self, error: PeeklockError) -> None:
        if not self.granted.done():
            self.granted.set_exception(error)
