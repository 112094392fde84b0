"""The conformance kit of CloudEvents SQL 1.0.0, where it lies beside this repository.

`CESQL_TCK` names its folder; else it is looked for in `shared/` beside the repository.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from peeklock.errors import FilterError, InvalidFilter
from peeklock.filters.cesql import result_of
from peeklock.filters.cesql_compiler import compile_cesql
from peeklock.filters.dialects import CESQL
from peeklock.filters.filter import cesql_filter
from peeklock.filters.parser import parse_expression
from peeklock.filters.values import Value
from tests.support.fake_view import FakeView

ROOT = Path(__file__).parents[3]
KIT = Path(os.environ.get("CESQL_TCK") or ROOT.parent / "shared" / "cesql-tck")
if not KIT.is_dir():
    pytest.skip(f"no CESQL conformance kit in {KIT}", allow_module_level=True)
Case = Mapping[str, object]
EVENT: Mapping[str, Value] = {
    "specversion": "1.0", "id": "an-id", "source": "http://localhost", "type": "a.type",
}  # fmt: skip
CONTRADICTED = {
    "Invalid int cast": "wants an error of NOT 10, where §3.7 and casting_functions.yaml make "
    "true of every integer but 0",
}


class Loader(yaml.SafeLoader):
    """YAML whose timestamps stay text: an event's `time` is the text that it is written as."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def cases() -> Iterator[tuple[str, Case]]:
    for file in sorted(KIT.glob("*.yaml")):
        for case in yaml.load(file.read_text(), Loader)["tests"]:
            yield f"{file.stem}: {case['name']}", case


CASES = [pytest.param(case, id=name) for name, case in cases()]


def expression_of(case: Case) -> str:
    """Some expressions are YAML booleans or numbers."""
    return str(case["expression"])


def view_of(case: Case) -> FakeView:
    event, overrides = case.get("event"), case.get("eventOverrides")
    attributes = dict(event) if isinstance(event, dict) else dict(EVENT)
    if isinstance(overrides, dict):
        attributes |= overrides
    return FakeView(attributes=attributes)


def test_the_kit_is_whole() -> None:
    assert len(CASES) == 275


@pytest.mark.parametrize("case", CASES)
def test_the_kit(case: Case, request: pytest.FixtureRequest) -> None:
    if case["name"] in CONTRADICTED:
        why = CONTRADICTED[str(case["name"])]
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    wanted_fault = case.get("error")
    try:
        program = compile_cesql(parse_expression(expression_of(case), CESQL))
    except InvalidFilter:
        assert wanted_fault == "parse"
        return
    value, fault = result_of(program, view_of(case))
    assert (fault.value if fault else None) == wanted_fault
    if "result" in case:
        assert value == case["result"]
        assert type(value) is type(case["result"])


@pytest.mark.parametrize("case", CASES)
def test_as_filters(case: Case) -> None:
    """§1.2: what is not true, or has an error, does not pass."""
    try:
        passes = cesql_filter(expression_of(case)).matches(view_of(case))
    except InvalidFilter:
        passes = False
    except FilterError as error:
        raise AssertionError("a CESQL filter failed") from error
    assert passes is (case.get("result") is True and not case.get("error"))
