"""MQTT's sessions and groups, as JSON objects: `/mqtt/sessions`, `/mqtt/groups`.

As with the registry's paths, an `api-version` says that an entity of such a name is meant.
"""

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from peeklock.entities.address import MANAGEMENT
from peeklock.frontends.http.openapi_mqtt import GROUPS_AT, SESSIONS_AT
from peeklock.frontends.http.routes_host import (
    OwnRoute,
    RoutesHost,
    answered,
    base_of,
    number_of,
    principal_for,
)
from peeklock.limits import HTTP_PAGE_MAX
from peeklock.management.mqtt_sessions import MqttSessions, View
from peeklock.security.rights import Right

SESSION_AT: Final = SESSIONS_AT + "/{client_id:path}"


class MqttSessionRoutes:
    """For those who may manage the broker: these are below no entity."""

    def __init__(self, host: RoutesHost, sessions: MqttSessions) -> None:
        self._host: Final = host
        self._sessions: Final = sessions

    def routes(self) -> list[BaseRoute]:
        return [
            OwnRoute(SESSIONS_AT, self.list_sessions, methods=["GET"]),
            OwnRoute(GROUPS_AT, self.list_groups, methods=["GET"]),
            OwnRoute(SESSION_AT, self.read, methods=["GET"]),
            OwnRoute(SESSION_AT, self.end, methods=["DELETE"]),
        ]

    @answered
    async def list_sessions(self, request: Request) -> Response:
        await self._check(request)
        prefix, offset, limit = page_of(request)
        return paged(request, self._sessions.page(prefix, offset, limit), prefix, offset, limit)

    @answered
    async def list_groups(self, request: Request) -> Response:
        await self._check(request)
        prefix, offset, limit = page_of(request)
        found = self._sessions.groups(prefix, offset, limit)
        return paged(request, found, prefix, offset, limit)

    @answered
    async def read(self, request: Request) -> Response:
        await self._check(request)
        return JSONResponse(self._sessions.describe(client_id_of(request)))

    @answered
    async def end(self, request: Request) -> Response:
        """Answered when it is durable that the session is over."""
        await self._check(request)
        self._sessions.end(client_id_of(request), self._host.now())
        await self._host.durable()
        return Response(status_code=204)

    async def _check(self, request: Request) -> None:
        principal = await principal_for(self._host, request, MANAGEMENT)
        principal.require(Right.MANAGE, MANAGEMENT)


def client_id_of(request: Request) -> str:
    return str(request.path_params["client_id"])


def page_of(request: Request) -> tuple[str, int, int]:
    """What their names begin with, how many are passed over, how many are wanted."""
    limit = min(number_of(request, "limit", HTTP_PAGE_MAX), HTTP_PAGE_MAX)
    return request.query_params.get("prefix", ""), number_of(request, "offset", 0), limit


def paged(
    request: Request, found: list[View], prefix: str, offset: int, limit: int
) -> Response:
    """The header Link says where the next page is (RFC 8288), if there may be one."""
    headers = {}
    if found and len(found) == limit:
        query = urlencode({"prefix": prefix, "offset": offset + limit, "limit": limit})
        headers["link"] = f'<{base_of(request)}{request.url.path}?{query}>; rel="next"'
    return JSONResponse(found, headers=headers)
