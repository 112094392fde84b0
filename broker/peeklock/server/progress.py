"""Recovery's progress, for whoever waits at the console."""

import time
from typing import Final, TextIO

STEP_SECONDS: Final = 0.5


class RecoveryProgress:
    """A line now and then; nothing at all when recovery takes no time."""

    def __init__(self, out: TextIO) -> None:
        self._out: Final = out
        self._next = time.monotonic() + STEP_SECONDS

    def show(self, done_bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if now < self._next or not total_bytes:
            return
        self._next = now + STEP_SECONDS
        share = 100 * done_bytes // total_bytes
        mebibytes = f"{done_bytes >> 20} of {total_bytes >> 20} MiB"
        print(f"peeklock: recovering, {share} % ({mebibytes})", file=self._out, flush=True)
