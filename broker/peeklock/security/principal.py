"""Who somebody has proved to be, and what that allows."""

from dataclasses import dataclass
from enum import Enum

from peeklock.errors import Unauthorized


class Right(Enum):
    """What a principal may do with the broker's entities."""

    SEND = "send"
    LISTEN = "listen"
    MANAGE = "manage"


ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True)
class Principal:
    """One authenticated peer."""

    name: str
    rights: frozenset[Right] = ALL_RIGHTS

    def require(self, right: Right, path: str) -> None:
        """Raises `Unauthorized` when it has not got the right."""
        if right not in self.rights:
            raise Unauthorized(f"user {self.name!r} has no right to {right.value} on {path!r}")


ANONYMOUS = Principal("anonymous")
