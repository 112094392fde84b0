"""How the process ends: its exit codes, and the end without a way back."""

import os
import sys
from typing import Final, NoReturn

import structlog

from peeklock.server.bad_config import BadConfig
from peeklock.store.journal import MemoryBehindJournal

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_JOURNAL: Final = 70

log = structlog.get_logger()


def tell_mistakes(error: BadConfig) -> None:
    """One line each, on stderr."""
    for mistake in error.mistakes:
        print(f"peeklock: {mistake}", file=sys.stderr)


def end_behind(error: MemoryBehindJournal) -> NoReturn:
    """End here and now, as `kill -9` would: nobody hears what memory and journal disagree on.

    No exception is raised, since many on the way up catch what costs one connection; and
    nothing is written any more: what is appended and not on disk was promised to nobody.
    """
    log.critical("memory is behind the journal", exc_info=error)
    what = f"a mistake of ours: memory is behind the journal ({error})"
    print(f"peeklock: {what}; ending, recovery will find out", file=sys.stderr, flush=True)
    os._exit(EXIT_JOURNAL)
