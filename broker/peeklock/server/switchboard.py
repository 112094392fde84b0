"""Between the engine and the sockets: turns, effects to their connections, deadlines."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from peeklock.clock import Clock
from peeklock.engine.effects import Peer
from peeklock.engine.engine import Engine
from peeklock.limits import DEADLINES_LOOK_AGAIN
from peeklock.security.authenticators import Login, Rejection
from peeklock.server.connection import SocketConnection, Wire
from peeklock.server.login_desk import LoginDesk, Verified
from peeklock.types import NEVER

log = structlog.get_logger()


class Switchboard:
    """Knows every connection; runs the engine's turns when bytes, time or a sync ask for it."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        login_desk: LoginDesk,
        commit: Callable[[], object],
    ) -> None:
        self.connections: Final[dict[Peer, SocketConnection]] = {}
        # Those among them that are one too many, until they are gone.
        self.refused: Final[set[Peer]] = set()
        # Peers without a connection of ours; they are there as long as the broker.
        self.residents: Final[set[Peer]] = set()
        self._engine: Final = engine
        self._clock: Final = clock
        self._login_desk: Final = login_desk
        self._commit: Final = commit  # what was appended is to be durable soon, or is at once
        self._touched: set[SocketConnection] = set()
        self._turn_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._logins: Final[set[asyncio.Task[None]]] = set()

    @property
    def open_count(self) -> int:
        """Connections that were let in."""
        return len(self.connections) - len(self.refused)

    def after_read(self, connection: SocketConnection) -> None:
        """A connection has taken in bytes, or time has."""
        self._touched.add(connection)
        self.turn()
        wire = connection.wire
        login = wire.login
        if login is not None:
            wire.login = None  # each is checked once, whatever comes meanwhile
            task = asyncio.ensure_future(self._check_login(connection, wire, login))
            self._logins.add(task)
            task.add_done_callback(self._logins.discard)

    def turn(self) -> None:
        """Serve receivers, commit, then tell everybody what may be told."""
        self._turn_is_due = False
        now = self._clock.now()
        self._engine.turn(now)
        self._commit()
        committed = self._engine.journal.end
        self.release()
        is_more = self._engine.has_work or self._engine.journal.end > committed
        if is_more and not self._turn_is_due:
            self._turn_is_due = True
            asyncio.get_running_loop().call_soon(self.turn)
        self._set_timer()

    def release(self) -> None:
        """Hand out the effects that are due, each connection's in one write."""
        touched = self._touched
        connections = self.connections
        for effect in self._engine.take_effects():
            connection = connections.get(effect.peer)
            if connection is None:
                if effect.peer in self.residents:
                    effect.peer.on_effect(effect)
                continue  # else it is gone: nobody is there to be told
            touched.add(connection)
            try:
                effect.peer.on_effect(effect)
            except Exception as error:  # noqa: BLE001 (whatever it is, it ends one connection)
                connection.fail(error)  # of that connection: the others' effects are due
        if touched:
            self._touched = set()
            for connection in touched:
                connection.flush()

    def forget(self, connection: SocketConnection) -> None:
        if connection.verified is not None:
            self._login_desk.keep(connection.verified)
        self.connections.pop(connection.wire, None)
        self.refused.discard(connection.wire)

    def _set_timer(self) -> None:
        at = self._engine.next_deadline()
        if at == NEVER or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        # Not all the way: the machine's clock may be set forward meanwhile.
        delay = min(max(0, at - self._clock.now()), DEADLINES_LOOK_AGAIN) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        self._engine.tick(self._clock.now())
        self.turn()

    async def _check_login(
        self, connection: SocketConnection, wire: Wire, login: Login
    ) -> None:
        try:
            answer = await self._login_desk.check(login, lambda: wire.closed)
            if isinstance(answer, Verified):
                connection.verified = answer
                answer = answer.admission
            elif isinstance(answer, Rejection):
                log.warning(
                    "login refused",
                    peer=connection.peer_name,
                    mechanism=login.mechanism,
                    reason=answer.why,
                )
            wire.on_login(answer, self._clock.now())
        except Exception as error:  # noqa: BLE001 (whatever it is, it ends one connection)
            connection.fail(error)
        self.after_read(connection)
