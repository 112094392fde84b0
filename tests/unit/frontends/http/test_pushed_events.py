"""A message as a webhook's POST: always an event, with a payload and a content type."""

import json

import pytest

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    write_amqp_binary,
    write_amqp_structured,
)
from peeklock.cloudevents.attribute import string
from peeklock.cloudevents.data import binary_data, json_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import HttpParts, read_http
from peeklock.cloudevents.structured import EventFormat
from peeklock.entities.push import PushMode
from peeklock.entities.queue_index import READY, Entry
from peeklock.frontends.amqp_event import bare_of
from peeklock.frontends.http.pushed_events import Unpushable, pushed_parts
from peeklock.limits import EVENT_DOCUMENT_BYTES_MAX, PUSH_BYTES_MAX
from peeklock.protocols.amqp10.sections import Properties, ValueBody, encode_bare
from peeklock.types import NEVER, NOWHERE, EntityPath, SequenceNumber, UnixMs
from tests.support.events import event

PATH = EntityPath("shop/orders ü")
ENTRY = Entry(
    SequenceNumber(7), None, NOWHERE, 1, 4, UnixMs(1_700_000_000_000), NEVER, NEVER, 0, None,
    READY, None, SequenceNumber(0),
)  # fmt: skip


def pushed(bare: bytes, mode: PushMode = PushMode.BINARY) -> HttpParts:
    parts = pushed_parts(ENTRY, bare, PATH, mode, "broker.example")
    assert parts.content_type is not None
    assert parts.header("webhook-request-origin") == "broker.example"
    return parts


def plain(body: bytes, content_type: str | None = None, **said: object) -> bytes:
    parts = AmqpParts(content_type, {"color": "red"}, body)
    return bare_of(parts, Properties(**said))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", PushMode)
@pytest.mark.parametrize("came_in", [None, *EventFormat])
def test_an_event_says_the_same_in_either_mode(
    mode: PushMode, came_in: EventFormat | None
) -> None:
    sent = event(
        json_data(b'{"a": 1.10}'),
        note=string("ü"),
        none=string(""),
        time="2018-04-05T17:31:00Z",
    )
    amqp = write_amqp_binary(sent) if came_in is None else write_amqp_structured(sent, came_in)
    parts = pushed(bare_of(amqp), mode)
    assert read_http(parts).says_the_same_as(sent)
    is_structured = parts.content_type == "application/cloudevents+json"
    assert is_structured is (mode is PushMode.STRUCTURED)


def test_without_data_there_is_a_payload_all_the_same() -> None:
    sent = event()
    parts = pushed(bare_of(write_amqp_binary(sent)))
    assert json.loads(parts.body)["id"] == sent.id


def test_a_message_that_is_none_becomes_an_event() -> None:
    got = read_http(pushed(plain(b"x", "text/csv", message_id="order 7", subject="paid")))
    assert got.texts() == {
        "specversion": "1.0",
        "id": "order 7",
        "source": "/shop/orders%20%C3%BC",
        "type": "peeklock.message",
        "subject": "paid",
        "time": "2023-11-14T22:13:20Z",
        "datacontenttype": "text/csv",
    }


@pytest.mark.parametrize(
    ("message_id", "told"),
    [(None, "7"), (12, "12"), (b"\1\xff", "01ff"), ("", "7"), ("bad\x07", "7")],
)
def test_it_has_an_id(message_id: object, told: str) -> None:
    assert read_http(pushed(plain(b"x", message_id=message_id, subject="s"))).id == told


def test_it_has_a_content_type() -> None:
    assert pushed(plain(b"x")).content_type == "application/octet-stream"
    text = pushed(encode_bare(Properties(), {}, ValueBody("ü")))
    assert (text.content_type, text.body) == ("text/plain; charset=utf-8", "ü".encode())
    with pytest.raises(Unpushable, match="neither data nor text"):
        pushed(encode_bare(Properties(), {}, ValueBody({"a": 1})))


def test_an_empty_job_is_an_event_with_a_payload() -> None:
    parts = pushed(plain(b"", "text/csv"))
    assert json.loads(parts.body)["datacontenttype"] == "text/csv"


def test_a_format_that_is_not_read_goes_on_as_it_is() -> None:
    parts = pushed(bare_of(AmqpParts("application/cloudevents+cbor", {}, b"\xa1")))
    assert (parts.content_type, parts.body) == ("application/cloudevents+cbor", b"\xa1")


@pytest.mark.parametrize("mode", PushMode)
def test_a_long_event_goes_in_the_mode_that_is_quick(mode: PushMode) -> None:
    data = b"x" * EVENT_DOCUMENT_BYTES_MAX
    typed = event(binary_data(data), datacontenttype="application/zip")
    assert pushed(bare_of(write_amqp_binary(typed)), mode).body == data
    structured = write_amqp_structured(typed)
    assert pushed(bare_of(structured), mode).body == structured.body
    untyped = event(binary_data(data))
    got: CloudEvent = read_http(pushed(bare_of(write_amqp_binary(untyped)), mode))
    assert got.says_the_same_as(untyped)


def test_one_that_is_too_long_is_not_pushed() -> None:
    with pytest.raises(Unpushable, match=f"pushed are {PUSH_BYTES_MAX} at most"):
        pushed(b"x" * (PUSH_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "bare",
    [
        b"\x00\x53\x75\xa0\x09short",
        bare_of(AmqpParts("application/cloudevents+json", {}, b"{")),
        bare_of(
            AmqpParts(
                "a/b", {f"cloudEvents:{name}": "" for name in
                        ("specversion", "id", "source", "type")}, b"x"
            )
        ),
        plain(b"x", "text/x\r\nX-Evil: 1"),
    ],
    ids=["no message", "no document", "empty attributes", "another header"],
)  # fmt: skip
def test_what_is_wrong_is_not_pushed(bare: bytes) -> None:
    with pytest.raises(Unpushable):
        pushed(bare)
