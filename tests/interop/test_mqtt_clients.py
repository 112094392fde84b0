"""paho-mqtt and Mosquitto's commands as clients: jobs and signals, in both versions."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer

pytestmark = pytest.mark.interop
SECONDS = 20


def wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


@pytest.fixture(scope="module")
def mqtt_broker() -> Iterator[BrokerProcess]:
    with BrokerProcess() as process:
        yield process


class TestMosquitto:
    @pytest.fixture(autouse=True)
    def commands(self) -> None:
        if shutil.which("mosquitto_pub") is None or shutil.which("mosquitto_sub") is None:
            pytest.skip("mosquitto_pub and mosquitto_sub are not there: mosquitto-clients")

    def run(self, command: str, broker: BrokerProcess, *words: str) -> str:
        done = subprocess.run(
            [command, "-h", "127.0.0.1", "-p", str(broker.mqtt_port), *words],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @pytest.mark.parametrize("version", ["311", "5"])
    @pytest.mark.parametrize("qos", ["0", "1", "2"])
    def test_a_job_goes_in_and_out(
        self, mqtt_broker: BrokerProcess, version: str, qos: str
    ) -> None:
        topic = f"$queue/mosquitto-{version}-{qos}"
        common = ("-V", version, "-t", topic)
        self.run("mosquitto_pub", mqtt_broker, *common, "-q", "1", "-m", "hello")
        self.run("mosquitto_pub", mqtt_broker, *common, "-q", qos, "-m", "again")
        found = self.run("mosquitto_sub", mqtt_broker, *common, "-q", qos, "-C", "2")
        assert found == "hello\nagain\n"

    def test_properties(self, mqtt_broker: BrokerProcess) -> None:
        topic = "$queue/mosquitto-properties"
        given = ("-D", "publish", "content-type", "text/plain")
        given += ("-D", "publish", "user-property", "a", "1")
        common = ("-V", "5", "-t", topic, "-q", "1")
        self.run("mosquitto_pub", mqtt_broker, *common, "-m", "x", *given)
        shown = ("-F", "%C %P %p", "-C", "1")
        assert self.run("mosquitto_sub", mqtt_broker, *common, *shown) == "text/plain a:1 x\n"

    def test_what_the_broker_counts(self, mqtt_broker: BrokerProcess) -> None:
        words = ("-t", "$SYS/#", "-F", "%t|%p", "-C", "52")
        lines = self.run("mosquitto_sub", mqtt_broker, *words).splitlines()
        found = dict(line.split("|") for line in lines)
        assert found["$SYS/broker/clients/connected"] == "1"
        assert found["$SYS/broker/version"].startswith("peeklock ")
        assert float(found["$SYS/broker/load/messages/received/1min"]) > 0

    def test_its_names_are_mosquittos(self, mqtt_broker: BrokerProcess, tmp_path: Path) -> None:
        """All that a Mosquitto tells of, but for two that it has long given up."""
        mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if mosquitto is None:
            pytest.skip("no mosquitto here")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = tmp_path / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n")
        names = []
        listen = ("-t", "$SYS/#", "-F", "%t", "-W", "3")
        process = subprocess.Popen([mosquitto, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            for where in (port, mqtt_broker.mqtt_port):
                words = ["mosquitto_sub", "-p", str(where), *listen]
                done = subprocess.run(
                    words, capture_output=True, text=True, timeout=SECONDS, check=False
                )
                names.append(set(done.stdout.split("\n")))
        finally:
            process.terminate()
            process.wait(SECONDS)
        theirs, ours = names
        given_up = {"$SYS/broker/clients/active", "$SYS/broker/clients/inactive"}
        assert "$SYS/broker/load/publish/dropped/15min" in theirs
        assert theirs - ours <= given_up

    def test_how_things_are_over_http(self, mqtt_broker: BrokerProcess) -> None:
        """What Mosquitto retains is what HTTP is told; a user property is an attribute."""
        for room, occupied in (("41/1", "true"), ("41/2", "false"), ("42/1", "false")):
            words = ("-V", "5", "-q", "1", "-r", "-t", f"mosquitto/{room}", "-m", room)
            given = ("-D", "publish", "user-property", "occupied", occupied)
            self.run("mosquitto_pub", mqtt_broker, *words, *given)
        answer = HttpPeer(mqtt_broker).ask(
            "GET", "/signals/last/mosquitto/41?filter=NOT%20occupied"
        )
        (one,) = json.loads(answer.body)
        assert (one["subject"], one["occupied"]) == ("mosquitto/41/2", "false")
        assert base64.b64decode(one["data_base64"]) == b"41/2"

    def test_a_refusal_is_told(self, mqtt_broker: BrokerProcess) -> None:
        done = subprocess.run(
            ["mosquitto_sub", "-p", str(mqtt_broker.mqtt_port), *"-V 5 -t $a/b -W 5".split()],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert "denied" in done.stderr

    @pytest.mark.parametrize("version", ["311", "5"])
    @pytest.mark.parametrize("qos", ["0", "1", "2"])
    def test_a_session_that_is_kept(
        self, mqtt_broker: BrokerProcess, version: str, qos: str
    ) -> None:
        """What was published while it was away; QoS 0 was not meant for it."""
        name = f"signals-{version}-{qos}"
        listen = ("-V", version, "-t", f"{name}/+", "-q", "2", "-i", name, "-c")
        self.run("mosquitto_sub", mqtt_broker, *listen, "-E")
        for given in ("0", qos, "1"):
            words = ("-V", version, "-t", f"{name}/a", "-q", given, "-m", given)
            self.run("mosquitto_pub", mqtt_broker, *words)
        count = "1" if qos == "0" else "2"
        found = self.run("mosquitto_sub", mqtt_broker, *listen, "-C", count)
        assert sorted(found.split()) == sorted(["1"] if qos == "0" else [qos, "1"])

    @pytest.mark.parametrize("version", ["311", "5"])
    def test_retained_ones(self, mqtt_broker: BrokerProcess, version: str) -> None:
        name = f"retained-{version}"
        for word in ("old", "new"):
            words = ("-V", version, "-t", f"{name}/a", "-q", "1", "-r", "-m", word)
            self.run("mosquitto_pub", mqtt_broker, *words)
        listen = ("-V", version, "-t", f"{name}/#", "-C", "1", "-F", "%r %p")
        assert self.run("mosquitto_sub", mqtt_broker, *listen) == "1 new\n"


class Paho:
    """A client whose callbacks fill queues."""

    def __init__(
        self, port: int, version: int, transport: str = "tcp", will: str | None = None
    ) -> None:
        client = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
        self.connected: Queue[Any] = Queue()
        self.published: Queue[Any] = Queue()
        self.subscribed: Queue[Any] = Queue()
        self.messages: Queue[Any] = Queue()
        self.disconnected: Queue[Any] = Queue()
        self.client = client.Client(
            client.CallbackAPIVersion.VERSION2,
            protocol=version,
            manual_ack=True,
            transport=transport,
        )
        self.client.on_connect = lambda *given: self.connected.put(given[3])
        self.client.on_publish = lambda *given: self.published.put(given[3])
        self.client.on_subscribe = lambda *given: self.subscribed.put(given[3])
        self.client.on_message = lambda *given: self.messages.put(given[2])
        self.client.on_disconnect = lambda *given: self.disconnected.put(given[3])
        if will is not None:
            self.client.will_set(will, b"gone", 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert not self.connected.get(timeout=SECONDS).is_failure

    def __enter__(self) -> "Paho":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5.0"])
class TestPaho:
    @pytest.mark.parametrize("qos", [1, 2])
    def test_jobs_are_leased_and_completed(
        self, mqtt_broker: BrokerProcess, version: int, qos: int
    ) -> None:
        topic = f"$queue/paho-{version}-{qos}"
        with Paho(mqtt_broker.mqtt_port, version) as one:
            for number in range(5):
                one.client.publish(topic, b"%d" % number, qos)
            for _ in range(5):
                assert not one.published.get(timeout=SECONDS).is_failure
            one.client.subscribe(topic, qos)
            one.subscribed.get(timeout=SECONDS)
            for number in range(5):
                message = one.messages.get(timeout=SECONDS)
                assert message.payload == b"%d" % number
                one.client.ack(message.mid, message.qos)
        with Paho(mqtt_broker.mqtt_port, version) as other:
            other.client.subscribe(topic, qos)
            with pytest.raises(Empty):
                other.messages.get(timeout=0.5)

    def test_what_was_not_acknowledged_comes_again(
        self, mqtt_broker: BrokerProcess, version: int
    ) -> None:
        topic = f"$queue/paho-again-{version}"
        for is_first in (True, False):
            with Paho(mqtt_broker.mqtt_port, version) as one:
                if is_first:
                    one.client.publish(topic, b"x", 1)
                one.client.subscribe(topic, 1)
                assert one.messages.get(timeout=SECONDS).payload == b"x"
        with ready_peer(mqtt_broker.amqp_port) as peer:
            peer.attach_receiver(topic.removeprefix("$queue/"), 0, credit=1)
            assert peer.receive()[1].body == b"x"

    @pytest.mark.parametrize("qos", [0, 1, 2])
    def test_signals(self, mqtt_broker: BrokerProcess, version: int, qos: int) -> None:
        tree = f"paho-signals-{version}-{qos}"
        with Paho(mqtt_broker.mqtt_port, version) as one:
            one.client.subscribe([(f"{tree}/+/x", qos), ("other/#", 0)])
            one.subscribed.get(timeout=SECONDS)
            with Paho(mqtt_broker.mqtt_port, version) as other:
                for number in range(50):
                    other.client.publish(f"{tree}/{number}/x", b"%d" % number, qos)
                for number in range(50):
                    message = one.messages.get(timeout=SECONDS)
                    assert message.topic == f"{tree}/{number}/x"
                    assert (message.payload, message.qos) == (b"%d" % number, qos)
                    one.client.ack(message.mid, message.qos)

    def test_shared_ones(self, mqtt_broker: BrokerProcess, version: int) -> None:
        tree = f"paho-shared-{version}"
        port = mqtt_broker.mqtt_port
        with Paho(port, version) as one, Paho(port, version) as two, Paho(port, version) as it:
            for member in (one, two):
                member.client.subscribe(f"$share/g/{tree}/#", 1)
                member.subscribed.get(timeout=SECONDS)
            for number in range(20):
                it.client.publish(f"{tree}/a", b"%d" % number, 1)
            found: list[bytes] = []
            while len(found) < 20:
                for member in (one, two):
                    try:
                        message = member.messages.get(timeout=0.05)
                    except Empty:
                        continue
                    found.append(message.payload)
                    member.client.ack(message.mid, message.qos)
            assert sorted(found, key=int) == [b"%d" % number for number in range(20)]

    def test_a_will(self, mqtt_broker: BrokerProcess, version: int) -> None:
        topic = f"paho-will-{version}"
        port = mqtt_broker.mqtt_port
        with Paho(port, version) as one, Paho(port, version, will=topic) as other:
            one.client.subscribe(topic, 1)
            one.subscribed.get(timeout=SECONDS)
            other.client.socket().shutdown(socket.SHUT_RDWR)
            assert one.messages.get(timeout=SECONDS).payload == b"gone"

    def test_a_refused_job(self, mqtt_broker: BrokerProcess, version: int) -> None:
        with Paho(mqtt_broker.mqtt_port, version) as one:
            one.client.publish("$queue/", b"x", 1)
            if version == 5:
                assert one.published.get(timeout=SECONDS).value == 0x83
            else:
                one.disconnected.get(timeout=SECONDS)


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5.0"])
def test_paho_through_a_websocket(mqtt_broker: BrokerProcess, queue: str, version: int) -> None:
    topic = f"$queue/{queue}"
    body = b"x" * 100_000
    with Paho(mqtt_broker.http_port, version, "websockets") as one:
        for number in range(5):
            one.client.publish(topic, body + b"%d" % number, 1)
        for _ in range(5):
            assert not one.published.get(timeout=SECONDS).is_failure
        one.client.subscribe(topic, 1)
        for number in range(5):
            message = one.messages.get(timeout=SECONDS)
            assert message.payload == body + b"%d" % number
            one.client.ack(message.mid, message.qos)
    with Paho(mqtt_broker.http_port, version, "websockets") as other:
        other.client.subscribe(topic, 1)
        with pytest.raises(Empty):
            other.messages.get(timeout=0.5)
