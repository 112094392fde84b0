"""A path that subjects are matched against, with the wildcards of MQTT's topic filters."""

from typing import Final, final

from peeklock.errors import InvalidRequest

ONE: Final = "+"  # any one level (MQTT 5.0 §4.7.1.3)
REST: Final = "#"  # all that follows, and the level above it (§4.7.1.2)


@final
class SubjectPath:
    def __init__(self, text: str) -> None:
        """Raises `InvalidRequest` where a wildcard does not stand for a whole level."""
        self._levels: Final = text.split("/")
        for place, level in enumerate(self._levels):
            is_last = place == len(self._levels) - 1
            if (ONE in level and level != ONE) or (
                REST in level and (level != REST or not is_last)
            ):
                raise InvalidRequest(
                    f"subject is {text[:80]!r}; + stands for one whole level of a path, and # "
                    "for all levels that follow, as its last"
                )

    def matches(self, subject: object) -> bool:
        """What is no text, or not there, matches nothing."""
        if not isinstance(subject, str):
            return False
        given = subject.split("/")
        for place, level in enumerate(self._levels):
            if level == REST:
                return True
            if place == len(given) or level not in (ONE, given[place]):
                return False
        return len(given) == len(self._levels) or self._levels[-1] == REST
