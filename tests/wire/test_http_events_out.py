"""CloudEvents out over HTTP: a locked message as an event, in the mode that is asked for."""

import json

import pytest

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    Separator,
    write_amqp_binary,
    write_amqp_structured,
)
from peeklock.cloudevents.attribute import integer, string
from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import HttpParts, http_mode, read_http
from peeklock.cloudevents.structured import ContentMode, EventFormat
from peeklock.frontends.amqp_event import bare_of
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX
from peeklock.protocols.amqp10.sections import Properties
from tests.support.amqp_bytes import (
    application_properties,
    composite,
    data_section,
    symbol,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import Answer, HttpPeer

JSON_EVENT = "application/cloudevents+json"
EVENT = event(
    json_data(b'{"degrees": 21.50}'), subject="Zimmer \u00fc", level=integer(5),
    datacontenttype="application/json", none=string(""),
)  # fmt: skip


@pytest.fixture
def http(shared: BrokerProcess) -> HttpPeer:
    return HttpPeer(shared)


def put(peer: AmqpPeer, queue: str, payload: bytes) -> None:
    peer.attach_sender(queue)
    peer.transfer(0, payload)
    peer.hear_accepted(0, 0)


def put_parts(
    peer: AmqpPeer, queue: str, parts: AmqpParts, own: Properties | None = None
) -> None:
    put(peer, queue, bare_of(parts, own))


def lock(http: HttpPeer, queue: str, accept: str = "*/*") -> Answer:
    answer = http.ask("POST", f"/{queue}/events/head?timeout=0", Accept=accept)
    assert answer.status == 201, answer.body
    return answer


def parts_in(answer: Answer) -> HttpParts:
    return HttpParts(answer.headers.items(), answer.body)


def event_in(answer: Answer) -> CloudEvent:
    return read_http(parts_in(answer))


@pytest.mark.parametrize(
    "parts",
    [
        *[write_amqp_binary(EVENT, separator=one) for one in Separator],
        *[write_amqp_structured(EVENT, one) for one in EventFormat],
    ],
)
@pytest.mark.parametrize("accept", ["*/*", *[one.value for one in EventFormat]])
def test_each_mode_in_and_out(
    http: HttpPeer, ready: AmqpPeer, queue: str, parts: AmqpParts, accept: str
) -> None:
    put_parts(ready, queue, parts)
    got = lock(http, queue, accept)
    assert event_in(got).says_the_same_as(EVENT)
    if accept == "*/*":
        assert http_mode(parts_in(got)) is ContentMode.BINARY
        assert got.body == b'{"degrees": 21.50}'
        assert got.headers["ce-subject"] == "Zimmer%20%C3%BC"
    else:
        assert got.headers["Content-Type"] == accept


def test_it_is_settled_as_any_message(http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
    put_parts(ready, queue, write_amqp_binary(EVENT))
    got = lock(http, queue)
    assert f"/{queue}/messages/1/" in got.place
    assert got.broker["DeliveryCount"] == 1
    assert http.ask("PUT", got.place).status == 200
    got = lock(http, queue)
    assert got.broker["DeliveryCount"] == 2
    assert http.ask("POST", got.place).status == 200
    assert http.ask("DELETE", got.place).status == 200
    assert http.ask("POST", f"/{queue}/events/head?timeout=0").status == 204


def test_taken_for_good(http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
    put_parts(ready, queue, write_amqp_binary(EVENT))
    got = http.ask("DELETE", f"/{queue}/events/head?timeout=0", Accept=JSON_EVENT)
    assert got.status == 200
    assert "Location" not in got.headers
    assert event_in(got) == EVENT
    assert http.ask("DELETE", f"/{queue}/events/head?timeout=0").status == 204


def test_what_lies_beside_the_event(http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
    """Properties that are no attributes are headers, but where they would look like some."""
    parts = write_amqp_binary(EVENT, {"Floor": 3, "ce-subject": "a lie"})
    put_parts(ready, queue, parts, Properties(subject="paid", content_encoding="zstd"))
    got = lock(http, queue, JSON_EVENT)
    assert http_mode(parts_in(got)) is ContentMode.BINARY, "no format tells of an encoding"
    assert got.headers["Content-Encoding"] == "zstd"
    assert got.headers["Floor"] == "3"
    assert got.broker["Label"] == "paid"
    assert got.headers.get_all("ce-subject") == ["Zimmer%20%C3%BC"]
    assert json.loads(got.headers["Peeklock-Properties"]) == {"ce-subject": "a lie"}


@pytest.mark.parametrize("accept", ["*/*", JSON_EVENT])
@pytest.mark.parametrize(
    "payload",
    [
        data_section(b"a job"),
        value_section("text"),
        composite("properties", content_type=symbol(JSON_EVENT)) + data_section(b"{"),
        application_properties({"cloudEvents:id": "1"}) + data_section(b"half of one"),
    ],
    ids=["plain", "value", "wrong", "half"],
)
def test_what_is_no_event_is_handed_out_as_it_is(
    http: HttpPeer, ready: AmqpPeer, queue: str, payload: bytes, accept: str
) -> None:
    put(ready, queue, payload)
    got = lock(http, queue, accept)
    assert not any(name.lower().startswith("ce-") for name in got.headers)
    assert got.body in (b"a job", b"text", b"{", b"half of one")
    assert http.ask("DELETE", got.place).status == 200


def test_a_long_event_stays_in_its_mode(http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
    long = b"[" + b"1," * EVENT_DOCUMENT_BYTES_MAX + b"1]"
    given = event(json_data(long), datacontenttype="application/json")
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}
    headers["content-type"] = "application/json"
    assert http.ask_with("POST", f"/{queue}/events", long, headers).status == 202
    assert given.data is not None
    got = lock(http, queue, JSON_EVENT)
    assert http_mode(parts_in(got)) is ContentMode.BINARY
    assert got.body == long


def test_headers_that_are_too_long_go_in_the_body(
    http: HttpPeer, ready: AmqpPeer, queue: str
) -> None:
    given = event(subject="x" * 20_000)
    put_parts(ready, queue, write_amqp_binary(given))
    got = lock(http, queue)
    assert got.headers["Content-Type"] == JSON_EVENT
    assert event_in(got).says_the_same_as(given)


def test_the_format_that_is_wanted_most(http: HttpPeer, ready: AmqpPeer, queue: str) -> None:
    put_parts(ready, queue, write_amqp_binary(EVENT))
    protobuf = "application/cloudevents+protobuf"
    got = lock(http, queue, f"{JSON_EVENT};q=0.5, text/plain, {protobuf.upper()};q=0.8, */*")
    assert got.headers["Content-Type"] == protobuf


def test_a_topic_hands_nothing_out(http: HttpPeer, queue: str) -> None:
    body = "<entry><content><TopicDescription/></content></entry>"
    assert http.ask("PUT", f"/{queue}", body).status == 201
    assert http.ask("POST", f"/{queue}/events/head?timeout=0").status == 409
