"""The routes of jobs: send, receive under a lock or for good, settle, renew.

In the form of Service Bus' REST API; what goes beyond it is marked so in openapi.py.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import COMPLETE, Disposition
from peeklock.entities.queue import Queue, token_of
from peeklock.errors import LockLost
from peeklock.frontends.http.bodies import Bodies, Body
from peeklock.frontends.http.handed_messages import Handed, handed, location_of
from peeklock.frontends.http.http_dates import write_date
from peeklock.frontends.http.jobs import disposition_in, seconds_in
from peeklock.frontends.http.property_values import BROKER_PROPERTIES
from peeklock.frontends.http.routes_host import (
    RoutesHost,
    answered,
    base_of,
    entity_of,
    principal_of,
)
from peeklock.frontends.http.sent_messages import Fields, is_batch, read_batch, read_one
from peeklock.frontends.http.waiting import ClientGone, Taken
from peeklock.limits import HTTP_BATCH_BYTES_MAX, HTTP_WAIT_DEFAULT, HTTP_WAIT_MAX
from peeklock.store.journal import MessageDamaged
from peeklock.types import NEVER, NONCE_BYTES, Millis

# Where the listener leaves the names of header fields as they were written: ASGI has them in
# lower case, and an application property's name is more than that.
FIELD_NAMES: Final = "peeklock.field_names"
CHUNK_BYTES: Final = 64 * 1024  # of a body, between looks at whether the client still reads


class JobRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._jobs: Final = host.jobs
        self._engine: Final[Engine] = host.jobs.engine
        self._bodies: Final = host.bodies

    def routes(self) -> list[BaseRoute]:
        at = "/{entity:path}/messages"
        locked = at + "/{which:path}/{token}"
        return [
            Route(at, self.send, methods=["POST"]),
            Route(at + "/head", self.lock_next, methods=["POST"]),
            Route(at + "/head", self.take_next, methods=["DELETE"]),
            Route(at + "/{number}", self.lock_deferred, methods=["POST"]),
            Route(locked, self.complete, methods=["DELETE"]),
            Route(locked, self.give_back, methods=["PUT"]),
            Route(locked, self.renew, methods=["POST"]),
        ]

    # ---- send

    @answered
    async def send(self, request: Request) -> Response:
        """201 when all messages of the request are on disk; none is when it is refused."""
        host = self._host
        principal = await principal_of(host, request)
        entity = self._jobs.to_send_to(principal, entity_of(request), host.now())
        fields = fields_of(request)
        batch = is_batch(fields)
        # A message's size counts its properties, too: the engine looks at that.
        limit = entity.settings.max_message_bytes
        with Body(self._bodies, min(limit, HTTP_BATCH_BYTES_MAX) if batch else limit) as body:
            content = await body.read(request)
            now = host.now()
            ids = self._engine.ids
            if batch:
                given = read_batch(content, entity, ids, now)
            else:
                given = [read_one(fields, content, entity, ids, now)]
            del content
            await host.send(entity, given)
        return Response(status_code=201)

    # ---- receive

    @answered
    async def lock_next(self, request: Request) -> Response:
        queue = await self._queue(request)
        return await self._next(request, queue, self._tell_locked, outlasts=True)

    @answered
    async def take_next(self, request: Request) -> Response:
        """Locked first, so that a client that hangs up meanwhile loses nothing."""
        queue = await self._queue(request)
        return await self._next(request, queue, self._tell_taken, outlasts=False)

    @answered
    async def lock_deferred(self, request: Request) -> Response:
        queue = await self._queue(request)
        number = str(request.path_params["number"])
        entry = self._jobs.lock_deferred(queue, number, self._host.now())
        assert entry.lock is not None
        taken = Taken(entry, token_of(entry), entry.lock.until)
        await self._host.durable()
        return await self._tell(request, queue, taken, self._tell_locked)

    async def _next(
        self, request: Request, queue: Queue, tell: "Teller", *, outlasts: bool
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
                return await self._tell(request, queue, taken, tell)
            except MessageDamaged:
                self._engine.give_up(queue, taken.entry, taken.token[:NONCE_BYTES])
            except LockLost:
                continue  # it ran out on the way

    async def _tell(
        self, request: Request, queue: Queue, taken: Taken, tell: "Teller"
    ) -> Response:
        """A message that cannot be told is free again."""
        try:
            if await request.is_disconnected():
                raise ClientGone
            return await tell(request, queue, taken)
        except MessageDamaged:
            raise
        except BaseException:
            self._jobs.release(queue, taken.token, self._host.now())
            await self._host.durable()
            raise

    async def _tell_locked(self, request: Request, queue: Queue, taken: Taken) -> Response:
        told = handed(
            taken.entry, self._engine.message_of(taken.entry), taken.token, taken.until
        )
        location = location_of(base_of(request), queue.path, taken.entry, taken.token)
        return HandedResponse(201, told, [("Location", location)], self._bodies)

    async def _tell_taken(self, request: Request, queue: Queue, taken: Taken) -> Response:
        told = handed(taken.entry, self._engine.message_of(taken.entry), taken.token, NEVER)
        response = HandedResponse(200, told, [], self._bodies)
        try:
            self._engine.settle_tokens(queue, [taken.token], COMPLETE, self._host.now())
            await self._host.durable()
        except BaseException:
            response.give_back()
            raise
        return response

    # ---- settle

    @answered
    async def complete(self, request: Request) -> Response:
        return await self._settle(request, COMPLETE)

    @answered
    async def give_back(self, request: Request) -> Response:
        disposition = disposition_in(request.query_params, self._host.now())
        return await self._settle(request, disposition)

    async def _settle(self, request: Request, disposition: Disposition) -> Response:
        queue = await self._queue(request)
        which, token = locked_of(request)
        self._jobs.settle(queue, which, token, disposition, self._host.now())
        await self._host.durable()
        return Response(status_code=200)

    @answered
    async def renew(self, request: Request) -> Response:
        queue = await self._queue(request)
        which, token = locked_of(request)
        until = self._jobs.renew(queue, which, token, self._host.now())
        await self._host.durable()
        told = json.dumps({"LockedUntilUtc": write_date(until)})
        return Response(status_code=200, headers={BROKER_PROPERTIES: told})

    # ---- who asks

    async def _queue(self, request: Request) -> Queue:
        """That the request wants to receive from."""
        principal = await principal_of(self._host, request)
        return self._jobs.to_receive_from(principal, entity_of(request), self._host.now())


Teller = Callable[[Request, Queue, Taken], Awaitable[Response]]


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


def locked_of(request: Request) -> tuple[str, str]:
    """The message that a request is about, and the token of its lock."""
    return str(request.path_params["which"]), str(request.path_params["token"])


def fields_of(request: Request) -> Fields:
    """The header fields, with their names as they were written."""
    raw = request.headers.raw
    names = cast(
        list[bytes],
        request.scope.get("extensions", {}).get(FIELD_NAMES, [name for name, _ in raw]),
    )
    return [
        (name.decode("latin-1"), value) for name, (_, value) in zip(names, raw, strict=True)
    ]
