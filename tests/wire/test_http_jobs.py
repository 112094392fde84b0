"""Jobs over HTTP, as Service Bus' REST API has them: send, receive, settle, renew."""

import json
import threading
import time

import pytest

from peeklock.limits import HTTP_BATCH_BYTES_MAX
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import Answer, HttpPeer

BATCH_TYPE = "application/vnd.microsoft.servicebus.json"


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


def put(http: HttpPeer, path: str, description: str) -> None:
    body = f"<entry><content>{description}</content></entry>"
    assert http.ask("PUT", path, body).status == 201


class TestSend:
    def test_a_message_and_all_that_belongs_to_it(self, http: HttpPeer, queue: str) -> None:
        own = {
            "MessageId": "7",
            "CorrelationId": "c",
            "Label": "paid — “twice”",
            "ReplyTo": "answers",
            "ReplyToSessionId": "r",
            "SessionId": "s",
            "PartitionKey": "s",
            "To": "erp",
            "TimeToLive": 90.5,
            "Unheard": [1],
        }
        answer = http.ask_with(
            "POST",
            f"/{queue}/messages",
            b"\0\xff",
            {
                "Content-Type": "application/x-order",
                "Content-Encoding": "zstd",
                "BrokerProperties": json.dumps(own),
                "Priority": "High",
                "Customer": '"12345,ABC"',
                "Floor": "3",
                "Ratio": "0.25",
                "IsPaid": "true",
                "At": '"Sun, 06 Nov 1994 08:49:37 GMT"',
                "Peeklock-Properties": '{"cloudEvents:id": "7", "from": null}',
            },
        )
        assert (answer.status, answer.body) == (201, b"")
        got = http.take(queue)
        assert got.status == 200
        assert got.body == b"\0\xff"
        assert got.headers["Content-Type"] == "application/x-order"
        assert got.headers["Content-Encoding"] == "zstd"
        told = got.broker
        assert told.items() >= {name: own[name] for name in own if name != "Unheard"}.items()
        assert (told["DeliveryCount"], told["SequenceNumber"], told["State"]) == (
            1,
            1,
            "Active",
        )
        assert "LockToken" not in told
        assert told["EnqueuedTimeUtc"].endswith(" GMT")
        names = [name for name, _value in got.headers.items()]
        assert {"Priority", "Customer", "Floor", "Ratio", "IsPaid", "At"} <= set(names)
        assert got.headers["Priority"] == '"High"'
        assert got.headers["Customer"] == '"12345,ABC"'
        assert got.headers["Floor"] == "3"
        assert got.headers["Ratio"] == "0.25"
        assert got.headers["IsPaid"] == "true"
        assert got.headers["At"] == '"Sun, 06 Nov 1994 08:49:37 GMT"'
        more = json.loads(got.headers["Peeklock-Properties"])
        assert more == {"cloudEvents:id": "7", "from": None}

    def test_nothing_but_a_body(self, http: HttpPeer, queue: str) -> None:
        http.send(queue, b"")
        got = http.take(queue)
        assert got.body == b""
        assert got.headers["Content-Type"] is None
        assert got.broker["MessageId"], "stamped, as every message is"

    def test_a_batch(self, http: HttpPeer, queue: str) -> None:
        batch = [
            {"Body": "first", "BrokerProperties": {"Label": "M1", "TimeToLive": 40}},
            {"Body": "zweite ü", "UserProperties": {"Priority": "Low", "n": 1, "f": 0.5}},
            {"UserProperties": {"yes": True, "none": None}},
        ]
        http.send(queue, json.dumps(batch), Content_Type=BATCH_TYPE + "; charset=utf-8")
        first, second, third = (http.take(queue) for _ in range(3))
        assert (first.body, first.broker["Label"]) == (b"first", "M1")
        assert first.headers["Content-Type"] is None
        assert second.body.decode() == "zweite ü"
        assert [second.headers[name] for name in ("Priority", "n", "f")] == [
            '"Low"',
            "1",
            "0.5",
        ]
        assert [third.headers[name] for name in ("yes", "none")] == ["true", "null"]

    def test_a_batch_with_one_that_is_wrong(self, http: HttpPeer, queue: str) -> None:
        batch = [{"Body": "good"}, {"Body": 7}]
        answer = http.ask(
            "POST", f"/{queue}/messages", json.dumps(batch), Content_Type=BATCH_TYPE
        )
        assert answer.status == 400
        assert answer.problem["detail"] == "message 1 of the batch: its Body is no string"
        assert http.take(queue).status == 204, "none of it was taken"

    def test_a_topic(self, http: HttpPeer, queue: str) -> None:
        topic = queue
        put(http, f"/{topic}", "<TopicDescription/>")
        for name in ("erp", "gate"):
            put(http, f"/{topic}/subscriptions/{name}", "<SubscriptionDescription/>")
        http.send(topic, b"sold", kind='"ticket"')
        for name in ("erp", "GATE"):
            got = http.lock(f"{topic}/Subscriptions/{name}")
            assert (got.body, got.headers["kind"]) == (b"sold", '"ticket"')
            assert got.broker["EnqueuedSequenceNumber"] == 1
            assert http.ask("DELETE", got.place).status == 200
        refused = http.ask("POST", f"/{topic}/subscriptions/erp/messages", b"x")
        assert (refused.status, refused.problem["condition"]) == (409, "amqp:not-allowed")
        refused = http.ask("POST", f"/{topic}/messages/head")
        assert refused.status == 409
        assert "receive from" in refused.problem["detail"]

    def test_a_schedule(self, http: HttpPeer, queue: str) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2))
        http.send(queue, BrokerProperties=json.dumps({"ScheduledEnqueueTimeUtc": at + "Z"}))
        assert http.take(queue).status == 204
        got = http.take(queue, timeout=10)
        assert got.status == 200
        assert got.broker["ScheduledEnqueueTimeUtc"].endswith(" GMT")

    def test_a_name_with_slashes_and_spaces(self, http: HttpPeer, queue: str) -> None:
        http.send(f"{queue}/of%20Contoso")
        got = http.lock(f"{queue}/of%20contoso")
        assert got.place.startswith(f"/{queue}/of%20Contoso/messages/1/")
        assert http.ask("DELETE", got.place).status == 200

    @pytest.mark.parametrize(
        ("headers", "why"),
        [
            ({"BrokerProperties": "{"}, "BrokerProperties is no JSON"),
            ({"BrokerProperties": "[]"}, "BrokerProperties is no JSON object"),
            ({"BrokerProperties": '{"Label": 7}'}, "Label is a string, not 7"),
            ({"BrokerProperties": '{"TimeToLive": 0}'}, "TimeToLive is 0 seconds"),
            ({"BrokerProperties": '{"TimeToLive": "1"}'}, "TimeToLive is a number of seconds"),
            ({"BrokerProperties": '{"TimeToLive": 5e9}'}, "up to 4294967.295"),
            (
                {"BrokerProperties": '{"ScheduledEnqueueTimeUtc": "soon"}'},
                "ScheduledEnqueueTimeUtc is 'soon', no instant",
            ),
            (
                {"BrokerProperties": '{"SessionId": "a", "PartitionKey": "b"}'},
                "the same where both are given",
            ),
            ({"BrokerProperties": '{"MessageId": "%s"}' % ("x" * 129)}, "129 characters"),
            ({"Peeklock-Properties": '{"a": [1]}'}, "the property 'a' is a list"),
            ({"a": "1", "Peeklock-Properties": '{"a": 1}'}, "'a' is there twice"),
            ({"Content-Type": "text/plain; x=\xfc"}, "Content-Type is not UTF-8"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, http: HttpPeer, queue: str, headers: dict[str, str], why: str
    ) -> None:
        answer = http.ask_with("POST", f"/{queue}/messages", b"x", headers)
        assert answer.status == 400
        assert why.lower() in answer.problem["detail"].lower()
        assert answer.problem["condition"] == "amqp:invalid-field"
        assert http.take(queue).status == 204

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"[", "is no JSON"),
            (b"{}", "a JSON array"),
            (b"[]", "a JSON array of at least one"),
            (b"[7]", "message 0 of the batch: it is no JSON object"),
            (b'[{"body": "x"}]', "'body'; there are Body"),
            (b'[{"BrokerProperties": 1}]', "its BrokerProperties is no JSON object"),
            (b'[{"UserProperties": {"a": {}}}]', "the property 'a' is a dict"),
            (b"[" * 100_000, "is no JSON"),
            (b'[{"Body": "\\ud800"}]', "is no JSON"),
        ],
    )
    def test_a_batch_that_is_none(
        self, http: HttpPeer, queue: str, body: bytes, why: str
    ) -> None:
        answer = http.ask("POST", f"/{queue}/messages", body, Content_Type=BATCH_TYPE)
        assert answer.status == 400
        assert why in answer.problem["detail"]

    def test_one_too_large(self, http: HttpPeer, operator: AmqpOperator, queue: str) -> None:
        operator.create(queue, max_message_bytes=10_000)
        answer = http.ask("POST", f"/{queue}/messages", b"x" * 10_001)
        assert answer.status == 413
        assert answer.problem["detail"] == "a body has at most 10000 bytes here"
        answer = http.ask("POST", f"/{queue}/messages", b"x" * 9_999)
        assert (answer.status, answer.problem["condition"]) == (
            413,
            "amqp:link:message-size-exceeded",
        )
        batch = b'[{"Body": "' + b"x" * HTTP_BATCH_BYTES_MAX + b'"}]'
        answer = http.ask("POST", "/roomy/messages", batch, Content_Type=BATCH_TYPE)
        assert answer.status == 413

    def test_a_queue_that_is_full(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, max_messages=1)
        http.send(queue)
        answer = http.ask("POST", f"/{queue}/messages", b"x")
        assert answer.status == 403
        assert answer.problem["condition"] == "amqp:resource-limit-exceeded"
        assert answer.problem["retryable"] is True

    def test_a_duplicate_is_dropped(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, duplicate_window_ms=60_000)
        for _ in range(2):
            http.send(queue, BrokerProperties='{"MessageId": "only once"}')
        assert http.take(queue).status == 200
        assert http.take(queue).status == 204


class TestReceive:
    def test_under_a_lock(self, http: HttpPeer, queue: str) -> None:
        http.send(queue, b"job", Content_Type="text/plain")
        got = http.lock(queue)
        assert (got.status, got.body) == (201, b"job")
        told = got.broker
        location = f"/{queue}/messages/{told['SequenceNumber']}/{told['LockToken']}"
        assert got.place == location
        assert got.headers["Location"].startswith("http://127.0.0.1:")
        assert told["LockedUntilUtc"].endswith(" GMT")
        assert http.lock(queue).status == 204, "nobody else has it meanwhile"
        assert http.ask("DELETE", location).status == 200
        assert http.take(queue).status == 204

    def test_in_turn(self, http: HttpPeer, queue: str) -> None:
        for number in range(3):
            http.send(queue, b"%d" % number)
        assert [http.take(queue).body for _ in range(3)] == [b"0", b"1", b"2"]

    def test_one_waits(self, http: HttpPeer, queue: str) -> None:
        answers: list[Answer] = []
        waiting = threading.Thread(target=lambda: answers.append(http.lock(queue, timeout=20)))
        waiting.start()
        time.sleep(0.3)
        http.send(queue, b"at last")
        waiting.join()
        (answer,) = answers
        assert (answer.status, answer.body) == (201, b"at last")

    def test_until_its_time_is_over(self, http: HttpPeer, queue: str) -> None:
        began = time.monotonic()
        answer = http.lock(queue, timeout=1)
        assert (answer.status, answer.body) == (204, b"")
        assert 0.9 < time.monotonic() - began < 5
        http.send(queue)
        assert http.lock(queue).status == 201, "it waits no more"

    def test_many_wait_and_each_has_one(self, http: HttpPeer, queue: str) -> None:
        answers: list[Answer] = []
        waiting = [
            threading.Thread(target=lambda: answers.append(http.take(queue, timeout=20)))
            for _ in range(20)
        ]
        for one in waiting:
            one.start()
        for number in range(20):
            http.send(queue, b"%d" % number)
        for one in waiting:
            one.join()
        assert sorted(int(answer.body) for answer in answers) == list(range(20))

    @pytest.mark.parametrize("timeout", ["-1", "x", "1.5", "301", "9" * 50])
    def test_a_timeout_that_is_none(self, http: HttpPeer, queue: str, timeout: str) -> None:
        answer = http.ask("POST", f"/{queue}/messages/head?timeout={timeout}")
        assert answer.status == 400
        assert "from 0 to 300" in answer.problem["detail"]

    def test_dead_letters(self, http: HttpPeer, queue: str) -> None:
        http.send(queue, b"no good")
        got = http.lock(queue)
        why = "?disposition=dead-letter&reason=NoCustomer&description=47%2011"
        assert http.ask("PUT", got.place + why).status == 200
        dead = http.take(f"{queue}/$deadletterqueue")
        assert dead.body == b"no good"
        assert dead.headers["DeadLetterReason"] == '"NoCustomer"'
        assert dead.headers["DeadLetterErrorDescription"] == '"47 11"'
        assert dead.broker["DeadLetterSource"] == queue

    def test_a_queue_of_sessions(self, http: HttpPeer, sessions: str) -> None:
        answer = http.ask("POST", f"/{sessions}/messages/head")
        assert answer.status == 409
        assert "message sessions" in answer.problem["detail"]
        assert http.ask("POST", f"/{sessions}/messages", b"x").status == 409
        http.send(sessions, BrokerProperties='{"SessionId": "s"}')

    def test_no_such_entity(self, http: HttpPeer) -> None:
        for path in ("/no/$such", "/none/subscriptions/here", "/no/$deadletterqueue"):
            answer = http.ask("POST", f"{path}/messages/head?timeout=0")
            assert answer.status == 404
            assert answer.problem["condition"] == "amqp:not-found"

    def test_a_queue_that_is_deleted_meanwhile(self, http: HttpPeer, queue: str) -> None:
        http.send(queue)
        http.take(queue)
        answers: list[Answer] = []
        path = f"/{queue}/messages/head?timeout=20"
        waiting = threading.Thread(target=lambda: answers.append(http.ask("POST", path)))
        waiting.start()
        time.sleep(0.3)
        assert http.ask("DELETE", f"/{queue}").status == 200
        waiting.join()
        assert answers[0].status == 404


class TestSettle:
    def test_abandon_counts(self, http: HttpPeer, queue: str) -> None:
        http.send(queue)
        first = http.lock(queue)
        assert http.ask("PUT", first.place).status == 200
        second = http.lock(queue)
        assert second.broker["DeliveryCount"] == 2
        assert second.broker["LockToken"] != first.broker["LockToken"]

    def test_release_does_not(self, http: HttpPeer, queue: str) -> None:
        http.send(queue)
        assert http.ask("PUT", http.lock(queue).place + "?disposition=release").status == 200
        assert http.lock(queue).broker["DeliveryCount"] == 1

    def test_again_later(self, http: HttpPeer, queue: str) -> None:
        http.send(queue)
        place = http.lock(queue).place
        assert http.ask("PUT", place + "?disposition=abandon&delay=1").status == 200
        assert http.lock(queue).status == 204
        assert http.lock(queue, timeout=10).broker["DeliveryCount"] == 2

    def test_defer_and_fetch(self, http: HttpPeer, queue: str) -> None:
        http.send(queue, b"later")
        got = http.lock(queue)
        number = got.broker["SequenceNumber"]
        assert http.ask("PUT", got.place + "?disposition=defer").status == 200
        assert http.lock(queue).status == 204
        fetched = http.ask("POST", f"/{queue}/messages/{number}")
        assert (fetched.status, fetched.body) == (201, b"later")
        assert fetched.broker["State"] == "Deferred"
        again = http.ask("POST", f"/{queue}/messages/{number}")
        assert again.status == 404
        assert again.problem["condition"] == "com.microsoft:message-not-found"
        assert http.ask("POST", f"/{queue}/messages/first").status == 400
        assert http.ask("DELETE", fetched.place).status == 200

    def test_by_the_messages_id(self, http: HttpPeer, queue: str) -> None:
        http.send(queue, BrokerProperties='{"MessageId": "order/4711"}')
        token = http.lock(queue).broker["LockToken"]
        wrong = http.ask("DELETE", f"/{queue}/messages/4712/{token}")
        assert (wrong.status, "not of '4712'" in wrong.problem["detail"]) == (400, True)
        assert http.ask("DELETE", f"/{queue}/messages/order%2F4711/{token}").status == 200

    def test_renew(self, http: HttpPeer, operator: AmqpOperator, queue: str) -> None:
        operator.create(queue, lock_duration_ms=1_500)
        http.send(queue)
        got = http.lock(queue)
        for _ in range(3):
            time.sleep(0.8)
            renewed = http.ask("POST", got.place)
            assert renewed.status == 200
            assert renewed.broker["LockedUntilUtc"].endswith(" GMT")
        assert http.ask("DELETE", got.place).status == 200

    def test_a_lock_that_ran_out(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        """Whoever has the message now is not disturbed: the token is what fences him off."""
        operator.create(queue, lock_duration_ms=300)
        http.send(queue)
        late = http.lock(queue)
        now = http.lock(queue, timeout=10)
        assert now.broker["SequenceNumber"] == late.broker["SequenceNumber"]
        assert now.broker["DeliveryCount"] == 2
        for method in ("DELETE", "PUT", "POST"):
            answer = http.ask(method, late.place)
            assert answer.status == 404
            assert answer.problem["condition"] == "com.microsoft:message-lock-lost"
            assert "was lost" in answer.problem["detail"]
        assert http.ask("DELETE", now.place).status == 200
        assert http.ask("DELETE", now.place).status == 404, "it is settled already"

    def test_a_lock_outlasts_its_connection(self, http: HttpPeer, queue: str) -> None:
        """Each request here has one of its own."""
        http.send(queue)
        place = http.lock(queue).place
        assert http.lock(queue, timeout=1).status == 204
        assert http.ask("DELETE", place).status == 200

    @pytest.mark.parametrize(
        ("query", "why"),
        [
            ("disposition=eat", "there are abandon, release, defer and dead-letter"),
            ("disposition=defer&delay=1", "for disposition=abandon alone"),
            ("delay=soon", "whole seconds"),
        ],
    )
    def test_a_disposition_that_is_none(
        self, http: HttpPeer, queue: str, query: str, why: str
    ) -> None:
        http.send(queue)
        got = http.lock(queue)
        answer = http.ask("PUT", f"{got.place}?{query}")
        assert answer.status == 400
        assert why in answer.problem["detail"]
        assert http.ask("DELETE", got.place).status == 200

    @pytest.mark.parametrize("token", ["x", "00", "0c7e92f4-5a54-4a39-8f4f-3b7c0e7cf1aa"])
    def test_a_token_that_is_none(self, http: HttpPeer, queue: str, token: str) -> None:
        http.send(queue)
        http.lock(queue)
        answer = http.ask("DELETE", f"/{queue}/messages/1/{token}")
        assert answer.status == (404 if len(token) == 36 else 400)
        assert answer.problem["detail"]
