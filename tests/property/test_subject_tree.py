"""A filter finds in the tree of subjects what a matcher finds among all, page by page."""

from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.subject_tree import Subject, SubjectTree, levels_of, subject_of
from peeklock.entities.topic_filter import is_match
from peeklock.limits import TOPIC_LEVELS_MAX
from peeklock.types import SequenceNumber

plain_levels = st.sampled_from(["a", "b", "", "$s", "+"])
subjects = st.none() | st.lists(plain_levels, min_size=1, max_size=4).map("/".join)
filters = (
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "", "$s", "+", "+"]), max_size=4),
        st.lists(st.just("#"), max_size=1),
    )
    .map(lambda parts: "/".join([*parts[0], *parts[1]]))
    .filter(bool)
)


def does_match(topic_filter: str, subject: Subject) -> bool:
    """As MQTT matches the filter and the name behind a topic's name."""
    name = "t" if subject is None else f"t/{subject}"
    return is_match(f"t/{topic_filter}", name)


@given(
    st.lists(st.tuples(subjects, st.booleans()), max_size=40),
    filters,
    st.integers(1, 5),
    st.sampled_from([TOPIC_LEVELS_MAX + 1, 10_000]),
)
def test_pages_have_all_that_match_in_their_order(
    changes: list[tuple[Subject, bool]], topic_filter: str, count_max: int, visits_max: int
) -> None:
    tree = SubjectTree()
    there: dict[Subject, SequenceNumber] = {}
    for place, (subject, comes) in enumerate(changes):
        if comes:
            there[subject] = SequenceNumber(place + 1)
            tree.put(subject, there[subject])
        elif subject in there:
            del there[subject]
            tree.remove(subject)
        assert tree.find(subject) == there.get(subject)
    expected = [
        number
        for subject, number in sorted(there.items(), key=lambda item: levels_of(item[0]))
        if does_match(topic_filter, subject)
    ]
    found: list[SequenceNumber] = []
    after: list[str] | None = None
    for _ in range(len(changes) + 1):
        page = tree.walk(topic_filter, after, count_max=count_max, visits_max=visits_max)
        assert len(page.numbers) <= count_max
        found += page.numbers
        after = page.after
        if after is None:
            break
    assert after is None
    assert found == expected


@given(st.sets(subjects.filter(lambda one: one is not None), max_size=20), filters)
def test_at_the_root_of_mqtts_tree_a_dollar_sign_is_special(
    there: set[str], topic_filter: str
) -> None:
    tree = SubjectTree()
    numbers = {subject: SequenceNumber(n) for n, subject in enumerate(sorted(there), 1)}
    for subject, number in numbers.items():
        tree.put(subject, number)
    page = tree.walk(topic_filter, None, count_max=100, visits_max=10_000, is_root=True)
    expected = [number for one, number in numbers.items() if is_match(topic_filter, one)]
    assert sorted(page.numbers) == sorted(expected)


@given(subjects)
def test_a_subject_is_its_levels(subject: Subject) -> None:
    assert subject_of(levels_of(subject)) == subject


@given(st.lists(subjects, max_size=20))
def test_what_is_taken_out_leaves_no_place_behind(there: list[Subject]) -> None:
    tree = SubjectTree()
    for subject in there:
        tree.put(subject, SequenceNumber(1))
    for subject in set(there):
        tree.remove(subject)
    page = tree.walk("#", None, count_max=10, visits_max=1000)
    assert (page.numbers, page.after, tree.visited_count) == ([], None, 1)
