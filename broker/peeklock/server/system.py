"""Where time and chance come in."""

import secrets
import time
from typing import Final, final

from peeklock.types import ElapsedMs, UnixMs

POOL_BYTES: Final = 4096


@final
class SystemClock:
    """The machine's clocks."""

    def now(self) -> UnixMs:
        return UnixMs(time.time_ns() // 1_000_000)

    def elapsed(self) -> ElapsedMs:
        return ElapsedMs(time.monotonic_ns() // 1_000_000)


@final
class SystemIds:
    """The kernel's randomness, fetched by the page."""

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def nonce(self) -> bytes:
        if self._at >= len(self._pool):
            self._pool = secrets.token_bytes(POOL_BYTES)
            self._at = 0
        self._at += 8
        return self._pool[self._at - 8 : self._at]

    def name(self) -> str:
        return self.nonce().hex() + self.nonce().hex()
