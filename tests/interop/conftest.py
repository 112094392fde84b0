"""Brokers for other people's clients: an open one, and one behind TLS and a password."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate

NUMBERS = count(1)
# Queues whose settings matter; the clients' own means make the others.
QUEUES = """
[[queues]]
name = "full-{client}"
max_messages = 1

[[queues]]
name = "brief-{client}"
lock_duration_ms = 300

[[queues]]
name = "narrow-{client}"
max_message_bytes = 1000
"""


@dataclass(frozen=True)
class Guarded:
    """A broker that wants TLS, knows one user, and makes no queues by itself."""

    process: BrokerProcess
    certificate: Path  # self-signed, for localhost
    user: str
    password: str


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration file with a set of queues for each client."""
    file = tmp_path_factory.mktemp("configuration") / "peeklock.toml"
    file.write_text("".join(QUEUES.format(client=client) for client in ("proton", "rhea")))
    return file


AZURE = """
[[queues]]
name = "thrice"
max_delivery_count = 3

[[queues]]
name = "once"
duplicate_window_ms = 20000

[[queues]]
name = "short-azure"
lock_duration_ms = 2000

[[queues]]
name = "five-azure"
lock_duration_ms = 5000

[[queues]]
name = "shut-azure"
status = "disabled"

[[queues]]
name = "sessions-azure"
requires_session = true

[[queues]]
name = "sessions-js"
requires_session = true

[[queues]]
name = "listed-azure"
requires_session = true

[[queues]]
name = "short-sessions-azure"
requires_session = true
lock_duration_ms = 2000

[[queues]]
name = "brief-lives-azure"
default_ttl_ms = 200
dead_letter_on_expiry = true

[[queues]]
name = "hourly-azure"
default_ttl_ms = 3600000

[[queues]]
name = "audit-azure"

[[queues]]
name = "passed-on-azure"
forward_to = "audit-azure"

[[queues]]
name = "into-shut-azure"
forward_to = "shut-azure"

[[queues]]
name = "failing-azure"
forward_dead_letters_to = "audit-azure"

[[topics]]
name = "gathered-azure"

[[topics.subscriptions]]
name = "all"
forward_to = "audit-azure"

[[topics]]
name = "later-azure"
duplicate_window_ms = 20000

[[topics.subscriptions]]
name = "all"

[[topics]]
name = "azure-bookings"

[[topics.subscriptions]]
name = "gate"
requires_session = true

[[topics]]
name = "azure-tickets"

[[topics.subscriptions]]
name = "all"

[[topics.subscriptions]]
name = "none"
rules = [{ name = "$Default", kind = "false" }]

[[topics.subscriptions]]
name = "dear"
rules = [{ name = "$Default", kind = "sql", expression = "price > 100" }]

[[topics.subscriptions]]
name = "sold"
rules = [{ name = "$Default", kind = "correlation", properties = { "sys.Label" = "sold" } }]

[[topics.subscriptions]]
name = "north"
rules = [{ name = "$Default", kind = "correlation", properties = { site = "north" } }]

[[topics.subscriptions]]
name = "marked"
[[topics.subscriptions.rules]]
name = "$Default"
kind = "sql"
expression = "price > 100"
action = "SET vip = TRUE"

[[topics.subscriptions]]
name = "strict"
rules = [{ name = "$Default", kind = "sql", expression = "sys.Label = 'odd' AND price > 100" }]

[[topics]]
name = "azure-js-tickets"

[[topics.subscriptions]]
name = "ruled"

[[topics.subscriptions]]
name = "sessions"
requires_session = true

[[topics]]
name = "azure-async-tickets"

[[topics.subscriptions]]
name = "sold"
rules = [{ name = "$Default", kind = "correlation", properties = { "sys.Label" = "sold" } }]
"""


@pytest.fixture(scope="session")
def azure_broker() -> Iterator[BrokerProcess]:
    """A `--dev` broker for Azure's SDKs, with the entities that their tests name."""
    queues = "".join(QUEUES.format(client=client) for client in ("azure", "azure-js"))
    with BrokerProcess(config=queues + AZURE) as process:
        yield process


@pytest.fixture(scope="session")
def open_broker(configured: Path) -> Iterator[BrokerProcess]:
    """One `--dev` broker for all cases that leave it as it is."""
    with BrokerProcess("--config", str(configured)) as process:
        yield process


@pytest.fixture(scope="session")
def guarded(configured: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    certificate, key = make_certificate(home)
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    arguments = ("--config", str(configured), *tls)
    with BrokerProcess(*arguments, data_dir=home / "data", dev=False) as process:
        made = json.loads((home / "data" / "credentials.json").read_text())
        yield Guarded(process, certificate, made["user"], made["password"])


@pytest.fixture
def queue() -> str:
    """A name that no other test uses; `--dev` makes the queue at the first attach."""
    return f"queue-{next(NUMBERS)}"
