"""`top`: what is going on in the broker, live."""

import asyncio
import sys
import time
from typing import Annotated, Any

import typer

from peeklock_client.cli.queue import print_table
from peeklock_client.cli.session import AsJson, Url, show, with_client
from peeklock_client.client import Client

CLEAR = "\x1b[H\x1b[J"


def top(
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Look so often.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show queues, connections and the journal's speed until Ctrl-C."""

    async def run(client: Client) -> None:
        before: dict[str, Any] | None = None
        while True:
            stats: dict[str, Any] = await client.stats()
            queues = await client.queues()
            if as_json:
                show({"broker": stats, "queues": queues})
            else:
                if sys.stdout.isatty():
                    print(CLEAR, end="")
                print(headline(stats, before))
                print_table(queues)
            if once:
                return
            before = stats | {"seen": time.monotonic()}
            await asyncio.sleep(every)

    with_client(url, run)


def headline(stats: dict[str, Any], before: dict[str, Any] | None) -> str:
    """The broker in one line; its journal's speed needs two looks."""
    line = (
        f"pid {stats['pid']}  up {stats['uptime_ms'] // 1000} s  "
        f"{stats['connections']} connections  {stats['queues']} queues"
    )
    if before is not None:
        seconds = max(0.001, time.monotonic() - before["seen"])
        speed = (stats["journal_end"] - before["journal_end"]) / seconds / 2**20
        line += f"  journal {speed:.1f} MiB/s"
    return line if stats["has_room"] else line + "  DISK FULL: sends are refused"


def register(app: typer.Typer) -> None:
    app.command()(top)
