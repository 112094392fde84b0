"""rhea (the AMQP 1.0 client for JavaScript) against the broker: the everyday of a client."""

from typing import Any

import pytest

from tests.interop.rhea_client import play
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop


@pytest.fixture
def given(open_broker: BrokerProcess, queue: str) -> dict[str, Any]:
    """What every scenario is given: where the broker is, and a queue of its own."""
    return {"port": open_broker.amqp_port, "queue": queue}


def outcome(state: str, **details: object) -> dict[str, object]:
    """An outcome as the programs tell it."""
    plain = {"failed": False, "undeliverable": False, "condition": None, "description": None}
    return {"state": state} | plain | details


class TestSending:
    def test_one(self, given: dict[str, Any]) -> None:
        assert play("everyday", "one", **given) == {
            "outcome": outcome("accepted"),
            "got": {
                "message_id": "order-1",
                "subject": "booked",
                "durable": True,
                "priority": 7,
                "delivery_count": 0,
                "body": "a",
            },
        }

    def test_settled_beforehand(self, given: dict[str, Any]) -> None:
        """At most once: more than the credit of one grant, and no answers."""
        bodies = play("everyday", "settledBeforehand", count=2500, **given)
        assert bodies == list(range(2500))

    def test_many_under_way(self, given: dict[str, Any]) -> None:
        outcomes = play("everyday", "manyUnderWay", count=500, **given)
        assert outcomes == [outcome("accepted")] * 500

    def test_large(self, given: dict[str, Any]) -> None:
        expected = {"sent": "accepted", "same": True, "settled": "accepted"}
        assert play("everyday", "large", **given) == expected


class TestOutcomes:
    """The broker answers each with its own settled one, the same."""

    def test_accepted(self, given: dict[str, Any]) -> None:
        got = play("everyday", "settle", outcome="accept", details=[], **given)
        assert got == {"answer": outcome("accepted"), "next": ["later", 0]}

    def test_released(self, given: dict[str, Any]) -> None:
        """No attempt is counted."""
        got = play("everyday", "settle", outcome="release", details=[], **given)
        assert got == {"answer": outcome("released"), "next": ["job", 0]}

    def test_modified_delivery_failed(self, given: dict[str, Any]) -> None:
        """An attempt is counted."""
        details = [{"delivery_failed": True}]
        got = play("everyday", "settle", outcome="modified", details=details, **given)
        assert got == {"answer": outcome("modified", failed=True), "next": ["job", 1]}

    def test_modified_undeliverable_here(self, given: dict[str, Any]) -> None:
        """Deferred: it comes no more by itself, but to whoever asks for its number."""
        details = [{"undeliverable_here": True}]
        got = play("everyday", "settle", outcome="modified", details=details, **given)
        assert got == {"answer": outcome("modified", undeliverable=True), "next": ["later", 0]}
        assert play("everyday", "takeDeferred", **given) == {
            "status": 200,
            "correlation_id": "ask",
            "body": "job",
            "properties": {"order": 4711},
        }

    def test_rejected(self, given: dict[str, Any]) -> None:
        """Dead-lettered; the error says why."""
        details = [{"condition": "app:no-such-order", "description": "4711 is unknown"}]
        got = play("everyday", "settle", outcome="reject", details=details, **given)
        assert got == {"answer": outcome("rejected"), "next": ["later", 0]}
        assert play("everyday", "deadLetter", **given) == {
            "body": "job",
            "properties": {
                "order": 4711,
                "DeadLetterReason": "app:no-such-order",
                "DeadLetterErrorDescription": "4711 is unknown",
            },
            "source": given["queue"],
        }

    def test_rejected_with_service_bus_info(self, given: dict[str, Any]) -> None:
        info = {"DeadLetterReason": "NoSuchOrder", "DeadLetterErrorDescription": "4711"}
        details = [{"condition": "com.microsoft:dead-letter", "info": info}]
        play("everyday", "settle", outcome="reject", details=details, **given)
        dead = play("everyday", "deadLetter", **given)
        assert dead["properties"] == {"order": 4711, **info}

    @pytest.mark.parametrize(
        ("chosen", "details", "again"),
        [
            ("accept", [], False),
            ("reject", [], False),
            ("release", [], True),
            ("modified", [{"delivery_failed": True}], True),
            ("modified", [{"undeliverable_here": True}], False),
        ],
    )
    def test_settled_at_once(
        self, given: dict[str, Any], chosen: str, details: list[Any], again: bool
    ) -> None:
        """As rhea does it unless told otherwise: no answer, the same effect."""
        choice = {"outcome": chosen, "details": details, "comesAgain": again}
        assert play("everyday", "settleAtOnce", **choice, **given) == {"again": again}

    def test_a_closed_link_gives_back(self, given: dict[str, Any]) -> None:
        got = play("everyday", "closedLink", **given)
        assert got == {"body": "job", "delivery_count": 0}

    def test_a_lost_lock_is_told(self, given: dict[str, Any]) -> None:
        got = play("everyday", "lostLock", **given | {"queue": "brief-rhea"})
        answer = got["answer"]
        assert answer["state"] == "rejected"
        assert answer["condition"] == "com.microsoft:message-lock-lost"
        assert "was lost" in answer["description"]
        assert (got["delivery_count"], got["state"]) == (1, "accepted")


class TestCredit:
    def test_is_not_exceeded(self, given: dict[str, Any]) -> None:
        """Of six messages as many come as are asked for, and then it is quiet."""
        assert play("everyday", "credit", **given) == [[0, True], [3, True], [2, True]]

    @pytest.mark.parametrize("count", [0, 4])
    def test_drain(self, given: dict[str, Any], count: int) -> None:
        """What is there comes, the rest of the credit goes, and can be granted anew."""
        got = play("everyday", "drain", count=count, **given)
        assert got == {"drained": count, "credit": 0, "later": count, "after": count + 1}

    def test_a_receiver_without_locks(self, given: dict[str, Any]) -> None:
        """At most once: what is sent is settled, and gone."""
        got = play("everyday", "withoutLocks", **given)
        assert got == {"body": 0, "settled": True, "empty": True}


class TestLinks:
    def test_a_hundred_each_way(self, given: dict[str, Any]) -> None:
        got = play("everyday", "manyLinks", count=100, **given)
        assert len(got["names"]) == 100
        assert got["bodies"] == got["names"]

    def test_a_hundred_sessions(self, given: dict[str, Any]) -> None:
        """Each with a link of its own, on one connection."""
        outcomes = play("everyday", "manySessions", count=100, **given)
        assert outcomes == [outcome("accepted")] * 100

    def test_browsing(self, given: dict[str, Any]) -> None:
        """distribution-mode copy: all there is, in any state, and nothing is taken."""
        got = play("everyday", "browse", **given)
        assert got == {"seen": [0, 1, 2], "quiet": True, "next": [1, 0]}

    def test_request_and_response(self, given: dict[str, Any]) -> None:
        """A dynamic node takes the replies."""
        got = play("everyday", "requestAndResponse", **given)
        assert got == {"body": 4, "correlation_id": "sum"}

    def test_a_full_queue(self, given: dict[str, Any]) -> None:
        got = play("everyday", "fullQueue", **given | {"queue": "full-rhea"})
        assert (got["fits"], got["again"]) == ("accepted", "accepted")
        assert got["refused"]["state"] == "rejected"
        assert got["refused"]["condition"] == "amqp:resource-limit-exceeded"
        assert "full-rhea" in got["refused"]["description"]
