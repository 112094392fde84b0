"""From protocol to protocol, without loss."""

import pytest

from peeklock.cloudevents.amqp_binding import AmqpParts
from peeklock.cloudevents.attribute import binary, boolean, integer, string
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    binary_data,
    json_data,
    proto_data,
    text_data,
)
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import HttpParts, read_http, write_http_binary
from peeklock.cloudevents.json_format import read_json, write_json
from peeklock.cloudevents.mqtt_binding import Mqtt311Parts, MqttParts, read_mqtt
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.transcode import (
    Form,
    Hop,
    Parts,
    mode_of,
    read_parts,
    transcode,
    write_exactly,
)
from peeklock.errors import InvalidEvent
from tests.support.events import ALL_WAYS, INSTANTS, JSON_TEXTS, event, over_the_wire

FORWARDS = (Hop.MQTT, Hop.AMQP, Hop.HTTP)


def travelled(parts: Parts, *hops: Hop, form: Form = Form.BINARY) -> Parts:
    for hop in hops:
        [parts] = transcode(over_the_wire(parts), hop, form)
    return parts


def test_xc_01_binary_over_all_protocols() -> None:
    sent = event(
        Data(DataForm.PAYLOAD, b'{"a" : 1.10}\n'), datacontenttype="application/json",
        a="true", b="5", c="Af8=", subject="é x%20", time="2018-04-05T17:31:00.5+02:00",
    )  # fmt: skip
    start = write_http_binary(sent)
    end = travelled(start, *FORWARDS)
    assert isinstance(end, HttpParts)
    assert sorted(end.headers) == sorted(start.headers)
    assert end.body == start.body


@pytest.mark.parametrize("text", JSON_TEXTS)
@pytest.mark.parametrize("form", Form)
def test_xc_02_json_data_keeps_its_text(text: bytes, form: Form) -> None:
    document = (
        write_json(event(datacontenttype="application/json"))[:-1] + b',"data":' + text + b"}"
    )
    start = HttpParts([("content-type", "application/cloudevents+json")], document)
    end = travelled(start, *FORWARDS, form=form)
    data = read_parts(end).data
    assert data is not None
    assert data.content == text


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff", b"null", b'{"a": 1}', b" 1", b"\xef\xbb\xbf1"]
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "image/png"])
def test_xc_03_with_mqtt_3_1_1_in_the_middle(content: bytes, content_type: str) -> None:
    sent = event(Data(DataForm.PAYLOAD, content), datacontenttype=content_type, x=integer(5))
    end = travelled(write_http_binary(sent), Hop.MQTT, Hop.MQTT_311, Hop.AMQP, Hop.HTTP)
    assert isinstance(end, HttpParts)
    assert end.body == content
    assert sorted(end.headers) == sorted(write_http_binary(sent).headers)


def test_xc_04_bytes_without_a_type_stay_so() -> None:
    document = write_json(event())[:-1] + b',"data_base64":"eyJhIjoxfQ=="}'
    binary_mode = travelled(Mqtt311Parts(document), *FORWARDS)
    assert mode_of(binary_mode) is ContentMode.BINARY
    assert isinstance(binary_mode, HttpParts)
    assert binary_mode.content_type is None
    assert binary_mode.body == b'{"a":1}'
    [back] = transcode(binary_mode, Hop.MQTT_311)
    assert isinstance(back, Mqtt311Parts)
    assert back.payload == document


@pytest.mark.parametrize("text", [b'"I\'m"', b"5", b"null", b"{}"])
def test_xc_05_json_without_a_type_says_so_in_binary_mode(text: bytes) -> None:
    sent = read_json(write_json(event())[:-1] + b',"data":' + text + b"}")
    assert sent.content_type is None
    for hop in FORWARDS:
        parts = write_exactly(sent, hop)
        assert mode_of(parts) is ContentMode.BINARY
        assert not isinstance(parts, Mqtt311Parts)
        assert parts.content_type == "application/json"
        data = read_parts(parts).data
        assert data is not None
        assert data.content == text


@pytest.mark.parametrize("text", INSTANTS)
def test_xc_06_timestamps_keep_their_text(text: str) -> None:
    now = sent = event(time=text)
    for hop, form in ALL_WAYS:
        now = read_parts(over_the_wire(write_exactly(now, hop, form)))
        assert now.attributes == sent.attributes


@pytest.mark.parametrize("text", ["\u00e9", "e\u0301", "😀", "a\u00a0b", "\u200fא", "\ufb01"])
def test_xc_07_texts_keep_their_characters(text: str) -> None:
    now = sent = event(text_data(text), id=text, subject=text, datacontenttype="text/plain")
    for hop, form in ALL_WAYS:
        now = read_parts(over_the_wire(write_exactly(now, hop, form)))
        assert sent.says_the_same_as(now)


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", "a/b"])
def test_xc_08_none_empty_and_null_are_three_things(content_type: str) -> None:
    choices: list[CloudEvent] = [
        event(data, datacontenttype=content_type) for data in (None, binary_data(b""))
    ]
    if content_type in ("", "application/json"):
        choices.append(event(json_data(b"null"), datacontenttype=content_type))
    for sent in choices:
        now = sent
        for hop, form in ALL_WAYS:
            now = read_parts(over_the_wire(write_exactly(now, hop, form)))
            assert [now.says_the_same_as(one) for one in choices] == [
                one is sent for one in choices
            ]


@pytest.mark.parametrize(
    "parts",
    [
        AmqpParts(
            "text/plain", {"id": "1", "source": "/", "type": "t", "specversion": "1.0"}, b"x"
        ),
        AmqpParts(None, {"cloudEvents:id": "1"}, b"x"),
        MqttParts("text/plain", [("id", "1"), ("cloudEvents:id", "2")], b"x"),
        Mqtt311Parts(b"x"),
        HttpParts([("ce-id", "1"), ("content-type", "text/plain")], b"x"),
    ],
)
def test_xc_09_what_is_no_event_becomes_none(parts: Parts) -> None:
    assert mode_of(parts) is ContentMode.PLAIN
    for hop in Hop:
        for other in Hop:
            end = travelled(parts, hop, other)
            assert mode_of(end) is ContentMode.PLAIN
            payload = end.payload if isinstance(end, (MqttParts, Mqtt311Parts)) else end.body
            assert payload == b"x"
    with pytest.raises(InvalidEvent, match="neither data nor text"):
        transcode(AmqpParts(None, {}, None), Hop.HTTP)


def test_types_are_kept_where_that_is_asked_for() -> None:
    sent = event(a=boolean(True), b=integer(5), c=string("5"))
    as_texts = write_exactly(sent, Hop.HTTP)
    assert isinstance(as_texts, HttpParts)
    assert mode_of(as_texts) is ContentMode.BINARY
    assert read_http(as_texts).attributes["b"] == string("5")
    typed = write_exactly(sent, Hop.HTTP, keep_types=True)
    assert mode_of(typed) is ContentMode.STRUCTURED
    assert read_parts(typed) == sent
    every = event(a=binary(b"\1"), b=integer(5))
    over_mqtt = write_exactly(every, Hop.MQTT, keep_types=True)
    assert isinstance(over_mqtt, MqttParts)
    assert over_mqtt.content_type == "application/cloudevents+protobuf"
    assert read_mqtt(over_mqtt) == every
    # MQTT 3.1.1 has JSON alone, in which a Binary is a String.
    assert every.says_the_same_as(
        read_parts(write_exactly(every, Hop.MQTT_311, keep_types=True))
    )


def test_a_protobuf_messages_type_is_kept_where_protobuf_may_be_written() -> None:
    sent = event(proto_data("example.com/T", b"\x08\1"), datacontenttype="application/protobuf")
    for hop, form in ALL_WAYS:
        got = read_parts(over_the_wire(write_exactly(sent, hop, form)))
        assert sent.says_the_same_as(got)
        assert (got == sent) is (hop is not Hop.MQTT_311)


@pytest.mark.parametrize(
    "kind", ["cloudevents+json", "cloudevents-batch+json", "cloudevents+x"]
)
@pytest.mark.parametrize("hop", FORWARDS)
def test_data_that_is_an_event_itself_is_not_taken_for_the_event(kind: str, hop: Hop) -> None:
    sent = event(
        binary_data(write_json(event(id="inner"))), datacontenttype=f"application/{kind}"
    )
    parts = over_the_wire(write_exactly(sent, hop, Form.BINARY))
    assert mode_of(parts) is ContentMode.STRUCTURED
    assert sent.says_the_same_as(read_parts(parts))
