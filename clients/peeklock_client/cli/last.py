"""`last`: how things are, by the last values that a topic keeps."""

from typing import Annotated

import typer

from peeklock_client.cli.session import (
    AsJson,
    TopicName,
    Url,
    printable,
    show,
    usage,
    with_client,
)
from peeklock_client.client import Client
from peeklock_client.message import LastValue

Path = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="A subject, with all below it; + is any level, # all that follow.",
    ),
]
Cesql = Annotated[
    str | None,
    typer.Option(
        "--cesql",
        metavar="EXPRESSION",
        help="Only those for which it is true, in CloudEvents SQL: over an event's attributes.",
    ),
]
Sql = Annotated[
    str | None,
    typer.Option(
        "--sql",
        metavar="CONDITION",
        help="The same, in the language of rules; [data.NAME] is a field of its JSON data.",
    ),
]


def last(
    topic: TopicName,
    path: Path = "",
    cesql: Cesql = None,
    sql: Sql = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="At most so many.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the last signal of each subject that a topic has.

    One line a subject: the subject, when its signal came, body. A topic keeps last values with
    `peeklock topic create TOPIC --set keep_last_value=true`; of others, only what was sent to
    be kept (retained, in MQTT) is there.

    Examples:

    \b
      peeklock last rooms
      peeklock last rooms 41 --cesql 'NOT occupied'
      peeklock last rooms 41 --sql '[data.occupied] = FALSE'
      peeklock last rooms 'building/+/floor/3/#' --json
    """
    if cesql is not None and sql is not None:
        usage("--cesql and --sql are two filters: give one")

    async def run(client: Client) -> None:
        left = count
        async for value in client.topic(topic).last_values(path, cesql=cesql, sql=sql):
            print_value(value, as_json=as_json)
            left = None if left is None else left - 1
            if left == 0:
                return

    with_client(url, run)


def print_value(value: LastValue, *, as_json: bool) -> None:
    if as_json:
        show(value.as_map())
        return
    kept_at = value.enqueued_at
    instant = "" if kept_at is None else kept_at.isoformat(timespec="milliseconds")
    subject = printable((value.subject or "").encode())
    print(subject, instant, printable(value.body), sep="\t")


def register(app: typer.Typer) -> None:
    app.command()(last)
