"""Packets in any order from clients that keep to no protocol: the broker makes no mistake of
its own, and serves whoever keeps to it.

Each packet is one that there is; which one comes when is chance, as are cut connections and
restarts. Nothing is asked of the answers. A mistake of ours is in the log.
"""

import random
import socket
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.acknowledgements import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Acknowledgement,
)
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connect, Will
from peeklock.protocols.mqtt.packets import Disconnect, Packet, Pingreq, encode_packet
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    MAXIMUM_PACKET_SIZE,
    MESSAGE_EXPIRY_INTERVAL,
    RECEIVE_MAXIMUM,
    SESSION_EXPIRY_INTERVAL,
    TOPIC_ALIAS,
    WILL_DELAY_INTERVAL,
    Properties,
    PropertyValue,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.subscribe import FilterRequest, Subscribe, Unsubscribe
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import mqtt_peer

STEPS = 4000
CLIENTS = 8
NAMES = ("a", "a/b", "b", "$queue/q", "$SYS/x", "a//", "/")
FILTERS = (
    "a", "#", "+", "a/#", "+/b", "$share/g/a/#", "$share/h/#", "$queue/q", "$share/g/$queue/q",
    "$SYS/#", "$share/g", "$queue/+", "//#",
)  # fmt: skip
PACKET_IDS = (1, 2, 3, 4, 32_768, 32_769, 32_770)  # the broker's own begin with these
MESSAGE: dict[int, tuple[PropertyValue, ...]] = {
    MESSAGE_EXPIRY_INTERVAL: (0, 1, 0xFFFF_FFFF),
    CONTENT_TYPE: ("text/plain", "application/cloudevents+json"),
    TOPIC_ALIAS: (1, 32, 33),
}
SESSION: dict[int, tuple[PropertyValue, ...]] = {
    SESSION_EXPIRY_INTERVAL: (0, 1, 60),
    RECEIVE_MAXIMUM: (1, 2),
    MAXIMUM_PACKET_SIZE: (1, 30, 200),
}


class Anybody:
    """One connection; `chance` says all."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.is_v5 = chance.random() < 0.6
        self._chance = chance
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setblocking(False)
        self.say(self._connect())

    def say(self, *packets: Packet) -> None:
        data = b"".join(encode_packet(one, is_v5=self.is_v5) for one in packets)
        if self._chance.random() < 0.02:  # and a bit of it is wrong
            place = self._chance.randrange(len(data))
            data = data[:place] + bytes((data[place] ^ 0x10,)) + data[place + 1 :]
        self.socket.send(data)

    def step(self) -> None:
        """Say something, and hear what there is; raises `OSError` when it is over."""
        self.say(*[self._packet() for _ in range(self._chance.randrange(1, 4))])
        try:
            if not self.socket.recv(65536):
                raise ConnectionResetError
        except BlockingIOError:
            pass

    def _some(self, values: dict[int, tuple[PropertyValue, ...]]) -> Properties:
        chance = self._chance
        if not self.is_v5 or chance.random() < 0.5:
            return Properties()
        return Properties(
            {key: chance.choice(values[key]) for key in chance.sample([*values], 1)}
        )

    def _connect(self) -> Connect:
        chance = self._chance
        will = None
        if chance.random() < 0.5:
            delay = self._some({WILL_DELAY_INTERVAL: (0, 1, 60)})
            qos = chance.choice((0, 1, 2))
            will = Will(chance.choice(NAMES), b"w", qos, chance.random() < 0.3, delay)
        version = MQTT_5_0 if self.is_v5 else MQTT_3_1_1
        client_id = f"any-{chance.randrange(6)}"
        return Connect(
            client_id, version, chance.random() < 0.3, 60, will, properties=self._some(SESSION)
        )

    def _packet(self) -> Packet:
        chance = self._chance
        kind = chance.random()
        packet_id = chance.choice(PACKET_IDS)
        if kind < 0.4:
            qos = chance.choice((0, 1, 2))
            payload = chance.choice((b"", b"{}", bytes(100)))
            return Publish(
                chance.choice(NAMES), payload, qos, chance.random() < 0.3,
                qos > 0 and chance.random() < 0.2, packet_id, self._some(MESSAGE),
            )  # fmt: skip
        if kind < 0.6:
            asked = [
                FilterRequest(one, chance.choice((0, 1, 2)), retain_handling=0)
                for one in chance.sample(FILTERS, chance.randrange(1, 4))
            ]
            return Subscribe(packet_id, tuple(asked))
        if kind < 0.7:
            return Unsubscribe(packet_id, tuple(chance.sample(FILTERS, 2)))
        if kind < 0.9:
            return Acknowledgement(chance.choice((PUBACK, PUBREC, PUBREL, PUBCOMP)), packet_id)
        if kind < 0.97:
            return Pingreq()
        return Disconnect(chance.choice((0, 4)) if self.is_v5 else 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_packets_in_any_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    here: list[Anybody] = []
    with BrokerProcess(data_dir=tmp_path) as broker:
        for number in range(STEPS):
            if number == STEPS // 2:
                (broker.kill if seed % 2 else broker.terminate)()
                broker.restart()
            if len(here) < CLIENTS:
                here.append(Anybody(broker.mqtt_port, chance))
            one = chance.choice(here)
            try:
                one.step()
            except OSError:
                one.socket.close()
                here.remove(one)
        with mqtt_peer(broker.mqtt_port) as orderly:
            orderly.subscribe("orderly", qos=2)
            orderly.put("orderly", b"still")
            assert orderly.take().payload == b"still"
        for one in here:
            one.socket.close()
        assert broker.terminate() == 0
        assert "Traceback" not in broker.stderr
