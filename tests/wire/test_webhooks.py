"""Webhooks: messages POSTed to a scripted receiver (CloudEvents HTTP Web Hooks 1.0)."""

import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peeklock.cloudevents.attribute import integer
from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.http_binding import (
    HttpParts,
    read_http,
    write_http_binary,
    write_http_structured,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer
from tests.support.webhook_receiver import (
    ORIGIN,
    Asked,
    WebhookReceiver,
    allow,
    answer,
    raw,
)

EVENT = event(
    json_data(b'{"degrees": 21.50}'), subject="Zimmer \u00fc", level=integer(5),
    datacontenttype="application/json",
)  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[BrokerProcess]:
    with BrokerProcess(env={"PEEKLOCK_PUSH__ORIGIN": ORIGIN}) as process:
        yield process


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


def state_of(operator: AmqpOperator, queue: str) -> dict[str, object]:
    found = operator.ask("READ", queue, {})
    assert isinstance(found, dict)
    return found


def wait_for_state(
    operator: AmqpOperator, queue: str, is_so: Callable[[dict[str, object]], bool]
) -> dict[str, object]:
    until = time.monotonic() + 20
    while True:
        found = state_of(operator, queue)
        if is_so(found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.02)


def settled(found: dict[str, object]) -> bool:
    return found["messages"] == 0


def post(http: HttpPeer, queue: str, **attributes: str) -> None:
    parts = write_http_binary(event(json_data(b"1"), **attributes))
    answered = http.ask_with("POST", f"/{queue}/events", parts.body, dict(parts.headers))
    assert answered.status == 202, answered.body


def event_in(asked: Asked) -> object:
    return read_http(HttpParts(asked.headers.items(), asked.body))


def dead_letter(http: HttpPeer, queue: str) -> dict[str, object]:
    taken = http.take(f"{queue}/$DeadLetterQueue", timeout=20)
    assert taken.status == 200
    return {
        "reason": json.loads(taken.headers["DeadLetterReason"]),
        "why": json.loads(taken.headers["DeadLetterErrorDescription"]),
    }


class TestDelivery:
    def test_an_event_is_posted_in_binary_mode(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        """§2.1: POST, with a Content-Type and the origin."""
        with WebhookReceiver() as receiver:
            operator.create(
                queue, push_to=receiver.url + "?a=%20b", push_authorization="Bearer t"
            )
            parts = write_http_structured(EVENT)
            http.ask_with("POST", f"/{queue}/events", parts.body, dict(parts.headers))
            (asked,) = receiver.wait_for_posts(1)
            assert event_in(asked) == read_http(write_http_binary(EVENT))
            assert asked.target == "/events?a=%20b"
            assert asked.headers["webhook-request-origin"] == ORIGIN
            assert asked.headers["authorization"] == "Bearer t"
            wait_for_state(operator, queue, settled)

    def test_or_in_structured_mode(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            operator.create(queue, push_to=receiver.url, push_mode="structured")
            post(http, queue)
            (asked,) = receiver.wait_for_posts(1)
            assert asked.headers["content-type"] == "application/cloudevents+json"
            assert json.loads(asked.body)["data"] == 1

    def test_a_job_that_is_no_event_becomes_one(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            operator.create(queue, push_to=receiver.url)
            about = json.dumps({"MessageId": "order 7", "Label": "paid"})
            http.send(queue, b"total: 3", Content_Type="text/plain", BrokerProperties=about)
            (asked,) = receiver.wait_for_posts(1)
            assert asked.body == b"total: 3"
            assert asked.headers["content-type"] == "text/plain"
            assert asked.headers["ce-id"] == "order%207"
            assert asked.headers["ce-source"] == f"/{queue}"
            assert asked.headers["ce-type"] == "peeklock.message"
            assert asked.headers["ce-subject"] == "paid"

    def test_a_subscription_pushes_what_its_rules_take(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            operator.ask("CREATE", queue, {}, "topic")
            rules = [{"name": "alerts", "cesql": "level = '3'"}]
            path = f"{queue}/Subscriptions/erp"
            operator.ask("CREATE", path, {"rules": rules, "push_to": receiver.url})
            for level in ("1", "3", "2"):
                post(http, queue, level=level)
            (asked,) = receiver.wait_for_posts(1)
            assert asked.headers["ce-level"] == "3"
            wait_for_state(operator, path, settled)
            assert len(receiver.posted) == 1

    def test_in_order_one_at_a_time(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        """One that fails is tried again before all behind it."""
        with WebhookReceiver(answer(204), answer(500), answer(204)) as receiver:
            operator.create(queue, push_to=receiver.url, retry_first_ms=1500)
            for number in range(4):
                post(http, queue, id=str(number))
            posted = receiver.wait_for_posts(5)
            assert [one.headers["ce-id"] for one in posted] == ["0", "1", "1", "2", "3"]
            assert receiver.under_way_max == 1
            assert posted[2].at - posted[1].at >= 1.4, "the queue's own back-off"

    def test_several_at_a_time(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            receiver.script = [receiver.hang] * 3
            operator.create(queue, push_to=receiver.url, push_concurrency=3)
            for number in range(5):
                post(http, queue, id=str(number))
            receiver.wait_for_posts(3)
            found = wait_for_state(operator, queue, lambda one: one.get("push_under_way") == 3)
            assert found["locked"] == 3, "and nothing is locked that waits"

    def test_not_faster_than_both_ends_say(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        """§4.2.2: requests a minute."""
        with WebhookReceiver(leave=allow("120")) as receiver:
            operator.create(queue, push_to=receiver.url, push_per_minute=300)
            (asked,) = [receiver.wait_until(lambda: bool(receiver.asked)), receiver.asked[0]][
                1:
            ]
            assert asked.headers["webhook-request-rate"] == "300"
            for number in range(3):
                post(http, queue, id=str(number))
            first, _second, third = receiver.wait_for_posts(3)
            assert third.at - first.at >= 0.9
            assert state_of(operator, queue)["push_granted_per_minute"] == 120

    def test_a_queue_with_messages_begins_to_push_and_ends(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue)
        post(http, queue)
        with WebhookReceiver() as receiver:
            operator.change(queue, push_to=receiver.url)
            receiver.wait_for_posts(1)
            wait_for_state(operator, queue, settled)
            operator.change(queue, push_status="paused")
            post(http, queue)
            found = wait_for_state(
                operator, queue, lambda one: one.get("push_state") == "paused"
            )
            assert found["active"] == 1
            operator.change(queue, push_status="active")
            receiver.wait_for_posts(2)
            operator.change(queue, push_to="")
            wait_for_state(operator, queue, lambda one: "push_state" not in one)
            post(http, queue)
            assert http.take(queue).status == 200

    def test_a_queue_that_is_deleted_pushes_nothing_more(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            receiver.script = [receiver.hang]
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            receiver.wait_for_posts(1)
            operator.ask("DELETE", queue, {})
            operator.create(queue, push_to=receiver.url)
            post(http, queue, id="new")
            assert receiver.wait_for_posts(2)[1].headers["ce-id"] == "new"


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "headers"),
        [(500, {}), (503, {}), (429, {}), (404, {}), (301, {"Location": "/elsewhere"})],
    )
    def test_a_failure_is_tried_again(
        self,
        http: HttpPeer,
        operator: AmqpOperator,
        queue: str,
        status: int,
        headers: dict[str, str],
    ) -> None:
        """§2.2; and no redirection is followed."""
        with WebhookReceiver(answer(status, **headers)) as receiver:
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            receiver.wait_for_posts(1)
            found = wait_for_state(operator, queue, lambda one: one.get("push_error"))
            assert f"answered {status}" in str(found["push_error"])
            assert found["push_state"] == "waits"
            again = receiver.wait_for_posts(2)
            assert {one.target for one in again} == {"/events"}
            found = wait_for_state(operator, queue, settled)
            assert (found["push_error"], found["push_state"]) == ("", "pushes")

    def test_429_says_when_to_come_again(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver(answer(429, Retry_After="3")) as receiver:
            operator.create(queue, push_to=receiver.url, push_concurrency=4)
            for number in range(3):
                post(http, queue, id=str(number))
            posted = receiver.wait_for_posts(4)
            late = [one for one in posted if one.at > posted[0].at + 1.5]
            assert late, "the one that was refused, at least"
            assert min(one.at for one in late) - posted[0].at >= 2.9

    def test_the_last_failure_makes_a_dead_letter(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver(answer(500), answer(502)) as receiver:
            operator.create(queue, push_to=receiver.url, max_delivery_count=2)
            post(http, queue, id="bad")
            post(http, queue, id="good")
            told = dead_letter(http, queue)
            assert told["reason"] == "MaxDeliveryCountExceeded"
            assert "answered 502" in str(told["why"])
            posted = receiver.wait_for_posts(3)
            assert [one.headers["ce-id"] for one in posted] == ["bad", "bad", "good"]

    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    def test_a_message_that_is_refused_is_a_dead_letter_at_once(
        self, http: HttpPeer, operator: AmqpOperator, queue: str, status: int
    ) -> None:
        with WebhookReceiver(answer(status)) as receiver:
            operator.create(queue, push_to=receiver.url)
            post(http, queue, id="bad")
            post(http, queue, id="good")
            told = dead_letter(http, queue)
            assert told["reason"] == "PushRefused"
            assert f"answered {status}" in str(told["why"])
            assert [one.headers["ce-id"] for one in receiver.wait_for_posts(2)] == [
                "bad",
                "good",
            ]

    def test_410_ends_it_and_loses_nothing(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver(answer(410)) as receiver:
            operator.create(queue, push_to=receiver.url)
            for number in range(3):
                post(http, queue, id=str(number))
            found = wait_for_state(operator, queue, lambda one: one["push_status"] == "gone")
            assert (found["push_state"], found["messages"]) == ("gone", 3)
            assert "answered 410" in str(found["push_error"])
            assert len(receiver.posted) == 1
            operator.change(queue, push_status="active")
            posted = receiver.wait_for_posts(4)
            assert [one.headers["ce-id"] for one in posted] == ["0", "0", "1", "2"]

    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"HTTP/1.1 20",
            b"SMTP ready\r\n\r\n",
            b"HTTP/1.1 204 OK\r\nx: " + b"y" * 20_000,
            b"HTTP/1.1 200 OK\r\nContent-Le",
        ],
        ids=[
            "nothing",
            "half a line",
            "another protocol",
            "an endless header",
            "half a header",
        ],
    )
    def test_half_an_answer_is_none(
        self, http: HttpPeer, operator: AmqpOperator, queue: str, sent: bytes
    ) -> None:
        with WebhookReceiver(raw(sent)) as receiver:
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            assert len(receiver.wait_for_posts(2)) == 2
            wait_for_state(operator, queue, settled)

    def test_a_body_that_never_ends_is_not_waited_for(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        """What its status says is said."""
        endless = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 200_000)
        with WebhookReceiver(endless) as receiver:
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            receiver.wait_for_posts(1)
            found = wait_for_state(operator, queue, settled)
            assert found["push_delivered"] == 1

    def test_a_receiver_that_hangs_is_given_up(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            receiver.script = [receiver.hang]
            operator.create(queue, push_to=receiver.url, push_timeout_ms=300)
            post(http, queue)
            receiver.wait_for_posts(1)
            found = wait_for_state(operator, queue, lambda one: one.get("push_error"))
            assert "did not answer within 300 ms" in str(found["push_error"])
            receiver.wait_for_posts(2)
            wait_for_state(operator, queue, settled)

    def test_a_lock_that_is_shorter_than_the_answer_takes_counts(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            receiver.script = [receiver.hang]
            operator.create(queue, push_to=receiver.url, lock_duration_ms=500)
            post(http, queue)
            receiver.wait_for_posts(2)
            found = wait_for_state(operator, queue, settled)
            assert found["dead_letters"] == 0

    def test_nobody_listens(self, http: HttpPeer, operator: AmqpOperator, queue: str) -> None:
        with WebhookReceiver() as receiver:
            url = receiver.url
        operator.create(queue, push_to=url)
        found = wait_for_state(operator, queue, lambda one: one.get("push_error"))
        assert "cannot be reached" in str(found["push_error"])
        assert found["push_state"] == "not allowed"


class TestLeave:
    """§4: nothing is delivered before the receiver has allowed it."""

    def test_a_receiver_is_asked_once(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver(leave=allow(origin=ORIGIN)) as receiver:
            operator.create(queue, push_to=receiver.url, push_authorization="Bearer secret")
            post(http, queue)
            receiver.wait_for_posts(1)
            (asked,) = receiver.was_asked_for_leave
            assert asked.target == "/events"
            assert asked.headers["webhook-request-origin"] == ORIGIN
            assert "authorization" not in asked.headers, "it has not said who it is"
            assert state_of(operator, queue)["push_granted"] is True

    @pytest.mark.parametrize(
        "refusal",
        [answer(405), answer(200), allow(origin="other.example"), answer(500), raw(b"HTTP/1.")],
    )
    def test_without_leave_nothing_is_sent(
        self, http: HttpPeer, operator: AmqpOperator, queue: str, refusal: object
    ) -> None:
        with WebhookReceiver(leave=refusal) as receiver:  # type: ignore[arg-type]
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            found = wait_for_state(operator, queue, lambda one: one.get("push_error"))
            assert (found["push_state"], found["push_granted"]) == ("not allowed", False)
            assert found["active"] == 1
            assert receiver.posted == []

    def test_a_receiver_that_has_not_given_leave_is_asked_again(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver(leave=answer(404)) as receiver:
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            wait_for_state(operator, queue, lambda one: one.get("push_error"))
            receiver.leave = allow()
            receiver.wait_for_posts(1)
            first, second = receiver.was_asked_for_leave
            assert second.at - first.at >= 4.9

    def test_another_receiver_is_asked_and_told_no_secret(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as one, WebhookReceiver() as other:
            operator.create(queue, push_to=one.url, push_authorization="Bearer secret")
            post(http, queue)
            one.wait_for_posts(1)
            operator.change(queue, push_to=other.url)
            post(http, queue)
            (asked,) = other.wait_for_posts(1)
            assert "authorization" not in asked.headers
            assert len(other.was_asked_for_leave) == 1

    def test_a_restart_keeps_what_was_allowed(self, tmp_path: Path) -> None:
        with (
            BrokerProcess(data_dir=tmp_path) as process,
            WebhookReceiver(leave=allow("600")) as receiver,
        ):
            operator = AmqpOperator(process.amqp_port)
            operator.create("q", push_to=receiver.url, push_authorization="Bearer t")
            wait_for_state(operator, "q", lambda one: one["push_granted"])
            operator.close()
            process.kill()
            receiver.leave = answer(500)
            process.restart()
            post(HttpPeer(process), "q")
            (asked,) = receiver.wait_for_posts(1)
            assert asked.headers["authorization"] == "Bearer t"
            assert len(receiver.was_asked_for_leave) == 1

    def test_a_receiver_that_is_trusted_is_not_asked(self, tmp_path: Path) -> None:
        with WebhookReceiver(leave=answer(405)) as receiver:
            trusted = json.dumps([f"http://127.0.0.1:{receiver.port}"])
            env = {"PEEKLOCK_PUSH__TRUSTED": trusted}
            with BrokerProcess(data_dir=tmp_path, env=env) as process:
                operator = AmqpOperator(process.amqp_port)
                operator.create("q", push_to=receiver.url)
                post(HttpPeer(process), "q")
                receiver.wait_for_posts(1)
                assert receiver.was_asked_for_leave == []
                operator.close()

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_leave_may_come_later_by_a_callback(self, tmp_path: Path, method: str) -> None:
        """§4.1.3; a link preview's HEAD gives none, and no key gives it twice."""
        env = {"PEEKLOCK_PUSH__CALLBACK_URL": "https://broker.example/behind"}
        with (
            BrokerProcess(data_dir=tmp_path, env=env) as process,
            WebhookReceiver(leave=answer(200)) as receiver,
        ):
            operator, http = AmqpOperator(process.amqp_port), HttpPeer(process)
            operator.create("q", push_to=receiver.url)
            post(http, "q")
            is_asked = wait_for_state(operator, "q", lambda one: one.get("push_error"))
            assert is_asked["push_state"] == "awaits the callback"
            told = receiver.was_asked_for_leave[0].headers["webhook-request-callback"]
            base, _slash, key = told.rpartition("/")
            assert base == "https://broker.example/behind/$webhooks"
            assert http.ask("HEAD", f"/$webhooks/{key}").status in (404, 405)
            assert http.ask(method, "/$webhooks/0123").status == 404
            assert receiver.posted == []
            allowed = http.ask(method, f"/$webhooks/{key}", WebHook_Allowed_Rate="600")
            assert allowed.status == 200
            receiver.wait_for_posts(1)
            assert state_of(operator, "q")["push_granted_per_minute"] == 600
            assert http.ask(method, f"/$webhooks/{key}").status == 404
            operator.close()

    def test_the_secret_is_never_shown(self, operator: AmqpOperator, queue: str) -> None:
        operator.create(queue, push_authorization="Bearer secret")
        found = state_of(operator, queue)
        assert found["push_authorized"] is True
        assert "secret" not in repr(found)


class TestTheEnd:
    """SIGTERM: what is under way is finished if it can be, and else not lost."""

    def test_an_answer_that_comes_in_time_counts(self, tmp_path: Path) -> None:
        may_answer = threading.Event()

        def late(peer: socket.socket, asked: Asked) -> None:
            may_answer.wait(20)
            answer(204)(peer, asked)

        with BrokerProcess(data_dir=tmp_path) as process, WebhookReceiver(late) as receiver:
            operator = AmqpOperator(process.amqp_port)
            operator.create("q", push_to=receiver.url)
            operator.close()
            post(HttpPeer(process), "q")
            post(HttpPeer(process), "q", id="2")
            receiver.wait_for_posts(1)
            process.send_signal(signal.SIGTERM)
            process.wait_for("draining")
            may_answer.set()
            assert process.wait() == 0
            assert len(receiver.posted) == 1
            process.restart()
            receiver.wait_for_posts(2)
            operator = AmqpOperator(process.amqp_port)
            wait_for_state(operator, "q", settled)
            operator.close()
            assert [one.headers["ce-id"] for one in receiver.posted] == ["A234-1234", "2"]

    def test_one_that_does_not_is_sent_again_and_counts_no_failure(
        self, tmp_path: Path
    ) -> None:
        env = {"PEEKLOCK_DRAIN_SECONDS": "0.2"}
        with (
            BrokerProcess(data_dir=tmp_path, env=env) as process,
            WebhookReceiver() as receiver,
        ):
            receiver.script = [receiver.hang]
            operator = AmqpOperator(process.amqp_port)
            operator.create("q", push_to=receiver.url, max_delivery_count=1)
            operator.close()
            post(HttpPeer(process), "q")
            receiver.wait_for_posts(1)
            assert process.terminate() == 0
            process.restart()
            receiver.wait_for_posts(2)
            operator = AmqpOperator(process.amqp_port)
            found = wait_for_state(operator, "q", settled)
            operator.close()
            assert found["dead_letters"] == 0


class TestStatus:
    def test_a_queue_that_hands_nothing_out_pushes_nothing(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            operator.create(queue, push_to=receiver.url, status="receive-disabled")
            post(http, queue)
            operator.change(queue, status="active")
            receiver.wait_for_posts(1)
            operator.change(queue, dispatch=False)
            post(http, queue, id="2")
            assert state_of(operator, queue)["active"] == 1
            operator.change(queue, dispatch=True)
            assert receiver.wait_for_posts(2)[1].headers["ce-id"] == "2"

    def test_other_workers_may_take_from_it_too(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        with WebhookReceiver() as receiver:
            receiver.script = [receiver.hang]
            operator.create(queue, push_to=receiver.url)
            post(http, queue)
            receiver.wait_for_posts(1)
            post(http, queue, id="2")
            taken = http.take(queue, timeout=10)
            assert (taken.status, taken.broker["MessageId"]) == (200, "/site/berlin 2")


class TestWhere:
    """What the broker may not be led to, by name or address, or by its own settings."""

    @pytest.mark.parametrize(
        "url",
        [
            "http://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "https://[fe80::1]/",
            "http://0.0.0.0:1/",
            "https://[64:ff9b::10.0.0.1]/",
            "https://224.0.0.1/",
        ],
    )
    def test_what_is_not_public(self, operator: AmqpOperator, queue: str, url: str) -> None:
        operator.create(queue, push_to=url)
        found = wait_for_state(operator, queue, lambda one: one.get("push_error"))
        assert "is not public" in str(found["push_error"])

    def test_what_is_public_without_tls(self, operator: AmqpOperator, queue: str) -> None:
        """§2.1."""
        operator.create(queue, push_to="http://8.8.8.8/")
        found = wait_for_state(operator, queue, lambda one: one.get("push_error"))
        assert "without TLS only to a network of push.networks" in str(found["push_error"])

    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"push_to": "ftp://erp.example/"}, "begins with https:// or http://"),
            ({"push_to": "https://u:p@erp.example/"}, "names no user"),
            ({"push_to": "https://erp.example/#a"}, "no fragment"),
            ({"push_to": "https://erp.example/ü"}, "ASCII"),
            ({"push_to": "https://erp.example/a b"}, "ASCII"),
            ({"push_to": "https:///x"}, "name of a host"),
            ({"push_to": "https://erp.example:99999/"}, "no URL"),
            ({"push_authorization": "a\r\nX: b"}, "one line"),
            ({"push_granted": True}, "no setting 'push_granted'"),
            ({"push_concurrency": 0}, "allowed is 1 to 64"),
            ({"push_to": "https://a.example", "requires_session": True}, "requires_session"),
        ],
    )
    def test_what_is_no_webhook(
        self, shared: BrokerProcess, queue: str, settings: dict[str, object], why: str
    ) -> None:
        operator = AmqpOperator(shared.amqp_port)
        with pytest.raises(AssertionError, match=re.escape(why)):
            operator.create(queue, **settings)
        operator.close()

    def test_dead_letters_are_pushed_nowhere(self, shared: BrokerProcess, queue: str) -> None:
        operator = AmqpOperator(shared.amqp_port)
        operator.create(queue)
        with pytest.raises(AssertionError, match="dead-letter queue pushes nothing"):
            operator.change(f"{queue}/$DeadLetterQueue", push_to="https://erp.example/")
        operator.close()
