"""`peeklock` with a mistake of ours in it, when a file says so: run as a module.

`PEEKLOCK_FAULT` names the file. While it is there, what a `Removed` is about is gone from
memory before the fact is applied, so that `apply` fails after the append. A method of a
compiled class cannot be replaced; the journal that the engine is given can.
"""

import os
from pathlib import Path
from typing import Any

from peeklock.engine.engine import Engine
from peeklock.entities.facts import Fact, Removed
from peeklock.entities.namespace import Namespace
from peeklock.store.journal import Journal
from peeklock.types import Lsn

VARIABLE = "PEEKLOCK_FAULT"


class SpoilingJournal:
    """The journal that it is given, but for what `append` does to the namespace."""

    def __init__(self, journal: Journal, namespace: Namespace, fault: Path) -> None:
        self._journal = journal
        self._namespace = namespace
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, facts: list[Fact]) -> Lsn:
        lsn = self._journal.append(facts)
        if self._fault.exists():
            for fact in facts:
                if isinstance(fact, Removed):
                    self._namespace.by_id[fact.queue_id].entries.clear()
        return lsn


def main() -> None:
    from peeklock.server import app
    from peeklock_client.cli.main import main as peeklock

    fault = Path(os.environ.pop(VARIABLE))

    def spoiled_engine(journal: Any, namespace: Namespace, *rest: Any) -> Engine:
        return Engine(SpoilingJournal(journal, namespace, fault), namespace, *rest)

    app.Engine = spoiled_engine  # type: ignore[assignment, misc]
    peeklock()


if __name__ == "__main__":
    main()
