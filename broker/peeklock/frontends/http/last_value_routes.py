"""The routes of last values: how things are, at any level of a topic's tree of subjects.

`GET /building/last/41` is all that is kept for `41` and below; `GET /building/last/+/3` what an
MQTT topic filter finds. The answer is a batch of CloudEvents, in the order of their subjects.
"""

from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from peeklock.cloudevents.json_format import JSON_BATCH
from peeklock.engine.engine import Engine
from peeklock.entities.last_values import LastValue, LastValuePage
from peeklock.entities.namespace import Namespace
from peeklock.entities.subject_tree import check_subject, filter_below, levels_of
from peeklock.entities.topic import Topic
from peeklock.entities.topic_filter import SEPARATOR, has_wildcard
from peeklock.errors import EntityDisabled, InvalidRequest
from peeklock.frontends.http.handed_messages import Handed
from peeklock.frontends.http.handing_out import HandedResponse
from peeklock.frontends.http.routes_host import (
    Handler,
    RoutesHost,
    answered,
    base_of,
    entity_of,
    principal_of,
)
from peeklock.frontends.last_events import Look, filter_from, written
from peeklock.limits import (
    ENTITY_PATH_CHARACTERS_MAX,
    HTTP_BATCH_BYTES_MAX,
    LAST_VALUES_PAGE_MAX,
    LAST_VALUES_SLICE,
)
from peeklock.security.rights import Right
from peeklock.store.journal import MessageDamaged

WORD: Final = "/last"
PAGE_DEFAULT: Final = 100
SLICES_MAX: Final = LAST_VALUES_PAGE_MAX // LAST_VALUES_SLICE
PATH_SAFE: Final = "/+$!&'()*,;=:@~"  # what a path may have as it is (RFC 3986 §3.3)


def split_place(namespace: Namespace, path: str) -> tuple[str, str] | None:
    """The topic of a path, and what follows `/last`, with its `/`; None: it is no such path.

    Subjects and topics may both have a level that is called `last`: the shortest path that is
    a topic's counts. An entity whose own path this is comes before.
    """
    if namespace.is_taken(path.strip("/")):
        return None
    places: list[tuple[str, str]] = []
    at = path.find(WORD, 1)
    while 0 <= at <= ENTITY_PATH_CHARACTERS_MAX + 1:  # no entity's path is longer
        rest = path[at + len(WORD) :]
        if not rest or rest.startswith("/"):
            places.append((path[:at].strip("/"), rest))
        at = path.find(WORD, at + 1)
    for place in places:
        if namespace.has_topic(place[0]):
            return place
    return places[0] if places else None


class LastValueRoute(Route):
    """Matches by what is a topic."""

    def __init__(
        self, path: str, endpoint: Any, methods: list[str], namespace: Namespace
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self._namespace: Final = namespace

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is Match.NONE:
            return match, found
        place = split_place(self._namespace, scope["path"])
        if place is None:
            return Match.NONE, {}
        found["path_params"]["entity"], found["path_params"]["subject"] = place
        return match, found


class Search:
    """One answer, slice by slice: what it has so far, and where the next slice goes on."""

    def __init__(
        self, topic: Topic, topic_filter: str, after: list[str] | None, count_max: int
    ) -> None:
        self.topic: Final = topic
        self.topic_filter: Final = topic_filter
        self.after = after  # when it is over: where the next answer goes on; None: nowhere
        self.count_max: Final = count_max
        self.events: Final[list[bytes]] = []
        self.is_over = False
        self._slice_count = 0
        self._looked_bytes = 0

    def that_fit(self, page: LastValuePage) -> list[LastValue]:
        """Those of a slice for which there is room: of an answer's first in any case."""
        self._slice_count += 1
        fitting: list[LastValue] = []
        for value in page.values:
            is_first = self._looked_bytes == 0
            self._looked_bytes += value.entry.size
            if self._looked_bytes > HTTP_BATCH_BYTES_MAX and not is_first:
                if fitting:
                    self.after = levels_of(fitting[-1].subject)
                self.is_over = True
                return fitting
            fitting.append(value)
        self.after = page.after
        self.is_over = page.after is None or self._slice_count >= SLICES_MAX
        return fitting

    def note(self, events: list[bytes], looks: list[Look], looked: int) -> None:
        """What was found in a slice, and how many of its values were looked at for it."""
        self.events.extend(events)
        if looked < len(looks):
            self.after = levels_of(looks[looked - 1][0].subject)
        if len(self.events) >= self.count_max:
            self.is_over = True


class LastValueRoutes:
    def __init__(self, host: RoutesHost) -> None:
        self._host: Final = host
        self._engine: Final[Engine] = host.jobs.engine

    def routes(self) -> list[BaseRoute]:
        at = "/{entity:path}" + WORD
        below = at + "/{subject:path}"
        return [
            self._route(at, self.query, "GET"),
            self._route(below, self.query, "GET"),
            self._route(below, self.clear, "DELETE"),
        ]

    def _route(self, path: str, endpoint: Handler | Any, method: str) -> BaseRoute:
        return LastValueRoute(path, endpoint, [method], self._engine.namespace)

    @answered
    async def query(self, request: Request) -> Response:
        """A page of last values; `Link` leads to the next one, if there may be more."""
        host = self._host
        topic = await self._topic(request, Right.LISTEN)
        if not topic.settings.status.receives:
            raise EntityDisabled(f"{topic.path!r} is {topic.settings.status}: it tells nothing")
        asked = request.query_params
        wanted = filter_from(asked.get("filter"), asked.get("dialect", "cesql"))
        search = Search(
            topic,
            filter_of(str(request.path_params["subject"])),
            levels_in(asked.get("after")),
            count_in(asked.get("limit")),
        )
        lens = self._engine.namespace.lens
        while not search.is_over:
            left = search.count_max - len(search.events)
            slice_max = (
                LAST_VALUES_SLICE if wanted is not None else min(left, LAST_VALUES_SLICE)
            )
            looks = self._look(search, slice_max)
            # While these are written, others are served: that touches no entity.
            make = partial(written, topic, looks, wanted, lens, left)
            events, looked = await host.apart(make)
            search.note(events, looks, looked)
        body = b"[" + b",".join(search.events) + b"]"
        await host.durable()  # none of it is taken back by a crash
        fields = [("Content-Type", JSON_BATCH), ("Cache-Control", "no-store")]
        if search.after is not None:
            fields.append(("Link", f'<{next_page(request, search.after)}>; rel="next"'))
        return HandedResponse(200, Handed(fields, body), [], host.bodies)

    def _look(self, search: Search, count_max: int) -> list[Look]:
        """The next last values, so many at most, with their messages; damaged ones go."""
        engine = self._engine
        topic = search.topic
        page = engine.last_values.page(
            *(topic, search.topic_filter, self._host.now(), search.after),
            count_max=count_max,
        )
        values = search.that_fit(page)
        looks: list[Look] = []
        for value in values:
            try:
                looks.append((value, engine.message_of(value.entry)))
            except MessageDamaged:
                engine.last_values.give_up(topic, value)
        return looks

    @answered
    async def clear(self, request: Request) -> Response:
        """204 when nothing is kept for this subject, on disk."""
        topic = await self._topic(request, Right.SEND)
        subject = str(request.path_params["subject"])[1:]
        if has_wildcard(subject) or not subject:
            raise InvalidRequest(f"{subject[:80]!r} is no single subject, whose value can go")
        check_subject(subject)
        self._engine.last_values.clear(topic, [subject])
        await self._host.durable()
        return Response(status_code=204)

    async def _topic(self, request: Request, right: Right) -> Topic:
        principal = await principal_of(self._host, request)
        path = entity_of(request)
        principal.require(right, path)
        return self._engine.namespace.find_topic(path)


def filter_of(rest: str) -> str:
    """What follows `/last` in a path, as a topic filter: a subject is one with all below it."""
    return filter_below(rest[1:])


def count_in(text: str | None) -> int:
    if text is None:
        return PAGE_DEFAULT
    if text.isascii() and text.isdigit() and 1 <= len(text) <= 4:
        if 1 <= int(text) <= LAST_VALUES_PAGE_MAX:
            return int(text)
    raise InvalidRequest(f"limit is {text[:80]!r}; allowed are 1 to {LAST_VALUES_PAGE_MAX}")


def levels_in(text: str | None) -> list[str] | None:
    """Where the page before ended, as `next_page` has it: a slash before each level."""
    if not text:
        return None if text is None else []
    if not text.startswith(SEPARATOR):
        raise InvalidRequest(f"after is {text[:80]!r}; allowed is what a Link has told")
    return text[1:].split(SEPARATOR)


def next_page(request: Request, after: list[str]) -> str:
    place = base_of(request) + quote(request.scope["path"], safe=PATH_SAFE)
    others = [(key, text) for key, text in request.query_params.items() if key != "after"]
    mark = "".join([SEPARATOR + level for level in after])
    return f"{place}?{urlencode([*others, ('after', mark)])}"
