"""rhea through WebSockets, and MQTT.js through these and through sockets."""

from typing import Any

import pytest

from tests.interop.rhea_client import NODE_DIR, play
from tests.support.broker_process import BrokerProcess

pytestmark = pytest.mark.interop


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (NODE_DIR / "node_modules" / package).is_dir(),
        reason=f"{package} is not installed (cd tests/interop/node && npm ci)",
    )


@needs("ws")
class TestRhea:
    @pytest.fixture(params=["/amqp", "/$servicebus/websocket", "/"])
    def given(
        self, open_broker: BrokerProcess, queue: str, request: pytest.FixtureRequest
    ) -> dict[str, Any]:
        return {"port": open_broker.http_port, "queue": queue, "path": request.param}

    def test_one(self, given: dict[str, Any]) -> None:
        assert play("everyday", "one", **given)["got"]["message_id"] == "order-1"

    def test_many_under_way(self, given: dict[str, Any]) -> None:
        outcomes = play("everyday", "manyUnderWay", count=500, **given)
        assert [outcome["state"] for outcome in outcomes] == ["accepted"] * 500

    def test_large(self, given: dict[str, Any]) -> None:
        expected = {"sent": "accepted", "same": True, "settled": "accepted"}
        assert play("everyday", "large", **given) == expected


@needs("mqtt")
class TestMqttJs:
    @pytest.fixture(params=["mqtt", "ws", "ws without a path"])
    def url(self, open_broker: BrokerProcess, request: pytest.FixtureRequest) -> str:
        if request.param == "mqtt":
            return f"mqtt://127.0.0.1:{open_broker.mqtt_port}"
        path = "/mqtt" if request.param == "ws" else ""
        return f"ws://127.0.0.1:{open_broker.http_port}{path}"

    @pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5.0"])
    def test_jobs_go_round(self, url: str, queue: str, version: int) -> None:
        bodies = [f"job {number}" for number in range(5)]
        topic = f"$queue/{queue}"
        found = play("mqttjs", "jobs", url=url, version=version, queue=topic, bodies=bodies)
        assert found == {"got": bodies, "left": []}

    def test_the_door_is_shut_to_strangers(self, guarded_http: BrokerProcess) -> None:
        url = f"ws://127.0.0.1:{guarded_http.http_port}/mqtt"
        wrong = play(
            "mqttjs", "refused", url=url, username="a", password="b", protocolVersion=5
        )
        assert wrong == "134"  # bad user name or password
        assert play("mqttjs", "refused", url=url, protocolVersion=5) == "135"

    @pytest.fixture
    def guarded_http(self) -> Any:
        with BrokerProcess(dev=False) as process:
            yield process
