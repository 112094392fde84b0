"""The routes of CloudEvents: in and out, in any mode of HTTP's (HTTP binding 1.0 §3).

An event that is handed out is a locked message; the routes of jobs settle it.
"""

import re
from functools import partial
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from peeklock.cloudevents.http_binding import HttpParts, http_mode
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.webhook import ALLOWED_ORIGIN, ALLOWED_RATE, REQUEST_ORIGIN
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, ProtocolViolation
from peeklock.frontends.amqp_intake import read_sent
from peeklock.frontends.amqp_message import bare_of
from peeklock.frontends.http.bodies import Body
from peeklock.frontends.http.handed_events import (
    event_parts,
    form_asked_for,
    handed_event,
)
from peeklock.frontends.http.handed_messages import Handed, handed
from peeklock.frontends.http.handing_out import HandingOut, Write
from peeklock.frontends.http.received_events import READ_TYPES, is_scanned, payloads_of
from peeklock.frontends.http.routes_host import (
    RoutesHost,
    answered,
    entity_of,
    methods_at,
    principal_of,
)
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX, EVENT_SCANNED_AT_ONCE_BYTES_MAX
from peeklock.message import Message
from peeklock.security.rights import Right
from peeklock.types import LockToken, UnixMs

DNS_NAME: Final = re.compile("[A-Za-z0-9.-]{1,253}")


class EventRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._engine: Final = host.jobs.engine
        self._handing: Final = HandingOut(host)

    def routes(self) -> list[BaseRoute]:
        at = "/{entity:path}/events"
        return [
            Route(at, self.receive, methods=["POST"]),
            Route(at, self.allow, methods=["OPTIONS"]),
            Route(at + "/head", self.lock_next, methods=["POST"]),
            Route(at + "/head", self.take_next, methods=["DELETE"]),
        ]

    @answered
    async def receive(self, request: Request) -> Response:
        """202 when all events of the request are on disk; none is when it is refused."""
        host = self._host
        principal = await principal_of(host, request)
        entity = host.jobs.to_send_to(principal, entity_of(request), host.now())
        headers = headers_of(request)
        announced = HttpParts(headers, b"")
        if http_mode(announced) is ContentMode.UNKNOWN_FORMAT:
            raise HTTPException(415, f"the formats of events that are read are {READ_TYPES}")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise HTTPException(415, "a body that is encoded (Content-Encoding) is not read")
        limit = entity.settings.max_message_bytes
        if is_scanned(announced):
            limit = min(limit, EVENT_DOCUMENT_BYTES_MAX)
        with Body(host.bodies, limit) as body:
            parts = HttpParts(headers, await body.read(request))
            make = partial(payloads_of, parts, host.now())
            is_long = len(parts.body) > EVENT_SCANNED_AT_ONCE_BYTES_MAX
            payloads = await host.apart(make) if is_long and is_scanned(parts) else make()
            given = self._taken_in(payloads, entity)
            if given:  # a batch may be empty (JSON format §4.2)
                await host.send(entity, given)
        return Response(status_code=202)

    @answered
    async def allow(self, request: Request) -> Response:
        """Somebody's webhook asks for leave to push here (Web Hooks 1.0 §4.2).

        It has it if it proves that it may send, as it will have to with each event; or if the
        operator has named it, since many do not prove it yet when they ask.
        """
        host = self._host
        sender = request.headers.get(REQUEST_ORIGIN)
        headers = {"allow": methods_at(request)}
        if sender is None:
            return Response(status_code=204, headers=headers)
        if not DNS_NAME.fullmatch(sender):
            raise InvalidRequest(f"{REQUEST_ORIGIN} is {sender[:80]!r}, which is no DNS name")
        if not host.may_push(sender):
            principal = await principal_of(host, request)
            principal.require(Right.SEND, entity_of(request))
        headers |= {ALLOWED_ORIGIN: sender, ALLOWED_RATE: "*"}
        return Response(status_code=200, headers=headers)

    def _taken_in(self, payloads: list[bytes], entity: Queue | Topic) -> list[Submission]:
        """As if they had come by AMQP."""
        now = self._host.now()
        ids = self._engine.ids
        try:
            return [read_sent(payload, entity, ids, now) for payload in payloads]
        except ProtocolViolation as error:
            raise InvalidRequest(error.what) from None

    @answered
    async def lock_next(self, request: Request) -> Response:
        queue = await self._queue(request)
        return await self._handing.lock_next(request, queue, self._writer(request))

    @answered
    async def take_next(self, request: Request) -> Response:
        queue = await self._queue(request)
        return await self._handing.take_next(request, queue, self._writer(request))

    async def _queue(self, request: Request) -> Queue:
        principal = await principal_of(self._host, request)
        return self._host.jobs.to_receive_from(principal, entity_of(request), self._host.now())

    def _writer(self, request: Request) -> Write:
        """In the mode that the request asks for."""
        form = form_asked_for(request.headers.get("accept", ""))

        async def write(
            entry: Entry, message: Message, token: LockToken, until: UnixMs
        ) -> Handed:
            make = partial(event_parts, bare_of(entry, message), form)
            is_long = len(message.bare) > EVENT_SCANNED_AT_ONCE_BYTES_MAX
            parts = await self._host.apart(make) if is_long else make()
            if parts is not None:
                told = handed_event(entry, message, token, until, parts)
                if told is not None:
                    return told
            return handed(entry, message, token, until)

        return write


def headers_of(request: Request) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]
