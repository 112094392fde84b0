"""Paths with + and #, and levels that have names."""

import pytest

from peeklock.errors import InvalidFilter
from peeklock.filters.path_pattern import PathPattern
from peeklock.limits import PATH_PATTERN_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a/b", "a/b", {}),
        ("a/b", "a/B", None),
        ("a/b", "a/b/c", None),
        ("a/b/c", "a/b", None),
        ("a/+", "a/b", {}),
        ("a/+", "a/", {}),
        ("a/+", "a", None),
        ("+", "/a", None),
        ("/+", "/a", {}),
        ("#", "a/b", {}),
        ("#", "", {}),
        ("a/#", "a", {}),
        ("a/#", "a/b/c", {}),
        ("a/#", "ab", None),
        ("+/#", "a", {}),
        ("/org/{org}/+/{b}/#", "/org/contoso/site/41/x", {"org": "contoso", "b": "41"}),
        ("{a}/{b}", "1/2", {"a": "1", "b": "2"}),
        ("{a}/b", "/b", {"a": ""}),
    ],
)  # fmt: skip
def test_matches(pattern: str, path: str, expected: dict[str, str] | None) -> None:
    assert PathPattern(pattern).match(path) == expected


@pytest.mark.parametrize(
    ("pattern", "what", "column"),
    [
        ("", "1 to", 1),
        ("a" * (PATH_PATTERN_CHARACTERS_MAX + 1), "1 to", 1),
        ("a/#/b", "# stands alone", 3),
        ("a/b#", "# stands alone", 3),
        ("a/b+", "no level", 3),
        ("a/{b c}", "no level", 3),
        ("a/{}", "no level", 3),
        ("a/x{b}", "no level", 3),
        ("{a}/b/{a}", "two levels are called 'a'", 7),
    ],
)
def test_mistakes_are_told_with_their_column(pattern: str, what: str, column: int) -> None:
    with pytest.raises(InvalidFilter, match=what) as refused:
        PathPattern(pattern)
    assert (refused.value.line, refused.value.column) == (1, column)
