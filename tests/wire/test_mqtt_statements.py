"""What other tests of the wire do not look at: normative statements, one after the other.

Bytes that are hostile or exact are written by hand here; other clients are our engine's.
"""

import time

import pytest

from peeklock.protocols.mqtt.connect import Will
from peeklock.protocols.mqtt.events import (
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
    SubackReceived,
)
from peeklock.protocols.mqtt.packets import PINGREQ_BYTES, PINGRESP_BYTES
from peeklock.protocols.mqtt.properties import (
    CONTENT_TYPE,
    CORRELATION_DATA,
    MESSAGE_EXPIRY_INTERVAL,
    PAYLOAD_FORMAT_INDICATOR,
    REASON_STRING,
    RESPONSE_TOPIC,
    SESSION_EXPIRY_INTERVAL,
    Properties,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, RawMqtt, mqtt_peer
from tests.wire.test_mqtt_sessions import connect, is_present

VERSIONS = pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])
HALF = b"\xed\xa0\x80"  # of a surrogate pair, in what would be UTF-8
OVERLONG = b"\xc0\xaf"


def text(raw: bytes) -> bytes:
    return len(raw).to_bytes(2) + raw


def packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    assert len(body) < 0x80
    return bytes((first, len(body))) + body


def raw_connect(flags: int, *payload: bytes, v5: bool) -> bytes:
    head = text(b"MQTT") + bytes((5 if v5 else 4, flags)) + b"\0\0"
    return packet(0x10, head, b"\0" if v5 else b"", *payload)


def none(v5: bool) -> bytes:
    """No properties."""
    return b"\0" if v5 else b""


def answer(broker: BrokerProcess, *sent: bytes) -> bytes:
    with RawMqtt(broker.mqtt_port) as raw:
        for data in sent:
            raw.send(data)
        return raw.read_to_end()


def hello(v5: bool, client_id: bytes = b"") -> bytes:
    return raw_connect(2, text(client_id), v5=v5)


def ends_malformed(heard: bytes, *, v5: bool, let_in: bool) -> bool:
    """It is closed; 5.0 says why [MQTT-4.13.1-1] [MQTT-4.13.2-1]."""
    if not v5:
        return heard == (b"\x20\x02\0\0" if let_in else b"")
    if not let_in:
        return heard[0] == 0x20 and heard[3] == 0x81
    behind = heard[2 + heard[1] :]
    return heard[0] == 0x20 and heard[3] == 0 and behind[0] == 0xE0 and behind[2] == 0x81


@VERSIONS
@pytest.mark.parametrize("wrong", [HALF, OVERLONG, b"a\0b", b"\xff"], ids=repr)
class TestTexts:
    """[MQTT-1.5.4-1] [MQTT-1.5.4-2], wherever there is one."""

    def test_of_a_connect(self, shared: BrokerProcess, wrong: bytes, v5: bool) -> None:
        for section, flags, *payload in (
            ("[MQTT-3.1.3-4]", 2, text(wrong)),
            ("[MQTT-3.1.3-11]", 6, text(b"c"), none(v5), text(wrong), text(b"")),
            ("[MQTT-3.1.3-12]", 0x82, text(b"c"), text(wrong)),
        ):
            assert isinstance(flags, int)
            parts = [one for one in payload if isinstance(one, bytes)]
            heard = answer(shared, raw_connect(flags, *parts, v5=v5))
            assert ends_malformed(heard, v5=v5, let_in=False), section

    def test_of_others(self, shared: BrokerProcess, wrong: bytes, v5: bool) -> None:
        sent = {
            "[MQTT-3.3.2-1]": packet(0x30, text(wrong), none(v5)),
            "[MQTT-3.8.3-1]": packet(0x82, b"\0\1", none(v5), text(wrong), b"\0"),
            "[MQTT-3.10.3-1]": packet(0xA2, b"\0\1", none(v5), text(wrong)),
        }
        if v5:
            for section, identifier in (("[MQTT-3.3.2-13]", 8), ("[MQTT-3.3.2-19]", 3)):
                found = packet(identifier, text(wrong))[2:]
                properties = bytes((len(found) + 1, identifier)) + found
                sent[section] = packet(0x30, text(b"a"), properties)
            pair = b"\x26" + text(b"n") + text(wrong)
            sent["[MQTT-1.5.7-1]"] = packet(0x30, text(b"a"), bytes((len(pair),)), pair)
        for section, data in sent.items():
            heard = answer(shared, hello(v5), data)
            assert ends_malformed(heard, v5=v5, let_in=True), section


@VERSIONS
class TestConnect:
    def test_fields_are_there_when_their_flags_say_so(
        self, shared: BrokerProcess, v5: bool
    ) -> None:
        """And in their order [MQTT-3.1.3-1] [MQTT-3.1.3-3]."""
        for section, flags, *payload in (
            ("[MQTT-3.1.2-9]", 6, text(b"c"), none(v5), text(b"t")),
            ("[MQTT-3.1.2-16]", 2, text(b"c"), text(b"user")),
            ("[MQTT-3.1.2-17]", 0x82, text(b"c")),
            ("[MQTT-3.1.2-18]", 0x82, text(b"c"), text(b"user"), text(b"password")),
            ("[MQTT-3.1.2-19]", 0xC2, text(b"c"), text(b"user")),
            ("[MQTT-3.1.3-3]", 2),
        ):
            assert isinstance(flags, int)
            parts = [one for one in payload if isinstance(one, bytes)]
            heard = answer(shared, raw_connect(flags, *parts, v5=v5))
            assert ends_malformed(heard, v5=v5, let_in=False), section

    def test_a_session_where_there_was_none(
        self, shared: BrokerProcess, tree: str, v5: bool
    ) -> None:
        """[MQTT-3.1.2-6] [MQTT-3.1.2-23] [MQTT-3.1.3-2] [MQTT-3.1.4-4]; in 3.1.1 one that began
        clean ends with its connection."""
        for clean, before in ((False, False), (False, True), (True, False), (False, v5)):
            with connect(shared, tree, v5=v5, clean_start=clean) as one:
                assert is_present(one) is before
                one.disconnect()
        with connect(shared, tree + "x", 0, v5=v5, clean_start=True) as one:
            assert not is_present(one)

    def test_client_identifiers_of_up_to_23_characters(
        self, shared: BrokerProcess, v5: bool
    ) -> None:
        """[MQTT-3.1.3-5]"""
        letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for name in ("0", letters[:23], letters[23:46], letters[39:]):
            with mqtt_peer(shared.mqtt_port, name, v5=v5) as one:
                one.expect_silence(0.05)

    def test_who_is_refused_is_closed(self, shared: BrokerProcess, v5: bool) -> None:
        """[MQTT-3.1.4-2] [MQTT-3.2.2-7] [MQTT-3.1.4-6]: nothing behind it is looked at."""
        heard = answer(shared, hello(v5, b"x" * 60 + b"\0"), PINGREQ_BYTES)
        assert PINGRESP_BYTES not in heard

    def test_a_will_that_was_taken_back_is_gone(
        self, shared: BrokerProcess, tree: str, v5: bool
    ) -> None:
        """[MQTT-3.1.2-10]: on the next connection of its session there is none."""
        with mqtt_peer(shared.mqtt_port) as witness:
            witness.subscribe(f"{tree}/#")
            with connect(shared, tree, v5=v5, will=Will(f"{tree}/gone", b"")) as one:
                one.disconnect()
            connect(shared, tree, v5=v5).socket.close()
            witness.expect_silence()


class TestExactBytes:
    def test_what_a_subscriber_is_sent(self, shared: BrokerProcess, tree: str) -> None:
        """[MQTT-2.2.1-2] [MQTT-2.2.2-1] [MQTT-4.3.1-1]; [MQTT-2.2.1-4] [MQTT-4.3.2-1]
        [MQTT-4.3.3-1] [MQTT-4.3.3-3]: identifiers that are not in use.
        """
        name = tree.encode()
        with RawMqtt(shared.mqtt_port) as raw, mqtt_peer(shared.mqtt_port) as other:
            raw.send(hello(v5=True) + packet(0x82, b"\0\1\0", text(name), b"\2"))
            heard = b""
            while not heard.endswith(b"\x90\4\0\1\0\2"):
                heard += raw.socket.recv(1)
            other.publish(tree, b"zero", 0)
            expected = packet(0x30, text(name), b"\0", b"zero")
            assert receive(raw, len(expected)) == expected
            ids = set()
            for qos in (1, 2, 1, 2):
                other.publish(tree, b"more", qos)
                got = receive(raw, len(expected) + 2)
                at = 4 + len(name)
                ids.add(got[at : at + 2])
                assert got == packet(
                    0x30 | qos << 1, text(name), got[at : at + 2], b"\0", b"more"
                )
            assert len(ids) == 4
            assert b"\0\0" not in ids

    def test_dup_is_of_one_delivery(
        self, shared: BrokerProcess, client: MqttPeer, tree: str
    ) -> None:
        """[MQTT-3.3.1-3]: a publisher's is not passed on."""
        client.subscribe(f"{tree}/#", qos=2)
        name = text(f"{tree}/a".encode())
        heard = b""
        with RawMqtt(shared.mqtt_port) as raw:
            raw.send(hello(v5=True) + packet(0x3A, name, b"\0\7\0", b"again"))
            raw.send(packet(0x3C, name, b"\0\x08\0", b"again"))
            while b"\x50\2\0\x08" not in heard:
                heard += raw.socket.recv(65536)
        assert b"\x40\2\0\7" in heard
        for qos in (1, 2):
            one = client.take()
            assert (one.payload, one.qos, one.dup) == (b"again", qos, False)


def receive(raw: RawMqtt, count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        heard += raw.socket.recv(count - len(heard))
    return heard


class TestPublish:
    def test_properties_are_passed_on_as_they_are(
        self, client: MqttPeer, shared: BrokerProcess, tree: str
    ) -> None:
        """[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
        [MQTT-3.3.2-20] [MQTT-1.5.4-3], retained and stored, too, and of a will [MQTT-3.1.3-10].
        """
        user = (("b", "1"), ("a", "\ufeff"), ("b", "1"), ("", ""), ("a", "2"), ("é", "\ufeff"))
        given = Properties(
            {
                PAYLOAD_FORMAT_INDICATOR: 1,
                CONTENT_TYPE: "text/plain; charset=utf-8",
                RESPONSE_TOPIC: "\ufeffanswer/ to",
                CORRELATION_DATA: b"\0\xff\xc0" * 7,
            },
            user,
        )
        payload = "\ufeffé".encode()
        with connect(shared, f"{tree}-stored", clean_start=True) as one:
            one.subscribe(f"{tree}/#", qos=1)
        client.subscribe(f"{tree}/#", qos=2)
        with mqtt_peer(shared.mqtt_port) as other:
            other.publish(f"{tree}/a", payload, 1, retain=True, properties=given)
            other.expect(PublishAcknowledged)
            other.subscribe(f"{tree}/#")
            retained = other.take()
        left = Will(f"{tree}/a", payload, 1, properties=given)
        mqtt_peer(shared.mqtt_port, f"{tree}-will", will=left).socket.close()
        told, of_will = client.take(), client.take()
        with connect(shared, f"{tree}-stored") as one:
            stored = one.take()
        for heard in (told, retained, stored, of_will):
            assert heard.payload == payload
            assert heard.properties.values == given.values
            assert heard.properties.user == user

    def test_the_topic_alias_of_another_connection(
        self, shared: BrokerProcess, tree: str
    ) -> None:
        """[MQTT-3.3.2-7]"""
        aliased = b"\3\x23\0\1"
        with mqtt_peer(shared.mqtt_port) as witness:
            witness.subscribe(f"{tree}/#")
            for _ in range(2):
                name = text(f"{tree}/a".encode())
                sent = packet(0x30, name, aliased) + packet(0x30, b"\0\0", aliased)
                with RawMqtt(shared.mqtt_port) as raw:
                    raw.send(hello(True, tree.encode()) + sent + b"\xe0\0")
                    raw.read_to_end()
                assert [witness.take().topic_name for _ in range(2)] == [f"{tree}/a"] * 2
            sent = packet(0x30, b"\0\0", aliased)
            heard = answer(shared, hello(True, tree.encode()), sent)
            assert heard[2 + heard[1]] == 0xE0
            witness.expect_silence()

    def test_a_refused_qos_2_message_is_over(self, client: MqttPeer, tree: str) -> None:
        """[MQTT-4.3.3-9]: its identifier is free, without a PUBREL."""
        packet_id = client.publish("$no/such", b"", 2)
        assert client.expect(PublishAcknowledged).reason_code == 0x90
        client.subscribe(tree, qos=0)
        data = packet(0x34, text(tree.encode()), packet_id.to_bytes(2), b"\0", b"fresh")
        client.socket.sendall(data)
        assert client.take().payload == b"fresh"

    def test_a_message_that_expires_in_its_exchange(
        self, shared: BrokerProcess, client: MqttPeer, tree: str
    ) -> None:
        """[MQTT-4.3.3-13]"""
        stepwise = ConnectionSettings(answers_by_itself=False)
        brief = Properties({MESSAGE_EXPIRY_INTERVAL: 1})
        with mqtt_peer(shared.mqtt_port, settings=stepwise) as one:
            packet_id = one.publish(f"$queue/{tree}", b"brief", 2, properties=brief)
            one.expect(PublishRecorded)
            time.sleep(1.2)
            one.engine.messages.release(packet_id)
            one.flush()
            assert one.expect(PublishCompleted).reason_code == 0
        client.subscribe(f"$queue/{tree}")
        client.expect_silence()

    @pytest.mark.parametrize("clean", [True, False], ids=["passing", "kept"])
    def test_releases_follow_the_clients_order(
        self, shared: BrokerProcess, client: MqttPeer, tree: str, clean: bool
    ) -> None:
        """[MQTT-4.6.0-4], of a client that does not keep to its own."""
        name = text(tree.encode())
        with RawMqtt(shared.mqtt_port) as raw:
            raw.send(raw_connect(2 if clean else 0, name, v5=False))
            raw.send(packet(0x82, b"\0\1", name, b"\2"))
            assert receive(raw, 9) == b"\x20\2\0\0\x90\3\0\1\2"
            for _ in range(5):
                client.publish(tree, b"", 2)
                client.expect(PublishCompleted)
            size = len(packet(0x34, name, b"\0\0"))
            ids = [receive(raw, size)[-2:] for _ in range(5)]
            shuffled = [ids[place] for place in (3, 0, 4, 1, 2)]
            for packet_id in shuffled:
                raw.send(packet(0x50, packet_id))
            for packet_id in shuffled:
                assert receive(raw, 4) == packet(0x62, packet_id)


class TestSubscribe:
    def test_many_filters_are_many_subscriptions(self, client: MqttPeer, tree: str) -> None:
        """[MQTT-3.8.4-5] [MQTT-3.8.4-7] [MQTT-3.10.4-6], and [MQTT-3.10.4-2]."""
        client.engine.requests.subscribe(
            tuple(
                FilterRequest(one, qos)
                for one, qos in (
                    (f"{tree}/a", 2), ("$no/such", 1), (f"{tree}/a", 0), (f"{tree}/b", 1),
                )
            )
        )  # fmt: skip
        client.flush()
        assert client.expect(SubackReceived).suback.reason_codes == (2, 0x8F, 0, 1)
        client.put(f"{tree}/a", b"")
        assert client.take().qos == 0  # the later one of the same is what is so
        told = client.unsubscribe(f"{tree}/b", f"{tree}/none", f"{tree}/b", f"{tree}/a")
        assert told.unsuback.reason_codes == (0, 0x11, 0x11, 0)
        client.put(f"{tree}/a", b"")
        client.expect_silence()

    @pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "passing"])
    def test_what_waits_stays_when_it_changes(
        self, shared: BrokerProcess, tree: str, is_kept: bool
    ) -> None:
        """[MQTT-3.8.4-4] [MQTT-3.10.4-3]: neither replacing nor ending it loses a message."""
        settings = ConnectionSettings(receive_maximum=1)
        seconds = 600 if is_kept else 0
        with connect(shared, tree, seconds, clean_start=True, settings=settings) as one:
            one.subscribe(f"{tree}/#")
            with mqtt_peer(shared.mqtt_port) as other:
                other.put(f"{tree}/a", b"1", b"2", b"3")
            one.subscribe(f"{tree}/#", qos=2)
            one.unsubscribe(f"{tree}/#")
            for expected in (b"1", b"2", b"3"):
                heard = one.take()
                assert heard.payload == expected
                one.acknowledge(heard)
            one.expect_silence()

    def test_shared_and_not_shared(self, client: MqttPeer, tree: str) -> None:
        """[MQTT-3.3.4-5]: each copy has the identifier of its own subscription."""
        for number, topic_filter in ((3, f"{tree}/#"), (4, f"$share/g/{tree}/#")):
            client.subscribe(topic_filter, properties=Properties({}, (), (number,)))
        client.put(f"{tree}/a", b"")
        heard = [client.take().properties.subscription_identifiers for _ in range(2)]
        assert sorted(heard) == [(3,), (4,)]

    def test_members_have_the_qos_that_each_was_granted(
        self, shared: BrokerProcess, client: MqttPeer, tree: str
    ) -> None:
        """[MQTT-4.8.2-3]; none is granted 2, so [MQTT-4.8.2-4] and [MQTT-4.8.2-5] are kept."""
        shared_filter = f"$share/g/{tree}/#"
        with mqtt_peer(shared.mqtt_port) as zero, mqtt_peer(shared.mqtt_port) as two:
            assert zero.subscribe(shared_filter, qos=0).suback.reason_codes == (0,)
            assert two.subscribe(shared_filter, qos=2).suback.reason_codes == (1,)
            for _ in range(20):
                client.publish(f"{tree}/a", b"", 2)
            for _ in range(20):
                client.expect(PublishCompleted)
            counts = {}
            for member, qos in ((zero, 0), (two, 1)):
                counts[qos] = 0
                try:
                    while True:
                        heard = member.expect(Publish, 0.5)
                        assert heard.qos == qos
                        counts[qos] += 1
                        if qos:
                            member.acknowledge(heard)
                except AssertionError:
                    assert not member._events
            assert sum(counts.values()) == 20
            assert min(counts.values()) > 0


class TestFlow:
    def test_a_full_window_holds_up_nothing_else(
        self, shared: BrokerProcess, client: MqttPeer, tree: str
    ) -> None:
        """[MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-3]"""
        settings = ConnectionSettings(receive_maximum=1)
        with mqtt_peer(shared.mqtt_port, settings=settings) as one:
            one.subscribe(f"{tree}/#", qos=2)
            client.put(f"{tree}/a", b"1", b"2")
            first = one.take()
            one.expect_silence()
            one.subscribe(f"{tree}/b", qos=0)
            one.publish("elsewhere", b"", 2)
            one.expect(PublishCompleted)
            client.publish(f"{tree}/b", b"3", 0)
            assert one.take().payload == b"3"
            one.unsubscribe(f"{tree}/b")
            one.acknowledge(first)
            assert one.take().payload == b"2"

    def test_a_session_stays_while_its_client_is_there(
        self, shared: BrokerProcess, client: MqttPeer, tree: str
    ) -> None:
        """[MQTT-4.1.0-1]: its expiry begins with the end of the connection."""
        with connect(shared, tree, 1) as one:
            one.subscribe(f"{tree}/#")
            time.sleep(1.5)
            client.put(f"{tree}/a", b"")
            one.acknowledge(one.take())
        with connect(shared, tree, 1) as one:
            assert is_present(one)

    def test_a_client_of_small_packets(self, shared: BrokerProcess, tree: str) -> None:
        """Reasons that do not fit are left out [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.9.2-1]
        [MQTT-3.14.2-3], and what does not fit at all is not sent [MQTT-3.1.2-24]. Also: a
        wildcard in a topic name [MQTT-4.7.0-1].
        """
        settings = ConnectionSettings(packet_bytes_max=32)
        with mqtt_peer(shared.mqtt_port, tree[:8], settings=settings) as one:
            for qos in (1, 2):
                one.publish("$no/such", b"", qos)
                told = one.expect(PublishAcknowledged)
                assert (told.reason_code, told.properties.text(REASON_STRING)) == (0x90, None)
            suback = one.subscribe("$no/such").suback
            assert suback.reason_codes == (0x8F,)
            assert suback.properties.text(REASON_STRING) is None
            one.subscribe("t/#")
            with mqtt_peer(shared.mqtt_port) as other:
                other.put("t/x", b"x" * 30, b"y")
            assert one.take().payload == b"y"
            one.socket.sendall(b"\x30\x05\0\x03t/+")
            assert "packet" not in one.expect_closed(0x81)


def test_both_ends_close_behind_a_disconnect(shared: BrokerProcess) -> None:
    """[MQTT-3.14.4-2] [MQTT-3.14.4-1]"""
    for v5 in (True, False):
        heard = answer(shared, hello(v5), b"\xe0\0" + PINGREQ_BYTES)
        assert heard[0] == 0x20
        assert PINGRESP_BYTES not in heard


def test_an_empty_client_identifier_without_a_clean_session(shared: BrokerProcess) -> None:
    """[MQTT-3.1.3-8 of 3.1.1]; in 5.0 it is assigned, and the session kept [MQTT-3.1.3-6]."""
    assert answer(shared, raw_connect(0, text(b""), v5=False)) == b"\x20\x02\0\x02"
    kept = Properties({SESSION_EXPIRY_INTERVAL: 60})
    with mqtt_peer(shared.mqtt_port, clean_start=False, properties=kept) as one:
        name = one.engine.client_id
        assert name
    with connect(shared, name, 0) as one:
        assert is_present(one)


@VERSIONS
def test_all_at_once(shared: BrokerProcess, client: MqttPeer, tree: str, v5: bool) -> None:
    """A client need not wait for CONNACK (§3.1.4). What it says before it leaves counts."""
    client.subscribe(f"{tree}/#")
    name = text(tree.encode())
    kept = b"\x05\x11\0\0\0\x3c"  # a Session Expiry Interval of 60
    head = text(b"MQTT") + bytes((5 if v5 else 4, 0)) + b"\0\0"
    heard = answer(
        shared,
        packet(0x10, head, kept if v5 else b"", name)
        + packet(0x82, b"\0\1", none(v5), text(f"{tree}/a".encode()), b"\1")
        + packet(0x32, text(f"{tree}/b".encode()), b"\0\2", none(v5), b"said")
        + b"\xe0\0",
    )
    assert heard[:1] == b"\x20"
    assert client.take().payload == b"said"
    client.put(f"{tree}/a", b"waits")
    with connect(shared, tree, 0, v5=v5) as one:
        assert is_present(one)
        assert one.take().payload == b"waits"


def test_a_second_connect(shared: BrokerProcess) -> None:
    """[MQTT-3.1.0-2] [MQTT-3.2.0-2]: one CONNACK, and the end."""
    heard = answer(shared, hello(v5=True), hello(v5=True))
    assert heard[2 + heard[1]] == 0xE0
    assert heard[2 + heard[1] + 2] == 0x82
