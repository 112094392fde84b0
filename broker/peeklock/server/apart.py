"""A thread for what takes long and touches no entity: long events, while others are served."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Made = TypeVar("Made")
# One: with more of them, the loop would have its turn more rarely. It starts when it is needed.
READING: Final = ThreadPoolExecutor(1, "peeklock-events")


async def apart(make: Callable[[], Made]) -> Made:
    """What `make` returns, or raises."""
    return await asyncio.get_running_loop().run_in_executor(READING, make)
