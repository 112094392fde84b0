"""Filters of the CloudEvents Subscriptions API: what they take, and what is none of them."""

import json
from collections.abc import Mapping

import pytest

from peeklock.errors import InvalidFilter
from peeklock.filters.event_dialects import event_filters, filters_text
from peeklock.filters.values import Value
from peeklock.limits import EVENT_FILTERS_CHARACTERS_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX
from tests.support.fake_view import FakeView

EVENT: Mapping[str, Value] = {
    "specversion": "1.0", "id": "7", "source": "/site/north", "type": "com.example.fire",
    "subject": "north/2/hall", "level": 7, "on": True, "text": "12",
}  # fmt: skip


def passes(filters: object, event: Mapping[str, Value] = EVENT) -> bool:
    """As a text and as lists, which say the same."""
    answer = event_filters(json.dumps(filters)).matches(FakeView(attributes=event))
    assert event_filters(filters_text(filters)).matches(FakeView(attributes=event)) is answer
    return answer


@pytest.mark.parametrize(
    ("one", "answer"),
    [
        ({"exact": {"type": "com.example.fire"}}, True),
        ({"exact": {"type": "com.example.Fire"}}, False),  # case counts
        ({"exact": {"type": "com.example.fire", "id": "8"}}, False),  # all have to match
        ({"exact": {"type": "com.example.fire", "id": "7"}}, True),
        ({"exact": {"level": "7"}}, True),  # as its canonical text has it
        ({"exact": {"on": "true"}}, True),
        ({"exact": {"on": "True"}}, False),
        ({"exact": {"nothing": "a"}}, False),
        ({"prefix": {"type": "com."}}, True),
        ({"prefix": {"type": "org."}}, False),
        ({"prefix": {"type": "com.", "subject": "south"}}, False),
        ({"prefix": {"level": "7"}}, True),
        ({"prefix": {"nothing": "a"}}, False),
        ({"suffix": {"type": ".fire", "subject": "/hall"}}, True),
        ({"suffix": {"type": ".gas"}}, False),
        ({"suffix": {"nothing": "a"}}, False),
        ({"all": [{"prefix": {"type": "com."}}, {"exact": {"id": "7"}}]}, True),
        ({"all": [{"prefix": {"type": "com."}}, {"exact": {"id": "8"}}]}, False),
        ({"any": [{"prefix": {"type": "org."}}, {"exact": {"id": "7"}}]}, True),
        ({"any": [{"prefix": {"type": "org."}}, {"exact": {"id": "8"}}]}, False),
        ({"not": {"exact": {"id": "7"}}}, False),
        ({"not": {"exact": {"nothing": "a"}}}, True),  # two-valued
        ({"not": {"not": {"exact": {"id": "7"}}}}, True),
        ({"sql": "level > 5 AND EXISTS subject"}, True),
        ({"sql": "nothing = 'a'"}, False),  # an error is false
        ({"not": {"sql": "nothing = 'a'"}}, True),  # and its inverse true
        ({"sql": "level"}, True),  # what it gives is made a boolean
        ({"sql": "LENGTH(subject) - 12"}, False),
        ({"sql": "subject"}, False),  # neither true nor false: an error
        ({"mqtt": {"subject": "north/+/hall"}}, True),
        ({"mqtt": {"subject": "north/#"}}, True),
        ({"mqtt": {"subject": "north/+"}}, False),
        ({"mqtt": {"source": "/site/#", "subject": "+/2/#"}}, True),
        ({"mqtt": {"nothing": "#"}}, False),
    ],
)
def test_dialects(one: object, answer: bool) -> None:
    assert passes([one]) is answer
    assert passes([{"not": one}]) is not answer
    assert passes([one, {"exact": {"id": "7"}}]) is answer
    assert passes([{"exact": {"id": "8"}}, one]) is False


def test_none_takes_every_event_and_nothing_else() -> None:
    assert passes([])
    for filters in ([], [{"not": {"exact": {"id": "1"}}}], [{"sql": "TRUE"}]):
        assert not passes(filters, {"id": "7", "type": "a"})
        assert not passes(filters, {})


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (None, "filters: null, where an array of filters is wanted"),
        ({"exact": {"type": "a"}}, "filters: an object of 1, where an array"),
        ([3], r"filters\[0\]: an object with one member.* is wanted, not a number"),
        ([{}], r"filters\[0\]: an object with one member.* not an empty object"),
        ([{"exact": {"a": "b"}, "not": {}}], r"filters\[0\]: .* not an object of 2"),
        ([{"regex": {"type": "a"}}], r"filters\[0\]: no dialect 'regex'; there are exact, pre"),
        ([{"exact": "a"}], r"filters\[0\].exact: an object of attributes and strings"),
        ([{"exact": {}}], r"filters\[0\].exact: .* not an empty object"),
        ([{"exact": {"": "a"}}], r"filters\[0\].exact.: no attribute's name"),
        ([{"exact": {"Type": "a"}}], r"filters\[0\].exact.Type: no attribute's name"),
        ([{"exact": {"type": ""}}], r"filters\[0\].exact.type: .* not an empty string"),
        ([{"exact": {"id": "7"}}, {"suffix": {"a": 3}}], r"filters\[1\].suffix.a: a string"),
        ([{"prefix": {"type": None}}], r"filters\[0\].prefix.type: .* not null"),
        ([{"prefix": {"type": True}}], r"filters\[0\].prefix.type: .* not true"),
        ([{"all": []}], r"filters\[0\].all: an array of at least one filter.* an empty array"),
        ([{"any": {}}], r"filters\[0\].any: an array of at least one filter"),
        ([{"any": [{"not": [1]}]}], r"filters\[0\].any\[0\].not: an object with one member"),
        ([{"sql": 3}], r"filters\[0\].sql: a CESQL expression, as a string is wanted"),
        ([{"sql": ""}], r"filters\[0\].sql: line 1, column 1: expected"),
        ([{"sql": "a =\n= 1"}], r"filters\[0\].sql: line 2, column 1: expected"),
        ([{"sql": "NO(a)"}], r"filters\[0\].sql: line 1, column 1: no function NO"),
        ([{"mqtt": {"subject": "a/b#"}}], r"mqtt.subject: line 1, column 3: .* in 'a/b#'"),
        ([{"mqtt": "a/#"}], r"filters\[0\].mqtt: an object of attributes"),
    ],
)
def test_refusals_name_the_part_that_is_wrong(filters: object, told: str) -> None:
    for refuse in (lambda: event_filters(json.dumps(filters)), lambda: filters_text(filters)):
        with pytest.raises(InvalidFilter, match=told):
            refuse()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1, column 1: no JSON"),
        ('[{"exact":\n  x}]', "line 2, column 3: no JSON"),
        ('[{"exact": {"a": "b", "a": "c"}}]', "filters: 'a' is there twice in one object"),
        ('[{"exact": {"a": NaN}}]', "exact.a: .* not a number"),
        ('[{"exact": {"a": ' + "1" * 5000 + "}}]", "exact.a: .* not a number"),
        ("[" * 16_000, "filters: nested more than"),
        ("[" + " " * EVENT_FILTERS_CHARACTERS_MAX, "characters of JSON; there may be"),
        ('["\ud800"]', "half of a character"),
    ],
)
def test_texts_that_are_none(text: str, told: str) -> None:
    with pytest.raises(InvalidFilter, match=told):
        event_filters(text)


def nested(depth: int) -> object:
    one: object = {"exact": {"id": "7"}}
    for _ in range(depth - 1):
        one = {"not": one}
    return [one]


def test_depth_is_bounded() -> None:
    assert passes(nested(FILTER_DEPTH_MAX)) is (FILTER_DEPTH_MAX % 2 == 1)
    with pytest.raises(InvalidFilter, match=rf"nested more than {FILTER_DEPTH_MAX} deep"):
        filters_text(nested(FILTER_DEPTH_MAX + 1))
    with pytest.raises(InvalidFilter, match="nested more than"):
        filters_text(nested(5_000))


def test_size_is_bounded() -> None:
    half = FILTER_NODES_MAX // 2  # a filter and an attribute each
    assert passes([{"exact": {"a": "b"}}] * half) is False
    with pytest.raises(InvalidFilter, match=rf"filters\[{half}\].exact: more than"):
        filters_text([{"exact": {"a": "b"}}] * (half + 1))
    long = f"level IN ({', '.join('1' * (FILTER_NODES_MAX // 2))})"
    with pytest.raises(InvalidFilter, match=r"filters\[1\].sql: more than"):
        filters_text([{"sql": long}, {"sql": long}])
    with pytest.raises(InvalidFilter, match="characters of JSON"):
        filters_text([{"exact": {"a": "b" * EVENT_FILTERS_CHARACTERS_MAX}}])


def test_a_text_is_read_once() -> None:
    text = '[{"exact": {"type": "once"}}]'
    assert event_filters(text) is event_filters(text)
