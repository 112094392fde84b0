"""`work`: run a command for each job of a queue."""

import asyncio
import logging
import os
import shlex
import sys
from typing import Annotated

import typer

from peeklock_client.cli.session import AsJson, QueueName, Url, show, usage, with_client
from peeklock_client.client import Client
from peeklock_client.job import Job
from peeklock_client.worker import CONCURRENCY_DEFAULT, GRACE_SECONDS, DeadLetter, Worker

# sysexits.h: the input is wrong, and will be wrong the next time, too.
EX_DATAERR = 65


class CommandFailed(Exception):
    """A job's command ended with another code than 0."""


def work(
    queue: QueueName,
    command: Annotated[
        str,
        typer.Option(
            "--exec", metavar="COMMAND", help="Run for each job, with its body as stdin."
        ),
    ],
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-c", min=1, help="Jobs at a time.")
    ] = CONCURRENCY_DEFAULT,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="For running commands at the end.")
    ] = GRACE_SECONDS,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a command for each job; its exit code decides what becomes of the job.

    0 completes it. 65 (wrong input) dead-letters it. Anything else is a failed attempt: the
    job comes again, as the queue's back-off says, until its attempts are used up. The job's
    lock is renewed while the command runs. SIGTERM or Ctrl-C ends in good order.

    The command sees PEEKLOCK_MESSAGE_ID, PEEKLOCK_SEQUENCE_NUMBER, PEEKLOCK_ATTEMPT and
    PEEKLOCK_QUEUE in its environment.

    Example:

      peeklock work orders --exec ./book.sh -c 4
    """
    argv = shlex.split(command)
    if not argv:
        usage("--exec is empty")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    async def handle(job: Job) -> None:
        await run_command(argv, queue, job)
        if as_json:
            show({"completed": job.sequence_number, "attempt": job.attempt})

    async def run(client: Client) -> None:
        worker = Worker(client, queue, handle, concurrency=concurrency, grace=grace)
        await worker.run(handle_signals=True)
        print(
            f"{worker.completed_count} completed, {worker.failed_count} failed, "
            f"{worker.lost_count} lost",
            file=sys.stderr,
        )

    with_client(url, run)


async def run_command(argv: list[str], queue: str, job: Job) -> None:
    """Raises when the command does not end well; ends it when the job is taken from us."""
    environment = os.environ | {
        "PEEKLOCK_QUEUE": queue,
        "PEEKLOCK_MESSAGE_ID": str(job.message_id or ""),
        "PEEKLOCK_SEQUENCE_NUMBER": str(job.sequence_number),
        "PEEKLOCK_ATTEMPT": str(job.attempt),
    }
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, env=environment
        )
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}") from None
    try:
        await process.communicate(job.body)
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode == EX_DATAERR:
        raise DeadLetter("WrongInput", f"{argv[0]} ended with code {EX_DATAERR}")
    if process.returncode != 0:
        raise CommandFailed(f"{argv[0]} ended with code {process.returncode}")


def register(app: typer.Typer) -> None:
    app.command()(work)
