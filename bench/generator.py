"""Load generator processes, from the side of those who start them."""

import json
import subprocess
import sys
from typing import Any


class Generator:
    """One load generator process."""

    def __init__(self, role: str, **options: object) -> None:
        argv = [sys.executable, "-m", "bench.loadgen", role]
        for name, value in options.items():
            if value is True:
                argv.append(f"--{name}")
            else:
                argv += [f"--{name}", str(value)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.first_line = self._process.stdout.readline().strip()
        if not self.first_line:
            raise SystemExit(f"bench: the {role} process did not start")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        out, _err = self._process.communicate()
        if self._process.returncode != 0:
            raise SystemExit("bench: a load generator process failed")
        found: dict[str, Any] = json.loads(out)
        return found
