"""Paths that subjects are matched against."""

import pytest

from peeklock.errors import InvalidRequest
from peeklock.frontends.http.subject_path import SubjectPath


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
        ("#", None, False),
        ("1", 1, False),
    ],
)
def test_matches(path: str, subject: object, matches: bool) -> None:
    assert SubjectPath(path).matches(subject) is matches


@pytest.mark.parametrize("path", ["a+", "+a/b", "#/a", "a/b#", "a/#/b"])
def test_a_wildcard_is_a_whole_level(path: str) -> None:
    with pytest.raises(InvalidRequest, match="whole level"):
        SubjectPath(path)
