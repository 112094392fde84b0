"""What a filter costs in a tree of subjects; what it finds, tests/property/ checks."""

import pytest

from peeklock.entities.subject_tree import SubjectTree, check_subject
from peeklock.errors import InvalidRequest
from peeklock.limits import MQTT_STRING_BYTES_MAX, TOPIC_LEVELS_MAX
from peeklock.types import SequenceNumber

MANY = 2000
VISITS = 1_000_000


@pytest.fixture
def tree() -> SubjectTree:
    """Buildings with rooms."""
    tree = SubjectTree()
    for number in range(MANY):
        tree.put(f"{number % 20}/{number}/occupancy", SequenceNumber(number + 1))
    return tree


def test_one_building_costs_nothing_of_the_others(tree: SubjectTree) -> None:
    found = tree.walk("7/#", None, count_max=MANY, visits_max=VISITS)
    assert len(found.numbers) == MANY // 20
    assert tree.visited_count == 2 + 2 * MANY // 20  # root, building; rooms, what is in them


def test_a_page_costs_what_it_has_and_not_those_before(tree: SubjectTree) -> None:
    first = tree.walk("#", None, count_max=MANY // 2, visits_max=VISITS)
    tree.walk("#", first.after, count_max=10, visits_max=VISITS)
    assert tree.visited_count < 40


def test_a_walk_that_finds_nothing_ends_too_and_goes_on_where_it_was(
    tree: SubjectTree,
) -> None:
    """A wildcard before a level that nobody has: each page looks at so many places."""
    after: list[str] | None = None
    pages = 0
    visited = 0
    while True:
        page = tree.walk("+/+/temperature", after, count_max=10, visits_max=500)
        assert page.numbers == []
        assert tree.visited_count <= 500
        visited += tree.visited_count
        pages += 1
        after = page.after
        if after is None:
            break
    assert pages == 5
    assert visited < 2100  # none is visited again, but for the way to where it was


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("x" * (MQTT_STRING_BYTES_MAX + 1), "65536 bytes"),
        ("/" * TOPIC_LEVELS_MAX, f"{TOPIC_LEVELS_MAX + 1} levels"),
    ],
)
def test_subjects_that_have_no_place(subject: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        check_subject(subject)


def test_a_filter_has_to_be_one(tree: SubjectTree) -> None:
    with pytest.raises(InvalidRequest, match=r"MQTT-4\.7\.1-1"):
        tree.walk("7/#/x", None, count_max=1, visits_max=VISITS)
