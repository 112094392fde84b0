"""rhea against the broker: getting in, being refused, and coming back."""

from typing import Any

import pytest

from tests.interop.conftest import Guarded
from tests.interop.rhea_client import Scenario, play
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop


@pytest.fixture
def given(guarded: Guarded) -> dict[str, Any]:
    """Where the guarded broker is, and what it takes to get in."""
    return {
        "port": guarded.process.amqp_port,
        "certificate": str(guarded.certificate),
        "username": guarded.user,
        "password": guarded.password,
    }


class TestGettingIn:
    def test_with_tls_and_password(self, given: dict[str, Any]) -> None:
        got = play("connections", "getIn", queue="brief-rhea", **given)
        assert got.pop("protocol").startswith("TLSv1.")
        assert got == {"state": "accepted", "same": True}

    @pytest.mark.parametrize(
        ("wrong", "why"),
        [
            ({"password": "wrong"}, "amqp:unauthorized-access"),
            ({"username": "nobody"}, "amqp:unauthorized-access"),
            ({"password": None}, "amqp:unauthorized-access"),  # it wants ANONYMOUS then
            ({"certificate": None}, "DEPTH_ZERO_SELF_SIGNED_CERT"),  # rhea's own refusal
        ],
        ids=["password", "user", "mechanism", "certificate"],
    )
    def test_not_with_wrong(
        self, given: dict[str, Any], wrong: dict[str, str | None], why: str
    ) -> None:
        got = play("connections", "stayOut", **given | wrong)
        assert got == {"in": False, "why": why}

    def test_not_without_tls(self, given: dict[str, Any]) -> None:
        got = play("connections", "stayOut", transport="tcp", **given)
        assert got == {"in": False, "why": "cut off"}

    def test_a_heartbeat_keeps_it_open(self, given: dict[str, Any]) -> None:
        """§2.4.5: rhea hangs up when it hears nothing for twice its idle-time-out."""
        times = {"idle": 1000, "silence": 3000}  # milliseconds
        got = play("connections", "heartbeat", queue="brief-rhea", **times, **given)
        assert got == "accepted"


class TestRefusals:
    def test_an_unknown_address(self, given: dict[str, Any]) -> None:
        """The error names it; the connection goes on."""
        addresses = ["nowhere", "nowhere/$DeadLetterQueue"]
        refusals = play(
            "connections", "unknownAddress", addresses=addresses, good="brief-rhea", **given
        )
        assert [one["condition"] for one in refusals] == ["amqp:not-found"] * 4
        named = [address for address in addresses for _kind in ("sender", "receiver")]
        for address, one in zip(named, refusals, strict=True):
            assert repr(address) in one["description"]

    def test_a_message_that_is_too_large(self, given: dict[str, Any]) -> None:
        got = play("connections", "tooLarge", queue="narrow-rhea", size=1001, **given)
        condition = "amqp:link:message-size-exceeded"
        assert got == {"max_message_size": 1000, "condition": condition, "state": "accepted"}

    def test_a_dynamic_node_that_has_gone(self, given: dict[str, Any]) -> None:
        got = play("connections", "goneNode", **given)
        assert got["state"] == "accepted"
        assert got["refusal"]["condition"] == "amqp:not-found"


class TestComingBack:
    """The program kills the broker and goes on by itself when it is there again."""

    def test_nothing_accepted_is_lost(self, broker: BrokerProcess) -> None:
        to = {"port": broker.amqp_port, "queue": "orders"}
        producing = Scenario(
            "connections", "produce", pid=broker.pid, count=2000, crashAt=700, **to
        )
        broker.wait()
        broker.restart()
        got = producing.result()
        assert got["disconnections"]
        assert sorted(got["accepted"]) == list(range(2000))
        assert got["inDoubt"]  # some were under way: those may be there twice
        assert set(play("connections", "look", **to)) == set(range(2000))

    def test_what_was_held_comes_again(self, broker: BrokerProcess) -> None:
        to = {"port": broker.amqp_port, "queue": "orders"}
        play("connections", "fill", bodies=["a", "b"], **to)
        consuming = Scenario("connections", "consume", pid=broker.pid, count=3, **to)
        broker.wait()
        broker.restart()
        got = consuming.result()
        assert got["disconnections"]
        assert got["bodies"] == ["a", "a", "b"]
        assert play("connections", "look", **to) == []
