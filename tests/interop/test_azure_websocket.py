"""Azure's own Service Bus SDK for Python, unmodified, through WebSockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.azure_client import Message, client, servicebus, texts
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop


class TestAzurePython:
    @pytest.fixture
    def bus(self, azure_broker: BrokerProcess) -> Iterator[Any]:
        pytest.importorskip("websocket", reason="websocket-client is not installed")
        with client(
            azure_broker.amqp_port,
            transport_type=servicebus.TransportType.AmqpOverWebsocket,
            custom_endpoint_address=f"sb://localhost:{azure_broker.http_port}",
        ) as one:
            yield one

    @pytest.mark.shows("running", "AMQP over WebSockets")
    def test_jobs_go_round(self, bus: Any, queue: str) -> None:
        with bus.get_queue_sender(queue) as sender:
            sender.send_messages([Message(str(number)) for number in range(20)])
        with bus.get_queue_receiver(queue) as receiver:
            got = receiver.receive_messages(20, max_wait_time=2)
            assert texts(got) == [str(number) for number in range(20)]
            receiver.renew_message_lock(got[0])
            for message in got[:-1]:
                receiver.complete_message(message)
            receiver.abandon_message(got[-1])
            (again,) = receiver.receive_messages(1, max_wait_time=2)
            assert (str(again), again.delivery_count) == ("19", 1)
            receiver.dead_letter_message(again, "Broken", "why")

    @pytest.mark.shows("running", "AMQP over WebSockets")
    def test_a_large_message(self, bus: Any, queue: str) -> None:
        body = bytes(range(256)) * 3000
        with bus.get_queue_sender(queue) as sender:
            sender.send_messages(Message(body))
        with bus.get_queue_receiver(queue) as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=5)
            assert b"".join(got.body) == body
            receiver.complete_message(got)
