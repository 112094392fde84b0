"""Group commit: sync, then let out what the sync made safe."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from peeklock.store.journal import Journal


async def commit_forever(
    journal: Journal,
    appended: asyncio.Event,
    release: Callable[[], None],
    thread: ThreadPoolExecutor,
) -> None:
    """Runs until cancelled.

    Facts that arrive during a sync wait for the next one, so the batch grows with the load
    and with nothing else: there is no timer and no batch size to tune.

    An error from `sync` is not handled, here or above: after a failed fsync nobody knows what
    is on the disk, so the process ends and recovery finds out.
    """
    loop = asyncio.get_running_loop()
    while True:
        await appended.wait()
        appended.clear()
        await loop.run_in_executor(thread, journal.sync)
        release()
