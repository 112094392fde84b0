"""The CloudEvents SDK for Python reads what we write, and we what it writes.

It has HTTP and AMQP, binary and structured; no MQTT, and no batches.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    AmqpTimestamp,
    Separator,
    read_amqp,
    write_amqp_binary,
    write_amqp_structured,
)
from peeklock.cloudevents.attribute import boolean, integer
from peeklock.cloudevents.data import binary_data, json_data, text_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    HttpParts,
    read_http,
    write_http_binary,
    write_http_structured,
)
from tests.support.events import event

pytestmark = pytest.mark.interop
WANTED = "cloudevents is not installed (pip install cloudevents)"
http = pytest.importorskip("cloudevents.core.bindings.http", reason=WANTED)
amqp = pytest.importorskip("cloudevents.core.bindings.amqp", reason=WANTED)
sdk = pytest.importorskip("cloudevents.core.v1.event", reason=WANTED)

TIME = "2018-04-05T17:31:00.123Z"
AT = datetime(2018, 4, 5, 17, 31, 0, 123_000, UTC)
DATA = {"degrees": 21.5, "room": "4"}
OURS = event(
    json_data(json.dumps(DATA).encode()), subject="Zimmer ü € 4", time=TIME,
    datacontenttype="application/json", level=integer(5), region="north",
)  # fmt: skip
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "A234-1234",
    "source": "/site/berlin",
    "type": "com.example.opened",
    "subject": "Zimmer ü € 4",
    "time": AT,
    "datacontenttype": "application/json",
    "level": 5,
    "region": "north",
}
AS_TEXTS = ATTRIBUTES | {"level": "5"}
THEIRS = sdk.CloudEvent(ATTRIBUTES, DATA)


def seen(their: Any) -> tuple[dict[str, object], object]:
    return their.get_attributes(), their.get_data()


def for_them(parts: AmqpParts) -> Any:
    """A timestamp is a number there."""
    properties = {
        key: value.ms if isinstance(value, AmqpTimestamp) else value
        for key, value in parts.properties.items()
    }
    return amqp.AMQPMessage({"content-type": parts.content_type}, properties, parts.body)


def says_what_theirs_says(got: CloudEvent) -> None:
    """It writes time with six digits of a fraction, or as milliseconds."""
    texts = got.texts()
    assert texts.pop("time").startswith("2018-04-05T17:31:00.123")
    expected = OURS.texts()
    del expected["time"]
    assert texts == expected
    assert got.data is not None
    assert json.loads(got.data.content) == DATA


def test_it_reads_our_http() -> None:
    for parts, expected in (
        (write_http_binary(OURS), AS_TEXTS),
        (write_http_structured(OURS), ATTRIBUTES),
    ):
        message = http.HTTPMessage(dict(parts.headers), parts.body)
        assert seen(http.from_http_event(message)) == (expected, DATA)


def test_we_read_its_http() -> None:
    for written in (http.to_binary_event(THEIRS), http.to_structured_event(THEIRS)):
        says_what_theirs_says(read_http(HttpParts(written.headers.items(), written.body)))


@pytest.mark.parametrize("separator", Separator)
def test_it_reads_our_amqp(separator: Separator) -> None:
    for parts in (write_amqp_binary(OURS, separator=separator), write_amqp_structured(OURS)):
        assert seen(amqp.from_amqp_event(for_them(parts))) == (ATTRIBUTES, DATA)


def test_we_read_its_amqp() -> None:
    for written in (amqp.to_binary_event(THEIRS), amqp.to_structured_event(THEIRS)):
        parts = AmqpParts(
            written.properties["content-type"],
            written.application_properties,
            written.application_data,
        )
        says_what_theirs_says(read_amqp(parts))


def test_bytes_and_text() -> None:
    for ours, data in (
        (event(binary_data(b"\0\xff"), time=TIME, datacontenttype="image/png"), b"\0\xff"),
        (event(text_data("é"), time=TIME, datacontenttype="text/plain"), "é"),
    ):
        for parts in (write_http_binary(ours), write_http_structured(ours)):
            message = http.HTTPMessage(dict(parts.headers), parts.body)
            their = http.from_http_event(message)
            assert their.get_data() == data
            back = http.to_structured_event(their)
            got = read_http(HttpParts(back.headers.items(), back.body))
            assert got.data is not None
            assert ours.data is not None
            assert got.data.content == ours.data.content


def test_what_it_writes_against_the_specification_stays_what_it_is() -> None:
    """A Boolean is written as Python shows it. That is a text, and
    forwarded as one; nothing is made of it that it does not say."""
    written = http.to_binary_event(sdk.CloudEvent(ATTRIBUTES | {"fresh": True}, None))
    got = read_http(HttpParts(written.headers.items(), written.body))
    assert got.text("fresh") == "True"
    assert got.attributes["fresh"] != boolean(True)
