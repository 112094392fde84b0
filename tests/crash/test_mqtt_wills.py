"""kill -9 under clients with wills: of each kept session whose client was let in, and did not
take its leave, the will is published after the restart; once."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from peeklock.limits import MQTT_WILL_GRACE
from peeklock.protocols.mqtt.connect import Connect, Will
from peeklock.protocols.mqtt.events import Connected
from peeklock.protocols.mqtt.properties import (
    SESSION_EXPIRY_INTERVAL,
    WILL_DELAY_INTERVAL,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from tests.crash.test_mqtt import kill_after
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer
from tests.support.stepped_broker import stepped_broker

pytestmark = pytest.mark.crash
ROUNDS = 5
BATCH = 20
KEPT = Properties({SESSION_EXPIRY_INTERVAL: 86_400})
DELAY = Properties({WILL_DELAY_INTERVAL: 20})


def connect(client_id: str, will: Will | None = None) -> Connect:
    return Connect(client_id, clean_start=False, will=will, properties=KEPT)


@contextmanager
def come(broker: BrokerProcess, client_id: str) -> Iterator[MqttPeer]:
    with MqttPeer(broker.mqtt_port, connect(client_id), has_session=True) as one:
        one.expect(Connected, 2)
        yield one


class Model:
    def __init__(self) -> None:
        self.owed: set[bytes] = set()  # let in, and gone without a word
        self.settled: set[bytes] = set()  # never let in, or taken leave: it may be so or so
        self.heard: list[bytes] = []
        self.packet_ids: set[tuple[int, bytes]] = set()

    def hear(self, witness: MqttPeer) -> None:
        """What comes again has its packet identifier of before."""
        try:
            while True:
                one = witness.expect(Publish, 1.5)
                if (one.packet_id, one.payload) not in self.packet_ids:
                    self.packet_ids.add((one.packet_id, one.payload))
                    self.heard.append(one.payload)
                witness.acknowledge(one)
        except AssertionError:
            witness.disconnect()


def crowd(
    broker: BrokerProcess, model: Model, chance: random.Random, round_: int, here: ExitStack
) -> None:
    """Clients come, some go, until the broker is gone."""
    number = 0
    while True:
        coming: dict[bytes, MqttPeer] = {}
        for _ in range(BATCH):  # at once, so that many hear from the broker just before its end
            name = b"%d-%d" % (round_, number)
            number += 1
            more = DELAY if chance.random() < 0.5 else Properties()
            model.settled.add(name)
            wanted = connect(name.decode(), Will("gone", name, 1, properties=more))
            one = MqttPeer(broker.mqtt_port, wanted, has_session=True)
            coming[name] = here.enter_context(one)
        for name, one in coming.items():
            one.expect(Connected, 2)
            ends = chance.choice(("leaves", "is cut", "stays"))
            if ends == "leaves":
                one.disconnect()
            else:
                model.settled.discard(name)
                model.owed.add(name)
            if ends == "is cut":
                one.socket.close()


def test_whoever_does_not_come_back_is_missed(tmp_path: Path) -> None:
    chance = random.Random(42)
    model = Model()
    clock = tmp_path / "clock"
    with stepped_broker(tmp_path / "data", clock) as broker:
        with come(broker, "witness") as witness:
            witness.subscribe("gone")
            witness.disconnect()
        for round_ in range(ROUNDS):
            killer = threading.Thread(
                target=kill_after, args=(broker, 0.2 + chance.random() / 2)
            )
            killer.start()
            with ExitStack() as here:
                try:
                    crowd(broker, model, chance, round_, here)
                except (OSError, AssertionError):
                    killer.join()
            broker.restart()
            clock.write_text(str((round_ + 1) * 2 * MQTT_WILL_GRACE))
            with come(broker, "witness") as witness:
                model.hear(witness)
    assert len(model.owed) > 5 * ROUNDS
    assert model.owed <= set(model.heard)
    assert set(model.heard) <= model.owed | model.settled
    assert len(set(model.heard)) == len(model.heard)
