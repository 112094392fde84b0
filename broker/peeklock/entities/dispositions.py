"""What a receiver decides about a delivery it holds."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, TypeAlias, final

from peeklock.types import NEVER, UnixMs


class Verdict(IntEnum):
    """The five dispositions."""

    COMPLETE = 1  # done: it goes
    ABANDON = 2  # failed: again, at once or later; counts as an attempt
    RELEASE = 3  # given back untried; counts nothing
    DEFER = 4  # set aside, to be fetched by number
    DEAD_LETTER = 5  # cannot be done: to the dead-letter queue, with a reason


# Application properties by name, each value as it is encoded.
Properties: TypeAlias = Mapping[str, bytes]


@final
class Disposition:
    """A verdict and what belongs to it."""

    __slots__ = ("description", "not_before", "properties", "reason", "verdict")
    __match_args__ = ("verdict", "not_before", "reason", "description")

    def __init__(
        self,
        verdict: Verdict,
        not_before: UnixMs = NEVER,
        reason: str = "",
        description: str = "",
        properties: Properties | None = None,
    ) -> None:
        self.verdict: Final = verdict
        self.not_before: Final = (
            not_before  # abandon: not again before; NEVER: the queue's policy
        )
        self.reason: Final = reason  # dead-letter
        self.description: Final = description  # dead-letter
        # Abandon, defer, dead-letter: to be set on the message; None: it stays as it is.
        self.properties: Final = properties


COMPLETE: Final = Disposition(Verdict.COMPLETE)
ABANDON: Final = Disposition(Verdict.ABANDON)
RELEASE: Final = Disposition(Verdict.RELEASE)
DEFER: Final = Disposition(Verdict.DEFER)
