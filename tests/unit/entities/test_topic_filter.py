"""Topic filters: what is one (5.0 §4.7), and what many of them cost a name.

Which names they match, tests/property/test_topic_filter.py checks against a plain matcher.
"""

import pytest

from peeklock.entities.topic_filter import (
    TopicFilterTree,
    check_topic_filter,
    check_topic_name,
    is_match,
)
from peeklock.errors import InvalidRequest
from peeklock.limits import MQTT_STRING_BYTES_MAX, TOPIC_LEVELS_MAX

MANY = 2000


class TestWhatIsOne:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "MQTT-4.7.3-1"),
            ("a\0b", "MQTT-4.7.3-2"),
            ("\ud800", "MQTT-1.5.4-1"),
            ("é" * (MQTT_STRING_BYTES_MAX // 2 + 1), "MQTT-4.7.3-3"),
            ("/" * TOPIC_LEVELS_MAX, f"{TOPIC_LEVELS_MAX + 1} levels"),
        ],
    )
    def test_neither_a_name_nor_a_filter(self, text: str, why: str) -> None:
        for check in (check_topic_name, check_topic_filter):
            with pytest.raises(InvalidRequest, match=why):
                check(text)

    @pytest.mark.parametrize("text", ["a/+", "#", "a+", "a/#/b"])
    def test_a_name_has_no_wildcard(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match=r"MQTT-4\.7\.0-1"):
            check_topic_name(text)

    @pytest.mark.parametrize("text", ["a#", "a/b#", "#/", "a/#/b", "##"])
    def test_a_number_sign_is_the_whole_last_level(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match=r"MQTT-4\.7\.1-1"):
            check_topic_filter(text)

    @pytest.mark.parametrize("text", ["a+", "+a/b", "a/++"])
    def test_a_plus_sign_is_a_whole_level(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match=r"MQTT-4\.7\.1-2"):
            check_topic_filter(text)

    @pytest.mark.parametrize("text", ["/", "a//b", " ", "$SYS/x", "a" * MQTT_STRING_BYTES_MAX])
    def test_odd_ones_that_are(self, text: str) -> None:
        check_topic_name(text)
        check_topic_filter(text)


# Those of §4.7.1 and §4.7.2, and their borders.
@pytest.mark.parametrize(
    ("topic_filter", "name", "does"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/#", "sports", False),
        ("#", "a/b", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("+/#", "a", True),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor/Clients", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("a/+", "a/$b", True),  # a dollar sign further on means nothing
        ("ACCOUNTS", "Accounts", False),
    ],
)
def test_the_specifications_examples(topic_filter: str, name: str, does: bool) -> None:
    assert is_match(topic_filter, name) is does
    tree: TopicFilterTree[int] = TopicFilterTree()
    tree.add("o", topic_filter, 1)
    assert tree.matching(name) == [1] * does


class TestOwners:
    def test_a_filter_again_replaces_its_value(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        assert tree.add("o", "a/+", 1) is None
        assert tree.add("o", "a/+", 2) == 1
        assert tree.matching("a/b") == [2]
        assert len(tree) == 1

    def test_owners_have_the_same_filter_each_for_itself(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        tree.add("o", "a/#", 1)
        tree.add("p", "a/#", 2)
        assert tree.remove("o", "a/#") == 1
        assert tree.remove("o", "a/#") is None
        assert tree.matching("a") == [2]

    def test_an_owner_that_goes_takes_all_of_its_own_along(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        tree.add("o", "a/#", 1)
        tree.add("o", "a/b", 2)
        tree.add("p", "a/b", 3)
        assert tree.of_owner("o") == {"a/#": 1, "a/b": 2}
        assert tree.remove_all("o") == ["a/#", "a/b"]
        assert tree.remove_all("o") == []
        assert tree.matching("a/b") == [3]
        assert len(tree) == 1

    def test_what_is_no_filter_changes_nothing(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        with pytest.raises(InvalidRequest):
            tree.add("o", "a/#/b", 1)
        assert len(tree) == 0
        assert tree.of_owner("o") == {}
        assert tree.remove_all("o") == []


class TestWhatANameCosts:
    def test_filters_that_go_another_way_are_not_looked_at(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        tree.add("o", "site/7/fire/#", 7)
        for number in range(MANY):
            tree.add(number, f"site/{number + 100}/fire/+", number)
            tree.add(number, f"plant/{number}/#", number)
        assert tree.matching("site/7/fire/alarm") == [7]
        assert tree.visited_count == 4  # the root, site, 7, fire

    def test_a_way_that_many_share_is_gone_once(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        for number in range(MANY):
            tree.add(number, f"+/+/{number}", number)
        assert tree.matching("a/b/17") == [17]
        assert tree.visited_count == 4

    def test_filters_without_a_wildcard_cost_nothing(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        for number in range(MANY):
            tree.add(number, f"a/b/{number}", number)
        assert tree.matching("a/b/17") == [17]
        assert tree.visited_count == 1

    def test_a_name_of_many_levels_ends_where_the_filters_do(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        tree.add("o", "+/+", 1)
        tree.add("o", "#", 2)
        assert tree.matching("/" * (MQTT_STRING_BYTES_MAX - 1)) == [2]
        assert tree.visited_count == 3

    def test_what_is_taken_out_leaves_no_place_behind(self) -> None:
        tree: TopicFilterTree[int] = TopicFilterTree()
        for number in range(MANY):
            tree.add("o", f"a/{number}/+/c", number)
        tree.add("p", "a/0/#", 0)
        tree.remove_all("o")
        assert tree.matching("a/0/x/c") == [0]
        assert tree.visited_count == 3  # the root, a, 0
        tree.remove_all("p")
        assert tree.matching("a/0/x/c") == []
        assert tree.visited_count == 1
