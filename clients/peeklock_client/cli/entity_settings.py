"""Settings of entities on the command line: what there are, and how values are written."""

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from peeklock_client.cli.entity_settings_table import QUEUE, TOPIC
from peeklock_client.cli.session import parse_pairs, parse_value, usage

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting; may be given more than once."),
]
Status = Annotated[
    str | None,
    typer.Option(
        metavar="STATUS",
        help="Who may use it: active, disabled, send-disabled or receive-disabled.",
    ),
]
PushTo = Annotated[
    str | None,
    typer.Option(
        "--push", metavar="URL", help="POST each message there, as a CloudEvent; '' ends it."
    ),
]
PushAuthorization = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The Authorization header of these requests is in FILE; - is stdin.",
    ),
]

UNITS: Final = {
    "_ms": {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000},
    "_bytes": {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
}
TEXTS: Final = {
    *("forward_to", "forward_dead_letters_to", "user_metadata", "status", "overflow"),
    "event_schema",
    *("push_to", "push_mode", "push_status", "push_authorization", "push_headers"),
}
QUANTITY: Final = re.compile(r"(\d+)\s*([A-Za-z]+)")


def read_settings(
    pairs: list[str] | None,
    status: str | None = None,
    push_to: str | None = None,
    push_authorization: str | None = None,
) -> dict[str, object]:
    """`--set` words and the options that are settings, as a map from setting to value."""
    found = parse_pairs(pairs, "--set")
    settings = {name: parse_setting(name, value) for name, value in found.items()}
    if push_authorization is not None:
        settings["push_authorization"] = read_secret(push_authorization)
    options = {"status": status, "push_to": push_to}
    return settings | {name: value for name, value in options.items() if value is not None}


def read_secret(file: str) -> str:
    """One line, which on the command line everybody on this machine could read."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        usage(f"--push-authorization {file}: {error}")
    return text.strip()


def parse_setting(name: str, text: str) -> object:
    """A value as typed: true, false, numbers, `30s` and `16MiB` where they fit, else text."""
    if name in TEXTS:
        return text
    for ending, units in UNITS.items():
        quantity = QUANTITY.fullmatch(text)
        if quantity and name.endswith(ending):
            if quantity[2] not in units:
                usage(f"{name}={text}: no unit {quantity[2]!r}; there are {', '.join(units)}")
            return int(quantity[1]) * units[quantity[2]]
    return parse_value(text)


def explained(table: tuple[tuple[str, str, str, str], ...], kind: str) -> str:
    """The end of a `--help`: every setting with its default, range and meaning."""
    lines = [f"Settings of {kind}, for --set:", "", "\b"]
    for name, default, allowed, about in table:
        lines.append(f"  {name}={default}")
        lines.append(f"      {about}" + (f" ({allowed})" if allowed else ""))
    lines += [
        "",
        "Durations may be written 500ms, 30s, 10min, 2h, 7d; sizes 64KiB, 16MiB, 1GiB.",
    ]
    return "\n".join(lines)


QUEUE_EXPLAINED: Final = explained(QUEUE, "queues and subscriptions")
TOPIC_EXPLAINED: Final = explained(TOPIC, "topics")
