"""`receive`: take jobs off a queue."""

from enum import StrEnum
from typing import Annotated

import typer

from peeklock_client.cli.session import AsJson, QueueName, Url, show, with_client
from peeklock_client.client import Client
from peeklock_client.job import Job

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
        float, typer.Option(metavar="SECONDS", help="End when none came for so long.")
    ] = WAIT_SECONDS,
    then: Annotated[Then, typer.Option(help="What becomes of them.")] = Then.COMPLETE,
    reason: Annotated[str, typer.Option(help="Of a dead letter.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take jobs off a queue, print them, and settle them.

    Each is printed before it is settled: what was not printed is still in the queue. To look
    without taking, use `peeklock peek`; to run a command for each, `peeklock work`.

    Examples:

      peeklock receive orders -n 1

      peeklock receive orders/$DeadLetterQueue --then release --json
    """

    async def run(client: Client) -> None:
        async for job in client.queue(queue).receive(count=count, wait=wait):
            if as_json:
                show(job.message.as_map())
            else:
                print(job.body.decode(errors="backslashreplace"), flush=True)
            await settle(job, then, reason)

    with_client(url, run)


async def settle(job: Job, then: Then, reason: str) -> None:
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
