"""Events go around a ring of all protocols and modes, through the sockets of a running broker,
and come back as they were.
"""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peeklock.cloudevents.event import CloudEvent
from tests.support.broker_process import BrokerProcess
from tests.support.event_ring import WAYS, Rings, Way, every_pair
from tests.support.events import events

EXAMPLES = 50
MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def rings() -> Iterator[Rings]:
    with BrokerProcess("--ephemeral") as broker:
        one = Rings(broker)
        yield one
        one.close()


def has_a_topic_name(event: CloudEvent) -> bool:
    """With such a subject no MQTT client could hear of it."""
    return not set(event.text("subject") or "") & {"+", "#"}


some = st.lists(events().filter(has_a_topic_name), min_size=1, max_size=3)


def test_the_walk_meets_every_pair() -> None:
    pairs = list(itertools.pairwise(every_pair(WAYS)))
    assert sorted(map(repr, pairs)) == sorted(map(repr, itertools.product(WAYS, WAYS)))


@MANY
@given(sent=some, ways=st.permutations(WAYS))
def test_around_the_ring(rings: Rings, sent: list[CloudEvent], ways: list[Way]) -> None:
    rings.carry(sent, [*ways, ways[0]])


@settings(parent=MANY, max_examples=2)
@given(sent=some)
def test_from_each_to_each(rings: Rings, sent: list[CloudEvent]) -> None:
    rings.carry(sent, every_pair(WAYS))
