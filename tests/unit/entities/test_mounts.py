"""Topic names and the topics that they are under."""

import pytest

from peeklock.entities.mounts import BARE_NAME, mount_of, rest_of
from peeklock.entities.topic_names import SIGNALS, topic_name_of
from tests.support.house import House


@pytest.fixture
def house() -> House:
    one = House()
    for name in ("tickets", "site/north", "site/north/gate", SIGNALS):
        one.topic(name)
    one.queue("orders")
    return one


@pytest.mark.parametrize(
    ("topic_name", "path", "subject"),
    [
        ("tickets/a/b", "tickets", "a/b"),
        ("tickets", "tickets", None),
        ("tickets/", "tickets", ""),
        ("tickets//a", "tickets", "/a"),
        ("site/north/a", "site/north", "a"),
        ("site/north/gate/a", "site/north/gate", "a"),
        ("site/north/gate", "site/north/gate", None),
    ],
)
def test_a_topic_is_the_tree_under_its_name(
    house: House, topic_name: str, path: str, subject: str | None
) -> None:
    found = mount_of(house.namespace, topic_name)
    assert found is not None
    assert (found.topic.path, found.subject) == (path, subject)
    assert topic_name_of(found.topic.path, subject) == topic_name


@pytest.mark.parametrize(
    "topic_name",
    [
        "Tickets/a",  # [MQTT-4.7.3-4]
        "ticket/a", "ticketsa", "/tickets/a", "site/a", "orders/a", "signals", "signals/a",
        "/", "//", "x" * 4096, "é" * 2048, "x/" * 2000,
    ],
)  # fmt: skip
def test_all_else_is_in_the_built_in_topic(house: House, topic_name: str) -> None:
    assert mount_of(house.namespace, topic_name) is None
    assert topic_name_of(SIGNALS, topic_name) == topic_name


@pytest.mark.parametrize("subject", ["a/+", "#", "a\0b", "x" * 4097, "é" * 2049])
def test_subjects_that_are_no_topic_name(subject: str) -> None:
    assert topic_name_of("tickets", subject) is None
    assert topic_name_of(SIGNALS, subject) is None


def test_the_built_in_topic_has_no_name_of_its_own() -> None:
    for subject in (None, ""):
        assert topic_name_of(SIGNALS, subject) is None


@pytest.mark.parametrize(
    ("path", "topic_filter", "rest"),
    [
        ("a/b", "a/b/c/+", "c/+"),
        ("a/b", "+/b/#", "#"),
        ("a/b", "a/#", "#"),
        ("a/b", "#", "#"),
        ("a/b", "a/b", BARE_NAME),
        ("a/b", "+/+", BARE_NAME),
        ("a/b", "a/b/", ""),
        ("a/b", "a", None),
        ("a/b", "+", None),
        ("a/b", "a/c/#", None),
    ],
)
def test_what_a_filter_asks_of_a_topic(path: str, topic_filter: str, rest: str | None) -> None:
    assert rest_of(path, topic_filter) == rest
