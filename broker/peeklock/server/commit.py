"""Group commit: sync, then let out what the sync made safe."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from peeklock.store.journal import Journal

LOOK_AGAIN_SECONDS: Final = 0.2
log = structlog.get_logger()


async def commit_forever(
    journal: Journal,
    appended: asyncio.Event,
    release: Callable[[], None],
    thread: ThreadPoolExecutor,
) -> None:
    """Runs until cancelled.

    Facts that arrive during a sync wait for the next one, so the batch grows with the load
    and with nothing else: there is no timer and no batch size to tune.

    When the disk has no room, what could not be written waits, and so do those who want to
    hear of it: sends are refused by then, so these are settles, and few.

    An error from `sync` is not handled, here or above: after a failed fsync nobody knows what
    is on the disk, so the process ends and recovery finds out.
    """
    loop = asyncio.get_running_loop()
    is_stuck = False
    while True:
        await appended.wait()
        appended.clear()
        asked = journal.end
        durable = await loop.run_in_executor(thread, journal.sync)
        release()
        if durable >= asked:
            if is_stuck:
                is_stuck = False
                log.info("the disk has room again", durable=durable)
            continue
        if not is_stuck:
            is_stuck = True
            log.error("no room on the disk, not even for settling", waiting=asked - durable)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        appended.set()
