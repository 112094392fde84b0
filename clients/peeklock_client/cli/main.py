"""The `peeklock` command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."""

import sys
from importlib import import_module
from typing import Annotated, Final

import typer

from peeklock_client.errors import NotFound, PeeklockError, Unauthenticated, Unreachable

# One module a verb. Only the one that is called is imported: `peeklock send` starts quickly.
VERBS: Final = (
    "serve",
    "send",
    "receive",
    "peek",
    "last",
    "work",
    "queue",
    "topic",
    "subscription",
    "rule",
    "derive",
    "mqtt",
    "dlq",
    "purge",
    "top",
    "bench",
    "demo",
)

# What can be done about it, where that is the same for every command.
ADVICE: Final[tuple[tuple[type[PeeklockError], str], ...]] = (
    (NotFound, "`peeklock queue list` shows what is there"),
    (Unauthenticated, "--url amqp://USER:PASSWORD@HOST, or PEEKLOCK_URL"),
    (Unreachable, "`peeklock serve` starts one; --url or PEEKLOCK_URL name another"),
)

EXIT_REFUSED: Final = 1
EXIT_INTERRUPTED: Final = 130


def print_version(wanted: bool) -> None:
    if wanted:
        from peeklock.build_info import describe

        print(describe())
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """A job broker: queues, peek-lock, nothing accepted is lost.

    Commands that talk to a broker find it by --url, else PEEKLOCK_URL, else the one that was
    started on this machine. Start one with: peeklock serve
    """


def build(words: list[str]) -> typer.Typer:
    """The command line with the verb that `words` ask for, or with all of them."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    asked = [word for word in words if word in VERBS][:1]
    for verb in asked or VERBS:
        import_module(f"peeklock_client.cli.{verb}").register(app)
    return app


def main() -> None:
    try:
        build(sys.argv[1:])()
    except PeeklockError as error:
        advice = next((f"; {text}" for kind, text in ADVICE if isinstance(error, kind)), "")
        print(f"peeklock: {error}{advice}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
