"""The document of the routes is held against the routes."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route

from peeklock.frontends.http.application import make_application
from peeklock.frontends.http.openapi import OPENAPI
from peeklock.frontends.http.problems import PROBLEM_TYPE

PATHS = OPENAPI["paths"]
assert isinstance(PATHS, dict)


class Nothing:
    """A host of whom nothing is asked."""

    def __getattr__(self, _name: str) -> "Nothing":
        return self

    def __call__(self) -> "Nothing":
        return self

    def __iter__(self) -> Iterator[object]:
        return iter(())


def operations() -> dict[tuple[str, str], dict[str, object]]:
    return {
        (path, method.upper()): operation
        for path, item in PATHS.items()
        for method, operation in item.items()
    }


def routed() -> set[tuple[str, str]]:
    """All that the application answers. `HEAD` comes with `GET`, and says no more."""
    host: Any = Nothing()  # it is only kept
    found = set()
    for route in make_application(host).routes:
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        found |= {(path, method) for method in route.methods or () if method != "HEAD"}
    return found


def test_each_route_is_described_and_nothing_else() -> None:
    assert routed() == set(operations())


def test_it_is_valid() -> None:
    """As others read OpenAPI 3.1, its schemas and their examples among it."""
    wanted = "openapi-spec-validator is not installed (requirements-dev.lock has it)"
    validator = pytest.importorskip("openapi_spec_validator", reason=wanted)
    errors = validator.OpenAPIV31SpecValidator(json.loads(json.dumps(OPENAPI))).iter_errors()
    assert [error.message for error in errors] == []


def test_each_answer_says_what_is_in_it() -> None:
    """What has a body has its schema, and each refusal its document."""
    for place, operation in operations().items():
        answers = operation["responses"]
        assert isinstance(answers, dict)
        for status, told in answers.items():
            for content in told.get("content", {}).values():
                assert "schema" in content, (place, status)
            if status >= "400":
                (kind,) = told["content"]
                assert kind == PROBLEM_TYPE or "Health" in str(told) or "AtomError" in str(told)
        asks_nobody = operation.get("security") == []
        assert ("401" in answers) is not asks_nobody, place


def test_parameters_of_paths_are_those_in_them() -> None:
    for (path, _method), operation in operations().items():
        given = operation["parameters"]
        assert isinstance(given, list)
        named = [one["name"] for one in given if one["in"] == "path"]
        assert named == re.findall(r"\{(\w+)\}", path)
        assert all(one["required"] for one in given if one["in"] == "path")


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names) == 49


def test_what_it_refers_to_is_there() -> None:
    schemas = OPENAPI["components"]["schemas"]  # type: ignore[index]  # it is a dict
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(OPENAPI)):
        assert name in schemas
