"""How much all webhooks may have under way at a time: requests, and bytes of their messages."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final


class PushRoom:
    """Who comes first is let in first: a large message is not passed for ever by small ones."""

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self._count_max: Final = count_max
        self._bytes_max: Final = bytes_max
        self._waiting: Final[deque[tuple[asyncio.Future[None], int]]] = deque()
        self.count = 0
        self.used_bytes = 0

    @asynccontextmanager
    async def taken(self, size_bytes: int) -> AsyncIterator[None]:
        """Waits until there is room; a message larger than all of it goes alone."""
        if self._waiting or not self._fits(size_bytes):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((turn, size_bytes))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave(size_bytes)  # it was let in, in the same moment
                raise
        else:
            self._take(size_bytes)
        try:
            yield
        finally:
            self._leave(size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        if self.count >= self._count_max:
            return False
        return self.count == 0 or self.used_bytes + size_bytes <= self._bytes_max

    def _take(self, size_bytes: int) -> None:
        self.count += 1
        self.used_bytes += size_bytes

    def _leave(self, size_bytes: int) -> None:
        self.count -= 1
        self.used_bytes -= size_bytes
        while self._waiting:
            turn, wanted = self._waiting[0]
            if not turn.done():  # else it has gone away while it waited
                if not self._fits(wanted):
                    return
                self._take(wanted)
                turn.set_result(None)
            self._waiting.popleft()
