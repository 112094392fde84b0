"""Azure's own Service Bus SDK for JavaScript, unmodified, against the broker."""

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
    return {"port": azure_broker.amqp_port, "queue": queue}


def test_what_is_sent_comes(given: dict[str, Any]) -> None:
    assert play("servicebus", "roundTrip", **given) == {
        "body": {"order": 4711},
        "id": "order-1",
        "subject": "booked",
        "correlation": "c",
        "type": "application/json",
        "replyTo": "answers",
        "to": "erp",
        "ttl": 300000,
        "properties": {"whole": 1, "real": 0.5, "yes": True, "text": "ä"},
        "number": 1,
        "count": 0,
        "state": "active",
    }


def test_a_batch(given: dict[str, Any]) -> None:
    assert play("servicebus", "batch", **given) == list(range(20))


def test_every_settlement(given: dict[str, Any]) -> None:
    assert play("servicebus", "settle", **given) == {
        "again": ["b", 1],
        "renewed": True,
        "deferred": "c",
        "dead": ["d", "bad", "why"],
        "left": 0,
    }


def test_schedule_and_cancel(given: dict[str, Any]) -> None:
    expected = {"count": 2, "states": ["scheduled", "scheduled"], "left": 0}
    assert play("servicebus", "schedule", **given) == expected


def test_subscribe(given: dict[str, Any]) -> None:
    """Handlers that complete by themselves; message-ids are stamped where there were none."""
    assert play("servicebus", "subscribe", **given) == {"got": ["a", "b", "c"], "left": 0}


def test_its_own_errors(given: dict[str, Any]) -> None:
    assert play("servicebus", "errors", **given) == {
        "unknown": "MessagingEntityNotFound",
        "full, first": None,
        "full": "QuotaExceeded",
        "disabled": "MessagingEntityDisabled",
        "lock": "MessageLockLost",
    }
