"""kill -9 under retained messages: each topic has the one acknowledged last, or a newer."""

import random
import threading
from collections import deque
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import PublishAcknowledged
from peeklock.protocols.mqtt.publish import Publish
from tests.crash.test_mqtt import kill_after
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer

pytestmark = pytest.mark.crash
ROUNDS = 6
TOPICS = 20
NOTHING = b""  # clears


class Model:
    """Of each topic: what it may have, oldest first. The first was acknowledged."""

    def __init__(self) -> None:
        self.may_be: dict[str, deque[bytes]] = {
            f"kept/{number}": deque([NOTHING]) for number in range(TOPICS)
        }
        self.waiting: dict[int, tuple[str, int]] = {}  # by packet identifier
        self.sent_counts = dict.fromkeys(self.may_be, 0)
        self.acknowledged_count = 0

    def publish(self, peer: MqttPeer, topic: str, payload: bytes) -> None:
        self.may_be[topic].append(payload)
        self.sent_counts[topic] += 1
        packet_id = peer.publish(topic, payload, retain=True)
        self.waiting[packet_id] = (topic, self.sent_counts[topic])

    def acknowledge(self, heard: PublishAcknowledged) -> None:
        assert heard.reason_code == 0
        topic, place = self.waiting.pop(heard.packet_id)
        later = self.sent_counts[topic] - place
        while len(self.may_be[topic]) > later + 1:
            self.may_be[topic].popleft()
        self.acknowledged_count += 1

    def compare(self, found: dict[str, bytes]) -> None:
        """And what is there is so from now on."""
        assert found.keys() <= self.may_be.keys()
        for topic, may_be in self.may_be.items():
            value = found.get(topic, NOTHING)
            assert value in may_be, (topic, value, may_be)
            may_be.clear()
            may_be.append(value)
        self.waiting.clear()


def retained(broker: BrokerProcess) -> dict[str, bytes]:
    """What a new subscriber is told."""
    found: dict[str, bytes] = {}
    with mqtt_peer(broker.mqtt_port) as one:
        one.subscribe("kept/#", qos=0)
        try:
            while True:
                heard = one.expect(Publish, 1)
                assert heard.retain
                found[heard.topic_name] = heard.payload
        except AssertionError:
            return found


def test_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    chance = random.Random(31)
    model = Model()
    number = 0
    with BrokerProcess(data_dir=tmp_path) as broker:
        for _ in range(ROUNDS):
            killer = threading.Thread(
                target=kill_after, args=(broker, 0.1 + chance.random() / 3)
            )
            with mqtt_peer(broker.mqtt_port) as one:
                killer.start()
                try:
                    while True:
                        topic = f"kept/{chance.randrange(TOPICS)}"
                        number += 1
                        payload = NOTHING if chance.random() < 0.2 else b"%d" % number
                        model.publish(one, topic, payload * chance.choice((1, 1, 500)))
                        if len(model.waiting) > 40:
                            model.acknowledge(one.expect(PublishAcknowledged, 2))
                except (OSError, AssertionError):
                    killer.join()
            broker.restart()
            model.compare(retained(broker))
    assert model.acknowledged_count > 10 * ROUNDS
