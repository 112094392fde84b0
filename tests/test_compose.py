"""The container's recipe, as far as it can be tried without a container engine."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from peeklock.server.emulator_config import MOUNTED
from tests.support.broker_process import READY

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "compose"
MODULE = (sys.executable, "-m", "peeklock_client.cli.main")
RECIPE = (COMPOSE / "Containerfile").read_text().replace("\\\n", " ")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return parsed["services"]


def sent_to_the_engine(name: str) -> bool:
    """By .dockerignore: everything is left out but what is let in again."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return any(fnmatch(name, line[1:]) for line in lines if line.startswith("!"))


def copied() -> list[str]:
    """What the recipe copies from the tree."""
    lines = re.findall(r"^COPY (?!--)(.+) \S+$", RECIPE, re.MULTILINE)
    return [name.removeprefix("./") for line in lines for name in line.split()]


def test_what_the_recipe_copies_is_there_and_sent() -> None:
    assert len(copied()) > 5
    for name in copied():
        assert (ROOT / name).exists(), name
        assert sent_to_the_engine(name), name


def test_no_secret_and_no_data_is_sent() -> None:
    for name in (".git", ".venv", ".peeklock", "compose", "tests"):
        assert not sent_to_the_engine(name), name


def test_what_is_copied_makes_a_whole_wheel(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(tmp_path), str(source)],
        env=os.environ | {"PEEKLOCK_PURE": "1"}, check=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    demo = "peeklock_client/demo"
    for name in (f"{demo}/ticketing/orders.jsonl", f"{demo}/building/building.toml"):
        assert name in inside
    assert "peeklock/server/main.py" in inside


def test_the_image_runs_as_nobody_special_and_with_known_settings() -> None:
    assert RECIPE.index("USER peeklock") < RECIPE.index("ENTRYPOINT")
    from peeklock.server.config import strange_variables

    variables = re.findall(r"(PEEKLOCK_\w+)=", RECIPE)
    assert len(variables) >= 2
    assert strange_variables(variables) == []


def test_the_services_are_as_they_should_be(services: dict[str, Any]) -> None:
    broker = services["broker"]
    assert (COMPOSE / broker["build"]["context"] / broker["build"]["dockerfile"]).is_file()
    assert json.loads(re.findall(r"^CMD (.+)$", RECIPE, re.MULTILINE)[0]) == broker["command"]
    assert broker["healthcheck"]["test"][:2] == ["CMD", "peeklock"]
    assert broker["read_only"] is True
    assert services["rabbitmq"]["profiles"] == ["compare"]
    for service in services.values():
        assert service["healthcheck"]["test"]
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), "others need a real certificate first"


def test_the_emulators_stand_in_is_open_on_this_machine_only() -> None:
    """It lets anybody in: the ports are for this machine, and the file is a good one."""
    from peeklock.server.config import load, strange_variables

    folder = COMPOSE / "emulator"
    [service] = yaml.safe_load((folder / "compose.yaml").read_text())["services"].values()
    assert (folder / service["build"]["dockerfile"]).is_file()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    mounted = service["volumes"][0].split(":")
    assert Path(mounted[1]) == MOUNTED
    config = load({"emulator": True}, None, folder / mounted[0])
    assert [queue.name for queue in config.queues] == ["orders"]
    recipe = (folder / "Containerfile").read_text()
    assert strange_variables(re.findall(r"(PEEKLOCK_\w+)=", recipe)) == []


def test_the_commands_have_the_options_that_are_given(services: dict[str, Any]) -> None:
    broker = services["broker"]
    for words in (broker["command"], broker["healthcheck"]["test"][2:]):
        shown = subprocess.run(
            [*MODULE, words[0], "--help"], capture_output=True, text=True, check=True
        ).stdout
        for word in words[1:]:
            if word.startswith("--"):
                assert word in shown, word


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_broker_lives_on_the_secrets(services: dict[str, Any], tmp_path: Path) -> None:
    """The script's files, at the places that compose.yaml mounts them, serve and let us in."""
    secrets = tmp_path / "secrets"
    for code in (0, 1):  # and it never overwrites
        done = subprocess.run(
            [COMPOSE / "make-secrets.sh", secrets],
            env=os.environ | {"PEEKLOCK": " ".join(MODULE)}, check=False,
        )  # fmt: skip
        assert done.returncode == code
    assert secrets.stat().st_mode & 0o777 == 0o700
    mounts = [volume.split(":") for volume in services["broker"]["volumes"]]
    inside = {
        at: secrets / Path(given).name
        for given, at, *_ in mounts
        if given.startswith("./secrets/")
    }
    assert all(file.is_file() for file in inside.values())

    text = (secrets / "peeklock.toml").read_text()
    for at, file in inside.items():
        text = text.replace(f'"{at}"', f'"{file}"')
    assert "/etc/" not in text, "a path that is not mounted"
    port = free_port()
    (tmp_path / "peeklock.toml").write_text(text.replace("0.0.0.0:5671", f"127.0.0.1:{port}"))
    known = json.loads((secrets / "credentials.json").read_text())
    known["brokers"][0]["url"] = f"amqps://localhost:{port}"
    (tmp_path / "credentials.json").write_text(json.dumps(known))
    environment = os.environ | {
        "SSL_CERT_FILE": str(secrets / "tls.crt"),
        "PEEKLOCK_CREDENTIALS": str(tmp_path / "credentials.json"),
        "PEEKLOCK_DATA_DIR": str(tmp_path / "data"),
    }
    with subprocess.Popen(
        [*MODULE, "serve", "--config", str(tmp_path / "peeklock.toml")],
        env=environment, stdout=subprocess.PIPE, text=True,
    ) as broker:  # fmt: skip
        try:
            assert broker.stdout is not None
            assert broker.stdout.readline().startswith(READY)
            shown = subprocess.run(
                [*MODULE, "queue", "list"],
                env=environment, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            assert "orders" in shown
        finally:
            broker.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
