"""What the topic filters of one session can cost: memory, and the time of each signal.

In the tree of filters (topic_filter.py) a name goes two ways wherever there is a `+` beside a
level of that name. Which of a session's filters it meets on the way depends on where their `+`
stand, and on nothing else: of those with the same places, a name's own levels choose one. So
the places that any name can lead to are at most as many as there are different beginnings of
filters when all levels but `+` are taken to be equal.
"""

from typing import Final, final

from peeklock.entities.topic_filter import ALL_LEVELS, ONE_LEVEL, SEPARATOR, has_wildcard


@final
class FilterWays:
    """Of one session."""

    __slots__ = ("_beginnings", "level_count")

    def __init__(self) -> None:
        self.level_count = 0  # of all filters with a wildcard: nodes of the tree, at most
        self._beginnings: Final[dict[int, int]] = {}  # how many filters have each

    @property
    def count(self) -> int:
        """How many places of the tree one name can lead to, at most."""
        return len(self._beginnings)

    def count_with(self, topic_filter: str) -> int:
        """The same, if there were this filter, too."""
        fresh = [one for one in beginnings(topic_filter) if one not in self._beginnings]
        return self.count + len(fresh)

    def level_count_with(self, topic_filter: str) -> int:
        return self.level_count + len(beginnings(topic_filter))

    def add(self, topic_filter: str) -> None:
        known = self._beginnings
        for one in beginnings(topic_filter):
            known[one] = known.get(one, 0) + 1
            self.level_count += 1

    def remove(self, topic_filter: str) -> None:
        """One that was added."""
        known = self._beginnings
        for one in beginnings(topic_filter):
            left = known[one] - 1
            if left:
                known[one] = left
            else:
                del known[one]
            self.level_count -= 1

    def clear(self) -> None:
        self._beginnings.clear()
        self.level_count = 0


def beginnings(topic_filter: str) -> list[int]:
    """One for each level: the levels up to it, as bits behind a first one. 1 is for a `+`."""
    if not has_wildcard(topic_filter):
        return []  # found by its whole name
    found: list[int] = []
    bits = 1
    for level in topic_filter.split(SEPARATOR):
        if level == ALL_LEVELS:
            break
        bits = bits << 1 | (level == ONE_LEVEL)
        found.append(bits)
    return found
