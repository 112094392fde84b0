"""The route of a topic's events as they come: server-sent events, for browsers and `curl`."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from peeklock.filters.filter import cesql_filter
from peeklock.filters.subject_path import SubjectPath
from peeklock.frontends.http.live_events import (
    SILENCE,
    STREAM_TYPE,
    Follow,
    Stream,
    wanted_by,
)
from peeklock.frontends.http.routes_host import (
    RoutesHost,
    answered,
    entity_of,
    principal_of,
)
from peeklock.limits import HTTP_STREAM_DURATION_MAX, HTTP_STREAM_SILENCE_MAX
from peeklock.types import UnixMs

HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


class StreamRoute(Route):
    """A GET without its Accept is about an entity of that name (administration)."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found, more = super().matches(scope)
        if found is Match.FULL:
            accepts = [value for name, value in scope["headers"] if name == b"accept"]
            if not any(STREAM_TYPE.encode() in value.lower() for value in accepts):
                return Match.NONE, {}
        return found, more


class StreamRoutes:
    def __init__(self, host: RoutesHost, follow: Follow) -> None:
        self._host: Final = host
        self._follow: Final = follow

    def routes(self) -> list[BaseRoute]:
        route = StreamRoute("/{entity:path}/events", self.stream, methods=["GET"])
        assert route.methods is not None
        route.methods.discard("HEAD")  # there is no length, nor anything else to be told
        return [route]

    @answered
    async def stream(self, request: Request) -> Response:
        """Events that the topic takes from now on, until the client goes or the broker ends."""
        host = self._host
        principal = await principal_of(host, request)
        topic = host.jobs.to_follow(principal, entity_of(request))
        condition = request.query_params.get("filter")
        path = request.query_params.get("subject")
        wanted = wanted_by(
            None if condition is None else cesql_filter(condition),
            None if path is None else SubjectPath(path),
        )
        until = UnixMs(host.now() + HTTP_STREAM_DURATION_MAX)
        return LiveResponse(host, self._follow(topic, wanted), until)


class LiveResponse(StreamingResponse):
    def __init__(self, host: RoutesHost, stream: Stream, until: UnixMs) -> None:
        super().__init__(told(host, stream, until), 200, HEADERS, STREAM_TYPE)
        self._stream: Final = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.close()  # also where nothing was ever told


async def told(host: RoutesHost, stream: Stream, until: UnixMs) -> AsyncIterator[bytes]:
    yield SILENCE  # so that the client knows that it is heard
    while host.now() < until:
        frames = await stream.read(HTTP_STREAM_SILENCE_MAX)
        if frames is None:
            return
        yield frames or SILENCE
