"""Placeholders in texts and in JSON documents."""

import orjson
import pytest

from peeklock.errors import InvalidFilter
from peeklock.filters.template import OF_A_SIGNAL, JsonTemplate, Template
from peeklock.limits import (
    TEMPLATE_CHARACTERS_MAX,
    TEMPLATE_DEPTH_MAX,
    TEMPLATE_PLACEHOLDERS_MAX,
)

ROOTS = OF_A_SIGNAL | {"key"}
VALUES = {
    "event.subject": "a/b",
    "data.t": 23.5,
    "data.name": 'He said "no"',
    "data": {"t": [1, None]},
    "path.floor": "3",
    "key": "k",
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${event.subject}", "a/b"),
        ("floor ${path.floor}: ${data.t} °C", "floor 3: 23.5 °C"),
        ("${data}", '{"t":[1,null]}'),
        ("${data.nothing}!", "!"),
        ("$$5 for ${key}$$", "$5 for k$"),
        ("$${key}", "${key}"),
    ],
)
def test_a_text(text: str, rendered: str) -> None:
    assert Template(text, ROOTS).render(VALUES) == rendered


def test_one_placeholder_keeps_its_kind() -> None:
    assert Template("${data.t}", ROOTS).value(VALUES) == 23.5
    assert Template("${data.t} ", ROOTS).value(VALUES) == "23.5 "
    assert Template("${data.nothing}", ROOTS).value(VALUES) is None


def test_a_document_is_json_whatever_the_values_are() -> None:
    text = '{"t": "${data.t}", "who": "${data.name}", "all": ["${data}", 1, true, null], "${key}": "x ${data.name}"}'  # noqa: E501
    assert orjson.loads(JsonTemplate(text, ROOTS).render(VALUES)) == {
        "t": 23.5,
        "who": 'He said "no"',
        "all": [{"t": [1, None]}, 1, True, None],
        "${key}": 'x He said "no"',
    }


def test_what_is_not_there_is_null() -> None:
    assert JsonTemplate('["${data.x}"]', ROOTS).render({}) == b"[null]"


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        ("a $b", "a \\$ that begins no placeholder; expected \\${ or \\$\\$", 1, 3),
        ("a\nbc ${key", "without its }", 2, 4),
        ("${kee}", "no placeholder begins with 'kee'; expected data, event", 1, 3),
        ("x ${event}", "'event' says nothing of which", 1, 5),
        ("${event.}", "says nothing of which", 1, 3),
        ("${key.a}", "'key' has nothing below it", 1, 3),
        ("${data.a..b}", "a step without a name", 1, 3),
        ("${event.Subject}", "'Subject' is no attribute's name", 1, 3),
        ("x" * (TEMPLATE_CHARACTERS_MAX + 1), "up to", 1, 1),
        ("${key}" * (TEMPLATE_PLACEHOLDERS_MAX + 1), "placeholders", 1, 1),
    ],
)
def test_mistakes_are_told_with_their_place(
    text: str, what: str, line: int, column: int
) -> None:
    with pytest.raises(InvalidFilter, match=what) as refused:
        Template(text, ROOTS)
    assert (refused.value.line, refused.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        ('{"a":\n "${nix}"}', "no placeholder begins with 'nix'", 2, 5),
        ('{"a":\n 1,}', "no JSON", 2, 3),
        ("${key}", "no JSON", 1, 1),
        ("[" * (TEMPLATE_DEPTH_MAX + 2) + "]" * (TEMPLATE_DEPTH_MAX + 2), "nests", 1, 1),
    ],
)
def test_mistakes_of_a_document(text: str, what: str, line: int, column: int) -> None:
    with pytest.raises(InvalidFilter, match=what) as refused:
        JsonTemplate(text, ROOTS)
    assert (refused.value.line, refused.value.column) == (line, column)
