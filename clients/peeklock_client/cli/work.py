"""`work`: run a command for each job of a queue."""

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
from typing import Annotated, Final

import typer

from peeklock_client.cli.session import (
    AsJson,
    Cesql,
    Filters,
    QueueName,
    Selector,
    SubjectPath,
    Url,
    show,
    source_filter,
    usage,
    with_client,
)
from peeklock_client.client import Client
from peeklock_client.job import Job
from peeklock_client.worker import (
    CONCURRENCY_DEFAULT,
    GRACE_SECONDS,
    DeadLetter,
    Retry,
    Worker,
)

SHELL: Final = "/bin/sh"
# sysexits.h: the input is wrong, and will be wrong the next time, too.
EX_DATAERR: Final = 65


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
        float, typer.Option(metavar="SECONDS", min=0, help="For running commands at the end.")
    ] = GRACE_SECONDS,
    sessions: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Work on N message sessions at a time, each in its order."
        ),
    ] = None,
    selector: Selector = None,
    cesql: Cesql = None,
    filters: Filters = None,
    path: SubjectPath = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a command for each job of a queue.

    The shell (sh -c) runs it. Exit code 0 completes the job; 65 (wrong input) dead-letters it;
    anything else is a failed attempt: the job comes again, as the queue's back-off says, until
    its attempts are used up. The job's lock is renewed while the command runs. SIGTERM or
    Ctrl-C takes no more jobs and lets running commands finish; a second one kills them, and
    their jobs go back.

    With --sessions, for a queue of message sessions, it holds N of them: in each, one job after
    the other in their order, and another session when there is no more in one. -c is not for
    that.

    The command sees PEEKLOCK_MESSAGE_ID, PEEKLOCK_SEQUENCE_NUMBER, PEEKLOCK_ATTEMPT,
    PEEKLOCK_SESSION_ID and PEEKLOCK_QUEUE in its environment. With --json each job is a line
    on stdout, and what commands print goes to stderr.

    Examples:

    \b
      peeklock work orders --exec ./book.sh -c 4
      peeklock work orders --exec 'cat >> booked.txt' -c 1
      peeklock work bookings --exec ./seat.sh --sessions 8
    """
    if sessions is not None and concurrency != CONCURRENCY_DEFAULT:
        usage("--sessions says how many at a time: no --concurrency with it")
    wanted = source_filter(selector, cesql, filters, path)
    if sessions is not None and wanted is not None:
        usage("a session's jobs come in their order: no --selector with --sessions")
    check_command(command)

    async def handle(job: Job) -> None:
        code = await run_command(command, queue, job, quiet_stdout=as_json)
        if as_json:
            show({"job": job.sequence_number, "attempt": job.attempt, "exit_code": code})
        if code == 0:
            return
        said = f"{command!r} ended with {ending(code)}"
        print(
            f"peeklock: job {job.sequence_number}, attempt {job.attempt}: {said}",
            file=sys.stderr,
        )
        if code == EX_DATAERR:
            raise DeadLetter("WrongInput", said)
        raise Retry

    async def run(client: Client) -> None:
        worker = Worker(
            client,
            queue,
            handle,
            concurrency=concurrency,
            grace=grace,
            selector=wanted,
            sessions=sessions,
        )
        if sys.stderr.isatty():
            logging.getLogger("peeklock").setLevel(logging.INFO)
            many = f"{concurrency} jobs" if sessions is None else f"{sessions} sessions"
            print(f"working on {queue}, {many} at a time; Ctrl-C ends", file=sys.stderr)
        await worker.run(handle_signals=True)
        print(
            f"{worker.completed_count} completed, {worker.failed_count} failed, "
            f"{worker.lost_count} lost",
            file=sys.stderr,
        )

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    with_client(url, run)


def check_command(command: str) -> None:
    """A typing error must not use up the attempts of every job: look before the first one."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError as error:
        usage(f"--exec {command!r}: {error}")
    if not words:
        usage("--exec is empty")
    word = words[0]
    if not word.replace("/", "").replace("-", "").replace(".", "").replace("_", "").isalnum():
        return  # the shell's grammar: an assignment, a bracket, a variable
    if "/" in word:
        if not os.path.exists(word):
            usage(f"--exec: there is no {word}")
        if not shutil.which(word):
            usage(f"--exec: {word} is not executable (chmod +x)")
        return
    # Built-in words and keywords are known to the shell alone.
    known = subprocess.run(
        [SHELL, "-c", 'command -v -- "$1"', SHELL, word], check=False, capture_output=True
    )
    if known.returncode != 0:
        usage(f"--exec: no command {word!r}")


def ending(code: int) -> str:
    """An exit code in words; negative is the signal that ended it."""
    return f"code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"


async def run_command(command: str, queue: str, job: Job, *, quiet_stdout: bool) -> int:
    """Its exit code. Cancelled (the job is taken from us, or grace is over), it is killed.

    It has a session of its own: Ctrl-C is for us, and a kill reaches what it has started.
    """
    environment = os.environ | {
        "PEEKLOCK_QUEUE": queue,
        "PEEKLOCK_MESSAGE_ID": str(job.message_id or ""),
        "PEEKLOCK_SEQUENCE_NUMBER": str(job.sequence_number),
        "PEEKLOCK_ATTEMPT": str(job.attempt),
        "PEEKLOCK_SESSION_ID": job.session_id or "",
    }
    process = await asyncio.create_subprocess_exec(
        SHELL,
        "-c",
        command,
        stdin=asyncio.subprocess.PIPE,
        stdout=sys.stderr if quiet_stdout else None,
        env=environment,
        start_new_session=True,
    )
    try:
        await process.communicate(job.body)
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode


def register(app: typer.Typer) -> None:
    app.command()(work)
