"""Azure's own Service Bus SDK for JavaScript, unmodified, through WebSockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate

pytestmark = pytest.mark.interop


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
        config = f'http_tls_cert = "{certificate}"\nhttp_tls_key = "{key}"\n'
        with BrokerProcess(config=config) as process:
            yield process

    @pytest.mark.shows("running", "AMQP over WebSockets")
    def test_it_goes_round_in_javascript(self, tls_broker: BrokerProcess, queue: str) -> None:
        found = play(
            "servicebus", "roundTrip",
            port=tls_broker.http_port, queue=queue, throughWebSocket=True,
        )  # fmt: skip
        assert found["body"] == {"order": 4711}
