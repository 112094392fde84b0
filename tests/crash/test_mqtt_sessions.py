"""kill -9 under signals: a session that is kept misses nothing, and has QoS 2 exactly once."""

import random
import threading
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.events import (
    Connected,
    ConnectionClosed,
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
    PublishReleased,
)
from peeklock.protocols.mqtt.properties import SESSION_EXPIRY_INTERVAL, Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from tests.crash.test_mqtt import kill_after
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer

pytestmark = pytest.mark.crash
ROUNDS = 6
STEPWISE = ConnectionSettings(answers_by_itself=False)
KEPT = Properties({SESSION_EXPIRY_INTERVAL: 3600})


class Client:
    """A client with a session of its own, in memory, that outlives both ends' connections."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.sent: dict[int, bytes] = {}  # QoS 1 and 2, without PUBACK or PUBREC
        self.recorded: set[int] = set()  # with PUBREC, without PUBCOMP
        self.held: set[int] = set()  # QoS 2 that came, and are not released
        self.heard: list[bytes] = []
        self.done: list[bytes] = []  # its own that were taken for good
        self.qos: dict[int, int] = {}
        self.peer: MqttPeer

    def connect(self, broker: BrokerProcess) -> None:
        wanted = Connect(self.client_id, clean_start=False, properties=KEPT)
        self.peer = MqttPeer(broker.mqtt_port, wanted, settings=STEPWISE, has_session=True)
        messages = self.peer.engine.messages
        messages.keep([*self.sent, *self.recorded], self.held)
        self.peer.expect(Connected)
        for packet_id, body in self.sent.items():
            messages.redeliver(Publish("a/b", body, self.qos[packet_id], packet_id=packet_id))
        for packet_id in self.recorded:
            messages.redeliver_release(packet_id)
        self.peer.flush()

    def publish(self, body: bytes, qos: int) -> None:
        packet_id = self.peer.publish("a/b", body, qos)
        self.sent[packet_id] = body
        self.qos[packet_id] = qos

    def step(self, seconds: float) -> bool:
        """Deal with one event; False when nothing comes."""
        try:
            event = self.peer.expect(object, seconds)
        except (AssertionError, OSError):
            return False
        messages = self.peer.engine.messages
        if isinstance(event, Publish):
            self.heard.append(event.payload)
            if event.qos == 2:
                self.held.add(event.packet_id)
            messages.acknowledge(event.packet_id)
        elif isinstance(event, PublishReleased):
            self.held.discard(event.packet_id)
            messages.complete(event.packet_id)
        elif isinstance(event, PublishAcknowledged):
            assert event.reason_code == 0
            self.done.append(self.sent.pop(event.packet_id))
        elif isinstance(event, PublishRecorded):
            self.done.append(self.sent.pop(event.packet_id))
            self.recorded.add(event.packet_id)
            messages.release(event.packet_id)
        elif isinstance(event, PublishCompleted):
            self.recorded.discard(event.packet_id)
        elif isinstance(event, ConnectionClosed):
            return False
        self.peer.flush()
        return True


@pytest.mark.parametrize("qos", [1, 2])
def test_nothing_is_missed(tmp_path: Path, qos: int) -> None:
    chance = random.Random(qos)
    sender, receiver = Client("sender"), Client("receiver")
    number = 0
    with BrokerProcess(data_dir=tmp_path) as broker:
        receiver.connect(broker)
        receiver.peer.subscribe("a/#", qos=qos)
        receiver.peer.socket.close()
        for _ in range(ROUNDS):
            killer = threading.Thread(
                target=kill_after, args=(broker, 0.2 + chance.random() / 3)
            )
            killer.start()
            try:
                sender.connect(broker)
                receiver.connect(broker)
                while broker.is_running:
                    if len(sender.sent) < 40:
                        sender.publish(b"%d" % number, qos)
                        number += 1
                    sender.step(0.002)
                    receiver.step(0.002)
            except (OSError, AssertionError):
                pass
            killer.join()
            for client in (sender, receiver):
                client.peer.socket.close()
            broker.restart()
        sender.connect(broker)
        receiver.connect(broker)
        while sender.sent or sender.recorded:
            assert sender.step(20)
        while len(set(receiver.heard)) < len(set(sender.done)) and receiver.step(20):
            pass
        while receiver.step(1):
            pass
        for client in (sender, receiver):
            client.peer.socket.close()
    assert number > 2 * ROUNDS
    assert set(sender.done) <= set(receiver.heard)
    if qos == 2:
        assert sorted(receiver.heard, key=int) == sorted(sender.done, key=int)
        assert len(set(sender.done)) == len(sender.done)
