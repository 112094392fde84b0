"""The route by which a webhook's receiver gives leave later (CloudEvents Web Hooks 1.0 §4.1.3).

Who calls it is not asked: the key in the URL is a secret that only the receiver was told.
"""

from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from peeklock.cloudevents.webhook import ALLOWED_RATE, rate_in
from peeklock.frontends.http.problems import problem
from peeklock.frontends.http.routes_host import RoutesHost, answered


class Grant(Protocol):
    """Takes leave for so many requests a minute, or any number; False: nobody asked for it."""

    def __call__(self, key: str, per_minute: int | None) -> bool: ...


class CallbackRoutes:
    def __init__(self, host: RoutesHost, grant: Grant) -> None:
        self._host: Final = host
        self._grant: Final = grant

    def routes(self) -> list[BaseRoute]:
        route = Route("/$webhooks/{key}", self.allow, methods=["GET", "POST"])
        assert route.methods is not None
        route.methods.discard("HEAD")  # of links, previews are made with it
        return [route]

    @answered
    async def allow(self, request: Request) -> Response:
        """200 when it is on disk that this webhook is allowed."""
        rate = rate_in(request.headers.get(ALLOWED_RATE))
        if not self._grant(str(request.path_params["key"]), rate):
            return problem(404, "no webhook waits for this leave: a key is used once, in time")
        await self._host.durable()
        return PlainTextResponse("allowed\n")
