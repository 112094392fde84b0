"""Runs the programs of tests/interop/node, which use rhea; without it, importers skip."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE_DIR = Path(__file__).parent / "node"
PATIENCE_SECONDS = 30


def node() -> str:
    """Where node is; skips the module when it or rhea is not there."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed", allow_module_level=True)
    if not (NODE_DIR / "node_modules" / "rhea").is_dir():
        why = "rhea is not installed (cd tests/interop/node && npm ci)"
        pytest.skip(why, allow_module_level=True)
    return found


NODE = node()


class Scenario:
    """One scenario of one of the programs, running."""

    def __init__(self, file: str, name: str, **given: object) -> None:
        self._process = subprocess.Popen(
            [NODE, str(NODE_DIR / "run.js"), file, name, json.dumps(given)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self) -> Any:
        """What it reports, when it has ended well."""
        try:
            out, err = self._process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
            raise AssertionError(f"it does not end; so far {out!r}, {err!r}") from None
        assert self._process.returncode == 0, err
        assert err == ""
        assert out, "it ended without a report: nothing was left that it could wait for"
        return json.loads(out)


def play(file: str, name: str, **given: object) -> Any:
    """Run a scenario to its end; returns what it reports."""
    return Scenario(file, name, **given).result()
