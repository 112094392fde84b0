"""Letting an event loop do what it has, without a clock."""

import asyncio

PASSES = 5  # a task that ends wakes another one, which lets a third one in


async def settled() -> None:
    """Others have had their turn, some times over."""
    loop = asyncio.get_running_loop()
    for _ in range(PASSES):
        passed: asyncio.Future[None] = loop.create_future()
        loop.call_soon(passed.set_result, None)
        await passed
