"""What routes have in common: whom they ask, who asks them, and where they are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.entities.topic import Topic
from peeklock.errors import BrokerError, InvalidRequest, Unauthorized
from peeklock.frontends.http.authorization import Doorkeeper
from peeklock.frontends.http.bodies import Bodies
from peeklock.frontends.http.jobs import Jobs
from peeklock.frontends.http.problems import problem, problem_of
from peeklock.frontends.http.waiting import ClientGone, Wait
from peeklock.security.principal import Principal
from peeklock.types import UnixMs

ADMINISTRATION: Final = b"api-version="
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Made = TypeVar("Made")
Handler = Callable[[Any, Request], Awaitable[Response]]


class SendAll(Protocol):
    """Hands messages in; returns when they are durable, or raises `BrokerError`."""

    async def __call__(self, entity: Queue | Topic, given: list[Submission]) -> None: ...


class Apart(Protocol):
    """Calls what takes long and touches no entity, while others are served."""

    async def __call__(self, make: Callable[[], Made]) -> Made: ...


@dataclass(frozen=True)
class RoutesHost:
    """What the broker gives to these routes."""

    jobs: Jobs
    doorkeeper: Doorkeeper
    now: Callable[[], UnixMs]
    durable: Callable[[], Awaitable[None]]  # returns when all that was done is on disk
    send: SendAll
    wait: Wait
    apart: Apart
    is_expected_host: Callable[[str], bool]  # may a request call the broker by this name?
    is_expected_page: Callable[[str], bool]  # may a page of this origin ask?
    may_push: Callable[[str], bool]  # may a webhook's sender of this name, without proof?
    bodies: Bodies  # those under way, over all routes


def answered(handler: Handler) -> Handler:
    """With a problem document where it is refused."""

    @wraps(handler)
    async def answer(self: object, request: Request) -> Response:
        try:
            return await handler(self, request)
        except BrokerError as error:
            return problem_of(error)
        except OSError as error:
            return problem(500, f"the journal cannot be read: {error}")
        except ClientGone:
            return Response(status_code=204)  # nobody reads it

    return answer


async def principal_of(host: RoutesHost, request: Request) -> Principal:
    """Who asks for the entity; raises `Unauthorized`."""
    return await principal_for(host, request, entity_of(request))


async def principal_for(host: RoutesHost, request: Request, path: str) -> Principal:
    """Who asks for what is at `path`; raises `Unauthorized`."""
    authority = request.headers.get("host", "localhost")
    if not host.is_expected_host(authority):
        raise Unauthorized(f"{authority[:80]!r} is no name of this broker")
    # A web page of elsewhere may POST without asking, and nobody here proves anything.
    origin = request.headers.get("origin")
    if origin is not None and not host.is_expected_page(origin):
        raise Unauthorized(
            f"a page of {origin[:80]!r} may ask nothing here, but those of http_origins"
        )
    given = request.headers.get("authorization", "")
    return await host.doorkeeper.principal(given, path, host.now())


def entity_of(request: Request) -> str:
    return str(request.path_params["entity"]).strip("/")


def base_of(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"


def name_of(request: Request) -> str:
    """The host by which the broker is called, without the port."""
    return request.url.hostname or "localhost"


def methods_at(request: Request) -> str:
    """All that can be asked where this request goes, by any route."""
    scope = request.scope
    found = [
        method
        for method in METHODS
        if any(
            route.matches({**scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return ", ".join([*found, "OPTIONS"])


def number_of(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(f"{name} is {text[:20]!r}, which is no number from 0 on")
    return int(text)


class OwnRoute(Route):
    """At a path that an entity might have, too: whoever brings an `api-version`, or asks by
    another method, means that entity."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found, more = super().matches(scope)
        if found is Match.FULL and ADMINISTRATION in scope["query_string"].lower():
            return Match.NONE, {}
        return (found, more) if found is Match.FULL else (Match.NONE, {})
