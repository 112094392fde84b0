"""The life of an AMQP connection (§2.4.6), one half for each direction.

Both ends move independently, so what the peer has done and what we have done are two
half-states, never their product. Everything that changes a half-state is in this table.
"""

from enum import Enum
from typing import Final

from peeklock.errors import ProtocolViolation
from peeklock.protocols.amqp10.conditions import ILLEGAL_STATE


class Half(Enum):
    """How far one end has come."""

    START = "start"  # no AMQP protocol header yet
    HEADER = "header exchanged"
    OPENED = "opened"
    CLOSED = "closed"


class Step(Enum):
    """What an end can do to move on."""

    HEADER = "a protocol header"
    OPEN = "open"
    FRAME = "a frame"  # begin, attach, transfer …
    CLOSE = "close"


STEPS: Final[dict[tuple[Half, Step], Half]] = {
    (Half.START, Step.HEADER): Half.HEADER,
    (Half.HEADER, Step.OPEN): Half.OPENED,
    (Half.OPENED, Step.FRAME): Half.OPENED,
    (Half.OPENED, Step.CLOSE): Half.CLOSED,
    # An end that cannot even open may close at once, to say why (§2.4.3).
    (Half.HEADER, Step.CLOSE): Half.CLOSED,
}


def step(half: Half, taken: Step) -> Half:
    """The next half-state; raises `ProtocolViolation` where the table has no row."""
    after = STEPS.get((half, taken))
    if after is None:
        what = f"{taken.value} is not allowed when the connection is in state {half.value!r}"
        raise ProtocolViolation("AMQP 1.0 §2.4.6", what, ILLEGAL_STATE)
    return after
