"""`peeklock` on a disk that fails when a file says so: run as a module, like the real one.

`PEEKLOCK_FAULT` names the file. While it is there, the call of the system that it names fails
with an I/O error: `fdatasync`, `fsync` or `pwrite`.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "PEEKLOCK_FAULT"


def failing(name: str, call: Callable[..., Any], fault: Path) -> Callable[..., Any]:
    def fails_when_told(*args: Any) -> Any:
        if fault.exists() and fault.read_text() == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return call(*args)

    return fails_when_told


def main() -> None:
    from peeklock_client.cli.main import main as peeklock

    fault = Path(os.environ.pop(VARIABLE))
    for name in ("fdatasync", "fsync", "pwrite"):
        setattr(os, name, failing(name, getattr(os, name), fault))
    peeklock()


if __name__ == "__main__":
    main()
