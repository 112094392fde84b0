"""Shared subscriptions to signals (5.0 §4.8.2): each goes to one member, and to another if it
dies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.protocols.mqtt.events import SubackReceived
from peeklock.protocols.mqtt.properties import Properties
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, mqtt_peer
from tests.wire.test_mqtt_sessions import connect, is_present


@pytest.fixture
def other(shared: BrokerProcess) -> Iterator[MqttPeer]:
    with mqtt_peer(shared.mqtt_port) as one:
        yield one


def settle(peer: MqttPeer, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        heard = peer.take()
        found.append(heard.payload)
        if heard.qos:
            peer.acknowledge(heard)
    return found


def taken(peer: MqttPeer) -> list[bytes]:
    """Until nothing comes any more; acknowledged."""
    found: list[bytes] = []
    while True:
        try:
            heard = peer.expect(Publish, 0.5)
        except AssertionError:
            return found
        found.append(heard.payload)
        if heard.qos:
            peer.acknowledge(heard)


@pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
@pytest.mark.parametrize("qos", [0, 1])
def test_each_goes_to_one_member(
    shared: BrokerProcess, other: MqttPeer, tree: str, v5: bool, qos: int
) -> None:
    with mqtt_peer(shared.mqtt_port, v5=v5) as one, mqtt_peer(shared.mqtt_port) as two:
        for member in (one, two):
            suback = member.subscribe(f"$share/g/{tree}/#", qos=2).suback
            assert suback.reason_codes == (1,)
        for number in range(100):
            other.publish(f"{tree}/a", b"%d" % number, qos)
        found = [taken(one), taken(two)]
        found[0] += taken(one)  # what came to it meanwhile
        assert all(found)
        assert sorted(found[0] + found[1], key=int) == [b"%d" % n for n in range(100)]


def test_other_groups_and_others_have_it_too(
    shared: BrokerProcess, other: MqttPeer, tree: str
) -> None:
    with mqtt_peer(shared.mqtt_port) as one, mqtt_peer(shared.mqtt_port) as two:
        one.subscribe(f"$share/a/{tree}/#", f"$share/b/{tree}/+", f"{tree}/x")
        two.subscribe(f"$share/a/{tree}/x")
        other.put(f"{tree}/x", b"1")
        assert settle(one, 3) == [b"1"] * 3
        assert settle(two, 1) == [b"1"]


def test_what_a_member_held_goes_to_another(
    shared: BrokerProcess, other: MqttPeer, tree: str
) -> None:
    with mqtt_peer(shared.mqtt_port) as survivor:
        with mqtt_peer(shared.mqtt_port) as one:
            for member in (survivor, one):
                member.subscribe(f"$share/g/{tree}/#")
            other.put(f"{tree}/a", *[b"%d" % number for number in range(6)])
            held = {one.take().payload for _ in range(3)}
            assert len(settle(survivor, 3)) == 3
            survivor.expect_silence()
        assert set(settle(survivor, 3)) == held


def test_what_a_member_refuses_goes_to_nobody(
    shared: BrokerProcess, other: MqttPeer, tree: str
) -> None:
    """[MQTT-4.8.2-6]"""
    with mqtt_peer(shared.mqtt_port) as one:
        one.subscribe(f"$share/g/{tree}/#")
        other.put(f"{tree}/a", b"1")
        one.acknowledge(one.take(), 0x83)
        with mqtt_peer(shared.mqtt_port) as two:
            two.subscribe(f"$share/g/{tree}/#")
            one.disconnect()
            two.expect_silence()


def test_identifiers_and_no_retained_ones(
    shared: BrokerProcess, other: MqttPeer, tree: str
) -> None:
    other.publish(f"{tree}/a", b"retained", 1, retain=True)
    with mqtt_peer(shared.mqtt_port) as one:
        one.engine.requests.subscribe(
            (FilterRequest(f"$share/g/{tree}/#", 1),), Properties(None, (), (77,))
        )
        one.flush()
        one.expect(SubackReceived)
        one.expect_silence()
        for qos in (0, 1):
            other.publish(f"{tree}/a", b"new", qos)
            heard = one.take()
            assert heard.properties.subscription_identifiers == (77,)
            assert not heard.retain


class TestLifetime:
    def test_a_group_ends_with_its_last_session(
        self, shared: BrokerProcess, other: MqttPeer, tree: str
    ) -> None:
        for _ in range(2):
            with mqtt_peer(shared.mqtt_port) as one:
                one.subscribe(f"$share/g/{tree}/#")
                one.expect_silence()
                other.put(f"{tree}/a", b"1")
                one.take()
                assert one.unsubscribe(f"$share/g/{tree}/#").unsuback.reason_codes == (0,)
                other.put(f"{tree}/a", b"2")
                one.expect_silence()

    @pytest.mark.parametrize("end", ["kill", "terminate"])
    def test_it_is_kept_with_a_session(self, tmp_path: Path, end: str) -> None:
        with BrokerProcess(data_dir=tmp_path) as broker:
            with connect(broker, "member") as one, mqtt_peer(broker.mqtt_port) as passing:
                one.subscribe("$share/g/a/#")
                passing.subscribe("$share/g/a/#", "$share/gone/a/#")
            with mqtt_peer(broker.mqtt_port) as other:
                other.put("a/b", b"1", b"2")
            getattr(broker, end)()
            broker.restart()
            with mqtt_peer(broker.mqtt_port) as other:
                other.put("a/b", b"3")
            with connect(broker, "member") as one:
                assert is_present(one)
                assert settle(one, 3) == [b"1", b"2", b"3"]
                one.expect_silence()
