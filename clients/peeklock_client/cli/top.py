"""`top`: what is going on in the broker, live."""

import asyncio
import contextlib
import shutil
import sys
import time
from typing import Annotated, Any

import typer

from peeklock_client.cli.queue import COLUMNS
from peeklock_client.cli.session import AsJson, Url, print_columns, show, with_client
from peeklock_client.client import Client

CLEAR = "\x1b[H\x1b[J"
LINES_BESIDE = 4  # the headline, the columns' names, how many more, the cursor


def top(
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Look so often.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what is going on, live, until Ctrl-C.

    Queues by state, connections, and the journal's speed.
    In a terminal the busiest queues that fit; into a pipe all of them, again and again.

    Examples:

    \b
      peeklock top
      peeklock top --once --json
    """

    async def run(client: Client) -> None:
        before: dict[str, Any] | None = None
        while True:
            stats: dict[str, Any] = await client.stats()
            queues = await client.queues()
            if as_json:
                show({"broker": stats, "queues": queues})
            else:
                print_look(headline(stats, before), queues)
            if once:
                return
            before = stats | {"seen": time.monotonic()}
            await asyncio.sleep(every)

    with contextlib.suppress(KeyboardInterrupt):  # it is how one ends this
        with_client(url, run)


def print_look(line: str, queues: list[dict[str, object]]) -> None:
    """One look; on a terminal it takes the last one's place, and has not room for all."""
    left_out = 0
    if sys.stdout.isatty():
        room = max(1, shutil.get_terminal_size().lines - LINES_BESIDE)
        left_out = max(0, len(queues) - room)
        if left_out:
            busiest = sorted(queues, key=message_count, reverse=True)[:room]
            queues = [queue for queue in queues if queue in busiest]
        print(CLEAR, end="")
    print(line)
    print_columns("queue", queues, "name", COLUMNS)
    if left_out:
        print(f"… and {left_out} more")
    sys.stdout.flush()


def message_count(view: dict[str, object]) -> int:
    count = view["messages"]
    return count if isinstance(count, int) else 0


def headline(stats: dict[str, Any], before: dict[str, Any] | None) -> str:
    """The broker in one line; its journal's speed needs two looks."""
    line = (
        f"pid {stats['pid']}  up {stats['uptime_ms'] // 1000} s  "
        f"connections {stats['connections']}  queues {stats['queues']}"
    )
    if before is not None:
        seconds = max(0.001, time.monotonic() - before["seen"])
        speed = (stats["journal_end"] - before["journal_end"]) / seconds / 2**20
        line += f"  journal {speed:.1f} MiB/s"
    return line if stats["has_room"] else line + "  DISK FULL: sends are refused"


def register(app: typer.Typer) -> None:
    app.command()(top)
