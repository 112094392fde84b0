"""LIKE: against a regular expression, and on patterns made to be slow."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.filters.like import LikePattern


def oracle(pattern: str, escape: str) -> re.Pattern[str]:
    """The same pattern as a regular expression, which is right and may take for ever."""
    out = ""
    place = 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        following = pattern[place : place + 1]
        if escape and character == escape:
            if following and following in "%_" + escape:
                character = following
                place += 1
            out += re.escape(character)
        else:
            out += {"%": ".*", "_": "."}.get(character) or re.escape(character)
    return re.compile(out, re.DOTALL)


few = st.text(st.sampled_from("ab%_\\\né"), max_size=9)


@given(few, few, st.sampled_from(["", "\\", "a", "%", "_"]))
def test_it_agrees_with_a_regular_expression(pattern: str, value: str, escape: str) -> None:
    expected = oracle(pattern, escape).fullmatch(value) is not None
    assert LikePattern(pattern, escape).matches(value) is expected


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("%", "", True),
        ("%", "anything\nat all", True),
        ("a%", "abc", True),
        ("a%", "ba", False),
        ("%c", "abc", True),
        ("a%a", "a", False),  # the two ends may not share a character
        ("a%a", "aa", True),
        ("_", "é", True),
        ("_", "😀", True),  # one character, not two
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        ("%b_d%", "abxbcd", True),
        ("%b_d%", "abxbcx", False),
        ("%ab%ab%", "ab-ab", True),
        ("%ab%ab%", "aab", False),
        ("ABC", "abc", False),  # case counts
    ],
)
def test_by_hand(pattern: str, value: str, matches: bool) -> None:
    assert LikePattern(pattern).matches(value) is matches


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"ABC\%", "ABC%"),
        (r"a\_b", "a_b"),
        (r"a\\b", r"a\b"),
        (r"a\b", r"a\b"),  # before anything else the escape character is one like any other
        ("a\\", "a\\"),
    ],
)
def test_escapes(pattern: str, value: str) -> None:
    assert LikePattern(pattern, "\\").matches(value)
    assert not LikePattern(pattern, "\\").matches(value + "x")


def test_an_escaped_wildcard_is_none() -> None:
    assert not LikePattern(r"ABC\%", "\\").matches("ABCDE")
    assert not LikePattern(r"a\_b", "\\").matches("axb")


HOSTILE = [
    ("%_" * 200 + "b", "a"),
    ("%a" * 200 + "b", "a"),
    ("%" + "a" * 300 + "b%", "a"),
    ("%" + "a_" * 150 + "b%", "a"),
    ("%" + "_" * 300 + "b%", "a"),
    ("%" + "ab" * 150 + "_c%", "ab"),
]


@pytest.mark.parametrize(("pattern", "unit"), HOSTILE)
def test_hostile_patterns_take_time_in_proportion(pattern: str, unit: str) -> None:
    """Twice the text, about twice the time; what goes back takes four times, or for ever."""
    like = LikePattern(pattern)
    short, long = unit * (4_000 // len(unit)), unit * (64_000 // len(unit))

    def seconds(value: str) -> float:
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            assert not like.matches(value)
            best = min(best, time.process_time() - begin)
        return best

    # 16 times the text: a quadratic matcher takes 256 times as long. The constant is for a
    # clock's grain and a noisy machine.
    assert seconds(long) < 64 * seconds(short) + 0.01
