"""Paths that subjects are matched against."""

import pytest

from peeklock.errors import InvalidFilter
from peeklock.filters.filter import path_filter
from peeklock.filters.subject_path import SubjectPath, subject_of
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


LABEL = {SystemProperty.LABEL: "a/b"}
OF_EVENT = {"subject": "b"}


@pytest.mark.parametrize(
    ("view", "subject"),
    [
        (FakeView(), None),
        (FakeView(system=LABEL), "a/b"),
        (FakeView(attributes=OF_EVENT), "b"),
        (FakeView(system=LABEL, attributes=OF_EVENT), "a/b"),
        (FakeView(system={SystemProperty.LABEL: ""}, attributes=OF_EVENT), ""),
        (FakeView(attributes={"subject": 1}), None),
    ],
)
def test_the_messages_own_subject_counts_before_its_events(
    view: FakeView, subject: str | None
) -> None:
    assert subject_of(view) == subject


def test_a_rule_looks_at_the_messages_subject_or_else_the_events() -> None:
    below = path_filter("a/#")
    assert below.matches(FakeView(system=LABEL))
    assert below.matches(FakeView(attributes={"subject": "a"}))
    assert below.matches(FakeView(system=LABEL, attributes=OF_EVENT))
    assert not below.matches(FakeView(system={SystemProperty.LABEL: "b"}))
    assert not below.matches(FakeView())
