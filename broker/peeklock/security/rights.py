"""What can be allowed."""

from enum import Enum


class Right(Enum):
    """What somebody may do with the broker's entities."""

    SEND = "send"
    LISTEN = "listen"
    MANAGE = "manage"


ALL_RIGHTS = frozenset(Right)
