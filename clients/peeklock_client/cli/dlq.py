"""`dlq`: look at dead letters, by reason, and send them back."""

from typing import Annotated

import typer

from peeklock_client.cli.session import (
    AsJson,
    QueueName,
    Url,
    printable,
    show,
    tell,
    with_client,
)


def reasons(queue: QueueName, url: Url = None, as_json: AsJson = False) -> None:
    """Count dead letters by reason, most first.

    MaxDeliveryCountExceeded: it failed too often; TTLExpiredException: nobody did it in time;
    others are what workers have said.

    Example:

    \b
      peeklock dlq reasons orders
    """
    found = with_client(
        url, lambda client: client.queue(queue).dead_letters.dead_letter_reasons()
    )
    for reason, count in sorted(found.items(), key=lambda item: -item[1]):
        said = f"{count}\t{reason or '(none)'}"
        tell(said, {"reason": reason, "count": count}, as_json=as_json)


def peek(
    queue: QueueName,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="At most so many.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Look at dead letters, touching nothing.

    One line a message: sequence number, failed attempts, reason, description, body.

    Examples:

    \b
      peeklock dlq peek orders -n 5
      peeklock dlq peek orders --json | jq .properties
    """
    found = with_client(url, lambda client: client.queue(queue).dead_letters.peek(count=count))
    for message in found:
        if as_json:
            show(message.as_map())
        else:
            print(
                message.sequence_number,
                message.delivery_count,
                message.dead_letter_reason or "(none)",
                printable((message.dead_letter_description or "").encode()),
                printable(message.body),
                sep="\t",
            )


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

    \b
      peeklock dlq redrive orders -n 1    # one first, then the rest
    """
    limit = {} if count is None else {"count": count}
    moved = with_client(url, lambda client: client.queue(queue).dead_letters.redrive(**limit))
    tell(f"{moved} sent back", {"moved": moved}, as_json=as_json)


def register(app: typer.Typer) -> None:
    dlq = typer.Typer(no_args_is_help=True, help="Dead letters of a queue: look, send back.")
    dlq.command()(reasons)
    dlq.command()(peek)
    dlq.command()(redrive)
    app.add_typer(dlq, name="dlq")
