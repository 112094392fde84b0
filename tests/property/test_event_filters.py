"""The Subscriptions API's filters do as its words say, and as CESQL does in their place."""

import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import InvalidFilter
from peeklock.filters.event_dialects import event_filters, filters_text
from peeklock.filters.filter import cesql_filter
from peeklock.filters.values import Value
from tests.support.fake_view import FakeView

# Few of them, so that filters and events meet.
NAMES = ("id", "type", "subject", "level", "on")
words = st.sampled_from(["a", "a/b", "a/b/c", "b", "true", "1", "12", "a%b", "a_b", "é", "'"])
values: st.SearchStrategy[Value] = words | st.booleans() | st.sampled_from([1, 12, -1])
events = st.dictionaries(st.sampled_from(NAMES), values).map(
    lambda found: {"specversion": "1.0", **found}
)
attributes = st.dictionaries(st.sampled_from(NAMES), words, min_size=1, max_size=3)
paths = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(["a/b", "#", "+", "a/+", "a/#", "+/b", "+/+/c", "a/b/#"]),
    min_size=1,
    max_size=2,
)
leaves: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.builds(lambda word, given: {word: given}, st.sampled_from(["exact", "prefix", "suffix"]),
              attributes),
    st.builds(lambda given: {"mqtt": given}, paths),
    st.builds(
        lambda text: {"sql": text},
        st.sampled_from(["level > 1", "on", "type = 'a'", "id LIKE 'a%'", "EXISTS subject"]),
    ),
)  # fmt: skip
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda word, given: {word: given},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=6,
)


def text_of(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def under(path: list[str], subject: list[str]) -> bool:
    """By recursion over both, as the specification tells it."""
    if path == ["#"]:
        return True
    if not path or not subject:
        return not path and not subject
    return path[0] in ("+", subject[0]) and (
        under(path[1:], subject[1:]) or (len(subject) == 1 and path[1:] == ["#"])
    )


def holds(word: str, text: str, wanted: str) -> bool:
    if word == "mqtt":
        return under(wanted.split("/"), text.split("/"))
    return {
        "exact": text == wanted,
        "prefix": text[: len(wanted)] == wanted,
        "suffix": text[-len(wanted) :] == wanted,
    }[word]


def naive(one: Mapping[str, object], event: Mapping[str, Value]) -> bool:
    ((word, given),) = one.items()
    if isinstance(given, list):
        answers = [naive(each, event) for each in given]
        return all(answers) if word == "all" else any(answers)
    if isinstance(given, str):
        return as_cesql(given, event)
    assert isinstance(given, dict)
    if word == "not":
        return not naive(given, event)
    return all(
        name in event and holds(word, text_of(event[name]), wanted)
        for name, wanted in given.items()
    )


def as_cesql(text: str, event: Mapping[str, Value]) -> bool:
    """`sql` makes a boolean of what it gives."""
    return cesql_filter(f"BOOL({text})").matches(FakeView(attributes=event))


@given(st.lists(filters, max_size=3), events)
def test_they_say_what_their_words_say(
    given: list[dict[str, object]], event: Mapping[str, Value]
) -> None:
    wanted = all(naive(one, event) for one in given)
    for text in (json.dumps(given, indent=1), filters_text(given)):
        assert event_filters(text).matches(FakeView(attributes=event)) is wanted


def said_in_cesql(one: Mapping[str, object]) -> str:
    ((word, given),) = one.items()
    if isinstance(given, list):
        glue = " AND " if word == "all" else " OR "
        return "(" + glue.join(said_in_cesql(each) for each in given) + ")"
    assert isinstance(given, dict)
    if word == "not":
        return f"(NOT {said_in_cesql(given)})"
    parts = [
        f"(EXISTS {name} AND {condition(word, name, wanted)})" for name, wanted in given.items()
    ]
    return "(" + " AND ".join(parts) + ")"


def condition(word: str, name: str, wanted: str) -> str:
    quoted = wanted.replace("'", "\\'")
    if word == "exact":
        return f"{name} = '{quoted}'"
    pattern = quoted.replace("%", "\\%").replace("_", "\\_")
    return f"{name} LIKE '{pattern}%'" if word == "prefix" else f"{name} LIKE '%{pattern}'"


def has_equivalent(one: object) -> bool:
    text = json.dumps(one)
    return '"sql"' not in text and '"mqtt"' not in text


@given(filters.filter(has_equivalent), events)
def test_cesql_says_the_same(one: dict[str, object], event: Mapping[str, Value]) -> None:
    view = FakeView(attributes=event)
    expression = cesql_filter(said_in_cesql(one))
    assert event_filters(filters_text([one])).matches(view) is expression.matches(view)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["exact", "all", "any", "not", "sql", "mqtt", "type"]) | st.text(),
            inner,
        )
    ),
    max_leaves=8,
)


@given(anything, events)
def test_anything_is_taken_or_refused(value: object, event: Mapping[str, Value]) -> None:
    try:
        one = event_filters(json.dumps(value))
    except InvalidFilter:
        return
    one.matches(FakeView(attributes=event))
