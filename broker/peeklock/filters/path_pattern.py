"""Paths as MQTT has them, matched level by level: `+` is any one level, `#` all that follow.

A level in braces is `+` with a name, under which what stood there can be had: with
`building/{building}/floor/+/#`, of `building/41/floor/3/co2`, `building` is `41`.
"""

import re
from typing import Final, final

from peeklock.errors import InvalidFilter
from peeklock.filters.subject_path import ONE, REST, SEPARATOR, SubjectPath
from peeklock.limits import PATH_PATTERN_CHARACTERS_MAX

CAPTURE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@final
class PathPattern:
    """One pattern. Upper and lower case differ, and nothing is left out ([MQTT-4.7.3-4])."""

    __slots__ = ("_names", "_path", "text")

    def __init__(self, text: str) -> None:
        """Raises `InvalidFilter`."""
        self.text: Final = text
        if not 0 < len(text) <= PATH_PATTERN_CHARACTERS_MAX:
            raise InvalidFilter(
                f"a path has 1 to {PATH_PATTERN_CHARACTERS_MAX} characters, not {len(text)}"
            )
        levels = text.split(SEPARATOR)
        last = len(levels) - 1
        self._names: Final[dict[int, str]] = {}  # of the levels in braces, by their place
        column = 1
        for place, level in enumerate(levels):
            if level != REST or place != last:  # ([MQTT-4.7.1-1]: it stands last)
                self._check(place, level, column)
            column += len(level) + 1
        for place in self._names:
            levels[place] = ONE
        self._path: Final = SubjectPath(SEPARATOR.join(levels))

    def _check(self, place: int, level: str, column: int) -> None:
        capture = CAPTURE.fullmatch(level)
        if capture is not None:
            name = capture.group(1)
            if name in self._names.values():
                raise InvalidFilter(f"two levels are called {name!r}", 1, column)
            self._names[place] = name
        elif REST in level:
            raise InvalidFilter("# stands alone, as the last level", 1, column)
        elif level != ONE and any(one in level for one in "+{}"):
            raise InvalidFilter(
                f"{level!r} is no level; expected +, {{name}} or a text without + {{ }}",
                1,
                column,
                ("+", "{name}", "a text"),
            )

    @property
    def names(self) -> frozenset[str]:
        """What a match tells of."""
        return frozenset(self._names.values())

    def match(self, path: str) -> dict[str, str] | None:
        """The named levels of `path`; None when it does not match."""
        levels = self._path.levels_of(path)
        if levels is None:
            return None
        return {name: levels[place] for place, name in self._names.items()}
