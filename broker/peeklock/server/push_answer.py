"""What a webhook's receiver says, or that it says nothing."""

from collections.abc import Iterable
from typing import Final

from peeklock.cloudevents.http_binding import Header, HttpParts

ERROR_CHARACTERS_MAX: Final = 200


class Unanswered(Exception):
    """There is no answer; the text says why."""


class Answer:
    """What a receiver says: the body decides nothing."""

    def __init__(self, status: int, reason: str, headers: Iterable[Header]) -> None:
        self.status: Final = status
        self.parts: Final = HttpParts(headers, b"")
        self._reason: Final = reason

    def __str__(self) -> str:
        said = f"answered {self.status} {self._reason}"[:ERROR_CHARACTERS_MAX].rstrip()
        return "".join(one if one.isprintable() else "?" for one in said)
