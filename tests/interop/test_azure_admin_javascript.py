"""Azure's administration client for JavaScript, unmodified, against the broker over TLS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not (NODE_DIR / "node_modules" / "@azure" / "service-bus").is_dir(),
        reason="@azure/service-bus is not installed (cd tests/interop/node && npm ci)",
    ),
]
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """node is told of the broker's certificate, as its users would tell it."""
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(files[0]))


@pytest.fixture(scope="module")
def broker(files: tuple[Path, Path]) -> Iterator[BrokerProcess]:
    certificate, key = files
    with BrokerProcess("--http-tls-cert", str(certificate), "--http-tls-key", str(key)) as one:
        yield one


@pytest.fixture
def given(broker: BrokerProcess, queue: str, trusted: None) -> dict[str, Any]:
    return {"port": broker.http_port, "queue": queue}


@pytest.mark.shows(
    "administration",
    "queues: create, get, update, delete",
    "counts of messages and sizes",
)
def test_queues(given: dict[str, Any]) -> None:
    queue = given["queue"]
    assert play("administration", "queues", **given) == {
        "name": queue,
        "lock": "PT30S",
        "count": 7,
        "duplicates": [True, "PT5M"],
        "ttl": "PT2H",
        "dies": True,
        "metadata": "ours: <&>",
        "status": "SendDisabled",
        "forwards": f"sb://localhost:{given['port']}/{queue}/to",
        "runtime": [0, 0, 0],
        "age": True,
        "changed": [True, True],
        "listed": [queue, f"{queue}/to"],
        "exists": [True, False],
    }


@pytest.mark.shows("administration", "long lists, by pages")
def test_pages(given: dict[str, Any]) -> None:
    assert play("administration", "pages", **given) == {"full": 50, "missing": []}


@pytest.mark.shows(
    "administration",
    "topics: create, get, update, list, delete",
    "subscriptions: create, get, update, list, delete",
)
def test_topics(given: dict[str, Any]) -> None:
    queue = given["queue"]
    assert play("administration", "topics", **given) == {
        "topic": "m",
        "subscription": [queue, "Erp", 3, "PT10S"],
        "counts": [0, 0],
        "subscriptions": [1, 0],
        "listed": ["Erp"],
        "topics": [queue],
        "rules": ["dear"],
    }


@pytest.mark.shows(
    "administration",
    "rules: `$Default`, SQL, correlation, true and false",
    "rules: update, actions",
)
def test_rules(given: dict[str, Any]) -> None:
    got = play("administration", "rules", **given)
    assert got["same"] == got["given"]
    assert got["sql"] == ["a = 2", "SET seen = 1"]
    assert got["first"] == ["$Default", "1=1"]
    assert got["left"] == ["alike", "sql"]


@pytest.mark.shows("administration", "what means nothing here is told as it was sent")
def test_what_is_kept_and_no_more(given: dict[str, Any]) -> None:
    got = play("administration", "kept", **given)
    assert got["found"] == [got["given"]] * 2


@pytest.mark.shows("topics", "instants in correlation filters")
def test_instants(given: dict[str, Any], broker: BrokerProcess) -> None:
    assert play("administration", "instants", **given, amqp=broker.amqp_port) == [0]


@pytest.mark.shows("topics", "parameters (`@name`) of SQL filters and actions")
def test_parameters(given: dict[str, Any], broker: BrokerProcess) -> None:
    got = play("administration", "parameters", **given, amqp=broker.amqp_port)
    assert got["kept"] == got["listed"] == got["given"]
    assert got["found"] == [1]
    assert "line 1, column 5: no value was given for @x" in got["refused"][1]


@pytest.mark.shows("administration", "what exists, is not there, or is wrong is refused")
def test_refusals(given: dict[str, Any]) -> None:
    got = play("administration", "refusals", **given)
    codes = {name: code for name, (code, _text) in got.items()}
    assert codes == {
        "exists": "MessageEntityAlreadyExistsError",
        "missing": "MessageEntityNotFoundError",
        "bad": "ServiceError",
        "gone": "MessageEntityNotFoundError",
    }
    assert "LockDuration is 'PT0S'" in got["bad"][1]
    assert "exists already" in got["exists"][1]


@pytest.mark.shows("administration", "the namespace's properties")
def test_the_namespace(given: dict[str, Any]) -> None:
    got = play("administration", "namespace", **given)
    assert got == {"name": "localhost", "messagingSku": "Premium"}


@pytest.mark.shows("access", "the administration client's key is checked")
def test_a_key_of_its_own(
    tmp_path: Path, files: tuple[Path, Path], queue: str, trusted: None
) -> None:
    """Without --dev: the client signs the URL of each request."""
    config = tmp_path / "peeklock.toml"
    config.write_text(f'[[access_keys]]\nname = "Root"\nkey = "{KEY}"\n')
    certificate, key = files
    tls = ("--http-tls-cert", str(certificate), "--http-tls-key", str(key))
    arguments = ("--config", str(config), *tls)
    with BrokerProcess(*arguments, data_dir=tmp_path / "data", dev=False) as process:
        got = play("administration", "signed", port=process.http_port, queue=queue, key=KEY)
    assert got == {"made": queue, "listed": 1, "wrong": "UnauthorizedRequestError"}
