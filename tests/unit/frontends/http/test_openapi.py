"""The document of the routes is held against the routes."""

import json
import re
from typing import Any

from starlette.routing import Route

from peeklock.frontends.http.event_routes import EventRoutes
from peeklock.frontends.http.job_routes import JobRoutes
from peeklock.frontends.http.last_value_routes import LastValueRoutes
from peeklock.frontends.http.openapi import OPENAPI
from peeklock.frontends.http.stream_routes import StreamRoutes
from peeklock.frontends.http.subscription_routes import SubscriptionRoutes

PATHS = OPENAPI["paths"]
assert isinstance(PATHS, dict)


class Nothing:
    """A host of whom nothing is asked."""

    def __getattr__(self, _name: str) -> "Nothing":
        return self


def operations() -> dict[tuple[str, str], dict[str, object]]:
    return {
        (path, method.upper()): operation
        for path, item in PATHS.items()
        for method, operation in item.items()
    }


def test_each_route_is_described_and_nothing_else() -> None:
    routed = set()
    host: Any = Nothing()  # it is only kept
    kinds = (
        *(JobRoutes(host), EventRoutes(host), StreamRoutes(host, host)),
        *(SubscriptionRoutes(host), LastValueRoutes(host)),
    )
    for route in [route for one in kinds for route in one.routes()]:
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        routed |= {(path, method) for method in route.methods or () if method != "HEAD"}
    assert routed == set(operations())


def test_parameters_of_paths_are_those_in_them() -> None:
    for (path, _method), operation in operations().items():
        given = operation["parameters"]
        assert isinstance(given, list)
        named = [one["name"] for one in given if one["in"] == "path"]
        assert named == re.findall(r"\{(\w+)\}", path)
        assert all(one["required"] for one in given if one["in"] == "path")


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names) == 22


def test_what_it_refers_to_is_there() -> None:
    schemas = OPENAPI["components"]["schemas"]  # type: ignore[index]  # it is a dict
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(OPENAPI)):
        assert name in schemas
