"""Starts the broker: logging, event loop, signals, exit codes.

Exit codes: 0 after an orderly end, 2 when it could not start, 70 when the journal failed or
memory is not what it says (see ending.py).
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import Any, Final

import structlog
import uvloop

from peeklock.server.app import App
from peeklock.server.bad_config import BadConfig
from peeklock.server.config import Config, strange_variables
from peeklock.server.ending import EXIT_JOURNAL, EXIT_OK, EXIT_USAGE, tell_mistakes
from peeklock.store.data_dir import DataDirBusy, DataDirUnusable
from peeklock.store.journal import JournalFailed

log = structlog.get_logger()

# Entries live long: with Python's default the collector would walk them all, all the time.
GC_THRESHOLD: Final = 200_000


def serve(config: Config, *, ready_as_json: bool = False) -> int:
    """Run a broker until SIGTERM or SIGINT; returns the exit code."""
    set_up_logs(config)
    for name in strange_variables(os.environ):
        log.warning("variable is no setting", name=name)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 1000)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(config, ready_as_json=ready_as_json))
    except BadConfig as error:
        tell_mistakes(error)
        return EXIT_USAGE
    except (DataDirBusy, DataDirUnusable) as error:
        print(f"peeklock: {error}", file=sys.stderr)
        return EXIT_USAGE
    except JournalFailed as error:
        print(f"peeklock: {error}; ending, recovery will find out", file=sys.stderr)
        return EXIT_JOURNAL


async def run(config: Config, *, ready_as_json: bool) -> int:
    app = App(config, ready_as_json=ready_as_json)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stop)
    loop.add_signal_handler(signal.SIGUSR1, app.dump)
    await app.run()
    return EXIT_OK


def set_up_logs(config: Config) -> None:
    """Events with fields, on stderr: text for people, JSON for machines."""
    as_text = config.log_format == "text" or (
        config.log_format == "auto" and sys.stderr.isatty()
    )
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[config.log_level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
