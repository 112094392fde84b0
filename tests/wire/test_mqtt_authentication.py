"""Enhanced authentication over MQTT 5 (§4.12): SCRAM-SHA-256, and who does it wrong."""

import time
from collections.abc import Iterator

import pytest

from peeklock.protocols.mqtt.connect import MQTT_3_1_1, Connack, Connect
from peeklock.protocols.mqtt.events import AuthReceived, Connected, ConnectRefused
from peeklock.protocols.mqtt.packets import Auth, Disconnect, encode_packet
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    MAXIMUM_PACKET_SIZE,
    REASON_STRING,
    Properties,
    PropertyValue,
)
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.subscribe import FilterRequest, Subscribe
from peeklock.security.passwords import hash_password
from peeklock.security.scram import make_verifier
from tests.support.broker_process import BrokerProcess
from tests.support.mqtt_peer import MqttPeer, RawMqtt, mqtt_peer
from tests.support.scram_client import ScramClient, fields

SCRAM = "SCRAM-SHA-256"
CONFIG = f"""
[[users]]
name = "device"
scram_verifier = "{make_verifier("pencil", b"0123456789abcdef", 4096)}"
rights = ["send"]

[[users]]
name = "other"
scram_verifier = "{make_verifier("pencil", b"fedcba9876543210", 4096)}"

[[users]]
name = "old"
password_hash = "{hash_password("pencil")}"

[[queues]]
name = "orders"
"""
WRONG = "the user name or the password is wrong"


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess(config=CONFIG, dev=False) as process:
        yield process


def told(data: bytes | None, method: str = SCRAM) -> Properties:
    found: dict[int, PropertyValue] = {AUTHENTICATION_METHOD: method}
    if data is not None:
        found[AUTHENTICATION_DATA] = data
    return Properties(found)


def begun(broker: BrokerProcess, client: ScramClient, client_id: str = "") -> MqttPeer:
    """Its CONNECT is there."""
    return MqttPeer(broker.mqtt_port, Connect(client_id, properties=told(client.first)))


def challenge_of(peer: MqttPeer) -> bytes:
    asked = peer.expect(AuthReceived).auth
    assert asked.reason_code == 0x18
    assert asked.properties.text(AUTHENTICATION_METHOD) == SCRAM  # [MQTT-4.12.0-5]
    data = asked.properties.binary(AUTHENTICATION_DATA)
    assert data is not None
    return data


def answer(peer: MqttPeer, data: bytes | None, code: int = 0x18) -> None:
    peer.engine.authenticate(code, data)
    peer.flush()


def let_in(broker: BrokerProcess, name: bytes = b"device", client_id: str = "") -> MqttPeer:
    client = ScramClient(name, b"pencil")
    peer = begun(broker, client, client_id)
    answer(peer, client.final(challenge_of(peer)))
    peer.connack = peer.expect(Connected).connack
    return peer


def refused(peer: MqttPeer) -> Connack:
    """And nothing follows."""
    found = peer.expect(ConnectRefused).connack
    peer.expect_closed()
    return found


def reason(connack: Connack) -> str | None:
    return connack.properties.text(REASON_STRING)


class TestLogin:
    def test_the_right_password(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.0-2] [MQTT-4.12.0-3]: the server's last word comes with the CONNACK."""
        client = ScramClient(b"device", b"pencil")
        with begun(broker, client) as peer:
            asked = challenge_of(peer)
            assert len(fields(asked)[b"r"]) >= 20 + 32  # the nonce has 128 bits of the server's
            answer(peer, client.final(asked))
            connack = peer.expect(Connected).connack
            client.check(connack.properties.binary(AUTHENTICATION_DATA))
            assert connack.properties.text(AUTHENTICATION_METHOD) == SCRAM  # [MQTT-4.12.0-5]
            peer.put("$queue/orders", b"1")
            assert peer.subscribe("$queue/orders").suback.reason_codes == (0x87,)

    def test_a_client_that_says_nothing_at_first_is_asked(self, broker: BrokerProcess) -> None:
        client = ScramClient(b"device", b"pencil")
        with MqttPeer(broker.mqtt_port, Connect("", properties=told(None))) as peer:
            asked = peer.expect(AuthReceived).auth
            assert asked.reason_code == 0x18
            assert asked.properties.binary(AUTHENTICATION_DATA) is None
            answer(peer, client.first)
            answer(peer, client.final(challenge_of(peer)))
            client.check(peer.expect(Connected).connack.properties.binary(AUTHENTICATION_DATA))

    @pytest.mark.parametrize("name", [b"device", b"old", b"nobody"])
    def test_whatever_is_wrong_is_told_alike(self, broker: BrokerProcess, name: bytes) -> None:
        """[MQTT-4.12.0-4]: a wrong password, a user without a verifier, no user."""
        salts = set()
        for _ in range(2):
            client = ScramClient(name, b"pen")
            with begun(broker, client) as peer:
                asked = challenge_of(peer)
                salts.add((fields(asked)[b"s"], fields(asked)[b"i"]))
                answer(peer, client.final(asked))
                connack = refused(peer)
            assert (connack.reason_code, reason(connack)) == (0x87, WRONG)
        assert len(salts) == 1
        broker.wait_for("login refused")

    def test_salts_outlive_a_restart(self, broker: BrokerProcess) -> None:
        """Or those that were made up would be told by it."""

        def salts() -> list[bytes]:
            found = []
            for name in (b"device", b"nobody"):
                with begun(broker, ScramClient(name, b"x")) as peer:
                    found.append(fields(challenge_of(peer))[b"s"])
            return found

        before = salts()
        broker.terminate()
        broker.restart()
        assert salts() == before

    def test_the_key_of_salts_is_its_owners(self, broker: BrokerProcess) -> None:
        assert (broker.data_dir / "salt-key.json").stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        ("first", "why"),
        [
            (b"p=tls-server-end-point,,n=device,r=a", "channel-binding-not-supported"),
            (b"n,,n=de=vice,r=a", "invalid-username-encoding"),
            (b"n,,m=1,n=device,r=a", "extensions-not-supported"),
            (b"n,a=other,n=device,r=a", "other-error"),
            (b"\xff", "invalid-encoding"),
            (b"", "other-error"),
            (b"n,,n=device,r=" + b"a" * 60_000, "other-error"),
        ],
        ids=lambda one: repr(one)[:40],
    )
    def test_a_first_message_that_is_none(
        self, broker: BrokerProcess, first: bytes, why: str
    ) -> None:
        with MqttPeer(broker.mqtt_port, Connect("", properties=told(first))) as peer:
            connack = refused(peer)
        assert (connack.reason_code, reason(connack)) == (0x87, f"{SCRAM}: {why}")

    def test_a_last_message_that_is_none(self, broker: BrokerProcess) -> None:
        for final in (b"", None, b"c=biws,r=a,p=b"):
            with begun(broker, ScramClient(b"device", b"pencil")) as peer:
                challenge_of(peer)
                answer(peer, final)
                assert refused(peer).reason_code == 0x87

    def test_a_proof_is_good_once(self, broker: BrokerProcess) -> None:
        """What somebody has overheard answers another challenge no more."""
        client = ScramClient(b"device", b"pencil")
        with begun(broker, client) as peer:
            heard = client.final(challenge_of(peer))
            answer(peer, heard)
            peer.expect(Connected)
        with begun(broker, client) as peer:
            challenge_of(peer)
            answer(peer, heard)
            assert refused(peer).reason_code == 0x87

    def test_a_session_is_there_again(self, broker: BrokerProcess) -> None:
        """Its owner is who proved it."""
        with let_in(broker, b"other", "mine"), let_in(broker, b"other", "mine") as peer:
            peer.put("$queue/orders", b"1")
            client = ScramClient(b"device", b"pencil")
            with begun(broker, client, "mine") as stranger:
                answer(stranger, client.final(challenge_of(stranger)))
                assert refused(stranger).reason_code == 0x87

    def test_a_name_and_a_password_beside_it_count_for_nothing(
        self, broker: BrokerProcess
    ) -> None:
        client = ScramClient(b"device", b"pencil")
        connect = Connect("", user_name="old", password=b"wrong", properties=told(client.first))
        with MqttPeer(broker.mqtt_port, connect) as peer:
            answer(peer, client.final(challenge_of(peer)))
            peer.expect(Connected)
            assert peer.subscribe("$queue/orders").suback.reason_codes == (0x87,)


class TestMethods:
    @pytest.mark.parametrize(
        "method",
        ["PLAIN", "EXTERNAL", "scram-sha-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", ""],
    )
    def test_others_are_refused(self, broker: BrokerProcess, method: str) -> None:
        """[MQTT-4.12.0-1]"""
        connect = Connect("", properties=told(b"x", method))
        with MqttPeer(broker.mqtt_port, connect) as peer:
            connack = refused(peer)
        assert connack.reason_code == 0x8C
        assert SCRAM in (reason(connack) or "")

    def test_where_anybody_comes_in_there_is_none(self, shared: BrokerProcess) -> None:
        connect = Connect("", properties=told(b"n,,n=device,r=a"))
        with MqttPeer(shared.mqtt_port, connect) as peer:
            connack = refused(peer)
        assert (connack.reason_code, "offered: none" in (reason(connack) or "")) == (0x8C, True)

    @pytest.mark.parametrize("v5", [True, False])
    def test_passwords_go_on(self, broker: BrokerProcess, v5: bool) -> None:
        with mqtt_peer(broker.mqtt_port, v5=v5, user_name="old", password=b"pencil") as peer:
            peer.put("$queue/orders", b"1")

    @pytest.mark.parametrize(("v5", "code"), [(True, 0x86), (False, 0x86)])
    def test_a_user_without_a_hash_has_no_password(
        self, broker: BrokerProcess, v5: bool, code: int
    ) -> None:
        version = 5 if v5 else MQTT_3_1_1
        connect = Connect("", version, user_name="device", password=b"pencil")
        with MqttPeer(broker.mqtt_port, connect) as peer:
            assert refused(peer).reason_code == code


class TestAnew:
    """Re-authentication (§4.12.1)"""

    def test_by_the_same_user(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.1-1]; other packets go on meanwhile."""
        client = ScramClient(b"device", b"pencil")
        with let_in(broker) as peer:
            answer(peer, client.first, 0x19)
            asked = challenge_of(peer)
            peer.put("$queue/orders", b"1")
            answer(peer, client.final(asked))
            done = peer.expect(AuthReceived).auth
            assert done.reason_code == 0
            client.check(done.properties.binary(AUTHENTICATION_DATA))
            peer.put("$queue/orders", b"2")
            answer(peer, client.first, 0x19)
            assert challenge_of(peer) != asked

    def test_with_the_wrong_password(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.1-2]"""
        client = ScramClient(b"device", b"pen")
        with let_in(broker) as peer:
            answer(peer, client.first, 0x19)
            answer(peer, client.final(challenge_of(peer)))
            assert peer.expect_closed(0x87) == WRONG

    def test_as_somebody_else(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.1-2]: the session and its subscriptions are the first one's."""
        client = ScramClient(b"other", b"pencil")
        with let_in(broker) as peer:
            answer(peer, client.first, 0x19)
            answer(peer, client.final(challenge_of(peer)))
            assert "'device'" in peer.expect_closed(0x87)

    def test_half_of_it_changes_nothing(self, broker: BrokerProcess) -> None:
        with let_in(broker) as peer:
            answer(peer, None, 0x19)
            asked = peer.expect(AuthReceived).auth
            assert asked.properties.binary(AUTHENTICATION_DATA) is None
            peer.put("$queue/orders", b"1")
            peer.disconnect()


class TestHostile:
    """Bytes that no client of ours would send."""

    CONNECT = encode_packet(
        Connect("", keep_alive=1, properties=told(ScramClient(b"device", b"pencil").first)),
        is_v5=True,
    )

    def log_in(self, raw: RawMqtt, client: ScramClient) -> None:
        """`CONNECT`, and what follows."""
        raw.send(self.CONNECT)
        head = raw.socket.recv(4096)
        challenge = head[head.index(b"r=") :]
        raw.send(encode_packet(Auth(0x18, told(client.final(challenge))), is_v5=True))
        assert raw.socket.recv(4096)[:1] == b"\x20"

    @pytest.mark.parametrize(
        ("packet", "section"),
        [
            (encode_packet(Publish("$queue/orders", b"x", 0), is_v5=True), "MQTT-3.1.2-30"),
            (
                encode_packet(Subscribe(1, (FilterRequest("a"),)), is_v5=True),
                "MQTT-3.1.2-30",
            ),
            (b"\xc0\x00", "MQTT-3.1.2-30"),
            (CONNECT, "MQTT-3.1.0-2"),
            (encode_packet(Auth(0x19, told(b"x")), is_v5=True), "MQTT-4.12.0-3"),
            (encode_packet(Auth(0x00, told(b"x")), is_v5=True), "MQTT-4.12.0-3"),
            (encode_packet(Auth(0x18, told(b"x", "PLAIN")), is_v5=True), "MQTT-4.12.0-5"),
            (b"\xf0\x00", "MQTT-4.12.0-5"),
        ],
        ids=repr,
    )
    def test_the_wrong_packet_in_between(
        self, broker: BrokerProcess, packet: bytes, section: str
    ) -> None:
        """§4.12: until the CONNACK there is AUTH and DISCONNECT, and nothing else."""
        with RawMqtt(broker.mqtt_port) as raw:
            raw.send(self.CONNECT)
            assert raw.socket.recv(1) == b"\xf0"
            raw.send(packet)
            heard = raw.read_to_end()
            assert section.encode() in heard
            assert b"\x00\x82" in heard  # CONNACK: no session, protocol error
        with let_in(broker) as peer:
            peer.put("$queue/orders", b"1")

    def test_a_disconnect_in_between_is_heard(self, broker: BrokerProcess) -> None:
        """[MQTT-3.1.2-30]"""
        with RawMqtt(broker.mqtt_port) as raw:
            raw.send(self.CONNECT)
            assert raw.socket.recv(1) == b"\xf0"
            raw.send(encode_packet(Disconnect(0), is_v5=True))
            assert b"\x00\x87" not in raw.read_to_end()

    def test_auth_without_a_method(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.0-7]"""
        with mqtt_peer(broker.mqtt_port, user_name="old", password=b"pencil") as peer:
            peer.socket.sendall(encode_packet(Auth(0x19, told(b"x")), is_v5=True))
            assert "MQTT-4.12.0-7" in peer.expect_closed(0x82)

    def test_auth_in_3_1_1(self, broker: BrokerProcess) -> None:
        """There is no such packet."""
        with mqtt_peer(broker.mqtt_port, v5=False, user_name="old", password=b"pencil") as peer:
            peer.socket.sendall(encode_packet(Auth(0x19, told(b"x")), is_v5=True))
            peer.expect_closed()

    def test_success_is_the_servers_to_say(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.1-1]"""
        with let_in(broker) as peer:
            peer.socket.sendall(encode_packet(Auth(0x00, told(b"x")), is_v5=True))
            assert "MQTT-4.12.1-1" in peer.expect_closed(0x82)

    def test_twice_anew_at_once(self, broker: BrokerProcess) -> None:
        """[MQTT-4.12.1-1]"""
        client = ScramClient(b"device", b"pencil")
        again = encode_packet(Auth(0x19, told(client.first)), is_v5=True)
        with RawMqtt(broker.mqtt_port) as raw:
            self.log_in(raw, client)
            raw.send(again + again)
            assert b"MQTT-4.12.1-1" in raw.read_to_end()

    def test_a_client_that_takes_no_auth_of_that_size(self, broker: BrokerProcess) -> None:
        first = ScramClient(b"device", b"pencil").first
        tight = Properties(told(first).values | {MAXIMUM_PACKET_SIZE: 40})
        with RawMqtt(broker.mqtt_port) as raw:
            raw.send(encode_packet(Connect("", properties=tight), is_v5=True))
            assert raw.read_to_end() == b""

    def test_keep_alive_bounds_it_once_it_is_in(self, broker: BrokerProcess) -> None:
        """[MQTT-3.1.2-22]: half of an authentication keeps nobody alive."""
        client = ScramClient(b"device", b"pencil")
        with RawMqtt(broker.mqtt_port) as raw:
            self.log_in(raw, client)
            raw.send(encode_packet(Auth(0x19, told(client.first)), is_v5=True))
            assert raw.socket.recv(1) == b"\xf0"
            assert b"\x8d" in raw.read_to_end()

    def test_many_at_once_and_half_done(self, broker: BrokerProcess) -> None:
        """Who leaves in the midst leaves nothing behind, and holds up nobody."""
        halves = [begun(broker, ScramClient(b"device", b"x")) for _ in range(50)]
        for one in halves:
            challenge_of(one)
        with let_in(broker) as peer:
            peer.put("$queue/orders", b"1")
        for one in halves:
            one.socket.close()
        time.sleep(0.05)
        with let_in(broker) as peer:
            peer.put("$queue/orders", b"1")
        assert "connection failed" not in broker.stderr
