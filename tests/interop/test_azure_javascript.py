"""Azure's own Service Bus SDK for JavaScript, unmodified, against the broker."""

from pathlib import Path
from typing import Any

import pytest

from tests.interop.azure_client import WAIT_SECONDS, client
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


@pytest.fixture
def given(azure_broker: BrokerProcess, queue: str) -> dict[str, Any]:
    return {"port": azure_broker.amqp_port, "queue": queue}


@pytest.mark.shows(
    "sending",
    "a message with its properties and application properties",
)
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


@pytest.mark.shows("sending", "a list of messages, or a batch, as one")
@pytest.mark.shows("receiving", "receive and delete")
def test_a_batch(given: dict[str, Any]) -> None:
    assert play("servicebus", "batch", **given) == list(range(20))


@pytest.mark.shows("settling", "complete", "abandon: it comes again, counted")
@pytest.mark.shows("locks", "renew a lock")
@pytest.mark.shows("later", "defer, and receive by number")
@pytest.mark.shows("dead letters", "dead-letter with a reason, and receive from there")
def test_every_settlement(given: dict[str, Any]) -> None:
    assert play("servicebus", "settle", **given) == {
        "again": ["b", 1],
        "renewed": True,
        "deferred": "c",
        "dead": ["d", "bad", "why"],
        "left": 0,
    }


@pytest.mark.shows("later", "schedule, peek and cancel")
def test_schedule_and_cancel(given: dict[str, Any]) -> None:
    expected = {"count": 2, "states": ["scheduled", "scheduled"], "left": 0}
    assert play("servicebus", "schedule", **given) == expected


@pytest.mark.shows("receiving", "handlers that complete by themselves")
@pytest.mark.shows("sending", "a message without a message-id is given one")
def test_subscribe(given: dict[str, Any]) -> None:
    """Handlers that complete by themselves; message-ids are stamped where there were none."""
    assert play("servicebus", "subscribe", **given) == {"got": ["a", "b", "c"], "left": 0}


@pytest.mark.shows(
    "refusals",
    "an entity that is not there",
    "a full queue",
    "a disabled entity",
)
@pytest.mark.shows("locks", "settle too late: refused as lost")
def test_its_own_errors(given: dict[str, Any]) -> None:
    assert play("servicebus", "errors", **given) == {
        "unknown": "MessagingEntityNotFound",
        "full, first": None,
        "full": "QuotaExceeded",
        "disabled": "MessagingEntityDisabled",
        "lock": "MessageLockLost",
    }


@pytest.mark.shows("refusals", "what is wrong in itself: an argument error, and where")
def test_arguments(given: dict[str, Any]) -> None:
    """It has no code for it, and says the error's name before the text."""
    error = play("servicebus", "wrongRule", topic="azure-js-tickets", **given)
    message = error.pop("message")
    assert error == {"name": "ServiceBusError", "code": "GeneralError", "retryable": False}
    assert message.startswith("ArgumentError: line 1, column 8: expected a property")


@pytest.mark.shows("sending", "AMQP messages: value, sequence and data bodies, headers")
def test_every_body_of_amqp(given: dict[str, Any]) -> None:
    assert play("servicebus", "annotated", **given) == [
        {"bodyType": "value", "body": {"a": [1, None]}, "priority": 7},
        {"bodyType": "sequence", "body": [[1, 2]], "priority": 7},
        {"bodyType": "data", "body": "text", "priority": 7},
    ]


@pytest.mark.shows("sending", "a large message")
def test_large_messages(given: dict[str, Any]) -> None:
    assert play("servicebus", "large", size=5_000_000, **given) == 5_000_000


@pytest.mark.shows("receiving", "iterate over a receiver")
def test_iterating(given: dict[str, Any]) -> None:
    assert play("servicebus", "iterate", **given) == ["a", "b", "c"]


@pytest.mark.shows("receiving", "peek, also from a number on")
def test_peeking(given: dict[str, Any]) -> None:
    assert play("servicebus", "peek", **given) == [["a"], ["b", "c"], ["a", "b", "c"]]


@pytest.mark.shows("locks", "automatic renewal")
def test_locks_are_renewed_by_itself(given: dict[str, Any]) -> None:
    assert play("servicebus", "renewing", **(given | {"queue": "five-azure"})) == 0


@pytest.mark.shows("duplicates", "the second with a message-id is accepted and dropped")
def test_duplicates(given: dict[str, Any]) -> None:
    assert play("servicebus", "duplicates", **(given | {"queue": "once"})) == ["first"]


@pytest.mark.shows(
    "forwarding",
    "a queue passes on what arrives",
)
def test_a_forward(given: dict[str, Any]) -> None:
    way = {"queue": "passed-on-azure", "to": "audit-azure"}
    assert play("servicebus", "forwards", **(given | way)) == ["passed on"]


@pytest.mark.shows(
    "topics",
    "each subscription takes what its rules say",
    "an action changes the copy, which names its rule",
    "the rule manager: create, delete, list",
)
def test_a_topic_and_its_rules(given: dict[str, Any]) -> None:
    assert play("servicebus", "topic", topic="azure-js-tickets", **given) == {
        "names": ["dear", "sold"],
        "got": [["a", {}], ["b", {"price": 500, "vip": "yes", "RuleName": "dear"}]],
    }


@pytest.mark.shows(
    "settling",
    "change properties with abandon, defer and dead-letter (`propertiesToModify`)",
)
def test_properties_are_changed_by_settling(given: dict[str, Any]) -> None:
    at = 1767323045000  # its way with all times in properties
    before = {"kind": "x", "since": at}
    seen = {**before, "seen": True}
    again = {**before, "seen": 2, "rate": 0.5, "none": None, "at": at}
    reason = {"DeadLetterReason": "bad", "DeadLetterErrorDescription": ""}
    assert play("servicebus", "modify", **given) == {
        "abandoned": seen,
        "deferred": seen,
        "again": again,
        "letter": {**seen, **reason},
        "fromDeferred": {**again, **reason, "last": "y"},
    }


@pytest.mark.shows("refusals", "properties that make a message too large")
def test_properties_that_are_too_much_are_refused(given: dict[str, Any]) -> None:
    got = play("servicebus", "modifyTooMuch", **given)
    assert got == {"code": "MessageSizeExceeded", "names": ["log"], "count": 0}


@pytest.mark.differs(
    "locks",
    "When a receiver's connection drops, what it held comes again at once, uncounted. Azure "
    "waits for the lock to run out, and counts.",
)
def test_who_drops_its_connection_gives_back_at_once(given: dict[str, Any]) -> None:
    assert play("servicebus", "leave", **given) == "held"
    with client(given["port"]) as bus, bus.get_queue_receiver(given["queue"]) as receiver:
        (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        assert (str(got), got.delivery_count) == ('"held"', 0)
        receiver.complete_message(got)


@pytest.mark.shows("access", "a shared access key, over TLS", "a wrong key is refused")
def test_a_key_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "0123456789abcdef"
    config = f'[[queues]]\nname = "orders"\n[[access_keys]]\nname = "Root"\nkey = "{key}"\n'
    certificate, private = make_certificate(tmp_path)
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(certificate))
    files = ("--tls-cert", str(certificate), "--tls-key", str(private))
    with BrokerProcess(*files, config=config, dev=False) as process:
        got = play("servicebus", "keys", port=process.amqp_port, queue="orders", key=key)
    assert got == {"got": "job", "wrong": "UnauthorizedAccess"}
