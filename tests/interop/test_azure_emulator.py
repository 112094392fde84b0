"""Instead of Azure's emulator: its Config.json, its variables, and the SDK as for it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.interop.azure_client import (
    DEAD_LETTER,
    WAIT_SECONDS,
    Message,
    client,
    exceptions,
    texts,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CONFIG = Path(__file__).parents[2] / "compose/emulator/Config.json"
VARIABLES = {
    "ACCEPT_EULA": "Y",
    "SQL_SERVER": "mssql",
    "MSSQL_SA_PASSWORD": "secret",
    "SQL_WAIT_INTERVAL": "15",
    "PEEKLOCK_EMULATOR": "true",
    "PEEKLOCK_EPHEMERAL": "true",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[BrokerProcess]:
    arguments = ("--config", str(CONFIG))
    with BrokerProcess(*arguments, dev=False, env=VARIABLES) as process:
        yield process


@pytest.mark.shows("running", "the emulator's `Config.json`: queues, topics, rules")
def test_a_queue(emulator: BrokerProcess) -> None:
    with client(emulator.amqp_port) as bus:
        with bus.get_queue_sender("orders") as sender:
            sender.send_messages([Message("a"), Message("b")])
        with bus.get_queue_receiver("orders") as receiver:
            got = receiver.receive_messages(2, max_wait_time=WAIT_SECONDS)
            assert texts(got) == ["a", "b"]
            for message in got:
                receiver.complete_message(message)


@pytest.mark.shows("running", "the emulator's `Config.json`: queues, topics, rules")
def test_a_topic_with_its_rule(emulator: BrokerProcess) -> None:
    with client(emulator.amqp_port) as bus:
        with bus.get_topic_sender("tickets") as sender:
            sender.send_messages([Message("a", subject="sold"), Message("b", subject="lost")])
        with bus.get_subscription_receiver("tickets", "gate") as receiver:
            (got,) = receiver.receive_messages(2, max_wait_time=WAIT_SECONDS)
            assert texts([got]) == ["a"]
            receiver.complete_message(got)


@pytest.mark.shows("running", "the emulator's defaults, where `Config.json` says nothing")
def test_what_is_left_out(emulator: BrokerProcess) -> None:
    """An hour to live, and three deliveries."""
    with client(emulator.amqp_port) as bus:
        with bus.get_topic_sender("tickets") as sender:
            sender.send_messages(Message("hourly", subject="sold"))
        with bus.get_subscription_receiver("tickets", "gate") as receiver:
            for times in range(3):
                (got,) = receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
                assert got.delivery_count == times
                assert got.expires_at_utc - got.enqueued_time_utc == timedelta(hours=1)
                receiver.abandon_message(got)
        dead = bus.get_subscription_receiver("tickets", "gate", sub_queue=DEAD_LETTER)
        with dead:
            (got,) = dead.receive_messages(1, max_wait_time=WAIT_SECONDS)
            assert got.dead_letter_reason == "MaxDeliveryCountExceeded"
            assert got.delivery_count == 3
            dead.complete_message(got)


@pytest.mark.shows("running", "in the emulator's place an unknown name is refused")
def test_no_queue_is_made_by_asking_for_it(emulator: BrokerProcess) -> None:
    """As with the emulator, and unlike --dev: a typing error shows."""
    with (
        client(emulator.amqp_port) as bus,
        pytest.raises(exceptions.MessagingEntityNotFoundError),
        bus.get_queue_sender("order") as sender,
    ):
        sender.send_messages(Message("a"))


@pytest.mark.shows("refusals", "an entity that is deleted while it is in use")
def test_deleted_meanwhile(emulator: BrokerProcess) -> None:
    """Each of those who have it open hears at its next step that it is not there."""
    operator = AmqpOperator(emulator.amqp_port)
    operator.create("doomed")
    gone = pytest.raises(exceptions.MessagingEntityNotFoundError, match="doomed")
    with (
        client(emulator.amqp_port) as bus,
        bus.get_queue_sender("doomed") as sender,
        bus.get_queue_receiver("doomed") as receiver,
        bus.get_queue_receiver("doomed") as other,
    ):
        sender.send_messages(Message("a"))
        assert texts(receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)) == ["a"]
        assert texts(other.peek_messages(1)) == ["a"]
        operator.ask("DELETE", "doomed", {})
        with gone:
            sender.send_messages(Message("b"))
        with gone:
            receiver.receive_messages(1, max_wait_time=WAIT_SECONDS)
        with gone:
            other.peek_messages(1)
    operator.peer.socket.close()


@pytest.mark.shows("running", "the emulator's variables do no harm")
def test_it_says_how_open_it_is(emulator: BrokerProcess) -> None:
    assert "anybody may do anything here" in emulator.stderr
    assert "variable is no setting" not in emulator.stderr
