"""The crew: a worker process that does whatever job the building has.

A job can come more than once: its worker may die on its way. The log takes each job once, by
its message-id.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from peeklock_client import Job, Worker, connect
from peeklock_client.demo.building.audit import Alert

QUEUES = (
    "building/evacuations",
    "building/hvac",
    "building/security",
    "building/maintenance",
)
CONCURRENCY = 8  # of each queue
JOB_SECONDS = 0.4  # on the way


class Log:
    """The crew's database: who began which job, and what was done, for which alerts."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("create table if not exists begun (job text, worker integer)")
        self._database.execute(
            "create table if not exists done "
            "(job text primary key, derivation text, about text, alerts integer)"
        )

    def begin(self, job: str) -> None:
        self._database.execute("insert into begun values (?, ?)", (job, os.getpid()))

    def finish(self, job: str, alert: Alert, alerts: int) -> None:
        row = (job, *alert, alerts)
        self._database.execute("insert or ignore into done values (?, ?, ?, ?)", row)

    def answered(self) -> Counter[Alert]:
        found = self._database.execute(
            "select derivation, about, sum(alerts) from done group by derivation, about"
        )
        return Counter({(row[0], row[1]): row[2] for row in found})

    def jobs(self) -> Counter[str]:
        """Done, by derivation."""
        found = self._database.execute("select derivation, count(*) from done group by 1")
        return Counter(dict(found.fetchall()))

    def in_hand(self, worker: int) -> int:
        """Jobs that this one has begun and not done."""
        found = self._database.execute(
            "select count(distinct job) from begun "
            "where worker = ? and job not in (select job from done)",
            (worker,),
        )
        return int(found.fetchone()[0])

    def taken_over(self, worker: int) -> int:
        """Jobs that this one had begun, and that another has done."""
        found = self._database.execute(
            "select count(distinct a.job) from begun a join begun b using (job) "
            "join done using (job) where a.worker = ? and b.worker != ?",
            (worker, worker),
        )
        return int(found.fetchone()[0])

    def close(self) -> None:
        self._database.close()


def alert_of(job: Job) -> tuple[Alert, int]:
    """What the job is for, and of how many alerts it was made."""
    derivation = str(job.message.application_properties["derived_by"])
    said = job.json()
    if derivation == "gas":
        return (derivation, f"{said['building']}/{said['floor']}"), int(said["alerts"])
    if derivation == "climate":
        return (derivation, f"{said['building']}/{said['floor']} {said['it_is']}"), 1
    return (derivation, said["building"] if derivation == "fire" else said["room"]), 1


async def main(file: Path) -> None:
    log = Log(file)

    async def do(job: Job) -> None:
        alert, alerts = alert_of(job)
        log.begin(job.message_id)
        await asyncio.sleep(JOB_SECONDS)
        log.finish(job.message_id, alert, alerts)

    async with connect() as client:
        workers = [Worker(client, name, do, concurrency=CONCURRENCY) for name in QUEUES]

        def stop() -> None:
            for worker in workers:
                worker.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await asyncio.gather(*(worker.run() for worker in workers))
    log.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
