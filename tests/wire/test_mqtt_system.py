"""`$SYS/` over sockets: what a subscription is told, and what is refused."""

from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import PublishAcknowledged, SubackReceived
from peeklock.protocols.mqtt.properties import (
    MESSAGE_EXPIRY_INTERVAL,
    SESSION_EXPIRY_INTERVAL,
    Properties,
)
from peeklock.protocols.mqtt.reason_codes import TOPIC_NAME_INVALID
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_mqtt_publish import CONFIG


def subscribe(peer: MqttPeer, topic_filter: str, **more: int) -> None:
    peer.engine.requests.subscribe((FilterRequest(topic_filter, **more),))
    peer.flush()


def told(peer: MqttPeer, count: int) -> dict[str, bytes]:
    found = {}
    for _ in range(count):
        heard = peer.take()
        assert (heard.qos, heard.retain) == (0, True)
        found[heard.topic_name.removeprefix("$SYS/broker/")] = heard.payload
    peer.expect_silence()
    return found


def test_all_of_it(shared: BrokerProcess, client: MqttPeer) -> None:
    with mqtt_peer(shared.mqtt_port) as other:
        other.publish("sys/a", b"1", 1, retain=True)
        assert other.expect(PublishAcknowledged).reason_code == 0
        subscribe(client, "$SYS/#", qos=2)
        assert client.expect(SubackReceived).suback.reason_codes == (0,)
        found = told(client, 52)
    assert found["version"].startswith(b"peeklock ")
    assert found["uptime"].endswith(b" seconds")
    assert found["clients/connected"] == b"2"
    assert found["subscriptions/count"] == b"1"
    assert found["retained messages/count"] == b"1"
    assert found["publish/messages/received"] == b"1"
    assert int(found["messages/received"]) == 4  # two CONNECT, a PUBLISH, this SUBSCRIBE
    assert int(found["messages/sent"]) >= 3  # two CONNACK, a PUBACK
    assert int(found["bytes/received"]) > 4 * 2
    assert int(found["bytes/sent"]) > 3 * 2
    assert found["publish/bytes/received"] == b"1"
    assert found["publish/messages/dropped"] == b"0"
    assert found["store/messages/count"] == found["messages/stored"] == b"1"
    assert int(found["store/messages/bytes"]) >= 1
    assert found["messages/inflight"] == found["shared_subscriptions/count"] == b"0"
    assert int(found["heap/maximum"]) >= int(found["heap/current"]) > 1 << 20
    assert float(found["load/connections/1min"]) > 0
    assert float(found["load/sockets/15min"]) > 0


def test_a_wildcard_in_front_does_not_match_it(client: MqttPeer) -> None:
    """[MQTT-4.7.2-1]"""
    subscribe(client, "+/broker/version")
    client.expect(SubackReceived)
    client.expect_silence()


def test_nobody_publishes_it(client: MqttPeer) -> None:
    client.publish("$SYS/broker/version", b"mine", 1)
    assert client.expect(PublishAcknowledged).reason_code == TOPIC_NAME_INVALID


def test_rights(tmp_path: Path) -> None:
    """They are those of signals: the right to listen."""
    for right, code in (("listen", 0), ("send", 0x87)):
        place = tmp_path / right
        with BrokerProcess(
            config=CONFIG.replace('["listen"]', f'["{right}"]'), dev=False, data_dir=place
        ) as broker:
            login = {"user_name": "worker", "password": b"secret"}
            with mqtt_peer(broker.mqtt_port, **login) as one:
                subscribe(one, "$SYS/broker/version")
                assert one.expect(SubackReceived).suback.reason_codes == (code,)
                if code:
                    one.expect_silence()
                else:
                    assert one.take().payload.startswith(b"peeklock ")


# ---- what is dropped


def figure(broker: BrokerProcess, name: str) -> int:
    """As a new client is told."""
    with mqtt_peer(broker.mqtt_port) as one:
        subscribe(one, f"$SYS/broker/{name}")
        one.expect(SubackReceived)
        return int(one.take().payload)


def dropped(broker: BrokerProcess) -> int:
    return figure(broker, "publish/messages/dropped")


@pytest.mark.parametrize("lifetime", [0, 60], ids=["passing", "kept"])
@pytest.mark.parametrize("qos", [0, 1])
def test_larger_than_the_client_takes(
    shared: BrokerProcess, client: MqttPeer, lifetime: int, qos: int
) -> None:
    before = dropped(shared)
    small = ConnectionSettings(packet_bytes_max=1000)
    kept = Properties({SESSION_EXPIRY_INTERVAL: lifetime})
    name = f"small-{lifetime}-{qos}"
    with mqtt_peer(shared.mqtt_port, name, settings=small, properties=kept) as one:
        one.subscribe(f"{name}/#", qos=qos)
        client.put(f"{name}/a", bytes(2000))
        client.put(f"{name}/a", b"small")
        assert one.take().payload == b"small"
        assert dropped(shared) == before + 1
    assert dropped(shared) == before + 1  # when it is gone, too


def test_given_way_to_newer_ones_or_expired(shared: BrokerProcess, client: MqttPeer) -> None:
    """Of a client that acknowledges nothing, and takes one at a time."""
    before = dropped(shared)
    with mqtt_peer(shared.mqtt_port, settings=ConnectionSettings(receive_maximum=1)) as slow:
        slow.subscribe("slow/#")
        brief = Properties({MESSAGE_EXPIRY_INTERVAL: 1})
        client.put("slow/a", b"first")
        client.put("slow/a", b"brief", properties=brief)
        first = slow.take()
        client.put("slow/a", *(b"%d" % number for number in range(999)))
        assert dropped(shared) == before
        assert figure(shared, "messages/inflight") == 1
        slow.expect_silence(1.2)
        client.put("slow/a", b"one more than there may wait")
        assert dropped(shared) == before + 1
        client.put("slow/a", b"last", properties=brief)
        assert dropped(shared) == before + 2
        slow.acknowledge(first)
        assert slow.take().payload == b"1"


def test_a_session_that_expires_and_a_group(shared: BrokerProcess) -> None:
    before = figure(shared, "clients/expired")
    brief = Properties({SESSION_EXPIRY_INTERVAL: 1})
    with mqtt_peer(shared.mqtt_port, "brief", properties=brief) as one:
        one.subscribe("$share/g/a", "$share/g/b")
        assert figure(shared, "shared_subscriptions/count") == 2
    with mqtt_peer(shared.mqtt_port) as other:
        other.expect_silence(1.3)
    assert figure(shared, "clients/expired") == before + 1
    assert figure(shared, "shared_subscriptions/count") == 0
