"""Requests that wait for a message: receivers with a credit of one, and an end.

Each is a receiver as any other, in line with those of AMQP. What a request is handed stays
locked when its receiver goes, until its time is over; what was handed to one whose client has
gone meanwhile is free at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from peeklock.clock import Clock
from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import Deliver, Drained, Effect, ReceiverEnded
from peeklock.engine.engine import Engine
from peeklock.entities.queue import Queue
from peeklock.errors import Busy
from peeklock.frontends.http.waiting import ClientGone, Taken
from peeklock.limits import HTTP_WAITING_MAX
from peeklock.types import BY_TIME, LockToken, Millis

Answer: TypeAlias = "asyncio.Future[Taken | None]"
# So that the loop looks at the sockets once more: a client that has hung up is seen to have.
LOOKS: Final = 2


class WaitingRoom:
    """A peer of the engine without a connection; `Wait` is its face to the front-end."""

    def __init__(self, engine: Engine, clock: Clock, turn: Callable[[], None]) -> None:
        self._engine: Final = engine
        self._clock: Final = clock
        self._turn: Final = turn
        self._waiting: Final[set[Answer]] = set()
        self._is_closed = False

    def close(self) -> None:
        """The broker shuts down: who waits has waited long enough, and nobody may any more."""
        self._is_closed = True
        for answer in self._waiting:
            tell(answer, None)

    async def wait(
        self,
        queue: Queue,
        patience: Millis,
        until_gone: Callable[[], Awaitable[None]],
        *,
        outlasts: bool,
    ) -> Taken | None:
        """See `Wait`."""
        if self._is_closed:
            return None
        if len(self._waiting) >= HTTP_WAITING_MAX:
            raise Busy(f"{HTTP_WAITING_MAX} requests wait for messages, the limit")
        answer: Answer = asyncio.get_running_loop().create_future()
        receiver = self._engine.attach(self, answer, queue, ReceiveMode.PEEK_LOCK)
        if outlasts:
            receiver.link_id = BY_TIME
        self._waiting.add(answer)
        gone = asyncio.ensure_future(until_gone())
        taken = None
        try:
            await self._watch(receiver, answer, gone, patience)
            if gone.done():
                raise ClientGone
            taken = answer.result()
        finally:
            self._waiting.discard(answer)
            gone.cancel()
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # it is known: nobody need be told that it was not asked for
            self._engine.detach(receiver, self._clock.now(), keep=taken is not None)
            self._turn()
        return taken

    async def _watch(
        self,
        receiver: Receiver,
        answer: Answer,
        gone: "asyncio.Future[None]",
        patience: Millis,
    ) -> None:
        """Until there is an answer, or nobody to have it."""
        self._engine.set_credit(receiver, 1, draining=patience == 0)
        self._turn()
        either: list[asyncio.Future[Any]] = [answer, gone]
        first = asyncio.FIRST_COMPLETED
        if patience:
            await asyncio.wait(either, timeout=patience / 1000, return_when=first)
        if not answer.done() and not gone.done():
            # What is on its way to it still comes: then there is no end but after that.
            self._engine.set_credit(receiver, receiver.credit, draining=True)
            self._turn()
            await asyncio.wait(either, return_when=first)
        for _ in range(LOOKS):
            await asyncio.sleep(0)

    # ---- effects

    def on_effect(self, effect: Effect) -> None:
        if isinstance(effect, Deliver):
            (entry,) = effect.entries
            token = LockToken(effect.nonce + entry.number.to_bytes(8, "big"))
            tell(effect.receiver.link, Taken(entry, token, effect.locked_until))
        elif isinstance(effect, Drained):
            tell(effect.receiver.link, None)
        elif isinstance(effect, ReceiverEnded):
            answer = effect.receiver.link
            assert isinstance(answer, asyncio.Future)
            if not answer.done():
                answer.set_exception(effect.error)


def tell(answer: object, taken: Taken | None) -> None:
    assert isinstance(answer, asyncio.Future)
    if not answer.done():  # its request has ended
        answer.set_result(taken)
