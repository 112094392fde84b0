"""A path that subjects are matched against, with the wildcards of MQTT's topic filters.

The one place that says what `+` and `#` match (MQTT 5.0 §4.7.1). A subject is what stands in a
topic's tree below the topic, so that one of `$anything` is like any other: what §4.7.2 says of
names that begin with `$` is about the tree's root.
"""

from typing import Final, final

from peeklock.filters.cesql_values import to_text
from peeklock.filters.places import refusal
from peeklock.filters.program import Program
from peeklock.filters.values import Value
from peeklock.filters.view import PropertyView, SystemProperty

SEPARATOR: Final = "/"
ONE: Final = "+"  # any one level (MQTT 5.0 §4.7.1.3)
REST: Final = "#"  # all that follows, and the level above it (§4.7.1.2)


@final
class SubjectPath:
    """`building/+/floor/#`."""

    __slots__ = ("_exact", "_levels", "_rest")

    def __init__(self, text: str) -> None:
        """Raises `InvalidFilter` where a wildcard does not stand for a whole level."""
        check_path(text)
        levels = text.split(SEPARATOR)
        self._rest: Final = levels[-1] == REST
        self._levels: Final = levels[:-1] if self._rest else levels
        self._exact: Final = None if self._rest or ONE in levels else text

    def matches(self, subject: Value) -> bool:
        """What is no text, or not there, matches nothing. Linear in the subject's length."""
        if not isinstance(subject, str):
            return False
        if self._exact is not None:
            return subject == self._exact
        return self.levels_of(subject) is not None

    def levels_of(self, subject: str) -> list[str] | None:
        """The levels of a subject that matches; None for one that does not."""
        given = subject.split(SEPARATOR)
        count = len(self._levels)
        if len(given) < count or (len(given) > count and not self._rest):
            return None
        for place, level in enumerate(self._levels):
            if level != ONE and level != given[place]:
                return None
        return given


def check_path(text: str) -> None:
    """Raises `InvalidFilter`, with the column, for what no topic filter can be."""
    if not text:
        raise refusal(text, 0, "a path has at least one character")
    start = 0
    for level in text.split(SEPARATOR):
        end = start + len(level)
        if (ONE in level and level != ONE) or (
            REST in level and (level != REST or end != len(text))
        ):
            what = (
                "+ stands for one whole level of a path, and # for all levels that follow, "
                "as its last"
            )
            raise refusal(text, start, what)
        start = end + 1


def subject_of(view: PropertyView) -> str | None:
    """What a message is about: its own subject; without one, that of the event in it.

    The one place that says so (ADR 0029). Its own is AMQP's `subject`, what follows the topic
    in a name of MQTT's, and what HTTP makes of an event; "" is one, too. None: there is none.
    """
    own = view.system(SystemProperty.LABEL)
    if isinstance(own, str):
        return own
    of_event = view.attribute("subject")
    return of_event if isinstance(of_event, str) and of_event else None


@final
class PathFilter:
    """Messages whose subject is under a path, events or not."""

    __slots__ = ("_path",)

    def __init__(self, text: str) -> None:
        self._path: Final = SubjectPath(text)

    def matches(self, view: PropertyView) -> bool:
        return self._path.matches(subject_of(view))


@final
class AttributeUnder(Program):
    """Is an event's attribute under a path?"""

    __slots__ = ("_name", "_path")

    def __init__(self, name: str, path: str) -> None:
        self._name: Final = name
        self._path: Final = SubjectPath(path)

    def evaluate(self, view: PropertyView) -> Value:
        value = view.attribute(self._name)
        return value is not None and self._path.matches(to_text(value))
