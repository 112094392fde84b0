"""Which topic a path of last values is about, and which subjects."""

import pytest

from peeklock.entities.namespace import Namespace
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.last_value_routes import filter_of, levels_in, split_place
from peeklock.limits import ENTITY_PATH_CHARACTERS_MAX
from tests.support.house import House


@pytest.fixture
def namespace() -> Namespace:
    house = House()
    for name in ("rooms", "site/rooms", "last", "a/last/b", "x" * ENTITY_PATH_CHARACTERS_MAX):
        house.topic(name)
    house.queue("rooms/last/queue")
    return house.namespace


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/rooms/last", ("rooms", "")),
        ("/ROOMS/last/", ("ROOMS", "/")),
        ("/rooms/last/41/last/2", ("rooms", "/41/last/2")),
        ("/site/rooms/last/last", ("site/rooms", "/last")),
        ("/last/last/41", ("last", "/41")),
        ("/a/last/b/last/41", ("a/last/b", "/41")),
        ("/rooms/lasting/last", ("rooms/lasting", "")),  # there is none: 404
        ("/none/last/41", ("none", "/41")),
        ("/" + "x" * ENTITY_PATH_CHARACTERS_MAX + "/last", ("x" * 260, "")),
        ("/rooms/last/queue", None),
        ("/a/last/b", None),
        ("/last", None),
        ("/" + "x" * 1000 + "/last", None),
        ("/rooms/lasting", None),
    ],
)
def test_where_the_topic_ends(
    namespace: Namespace, path: str, place: tuple[str, str] | None
) -> None:
    assert split_place(namespace, path) == place


def test_a_hostile_path_asks_few_questions(namespace: Namespace) -> None:
    """Each level could end a topic's name, and no name is as long as a path may be."""
    asked: list[str] = []
    has_topic = namespace.has_topic

    class Counting:
        def is_taken(self, path: str) -> bool:
            return self.has_topic(path)

        def has_topic(self, path: str) -> bool:
            asked.append(path)
            return has_topic(path)

    split_place(Counting(), "/none" + "/last" * 10_000)  # type: ignore[arg-type]  # it is asked no more
    assert len(asked) < ENTITY_PATH_CHARACTERS_MAX // len("/last") + 3


@pytest.mark.parametrize(
    ("rest", "topic_filter"),
    [
        ("", "#"),
        ("/", "#"),
        ("/41", "41/#"),
        ("/41/", "41//#"),
        ("/+/2", "+/2"),
        ("/a/#", "a/#"),
    ],
)
def test_a_subject_stands_for_all_below_it(rest: str, topic_filter: str) -> None:
    assert filter_of(rest) == topic_filter


def test_where_an_answer_ended() -> None:
    assert levels_in(None) is None
    assert levels_in("") == []
    assert levels_in("/a//b") == ["a", "", "b"]
    with pytest.raises(InvalidRequest):
        levels_in("a")
