"""Jobs over HTTP, from those who mean no good, are slow, or go: nobody else notices."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from peeklock.limits import HTTP_HEADER_BYTES_MAX, HTTP_WAITING_MAX
from tests.support.amqp_bytes import (
    application_properties,
    composite,
    data_section,
    string,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.wire.test_http import CONFIG, basic, signature

LOCK_MS = 86_400_000


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


@pytest.fixture(scope="module")
def guarded() -> Iterator[BrokerProcess]:
    """With access keys, and the user of a first start."""
    config = CONFIG + '\n[[queues]]\nname = "orders"\n[[queues]]\nname = "other"\n'
    with BrokerProcess(config=config, dev=False) as process:
        yield process


def request(method: str, path: str, *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *more, "", ""]
    return "\r\n".join(lines).encode()


def wait_of(queue: str, method: str = "POST") -> bytes:
    return request(method, f"/{queue}/messages/head?timeout=60")


class TestHangingUp:
    """What nobody is there for stays in the queue, or is back in it at once."""

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    @pytest.mark.parametrize("how", ["close", "reset", "half"])
    def test_while_waiting(
        self, http: HttpPeer, operator: AmqpOperator, queue: str, method: str, how: str
    ) -> None:
        operator.create(queue, lock_duration_ms=LOCK_MS)
        gone = http.connect()
        gone.sendall(wait_of(queue, method))
        time.sleep(0.3)
        if how == "half":
            gone.shutdown(socket.SHUT_WR)
        else:
            if how == "reset":
                linger = struct.pack("ii", 1, 0)
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            gone.close()
        time.sleep(0.1)
        http.send(queue, b"for somebody")
        got = http.lock(queue, timeout=5)
        assert (got.status, got.broker["DeliveryCount"]) == (201, 1)
        gone.close()

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_in_the_moment_that_it_comes(
        self, http: HttpPeer, operator: AmqpOperator, queue: str, method: str
    ) -> None:
        """The end is there before the message is; the broker may look at both at once."""
        operator.create(queue, lock_duration_ms=LOCK_MS)
        for number in range(30):
            gone = http.connect()
            gone.sendall(wait_of(queue, method))
            time.sleep(0.01)
            gone.close()
            http.send(queue, b"%d" % number)
            got = http.take(queue, timeout=5)
            assert (got.status, got.body) == (200, b"%d" % number)
            assert got.broker["DeliveryCount"] == 1

    def test_a_thousand_times(self, http: HttpPeer, operator: AmqpOperator, queue: str) -> None:
        operator.create(queue)
        before = http.process.rss_bytes
        for _ in range(1000):
            with http.connect() as gone:
                gone.sendall(wait_of(queue))
        http.send(queue)
        assert http.lock(queue, timeout=5).status == 201
        assert http.process.rss_bytes - before < 40_000_000

    def test_in_a_body(self, http: HttpPeer, queue: str) -> None:
        with http.connect() as gone:
            gone.sendall(request("POST", f"/{queue}/messages", "content-length: 100") + b"half")
        http.send(queue, b"whole")
        assert http.take(queue).body == b"whole"
        assert http.take(queue).status == 204


class TestBounds:
    def test_as_many_as_may_wait(self, http: HttpPeer, queue: str) -> None:
        """Whoever holds a message can settle it all the same."""
        http.send(queue)
        held = http.lock(queue)
        with ExitStack() as stack:
            for _ in range(HTTP_WAITING_MAX + 20):  # a look takes a place, too
                one = stack.enter_context(http.connect())
                one.sendall(wait_of(queue))
            deadline = time.monotonic() + 20
            while (
                answer := http.ask("POST", f"/{queue}/messages/head?timeout=0")
            ).status == 204:
                assert time.monotonic() < deadline
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.problem["retryable"] is True
            assert http.ask("DELETE", held.place).status == 200
        http.send(queue)
        assert http.lock(queue, timeout=20).status == 201, "those have gone"

    def test_headers_too_long(self, http: HttpPeer, queue: str) -> None:
        line = "x: " + "y" * HTTP_HEADER_BYTES_MAX
        answer = http.raw(request("POST", f"/{queue}/messages", line, "connection: close"))
        assert answer.startswith(b"HTTP/1.1 4")

    def test_many_headers(self, http: HttpPeer, queue: str) -> None:
        properties = {f"n{number}": str(number) for number in range(2000)}
        answer = http.ask_with("POST", f"/{queue}/messages", b"x", properties)
        assert answer.status == 201
        received = http.raw(
            request("DELETE", f"/{queue}/messages/head?timeout=0", "connection: close")
        )
        assert b"\r\nn1999: 1999\r\n" in received

    @pytest.mark.parametrize(
        "more",
        [
            ("content-length: 999999999999",),
            ("content-length: " + "9" * 40,),
        ],
    )
    def test_a_body_that_is_announced_too_long(
        self, http: HttpPeer, queue: str, more: tuple[str, ...]
    ) -> None:
        """It is refused before any of it comes."""
        with http.connect() as peer:
            peer.sendall(request("POST", f"/{queue}/messages", *more))
            assert peer.recv(65536).startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))

    def test_a_body_without_end(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, max_message_bytes=100_000)
        before = http.process.rss_bytes
        with http.connect() as peer:
            peer.sendall(request("POST", f"/{queue}/messages", "transfer-encoding: chunked"))
            chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            for _ in range(300):
                peer.sendall(chunk)
            assert peer.recv(65536).startswith(b"HTTP/1.1 413 ")
        assert http.process.rss_bytes - before < 10_000_000

    def test_a_slow_body_holds_nobody_up(self, http: HttpPeer, queue: str) -> None:
        with http.connect() as slow:
            slow.sendall(request("POST", f"/{queue}/messages", "content-length: 5"))
            for byte in b"slow":
                slow.sendall(bytes([byte]))
                http.send(f"{queue}-other")
            slow.sendall(b"!")
            assert slow.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert http.take(queue).body == b"slow!"

    def test_who_does_not_read_its_message(self, http: HttpPeer, queue: str) -> None:
        """It goes out as it is read; others have theirs meanwhile."""
        body = b"x" * 30_000_000
        http.send(queue, body)
        before = http.process.rss_bytes
        with http.connect() as deaf:
            deaf.sendall(wait_of(queue))
            assert deaf.recv(16).startswith(b"HTTP/1.1 201")
            http.send(f"{queue}-other", b"mine")
            assert http.take(f"{queue}-other").body == b"mine"
            assert http.process.rss_bytes - before < 60_000_000
            received = bytearray()
            while len(received) < len(body):
                received += deaf.recv(1 << 20)
            assert received.endswith(b"xxx")

    def test_pipelined(self, http: HttpPeer, queue: str) -> None:
        """Answers come in the order of the requests."""
        one = request("POST", f"/{queue}/messages", "content-length: 1")
        last = request("POST", "/none/$such/messages/head", "connection: close")
        received = http.raw(one + b"a" + one + b"b" + wait_of(queue) + last)
        statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"201", b"201", b"201", b"404"]


class TestWhatMessagesMayBring:
    """Their senders choose names and values; they must not become other people's headers."""

    def test_properties_that_no_header_may_have(
        self, ready: AmqpPeer, http: HttpPeer, queue: str
    ) -> None:
        properties = {
            "Content-Length": "0",
            "transfer-encoding": "chunked",
            "Set-Cookie": "a=b",
            "bad name": "spaces",
            "line\r\nbreak: x": "y",
            "ünïcode": "z",
            "": "empty",
            "good": "line\r\nbreak\0 ü “x”",
            "Good": 1,
        }
        ready.attach_sender(queue)
        kind = "text/plain\r\nx-evil: 1"
        payload = (
            composite("properties", content_type=kind, content_encoding="a\nb")
            + application_properties(properties)
            + data_section(b"body")
        )
        ready.transfer(0, payload)
        ready.hear_accepted(0, 0)
        got = http.take(queue)
        assert got.body == b"body"
        assert json.loads(got.headers["good"]) == properties["good"]
        more = json.loads(got.headers["Peeklock-Properties"])
        assert more == {name: properties[name] for name in properties if name != "good"}
        assert got.headers["Content-Type"] is None
        assert got.broker["ContentType"] == kind
        assert not {"x-evil", "Set-Cookie", "break"} & {name for name, _ in got.headers.items()}

    def test_properties_that_make_no_sense(
        self, ready: AmqpPeer, http: HttpPeer, queue: str
    ) -> None:
        """Nobody has looked into them; whoever gets the message has it as it came."""
        ready.attach_sender(queue)
        odd = composite("properties", message_id="m", reply_to=string("x"))
        broken = odd + application_properties({"a": [1, 2]}) + data_section(b"body")
        ready.transfer(0, broken)
        ready.hear_accepted(0, 0)
        got = http.take(queue)
        assert (got.status, got.body) == (200, b"body")


class TestWhoGetsIn:
    def ask(self, process: BrokerProcess, method: str, path: str, who: str) -> int:
        headers = {"Authorization": who} if who else {}
        answer = HttpPeer(process).ask_with(method, path, b"x", headers)
        if answer.status == 401:
            assert answer.problem["condition"] == "amqp:unauthorized-access"
            assert answer.headers["www-authenticate"].startswith("Basic realm=")
        return answer.status

    def test_rights(self, guarded: BrokerProcess) -> None:
        send = ("POST", "/orders/messages")
        receive = ("DELETE", "/orders/messages/head?timeout=0")
        settle = ("PUT", f"/orders/messages/1/{'0' * 32}")
        looker = signature("https://localhost/", "looker")
        everything = signature("https://localhost/orders", "everything")
        assert self.ask(guarded, *send, "") == 401
        assert self.ask(guarded, *receive, "") == 401
        assert self.ask(guarded, *send, looker) == 401
        assert self.ask(guarded, *settle, looker) == 404
        assert self.ask(guarded, *send, everything) == 201
        assert self.ask(guarded, *receive, looker) == 200
        assert self.ask(guarded, *settle, everything) == 404

    def test_a_key_for_one_entity(self, guarded: BrokerProcess) -> None:
        one = signature("https://localhost/", "orders-only")
        assert self.ask(guarded, "POST", "/orders/messages", one) == 201
        assert self.ask(guarded, "POST", "/other/messages", one) == 401
        dead = "/orders/$deadletterqueue/messages/head?timeout=0"
        assert self.ask(guarded, "POST", dead, one) == 204

    def test_a_user(self, guarded: BrokerProcess) -> None:
        made = json.loads((guarded.data_dir / "credentials.json").read_text())
        who = basic(made["user"], made["password"])
        assert self.ask(guarded, "POST", "/other/messages", who) == 201
        assert self.ask(guarded, "POST", "/other/messages", basic("admin", "wrong")) == 401
        assert self.ask(guarded, "POST", "/unknown/messages", who) == 404

    def test_nothing_is_read_of_nobody(self, guarded: BrokerProcess) -> None:
        """Who may not send is told so before a byte of the body."""
        peer = HttpPeer(guarded).connect()
        peer.sendall(request("POST", "/orders/messages", "content-length: 1000"))
        assert peer.recv(65536).startswith(b"HTTP/1.1 401 ")
        peer.close()

    def test_a_page_of_elsewhere(self, shared: BrokerProcess, http: HttpPeer) -> None:
        """A browser lets any page POST; nobody here has to prove anything."""
        for header in (
            {"Host": "rebound.example"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ):
            assert http.ask_with("POST", "/mine/messages", b"x", header).status == 401
        own = {"Origin": f"http://127.0.0.1:{shared.http_port}"}
        assert http.ask_with("POST", "/mine/messages", b"x", own).status == 201


class TestShutdown:
    def test_who_waits_is_told_that_there_is_nothing(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path) as process:
            http = HttpPeer(process)
            http.send("orders")
            http.lock("orders")
            answers: list[int] = []
            waiting = threading.Thread(
                target=lambda: answers.append(http.lock("orders", timeout=60).status)
            )
            waiting.start()
            time.sleep(0.5)
            began = time.monotonic()
            assert process.terminate() == 0
            assert time.monotonic() - began < 3, "nor does it wait for locks that end by time"
            waiting.join()
            assert answers == [204]
