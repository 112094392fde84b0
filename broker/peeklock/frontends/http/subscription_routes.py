"""The routes of CloudEvents' Subscriptions API: subscriptions that push or forward, as JSON.

Only these are here: whoever receives, over AMQP or MQTT, has those protocols' own ways to
subscribe (§3.1).
"""

import json
from typing import Final, cast
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from peeklock.cloudevents.timestamps import from_milliseconds
from peeklock.entities.address import subscription_path
from peeklock.entities.push import Push, origin_of
from peeklock.entities.settings import QueueSettings
from peeklock.entities.subscription import Subscription
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, NotFound
from peeklock.frontends.http.bodies import Body
from peeklock.frontends.http.jobs import number_in
from peeklock.frontends.http.routes_host import (
    RoutesHost,
    answered,
    name_of,
    principal_for,
)
from peeklock.frontends.http.subscription_objects import (
    STATUS,
    WantedSubscription,
    id_of,
    members_of,
    read_object,
    write_object,
)
from peeklock.frontends.http.subscription_sinks import CREDENTIALS
from peeklock.limits import HTTP_BODY_BYTES_MAX, HTTP_PAGE_MAX
from peeklock.management.event_subscriptions import (
    find_pushing,
    pushing,
    replace_pushing,
    status_of,
)
from peeklock.management.operations import settings_from
from peeklock.management.topics import create_subscription
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.types import EntityPath

AT: Final = "/subscriptions"
LOOKS: Final = ("GET", "HEAD")
MANY: Final = ("GET", "HEAD", "POST", "OPTIONS")
ONE: Final = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
JSON_TYPE: Final = "application/json"


class SubscriptionRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._engine: Final = host.jobs.engine

    def routes(self) -> list[BaseRoute]:
        return [
            Route(AT, self.many, methods=list(MANY)),
            Route(AT + "/{id:path}", self.one, methods=list(ONE)),
        ]

    @answered
    async def many(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(MANY)})
        if request.method == "POST":
            return await self._create(request)
        return await self._query(request)

    @answered
    async def one(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(ONE)})
        topic, name = self._named(request)
        path = subscription_path(EntityPath(topic), name)
        principal = await principal_for(self._host, request, path)
        right = Right.LISTEN if request.method in LOOKS else Right.MANAGE
        principal.require(right, path)
        found = find_pushing(self._engine, topic, name)
        if request.method == "PUT":
            await self._replace(request, principal, *found)
        told = self._told(principal, *found)
        if request.method == "DELETE":
            queue = found[1].queue
            self._engine.commit_registry(self._engine.namespace.delete(queue.path))
        await self._host.durable()
        return JSONResponse(told)

    # ---- each of them

    async def _create(self, request: Request) -> Response:
        """§3.2.5.1; an id in it is ignored, as the manager chooses it."""
        body = await self._body(request)
        wanted = read_object(body, name_of(request))
        if wanted.keeps_secret:
            raise InvalidRequest(f"sinkcredential has no secret; there are {CREDENTIALS}")
        if not wanted.topic:
            raise InvalidRequest("config.topic is to be there: whose events are wanted")
        if wanted.rule is None:
            raise InvalidRequest("config.rules are of a subscription that is there")
        name = wanted.name or f"push-{self._engine.ids.name()}"
        path = subscription_path(EntityPath(wanted.topic), name)
        principal = await principal_for(self._host, request, path)
        principal.require(Right.MANAGE, path)
        settings = settings_from(wanted.settings, QueueSettings())
        create_subscription(
            self._engine,
            wanted.topic,
            name,
            settings,
            (wanted.rule,),
            self._host.now(),
            principal.require_send,
        )
        found = find_pushing(self._engine, wanted.topic, name)
        told = self._told(principal, *found)
        await self._host.durable()
        return JSONResponse(told, 201, {"location": f"{AT}/{quote(id_of(*found))}"})

    async def _replace(
        self,
        request: Request,
        principal: Principal,
        topic: Topic,
        subscription: Subscription,
    ) -> None:
        """§3.2.5.4; what it does not say is as by default, but for its secret."""
        body = await self._body(request)
        given = members_of(body).get("id", id_of(topic, subscription))
        wanted = read_object(body, name_of(request))
        if given != id_of(topic, subscription) or not is_same(wanted, topic, subscription):
            raise InvalidRequest("its id, topic and name are those it was made with")
        if wanted.rule is None and set(wanted.rules) != {
            rule.settings.name for rule in subscription.rules.values()
        }:
            raise InvalidRequest("config.rules are those it has: peeklock rule changes them")
        if wanted.keeps_secret:
            check_secret_stays(
                subscription.queue.settings.push, str(wanted.settings["push_to"])
            )
        replace_pushing(
            self._engine,
            subscription,
            wanted.settings,
            wanted.rule,
            self._host.now(),
            principal.require_send,
        )

    async def _query(self, request: Request) -> Response:
        """§3.2.5.3: those that the asker may receive from; if there are many, a page."""
        topic = request.query_params.get("topic")
        principal = await principal_for(self._host, request, topic or "")
        skip = number_in(request.query_params.get("skip", "0"))
        if skip is None:
            raise InvalidRequest("skip is a whole number")
        found = [
            one
            for one in pushing(self._engine, topic)
            if principal.has(Right.LISTEN, one[1].queue.path)
        ]
        page = found[skip : skip + HTTP_PAGE_MAX]
        headers = {}
        if len(found) > skip + HTTP_PAGE_MAX:
            scope = "" if topic is None else f"&topic={quote(topic)}"
            following = f"{AT}?skip={skip + HTTP_PAGE_MAX}{scope}"
            headers["link"] = f'<{following}>; rel="next"'
        body = json.dumps([self._told(principal, *one) for one in page]).encode()
        return Response(body, 200, headers, JSON_TYPE)

    def _told(
        self, principal: Principal, topic: Topic, subscription: Subscription
    ) -> dict[str, object]:
        queue = subscription.queue
        is_owner = principal.has(Right.MANAGE, queue.path)
        status = status_of(self._engine, queue)
        if "errorat" in status:
            status["errorat"] = from_milliseconds(cast(int, status["errorat"]))
        return write_object(topic, subscription, to_owner=is_owner) | {STATUS: status}

    async def _body(self, request: Request) -> bytes:
        with Body(self._host.bodies, HTTP_BODY_BYTES_MAX) as body:
            return await body.read(request)

    def _named(self, request: Request) -> tuple[str, str]:
        wanted = str(request.path_params["id"])
        topic, separator, name = wanted.rpartition("/")
        if not separator:
            raise NotFound(wanted)
        return topic, name


def is_same(wanted: WantedSubscription, topic: Topic, subscription: Subscription) -> bool:
    """Does the object say what was asked for by its place, or nothing?"""
    folded = (wanted.topic.casefold(), wanted.name.casefold())
    return folded[0] in ("", topic.path.casefold()) and folded[1] in (
        "",
        subscription.name.casefold(),
    )


def check_secret_stays(before: Push, to: str) -> None:
    """A credential that is told without its secret is the one that is there."""
    if not before.authorization or not before.to or origin_of(before.to) != origin_of(to):
        raise InvalidRequest(
            "sinkcredential has no secret, and this sink has none yet: "
            f"there are {CREDENTIALS}, or null for none"
        )
