"""The routes of jobs: send, receive under a lock or for good, settle, renew.

In the form of Service Bus' REST API; what goes beyond it is marked so in openapi.py.
"""

import json
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from peeklock.engine.engine import Engine
from peeklock.entities.dispositions import COMPLETE, Disposition
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.queue_index import Entry
from peeklock.frontends.http.bodies import Body
from peeklock.frontends.http.handed_messages import Handed, handed
from peeklock.frontends.http.handing_out import HandingOut
from peeklock.frontends.http.http_dates import write_date
from peeklock.frontends.http.jobs import disposition_in
from peeklock.frontends.http.property_values import BROKER_PROPERTIES
from peeklock.frontends.http.routes_host import (
    RoutesHost,
    answered,
    entity_of,
    principal_of,
)
from peeklock.frontends.http.sent_messages import Fields, is_batch, read_batch, read_one
from peeklock.frontends.http.waiting import Taken
from peeklock.limits import HTTP_BATCH_BYTES_MAX
from peeklock.message import Message
from peeklock.types import LockToken, UnixMs

# Where the listener leaves the names of header fields as they were written: ASGI has them in
# lower case, and an application property's name is more than that.
FIELD_NAMES: Final = "peeklock.field_names"


class JobRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._jobs: Final = host.jobs
        self._engine: Final[Engine] = host.jobs.engine
        self._bodies: Final = host.bodies
        self._handing: Final = HandingOut(host)

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
        return await self._handing.lock_next(request, await self._queue(request), write)

    @answered
    async def take_next(self, request: Request) -> Response:
        return await self._handing.take_next(request, await self._queue(request), write)

    @answered
    async def lock_deferred(self, request: Request) -> Response:
        queue = await self._queue(request)
        number = str(request.path_params["number"])
        entry = self._jobs.lock_deferred(queue, number, self._host.now())
        assert entry.lock is not None
        taken = Taken(entry, token_of(entry), entry.lock.until)
        await self._host.durable()
        return await self._handing.tell_locked(request, queue, taken, write)

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


async def write(entry: Entry, message: Message, token: LockToken, until: UnixMs) -> Handed:
    return handed(entry, message, token, until)


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
