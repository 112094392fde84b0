"""Handing one message to one request: under a lock, or for good.

What a message looks like is the routes' business, `Write`; this sees to it that it is durable
before it is told, and free again when nobody is there to be told.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import COMPLETE
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.errors import LockLost
from peeklock.frontends.http.bodies import Bodies
from peeklock.frontends.http.handed_messages import Handed, location_of
from peeklock.frontends.http.jobs import seconds_in
from peeklock.frontends.http.routes_host import RoutesHost, base_of
from peeklock.frontends.http.waiting import ClientGone, Taken
from peeklock.limits import HTTP_WAIT_DEFAULT, HTTP_WAIT_MAX
from peeklock.message import Message
from peeklock.store.journal import MessageDamaged
from peeklock.types import NEVER, NONCE_BYTES, LockToken, Millis, UnixMs

CHUNK_BYTES: Final = 64 * 1024  # of a body, between looks at whether the client still reads

# A message as a response has it; the instant is when its lock runs out, NEVER without one.
Write = Callable[[Entry, Message, LockToken, UnixMs], Awaitable[Handed]]
Teller = Callable[[Request, Queue, Taken, Write], Awaitable[Response]]


class HandingOut:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._jobs: Final = host.jobs
        self._engine: Final[Engine] = host.jobs.engine
        self._bodies: Final = host.bodies

    async def lock_next(self, request: Request, queue: Queue, write: Write) -> Response:
        return await self._next(request, queue, self._tell_locked, write, outlasts=True)

    async def take_next(self, request: Request, queue: Queue, write: Write) -> Response:
        """Locked first, so that a client that hangs up meanwhile loses nothing."""
        return await self._next(request, queue, self._tell_taken, write, outlasts=False)

    async def tell_locked(
        self, request: Request, queue: Queue, taken: Taken, write: Write
    ) -> Response:
        """What is locked already; the lock is durable."""
        return await self._tell(request, queue, taken, self._tell_locked, write)

    async def _next(
        self, request: Request, queue: Queue, tell: Teller, write: Write, *, outlasts: bool
    ) -> Response:
        """The next message that can be read; damaged ones are given up."""
        host = self._host
        default, most = HTTP_WAIT_DEFAULT, HTTP_WAIT_MAX
        deadline = host.now() + seconds_in(request.query_params, "timeout", default, most)
        while True:
            patience = Millis(max(0, deadline - host.now()))
            gone = partial(until_gone, request)
            taken = await host.wait(queue, patience, gone, outlasts=outlasts)
            if taken is None:
                return Response(status_code=204)
            try:
                return await self._tell(request, queue, taken, tell, write)
            except MessageDamaged:
                self._engine.give_up(queue, taken.entry, taken.token[:NONCE_BYTES])
            except LockLost:
                continue  # it ran out on the way

    async def _tell(
        self, request: Request, queue: Queue, taken: Taken, tell: Teller, write: Write
    ) -> Response:
        """A message that cannot be told is free again."""
        try:
            if await request.is_disconnected():
                raise ClientGone
            return await tell(request, queue, taken, write)
        except MessageDamaged:
            raise
        except BaseException:
            self._jobs.release(queue, taken.token, self._host.now())
            await self._host.durable()
            raise

    async def _tell_locked(
        self, request: Request, queue: Queue, taken: Taken, write: Write
    ) -> Response:
        message = self._engine.message_of(taken.entry)
        told = await write(taken.entry, message, taken.token, taken.until)
        location = location_of(base_of(request), queue.path, taken.entry, taken.token)
        return HandedResponse(201, told, [("Location", location)], self._bodies)

    async def _tell_taken(
        self, request: Request, queue: Queue, taken: Taken, write: Write
    ) -> Response:
        message = self._engine.message_of(taken.entry)
        told = await write(taken.entry, message, taken.token, NEVER)
        response = HandedResponse(200, told, [], self._bodies)
        try:
            self._engine.settle_tokens(queue, [taken.token], COMPLETE, self._host.now())
            await self._host.durable()
        except BaseException:
            response.give_back()
            raise
        return response


class HandedResponse(Response):
    """A message, a chunk at a time as its client reads. Names of fields stay as written."""

    def __init__(
        self, status: int, told: Handed, more: list[tuple[str, str]], bodies: Bodies
    ) -> None:
        """Raises `Busy` when too much is under way to others."""
        super().__init__(status_code=status)
        length = ("Content-Length", str(len(told.body)))
        self.raw_headers = [
            (name.encode("ascii"), value.encode("ascii"))
            for name, value in [*more, *told.fields, length]
        ]
        self.body = told.body
        self._bodies: Final = bodies
        bodies.take(len(told.body))

    def give_back(self) -> None:
        """It needs no memory any more."""
        self._bodies.give_back(len(self.body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        body = memoryview(self.body)
        try:
            await send({"type": "http.response.start", **start})
            for at in range(0, len(body), CHUNK_BYTES):
                part = bytes(body[at : at + CHUNK_BYTES])
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            self.give_back()


async def until_gone(request: Request) -> None:
    """Returns when the client has hung up. What it sends besides is not looked at."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
