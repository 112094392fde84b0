"""Which broker a command talks to, and as whom."""

import json
import os
from pathlib import Path

import pytest

from peeklock.server.config import BadConfig
from peeklock.server.credentials import announce, state_dir
from peeklock_client.location import find_broker, parse_url

NOBODY = 2**22 + 1  # above Linux's largest process id


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PEEKLOCK_CREDENTIALS", str(tmp_path / "brokers.json"))
    monkeypatch.delenv("PEEKLOCK_URL", raising=False)
    return tmp_path / "brokers.json"


def write(file: Path, *brokers: dict[str, object]) -> None:
    file.write_text(json.dumps({"brokers": brokers}))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://broker", "amqp://broker:5672"),
        ("amqps://broker", "amqps://broker:5671"),
        ("amqp://a:b@[::1]:1", "amqp://[::1]:1"),
    ],
)
def test_urls_that_are_some(url: str, shown: str) -> None:
    assert str(parse_url(url)) == shown


@pytest.mark.parametrize(
    "url",
    ["", "broker", "127.0.0.1:5672", "http://broker", "amqp://", "amqp://b:x", "amqp://b:70000",
     "amqp://[::1"],
)  # fmt: skip
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="no broker URL like amqp://"):
        parse_url(url)


def test_a_url_that_is_none_shows_no_password() -> None:
    with pytest.raises(ValueError, match="'amqp://broker:x'"):
        parse_url("amqp://erp:secret@broker:x")


def test_without_a_word_it_is_the_running_one_that_started_last(file: Path) -> None:
    assert str(find_broker(None)) == "amqp://127.0.0.1:5672"
    write(
        file,
        {"url": "amqp://127.0.0.1:1", "pid": os.getpid(), "user": "a", "password": "b"},
        {"url": "amqp://127.0.0.1:2", "pid": os.getpid()},
        {"url": "amqp://127.0.0.1:3", "pid": NOBODY},
    )
    assert find_broker(None).port == 2
    assert find_broker(None).user is None


def test_credentials_go_to_their_broker_by_whatever_name(file: Path) -> None:
    write(file, {"url": "amqp://127.0.0.1:1", "pid": NOBODY, "user": "a", "password": "b"})
    assert find_broker("amqp://localhost:1").password == "b"
    assert find_broker("amqp://c:d@localhost:1").password == "d"
    assert find_broker("amqp://localhost:2").user is None
    assert find_broker("amqp://elsewhere:1").user is None


def test_an_empty_variable_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEEKLOCK_URL", "")
    assert find_broker(None).port == 5672
    monkeypatch.setenv("PEEKLOCK_URL", "amqp://elsewhere")
    assert find_broker(None).host == "elsewhere"
    assert find_broker("amqp://here").host == "here"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"brokers": [5, {"url": "x"}]}'])
def test_a_strange_file_is_no_file(file: Path, content: str) -> None:
    file.write_text(content)
    assert find_broker(None).port == 5672


def test_a_user_without_a_home_needs_to_say_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no entry in passwd."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("PEEKLOCK_CREDENTIALS", "PEEKLOCK_URL", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert find_broker(None).port == 5672
    announce("amqp://127.0.0.1:1", None)  # best effort
    with pytest.raises(BadConfig, match="give --data-dir"):
        state_dir()
