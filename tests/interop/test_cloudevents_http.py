"""The CloudEvents SDK for Python sends over HTTP to a running broker, and reads what AMQP has.

The binding's messages go through sockets; a plain HTTP client carries what the SDK writes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from peeklock.cloudevents.amqp_binding import AmqpTimestamp
from peeklock.frontends.amqp_event import parts_of
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer
from tests.support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.interop
WANTED = "cloudevents is not installed (pip install cloudevents)"
http = pytest.importorskip("cloudevents.core.bindings.http", reason=WANTED)
amqp = pytest.importorskip("cloudevents.core.bindings.amqp", reason=WANTED)
sdk = pytest.importorskip("cloudevents.core.v1.event", reason=WANTED)

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "A234-1234",
    "source": "/site/berlin",
    "type": "com.example.opened",
    "subject": "Zimmer ü € 4",
    "time": datetime(2018, 4, 5, 17, 31, 0, 123_000, UTC),
    "datacontenttype": "application/json",
    "region": "north",
}
DATA = {"degrees": 21.5, "room": "4"}


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess() as process:
        yield process


def received(peer: AmqpPeer) -> Any:
    """As its own AMQP binding reads the message; a timestamp is a number there."""
    _heard, message = peer.receive()
    parts = parts_of(message.bare)
    properties = {
        key: value.ms if isinstance(value, AmqpTimestamp) else value
        for key, value in parts.properties.items()
    }
    given = amqp.AMQPMessage({"content-type": parts.content_type}, properties, parts.body)
    return amqp.from_amqp_event(given)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_what_it_sends_it_receives(broker: BrokerProcess, mode: str) -> None:
    write = http.to_binary_event if mode == "binary" else http.to_structured_event
    written = write(sdk.CloudEvent(ATTRIBUTES, DATA))
    answer = HttpPeer(broker).ask_with(
        "POST", f"/sdk-{mode}/events", written.body, dict(written.headers)
    )
    assert answer.status == 202, answer.body
    with ready_peer(broker.amqp_port) as peer:
        peer.attach_receiver(f"sdk-{mode}")
        peer.credit(1)
        got = received(peer)
    assert (got.get_attributes(), got.get_data()) == (ATTRIBUTES, DATA)


@pytest.mark.parametrize("accept", ["*/*", "application/cloudevents+json"])
def test_what_it_sends_it_works_on(broker: BrokerProcess, accept: str) -> None:
    written = http.to_binary_event(sdk.CloudEvent(ATTRIBUTES, DATA))
    peer = HttpPeer(broker)
    sent = peer.ask_with("POST", "/tasks/events", written.body, dict(written.headers))
    assert sent.status == 202
    got = peer.ask("POST", "/tasks/events/head?timeout=0", Accept=accept)
    assert got.status == 201
    headers = {name.lower(): value for name, value in got.headers.items()}
    their = http.from_http_event(http.HTTPMessage(headers, got.body))
    assert (their.get_attributes(), their.get_data()) == (ATTRIBUTES, DATA)
    assert peer.ask("DELETE", got.place).status == 200


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_what_is_pushed_to_it_it_reads(broker: BrokerProcess, mode: str) -> None:
    written = http.to_binary_event(sdk.CloudEvent(ATTRIBUTES, DATA))
    queue = f"pushed-{mode}"
    with WebhookReceiver() as receiver:
        operator = AmqpOperator(broker.amqp_port)
        operator.create(queue, push_to=receiver.url, push_mode=mode)
        operator.close()
        sent = HttpPeer(broker).ask_with(
            "POST", f"/{queue}/events", written.body, dict(written.headers)
        )
        assert sent.status == 202
        (asked,) = receiver.wait_for_posts(1)
    their = http.from_http_event(http.HTTPMessage(asked.headers, asked.body))
    assert (their.get_attributes(), their.get_data()) == (ATTRIBUTES, DATA)
