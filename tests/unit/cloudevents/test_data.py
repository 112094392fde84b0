"""Data: its forms, and what a media type says of it."""

import pytest

from peeklock.cloudevents.attribute import string
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    binary_data,
    json_data,
    payload_data,
    proto_data,
    text_data,
    written_form,
)
from peeklock.cloudevents.event import CloudEvent, explicit
from peeklock.cloudevents.transcode import read_parts, write_exactly
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_ATTRIBUTES_MAX
from tests.support.events import ALL_WAYS, event

JSON = "application/json"


@pytest.mark.parametrize(
    ("content", "content_type", "form"),
    [
        (b'{"a":1}', JSON, DataForm.JSON),
        (b'{"a":1}', "TEXT/x+Json; a=b", DataForm.JSON),
        (b'{"a":1}', None, DataForm.BINARY),
        (b'{"a":1}', "image/png", DataForm.BINARY),
        (b" 1", JSON, DataForm.BINARY),  # the space would not come back
        (b'{"a":1,"a":2}', JSON, DataForm.BINARY),
        (b"\xef\xbb\xbf1", JSON, DataForm.BINARY),
        (b"x", JSON, DataForm.BINARY),
        (b"", JSON, DataForm.BINARY),
        ("é".encode(), "text/plain", DataForm.TEXT),
        (b"\xe9", "text/plain", DataForm.BINARY),
        (b"\xe9", "text/plain; charset=latin1", DataForm.TEXT),
        (b"\xe9", "text/plain; charset=klingon", DataForm.BINARY),
        (b"<a/>", "image/svg+xml", DataForm.TEXT),
        (b"<a/>", "application/xml", DataForm.TEXT),
        (b"", "text/plain", DataForm.TEXT),
    ],
)
def test_a_payload_is_written_as_its_type_says(
    content: bytes, content_type: str | None, form: DataForm
) -> None:
    assert written_form(Data(DataForm.PAYLOAD, content), content_type) is form


def test_what_came_as_bytes_is_written_as_bytes() -> None:
    for content_type in (JSON, "text/plain", None):
        assert written_form(binary_data(b"1"), content_type) is DataForm.BINARY


def test_a_payload_that_is_not_there() -> None:
    assert payload_data(b"", None) is None
    assert payload_data(b"", JSON) == Data(DataForm.PAYLOAD, b"")


def test_what_is_no_json_or_has_no_such_characters_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="CloudEvents data: no JSON: no value at byte 1"):
        json_data(b"[}")
    with pytest.raises(InvalidEvent, match="characters that ascii does not have"):
        text_data("é", "text/plain; charset=us-ascii")
    with pytest.raises(InvalidEvent, match="allowed are ascii, iso-8859-1"):
        text_data("é", "text/plain; charset=punycode")
    with pytest.raises(InvalidEvent, match="JSON, with the datacontenttype 'text/plain'"):
        event(json_data(b"1"), datacontenttype="text/plain")


def test_what_the_form_implies_is_said_when_the_form_goes() -> None:
    assert explicit(event(json_data(b"1"))).content_type == JSON
    assert explicit(event(proto_data("t", b""))).content_type == "application/protobuf"
    for unsaid in (event(), event(binary_data(b"1"))):
        assert explicit(unsaid) is unsaid


def test_events_are_compared() -> None:
    one = event(json_data(b"1"), datacontenttype=JSON)
    assert one == event(json_data(b"1"), datacontenttype=JSON)
    assert one != event(binary_data(b"1"), datacontenttype=JSON)
    assert one.says_the_same_as(event(binary_data(b"1"), datacontenttype=JSON))
    assert one.says_the_same_as(event(json_data(b"1")))
    assert not one.says_the_same_as(event(json_data(b"1.0")))
    assert not one.says_the_same_as(event(datacontenttype=JSON))
    assert not one.says_the_same_as(event(json_data(b"1"), subject="x"))
    assert len({one, event(json_data(b"1"), datacontenttype=JSON)}) == 1
    assert (one.type, one.source) == ("com.example.opened", "/site/berlin")


def test_attributes_have_a_number() -> None:
    many = {f"a{n}": string("") for n in range(EVENT_ATTRIBUTES_MAX - 4)}
    full = CloudEvent({**event().attributes, **many}, json_data(b"1"))
    for hop, form in ALL_WAYS:
        assert full.says_the_same_as(read_parts(write_exactly(full, hop, form)))
    with pytest.raises(InvalidEvent, match="257 attributes; allowed are 256"):
        CloudEvent({**event().attributes, **many, "more": string("")})
