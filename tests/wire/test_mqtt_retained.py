"""Retained messages: kept, told to who comes later, cleared; over sessions and restarts."""

import itertools
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import PublishAcknowledged, SubackReceived
from peeklock.protocols.mqtt.properties import (
    MESSAGE_EXPIRY_INTERVAL,
    REASON_STRING,
    Properties,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_mqtt_publish import create_topic
from tests.wire.test_mqtt_sessions import connect


def retain(
    peer: MqttPeer, topic: str, payload: bytes, qos: int = 1, *, expiry: int = 0
) -> None:
    found = Properties({MESSAGE_EXPIRY_INTERVAL: expiry}) if expiry else Properties()
    peer.publish(topic, payload, qos, retain=True, properties=found)
    if qos == 1:
        assert peer.expect(PublishAcknowledged).reason_code == 0


def subscribe(peer: MqttPeer, topic_filter: str, qos: int = 1, **more: object) -> None:
    request = FilterRequest(topic_filter, qos, **more)  # type: ignore[arg-type]  # fields of it
    peer.engine.requests.subscribe((request,), Properties(None, (), (5,)))
    peer.flush()
    assert peer.expect(SubackReceived).suback.reason_codes == (qos,)


def told(peer: MqttPeer, count: int) -> list[tuple[str, bytes]]:
    """Topic names and payloads, all of them retained."""
    found = []
    for _ in range(count):
        heard = peer.take()
        assert heard.retain
        assert heard.properties.subscription_identifiers == (5,)
        found.append((heard.topic_name, heard.payload))
        if heard.qos == 1:
            peer.acknowledge(heard)
    peer.expect_silence()
    return sorted(found)


class TestTold:
    def test_the_newest_of_each_name(
        self, client: MqttPeer, shared: BrokerProcess, tree: str
    ) -> None:
        """[MQTT-3.3.1-5] [MQTT-3.3.1-8] [MQTT-3.3.1-9]"""
        create_topic(shared, f"{tree}/mounted", "s")
        for payload in (b"old", b"new"):
            for rest in ("a", "a/b", "mounted", "mounted/x", "other/y"):
                retain(client, f"{tree}/{rest}", payload)
        subscribe(client, f"{tree}/+")
        assert told(client, 2) == [(f"{tree}/a", b"new"), (f"{tree}/mounted", b"new")]
        subscribe(client, f"{tree}/mounted/#")
        assert [name for name, _ in told(client, 2)] == [
            f"{tree}/mounted", f"{tree}/mounted/x",
        ]  # fmt: skip
        subscribe(client, f"{tree}/a/b")
        assert told(client, 1) == [(f"{tree}/a/b", b"new")]
        client.put(f"{tree}/a", b"not retained")
        assert not client.take().retain

    def test_an_empty_one_clears(self, client: MqttPeer, tree: str) -> None:
        """[MQTT-3.3.1-6] [MQTT-3.3.1-7]; to who is there it is a signal like any."""
        retain(client, f"{tree}/a", b"1")
        with_it = f"{tree}/#"
        subscribe(client, with_it)
        assert told(client, 1) == [(f"{tree}/a", b"1")]
        retain(client, f"{tree}/a", b"")
        heard = client.take()
        assert (heard.payload, heard.retain) == (b"", False)
        client.acknowledge(heard)
        subscribe(client, with_it)
        client.expect_silence()

    @pytest.mark.parametrize(("given", "wanted"), list(itertools.product(range(3), range(3))))
    def test_the_lower_qos(self, client: MqttPeer, tree: str, given: int, wanted: int) -> None:
        """[MQTT-3.8.4-8]"""
        retain(client, f"{tree}/a", b"1", given)
        client.put(f"{tree}/flush", b"")
        subscribe(client, f"{tree}/a", wanted)
        heard = client.take()
        assert (heard.qos, heard.retain) == (min(given, wanted), True)

    def test_retain_handling(self, client: MqttPeer, tree: str) -> None:
        """[MQTT-3.3.1-10] [MQTT-3.3.1-11]"""
        retain(client, f"{tree}/a", b"1")
        subscribe(client, f"{tree}/a", retain_handling=2)
        client.expect_silence()
        subscribe(client, f"{tree}/a", retain_handling=1)
        client.expect_silence()
        subscribe(client, f"{tree}/+", retain_handling=1)
        assert len(told(client, 1)) == 1
        subscribe(client, f"{tree}/+", retain_handling=0)
        assert len(told(client, 1)) == 1

    def test_retain_as_published(
        self, client: MqttPeer, shared: BrokerProcess, tree: str
    ) -> None:
        """[MQTT-3.3.1-12] [MQTT-3.3.1-13]"""
        for asked in (True, False):
            subscribe(client, f"{tree}/{asked}", retain_as_published=asked)
            with mqtt_peer(shared.mqtt_port) as other:
                retain(other, f"{tree}/{asked}", b"1")
            assert client.take().retain is asked

    def test_it_expires(self, client: MqttPeer, tree: str) -> None:
        retain(client, f"{tree}/a", b"1", expiry=1)
        retain(client, f"{tree}/b", b"2", expiry=600)
        client.expect_silence(1.2)
        subscribe(client, f"{tree}/#")
        heard = client.take()
        assert heard.payload == b"2"
        assert 0 < heard.properties.number(MESSAGE_EXPIRY_INTERVAL, 0) < 600
        client.expect_silence()

    def test_many_come_as_fast_as_the_client_takes_them(
        self, client: MqttPeer, shared: BrokerProcess, tree: str
    ) -> None:
        for number in range(250):
            client.publish(f"{tree}/{number}", b"x", retain=True)
        for _ in range(250):
            client.expect(PublishAcknowledged)
        settings = ConnectionSettings(receive_maximum=3)
        with mqtt_peer(shared.mqtt_port, settings=settings) as one:
            subscribe(one, f"{tree}/#")
            assert len(told(one, 250)) == 250

    def test_3_1_1(self, shared: BrokerProcess, tree: str) -> None:
        with mqtt_peer(shared.mqtt_port, v5=False) as one:
            retain(one, f"{tree}/a", b"1")
            one.subscribe(f"{tree}/#")
            heard = one.take()
            assert (heard.payload, heard.retain) == (b"1", True)

    def test_jobs_are_not_retained(self, client: MqttPeer, tree: str) -> None:
        client.publish(f"$queue/{tree}", b"1", retain=True)
        answer = client.expect(PublishAcknowledged)
        assert answer.reason_code == 0x83
        assert "not retained" in (answer.properties.text(REASON_STRING) or "")


@pytest.mark.parametrize("qos", [1, 2])
def test_a_session_that_is_kept_has_them_kept(
    shared: BrokerProcess, tree: str, qos: int
) -> None:
    with connect(shared, tree) as one:
        for number in range(3):
            one.publish(f"{tree}/{number}", b"x", 2, retain=True)
        one.put(f"{tree}/flush", b"")
        subscribe(one, f"{tree}/#", qos)
        first = [one.take() for _ in range(3)]
    with connect(shared, tree) as one:
        again = [one.take() for _ in range(3)]
        for before, after in zip(first, again, strict=True):
            assert after.topic_name == before.topic_name
            assert after.packet_id == before.packet_id
            assert after.qos == qos
            assert after.retain
            assert after.dup
            assert after.properties.subscription_identifiers == (5,)


def test_they_survive(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as broker:
        with mqtt_peer(broker.mqtt_port) as one:
            retain(one, "a/b", b"kept")
        broker.kill()
        broker.restart()
        with mqtt_peer(broker.mqtt_port) as one:
            subscribe(one, "a/#")
            assert told(one, 1) == [("a/b", b"kept")]
