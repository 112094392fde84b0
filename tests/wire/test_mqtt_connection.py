"""Coming and going over MQTT: logins, client identifiers, keep alive, refusals, the end."""

import json
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.limits import PROBE_AFTER
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, Connect
from peeklock.protocols.mqtt.events import ConnectRefused, PublishAcknowledged
from peeklock.protocols.mqtt.properties import (
    ASSIGNED_CLIENT_IDENTIFIER,
    AUTHENTICATION_METHOD,
    REASON_STRING,
    SERVER_KEEP_ALIVE,
    Properties,
)
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess, serve_until_it_ends
from tests.support.certificates import make_certificate
from tests.support.mqtt_peer import MqttPeer, RawMqtt, mqtt_peer

TCP_TABLE = Path("/proc/net/tcp")
VERSIONS = pytest.mark.parametrize("v5", [True, False], ids=["5.0", "3.1.1"])


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(dev=False, data_dir=tmp_path_factory.mktemp("strict")) as process:
        yield process


@pytest.fixture
def known(strict: BrokerProcess) -> tuple[str, bytes]:
    """The generated user and password."""
    found = json.loads((strict.data_dir / "credentials.json").read_text())
    return found["user"], found["password"].encode()


def refusal(port: int, connect: Connect) -> ConnectRefused:
    with MqttPeer(port, connect) as peer:
        return peer.expect(ConnectRefused)


class TestLogin:
    @VERSIONS
    def test_user_and_password(
        self, strict: BrokerProcess, known: tuple[str, bytes], v5: bool
    ) -> None:
        user, password = known
        with mqtt_peer(strict.mqtt_port, "a", v5=v5, user_name=user, password=password) as one:
            one.expect_silence()

    @pytest.mark.parametrize(
        ("version", "code"), [(5, 0x86), (MQTT_3_1_1, 0x86)], ids=["5.0", "3.1.1"]
    )
    @pytest.mark.parametrize("wrong", [b"wrong", b"", b"a\0b", b"\xff"], ids=repr)
    def test_the_wrong_password(
        self, strict: BrokerProcess, known: tuple[str, bytes], version: int, code: int,
        wrong: bytes,
    ) -> None:  # fmt: skip
        connect = Connect("a", version, user_name=known[0], password=wrong)
        assert refusal(strict.mqtt_port, connect).connack.reason_code == code

    @pytest.mark.parametrize("version", [5, MQTT_3_1_1])
    def test_nothing_said(self, strict: BrokerProcess, version: int) -> None:
        refused = refusal(strict.mqtt_port, Connect("a", version)).connack
        assert refused.reason_code == 0x87
        if version == 5:
            assert refused.properties.text(REASON_STRING) is not None

    def test_a_right_one_helps_no_wrong_one(
        self, strict: BrokerProcess, known: tuple[str, bytes]
    ) -> None:
        """It is known again for a while; what is like it is not."""
        user, password = known
        for _ in range(2):
            with mqtt_peer(strict.mqtt_port, "", user_name=user, password=password) as one:
                one.expect_silence(0.01)
            for wrong in (password + b"x", password[:-1], b""):
                connect = Connect("", user_name=user, password=wrong)
                assert refusal(strict.mqtt_port, connect).connack.reason_code == 0x86

    def test_refused_logins_are_logged(self, strict: BrokerProcess) -> None:
        refusal(strict.mqtt_port, Connect("a", user_name="nobody", password=b"x"))
        strict.wait_for("login refused")

    def test_enhanced_authentication_is_not_there(self, shared: BrokerProcess) -> None:
        """[MQTT-4.12.0-1]"""
        connect = Connect("a", properties=Properties({AUTHENTICATION_METHOD: "SCRAM-SHA-256"}))
        assert refusal(shared.mqtt_port, connect).connack.reason_code == 0x8C


class TestClientIdentifier:
    def test_one_is_assigned(self, shared: BrokerProcess) -> None:
        """[MQTT-3.1.3-7]"""
        with mqtt_peer(shared.mqtt_port) as one, mqtt_peer(shared.mqtt_port) as other:
            names = set()
            for peer in (one, other):
                assert peer.connack is not None
                names.add(peer.connack.properties.text(ASSIGNED_CLIENT_IDENTIFIER))
            assert len(names) == 2
            assert None not in names

    def test_in_3_1_1_without_a_word(self, shared: BrokerProcess) -> None:
        with mqtt_peer(shared.mqtt_port, v5=False) as one:
            one.expect_silence()

    def test_a_long_one(self, shared: BrokerProcess) -> None:
        """[MQTT-3.1.3-8]"""
        assert refusal(shared.mqtt_port, Connect("x" * 257)).connack.reason_code == 0x85

    @VERSIONS
    def test_take_over(self, shared: BrokerProcess, v5: bool) -> None:
        """[MQTT-3.1.4-3]"""
        name = f"twin-{v5}"
        with mqtt_peer(shared.mqtt_port, name, v5=v5) as one:
            with mqtt_peer(shared.mqtt_port, name, v5=v5) as other:
                one.expect_closed(0x8E if v5 else None)
                other.expect_silence()
            with mqtt_peer(shared.mqtt_port, name, v5=v5) as third:
                third.expect_silence()

    def test_not_by_another_user(self, shared: BrokerProcess) -> None:
        with mqtt_peer(shared.mqtt_port, "mine", user_name="anna") as one:
            connect = Connect("mine", user_name="bert")
            assert refusal(shared.mqtt_port, connect).connack.reason_code == 0x87
            one.expect_silence()


class TestWhatIsNotServedYet:
    def test_3_1_1_closes_on_what_it_cannot_refuse(self, shared: BrokerProcess) -> None:
        with mqtt_peer(shared.mqtt_port, v5=False) as one:
            assert one.subscribe("$a/b").suback.reason_codes == (0x80,)
            one.publish("$a/b", b"1")
            one.expect_closed()


class TestTheWire:
    def test_silence_longer_than_the_keep_alive(self, shared: BrokerProcess) -> None:
        """[MQTT-3.1.2-22]"""
        with mqtt_peer(shared.mqtt_port, "", keep_alive=1) as one:
            assert "MQTT-3.1.2-22" in one.expect_closed(0x8D)

    @pytest.mark.skipif(not TCP_TABLE.exists(), reason="Linux tells of a connection's timers")
    def test_who_asks_for_no_keep_alive_is_probed_by_tcp(self, shared: BrokerProcess) -> None:
        """Else the broker would never know of a machine that was switched off."""
        with mqtt_peer(shared.mqtt_port) as one:
            ends = [f"{port:04X}" for port in (shared.mqtt_port, one.socket.getsockname()[1])]
            rows = [row.split() for row in TCP_TABLE.read_text().splitlines()]
            (timer,) = [row[5] for row in rows if [one[-4:] for one in row[1:3]] == ends]
            kind, _colon, left = timer.partition(":")
            assert kind == "02", "keep-alive"
            assert 0 < int(left, 16) / 100 <= PROBE_AFTER

    def test_the_brokers_own_keep_alive(self) -> None:
        """[MQTT-3.2.2-21] [MQTT-3.2.2-22]: 5.0's clients are told, 3.1.1's are as they ask."""
        with BrokerProcess(env={"PEEKLOCK_MQTT_KEEP_ALIVE_MAX": "1"}) as broker:
            for asked, v5, told in (
                (0, True, 1),
                (60, True, 1),
                (1, True, None),
                (0, False, None),
            ):
                with mqtt_peer(broker.mqtt_port, "", v5=v5, keep_alive=asked) as one:
                    assert one.connack is not None
                    assert one.connack.properties.values.get(SERVER_KEEP_ALIVE) == told
                    if v5:
                        assert "MQTT-3.1.2-22" in one.expect_closed(0x8D)
                    else:
                        one.expect_silence(2)

    @pytest.mark.parametrize(
        "nonsense",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            b"AMQP\x03\x01\x00\x00",
            b"\x30\x05\x00\x01a12",
            b"\x10\xff\xff\xff\xff",
            b"\x10\x00",
            bytes(100),
        ],
        ids=repr,
    )
    def test_nonsense_ends_its_connection_alone(
        self, shared: BrokerProcess, nonsense: bytes
    ) -> None:
        with mqtt_peer(shared.mqtt_port) as other:
            with RawMqtt(shared.mqtt_port) as raw:
                raw.send(nonsense)
                raw.read_to_end()
            other.publish("$x", b"1")
            other.expect(PublishAcknowledged)
        assert "connection failed" not in shared.stderr

    def test_violations_are_named(self, shared: BrokerProcess) -> None:
        with mqtt_peer(shared.mqtt_port) as one:
            one.socket.sendall(b"\x82\x02\x00\x01")  # SUBSCRIBE without filters or properties
            one.expect_closed(0x81)

    def test_connect_byte_by_byte(self, shared: BrokerProcess) -> None:
        packet = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03x12"
        with RawMqtt(shared.mqtt_port) as raw:
            for place in range(len(packet)):
                raw.send(packet[place : place + 1])
            assert raw.socket.recv(2)[0] == 0x20


class TestLimits:
    def test_connections_are_counted_over_all_protocols(self, tmp_path: Path) -> None:
        with BrokerProcess(env={"PEEKLOCK_CONNECTIONS_MAX": "2"}, data_dir=tmp_path) as broker:
            with ready_peer(broker.amqp_port), mqtt_peer(broker.mqtt_port):
                refused = refusal(broker.mqtt_port, Connect("a")).connack
                assert refused.reason_code == 0x97
                assert "allowed are 2" in (refused.properties.text(REASON_STRING) or "")
                assert refusal(
                    broker.mqtt_port, Connect("a", MQTT_3_1_1)
                ).connack.reason_code == 0x88  # return code 3  # fmt: skip


class TestTheListener:
    def test_told_to_end_it_says_so(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path) as broker:
            with (
                mqtt_peer(broker.mqtt_port) as one,
                mqtt_peer(broker.mqtt_port, v5=False) as old,
            ):
                broker.send_signal(signal.SIGTERM)
                assert one.expect_closed(0x8B) == "the broker is shutting down"
                old.expect_closed()
                assert broker.wait() == 0

    def test_over_tls(self, tmp_path: Path) -> None:
        certificate, key = make_certificate(tmp_path)
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        files = ("--tls-cert", str(certificate), "--tls-key", str(key))
        with BrokerProcess(*files, data_dir=tmp_path / "data") as broker:
            with mqtt_peer(broker.mqtt_port, context=context) as one:
                one.expect_silence()
            with RawMqtt(broker.mqtt_port) as raw:
                raw.send(b"\x10\x10\x00\x04MQTT")
                assert not raw.read_to_end().startswith(b"\x20")

    def test_none(self) -> None:
        with BrokerProcess("--mqtt", "off") as process:
            assert "mqtt=" not in process.ready_line

    def test_an_address_that_is_taken(self, shared: BrokerProcess) -> None:
        taken = f"127.0.0.1:{shared.mqtt_port}"
        code, stderr = serve_until_it_ends(
            *("--ephemeral", "--dev", "--amqp", "127.0.0.1:0", "--http", "off"),
            *("--mqtt", taken),
        )
        assert code == 2
        assert f"cannot listen on {taken}: Address already in use" in stderr

    def test_loopback_only_without_tls_and_users(self) -> None:
        code, stderr = serve_until_it_ends("--ephemeral", "--dev", "--mqtt", "0.0.0.0:0")
        assert code == 2
        assert "loopback only" in stderr
