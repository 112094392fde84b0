"""`send`: enqueue jobs."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from peeklock_client.cli.session import (
    AsJson,
    QueueName,
    Url,
    parse_pairs,
    tell,
    usage,
    with_client,
)
from peeklock_client.client import Client
from peeklock_client.message import encode_job

BLOCK_BYTES: Final = 256 * 1024
STDIN: Final = 0


def send(
    queue: QueueName,
    body: Annotated[
        str | None, typer.Argument(help="The job; without it, each line of stdin is one.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A file that is the job, as it is; - is stdin."),
    ] = None,
    content_type: Annotated[str | None, typer.Option(help="Such as application/json.")] = None,
    message_id: Annotated[str | None, typer.Option(help="Else a random one.")] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    prop: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="NAME=VALUE", help="May be given more than once."),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="The message session that it belongs to.")
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

    It returns when the broker has them safely on disk, and prints the message-id (one job) or
    how many there were (stdin; empty lines are no jobs).

    Examples:

    \b
      peeklock send orders '{"order": 4711}' --content-type application/json
      peeklock send orders --delay 90 'call back'
      peeklock send orders < orders.jsonl
      peeklock send bookings --session customer-7 'seat 12'
      peeklock send scans --file scan.pdf --content-type application/pdf
    """
    options: dict[str, Any] = {
        "content_type": content_type,
        "subject": subject,
        "session_id": session,
        "properties": parse_pairs(prop, "--property"),
        "priority": priority,
        "ttl": ttl,
        "delay": delay,
    }
    if body is not None and file is not None:
        usage("give the job itself or --file, not both")
    if body is None and file is None and message_id is not None:
        usage("--message-id is for one job, and each line of stdin is one")
    job = body if file is None else read(file)
    try:
        encode_job(b"", **options)  # wrong values are wrong usage, before anything is sent
    except ValueError as error:
        usage(str(error))

    async def one(client: Client) -> None:
        sent = await client.queue(queue).send(job, message_id=message_id, **options)
        tell(sent, {"message_id": sent}, as_json=as_json)

    async def many(client: Client) -> None:
        count = 0
        async for lines in lines_of_stdin():
            count += await client.queue(queue).send_batch(lines, **options)
        tell(f"{count} sent", {"sent": count}, as_json=as_json)

    with_client(url, many if job is None else one)


def read(file: Path) -> bytes:
    if file == Path("-"):
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        usage(f"--file {file}: {error.strerror}")


async def lines_of_stdin() -> AsyncIterator[list[str | bytes]]:
    """Lines as they come, without their ends: what a slow pipe has written is sent at once."""
    if os.isatty(STDIN):
        print("each line is a job; Ctrl-D ends", file=sys.stderr)
    rest = bytearray()
    while block := await next_block():
        whole, newline, begun = block.rpartition(b"\n")
        if newline:
            if jobs := as_jobs((bytes(rest) + whole).split(b"\n")):
                yield jobs
            rest.clear()
        rest += begun
    if jobs := as_jobs([bytes(rest)]):
        yield jobs


async def next_block() -> bytes:
    """What is there, and b"" at the end. The event loop goes on while it waits."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(STDIN, readable.set)
    except PermissionError:  # a file, which is always readable: epoll does not take it
        readable.set()
    else:
        try:
            await readable.wait()
        finally:
            loop.remove_reader(STDIN)
    return os.read(STDIN, BLOCK_BYTES)


def as_jobs(lines: list[bytes]) -> list[str | bytes]:
    """Text where it is text, else bytes; empty lines are no jobs."""
    jobs: list[str | bytes] = []
    for line in lines:
        if line.strip():
            try:
                jobs.append(line.rstrip(b"\r").decode())
            except UnicodeDecodeError:
                jobs.append(line)
    return jobs


def register(app: typer.Typer) -> None:
    app.command()(send)
