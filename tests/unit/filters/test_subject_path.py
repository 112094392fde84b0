"""Paths that subjects are matched against."""

import pytest

from peeklock.errors import InvalidFilter
from peeklock.filters.filter import path_filter
from peeklock.filters.subject_path import SubjectPath
from peeklock.filters.view import SystemProperty
from peeklock.limits import SELECTOR_CHARACTERS_MAX
from tests.support.fake_view import FakeView


@pytest.mark.parametrize(
    ("path", "subject", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a//c", True),
        ("a/+", "a", False),
        ("+", "a", True),
        ("+", "a/b", False),
        ("#", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("a/+/#", "a", False),
        ("a", None, False),
        ("a/+/#", "a/b", True),
        ("a/+/#", "a/b/c/d", True),
        ("+/#", "$a", True),
        ("a//b", "a//b", True),
        ("a", "a/", False),
        ("a/+", "a/", True),
        ("#", "", True),
        ("#", None, False),
        ("1", 1, False),
    ],
)
def test_matches(path: str, subject: object, matches: bool) -> None:
    assert SubjectPath(path).matches(subject) is matches


@pytest.mark.parametrize(
    ("path", "column"), [("a+", 1), ("+a/b", 1), ("#/a", 1), ("a/b#", 3), ("a/#/b", 3)]
)
def test_a_wildcard_is_a_whole_level(path: str, column: int) -> None:
    with pytest.raises(InvalidFilter, match="whole level") as told:
        SubjectPath(path)
    assert told.value.column == column


def test_a_path_has_a_bound() -> None:
    with pytest.raises(InvalidFilter, match="at least one character"):
        path_filter("")
    with pytest.raises(InvalidFilter, match="a path has at most"):
        path_filter("a" * (SELECTOR_CHARACTERS_MAX + 1))


def test_a_rule_looks_at_the_events_subject_or_else_the_messages() -> None:
    below = path_filter("a/#")
    label = {SystemProperty.LABEL: "a/b"}
    assert below.matches(FakeView(system=label))
    assert below.matches(FakeView(attributes={"subject": "a"}))
    assert not below.matches(FakeView(system=label, attributes={"subject": "b"}))
    assert not below.matches(FakeView())
