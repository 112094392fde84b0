"""Azure's own Service Bus SDKs, unmodified, through WebSockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.azure_client import Message, client, servicebus, texts
from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate

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

    def test_a_large_message(self, bus: Any, queue: str) -> None:
        body = bytes(range(256)) * 3000
        with bus.get_queue_sender(queue) as sender:
            sender.send_messages(Message(body))
        with bus.get_queue_receiver(queue) as receiver:
            (got,) = receiver.receive_messages(1, max_wait_time=5)
            assert b"".join(got.body) == body
            receiver.complete_message(got)


@pytest.mark.skipif(
    not (NODE_DIR / "node_modules" / "ws").is_dir(),
    reason="ws is not installed (cd tests/interop/node && npm ci)",
)
class TestAzureJavaScript:
    """It knows TLS alone, for the emulator, too."""

    @pytest.fixture
    def tls_broker(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[BrokerProcess]:
        certificate, key = make_certificate(tmp_path)
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(certificate))
        file = tmp_path / "peeklock.toml"
        file.write_text(f'http_tls_cert = "{certificate}"\nhttp_tls_key = "{key}"\n')
        with BrokerProcess("--config", str(file)) as process:
            yield process

    def test_what_is_sent_comes(self, tls_broker: BrokerProcess, queue: str) -> None:
        found = play(
            "servicebus", "roundTrip",
            port=tls_broker.http_port, queue=queue, throughWebSocket=True,
        )  # fmt: skip
        assert found["body"] == {"order": 4711}
