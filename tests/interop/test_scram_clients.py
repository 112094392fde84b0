"""SCRAM-SHA-256 by what others made: scramp over our wire, MQTT.js, Cyrus SASL in Proton.

paho-mqtt passes the method on and has no answer to an AUTH, so it cannot log in so.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.events import AuthReceived, Connected, ConnectRefused
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    Properties,
)
from peeklock.security.scram import make_verifier
from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer

pytestmark = pytest.mark.interop
NAME = "dévice,7"
PASSWORD = "I\u00adX pencil"
CONFIG = f"""
[[users]]
name = "{NAME}"
scram_verifier = "{make_verifier(PASSWORD, b"0123456789abcdef", 15_000)}"

[[users]]
name = "plain"
scram_verifier = "{make_verifier("pencil", b"0123456789abcdeg", 15_000)}"

[[queues]]
name = "orders"
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=CONFIG, dev=False) as process:
        yield process


class TestScramp:
    """It prepares the name and the password itself."""

    @pytest.fixture
    def scramp(self) -> Any:
        return pytest.importorskip("scramp", reason="scramp is not installed")

    def test_over_mqtt(self, scramp: Any, broker: BrokerProcess) -> None:
        mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-1"]
        client = scramp.ScramClient(mechanisms, NAME, PASSWORD)
        told = {
            AUTHENTICATION_METHOD: client.mechanism_name,
            AUTHENTICATION_DATA: client.get_client_first().encode(),
        }
        with MqttPeer(broker.mqtt_port, Connect("", properties=Properties(told))) as peer:
            asked = peer.expect(AuthReceived).auth.properties.binary(AUTHENTICATION_DATA)
            client.set_server_first((asked or b"").decode())
            peer.engine.authenticate(0x18, client.get_client_final().encode())
            peer.flush()
            proof = peer.expect(Connected).connack.properties.binary(AUTHENTICATION_DATA)
            client.set_server_final((proof or b"").decode())
            peer.put("$queue/orders", b"1")

    def test_the_wrong_password(self, scramp: Any, broker: BrokerProcess) -> None:
        client = scramp.ScramClient(["SCRAM-SHA-256"], NAME, "pen")
        told = {
            AUTHENTICATION_METHOD: client.mechanism_name,
            AUTHENTICATION_DATA: client.get_client_first().encode(),
        }
        with MqttPeer(broker.mqtt_port, Connect("", properties=Properties(told))) as peer:
            asked = peer.expect(AuthReceived).auth.properties.binary(AUTHENTICATION_DATA)
            client.set_server_first((asked or b"").decode())
            peer.engine.authenticate(0x18, client.get_client_final().encode())
            peer.flush()
            assert peer.expect(ConnectRefused).connack.reason_code == 0x87


@pytest.mark.skipif(
    not (NODE_DIR / "node_modules" / "mqtt").is_dir(),
    reason="mqtt is not installed (cd tests/interop/node && npm ci)",
)
class TestMqttJs:
    def test_login_and_anew(self, broker: BrokerProcess) -> None:
        url = f"mqtt://127.0.0.1:{broker.mqtt_port}"
        given = {"url": url, "user": "plain", "topic": "$queue/orders"}
        assert play("mqttjs", "scram", password="pencil", **given) == {"proved": [True, True]}
        assert play("mqttjs", "scram", password="pen", **given) == {"refused": 0x87}


class TestProton:
    """Cyrus' SASL library has the mechanism, where Proton was built with it."""

    @pytest.fixture
    def proton(self) -> Any:
        proton = pytest.importorskip("proton", reason="python-qpid-proton is not installed")
        if not proton.SASL.extended():
            pytest.skip("Proton was built without Cyrus SASL (libsasl2-dev, libsasl2-modules)")
        return proton

    def test_login(self, proton: Any, broker: BrokerProcess) -> None:
        from proton.utils import BlockingConnection

        connection = BlockingConnection(
            f"amqp://127.0.0.1:{broker.amqp_port}",
            timeout=15, user="plain", password="pencil", allowed_mechs="SCRAM-SHA-256",
        )  # fmt: skip
        sender = connection.create_sender("orders")
        sender.send(proton.Message(body=b"1"))
        assert connection.conn.transport.sasl().mech == "SCRAM-SHA-256"
        connection.close()

    def test_the_wrong_password(self, proton: Any, broker: BrokerProcess) -> None:
        from proton.utils import BlockingConnection

        with pytest.raises(proton.ConnectionException, match="Authentication failed"):
            BlockingConnection(
                f"amqp://127.0.0.1:{broker.amqp_port}",
                timeout=15, user="plain", password="pen", allowed_mechs="SCRAM-SHA-256",
            )  # fmt: skip
