"""The routes, as a Starlette application: thin, over what answers them.

This is the one front-end with `async` in it: Starlette wants it so. It waits for three things
only: a request's body, a password's check, and the disk (ADR 0022).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from peeklock.errors import (
    BrokerError,
    InvalidRequest,
    MessageTooLarge,
    NotFound,
    Unauthorized,
)
from peeklock.frontends.errors_on_the_wire import condition_of, status_of
from peeklock.frontends.http import administration, atom
from peeklock.frontends.http.authorization import Doorkeeper
from peeklock.frontends.http.bodies import Bodies
from peeklock.frontends.http.callback_routes import CallbackRoutes, Grant
from peeklock.frontends.http.derivation_routes import DerivationRoutes
from peeklock.frontends.http.event_routes import EventRoutes
from peeklock.frontends.http.job_routes import JobRoutes
from peeklock.frontends.http.jobs import Jobs
from peeklock.frontends.http.last_value_routes import LastValueRoutes
from peeklock.frontends.http.live_events import Follow
from peeklock.frontends.http.metrics_routes import MetricsRoutes, MetricsText
from peeklock.frontends.http.mqtt_session_routes import MqttSessionRoutes
from peeklock.frontends.http.openapi import OPENAPI
from peeklock.frontends.http.problems import CHALLENGE, problem
from peeklock.frontends.http.registry import Registry
from peeklock.frontends.http.registry_routes import RegistryRoutes
from peeklock.frontends.http.routes_host import Apart, RoutesHost, SendAll, methods_at
from peeklock.frontends.http.stream_routes import StreamRoutes
from peeklock.frontends.http.subscription_routes import SubscriptionRoutes
from peeklock.frontends.http.waiting import Wait
from peeklock.frontends.http.xml_tree import Element, write_xml
from peeklock.limits import HTTP_BODY_BYTES_MAX
from peeklock.management.mqtt_sessions import MqttSessions
from peeklock.types import UnixMs

SUB_CODES: Final = {409: "40900. Conflict", 404: "40400. Not Found", 400: "40000. Bad Request"}
FURTHER_TOKENS: Final = (
    "servicebussupplementaryauthorization",  # for ForwardTo
    "servicebusdlqsupplementaryauthorization",  # for ForwardDeadLetteredMessagesTo
)
# Of a body that is too long before it is a message.
TOO_LARGE: Final = {"condition": condition_of(MessageTooLarge(0, 0)), "retryable": False}
STREAMS: Final = "/events"
OF_STREAMS: Final = "; a topic's events as they come are had with Accept: text/event-stream"


@dataclass(frozen=True)
class HttpHost:
    """What the broker gives to its HTTP front-end."""

    administration: administration.Administration
    doorkeeper: Doorkeeper
    now: Callable[[], UnixMs]
    durable: Callable[[], Awaitable[None]]  # returns when all that was done is on disk
    health: Callable[[], dict[str, object]]
    is_expected_host: Callable[[str], bool]  # may a request call the broker by this name?
    is_expected_page: Callable[[str], bool]  # may a page of this origin ask?
    may_push: Callable[[str], bool]  # may a webhook's sender of this name, without proof?
    send: SendAll
    wait: Wait
    apart: Apart
    follow: Follow
    grant: Grant
    jobs: Jobs
    registry: Registry
    pages: list[Middleware]  # what answers pages of elsewhere
    mqtt_sessions: MqttSessions
    metrics_text: MetricsText
    metrics_for_anybody: bool

    def for_routes(self) -> RoutesHost:
        return RoutesHost(
            jobs=self.jobs,
            doorkeeper=self.doorkeeper,
            now=self.now,
            durable=self.durable,
            send=self.send,
            wait=self.wait,
            apart=self.apart,
            is_expected_host=self.is_expected_host,
            is_expected_page=self.is_expected_page,
            may_push=self.may_push,
            bodies=Bodies(),
        )


def make_application(host: HttpHost) -> Starlette:
    routes = Routes(host)
    routes_host = host.for_routes()
    return Starlette(
        routes=[
            Route("/health", routes.health, methods=["GET"]),
            Route("/openapi.json", routes.describe, methods=["GET"]),
            *SubscriptionRoutes(routes_host).routes(),
            *DerivationRoutes(routes_host).routes(),
            *JobRoutes(routes_host).routes(),
            *EventRoutes(routes_host).routes(),
            *StreamRoutes(routes_host, host.follow).routes(),
            *CallbackRoutes(routes_host, host.grant).routes(),
            *LastValueRoutes(routes_host).routes(),
            *RegistryRoutes(routes_host, host.registry).routes(),
            *MqttSessionRoutes(routes_host, host.mqtt_sessions).routes(),
            *MetricsRoutes(
                routes_host, host.metrics_text, is_for_anybody=host.metrics_for_anybody
            ).routes(),
            Route("/{path:path}", routes.administer, methods=["GET", "PUT", "DELETE"]),
        ],
        middleware=host.pages,
        exception_handlers={HTTPException: on_http_exception, Exception: on_mistake},
    )


class Routes:
    def __init__(self, host: HttpHost) -> None:
        self._host: Final = host

    async def health(self, request: Request) -> Response:
        """Whether the broker takes messages; without asking who wants to know."""
        found = self._host.health()
        status = 200 if found["status"] == "healthy" else 503
        return JSONResponse(found, status)

    async def describe(self, request: Request) -> Response:
        """All routes, for programs that make clients."""
        return JSONResponse(OPENAPI)

    async def administer(self, request: Request) -> Response:
        """Service Bus' administration; answered after what it changed is durable."""
        try:
            reply = await self._administer(request)
        except NotFound as error:
            is_stream = request.method == "GET" and request.url.path.endswith(STREAMS)
            return refusal(error, OF_STREAMS if is_stream else "")
        except BrokerError as error:
            return refusal(error)
        if reply.document is None:
            return Response(status_code=reply.status)
        kind = atom.ENTRY_TYPE if reply.document.name == "entry" else atom.FEED_TYPE
        return xml_response(reply.status, reply.document, kind)

    async def _administer(self, request: Request) -> administration.Reply:
        host = self._host
        authority = request.headers.get("host", "localhost")
        if not host.is_expected_host(authority):
            raise Unauthorized(f"{authority[:80]!r} is no name of this broker")
        path = request.path_params["path"]
        assert isinstance(path, str)
        given = request.headers.get("authorization", "")
        principal = await host.doorkeeper.principal(given, path, host.now())
        asked = administration.Request(
            method=request.method.replace("HEAD", "GET"),
            path=path,
            query=dict(request.query_params),
            updates=request.headers.get("if-match") == "*",
            body=await read_body(request),
            base_url=f"{request.url.scheme}://{authority}",
            authority=authority,
            principal=principal,
            require_send=partial(
                host.doorkeeper.require_send, principal, further_tokens(request), host.now()
            ),
            now=host.now(),
        )
        reply = host.administration.answer(asked)
        await host.durable()
        return reply


def further_tokens(request: Request) -> list[str]:
    """Those by which Service Bus' clients show that they may send to where they forward."""
    return [request.headers[name] for name in FURTHER_TOKENS if name in request.headers]


async def read_body(request: Request) -> bytes:
    """The whole body; raises `HTTPException` as soon as it is too long."""
    parts: list[bytes] = []
    left = HTTP_BODY_BYTES_MAX
    try:
        async for part in request.stream():
            left -= len(part)
            if left < 0:
                detail = f"a body has at most {HTTP_BODY_BYTES_MAX} bytes here"
                raise HTTPException(413, detail, {"connection": "close"})
            parts.append(part)
    except ClientDisconnect:
        raise InvalidRequest("the client went before its body was there") from None
    return b"".join(parts)


# ---- answers


def refusal(error: BrokerError, more: str = "") -> Response:
    """As Service Bus' clients read it; they look for the sub-code."""
    status = status_of(error)
    sub_code = SUB_CODES.get(status, f"{status}00. {phrase_of(status)}")
    document = atom.error(status, f"SubCode={sub_code}. {error}{more}")
    response = xml_response(status, document, "application/xml; charset=utf-8")
    if isinstance(error, Unauthorized):
        response.headers.update(CHALLENGE)
    return response


def xml_response(status: int, document: Element, media_type: str) -> Response:
    return Response(write_xml(document), status, media_type=media_type)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What no route answers: a problem document (RFC 9457), but for what can be asked."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = {"allow": methods_at(request)}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        what = f"{request.method[:20]} is not asked here; there are {allow['allow']}"
        return problem(error.status_code, what, headers=allow)
    more = TOO_LARGE if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    return problem(error.status_code, error.detail, more, dict(error.headers or {}))


async def on_mistake(_request: Request, _error: Exception) -> Response:
    """Ours. It is raised further, so that the log has it."""
    return problem(500, "a mistake of the broker's, whose log tells more; please report it")


def phrase_of(status: int) -> str:
    return HTTPStatus(status).phrase
