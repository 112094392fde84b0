"""Which message bytes stay in memory, and which are still wanted in the journal."""

from typing import Final, Protocol, final

from peeklock.message import Message
from peeklock.types import NOWHERE, Lsn


class BodyKeeper(Protocol):
    """Hears which bytes of the journal some entity still needs."""

    def add(self, body_at: Lsn, size: int) -> None: ...

    def drop(self, body_at: Lsn, size: int) -> None: ...


@final
class NobodyKeeps:
    """The keeper of a broker without a journal on disk."""

    def add(self, body_at: Lsn, size: int) -> None:
        """Nothing to remember."""

    def drop(self, body_at: Lsn, size: int) -> None:
        """Nothing to free."""


# Of the budget, last values may take one part in so many.
KEPT_PART: Final = 4


@final
class Residency:
    """A budget of bytes, shared by all queues, for message bodies in memory.

    What arrives while the budget is used up is left to the journal and read back when its
    turn comes. A queue is served oldest first, so what stays is what is wanted next.

    What came through a topic may be in many queues, and its bytes are in memory and on disk
    once: they count once. The others' bytes are one queue's, which counts them itself.
    """

    def __init__(self, budget_bytes: int, keeper: BodyKeeper) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self.keeper = keeper
        self.kept_bytes = 0  # of last values in memory, which nobody takes by receiving
        # How many queues have them: messages in memory, and bytes of the journal.
        self._holders: Final[dict[Message, int]] = {}
        self._wanted: Final[dict[Lsn, int]] = {}

    def has_room_to_keep(self, size: int) -> bool:
        """For what may stay for good: not in the place of what is to be handed out."""
        return self.kept_bytes + size <= self.budget_bytes // KEPT_PART

    def keep_shared(self, message: Message, *, must: bool) -> bool:
        """May one more queue keep it in memory? It must where nothing else has the message."""
        count = self._holders.get(message, 0)
        if count == 0:
            size = message.size
            if not must and self.used_bytes + size > self.budget_bytes:
                return False
            self.used_bytes += size
        self._holders[message] = count + 1
        return True

    def drop_shared(self, message: Message) -> None:
        """One queue less has it in memory."""
        count = self._holders[message] - 1
        if count:
            self._holders[message] = count
            return
        del self._holders[message]
        self.used_bytes -= message.size

    def hold_shared(self, message: Message | None, body_at: Lsn, size: int) -> Message | None:
        """One more holder of bytes that may be others', too; returns what of it may stay in
        memory."""
        if body_at != NOWHERE:
            self.want_shared(body_at, size)
        if message is None or not self.keep_shared(message, must=body_at == NOWHERE):
            return None
        return message

    def let_go_shared(self, message: Message | None, body_at: Lsn, size: int) -> None:
        """One holder less; `message` is what it had in memory."""
        if message is not None:
            self.drop_shared(message)
        if body_at != NOWHERE:
            self.spare_shared(body_at, size)

    def want_shared(self, body_at: Lsn, size: int) -> None:
        """One more queue needs these bytes; the keeper hears of it, and of the size once."""
        count = self._wanted.get(body_at, 0)
        self._wanted[body_at] = count + 1
        self.keeper.add(body_at, 0 if count else size)

    def spare_shared(self, body_at: Lsn, size: int) -> None:
        """One queue less needs them."""
        count = self._wanted[body_at] - 1
        if count:
            self._wanted[body_at] = count
        else:
            del self._wanted[body_at]
        self.keeper.drop(body_at, 0 if count else size)
