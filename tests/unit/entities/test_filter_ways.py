"""What the filters of one session can cost: never less than the tree looks at."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.filter_ways import FilterWays
from peeklock.entities.topic_filter import TopicFilterTree

LEVELS = st.lists(st.sampled_from(["a", "b", "+", "#"]), min_size=1, max_size=5)
FILTERS = LEVELS.map(
    lambda one: "/".join([level for level in one[:-1] if level != "#"] + one[-1:])
)
NAMES = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=6).map("/".join)


def test_filters_that_differ_in_their_names_are_one_way() -> None:
    ways = FilterWays()
    for number in range(100):
        ways.add(f"site/{number}/+/alarm/#")
    assert ways.count == 4
    assert ways.level_count == 400


def test_filters_without_a_wildcard_cost_nothing() -> None:
    ways = FilterWays()
    ways.add("a/b/c")
    assert (ways.count, ways.level_count) == (0, 0)
    assert ways.count_with("a/b") == 0


def test_each_place_of_a_wildcard_is_a_way() -> None:
    ways = FilterWays()
    for one in product("a+", repeat=6):
        ways.add("/".join(one))
    assert ways.count == 2 + 4 + 8 + 16 + 32 + 64 - 1  # "a/a/a/a/a/a" has no wildcard


def test_what_goes_leaves_nothing_behind() -> None:
    ways = FilterWays()
    ways.add("+/b")
    ways.add("+/+")
    assert ways.count_with("+/+/c") == 4
    assert ways.level_count_with("+/+/c") == 7
    ways.remove("+/b")
    assert (ways.count, ways.level_count) == (2, 2)
    ways.remove("+/+")
    assert (ways.count, ways.level_count) == (0, 0)


@given(st.lists(FILTERS, unique=True, max_size=12), NAMES)
def test_no_name_looks_at_more_places(filters: list[str], name: str) -> None:
    ways = FilterWays()
    tree: TopicFilterTree[str] = TopicFilterTree()
    for one in filters:
        ways.add(one)
        tree.add("o", one, one)
    tree.matching(name)
    assert tree.visited_count <= 1 + ways.count
    for one in filters:
        ways.remove(one)
    assert (ways.count, ways.level_count) == (0, 0)
