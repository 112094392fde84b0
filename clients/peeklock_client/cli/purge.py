"""`purge`: remove a queue's messages; the same as `queue purge`."""

import typer

from peeklock_client.cli.queue import purge


def register(app: typer.Typer) -> None:
    app.command()(purge)
