"""`send`: enqueue jobs."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any, TextIO

import typer

from peeklock_client.cli.session import AsJson, QueueName, Url, parse_pairs, show, with_client
from peeklock_client.client import Client

LINES_AT_ONCE = 500


def send(
    queue: QueueName,
    body: Annotated[
        str | None, typer.Argument(help="The job; without it, each line of stdin is one.")
    ] = None,
    content_type: Annotated[str | None, typer.Option(help="Such as application/json.")] = None,
    message_id: Annotated[str | None, typer.Option(help="Else a random one.")] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    prop: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="NAME=VALUE", help="May be given more than once."),
    ] = None,
    priority: Annotated[int, typer.Option(min=0, max=255, help="9 is served first.")] = 4,
    ttl: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long it is worth doing.")
    ] = None,
    delay: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="To be had only after this.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a job, or one for each line of stdin.

    It returns when the broker has them safely on disk, and prints each message-id (one job)
    or how many there were (stdin).

    Examples:

      peeklock send orders '{"order": 4711}' --content-type application/json

      peeklock send orders --delay 90 'call back'

      peeklock send orders < orders.jsonl
    """
    options: dict[str, Any] = {
        "content_type": content_type,
        "subject": subject,
        "properties": parse_pairs(prop, "--property"),
        "priority": priority,
        "ttl": ttl,
        "delay": delay,
    }

    async def one(client: Client) -> None:
        assert body is not None
        sent = await client.queue(queue).send(body, message_id=message_id, **options)
        if as_json:
            show({"message_id": sent})
        else:
            print(sent)

    async def many(client: Client) -> None:
        count = 0
        for lines in chunks(sys.stdin):
            count += await client.queue(queue).send_batch(lines, **options)
        if as_json:
            show({"sent": count})
        else:
            print(f"{count} sent")

    with_client(url, many if body is None else one)


def chunks(source: TextIO) -> Iterator[list[str]]:
    """Lines without their ends, some hundreds at a time; empty ones are no jobs."""
    lines: list[str] = []
    for line in source:
        if line.strip():
            lines.append(line.rstrip("\r\n"))
        if len(lines) >= LINES_AT_ONCE:
            yield lines
            lines = []
    if lines:
        yield lines


def register(app: typer.Typer) -> None:
    app.command()(send)
