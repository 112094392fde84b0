"""`GET /metrics`: what the broker counts, for Prometheus and the like."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from peeklock.entities.address import MANAGEMENT
from peeklock.frontends.http.openapi_metrics import METRICS_AT
from peeklock.frontends.http.routes_host import (
    OwnRoute,
    RoutesHost,
    answered,
    principal_for,
)

MetricsText = Callable[[str], Awaitable[tuple[bytes, str]]]  # by Accept; and the content type


class MetricsRoutes:
    def __init__(
        self, host: RoutesHost, metrics_text: MetricsText, *, is_for_anybody: bool
    ) -> None:
        self._host: Final = host
        self._metrics_text: Final = metrics_text
        self._is_for_anybody: Final = is_for_anybody

    def routes(self) -> list[BaseRoute]:
        return [OwnRoute(METRICS_AT, self.metrics, methods=["GET"])]

    @answered
    async def metrics(self, request: Request) -> Response:
        """For any user, as looking at queues is; of tokens, for those that let manage all."""
        if not self._is_for_anybody:
            principal = await principal_for(self._host, request, MANAGEMENT)
            principal.require_look(MANAGEMENT)
        text, content_type = await self._metrics_text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})
