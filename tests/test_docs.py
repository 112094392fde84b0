"""Documents that must not rot: what they name is there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from peeklock.entities.facts import Fact
from peeklock.store import fact_codec
from peeklock.store.record import HEADER
from tests.test_tidy import functions

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCS += [
    ROOT / "bench/README.md",
    ROOT / "examples/building/README.md",
    ROOT / "examples/ticketing/README.md",
    ROOT / "compose/README.md",
]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_place_the_architecture_names_is_there() -> None:
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    places = re.findall(r"`(\S+\.py)::([\w.]+)`", text)
    assert len(places) > 10
    for file, qualified in places:
        *_, name = qualified.split(".")
        assert name in {f.name for f in functions(ROOT / file)}, f"{file} has no {qualified}"


@pytest.mark.parametrize("path", DOCS, ids=named)
def test_links_and_files_that_are_named_exist(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target
    for file in re.findall(r"`((?:broker|clients|tests|docs|bench|examples)/[\w/.]+)`", text):
        assert (ROOT / file).exists(), file


def test_decisions_are_numbered_and_have_their_parts() -> None:
    files = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        text = file.read_text()
        assert text.startswith(f"# {file.name[:4]} ")
        for part in ("Context", "Decision", "Consequences", "What would change our mind"):
            assert f"## {part}" in text, file.name


def test_adrs_that_the_code_names_exist() -> None:
    known = {file.name[:4] for file in (ROOT / "docs/adr").glob("*.md")}
    for top in ("broker", "clients", "tests"):
        for path in (ROOT / top).rglob("*.py"):
            for number in re.findall(r"(?:adr/|ADR )(\d{4})", path.read_text()):
                assert number in known, path


def test_the_format_lists_every_fact() -> None:
    text = (ROOT / "docs/FORMAT.md").read_text()
    rows = {
        int(code): name
        for code, name in re.findall(r"^\| (\d+) \| (\w+) \|", text, re.MULTILINE)
    }
    codes = {
        value: name.title().replace("_", "")
        for name, value in vars(fact_codec).items()
        if name.isupper() and name.title().replace("_", "") in FACTS
    }
    assert set(codes.values()) == FACTS, "each has a code"
    assert rows == codes
    assert HEADER.size == 20, "as the record's drawing says"


FACTS = {kind.__name__ for kind in get_args(Fact)}


def test_the_readmes_commands_exist() -> None:
    text = (ROOT / "README.md").read_text()
    shown = subprocess.run(
        [sys.executable, "-m", "peeklock_client.cli.main", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for verb in re.findall(r"peeklock (\w+) orders", text):
        assert verb in shown, verb
    for word in re.findall(r"make (\w+)\b +#", text):
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE), word


def test_the_reference_is_current() -> None:
    from docs.reference.generate import HERE, pages

    for name, text in pages().items():
        assert (HERE / name).read_text() == text, "make docs writes it again"


def test_each_test_with_azures_sdks_says_what_it_shows() -> None:
    """For docs/reference/service-bus.md: by the marks `shows`, `differs` and `lacks`."""
    from docs.reference.service_bus import interop_tests

    found = interop_tests()
    assert len(found) > 100
    assert [f"{test.file.name}::{test.name}" for test in found if not test.marks] == []


def test_every_option_of_the_broker_is_a_setting() -> None:
    """And so in the TOML file and the environment, too; `--json` is how any command talks."""
    from docs.reference.generate import command_of
    from peeklock.server.config import setting_names

    options = {parameter.name for parameter in command_of("serve").params}
    assert options - setting_names() == {"config", "hash_password", "scram_verifier", "as_json"}


def test_help_names_every_setting() -> None:
    from peeklock.entities.settings import QueueSettings, TopicSettings
    from peeklock.entities.settings_map import settings_as_map
    from peeklock.management.operations import UNSETTABLE, UNSPOKEN

    for verb, kind in (("queue", QueueSettings), ("topic", TopicSettings)):
        shown = subprocess.run(
            [sys.executable, "-m", "peeklock_client.cli.main", verb, "create", "--help"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for name in set(settings_as_map(kind())) - UNSETTABLE - {UNSPOKEN}:
            assert name in shown, f"{verb}: {name}"


def test_every_log_event_is_explained() -> None:
    text = (ROOT / "docs/howto/watch-a-broker.md").read_text()
    explained = set(
        re.findall(r"^\| `([^`]+)` \| (?:info|warning|error|critical) \|", text, re.MULTILINE)
    )
    logged: set[str] = set()
    for path in (ROOT / "broker/peeklock").rglob("*.py"):
        logged |= set(
            re.findall(
                r"\blog\.(?:info|warning|error|critical|exception)\(\s*\"([^\"]+)\"",
                path.read_text(),
            )
        )
    assert explained == logged


def test_the_topics_of_the_howto_can_be_made(tmp_path: Path) -> None:
    from peeklock.management.definitions import ensure_topic
    from peeklock.server.config import load
    from tests.support.house import House

    text = (ROOT / "docs/howto/topics.md").read_text()
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "peeklock.toml"
    file.write_text(toml)
    house = House()
    (topic,) = load({}, file).topics
    ensure_topic(house.engine, topic.definition(), house.now)
    gate = house.namespace.find_topic("tickets").find("gate")
    assert list(gate.rules) == ["sold", "large"]


def test_nothing_of_the_workplace_is_in_the_tree() -> None:
    """The project speaks of itself alone."""
    words = re.compile(r"/work/|\.library|artifactory|codeartifact", re.IGNORECASE)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in listed:
        path = ROOT / name
        if (
            path.suffix in (".md", ".py", ".toml", ".lock", ".json", ".sh", "")
            and path.is_file()
        ):
            if name != "tests/test_docs.py":
                assert not words.search(path.read_text(errors="replace")), name
