"""HTTP: who gets in, what is answered to whom, and what a client may cost."""

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from peeklock.limits import HTTP_BODY_BYTES_MAX, HTTP_HEADER_BYTES_MAX
from tests.support.broker_process import BrokerProcess, serve_until_it_ends
from tests.support.certificates import make_certificate
from tests.support.http_peer import HttpPeer

KEY = "0123456789abcdef"
CONFIG = f"""
[[access_keys]]
name = "everything"
key = "{KEY}"

[[access_keys]]
name = "looker"
key = "{KEY}"
rights = ["listen"]

[[access_keys]]
name = "orders-only"
key = "{KEY}"
entity = "orders"
"""
QUEUE = b"<entry><content><QueueDescription/></content></entry>"


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def ask(
    process: BrokerProcess,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def signature(resource: str, name: str, *, key: str = KEY, expires: int = 1 << 40) -> str:
    """As Service Bus' clients sign."""
    uri = quote(resource, safe="")
    digest = hmac.new(key.encode(), f"{uri}\n{expires}".encode(), hashlib.sha256).digest()
    signed = quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={uri}&sig={signed}&se={expires}&skn={name}"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def guarded() -> Iterator[BrokerProcess]:
    """With access keys, and the user of a first start."""
    with BrokerProcess(config=CONFIG, dev=False) as process:
        yield process


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrokerProcess, Path]]:
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    files = ("--http-tls-cert", str(certificate), "--http-tls-key", str(key))
    with BrokerProcess(*files) as process:
        yield process, certificate


class TestWhoGetsIn:
    def test_anybody_may_ask_for_health(self, guarded: BrokerProcess) -> None:
        answer = ask(guarded, "GET", "/health")
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "healthy"})

    @pytest.mark.parametrize(
        ("header", "why"),
        [
            ("", b"prove who sends it"),
            ("Digest x", b"prove who sends it"),
            (signature("https://localhost/", "nobody"), b"no access key is named"),
            (signature("https://localhost/", "everything", key="x" * 16), b"does not fit"),
            (signature("https://localhost/", "everything", expires=1), b"has expired"),
            (signature("https://localhost/other", "everything"), b"the token is for"),
            (signature("https://localhost/", "looker"), b"manage"),
            ("SharedAccessSignature", b"prove who sends it"),
            ("Bearer a.b.c", b"no shared access signature"),
            ("Basic ???", b"not base64"),
            (basic("admin", "wrong"), b"no user has this name and password"),
            (basic("admin\0admin", "wrong"), b"no user has this name and password"),
        ],
    )
    def test_others_are_refused(self, guarded: BrokerProcess, header: str, why: bytes) -> None:
        headers = {"Authorization": header} if header else {}
        answer = ask(guarded, "PUT", "/orders", QUEUE, headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert answer.body.startswith(
            b'<?xml version="1.0" encoding="utf-8"?><Error><Code>401<'
        )
        assert why in answer.body

    def test_a_signature(self, guarded: BrokerProcess) -> None:
        """For the namespace, for the entity, and for the whole URL, as the clients differ."""
        for place in ("", "signed", "signed?api-version=2021-05"):
            headers = {"Authorization": signature(f"https://localhost/{place}", "everything")}
            assert ask(guarded, "PUT", "/signed", QUEUE, headers).status == 201
            assert ask(guarded, "DELETE", "/signed", headers=headers).status == 200

    def test_a_key_for_one_entity(self, guarded: BrokerProcess) -> None:
        headers = {"Authorization": signature("https://localhost/", "orders-only")}
        assert ask(guarded, "GET", "/orders", headers=headers).status == 404
        assert ask(guarded, "GET", "/other", headers=headers).status == 401
        assert ask(guarded, "GET", "/$Resources/queues", headers=headers).status == 401

    def test_a_user(self, guarded: BrokerProcess) -> None:
        made = json.loads((guarded.data_dir / "credentials.json").read_text())
        headers = {"Authorization": basic(made["user"], made["password"])}
        assert ask(guarded, "GET", "/$Resources/queues", headers=headers).status == 200

    def test_a_page_of_elsewhere(self, shared: BrokerProcess) -> None:
        """Its name leads to this machine, and nobody here has to prove anything."""
        evil = {"Host": "rebound.example"}
        assert ask(shared, "PUT", "/mine", QUEUE, evil).status == 401
        for name in ("127.0.0.1", "LOCALHOST:1", "[::1]", "[::1]:8180"):
            headers = {"Host": name}
            assert ask(shared, "GET", "/$Resources/queues", headers=headers).status == 200


class TestAnswers:
    def test_a_queue_survives_a_kill(self, tmp_path: Path) -> None:
        """What was answered is on disk."""
        with BrokerProcess(data_dir=tmp_path) as process:
            for number in range(20):
                assert ask(process, "PUT", f"/queue-{number}", QUEUE).status == 201
            process.kill()
            process.start()
            for number in range(20):
                assert ask(process, "GET", f"/queue-{number}").status == 200

    def test_kept_alive(self, shared: BrokerProcess) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", shared.http_port, timeout=20)
        for _ in range(3):
            connection.request("GET", "/health")
            response = connection.getresponse()
            assert response.read() == b'{"status":"healthy"}'
        connection.close()

    def test_the_date(self, shared: BrokerProcess) -> None:
        ask(shared, "GET", "/health")
        deadline = time.monotonic() + 5
        while not (date := ask(shared, "GET", "/health").headers["date"]):
            assert time.monotonic() < deadline
        assert date.endswith(" GMT")

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_a_method_that_is_none(self, shared: BrokerProcess, method: str) -> None:
        answer = ask(shared, method, "/orders", b"x")
        assert answer.status == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert "PUT" in answer.headers["allow"]
        assert json.loads(answer.body) == {
            "type": "about:blank",
            "title": "Method Not Allowed",
            "status": 405,
            "detail": f"{method} is not asked here; there are {answer.headers['allow']}",
        }

    def test_a_path_that_leads_nowhere(self, shared: BrokerProcess) -> None:
        answer = ask(shared, "GET", "/$nonsense")
        assert answer.status == 404
        assert b"<Code>404</Code><Detail>SubCode=40400. Not Found." in answer.body


class TestBounds:
    def test_a_body_too_long(self, shared: BrokerProcess) -> None:
        answer = ask(shared, "PUT", "/big", b"x" * (HTTP_BODY_BYTES_MAX + 1))
        assert answer.status == 413
        told = json.loads(answer.body)
        assert told["detail"] == "a body has at most 262144 bytes here"
        assert told["condition"] == "amqp:link:message-size-exceeded"

    def test_a_chunked_body_without_end(self, shared: BrokerProcess) -> None:
        head = b"PUT /big HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        assert HttpPeer(shared).raw(head + chunk * 5).startswith(b"HTTP/1.1 413 ")

    def test_headers_too_long(self, shared: BrokerProcess) -> None:
        line = b"x: " + b"y" * HTTP_HEADER_BYTES_MAX + b"\r\n"
        answer = HttpPeer(shared).raw(b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + line)
        assert answer.startswith(b"HTTP/1.1 431 ")

    @pytest.mark.parametrize(
        ("sent", "why"),
        [
            (b"FOO\r\n\r\n", b"illegal request line"),
            (b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", b"Content-Length"),
            (b"GET /a HTTP/1.1\r\n\r\n", b"Host"),
            (b"GET /a HTTP/1.1\r\nhost: a\r\nb c: d\r\n\r\n", b"illegal header line"),
        ],
    )
    def test_what_is_no_http_is_told_why(
        self, shared: BrokerProcess, sent: bytes, why: bytes
    ) -> None:
        head, _, body = HttpPeer(shared).raw(sent).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in head
        assert b"no HTTP request: " in body
        assert why in body

    @pytest.mark.parametrize(
        "sent",
        [b"\0\1\2\3\r\n\r\n", b"AMQP\0\1\0\0\r\n\r\n", b"GET\r\n\r\n", b"\x16\3\1\r\n\r\n"],
    )
    def test_no_http(self, shared: BrokerProcess, sent: bytes) -> None:
        assert HttpPeer(shared).raw(sent).startswith(b"HTTP/1.1 400 ")
        assert ask(shared, "GET", "/health").status == 200

    def test_many_that_say_nothing(self, shared: BrokerProcess) -> None:
        """They wait at the door, and are in nobody's way."""
        address = ("127.0.0.1", shared.http_port)
        silent = [socket.create_connection(address, timeout=20) for _ in range(200)]
        assert ask(shared, "GET", "/health").status == 200
        for one in silent:
            one.close()

    def test_a_body_that_is_hostile(self, shared: BrokerProcess) -> None:
        bomb = b'<!DOCTYPE a [<!ENTITY x "lol">]><entry><content>&x;</content></entry>'
        answer = ask(shared, "PUT", "/bomb", bomb)
        assert answer.status == 400
        assert b"document type" in answer.body


class TestTls:
    def https(self, process: BrokerProcess, certificate: Path) -> Any:
        context = ssl.create_default_context(cafile=str(certificate))
        return http.client.HTTPSConnection("localhost", process.http_port, context=context)

    def test_one_port_for_both(self, secured: tuple[BrokerProcess, Path]) -> None:
        process, certificate = secured
        connection = self.https(process, certificate)
        connection.request("PUT", "/secured", QUEUE)
        answer = Answer(connection.getresponse())
        assert answer.status == 201
        assert f"https://localhost:{process.http_port}/secured".encode() in answer.body
        connection.close()
        assert b"http://127.0.0.1:" in ask(process, "GET", "/secured").body

    def test_tls_that_breaks_off(self, secured: tuple[BrokerProcess, Path]) -> None:
        process, certificate = secured
        HttpPeer(process).raw(b"\x16\x03\x01\x00\x05hello")
        connection = self.https(process, certificate)
        connection.request("GET", "/health")
        assert Answer(connection.getresponse()).status == 200
        connection.close()


class TestLife:
    def test_it_ends_with_connections_open(self, tmp_path: Path) -> None:
        with BrokerProcess(data_dir=tmp_path) as process:
            connection = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=20)
            connection.request("GET", "/health")
            connection.getresponse().read()
            idle = socket.create_connection(("127.0.0.1", process.http_port))
            began = time.monotonic()
            assert process.terminate() == 0
            assert time.monotonic() - began < 3
            idle.close()
            connection.close()

    def test_none(self) -> None:
        with BrokerProcess("--http", "off") as process:
            assert "http=" not in process.ready_line

    def test_an_address_that_is_taken(self, shared: BrokerProcess) -> None:
        taken = f"127.0.0.1:{shared.http_port}"
        arguments = ("--ephemeral", "--dev", "--amqp", "127.0.0.1:0", "--http", taken)
        code, stderr = serve_until_it_ends(*arguments)
        assert code == 2
        assert f"cannot listen on {taken}: Address already in use" in stderr

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (("--dev", "--http", "0.0.0.0:0"), "loopback only"),
            (("--http", "0.0.0.0:0"), "needs --tls-cert"),
            (("--http", "nowhere"), "no HOST:PORT"),
            (("--http-tls-cert", "x"), "http_tls_cert and http_tls_key go together"),
        ],
    )
    def test_refused_at_start(self, arguments: tuple[str, ...], why: str) -> None:
        code, stderr = serve_until_it_ends("--ephemeral", "--amqp", "127.0.0.1:0", *arguments)
        assert code == 2
        assert why in stderr
