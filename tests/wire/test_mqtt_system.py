"""`$SYS/` over sockets: what a subscription is told, and what is refused."""

from peeklock.protocols.mqtt.events import PublishAcknowledged, SubackReceived
from peeklock.protocols.mqtt.reason_codes import TOPIC_NAME_INVALID
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer


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
        found = told(client, 14)
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


def test_a_wildcard_in_front_does_not_match_it(client: MqttPeer) -> None:
    """[MQTT-4.7.2-1]"""
    subscribe(client, "+/broker/version")
    client.expect(SubackReceived)
    client.expect_silence()


def test_nobody_publishes_it(client: MqttPeer) -> None:
    client.publish("$SYS/broker/version", b"mine", 1)
    assert client.expect(PublishAcknowledged).reason_code == TOPIC_NAME_INVALID
