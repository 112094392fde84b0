"""AMQP and MQTT through WebSockets of the HTTP port: as on sockets, and what is refused."""

import contextlib
import signal
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from peeklock.limits import WRITE_PAUSE_BYTES
from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.events import Connected, ConnectionClosed
from peeklock.protocols.mqtt.publish import Publish
from tests.support.amqp_bytes import ACCEPTED, AMQP_HEADER
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.certificates import make_certificate
from tests.support.http_peer import HttpPeer
from tests.support.mqtt_peer import MqttPeer
from tests.support.websocket_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    WebSocketPeer,
    WebSocketWire,
    amqp_over_websocket,
    framed,
)

PATHS = [
    "/$servicebus/websocket",
    "/amqp",
    "/mqtt",
    "/ws",
    "/",
    "/%24servicebus/websocket/",
    "/ws?a=b",
]


@pytest.fixture
def client(shared: BrokerProcess) -> Iterator[WebSocketPeer]:
    with WebSocketPeer(shared.http_port) as peer:
        yield peer


@pytest.fixture
def opened(client: WebSocketPeer) -> WebSocketPeer:
    assert client.open("/amqp", "amqp") == 101
    return client


class TestHandshake:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [
            ("amqp", "amqp"),
            ("AMQPWSB10", "AMQPWSB10"),
            ("mqtt", "mqtt"),
            ("binary, AMQPWSB10, amqp", "AMQPWSB10"),
            ("mqttv3.1, mqtt", "mqtt"),
        ],
    )
    def test_the_first_known_protocol_is_spoken(
        self, client: WebSocketPeer, path: str, offered: str, chosen: str
    ) -> None:
        """MQTT 5.0 [MQTT-6.0.0-3] [MQTT-6.0.0-4]"""
        assert client.open(path, offered) == 101
        assert client.headers["sec-websocket-protocol"] == chosen
        assert "sec-websocket-extensions" not in client.headers
        if chosen != "mqtt":
            client.send(BINARY, AMQP_HEADER)
            assert client.read() == (BINARY, AMQP_HEADER)

    @pytest.mark.parametrize("offered", [None, "chat", "mqttv3.1", "binary"])
    def test_another_is_refused_with_those_that_there_are(
        self, client: WebSocketPeer, offered: str | None
    ) -> None:
        assert client.open("/mqtt", offered) == 400
        assert "there are AMQPWSB10, amqp, mqtt" in client.problem
        client.expect_end()

    def test_elsewhere_there_are_none(self, client: WebSocketPeer) -> None:
        assert client.open("/orders/messages", "amqp") == 404
        assert "/$servicebus/websocket" in client.problem

    @pytest.mark.parametrize(
        ("changes", "status", "told"),
        [
            ({"Sec_WebSocket_Version": "12"}, 426, "Sec-WebSocket-Version"),
            ({"Sec_WebSocket_Key": None}, 400, "Sec-WebSocket-Key"),
            ({"Sec_WebSocket_Version": None}, 400, "Sec-WebSocket-Version"),
            ({"Host": "evil.example"}, 421, "evil.example"),
        ],
    )
    def test_what_is_no_handshake(
        self, client: WebSocketPeer, changes: dict[str, str | None], status: int, told: str
    ) -> None:
        assert client.open("/amqp", "amqp", **changes) == status
        assert told in client.problem
        if status == 426:
            assert client.headers["sec-websocket-version"] == "13"

    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            ("https://evil.example", 403),
            ("null", 403),
            ("http://", 403),
            ("http://127.0.0.1:x", 403),
            ("http://localhost:3000", 101),  # --dev: pages of this machine
        ],
    )
    def test_pages_of_strangers_stay_out(
        self, client: WebSocketPeer, origin: str, status: int
    ) -> None:
        assert client.open("/mqtt", "mqtt", Origin=origin) == status
        if status == 403:
            assert "websocket_origins" in client.problem

    def test_the_port_goes_on_with_http(self, shared: BrokerProcess) -> None:
        answer = HttpPeer(shared).ask("GET", "/health")
        assert answer.status == 200


class TestAmqp:
    def test_a_job_goes_round(self, shared: BrokerProcess, queue: str) -> None:
        with amqp_over_websocket(shared.http_port) as peer:
            peer.attach_sender(queue)
            peer.put(b"1", b"2")
            peer.attach_receiver(queue, 1, credit=10)
            for body in (b"1", b"2"):
                heard, message = peer.receive()
                assert message.body == body
                peer.dispose(heard["delivery-id"], ACCEPTED, settled=True)

    def test_a_large_message_in_both_directions(
        self, shared: BrokerProcess, queue: str
    ) -> None:
        body = bytes(range(256)) * 200
        with amqp_over_websocket(shared.http_port) as peer:
            peer.attach_sender(queue)
            peer.put(body)
            peer.attach_receiver(queue, 1, credit=1)
            assert peer.receive()[1].body == body

    def test_locks_are_released_when_it_goes(self, shared: BrokerProcess, queue: str) -> None:
        for leave in ("close", "cut"):
            with ready_peer(shared.amqp_port) as waiting:
                holder = amqp_over_websocket(shared.http_port)
                holder.attach_sender(queue)
                holder.put(leave.encode())
                holder.attach_receiver(queue, 1, credit=1)
                holder.receive()
                waiting.attach_receiver(queue, 1, credit=1)
                waiting.expect_silence()
                if leave == "close":
                    holder.socket.peer.send(CLOSE, struct.pack(">H", 1000))
                    assert holder.socket.peer.expect_close() == (1000, "")
                holder.socket.close()
                heard, message = waiting.receive()
                assert message.body == leave.encode()
                waiting.dispose(heard["delivery-id"], ACCEPTED, settled=True)

    def test_closed_in_order(self, shared: BrokerProcess) -> None:
        with amqp_over_websocket(shared.http_port) as peer:
            peer.send("close")
            peer.expect("close")
            socket_peer = peer.socket.peer
            assert socket_peer.expect_close() == (1000, "")
            socket_peer.send(CLOSE, struct.pack(">H", 1000))
            socket_peer.expect_end()


class TestMqtt:
    @pytest.mark.parametrize("version", [4, 5])
    def test_a_job_goes_round(self, shared: BrokerProcess, queue: str, version: int) -> None:
        with WebSocketPeer(shared.http_port) as socket_peer:
            assert socket_peer.open("/mqtt", "mqtt") == 101
            wire = WebSocketWire(socket_peer, cut=3)
            with MqttPeer(0, Connect("", version), through=wire) as peer:
                peer.expect(Connected)
                peer.put(f"$queue/{queue}", b"1")
                peer.subscribe(f"$queue/{queue}")
                got = peer.expect(Publish)
                assert got.payload == b"1"
                peer.acknowledge(got)


class TestBadInput:
    """RFC 6455 §7.1.7: the connection fails with a code, and nobody else notices."""

    @pytest.mark.parametrize(
        ("frames", "code"),
        [
            pytest.param(framed(TEXT, b"AMQP"), 1003, id="text"),
            pytest.param(framed(TEXT, b"", final=False), 1003, id="empty text"),
            pytest.param(framed(BINARY, AMQP_HEADER, masked=False), 1002, id="unmasked"),
            pytest.param(framed(3, b"x"), 1002, id="reserved opcode"),
            pytest.param(framed(11), 1002, id="reserved control opcode"),
            pytest.param(framed(BINARY, b"x", reserved=4), 1002, id="reserved bit"),
            pytest.param(framed(CONTINUATION, b"x"), 1002, id="continuation of nothing"),
            pytest.param(
                framed(BINARY, b"A", final=False) + framed(BINARY, b"M"), 1002, id="two at once"
            ),
            pytest.param(framed(PING, b"x" * 126), 1002, id="long ping"),
            pytest.param(framed(PING, b"x", final=False), 1002, id="half a ping"),
            pytest.param(framed(CLOSE, b"x"), 1002, id="half a code"),
            pytest.param(framed(CLOSE, struct.pack(">H", 1005)), 1002, id="code of nobody"),
        ],
    )
    def test_frames_that_are_none(
        self, opened: WebSocketPeer, shared: BrokerProcess, frames: bytes, code: int
    ) -> None:
        """Text is none, either (MQTT 5.0 [MQTT-6.0.0-1])."""
        with ready_peer(shared.amqp_port) as other:
            opened.socket.sendall(frames)
            assert opened.expect_close()[0] == code
            with contextlib.suppress(OSError):
                opened.socket.sendall(framed(BINARY, AMQP_HEADER))
            opened.expect_end()
            other.send("end")
            other.expect("end")

    def test_a_message_that_never_ends(self, opened: WebSocketPeer) -> None:
        """No room is kept for what is announced, nor is it waited for."""
        opened.socket.sendall(framed(BINARY, AMQP_HEADER, announced=(1 << 63) - 1))
        assert opened.read() == (BINARY, AMQP_HEADER)

    def test_bytes_that_are_no_amqp(self, opened: WebSocketPeer) -> None:
        """As on a socket: the header that is spoken, and the end."""
        opened.send(BINARY, b"HTTP/1.1")
        opcode, said = opened.read()
        assert opcode == BINARY
        assert said[:4] == b"AMQP"
        assert opened.expect_close() == (1000, "")

    def test_empty_messages_and_pings_are_nothing(self, opened: WebSocketPeer) -> None:
        for _ in range(3):
            opened.send(BINARY)
            opened.send(PING, b"are you there")
            opened.send(PONG, b"unasked")
            assert opened.read() == (PONG, b"are you there")
        opened.send(BINARY, AMQP_HEADER)
        assert opened.read() == (BINARY, AMQP_HEADER)

    def test_a_handshake_and_no_word_after_it(self, shared: BrokerProcess) -> None:
        """Cut while the head is half there, or just behind it."""
        for end in (40, None):
            with WebSocketPeer(shared.http_port) as peer:
                peer.socket.sendall(peer.request("/amqp", "amqp")[:end])
        with amqp_over_websocket(shared.http_port) as peer:
            peer.send("end")
            peer.expect("end")


class TestBackPressure:
    def test_who_does_not_read_pongs_is_not_read(self, opened: WebSocketPeer) -> None:
        """Until it reads: then all of them come."""
        opened.socket.setblocking(False)
        one = framed(PING, b"x" * 125)
        ping = one * 1000
        sent = 0
        stuck_since = None
        while stuck_since is None or time.monotonic() - stuck_since < 1:
            try:
                sent += opened.socket.send(ping[sent % len(ping) :])
                stuck_since = None
            except BlockingIOError:
                stuck_since = stuck_since or time.monotonic()
                time.sleep(0.01)
            assert sent < 64 * WRITE_PAUSE_BYTES, "it reads on and on"
        opened.socket.settimeout(20)
        pong = framed(PONG, b"x" * 125, masked=False)
        wanted = pong * (sent // len(one))
        heard = bytearray()
        while len(heard) < len(wanted):
            heard += opened.socket.recv(1 << 20)
        assert heard == wanted

    def test_a_backlog_comes_as_it_is_read(self, shared: BrokerProcess, queue: str) -> None:
        count, body = 400, b"x" * 20_000
        with ready_peer(shared.amqp_port) as sender:
            sender.attach_sender(queue)
            sender.put(*[body] * count)
        with amqp_over_websocket(shared.http_port) as peer:
            peer.attach_receiver(queue, 1, credit=count, snd_settle_mode=1)
            time.sleep(0.5)
            for _ in range(count):
                assert peer.receive()[1].body == body


def test_told_to_end_it_says_so_in_each_tongue() -> None:
    with BrokerProcess() as broker:
        peer = amqp_over_websocket(broker.http_port)
        idle = WebSocketPeer(broker.http_port)
        idle.open("/mqtt", "mqtt")
        broker.send_signal(signal.SIGTERM)
        assert peer.expect("close")["error"]["condition"] == "amqp:connection:forced"  # type: ignore[index]
        peer.send("close")
        for one in (peer.socket.peer, idle):
            assert one.expect_close() == (1001, "")
            one.send(CLOSE, struct.pack(">H", 1001))
            one.expect_end()
            one.socket.close()
        assert broker.wait() == 0


def test_it_lets_workers_settle_when_it_is_told_to_end() -> None:
    with BrokerProcess() as broker:
        with amqp_over_websocket(broker.http_port) as peer:
            peer.attach_sender("orders")
            peer.put(b"1")
            peer.attach_receiver("orders", 1, credit=1)
            heard, _message = peer.receive()
            broker.send_signal(signal.SIGTERM)
            broker.wait_for("draining")
            peer.dispose(heard["delivery-id"], ACCEPTED)
            peer.expect("disposition", settled=True)
            peer.expect("close")
        assert broker.wait() == 0


class TestWithTls:
    @pytest.fixture
    def broker(self, tmp_path: Path) -> Iterator[BrokerProcess]:
        certificate, key = make_certificate(tmp_path)
        config = (
            f'http_tls_cert = "{certificate}"\nhttp_tls_key = "{key}"\n'
            'websocket_origins = ["https://console.example"]\n'
        )
        data = tmp_path / "data"
        with BrokerProcess(config=config, data_dir=data, dev=False) as process:
            yield process

    @pytest.fixture
    def context(self, broker: BrokerProcess, tmp_path: Path) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=tmp_path / "tls.crt")

    def test_who_is_inside_logs_in_as_always(
        self, broker: BrokerProcess, context: ssl.SSLContext
    ) -> None:
        peer = WebSocketPeer(broker.http_port, context=context)
        assert peer.open("/mqtt", "mqtt") == 101
        with MqttPeer(0, Connect("a"), through=WebSocketWire(peer)) as client:
            assert client.expect(ConnectionClosed).reason_code == 0x87  # not authorized

    def test_pages_come_from_our_address_or_those_that_are_named(
        self, broker: BrokerProcess, context: ssl.SSLContext
    ) -> None:
        origins = {
            f"https://127.0.0.1:{broker.http_port}": 101,
            f"http://127.0.0.1:{broker.http_port}": 101,
            "https://console.example": 101,
            "https://other.example": 403,
            "http://console.example": 403,
            "http://localhost:3000": 403,
        }
        for origin, status in origins.items():
            with WebSocketPeer(broker.http_port, context=context) as peer:
                assert peer.open("/amqp", "amqp", Origin=origin) == status

    def test_what_is_said_last_is_heard(
        self, broker: BrokerProcess, context: ssl.SSLContext
    ) -> None:
        with WebSocketPeer(broker.http_port, context=context) as peer:
            assert peer.open("/amqp", "amqp") == 101
            peer.send(TEXT, b"hello")
            assert peer.expect_close()[0] == 1003
            peer.expect_end()


def test_mqtt_that_is_off_is_off() -> None:
    with BrokerProcess("--mqtt", "off") as broker:
        with WebSocketPeer(broker.http_port) as peer:
            assert peer.open("/mqtt", "mqtt") == 400
            assert "there are AMQPWSB10, amqp" in peer.problem
