"""CloudEvents through a running broker by other people's MQTT clients and SDKs.

The SDK for Python has no MQTT binding: aiomqtt and paho-mqtt carry its JSON. The SDK for
JavaScript has one, and MQTT.js carries that. Mosquitto's commands and curl say it all by hand.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from peeklock.cloudevents.amqp_binding import read_amqp
from peeklock.frontends.amqp_event import parts_of
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer

pytestmark = pytest.mark.interop
SECONDS = 20
PACKAGES = Path(__file__).parent / "node" / "node_modules"
JSON_EVENT = "application/cloudevents+json"
DATA = {"degrees": 21.5, "room": "4"}
TEXTS = {
    "specversion": "1.0",
    "id": "A234-1234",
    "source": "/site/berlin",
    "type": "com.example.opened",
    "subject": "Zimmer ü € 4",
    "time": "2018-04-05T17:31:00.123Z",
    "datacontenttype": "application/json",
    "region": "north",
}
DOCUMENT: dict[str, Any] = {**TEXTS, "data": DATA}
HEADERS = {
    **{f"ce-{name}": text for name, text in TEXTS.items() if name != "datacontenttype"},
    "ce-subject": "Zimmer%20%C3%BC%20%E2%82%AC%204",
    "Content-Type": "application/json",
}


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess() as process:
        yield process


def post_binary(broker: BrokerProcess, entity: str) -> None:
    body = json.dumps(DATA)
    answer = HttpPeer(broker).ask_with("POST", f"/{entity}/events", body, HEADERS)
    assert answer.status == 202, answer.body


def take_document(broker: BrokerProcess, queue: str) -> Any:
    """What an HTTP worker gets of it."""
    path = f"/{queue}/events/head?timeout=20"
    answer = HttpPeer(broker).ask("DELETE", path, Accept=JSON_EVENT)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(JSON_EVENT)
    return json.loads(answer.body)


def take_by_amqp(broker: BrokerProcess, queue: str) -> dict[str, str]:
    with ready_peer(broker.amqp_port) as peer:
        peer.attach_receiver(queue, 0, credit=1)
        return read_amqp(parts_of(peer.receive()[1].bare)).texts()


# ---- Python


@pytest.fixture
def sdk() -> Any:
    """Events, and their JSON."""
    why = "cloudevents is not installed (pip install cloudevents)"
    events = pytest.importorskip("cloudevents.core.v1.event", reason=why)
    formats = pytest.importorskip("cloudevents.core.formats.json", reason=why)

    class Sdk:
        made = events.CloudEvent(
            {**TEXTS, "time": datetime(2018, 4, 5, 17, 31, 0, 123_000, UTC)}, DATA
        )

        def write(self) -> bytes:
            written: bytes = formats.JSONFormat().write(self.made)
            return written

        def check(self, document: bytes) -> None:
            """It reads the event that it has made."""
            read = formats.JSONFormat().read(events.CloudEvent, document)
            assert read.get_attributes() == self.made.get_attributes()
            assert read.get_data() == DATA

    return Sdk()


def properties_in(content_type: str, user: dict[str, str]) -> Any:
    """Of a PUBLISH, as paho-mqtt has them, and aiomqtt too."""
    properties = pytest.importorskip("paho.mqtt.properties", reason="no paho-mqtt")
    packets = pytest.importorskip("paho.mqtt.packettypes", reason="no paho-mqtt")
    found = properties.Properties(packets.PacketTypes.PUBLISH)
    found.ContentType = content_type
    if user:
        found.UserProperty = list(user.items())
    return found


USER = {name: text for name, text in TEXTS.items() if name != "datacontenttype"}


class TestAiomqtt:
    """asyncio; a signal goes to a subscriber of each version."""

    async def exchange(
        self, broker: BrokerProcess, topic: str, version: str, payload: bytes, properties: Any
    ) -> tuple[Any, Any]:
        aiomqtt = pytest.importorskip("aiomqtt", reason="aiomqtt is not installed")

        def client(of: str) -> Any:
            protocol = aiomqtt.ProtocolVersion[of]
            return aiomqtt.Client("127.0.0.1", broker.mqtt_port, protocol=protocol)

        async with client("V5") as new, client("V311") as old, client(version) as sender:
            for one in (new, old):
                await one.subscribe(f"{topic}/#", qos=1)
            more = {} if properties is None else {"properties": properties}
            await sender.publish(f"{topic}/a", payload, qos=1, **more)
            got = []
            for one in (new, old):
                async with asyncio.timeout(SECONDS):
                    got.append(await anext(one.messages))
        return got[0], got[1]

    def test_binary(self, broker: BrokerProcess, sdk: Any) -> None:
        pytest.importorskip("aiomqtt", reason="aiomqtt is not installed")
        properties = properties_in("application/json", USER)
        payload = json.dumps(DATA).encode()
        given = self.exchange(broker, "aio-binary", "V5", payload, properties)
        new, old = asyncio.run(given)
        assert new.payload == payload
        assert new.properties.ContentType == "application/json"
        assert dict(new.properties.UserProperty) == USER
        sdk.check(old.payload)

    @pytest.mark.parametrize("version", ["V5", "V311"])
    def test_structured(self, broker: BrokerProcess, sdk: Any, version: str) -> None:
        pytest.importorskip("aiomqtt", reason="aiomqtt is not installed")
        properties = properties_in(JSON_EVENT, {}) if version == "V5" else None
        given = self.exchange(broker, f"aio-{version}", version, sdk.write(), properties)
        new, old = asyncio.run(given)
        assert new.payload == old.payload == sdk.write()
        assert new.properties.ContentType == JSON_EVENT
        sdk.check(old.payload)


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5.0"])
class TestPaho:
    def client(self, broker: BrokerProcess, version: int) -> tuple[Any, Queue[Any]]:
        paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
        one = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=version)
        got: Queue[Any] = Queue()
        one.on_message = lambda *given: got.put(given[2])
        one.connect("127.0.0.1", broker.mqtt_port)
        one.loop_start()
        return one, got

    def test_what_the_sdk_writes_is_an_event_for_others(
        self, broker: BrokerProcess, sdk: Any, version: int
    ) -> None:
        one, _got = self.client(broker, version)
        queue = f"paho-in-{version}"
        more = {"properties": properties_in(JSON_EVENT, {})} if version == 5 else {}
        for _ in range(2):
            one.publish(f"$queue/{queue}", sdk.write(), 1, **more).wait_for_publish(SECONDS)
        one.disconnect()
        one.loop_stop()
        sdk.check(json.dumps(take_document(broker, queue)).encode())
        texts = take_by_amqp(broker, queue)
        assert texts["subject"] == TEXTS["subject"]

    def test_an_event_of_http(self, broker: BrokerProcess, sdk: Any, version: int) -> None:
        queue = f"paho-out-{version}"
        post_binary(broker, queue)
        one, got = self.client(broker, version)
        one.subscribe(f"$queue/{queue}", 1)
        message = got.get(timeout=SECONDS)
        one.disconnect()
        one.loop_stop()
        if version == 5:
            assert dict(message.properties.UserProperty) == USER
            assert message.properties.ContentType == "application/json"
            assert json.loads(message.payload) == DATA
        else:
            sdk.check(message.payload)


# ---- JavaScript


def play_events(scenario: str, **given: object) -> Any:
    from tests.interop.rhea_client import play  # skips where there is no node

    for package in ("mqtt", "cloudevents"):
        if not (PACKAGES / package).is_dir():
            pytest.skip(f"{package} is not installed (cd tests/interop/node && npm ci)")
    return play("mqttevents", scenario, **given)


class TestMqttJs:
    @pytest.fixture
    def url(self, broker: BrokerProcess) -> str:
        return f"mqtt://127.0.0.1:{broker.mqtt_port}"

    @staticmethod
    def same(got: dict[str, Any]) -> None:
        """Its binary mode gives data as text, and reads no content type but that of a user
        property."""
        if isinstance(got["data"], str):
            got["data"] = json.loads(got["data"])
        got.setdefault("datacontenttype", "application/json")
        assert got == DOCUMENT

    @pytest.mark.parametrize("way", [(5, 5, "binary"), (5, 4, "binary"), (5, 5, "structured"),
                                     (5, 4, "structured"), (4, 5, "structured"),
                                     (4, 4, "structured")])  # fmt: skip
    def test_from_version_to_version(self, url: str, way: tuple[int, int, str]) -> None:
        sender, receiver, mode = way
        topic = f"js/{sender}/{receiver}/{mode}"
        given = {"from": sender, "to": receiver, "mode": mode, "topic": topic}
        self.same(play_events("between", url=url, event=DOCUMENT, **given))

    @pytest.mark.parametrize("way", [(5, "binary"), (5, "structured"), (4, "structured")])
    def test_to_others(self, broker: BrokerProcess, url: str, way: tuple[int, str]) -> None:
        version, mode = way
        queue = f"js-in-{version}-{mode}"
        for _ in range(2):
            given = {"version": version, "mode": mode, "topic": f"$queue/{queue}"}
            assert play_events("send", url=url, event=DOCUMENT, **given) == "sent"
        assert take_document(broker, queue) == DOCUMENT
        assert take_by_amqp(broker, queue) == TEXTS

    @pytest.mark.parametrize("version", [4, 5])
    def test_from_others(self, broker: BrokerProcess, url: str, version: int) -> None:
        queue = f"js-out-{version}"
        post_binary(broker, queue)
        self.same(play_events("receive", url=url, version=version, topic=f"$queue/{queue}"))

    def test_a_refusal(self, url: str) -> None:
        wrong = {**USER, "time": "yesterday"}
        found = play_events("refused", url=url, topic="$queue/js-wrong", userProperties=wrong)
        assert found["code"] == 0x83


# ---- commands


def user_properties(user: dict[str, str]) -> list[str]:
    return [word for pair in user.items() for word in ("-D", "publish", "user-property", *pair)]


class TestCommands:
    @pytest.fixture(autouse=True)
    def commands(self) -> None:
        for command in ("mosquitto_pub", "mosquitto_sub", "curl"):
            if shutil.which(command) is None:
                pytest.skip(f"{command} is not there")

    @staticmethod
    def run(*words: str) -> str:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def mosquitto(self, broker: BrokerProcess, command: str, *words: str) -> str:
        where = ("-h", "127.0.0.1", "-p", str(broker.mqtt_port), "-q", "1")
        return self.run(f"mosquitto_{command}", *where, *words)

    def curl(self, broker: BrokerProcess, path: str, *words: str) -> str:
        url = f"http://127.0.0.1:{broker.http_port}{path}"
        return self.run("curl", "--silent", "--show-error", "--fail", url, *words)

    def test_from_mosquitto_to_curl(self, broker: BrokerProcess) -> None:
        user = [
            word for pair in USER.items() for word in ("-D", "publish", "user-property", *pair)
        ]
        kind = ("-D", "publish", "content-type", "application/json")
        topic = ("-t", "$queue/command-binary")
        body = ("-m", json.dumps(DATA))
        self.mosquitto(broker, "pub", "-V", "5", *topic, *body, *kind, *user)
        head = "/command-binary/events/head?timeout=20"
        asked = ("-X", "DELETE", "--header", f"Accept: {JSON_EVENT}")
        assert json.loads(self.curl(broker, head, *asked)) == DOCUMENT
        for version in ("5", "311"):
            queue = f"command-{version}"
            kind = ("-D", "publish", "content-type", JSON_EVENT) if version == "5" else ()
            given = ("-V", version, "-t", f"$queue/{queue}", "-m", json.dumps(DOCUMENT))
            self.mosquitto(broker, "pub", *given, *kind)
            found = self.curl(broker, f"/{queue}/events/head?timeout=20", "-X", "DELETE", "-i")
            assert "ce-type: com.example.opened" in found.lower()

    @pytest.mark.parametrize("version", ["5", "311"])
    def test_from_curl_to_mosquitto(self, broker: BrokerProcess, version: str) -> None:
        queue = f"command-out-{version}"
        headers = [
            word for name, text in HEADERS.items() for word in ("--header", f"{name}: {text}")
        ]
        self.curl(broker, f"/{queue}/events", "--data", json.dumps(DATA), *headers)
        given = ("-V", version, "-t", f"$queue/{queue}", "-C", "1")
        if version == "5":
            shown = self.mosquitto(broker, "sub", *given, "-F", "%C|%P|%p")
            kind, user, payload = shown.rstrip("\n").split("|")
            assert kind == "application/json"
            assert json.loads(payload) == DATA
            assert all(f"{name}:{text}" in user for name, text in USER.items())
        else:
            assert json.loads(self.mosquitto(broker, "sub", *given)) == DOCUMENT

    def test_a_refusal(self, broker: BrokerProcess) -> None:
        wrong = user_properties(USER | {"time": "yesterday"})
        given = ("-V", "5", "-t", "$queue/command-wrong", "-m", "x", *wrong)
        done = subprocess.run(
            ["mosquitto_pub", "-p", str(broker.mqtt_port), "-q", "1", *given],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert "Implementation specific error" in done.stdout + done.stderr
