"""The registry's routes: `/`, `/capabilities`, `/model`, `/endpoints`, `/schemagroups`.

Service Bus' administration has all paths, of which these may be an entity's name; its clients
always say an `api-version`, and have their answer.
"""

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from peeklock.frontends.http.registry import (
    CAPABILITIES,
    MODEL,
    SCHEMA_GROUP,
    SCHEMA_TYPE,
    Registry,
    schema_details,
)
from peeklock.frontends.http.routes_host import (
    OwnRoute,
    RoutesHost,
    answered,
    base_of,
    name_of,
    number_of,
    principal_for,
)
from peeklock.limits import HTTP_PAGE_MAX
from peeklock.security.principal import Principal

DETAILS: Final = "$details"


class RegistryRoutes:
    def __init__(self, host: RoutesHost, registry: Registry) -> None:
        self._host: Final = host
        self._registry: Final = registry

    def routes(self) -> list[BaseRoute]:
        found = {
            "/": self.root,
            "/capabilities": self.capabilities,
            "/model": self.model,
            "/endpoints": self.endpoints,
            "/endpoints/{endpoint}": self.endpoint,
            "/endpoints/{endpoint}/messages": self.messages,
            "/schemagroups": self.schema_groups,
            f"/schemagroups/{SCHEMA_GROUP}": self.schema_group,
            f"/schemagroups/{SCHEMA_GROUP}/schemas": self.schemas,
            f"/schemagroups/{SCHEMA_GROUP}/schemas/{{schema}}": self.schema,
        }
        return [OwnRoute(path, route, methods=["GET"]) for path, route in found.items()]

    async def _who(self, request: Request, path: str = "") -> Principal:
        return await principal_for(self._host, request, path)

    @answered
    async def root(self, request: Request) -> Response:
        principal = await self._who(request)
        return JSONResponse(self._registry.root(principal, base_of(request), name_of(request)))

    @answered
    async def capabilities(self, request: Request) -> Response:
        await self._who(request)
        return JSONResponse(CAPABILITIES)

    @answered
    async def model(self, request: Request) -> Response:
        await self._who(request)
        return JSONResponse(MODEL)

    @answered
    async def endpoints(self, request: Request) -> Response:
        """A page of them; the header Link says where the next one is (RFC 8288)."""
        principal = await self._who(request)
        limit = number_of(request, "limit", HTTP_PAGE_MAX)
        offset = number_of(request, "offset", 0)
        base = base_of(request)
        found, is_more = self._registry.page(principal, base, name_of(request), limit, offset)
        headers = {}
        if is_more:
            query = urlencode({"limit": limit, "offset": offset + limit})
            headers["link"] = f'<{base}/endpoints?{query}>; rel="next"'
        return JSONResponse(found, headers=headers)

    @answered
    async def endpoint(self, request: Request) -> Response:
        return JSONResponse(await self._endpoint(request))

    @answered
    async def messages(self, request: Request) -> Response:
        """None are described: any message may pass."""
        await self._endpoint(request)
        return JSONResponse({})

    @answered
    async def schema_groups(self, request: Request) -> Response:
        principal = await self._who(request)
        group = self._registry.schema_group(principal, base_of(request))
        return JSONResponse({SCHEMA_GROUP: group})

    @answered
    async def schema_group(self, request: Request) -> Response:
        principal = await self._who(request)
        return JSONResponse(self._registry.schema_group(principal, base_of(request)))

    @answered
    async def schemas(self, request: Request) -> Response:
        principal = await self._who(request)
        return JSONResponse(self._registry.schemas(principal, base_of(request)))

    @answered
    async def schema(self, request: Request) -> Response:
        """The schema itself, as its author wrote it; with `$details`, what is known of it."""
        principal = await self._who(request)
        wanted = str(request.path_params["schema"])
        topic = self._registry.schema(principal, wanted.removesuffix(DETAILS))
        if wanted.endswith(DETAILS):
            return JSONResponse(schema_details(topic, base_of(request)))
        return Response(topic.settings.event_schema, media_type=SCHEMA_TYPE)

    async def _endpoint(self, request: Request) -> dict[str, object]:
        principal = await self._who(request)
        wanted = str(request.path_params["endpoint"])
        return self._registry.endpoint(principal, base_of(request), name_of(request), wanted)
