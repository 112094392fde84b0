"""Azure's own Service Bus SDK for JavaScript, unmodified: message sessions."""

from typing import Any

import pytest

from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not (NODE_DIR / "node_modules" / "@azure" / "service-bus").is_dir(),
        reason="@azure/service-bus is not installed (cd tests/interop/node && npm ci)",
    ),
]


@pytest.fixture
def given(azure_broker: BrokerProcess, queue: str) -> dict[str, Any]:
    """A session that no other test uses."""
    return {"port": azure_broker.amqp_port, "queue": "sessions-js", "session": f"in-{queue}"}


@pytest.mark.shows(
    "sessions",
    "accept one by its id, receive in order",
    "get and set the state",
    "renew its lock",
)
def test_in_order_with_its_state(given: dict[str, Any]) -> None:
    assert play("sessions", "inOrder", **given) == {
        "id": given["session"],
        "found": ["1", "2", "3"],
        "before": None,
        "state": "page 3",
        "locked": True,
    }


@pytest.mark.shows("sessions", "accept the next free one, also one that comes while it waits")
def test_the_next_one_comes_while_somebody_waits(given: dict[str, Any]) -> None:
    name = given["session"]
    assert play("sessions", "theNextOne", **given) == [name, "late", name]


@pytest.mark.shows(
    "sessions",
    "a held session is refused",
    "no session is free in time",
    "receivers and messages without a session are refused",
)
def test_refusals(given: dict[str, Any]) -> None:
    assert play("sessions", "refusals", **given) == [
        "SessionCannotBeLocked",
        "ServiceTimeout",
        "GeneralError",
        "GeneralError",
    ]


@pytest.mark.shows("sessions", "defer, and receive by number in it")
def test_what_is_deferred(given: dict[str, Any]) -> None:
    assert play("sessions", "deferred", **given) == {
        "state": "deferred",
        "body": "set aside",
        "left": 0,
    }


@pytest.mark.shows(
    "sessions",
    "a lost session refuses what its holder does; its messages come again, counted",
)
def test_losing_it(given: dict[str, Any]) -> None:
    found = play("sessions", "lost", **(given | {"queue": "short-sessions-azure"}))
    assert found == ["SessionLockLost", 1]


@pytest.mark.shows("sessions", "sessions of a subscription")
def test_a_subscription_has_them(given: dict[str, Any]) -> None:
    found = play("sessions", "subscription", topic="azure-js-tickets", **given)
    assert found == [given["session"], "1"]


@pytest.mark.shows("sessions", "handlers that complete by themselves")
def test_a_handler(given: dict[str, Any]) -> None:
    assert play("sessions", "handler", **given) == {"got": ["1", "2", "3"], "left": 0}
