"""`bench`: how fast is this broker, from here."""

import asyncio
import time
from typing import Annotated
from uuid import uuid4

import typer

from peeklock_client.cli.session import AsJson, Url, show, with_client
from peeklock_client.client import Client
from peeklock_client.job import Job
from peeklock_client.message import encode_job
from peeklock_client.queue import Queue

AT_ONCE = 500


def bench(
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Messages to send and receive.")
    ] = 20_000,
    size: Annotated[int, typer.Option(metavar="BYTES", min=1, help="Of each body.")] = 1024,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Measure sending and receiving from here.

    It uses a queue of its own. One producer and one consumer in this process, each message
    confirmed and each settled with the broker's word, so this process may well be the limit:
    it is a check of an installation, and not a measurement of the broker (for that, see bench/
    in the sources).

    Examples:

    \b
      peeklock bench
      peeklock bench -n 100000 --size 100 --json
    """

    async def run(client: Client) -> dict[str, object]:
        queue = await client.create_queue(f"bench-{uuid4().hex[:8]}")
        try:
            return await measure(queue, count, size)
        finally:
            await queue.delete()

    figures = with_client(url, run)
    if as_json:
        show(figures)
    else:
        print(f"{count} messages of {size} bytes")
        for name, value in figures.items():
            print(f"  {name:22} {value}")


async def measure(queue: Queue, count: int, size: int) -> dict[str, object]:
    body = b"x" * size
    began = time.perf_counter()
    for start in range(0, count, AT_ONCE):
        here = min(AT_ONCE, count - start)
        await queue.send_encoded([encode_job(body) for _ in range(here)])
    sent = time.perf_counter()
    await drain(queue, count)
    received = time.perf_counter()
    delays = await ping(queue, body)
    return {
        "sent_per_second": round(count / (sent - began)),
        "received_per_second": round(count / (received - sent)),
        "round_trip_ms_p50": round(delays[len(delays) // 2] * 1000, 2),
        "round_trip_ms_p99": round(delays[len(delays) * 99 // 100] * 1000, 2),
    }


async def drain(queue: Queue, count: int) -> None:
    settling: set[asyncio.Task[None]] = set()
    async for job in queue.receive(prefetch=AT_ONCE * 2, count=count):
        task = asyncio.get_running_loop().create_task(job.complete())
        settling.add(task)
        task.add_done_callback(settling.discard)
    await asyncio.gather(*settling)


async def ping(queue: Queue, body: bytes) -> list[float]:
    """One message at a time, from `send` to its arrival; sorted seconds."""
    delays: list[float] = []
    receiver = queue.receiver(1)
    async with receiver:
        for _ in range(300):
            began = time.perf_counter()
            await queue.send(body)
            job: Job | None = await receiver.next(10)
            assert job is not None
            delays.append(time.perf_counter() - began)
            await job.complete()
    return sorted(delays)


def register(app: typer.Typer) -> None:
    app.command()(bench)
