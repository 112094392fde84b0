"""kill -9 behind a PUBACK: what was acknowledged is there."""

import random
import threading
import time
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import PublishAcknowledged
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import mqtt_peer

pytestmark = pytest.mark.crash
ROUNDS = 5


def test_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    chance = random.Random(1883)
    sent = 0
    acknowledged: set[bytes] = set()
    with BrokerProcess(data_dir=tmp_path) as broker:
        for _ in range(ROUNDS):
            with mqtt_peer(broker.mqtt_port) as one:
                killer = threading.Thread(
                    target=kill_after, args=(broker, 0.1 + chance.random() / 4)
                )
                killer.start()
                waiting: dict[int, bytes] = {}
                try:
                    while True:
                        body = b"%d" % sent
                        sent += 1
                        waiting[one.publish("$queue/orders", body)] = body
                        if len(waiting) > 50:
                            heard = one.expect(PublishAcknowledged, 2)
                            assert heard.reason_code == 0
                            acknowledged.add(waiting.pop(heard.packet_id))
                except (OSError, AssertionError):
                    killer.join()
            broker.restart()
        assert acknowledged
        with ready_peer(broker.amqp_port) as peer:
            peer.attach_receiver("orders")
            peer.credit(1 << 20, incoming_window=1 << 20)
            missing = set(acknowledged)
            while missing:
                missing.discard(peer.receive()[1].body)


def kill_after(broker: BrokerProcess, seconds: float) -> None:
    time.sleep(seconds)
    broker.kill()
