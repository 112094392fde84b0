"""The whole story: sell everything, kill one ERP worker half-way, count at the end."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from peeklock_client import Client, PeeklockError, Queue, Refused, connect
from peeklock_client.demo.ticketing.access_control import Gate
from peeklock_client.demo.ticketing.erp import Ledger
from peeklock_client.demo.ticketing.shop import order_number, read_orders, sell

ORDERS = "ticketing/orders"
ACCESS = "ticketing/access"
# A worker that vanishes with its machine, connection and all, holds its jobs this long.
SETTINGS = {"lock_duration_ms": 10_000, "max_delivery_count": 10}
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


@dataclass
class Outcome:
    """What is to be reported. Orders by number."""

    sold: list[str]
    attempts: dict[str, int]
    admitted: set[str]
    code_count: int
    dead: Counter[str]
    seconds: float

    @property
    def missing_count(self) -> int:
        """Orders that are neither booked nor put aside with a reason."""
        return len(self.sold) - len(self.attempts) - sum(self.dead.values())

    @property
    def without_codes(self) -> set[str]:
        return set(self.attempts) - self.admitted

    @property
    def is_good(self) -> bool:
        return self.missing_count == 0 and not self.without_codes


class Workers:
    """The demo's processes: two of the ERP, one of access control."""

    def __init__(self, url: str | None, ledger: Path, gate: Path) -> None:
        environment = dict(os.environ)
        if url is not None:
            environment["PEEKLOCK_URL"] = url
        self._environment = environment
        self.erp = [self._start("erp", ORDERS, ACCESS, str(ledger)) for _ in range(2)]
        self.access = self._start("access_control", ACCESS, str(gate))

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        name = f"peeklock_client.demo.ticketing.{module}"
        # What a worker logs when it is killed or its peer ends is no part of the story.
        return subprocess.Popen(
            [sys.executable, "-m", name, *words],
            env=self._environment,
            stderr=subprocess.DEVNULL,
        )

    def kill_one(self) -> int:
        """SIGKILL, in the middle of its work; returns its process id."""
        victim = self.erp.pop(0)
        victim.kill()
        victim.wait()
        return victim.pid

    def check(self) -> None:
        """They work until they are told to stop."""
        for process in (*self.erp, self.access):
            if process.poll() is not None:
                raise PeeklockError(f"a demo's worker ended with code {process.returncode}")

    def stop(self) -> None:
        for process in (*self.erp, self.access):
            process.terminate()
        for process in (*self.erp, self.access):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


async def run_demo(url: str | None, console: Console) -> Outcome:
    """Run it; the outcome says whether anything was lost."""
    began = time.monotonic()
    lines = read_orders()
    with tempfile.TemporaryDirectory(prefix="peeklock-ticketing-") as folder:
        files = Path(folder) / "erp.sqlite", Path(folder) / "gate.sqlite"
        ledger, gate = Ledger(files[0]), Gate(files[1])
        async with connect(url) as client:
            orders = await fresh_queue(client, ORDERS)
            access = await fresh_queue(client, ACCESS)
            workers = Workers(url, *files)
            try:
                await watch(orders, access, lines, workers, ledger, gate, console)
                dead = Counter(await orders.dead_letters.dead_letter_reasons())
            finally:
                workers.stop()
            outcome = Outcome(
                sold=[order_number(line) for line in lines],
                attempts=ledger.bookings(),
                admitted=gate.orders(),
                code_count=gate.counts()[1],
                dead=dead,
                seconds=time.monotonic() - began,
            )
            ledger.close()
            gate.close()
            return outcome


async def fresh_queue(client: Client, name: str) -> Queue:
    """Empty, with the demo's settings, whatever an earlier run has left."""
    try:
        await client.queue(name).delete()
    except Refused:
        pass
    return await client.create_queue(name, **SETTINGS)


async def watch(
    orders: Queue,
    access: Queue,
    lines: list[bytes],
    workers: Workers,
    ledger: Ledger,
    gate: Gate,
    console: Console,
) -> None:
    """Sell, show how far everybody is, and kill one worker half-way."""
    columns = TextColumn("{task.description:20}"), BarColumn(40), MofNCompleteColumn()
    with Progress(*columns, console=console) as progress:
        bars = [
            progress.add_task(name, total=len(lines))
            for name in ("shop: sold", "ERP: booked", "gate: has codes")
        ]

        async def sell_all() -> None:
            async for count in sell(orders, lines):
                progress.update(bars[0], completed=count)

        selling = asyncio.get_running_loop().create_task(sell_all())
        killed = False
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            while time.monotonic() < deadline:
                booked, coded = ledger.count(), gate.counts()[0]
                progress.update(bars[1], completed=booked)
                progress.update(bars[2], completed=coded)
                workers.check()
                if not killed and booked * 2 >= len(lines):
                    pid = workers.kill_one()
                    console.print(f"killed ERP worker {pid} (kill -9) at {booked} bookings")
                    killed = True
                if selling.done() and await is_empty(orders) and await is_empty(access):
                    break
                await asyncio.sleep(LOOK_SECONDS)
            await selling
        finally:
            selling.cancel()  # Ctrl-C, or a worker that failed
        progress.update(bars[1], completed=ledger.count())
        progress.update(bars[2], completed=gate.counts()[0])


async def is_empty(queue: Queue) -> bool:
    info: dict[str, Any] = await queue.info()
    return bool(info["messages"] == 0)


def report(outcome: Outcome, console: Console) -> None:
    """What happened, in the words of those who paid for it."""
    booked = len(outcome.attempts)
    console.print(f"\n{len(outcome.sold)} orders sold in {outcome.seconds:.1f} s")
    console.print(f"{booked} booked by the ERP, each once:")
    for attempt, count in sorted(Counter(outcome.attempts.values()).items()):
        console.print(f"  {count:6} at attempt {attempt}")
    console.print(f"{sum(outcome.dead.values())} put aside as dead letters:")
    for reason, count in outcome.dead.most_common():
        console.print(f"  {count:6} {reason}")
    console.print(
        f"{outcome.code_count} access codes for {len(outcome.admitted)} orders at the gate"
    )
    console.print(f"{len(outcome.without_codes)} booked orders without codes")
    console.print(f"{outcome.missing_count} orders lost")
