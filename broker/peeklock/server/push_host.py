"""What all webhooks share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from peeklock.clock import Clock
from peeklock.engine.engine import Engine
from peeklock.server.push_room import PushRoom
from peeklock.server.push_rules import PushRules

if TYPE_CHECKING:
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
