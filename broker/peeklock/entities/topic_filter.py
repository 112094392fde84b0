"""MQTT topic names and topic filters (5.0 §4.7), and many filters asked at once.

`TopicFilterTree` is the hot path of a fan-out: each signal asks it once who wants it.

    tree: TopicFilterTree[Grant] = TopicFilterTree()
    tree.add(session_id, "site/+/fire/#", grant)
    tree.matching("site/41/fire/alarm")  # [grant]
    tree.remove(session_id, "site/+/fire/#")
    tree.remove_all(session_id)  # when its owner goes

Levels are what is between the separators; they may be empty, so "/a" has two (§4.7.1.1). A
filter of a shared subscription goes in without its `$share/{name}/` before it. What comes off
the wire was looked at in protocols/mqtt/topics.py before, which tells a peer in its own words;
here also comes what people write into requests and configuration.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar, final

from peeklock.errors import InvalidRequest
from peeklock.filters.subject_path import SubjectPath
from peeklock.limits import MQTT_STRING_BYTES_MAX, TOPIC_LEVELS_MAX

T = TypeVar("T")

SEPARATOR: Final = "/"
ONE_LEVEL: Final = "+"  # a filter's level that any one level matches (§4.7.1.3)
ALL_LEVELS: Final = "#"  # any number of them, none included; always the last (§4.7.1.2)


def check_topic_name(name: str) -> None:
    """Raises `InvalidRequest`, with the statement it breaks, unless one can publish to it."""
    check_text(name, "topic name")
    if has_wildcard(name):
        raise InvalidRequest(f"the topic name {name!r:.80} has a wildcard [MQTT-4.7.0-1]")


def check_topic_filter(topic_filter: str) -> None:
    """Raises `InvalidRequest`, with the statement it breaks, unless one can subscribe to it."""
    check_text(topic_filter, "topic filter")
    if not has_wildcard(topic_filter):
        return
    levels = topic_filter.split(SEPARATOR)
    for place, level in enumerate(levels):
        if ALL_LEVELS in level and (level != ALL_LEVELS or place != len(levels) - 1):
            raise InvalidRequest(
                f"in the topic filter {topic_filter!r:.80} '#' is not the whole last level "
                "[MQTT-4.7.1-1]"
            )
        if ONE_LEVEL in level and level != ONE_LEVEL:
            raise InvalidRequest(
                f"in the topic filter {topic_filter!r:.80} '+' is not a whole level "
                "[MQTT-4.7.1-2]"
            )


def check_text(text: str, what: str) -> None:
    """What names and filters have in common."""
    if not text:
        raise InvalidRequest(f"the {what} is empty [MQTT-4.7.3-1]")
    if "\0" in text:
        raise InvalidRequest(f"the {what} {text!r:.80} has a U+0000 [MQTT-4.7.3-2]")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"the {what} {text!r:.80} has half a surrogate pair [MQTT-1.5.4-1]"
        ) from None
    if size > MQTT_STRING_BYTES_MAX:
        raise InvalidRequest(
            f"the {what} has {size} bytes; allowed are {MQTT_STRING_BYTES_MAX} [MQTT-4.7.3-3]"
        )
    count = text.count(SEPARATOR) + 1
    if count > TOPIC_LEVELS_MAX:
        raise InvalidRequest(
            f"the {what} {text!r:.80} has {count} levels; allowed are {TOPIC_LEVELS_MAX}"
        )


def has_wildcard(text: str) -> bool:
    return ONE_LEVEL in text or ALL_LEVELS in text


def is_match(topic_filter: str, name: str) -> bool:
    """Does this one filter match this name? Both are valid."""
    if name[:1] == "$" and topic_filter[0] in (ONE_LEVEL, ALL_LEVELS):
        return False  # [MQTT-4.7.2-1]
    return SubjectPath(topic_filter).matches(name)


@final
class Node(Generic[T]):
    """A place that the first levels of filters with a wildcard lead to."""

    __slots__ = ("any_child", "children", "deep", "here")

    def __init__(self) -> None:
        self.children: Final[dict[str, Node[T]]] = {}
        self.any_child: Node[T] | None = None  # behind a `+`
        self.here: Final[dict[Hashable, T]] = {}  # of the filters that end here, by owner
        self.deep: Final[dict[Hashable, T]] = {}  # of those that go on with `#`

    def step(self, level: str) -> "Node[T] | None":
        return self.any_child if level == ONE_LEVEL else self.children.get(level)

    @property
    def is_empty(self) -> bool:
        return not (self.here or self.deep or self.children) and self.any_child is None


@final
class TopicFilterTree(Generic[T]):
    """Filters of many owners, each with a value; an owner has a filter once.

    Those without a wildcard are found by the whole name. The others are a tree of levels, of
    which a name walks the places that its own first levels match: filters that go another way
    cost nothing, however many there are, and a way that many share is gone once. Filters whose
    first levels match cost, even if their last ones do not: `+/a/x` and `a/+/x` are two ways.
    """

    def __init__(self) -> None:
        self._root: Final[Node[T]] = Node()
        self._exact: Final[dict[str, dict[Hashable, T]]] = {}
        self._by_owner: Final[dict[Hashable, dict[str, T]]] = {}
        self._count = 0
        self.visited_count = 0  # nodes that the last `matching` looked at: what it cost

    def __len__(self) -> int:
        """How many filters, each counted for each of its owners."""
        return self._count

    # ---- owners come and go

    def add(self, owner: Hashable, topic_filter: str, value: T) -> T | None:
        """`owner` has this filter, with this value; returns the value that it had with it.

        Raises `InvalidRequest`, and changes nothing, for what is no topic filter.
        """
        check_topic_filter(topic_filter)
        owned = self._by_owner.setdefault(owner, {})
        before = owned.get(topic_filter)
        if topic_filter not in owned:
            self._count += 1
        owned[topic_filter] = value
        if not has_wildcard(topic_filter):
            self._exact.setdefault(topic_filter, {})[owner] = value
            return before
        levels = topic_filter.split(SEPARATOR)
        is_deep = levels[-1] == ALL_LEVELS
        if is_deep:
            levels.pop()
        node = self._root
        for level in levels:
            following = node.step(level)
            if following is None:
                following = Node()
                if level == ONE_LEVEL:
                    node.any_child = following
                else:
                    node.children[level] = following
            node = following
        (node.deep if is_deep else node.here)[owner] = value
        return before

    def remove(self, owner: Hashable, topic_filter: str) -> T | None:
        """`owner` has this filter no more; returns the value that it had with it, if any."""
        owned = self._by_owner.get(owner)
        if owned is None or topic_filter not in owned:
            return None
        value = owned.pop(topic_filter)
        if not owned:
            del self._by_owner[owner]
        self._take_out(owner, topic_filter)
        return value

    def remove_all(self, owner: Hashable) -> list[str]:
        """`owner` is gone; returns the filters it had."""
        filters = list(self._by_owner.pop(owner, {}))
        for topic_filter in filters:
            self._take_out(owner, topic_filter)
        return filters

    def of_owner(self, owner: Hashable) -> dict[str, T]:
        """What an owner has, by filter."""
        return dict(self._by_owner.get(owner, {}))

    def _take_out(self, owner: Hashable, topic_filter: str) -> None:
        self._count -= 1
        if not has_wildcard(topic_filter):
            owners = self._exact[topic_filter]
            del owners[owner]
            if not owners:
                del self._exact[topic_filter]
            return
        levels = topic_filter.split(SEPARATOR)
        is_deep = levels[-1] == ALL_LEVELS
        if is_deep:
            levels.pop()
        way: list[Node[T]] = [self._root]
        for level in levels:
            following = way[-1].step(level)
            assert following is not None
            way.append(following)
        last = way.pop()
        del (last.deep if is_deep else last.here)[owner]
        while way and last.is_empty:  # up to where another filter still goes
            above = way.pop()
            level = levels[len(way)]
            if level == ONE_LEVEL:
                above.any_child = None
            else:
                del above.children[level]
            last = above

    # ---- names ask

    def matching(self, name: str) -> list[T]:
        """The values of all filters that match: an owner's as often as it has such filters.

        `name` is a valid topic name. One with more levels than a filter may have is matched,
        too: no filter goes as deep, but for a `#`.
        """
        found: list[T] = []
        owners = self._exact.get(name)
        if owners is not None:
            found.extend(owners.values())
        root = self._root
        visited_count = 1
        nodes = [root]
        # Wildcards in the first level do not match a `$` there [MQTT-4.7.2-1].
        is_system = name[:1] == "$"
        for level in name.split(SEPARATOR):
            after: list[Node[T]] = []
            for node in nodes:
                following = node.children.get(level)
                if following is not None:
                    after.append(following)
                if is_system:
                    continue
                if node.deep:
                    found.extend(node.deep.values())
                following = node.any_child
                if following is not None:
                    after.append(following)
            is_system = False
            nodes = after
            if not nodes:
                break
            visited_count += len(nodes)
        for node in nodes:
            if node.here:
                found.extend(node.here.values())
            if node.deep:  # "a/#" matches "a", too (§4.7.1.2)
                found.extend(node.deep.values())
        self.visited_count = visited_count
        return found
