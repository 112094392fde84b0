"""Ids of endpoints: short, of few characters, and never the same for two names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.frontends.http.instants import write_instant
from peeklock.frontends.http.registry import (
    ID_CHARACTERS_MAX,
    endpoint_id,
    ways_of_queue,
    ways_of_topic,
)
from peeklock.types import UnixMs

ALLOWED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-~:@]{0,127}")
WAYS = [*ways_of_queue("a"), *ways_of_topic("a")]
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=260)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("orders", "orders.amqp-1.0.producer"),
        ("tickets/Subscriptions/erp", "tickets~2fSubscriptions~2ferp.amqp-1.0.producer"),
        ("_x", "_~5fx.amqp-1.0.producer"),
        ("-x", "_~2dx.amqp-1.0.producer"),
        ("é", "_~c3~a9.amqp-1.0.producer"),
        ("a~b", "a~7eb.amqp-1.0.producer"),
    ],
)
def test_ids(path: str, told: str) -> None:
    assert endpoint_id(path, WAYS[0]) == told


@given(names, st.sampled_from(WAYS), names, st.sampled_from(WAYS))
def test_two_names_have_two_ids(one: str, way: object, other: str, another: object) -> None:
    first, second = endpoint_id(one, way), endpoint_id(other, another)  # type: ignore[arg-type]
    for each in (first, second):
        assert ALLOWED.fullmatch(each)
        assert len(each) <= ID_CHARACTERS_MAX
    if one.casefold() != other.casefold():
        assert first.lower() != second.lower()


def test_timestamps() -> None:
    assert write_instant(UnixMs(1_700_000_000_123)) == "2023-11-14T22:13:20.123Z"
