"""`demo`: see it at work."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Annotated

import typer

from peeklock_client.cli.session import AsJson, Url, show, usage
from peeklock_client.demo.places import Places
from peeklock_client.errors import PeeklockError
from peeklock_client.location import find_broker


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

    if not own_broker:
        check_url(url)
    console = Console(stderr=as_json)
    with broker_of_its_own() if own_broker else contextlib.nullcontext() as own:
        outcome = asyncio.run(run_demo(own.amqp if own else url, console))
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


def check_url(url: str | None) -> None:
    """Before anything begins; PEEKLOCK_URL's, too."""
    try:
        find_broker(url)
    except ValueError as error:
        usage(str(error))


def check_place(place: str | None) -> str | None:
    if place is not None and not re.fullmatch(r".+:\d{1,5}", place):
        raise typer.BadParameter(f"{place!r} is no HOST:PORT")
    return place


def building(
    rooms: Annotated[
        int, typer.Option("--rooms", metavar="N", help="Rooms of each unit.", min=2, max=50)
    ] = 15,
    own_broker: Annotated[
        bool, typer.Option("--own-broker", help="Start a throw-away broker for it.")
    ] = False,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Else port 1883 where AMQP is.", callback=check_place
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Else port 8180 there, if there is one.",
            callback=check_place,
        ),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a site's sensors and its crew for a day; kill a worker.

    Fire, gas, climate and occupancy sensors of 300 rooms publish over MQTT, and controllers
    their heartbeats. The topic derives the jobs of evacuation, HVAC, security and maintenance
    from them; of the two workers, which come over AMQP, one is killed with a job in hand. At
    the end everything is counted; the exit code is 1 if one alert has no job, or one too many.

    Examples:

    \b
      peeklock demo building                  # with the broker that runs here
      peeklock demo building --own-broker
    """
    from rich.console import Console

    from peeklock_client.demo.building.audit import by_derivation
    from peeklock_client.demo.building.run import report, run_demo

    if not own_broker:
        check_url(url)
    console = Console(stderr=as_json)
    with broker_of_its_own() if own_broker else contextlib.nullcontext() as own:
        places = own or Places(url, mqtt, http)
        outcome = asyncio.run(run_demo(places, rooms, console))
    report(outcome, console)
    if as_json:
        show(
            {
                "rooms": outcome.rooms,
                "signals": outcome.signals,
                "repeated": outcome.repeated,
                "alerts": by_derivation(outcome.owed),
                "answered": by_derivation(outcome.answered),
                "jobs": dict(outcome.jobs),
                "taken_over": outcome.taken_over,
                "unoccupied_at_noon": outcome.said_unoccupied,
                "is_said_right": outcome.is_said_right,
                "dead_letters": outcome.dead_letters,
                "missing": outcome.missing.total(),
                "surplus": outcome.surplus.total(),
            }
        )
    if not outcome.is_good:
        raise typer.Exit(1)


@contextlib.contextmanager
def broker_of_its_own() -> Iterator[Places]:
    """A broker on free ports with a temporary data directory; yields where it is."""
    with tempfile.TemporaryDirectory(prefix="peeklock-demo-") as folder:
        argv = [sys.executable, "-m", "peeklock_client.cli.main", "serve", "--dev"]
        argv += ["--data-dir", folder, "--amqp", "127.0.0.1:0"]
        argv += ["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        # Other commands shall not take it for the machine's broker.
        environment = os.environ | {"PEEKLOCK_CREDENTIALS": f"{folder}/brokers.json"}
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if "amqp=" not in ready:
                raise PeeklockError("the demo's broker did not start")
            at = dict(word.split("=", 1) for word in ready.split() if "=" in word)
            try:
                yield Places(f"amqp://{at['amqp']}", at["mqtt"], at["http"])
            finally:
                process.terminate()


def register(app: typer.Typer) -> None:
    demo = typer.Typer(no_args_is_help=True, help="Demonstrations on real input.")
    demo.callback()(lambda: None)
    demo.command()(ticketing)
    demo.command()(building)
    app.add_typer(demo, name="demo")
