"""`peeklock` on a machine whose clock is set while it runs: run as a module.

`PEEKLOCK_CLOCK` names a file. What it says, in milliseconds, is added to the wall clock.
"""

import os
from pathlib import Path

from peeklock.types import UnixMs

VARIABLE = "PEEKLOCK_CLOCK"


def main() -> None:
    from peeklock.server.system import SystemClock
    from peeklock_client.cli.main import main as peeklock

    file = Path(os.environ.pop(VARIABLE))
    real = SystemClock.now

    def stepped(self: SystemClock) -> UnixMs:
        step = file.read_text() if file.exists() else ""
        return UnixMs(real(self) + int(step or 0))

    SystemClock.now = stepped  # type: ignore[method-assign]
    peeklock()


if __name__ == "__main__":
    main()
