"""`demo`: see it at work."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Annotated

import typer

from peeklock_client.cli.session import AsJson, Url, show
from peeklock_client.errors import PeeklockError


def ticketing(
    own_broker: Annotated[
        bool, typer.Option("--own-broker", help="Start a throw-away broker for it.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a shop, two ERP workers and a gate; kill a worker.

    The shop sells 3,000 orders, the workers book them, one of them is killed half-way. Twelve
    orders are malformed and go to the dead-letter queue. At the end everything is
    counted; the exit code is 1 if one order is missing.

    Examples:

    \b
      peeklock demo ticketing                 # with the broker that runs here
      peeklock demo ticketing --own-broker
    """
    from rich.console import Console

    from peeklock_client.demo.ticketing.run import report, run_demo

    console = Console(stderr=as_json)
    with broker_of_its_own() if own_broker else contextlib.nullcontext(url) as broker:
        outcome = asyncio.run(run_demo(broker, console))
    report(outcome, console)
    if as_json:
        show(
            {
                "sold": len(outcome.sold),
                "booked": len(outcome.attempts),
                "dead_letters": dict(outcome.dead),
                "codes": outcome.code_count,
                "missing": outcome.missing_count,
                "without_codes": len(outcome.without_codes),
            }
        )
    if not outcome.is_good:
        raise typer.Exit(1)


@contextlib.contextmanager
def broker_of_its_own() -> Iterator[str]:
    """A broker on a free port with a temporary data directory; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="peeklock-demo-") as folder:
        argv = [sys.executable, "-m", "peeklock_client.cli.main", "serve", "--dev"]
        argv += ["--data-dir", folder, "--amqp", "127.0.0.1:0"]
        argv += ["--mqtt", "off", "--http", "off"]
        # Other commands shall not take it for the machine's broker.
        environment = os.environ | {"PEEKLOCK_CREDENTIALS": f"{folder}/brokers.json"}
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if "amqp=" not in ready:
                raise PeeklockError("the demo's broker did not start")
            try:
                yield f"amqp://{ready.split('amqp=')[1].split()[0]}"
            finally:
                process.terminate()


def register(app: typer.Typer) -> None:
    demo = typer.Typer(no_args_is_help=True, help="Demonstrations on real input.")
    demo.callback()(lambda: None)
    demo.command()(ticketing)
    app.add_typer(demo, name="demo")
