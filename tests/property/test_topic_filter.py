"""Many filters in a tree say what a plain matcher says of each, whatever came and went."""

import re

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from peeklock.entities.topic_filter import TopicFilterTree, is_match

# Few levels, so that names and filters meet; empty ones and such with a dollar sign, too.
plain_levels = st.sampled_from(["a", "b", "", "$s", "a b"])
names = st.lists(plain_levels, min_size=1, max_size=5).map("/".join).filter(bool)
filters = (
    st.tuples(
        st.lists(plain_levels | st.just("+"), max_size=4),
        st.lists(st.just("#"), max_size=1),
    )
    .map(lambda parts: "/".join([*parts[0], *parts[1]]))
    .filter(bool)
)
owners = st.integers(0, 3)


def naive(topic_filter: str, name: str) -> bool:
    """As a regular expression, another way of saying it (§4.7.1, §4.7.2)."""
    if name.startswith("$") and topic_filter[0] in "+#":
        return False
    pattern = re.escape(topic_filter).replace(r"\+", "[^/]*").replace(r"\#", "#")
    if pattern == "#":
        return True
    pattern = re.sub("/#$", "(/.*)?", pattern)
    return re.fullmatch(pattern, name) is not None


@given(filters, names)
def test_one_filter_and_one_name(topic_filter: str, name: str) -> None:
    assert is_match(topic_filter, name) == naive(topic_filter, name)


class FiltersComeAndGo(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tree: TopicFilterTree[tuple[int, str, int]] = TopicFilterTree()
        self.model: dict[tuple[int, str], int] = {}
        self.version = 0

    @rule(owner=owners, topic_filter=filters)
    def add(self, owner: int, topic_filter: str) -> None:
        self.version += 1
        before = self.tree.add(owner, topic_filter, (owner, topic_filter, self.version))
        was = self.model.get((owner, topic_filter))
        assert before == (None if was is None else (owner, topic_filter, was))
        self.model[owner, topic_filter] = self.version

    @rule(owner=owners, topic_filter=filters)
    def remove(self, owner: int, topic_filter: str) -> None:
        value = self.tree.remove(owner, topic_filter)
        was = self.model.pop((owner, topic_filter), None)
        assert value == (None if was is None else (owner, topic_filter, was))

    @rule(data=st.data())
    def remove_one_that_is_there(self, data: st.DataObject) -> None:
        if self.model:
            self.remove(*data.draw(st.sampled_from(sorted(self.model))))

    @rule(owner=owners)
    def remove_all(self, owner: int) -> None:
        gone = {key for key in self.model if key[0] == owner}
        assert set(self.tree.remove_all(owner)) == {key[1] for key in gone}
        for key in gone:
            del self.model[key]

    @rule(name=names)
    def ask(self, name: str) -> None:
        expected = [
            (owner, topic_filter, version)
            for (owner, topic_filter), version in self.model.items()
            if naive(topic_filter, name)
        ]
        assert sorted(self.tree.matching(name)) == sorted(expected)

    @invariant()
    def it_counts(self) -> None:
        assert len(self.tree) == len(self.model)

    @invariant()
    def nothing_is_left_of_what_went(self) -> None:
        if not self.model:
            self.tree.matching("a/a/a")
            assert self.tree.visited_count == 1


TestFiltersComeAndGo = FiltersComeAndGo.TestCase
