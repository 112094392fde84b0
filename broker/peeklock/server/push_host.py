"""What all webhooks share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from peeklock.clock import Clock
from peeklock.engine.engine import Engine
from peeklock.server.push_room import PushRoom
from peeklock.server.push_rules import PushRules

if TYPE_CHECKING:
    from ssl import SSLContext

    from peeklock.server.push_client import PushClient
    from peeklock.server.pusher import Pusher


class PushHost:
    """Handed to each of them."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        turn: Callable[[], None],
        rules: PushRules,
        room: PushRoom,
        expect_callback: "Callable[[Pusher], str]",
    ) -> None:
        self.engine: Final = engine
        self.clock: Final = clock
        self.turn: Final = turn
        self.rules: Final = rules
        self.room: Final = room
        self.expect_callback: Final = expect_callback  # a URL for this one; "": there is none


def load_push_client(rules: PushRules) -> "tuple[type[PushClient], SSLContext]":
    """Loading what it needs takes half a second, which the loop does not have."""
    from peeklock.server.push_client import PushClient, tls_context

    return PushClient, tls_context(rules.authorities)
