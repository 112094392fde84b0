"""CloudEvents in over HTTP, and what they are for whoever receives them by AMQP."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from peeklock.cloudevents.amqp_binding import AmqpParts, amqp_mode, read_amqp
from peeklock.cloudevents.attribute import Kind
from peeklock.cloudevents.data import text_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    HttpParts,
    write_http_batch,
    write_http_binary,
    write_http_structured,
)
from peeklock.cloudevents.structured import BatchFormat, ContentMode, EventFormat
from peeklock.frontends.amqp_event import parts_of
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX
from peeklock.protocols.amqp10.sections import read_properties
from tests.support.amqp_bytes import Message
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import Answer, HttpPeer

JSON_EVENT = "application/cloudevents+json"
JSON_BATCH = "application/cloudevents-batch+json"
REQUIRED = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/a", "ce-type": "t"}

OURS = event(text_data("grün"), subject="Zimmer ü", datacontenttype="text/plain")


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


def post(http: HttpPeer, entity: str, parts: HttpParts, **more: str) -> Answer:
    headers = dict(parts.headers) | more
    return http.ask_with("POST", f"/{entity}/events", parts.body, headers)


def post_json(http: HttpPeer, entity: str, value: object, kind: str = JSON_EVENT) -> Answer:
    parts = HttpParts([("content-type", kind)], json.dumps(value).encode())
    return post(http, entity, parts)


def make_topic(http: HttpPeer, topic: str) -> None:
    """With a subscription `erp`."""
    for path, kind in ((topic, "Topic"), (f"{topic}/subscriptions/erp", "Subscription")):
        body = f"<entry><content><{kind}Description/></content></entry>"
        assert http.ask("PUT", f"/{path}", body).status == 201


def all_of(peer: AmqpPeer, entity: str, count: int) -> list[Message]:
    peer.attach_receiver(entity)
    peer.credit(count)
    return [peer.receive()[1] for _ in range(count)]


def parts_in(message: Message) -> AmqpParts:
    return parts_of(message.bare)


def ttl_of(message: Message) -> int:
    assert message.header is not None
    ttl = message.header["ttl"]
    assert isinstance(ttl, int)
    return ttl


def event_in(message: Message) -> CloudEvent:
    return read_amqp(parts_in(message))


class TestModes:
    @pytest.mark.parametrize(
        "parts",
        [
            write_http_binary(OURS),
            write_http_structured(OURS),
            write_http_structured(OURS, EventFormat.PROTOBUF),
            write_http_structured(OURS, EventFormat.AVRO),
        ],
        ids=["binary", "json", "protobuf", "avro"],
    )
    def test_each_becomes_the_same_event(
        self, http: HttpPeer, ready: AmqpPeer, queue: str, parts: HttpParts
    ) -> None:
        answer = post(http, queue, parts)
        assert (answer.status, answer.body) == (202, b"")
        (message,) = all_of(ready, queue, 1)
        assert amqp_mode(parts_in(message)) is ContentMode.BINARY
        assert event_in(message).says_the_same_as(OURS)
        assert message.header is not None
        assert message.header["durable"]

    def test_data_stays_as_it_is(self, http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
        data = b'{"b": 1.10, "a": 1e400, "a": [ ]}'
        document = json.dumps({"specversion": "1.0", "id": "1", "source": "/a", "type": "t"})
        whole = document[:-1].encode() + b', "data": ' + data + b"}"
        assert (
            http.ask("POST", f"/{queue}/events", whole, Content_Type=JSON_EVENT).status == 202
        )
        (message,) = all_of(ready, queue, 1)
        found = event_in(message)
        assert found.data is not None
        assert found.data.content == data
        assert found.content_type == "application/json"

    def test_types_of_json_are_those_of_amqp(
        self, http: HttpPeer, ready: AmqpPeer, queue: str
    ) -> None:
        given = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}
        post_json(http, queue, given | {"level": 5, "urgent": True, "text": "5"})
        (message,) = all_of(ready, queue, 1)
        attributes = event_in(message).attributes
        assert attributes["level"].kind is Kind.INTEGER
        assert attributes["urgent"].kind is Kind.BOOLEAN
        assert attributes["text"].kind is Kind.STRING

    @pytest.mark.parametrize("batch_format", list(BatchFormat))
    def test_a_batch(
        self, http: HttpPeer, ready: AmqpPeer, queue: str, batch_format: BatchFormat
    ) -> None:
        events = [event(id=str(number)) for number in range(20)]
        assert post(http, queue, write_http_batch(events, batch_format)).status == 202
        found = [event_in(message) for message in all_of(ready, queue, 20)]
        assert [one.id for one in found] == [str(number) for number in range(20)]

    def test_an_empty_batch(self, http: HttpPeer, queue: str) -> None:
        assert post_json(http, queue, [], JSON_BATCH).status == 202

    def test_to_a_topic(self, http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
        make_topic(http, queue)
        assert post(http, queue, write_http_binary(event(id="9"))).status == 202
        (message,) = all_of(ready, f"{queue}/Subscriptions/erp", 1)
        assert event_in(message).id == "9"


class TestWhatTheBrokerActsUpon:
    def test_subject_and_partition_key(
        self, http: HttpPeer, ready: AmqpPeer, queue: str
    ) -> None:
        post(http, queue, write_http_binary(event(subject="a/b", partitionkey="p")))
        (message,) = all_of(ready, queue, 1)
        properties = read_properties(message.bare)
        assert properties is not None
        assert properties.subject == "a/b"
        assert properties.message_id == "/site/berlin A234-1234"
        assert message.annotations["x-opt-partition-key"] == "p"

    def test_the_same_event_twice(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, duplicate_window_ms=60_000)
        for _ in range(2):
            assert post(http, queue, write_http_binary(event())).status == 202
        assert post(http, queue, write_http_binary(event(source="/other"))).status == 202
        assert [http.take(queue).status for _ in range(3)] == [200, 200, 204]

    def test_a_long_name_is_a_digest(
        self, http: HttpPeer, operator: AmqpOperator, queue: str
    ) -> None:
        operator.create(queue, duplicate_window_ms=60_000)
        for _ in range(2):
            assert post(http, queue, write_http_binary(event(id="x" * 200))).status == 202
        assert http.take(queue).broker["MessageId"].startswith("sha256:")
        assert http.take(queue).status == 204

    def test_expirytime(self, http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
        soon = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
        assert post(http, queue, write_http_binary(event(expirytime=soon))).status == 202
        (message,) = all_of(ready, queue, 1)
        assert 60_000 < ttl_of(message) <= 90_000
        assert event_in(message).text("expirytime") == soon

    @pytest.mark.parametrize("wrong", ["yesterday", "2020-01-01T00:00:00Z"])
    def test_a_wrong_expirytime(self, http: HttpPeer, queue: str, wrong: str) -> None:
        answer = post(http, queue, write_http_binary(event(expirytime=wrong)))
        assert (answer.status, answer.problem["attribute"]) == (400, "expirytime")

    def test_broker_properties_beside_it(
        self, http: HttpPeer, ready: AmqpPeer, queue: str
    ) -> None:
        own = '{"MessageId": "m", "SessionId": "s", "Label": "l", "TimeToLive": 5}'
        answer = post(http, queue, write_http_binary(event(subject="a")), BrokerProperties=own)
        assert answer.status == 202
        (message,) = all_of(ready, queue, 1)
        properties = read_properties(message.bare)
        assert properties is not None
        told = (properties.message_id, properties.group_id, properties.subject)
        assert told == ("m", "s", "l")
        assert ttl_of(message) == 5000
        assert event_in(message).text("subject") == "a"


class TestRefusals:
    @pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
    def test_a_required_attribute_is_missing(
        self, http: HttpPeer, queue: str, missing: str
    ) -> None:
        headers = {name: text for name, text in REQUIRED.items() if name != f"ce-{missing}"}
        answer = http.ask_with("POST", f"/{queue}/events", b"", headers)
        assert answer.status == 400
        assert answer.problem["attribute"] == missing
        assert missing in answer.problem["detail"]
        document = {name[3:]: text for name, text in headers.items()}
        assert post_json(http, queue, document).problem["attribute"] == missing

    def test_a_batch_with_one_that_is_wrong(self, http: HttpPeer, queue: str) -> None:
        good = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}
        answer = post_json(http, queue, [good, good | {"time": "yesterday"}], JSON_BATCH)
        assert (answer.status, answer.problem["attribute"]) == (400, "time")
        assert "event 1 of the batch" in answer.problem["detail"]
        assert http.take(queue).status == 204, "the good one is not there, either"

    def test_a_batch_has_no_broker_properties(self, http: HttpPeer, queue: str) -> None:
        parts = write_http_batch([event()])
        assert post(http, queue, parts, BrokerProperties="{}").status == 400

    @pytest.mark.parametrize(
        "kind", ["application/cloudevents+cbor", "application/cloudevents-batch+avro"]
    )
    def test_a_format_that_is_not_read(self, http: HttpPeer, queue: str, kind: str) -> None:
        answer = http.ask("POST", f"/{queue}/events", b"x", Content_Type=kind)
        assert answer.status == 415
        assert JSON_EVENT in answer.problem["detail"]

    def test_a_header_that_is_no_utf8(self, http: HttpPeer, queue: str) -> None:
        headers = REQUIRED | {"ce-subject": "%C0%A0"}
        answer = http.ask_with("POST", f"/{queue}/events", b"", headers)
        assert (answer.status, answer.problem["attribute"]) == (400, "subject")

    def test_a_document_that_is_too_long(self, http: HttpPeer, queue: str) -> None:
        document = b" " * (EVENT_DOCUMENT_BYTES_MAX + 1)
        answer = http.ask("POST", f"/{queue}/events", document, Content_Type=JSON_EVENT)
        assert answer.status == 413
        headers = REQUIRED | {"content-type": "application/octet-stream"}
        answer = http.ask_with("POST", f"/{queue}/events", document, headers)
        assert answer.status == 202, "in binary mode its bytes are not looked at"

    def test_to_a_subscription(self, http: HttpPeer, queue: str) -> None:
        make_topic(http, queue)
        entity = f"{queue}/Subscriptions/erp"
        assert post(http, entity, write_http_binary(event())).status == 409

    def test_a_page_of_elsewhere(self, http: HttpPeer, queue: str) -> None:
        parts = write_http_binary(event())
        assert post(http, queue, parts, Origin="https://evil.example").status == 401


def test_long_documents_hold_nobody_up(http: HttpPeer, queue: str) -> None:
    """They are read on a thread of their own: the loop has its turn every few ms."""
    numbers = [1] * (EVENT_DOCUMENT_BYTES_MAX // 4)
    document = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": numbers}
    sending = threading.Thread(target=post_json, args=(http, queue, document))
    sending.start()
    slowest = 0.0
    while sending.is_alive():
        before = time.monotonic()
        assert http.ask("GET", "/health").status == 200
        slowest = max(slowest, time.monotonic() - before)
    sending.join()
    assert http.take(queue).status == 200
    assert slowest < 1.0
