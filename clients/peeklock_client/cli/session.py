"""What the verbs share: the options that many have, and a client for the time of a command."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from peeklock_client import source_filter as source_filters
from peeklock_client.client import Client, connect
from peeklock_client.source_filter import SourceFilter

Result = TypeVar("Result")

EXIT_USAGE = 2

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="amqp[s]://[user:password@]host[:port]; else PEEKLOCK_URL, else the local broker.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document a line, for programs.")]
QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
TopicName = Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's name.")]
Selector = Annotated[
    str | None,
    typer.Option(
        "--selector",
        metavar="CONDITION",
        help="Only jobs for which it is true: \"region = 'EU' AND amount > 100\".",
    ),
]
Cesql = Annotated[
    str | None,
    typer.Option(
        "--cesql",
        metavar="EXPRESSION",
        help="Takes CloudEvents for which it is true, in CloudEvents SQL.",
    ),
]
Filters = Annotated[
    str | None,
    typer.Option(
        "--filters",
        metavar="JSON",
        help="Takes CloudEvents that pass all of these filters of the Subscriptions API.",
    ),
]
SubjectPath = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="PATH",
        help="Takes messages whose subject is under it: building/+/floor/#.",
    ),
]
SubscriptionName = Annotated[
    str, typer.Argument(metavar="SUBSCRIPTION", help="The subscription's name.")
]


def with_client(url: str | None, command: Callable[[Client], Awaitable[Result]]) -> Result:
    """Connect, run, close. A URL that is none is wrong usage."""

    async def run() -> Result:
        async with client:
            return await command(client)

    try:
        client = connect(url)
    except ValueError as error:
        usage(str(error))
    return asyncio.run(run())


def source_filter(
    selector: str | None, cesql: str | None, filters: str | None, path: str | None
) -> str | SourceFilter | None:
    """What a receiver wants, by the one of these options that says it; None: everything."""
    found: list[str | SourceFilter] = []
    if selector is not None:
        found.append(selector)
    if cesql is not None:
        found.append(source_filters.cesql(cesql))
    if filters is not None:
        found.append(source_filters.event_filters(filters))
    if path is not None:
        found.append(source_filters.subject_path(path))
    if len(found) > 1:
        usage("one of --selector, --cesql, --filters and --path says what is wanted")
    return found[0] if found else None


def change(
    url: str | None,
    run: Callable[[Client], Awaitable[object]],
    look: Callable[[Client], Awaitable[Mapping[str, Any]]],
    done: str,
    *,
    as_json: bool,
) -> None:
    """Change something, and say so: in a sentence, or by what it is now."""

    async def run_and_look(client: Client) -> Mapping[str, Any]:
        await run(client)
        return await look(client) if as_json else {}

    tell(done, with_client(url, run_and_look), as_json=as_json)


def remove(
    url: str | None, run: Callable[[Client], Awaitable[object]], what: str, *, as_json: bool
) -> None:
    """Delete something, and say so."""
    with_client(url, run)
    tell(f"deleted {what}", {"deleted": what}, as_json=as_json)


def confirm(question: str, *, yes: bool) -> None:
    """Ask, where there is somebody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        usage("nobody can be asked here: give --yes")
    typer.confirm(question, abort=True)


def printable(body: bytes) -> str:
    """A body on one line that cannot do anything to a terminal."""
    text = body.decode(errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def usage(what: str) -> NoReturn:
    """Wrong usage: one line on stderr, exit code 2."""
    print(f"peeklock: {what}", file=sys.stderr)
    raise typer.Exit(EXIT_USAGE)


def tell(said: object, value: Mapping[str, Any], *, as_json: bool) -> None:
    """What came of it: in words, or as JSON."""
    if as_json:
        show(value)
    else:
        print(said)


def tell_one(view: Mapping[str, Any], *, as_json: bool) -> None:
    """One entity: a line a value, or JSON."""
    if as_json:
        show(view)
    else:
        print_pairs(view)


def tell_all(
    title: str,
    views: Sequence[Mapping[str, Any]],
    name: str,
    columns: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Entities: a table as `print_columns` has it, or a JSON document each."""
    if as_json:
        for view in views:
            show(view)
    else:
        print_columns(title, views, name, columns)


def show(value: Any) -> None:
    """One JSON document on a line of its own."""
    print(json.dumps(value, default=str), flush=True)


def print_pairs(view: Mapping[str, Any]) -> None:
    """One line a value, names first."""
    width = max(len(name) for name in view)
    for name, value in view.items():
        print(f"{name:{width}}  {value}")


def print_columns(
    title: str, views: Sequence[Mapping[str, Any]], name: str, columns: Sequence[str]
) -> None:
    """A table: under `title` what each view has as `name`, then these columns."""
    width = max([len(title), *(len(str(view[name])) for view in views)])
    widths = [max(12, len(column)) for column in columns]
    heads = (column.rjust(size) for column, size in zip(columns, widths, strict=True))
    print(title.ljust(width), *heads)
    for view in views:
        cells = (
            str(view.get(column, "")).rjust(size)
            for column, size in zip(columns, widths, strict=True)
        )
        print(str(view[name]).ljust(width), *cells)


def parse_pairs(pairs: list[str] | None, what: str) -> dict[str, str]:
    """`name=value` words as a map."""
    found: dict[str, str] = {}
    for pair in pairs or []:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            usage(f"{what} {pair!r} is no NAME=VALUE")
        found[name] = value
    return found


def parse_value(text: str) -> object:
    """A setting's value as typed: true, false, numbers, else text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
