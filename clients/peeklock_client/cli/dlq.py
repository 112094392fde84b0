"""`dlq`: look at dead letters, by reason, and send them back."""

from typing import Annotated

import typer

from peeklock_client.cli.peek import print_messages
from peeklock_client.cli.session import AsJson, QueueName, Url, show, with_client


def reasons(queue: QueueName, url: Url = None, as_json: AsJson = False) -> None:
    """How many dead letters of a queue there are for each reason, most first."""
    found = with_client(
        url, lambda client: client.queue(queue).dead_letters.dead_letter_reasons()
    )
    for reason, count in sorted(found.items(), key=lambda item: -item[1]):
        if as_json:
            show({"reason": reason, "count": count})
        else:
            print(count, reason or "(none)", sep="\t")


def peek(
    queue: QueueName,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="At most so many.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Look at dead letters, touching nothing; --json shows reason and description."""
    found = with_client(url, lambda client: client.queue(queue).dead_letters.peek(count=count))
    print_messages(found, as_json=as_json)


def redrive(
    queue: QueueName,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="The oldest so many; else all.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to their queue, as if never tried.

    Example:

      peeklock dlq redrive orders -n 1    try one first, then the rest
    """
    limit = {} if count is None else {"count": count}
    moved = with_client(url, lambda client: client.queue(queue).dead_letters.redrive(**limit))
    if as_json:
        show({"moved": moved})
    else:
        print(f"{moved} sent back")


def register(app: typer.Typer) -> None:
    dlq = typer.Typer(no_args_is_help=True, help="Dead letters of a queue: look, send back.")
    dlq.command()(reasons)
    dlq.command()(peek)
    dlq.command()(redrive)
    app.add_typer(dlq, name="dlq")
