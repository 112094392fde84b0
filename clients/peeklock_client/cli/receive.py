"""`receive`: take jobs off a queue."""

import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated

import typer

from peeklock_client.cli.session import (
    AsJson,
    Cesql,
    Filters,
    QueueName,
    Selector,
    SubjectPath,
    Url,
    printable,
    show,
    source_filter,
    usage,
    with_client,
)
from peeklock_client.client import Client
from peeklock_client.errors import TimedOut
from peeklock_client.job import Job
from peeklock_client.message import ReceivedMessage
from peeklock_client.message_session import MessageSession
from peeklock_client.queue import DeferredJob, Queue

WAIT_SECONDS = 2.0


class Then(StrEnum):
    """What becomes of a job that was shown."""

    COMPLETE = "complete"
    RELEASE = "release"
    ABANDON = "abandon"
    DEFER = "defer"
    DEAD_LETTER = "dead-letter"


def receive(
    queue: QueueName,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many.")
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="End when none came for so long.")
    ] = WAIT_SECONDS,
    selector: Selector = None,
    cesql: Cesql = None,
    filters: Filters = None,
    path: SubjectPath = None,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="Of this message session only.")
    ] = None,
    next_session: Annotated[
        bool, typer.Option("--next-session", help="Of the session that has waited longest.")
    ] = False,
    deferred: Annotated[
        list[int] | None,
        typer.Option(
            metavar="NUMBER", min=1, help="Jobs that were set aside, by number; repeatable."
        ),
    ] = None,
    then: Annotated[Then, typer.Option(help="What becomes of them.")] = Then.COMPLETE,
    reason: Annotated[str, typer.Option(help="Of a dead letter.")] = "",
    raw: Annotated[
        bool, typer.Option("--raw", help="Bodies only, byte for byte: no line ends between.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take jobs off a queue, print them, and settle them.

    Each is printed before it is settled: what was not printed is still in the queue. It ends
    when none came for a while, and when a job that was given back comes again. To look without
    taking, use `peeklock peek`; to run a command for each, `peeklock work`.

    `--then defer` sets jobs aside: from then on they are had by their sequence numbers only,
    which `peeklock peek` tells, with --deferred. Then all of these are taken or, when one of
    them is not there, none. What is given back stays set aside; of a message session, name it
    with --session, too.

    Examples:

    \b
      peeklock receive orders -n 1
      peeklock receive scans -n 1 --raw > scan.pdf
      peeklock receive orders --selector "region = 'EU' AND amount > 100"
      peeklock receive building/Subscriptions/all --path 'north/+/fire'
      peeklock receive bookings --next-session
      peeklock receive orders -n 1 --then defer
      peeklock receive orders --deferred 7 --deferred 9
      peeklock receive 'orders/$DeadLetterQueue' --then release --json
    """
    if raw and as_json:
        usage("--raw or --json, not both")
    if session is not None and next_session:
        usage("--session or --next-session, not both")
    wanted = source_filter(selector, cesql, filters, path)
    if deferred and (count is not None or next_session or wanted is not None):
        usage("--deferred says which jobs: no --count, --next-session or --selector with it")
    if wanted is not None and (session is not None or next_session):
        usage("a session's jobs come in their order: no --selector with it")

    async def take(jobs: AsyncIterator[Job]) -> None:
        seen: set[int] = set()
        async for job in jobs:
            if job.sequence_number in seen:
                await job.release()
                return
            seen.add(job.sequence_number)
            print_message(job.message, raw=raw, as_json=as_json)
            await settle(job, then, reason)

    async def take_deferred(source: Queue | MessageSession, numbers: list[int]) -> None:
        for job in await source.receive_deferred(numbers):
            print_message(job.message, raw=raw, as_json=as_json)
            await settle(job, then, reason)

    async def run(client: Client) -> None:
        source = client.queue(queue)
        if deferred and session is None:
            await take_deferred(source, deferred)
            return
        if session is None and not next_session:
            await take(source.receive(count=count, wait=wait, selector=wanted))
            return
        try:
            async with source.accept_session(session, wait=wait) as found:
                if deferred:
                    await take_deferred(found, deferred)
                else:
                    await take(found.receive(count=count, wait=wait))
        except TimedOut:
            return  # no session has anything: as an empty queue

    with_client(url, run)


def print_message(message: ReceivedMessage, *, raw: bool, as_json: bool) -> None:
    """A terminal gets nothing that could upset it, a pipe what was sent and a line end."""
    body = message.body
    if as_json:
        show(message.as_map())
    elif sys.stdout.isatty() and not raw:
        print("\n".join(printable(line) for line in body.split(b"\n")))
    else:
        sys.stdout.buffer.write(body if raw else body + b"\n")
        sys.stdout.buffer.flush()


async def settle(job: Job | DeferredJob, then: Then, reason: str) -> None:
    if then is Then.COMPLETE:
        await job.complete()
    elif then is Then.RELEASE:
        await job.release()
    elif then is Then.ABANDON:
        await job.abandon()
    elif then is Then.DEFER:
        await job.defer()
    else:
        await job.dead_letter(reason)


def register(app: typer.Typer) -> None:
    app.command()(receive)
