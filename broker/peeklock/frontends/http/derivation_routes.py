"""The routes of derivations: which jobs a topic's signals make, as JSON objects.

`/site/derivations` are a topic's, `/site/derivations/fire` is one. Settings have the names that
the configuration has; a change is a merge patch (RFC 7396).
"""

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from peeklock.entities.address import derivation_path
from peeklock.entities.namespace import Namespace
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.bodies import Body
from peeklock.frontends.http.routes_host import (
    Handler,
    RoutesHost,
    answered,
    entity_of,
    principal_for,
)
from peeklock.limits import DERIVATIONS_MAX, HTTP_BODY_BYTES_MAX
from peeklock.management.derivations import (
    add_derivation,
    changed_derivation,
    derivation_from,
    describe_derivation,
    list_derivations,
    remove_derivation,
    update_derivation,
)
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import EntityPath

WORD: Final = "/derivations"
MANY_AT: Final = "/{entity:path}" + WORD
ONE_AT: Final = MANY_AT + "/{name}"


class DerivationRoute(Route):
    """Matches but where an entity has this path, or one that this would be below of."""

    def __init__(
        self, path: str, endpoint: Any, methods: list[str], namespace: Namespace
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self._namespace: Final = namespace

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is not Match.NONE:
            above = found["path_params"]["entity"].strip("/") + WORD
            for path in (above, scope["path"].strip("/")):
                if self._namespace.is_taken(path):
                    return Match.NONE, {}
        return match, found


class DerivationRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._engine: Final = host.jobs.engine

    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            self._route(MANY_AT, self.tell_all, "GET"),
            self._route(ONE_AT, self.tell, "GET"),
            self._route(ONE_AT, self.make, "PUT"),
            self._route(ONE_AT, self.change, "PATCH"),
            self._route(ONE_AT, self.delete, "DELETE"),
        ]
        return found

    def _route(self, path: str, endpoint: Handler | Any, method: str) -> BaseRoute:
        return DerivationRoute(path, endpoint, [method], self._engine.namespace)

    @answered
    async def tell_all(self, request: Request) -> Response:
        """By name; there are not so many that it would take pages."""
        topic_path = entity_of(request)
        principal = await principal_for(self._host, request, topic_path)
        principal.require(Right.MANAGE, topic_path)
        topic = self._engine.namespace.find_topic(topic_path)
        found = list_derivations(topic, "", 0, DERIVATIONS_MAX)
        return await self._told([describe_derivation(topic, ledger) for ledger in found])

    @answered
    async def tell(self, request: Request) -> Response:
        _principal, path, name = await self._named(request)
        topic = self._engine.namespace.find_topic(path)
        return await self._told(describe_derivation(topic, topic.derivations.find(name)))

    @answered
    async def make(self, request: Request) -> Response:
        """One more; 409 where there is one."""
        principal, path, name = await self._named(request)
        settings = derivation_from(name, await self._object(request))
        topic = self._engine.namespace.find_topic(path)
        require_send = principal.require_send
        ledger = add_derivation(self._engine, path, settings, self._host.now(), require_send)
        return await self._told(describe_derivation(topic, ledger), 201)

    @answered
    async def change(self, request: Request) -> Response:
        """What the object does not name stays; null is the default."""
        principal, path, name = await self._named(request)
        changes = await self._object(request)
        topic = self._engine.namespace.find_topic(path)
        settings = changed_derivation(topic.derivations.find(name).settings, changes)
        require_send = principal.require_send
        ledger = update_derivation(self._engine, path, settings, self._host.now(), require_send)
        return await self._told(describe_derivation(topic, ledger))

    @answered
    async def delete(self, request: Request) -> Response:
        _principal, path, name = await self._named(request)
        remove_derivation(self._engine, path, name)
        await self._host.durable()
        return Response(status_code=204)

    # ---- what they share

    async def _named(self, request: Request) -> tuple[Principal, str, str]:
        """Who asks, who may manage it; the topic's path, and the derivation's name."""
        topic, name = entity_of(request), str(request.path_params["name"])
        path = derivation_path(EntityPath(topic), name)
        principal = await principal_for(self._host, request, path)
        principal.require(Right.MANAGE, path)
        return principal, topic, name

    async def _object(self, request: Request) -> dict[str, object]:
        with Body(self._host.bodies, HTTP_BODY_BYTES_MAX) as body:
            content = await body.read(request)
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"the body is no JSON: {error}") from None
        if not isinstance(found, dict):
            raise InvalidRequest("the body is no JSON object, with a derivation's settings")
        return found

    async def _told(self, view: object, status: int = 200) -> Response:
        await self._host.durable()
        return JSONResponse(view, status)
