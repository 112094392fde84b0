"""Access control: a worker process that gives each ticket a code for the gate."""

import asyncio
import hashlib
import sqlite3
import sys
from pathlib import Path

from peeklock_client import Job, Worker, connect


class Gate:
    """Its database: which codes open the gate. A code is made of its order: once is enough."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute(
            "create table if not exists codes (code text primary key, order_number text)"
        )

    def admit(self, number: str, ticket_count: int) -> None:
        rows = [
            (hashlib.sha256(f"{number}/{place}".encode()).hexdigest()[:12], number)
            for place in range(ticket_count)
        ]
        self._database.executemany("insert or ignore into codes values (?, ?)", rows)

    def orders(self) -> set[str]:
        found = self._database.execute("select distinct order_number from codes")
        return {str(row[0]) for row in found}

    def counts(self) -> tuple[int, int]:
        """Orders and codes."""
        row = self._database.execute(
            "select count(distinct order_number), count(*) from codes"
        ).fetchone()
        return int(row[0]), int(row[1])

    def close(self) -> None:
        self._database.close()


async def main(access: str, file: Path) -> None:
    gate = Gate(file)

    async def admit(job: Job) -> None:
        codes = job.json()
        gate.admit(codes["order"], codes["tickets"])

    async with connect() as client:
        await Worker(client, access, admit).run(handle_signals=True)
    gate.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
