"""The commands and programs that the pages show are run, and print what the pages say.

A page's blocks run in their order, in one folder, against a broker of the page's own:

- `sh` is run, unless `<!-- not run -->` stands above it; one with `# Ctrl-C ends it` is given
  some seconds, and then Ctrl-C;
- `text` is what the `sh` above it printed; `…` stands for anything, and spaces
  and tabs count once;
- `python` is saved where its first line names a file (`# shop.py`), else run, unless as above;
- `toml` is a configuration that the broker accepts.

`$HTTP` is where the broker listens for HTTP, `$MQTT_PORT` its port for MQTT. A page that runs
`curl` or Mosquitto's commands needs these.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from peeklock.security.passwords import hash_password
from peeklock.security.scram import make_verifier
from peeklock.server.config import load
from tests.support.broker_process import BrokerProcess

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorials").glob("*.md")),
    *sorted((ROOT / "docs/howto").glob("*.md")),
]
BLOCK = re.compile(r"^(<!-- not run -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CTRL_C = re.compile(r"^(.*?) +# Ctrl-C ends it$", re.MULTILINE)
TOOLS = ("curl", "mosquitto_pub", "mosquitto_sub")
SHOWN_VERIFIER = "SCRAM-SHA-256$15000:…"
WORK_SECONDS = 8
SECONDS_MAX = 60


@dataclass
class Place:
    """Where a page's blocks run: a folder with the commands where the page expects them."""

    folder: Path
    environment: dict[str, str]

    def run(self, script: str) -> str:
        script = CTRL_C.sub(rf"timeout -s INT {WORK_SECONDS} \1 || test $? = 124", script)
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=SECONDS_MAX, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name, words in (("peeklock", "-m peeklock_client.cli.main"), ("python", "")):
        command = bin_folder / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        command.chmod(0o755)
    environment = dict(os.environ)
    environment.pop("PEEKLOCK_URL", None)
    if "PYTHONPATH" in environment:  # plain Python: relative to the tree
        folders = environment["PYTHONPATH"].split(":")
        environment["PYTHONPATH"] = ":".join(str(ROOT / folder) for folder in folders)
    environment["PATH"] = f"{bin_folder}:{environment['PATH']}"
    return Place(tmp_path, environment)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pages_blocks_do_what_it_says(page: Path, place: Place) -> None:
    printed = ""
    blocks = BLOCK.findall(page.read_text())
    scripts = "".join(content for not_run, _language, content in blocks if not not_run)
    for tool in TOOLS:
        if f"{tool} " in scripts and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not there")
    env = {"PEEKLOCK_PUSH__NETWORKS": '["127.0.0.0/8"]'}  # as the page of webhooks has it
    with BrokerProcess(data_dir=place.folder / "data", dev=False, env=env) as broker:
        place.environment["PEEKLOCK_CREDENTIALS"] = str(broker.data_dir / "announced.json")
        place.environment["HTTP"] = f"http://127.0.0.1:{broker.http_port}"
        place.environment["MQTT_PORT"] = str(broker.mqtt_port)
        for not_run, language, content in blocks:
            if language == "sh" and not not_run:
                printed = place.run(content)
            elif language == "text" and not not_run:
                assert is_as(content, printed), f"it says\n{content}\nit printed\n{printed}"
            elif language == "python" and not not_run:
                run_or_save(content, place)
            elif language == "toml":
                accept(content, place)


def is_as(said: str, printed: str) -> bool:
    said, printed = (re.sub(r"[ \t]+", " ", text.strip()) for text in (said, printed))
    pattern = ".*?".join(re.escape(part) for part in said.split("…"))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def run_or_save(program: str, place: Place) -> None:
    named = re.match(r"# (\w+\.py)\n", program)
    file = place.folder / (named[1] if named else "shown.py")
    file.write_text(program)
    place.run(f"python -m py_compile {file.name}" if named else f"python {file.name}")


def accept(configuration: str, place: Place) -> None:
    file = place.folder / "shown.toml"
    verifier = str(make_verifier("secret", b"0123456789abcdef", 15_000))
    for shown, real in (("$argon2id$…", hash_password("secret")), (SHOWN_VERIFIER, verifier)):
        configuration = configuration.replace(shown, real)
    file.write_text(configuration)
    load({}, file)
