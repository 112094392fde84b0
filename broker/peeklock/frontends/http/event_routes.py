"""The routes of CloudEvents: in over HTTP, in any of its modes (HTTP binding 1.0 §3)."""

from functools import partial
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from peeklock.cloudevents.http_binding import HttpParts, http_mode
from peeklock.cloudevents.structured import ContentMode
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, ProtocolViolation
from peeklock.frontends.amqp_intake import read_sent
from peeklock.frontends.http.bodies import Body
from peeklock.frontends.http.received_events import READ_TYPES, is_scanned, payloads_of
from peeklock.frontends.http.routes_host import (
    RoutesHost,
    answered,
    entity_of,
    principal_of,
)
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX, EVENT_SCANNED_AT_ONCE_BYTES_MAX


class EventRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._engine: Final = host.jobs.engine

    def routes(self) -> list[BaseRoute]:
        return [Route("/{entity:path}/events", self.receive, methods=["POST"])]

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

    def _taken_in(self, payloads: list[bytes], entity: Queue | Topic) -> list[Submission]:
        """As if they had come by AMQP."""
        now = self._host.now()
        ids = self._engine.ids
        try:
            return [read_sent(payload, entity, ids, now) for payload in payloads]
        except ProtocolViolation as error:
            raise InvalidRequest(error.what) from None


def headers_of(request: Request) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]
