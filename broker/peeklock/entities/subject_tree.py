"""Subjects in a tree of levels, asked by a topic filter: which of them match, in their order.

The other way round than topic_filter.py: there one name meets many filters, here one filter
many names. A subject is what a topic's name is followed by in MQTT's tree, `41/lobby` in
`rooms/41/lobby`; a signal without one is what the topic's bare name means, and stands at the
root. Order is by level, each as text, and a subject before those below it.
"""

from bisect import bisect_left
from typing import Final, TypeAlias, final

from peeklock.entities.topic_filter import (
    ALL_LEVELS,
    ONE_LEVEL,
    SEPARATOR,
    check_topic_filter,
    has_wildcard,
)
from peeklock.errors import InvalidRequest
from peeklock.limits import MQTT_STRING_BYTES_MAX, TOPIC_LEVELS_MAX
from peeklock.types import SequenceNumber

Subject: TypeAlias = str | None  # None: none was given, which is not the empty one
EVERY_SUBJECT: Final = "#"


def levels_of(subject: Subject) -> list[str]:
    return [] if subject is None else subject.split(SEPARATOR)


def filter_below(subject: str) -> str:
    """A topic filter for a subject and all below it, "" for all; one stays as it is."""
    if not subject:
        return EVERY_SUBJECT
    return subject if has_wildcard(subject) else subject + SEPARATOR + ALL_LEVELS


def subject_of(levels: list[str]) -> Subject:
    return SEPARATOR.join(levels) if levels else None


def check_subject(subject: Subject) -> None:
    """Raises `InvalidRequest` for one that has no place in a tree.

    Characters that are wildcards in a filter are a subject's like any: AMQP has no such rule.
    """
    if subject is None:
        return
    size = len(subject.encode("utf-8", "replace"))
    if size > MQTT_STRING_BYTES_MAX:
        raise InvalidRequest(
            f"a subject of {size} bytes is not kept; allowed are {MQTT_STRING_BYTES_MAX}"
        )
    count = subject.count(SEPARATOR) + 1
    if count > TOPIC_LEVELS_MAX:
        raise InvalidRequest(
            f"a subject of {count} levels is not kept; allowed are {TOPIC_LEVELS_MAX}"
        )


@final
class Place:
    """Where the first levels of some subjects lead to."""

    __slots__ = ("children", "number", "order")

    def __init__(self) -> None:
        self.children: Final[dict[str, Place]] = {}
        self.number: SequenceNumber | None = None  # None: no subject ends here
        self.order: list[str] | None = None  # the children's, sorted; None: they have changed

    @property
    def is_empty(self) -> bool:
        return self.number is None and not self.children

    def sorted_children(self) -> list[str]:
        order = self.order
        if order is None:
            order = sorted(self.children)
            self.order = order
        return order


@final
class Step:
    """A place on the way of a walk, and which of its children come next."""

    __slots__ = ("at", "levels", "place")

    def __init__(self, place: Place, levels: list[str], at: int) -> None:
        self.place: Final = place
        self.levels: Final = levels  # those to go to
        self.at = at


@final
class Found:
    """A part of what a walk finds, and where to go on from; None: there is no more."""

    __slots__ = ("after", "numbers")

    def __init__(self, numbers: list[SequenceNumber], after: list[str] | None) -> None:
        self.numbers: Final = numbers
        self.after: Final = after


@final
class SubjectTree:
    """A number for each subject. Walking visits what the filter's levels lead to only."""

    def __init__(self) -> None:
        self._root: Final = Place()
        self.visited_count = 0  # places that the last `walk` looked at: what it cost

    def find(self, subject: Subject) -> SequenceNumber | None:
        place = self._root
        for level in levels_of(subject):
            child = place.children.get(level)
            if child is None:
                return None
            place = child
        return place.number

    def put(self, subject: Subject, number: SequenceNumber) -> None:
        """This subject has this number from now on."""
        place = self._root
        for level in levels_of(subject):
            child = place.children.get(level)
            if child is None:
                child = Place()
                place.children[level] = child
                place.order = None
            place = child
        place.number = number

    def remove(self, subject: Subject) -> None:
        """It is there, and has a number no more."""
        levels = levels_of(subject)
        way = [self._root]
        for level in levels:
            way.append(way[-1].children[level])
        place = way.pop()
        place.number = None
        while way and place.is_empty:
            above = way.pop()
            del above.children[levels[len(way)]]
            above.order = None
            place = above

    def walk(
        self,
        topic_filter: str,
        after: list[str] | None,
        *,
        count_max: int,
        visits_max: int,
        is_root: bool = False,
    ) -> Found:
        """Numbers of subjects that match, `count_max` at most, those behind `after` only.

        It also ends when it has looked at `visits_max` places, which is more than a subject has
        levels: then there may be more even if little was found. `after`: where the walk before
        ended; None: from the first. `is_root`: these subjects are whole topic names, so that a
        wildcard in the first level matches none with a dollar sign there [MQTT-4.7.2-1]. Raises
        `InvalidRequest` for what is no topic filter.
        """
        assert visits_max > TOPIC_LEVELS_MAX  # else it might not get on
        check_topic_filter(topic_filter)
        wanted = topic_filter.split(SEPARATOR)
        is_deep = wanted[-1] == ALL_LEVELS
        if is_deep:
            wanted.pop()
        skips_system = is_root and (not wanted or wanted[0] == ONE_LEVEL)
        found: list[SequenceNumber] = []
        steps = [first_step(self._root, wanted, is_deep, 0, after)]
        path: list[str] = []
        self.visited_count = 1
        if after is None and is_deep and not wanted and self._root.number is not None:
            found.append(self._root.number)
        while steps and len(found) < count_max and self.visited_count < visits_max:
            step = steps[-1]
            if step.at >= len(step.levels):
                steps.pop()
                if path:
                    path.pop()
                continue
            level = step.levels[step.at]
            step.at += 1
            if skips_system and not path and level[:1] == "$":
                continue
            place = step.place.children[level]
            self.visited_count += 1
            path.append(level)
            is_behind = after is None or path > after
            depth = len(path)
            ends = depth >= len(wanted) if is_deep else depth == len(wanted)
            if ends and is_behind and place.number is not None:
                found.append(place.number)
            steps.append(
                first_step(place, wanted, is_deep, depth, None if is_behind else after)
            )
        return Found(found, resume_at(steps, path))


def first_step(
    place: Place, wanted: list[str], is_deep: bool, depth: int, after: list[str] | None
) -> Step:
    """Which children a filter goes on with from a place of this depth; behind `after`, whose
    first levels led here."""
    if depth >= len(wanted):
        levels = place.sorted_children() if is_deep else []
    elif wanted[depth] == ONE_LEVEL:
        levels = place.sorted_children()
    else:
        levels = [wanted[depth]] if wanted[depth] in place.children else []
    at = 0
    if after is not None and depth < len(after):
        at = bisect_left(levels, after[depth])
    return Step(place, levels, at)


def resume_at(steps: list[Step], path: list[str]) -> list[str] | None:
    """What was visited last; None when nothing comes behind it."""
    if all(step.at >= len(step.levels) for step in steps):
        return None
    return path
