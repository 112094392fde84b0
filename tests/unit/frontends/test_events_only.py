"""Topics that take CloudEvents alone: what they refuse, and by which name."""

import pytest

from peeklock.cloudevents.amqp_binding import write_amqp_binary, write_amqp_structured
from peeklock.cloudevents.attribute import string
from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.structured import EventFormat
from peeklock.errors import InvalidEvent
from peeklock.frontends.amqp_event import bare_of
from peeklock.frontends.amqp_lens import AmqpLens
from peeklock.limits import EVENT_SCANNED_AT_ONCE_BYTES_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import DataBody, Properties, encode_bare
from tests.support.events import event
from tests.support.fake_ids import FakeIds

RIGHT = {
    "cloudEvents:specversion": "1.0",
    "cloudEvents:id": "1",
    "cloudEvents:source": "/a",
    "cloudEvents:type": "t",
}
ONLY = AmqpLens(FakeIds()).conformity("", events_only=True)
BOTH = AmqpLens(FakeIds()).conformity('{"type": "object"}', events_only=True)


def bare(properties: dict[str, object], body: bytes = b"{}", kind: str | None = None) -> bytes:
    own = None if kind is None else Properties(content_type=kind)
    return encode_bare(own, properties, DataBody([body]))  # type: ignore[arg-type]  # texts


def refused(given: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as error:
        ONLY.check(Message(given))
    return error.value


def test_right_ones_in_any_mode_pass() -> None:
    one = event(json_data(b"{}"), datacontenttype="application/json", level=string("high"))
    ONLY.check(Message(bare(RIGHT)))
    ONLY.check(Message(bare_of(write_amqp_binary(one))))
    for form in EventFormat:
        ONLY.check(Message(bare_of(write_amqp_structured(one, form))))
    BOTH.check(Message(bare_of(write_amqp_binary(one))))


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_what_is_none_is_told_what_it_lacks(name: str) -> None:
    some = {key: value for key, value in RIGHT.items() if not key.endswith(":" + name)}
    error = refused(bare(some))  # type: ignore[arg-type]  # texts
    assert error.attribute == name
    assert refused(bare({})).attribute == "specversion"


@pytest.mark.parametrize(
    ("given", "attribute"),
    [
        (bare(RIGHT | {"cloudEvents:time": "yesterday"}), "time"),
        (bare(RIGHT | {"cloudEvents:id": ""}), "id"),
        (bare({}, b'{"id": "1"}', "application/cloudevents+json"), "specversion"),
        (bare({}, b"{", "application/cloudevents+json"), "event"),
        (bare({}, b"{}", "application/cloudevents+cbor"), "event"),
        (bare({}, b"[]", "application/cloudevents-batch+json"), "event"),
        (
            bare({}, b" " * EVENT_SCANNED_AT_ONCE_BYTES_MAX, "application/cloudevents+json"),
            "event",
        ),
        (bare({key.replace("s:t", "s_t"): "1.0" for key in RIGHT}), "type"),
        (b"\x00\x53\x77\x44", "data"),
    ],
)
def test_wrong_ones_are_refused_by_name(given: bytes, attribute: str) -> None:
    assert refused(given).attribute == attribute


def test_their_data_are_asked_after() -> None:
    with pytest.raises(InvalidEvent) as error:
        BOTH.check(Message(bare(RIGHT, b"[]", "application/json")))
    assert error.value.attribute == "data"
    assert AmqpLens(FakeIds()).conformity("{}", events_only=False) is not None
