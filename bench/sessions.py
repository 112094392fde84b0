"""Message sessions: what it costs to fill a thousand of them, and to work them off one by one.

Only ours: there is nothing alike to compare with.
"""

import asyncio
import time

from bench.brokers import Target
from bench.generator import Generator
from bench.system import cpu_seconds
from peeklock_client import connect

Figures = dict[str, float]
SESSION_COUNT = 1000
MESSAGES = 10  # of each
WORKERS = 4
WINDOW = 500


def sessions(target: Target, _effort: object) -> Figures:
    """Filled in turn; then four workers, each of which takes the next, settles it, leaves."""
    if target.name != "peeklock":
        return {}
    count = SESSION_COUNT * MESSAGES
    address = f"bench-sessions-{time.monotonic_ns()}"
    asyncio.run(prepare(target.url, address))
    common = {"url": target.url, "address": address}
    filler = Generator(
        "fill-sessions", count=count, sessions=SESSION_COUNT, window=WINDOW, **common
    )
    filler.go()
    filled = filler.result()
    workers = [Generator("drain-sessions", **common) for _ in range(WORKERS)]
    cpu = cpu_seconds(target.pid) if target.pid else 0.0
    began = time.monotonic()
    for worker in workers:
        worker.go()
    got = [worker.result() for worker in workers]
    cpu = cpu_seconds(target.pid) - cpu if target.pid else 0.0
    seconds = max(result["ended"] for result in got) - began
    held = sum(result["sessions"] for result in got)
    received = sum(result["received"] for result in got)
    return {
        "fill_msgs_per_s": round(count / (filled["ended"] - filled["began"])),
        "drain_msgs_per_s": round(received / seconds),
        "sessions_per_s": round(held / seconds),
        "cpu_us_per_session": round(cpu * 1e6 / held, 1),
        "lost": count - received,
    }


async def prepare(url: str, name: str) -> None:
    async with connect(url) as client:
        await client.create_queue(name, requires_session=True)
