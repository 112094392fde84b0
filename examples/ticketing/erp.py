"""The ERP: one worker process that books orders and asks for their access codes.

A job can come more than once: its worker may die after the booking and before it could say
so. So the ledger takes an order number once (an inbox), and the codes job has a name that is
made of it: doing it again changes nothing.
"""

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

from peeklock_client import DeadLetter, Job, Queue, Retry, Worker, connect

CONCURRENCY = 8
BOOKING_SECONDS = 0.003  # what the real one takes, scaled down
BUSY_SHARE = 37  # one in so many orders finds the ERP busy at the first try
BUSY_SECONDS = 0.2


class Ledger:
    """The ERP's database: which orders are booked, by whom, at which attempt."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute(
            "create table if not exists bookings "
            "(order_number text primary key, attempt integer, worker integer, cents integer)"
        )

    def book(self, number: str, attempt: int, cents: int) -> bool:
        """Book once; says whether this was the first time."""
        done = self._database.execute(
            "insert or ignore into bookings values (?, ?, ?, ?)",
            (number, attempt, os.getpid(), cents),
        )
        return done.rowcount == 1

    def bookings(self) -> dict[str, int]:
        """Attempts by order number."""
        return dict(self._database.execute("select order_number, attempt from bookings"))

    def count(self) -> int:
        return int(self._database.execute("select count(*) from bookings").fetchone()[0])

    def close(self) -> None:
        self._database.close()


def check(body: bytes) -> dict[str, Any]:
    """The order; raises `DeadLetter` when it can never be booked."""
    try:
        order: dict[str, Any] = json.loads(body)
    except ValueError as error:
        raise DeadLetter("NotJson", str(error)) from None
    tickets = order["tickets"]
    if not tickets:
        raise DeadLetter("NoTickets", f"order {order['order']} has no tickets")
    try:
        total = sum(ticket["price_cents"] for ticket in tickets)
    except KeyError as missing:
        raise DeadLetter("MissingField", f"a ticket has no {missing}") from None
    paid = order["payment"]["total_cents"]
    if paid != total:
        raise DeadLetter("WrongTotal", f"tickets cost {total}, paid was {paid}")
    return order


def is_busy(number: str, attempt: int) -> bool:
    """Now and then the ERP has no time, the first time it is asked."""
    return (
        attempt == 1 and int(hashlib.sha256(number.encode()).hexdigest(), 16) % BUSY_SHARE == 0
    )


async def book(job: Job, ledger: Ledger, access: Queue) -> None:
    """One order, from the queue to the ledger and on to access control."""
    order = check(job.body)
    number = order["order"]
    if is_busy(number, job.attempt):
        raise Retry(BUSY_SECONDS)
    await asyncio.sleep(BOOKING_SECONDS)
    ledger.book(number, job.attempt, order["payment"]["total_cents"])
    await access.send(
        {"order": number, "event": order["event"]["id"], "tickets": len(order["tickets"])},
        message_id=f"codes-{number}",
    )


async def main(orders: str, access: str, file: Path) -> None:
    ledger = Ledger(file)
    async with connect() as client:
        codes = client.queue(access)
        worker = Worker(
            client, orders, lambda job: book(job, ledger, codes), concurrency=CONCURRENCY
        )
        await worker.run(handle_signals=True)
    ledger.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
