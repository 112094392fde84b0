"""Who lets messages go on by themselves may send to where they go: asked for here alone.

All that makes or changes a forward or a derivation has to be told how to ask for that right, so
that no front-end can forget it. It is asked for before it is found out if the target is there.
"""

from collections.abc import Callable

from peeklock.entities.address import parse_address
from peeklock.entities.settings import QueueSettings

RequireSend = Callable[[str], None]  # by an entity's path; raises `Unauthorized`


def of_right(path: str) -> None:
    """What the broker makes of itself, or as its configuration says, needs nobody's right."""


def check_forwards(
    require_send: RequireSend, wanted: QueueSettings, before: QueueSettings
) -> None:
    """Of what changes: a forward that stays was asked for when it was made.

    A target is a path or an address, as somebody wrote it. Raises `Unauthorized`.
    """
    for target, known in (
        (wanted.forward_to, before.forward_to),
        (wanted.forward_dead_letters_to, before.forward_dead_letters_to),
    ):
        if target and target != known:
            require_send(parse_address(target).path)
