"""Paths of the administration interface."""

import pytest

from peeklock.errors import NotFound
from peeklock.frontends.http.places import Kind, Place, place_of


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("orders", Place(Kind.ENTITY, "orders")),
        ("/a/b/c/", Place(Kind.ENTITY, "a/b/c")),
        ("a/b/Subscriptions/", Place(Kind.SUBSCRIPTIONS, "a/b")),
        ("t/subscriptions/S", Place(Kind.SUBSCRIPTION, "t", "S")),
        ("t/SUBSCRIPTIONS/s/Rules/", Place(Kind.RULES, "t", "s")),
        ("t/subscriptions/s/rules/$Default", Place(Kind.RULE, "t", "s", "$Default")),
        ("$Resources/Queues", Place(Kind.QUEUES)),
        ("$resources/topics", Place(Kind.TOPICS)),
        ("$namespaceinfo", Place(Kind.NAMESPACE)),
    ],
)
def test_place(path: str, place: Place) -> None:
    assert place_of(path) == place


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "$Resources",
        "$Resources/relays",
        "$Resources/queues/x",
        "$management",
        "t/subscriptions/s/x",
        "t/subscriptions/s/rules/r/x",
    ],
)
def test_nowhere(path: str) -> None:
    with pytest.raises(NotFound):
        place_of(path)
