"""`peek`: look at a queue's messages without touching them."""

from collections.abc import Iterable
from typing import Annotated

import typer

from peeklock_client.cli.session import AsJson, QueueName, Url, printable, show, with_client
from peeklock_client.client import Client
from peeklock_client.message import ReceivedMessage


def peek(
    queue: QueueName,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="At most so many.")] = 20,
    start: Annotated[
        int, typer.Option("--from", min=1, metavar="NUMBER", help="First sequence number.")
    ] = 1,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="Of this message session only.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Look at messages, touching nothing.

    One line a message: sequence number, state, failed attempts, body. The state is active,
    locked (a worker has it), scheduled (for later, or backing off) or deferred.

    Examples:

    \b
      peeklock peek orders -n 5
      peeklock peek 'orders/$DeadLetterQueue' --json
    """

    async def run(client: Client) -> list[ReceivedMessage]:
        return await client.queue(queue).peek(start=start, count=count, session_id=session)

    found = with_client(url, run)
    print_messages(found, as_json=as_json)


def print_messages(messages: Iterable[ReceivedMessage], *, as_json: bool) -> None:
    for message in messages:
        if as_json:
            show(message.as_map())
        else:
            print(
                message.sequence_number,
                message.state,
                message.delivery_count,
                printable(message.body),
                sep="\t",
            )


def register(app: typer.Typer) -> None:
    app.command()(peek)
