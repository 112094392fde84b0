"""Who asks from elsewhere: pages in browsers, and webhooks of others."""

import json
from collections.abc import Iterator

import pytest

from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import Answer, HttpPeer
from tests.wire.test_http import signature

PAGE, LOCAL, EVIL = "https://console.example", "http://localhost:3000", "https://evil.example"
ALLOWED = "Access-Control-Allow-Origin"
LEAVE = "WebHook-Allowed-Origin"
KEY = "0123456789abcdef"


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


@pytest.fixture(scope="module")
def guarded() -> Iterator[HttpPeer]:
    """A broker that wants proof, and knows a page and the sender of a webhook."""
    config = (
        f'http_origins = ["{PAGE}"]\nwebhook_origins = ["erp.example"]\n'
        '[[queues]]\nname = "orders"\n[[topics]]\nname = "building"\n'
        f'[[access_keys]]\nname = "all"\nkey = "{KEY}"\n'
    )
    with BrokerProcess(config=config, dev=False) as process:
        yield HttpPeer(process)


def preflight(http: HttpPeer, path: str, origin: str) -> Answer:
    """As a browser asks before it lets a page say who it is."""
    return http.ask(
        *("OPTIONS", path),
        Origin=origin,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,ce-id",
    )


class TestPages:
    def test_one_that_is_named_may_ask(self, guarded: HttpPeer) -> None:
        asked = preflight(guarded, "/orders/messages", PAGE)
        assert (asked.status, asked.headers[ALLOWED]) == (200, PAGE)
        assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
        assert "DELETE" in asked.headers["Access-Control-Allow-Methods"]
        assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
        who = signature("https://localhost/", "all", key=KEY)
        sent = guarded.ask("POST", "/orders/messages", b"x", Origin=PAGE, Authorization=who)
        assert (sent.status, sent.headers[ALLOWED]) == (201, PAGE)
        taken = guarded.ask("POST", "/orders/messages/head", Origin=PAGE, Authorization=who)
        assert taken.headers["Access-Control-Expose-Headers"] == "*", "it reads its Location"
        assert "Access-Control-Allow-Credentials" not in taken.headers

    def test_a_refusal_can_be_read_by_it_too(self, guarded: HttpPeer) -> None:
        refused = guarded.ask("POST", "/orders/messages", b"x", Origin=PAGE)
        assert (refused.status, refused.headers[ALLOWED]) == (401, PAGE)
        assert "detail" in refused.problem

    def test_a_stream_is_for_it_too(self, guarded: HttpPeer) -> None:
        who = signature("https://localhost/", "all", key=KEY)
        with guarded.connect() as peer:
            peer.sendall(
                "GET /building/events HTTP/1.1\r\nHost: localhost\r\n"
                f"Accept: text/event-stream\r\nOrigin: {PAGE}\r\n"
                f"Authorization: {who}\r\n\r\n".encode()
            )
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(65536)
        assert b" 200 " in head
        assert f"{ALLOWED}: {PAGE}".lower().encode() in head.lower()

    def test_any_other_may_not(self, guarded: HttpPeer) -> None:
        asked = preflight(guarded, "/orders/messages", EVIL)
        assert asked.status == 400
        assert ALLOWED not in asked.headers
        assert ALLOWED not in guarded.ask("GET", "/health", Origin=EVIL).headers

    def test_with_dev_those_of_this_machine(self, http: HttpPeer, queue: str) -> None:
        for page in (LOCAL, "http://127.0.0.1", "https://[::1]:8443"):
            sent = http.ask("POST", f"/{queue}/messages", b"x", Origin=page)
            assert (sent.status, sent.headers[ALLOWED]) == (201, page)
        for page in (EVIL, "http://localhost.evil.example", "null"):
            sent = http.ask("POST", f"/{queue}/messages", b"x", Origin=page)
            assert (sent.status, sent.headers[ALLOWED]) == (401, None)
            assert "http_origins" in sent.problem["detail"]

    def test_and_those_that_are_named(self) -> None:
        with BrokerProcess("--ephemeral", config=f'http_origins = ["{PAGE}"]\n') as process:
            for page, status in ((PAGE, 201), (LOCAL, 201), (EVIL, 401)):
                sent = HttpPeer(process).ask("POST", "/orders/messages", b"x", Origin=page)
                assert sent.status == status


class TestWhatCanBeAsked:
    @pytest.mark.parametrize(
        ("path", "allow"),
        [
            ("/orders", "GET, HEAD, PUT, DELETE, OPTIONS"),
            ("/orders/events", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
            ("/orders/messages/head", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
            ("/health", "GET, HEAD, PUT, DELETE, OPTIONS"),
            ("/subscriptions", "GET, HEAD, POST, OPTIONS"),
            ("/site/derivations", "GET, HEAD, PUT, DELETE, OPTIONS"),
            ("/site/derivations/fire", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ],
    )
    def test_options_says_it(self, http: HttpPeer, path: str, allow: str) -> None:
        asked = http.ask("OPTIONS", path)
        assert (asked.status, asked.headers["Allow"]) == (204, allow)

    def test_what_cannot_be_is_told_what_can(self, http: HttpPeer) -> None:
        refused = http.ask("PATCH", "/orders/events")
        assert refused.status == 405
        assert refused.headers["Allow"] == "GET, HEAD, POST, PUT, DELETE, OPTIONS"
        assert "PATCH is not asked here; there are GET" in refused.problem["detail"]

    def test_a_stream_without_its_accept(self, http: HttpPeer) -> None:
        refused = http.ask("GET", "/nowhere/events")
        assert refused.status == 404
        assert b"Accept: text/event-stream" in refused.body

    def test_what_is_no_event_at_all(self, http: HttpPeer, queue: str) -> None:
        refused = http.ask("POST", f"/{queue}/events", b"{}", Content_Type="application/json")
        assert (refused.status, refused.problem["attribute"]) == (400, "specversion")
        assert "application/cloudevents+json" in refused.problem["detail"]


class TestLeaveForWebhooks:
    def ask(self, http: HttpPeer, origin: str, **headers: str) -> Answer:
        return http.ask("OPTIONS", "/orders/events", WebHook_Request_Origin=origin, **headers)

    def test_who_is_named_has_it(self, guarded: HttpPeer) -> None:
        asked = self.ask(guarded, "ERP.example")
        assert (asked.status, asked.headers[LEAVE]) == (200, "ERP.example")
        assert asked.headers["WebHook-Allowed-Rate"] == "*"
        assert "POST" in asked.headers["Allow"]

    def test_who_proves_that_it_may_send_has_it(self, guarded: HttpPeer) -> None:
        who = signature("https://localhost/", "all", key=KEY)
        asked = self.ask(guarded, "other.example", Authorization=who)
        assert (asked.status, asked.headers[LEAVE]) == (200, "other.example")

    def test_nobody_else(self, guarded: HttpPeer) -> None:
        asked = self.ask(guarded, "other.example")
        assert (asked.status, asked.headers[LEAVE]) == (401, None)
        wrong = self.ask(guarded, "*")
        assert (wrong.status, wrong.headers[LEAVE]) == (400, None)

    def test_leave_is_not_yet_a_right(self, guarded: HttpPeer) -> None:
        event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}
        sent = guarded.ask(
            *("POST", "/orders/events", json.dumps(event)),
            Content_Type="application/cloudevents+json",
            WebHook_Request_Origin="erp.example",
        )
        assert sent.status == 401

    def test_a_brokers_webhook_may_lead_to_a_broker(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        there = f"http://127.0.0.1:{http.process.http_port}/{queue}-there/events"
        operator.create(queue, push_to=there)
        operator.create(f"{queue}-there")
        event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": None}
        sent = http.ask(
            *("POST", f"/{queue}/events", json.dumps(event)),
            Content_Type="application/cloudevents+json",
        )
        assert sent.status == 202
        taken = http.ask("DELETE", f"/{queue}-there/events/head?timeout=20")
        assert (taken.headers["ce-id"], taken.body) == ("1", b"null")
