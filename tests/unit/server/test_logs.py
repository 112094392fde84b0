"""What a traceback in the log tells, and what it must not."""

import subprocess
import sys

import pytest

FAILING = """
import sys

from peeklock.server.config import Config
from peeklock.server.main import log, set_up_logs


def log_in(password: str) -> None:
    try:
        raise ValueError("no such user")
    except ValueError:
        log.exception("login failed")


set_up_logs(Config(log_format=sys.argv[1]))
log_in("open" + "-sesame")
print("rich" in sys.modules)
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_tells_where_and_shows_no_values(log_format: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FAILING, log_format], capture_output=True, text=True, check=True
    )

    assert "login failed" in run.stderr
    assert "ValueError: no such user" in run.stderr
    assert "in log_in" in run.stderr
    assert "open-sesame" not in run.stderr
    assert run.stdout == "False\n"
