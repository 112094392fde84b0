"""The JSON, protobuf and Avro formats (CloudEvents 1.0)."""

import pytest

from peeklock.cloudevents.attribute import (
    AttributeValue,
    Kind,
    binary,
    boolean,
    integer,
    string,
    timestamp,
    uri,
    uri_reference,
)
from peeklock.cloudevents.avro_format import AVRO_EVENT, read_avro, write_avro
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    binary_data,
    json_data,
    proto_data,
    text_data,
)
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.json_format import (
    JSON_BATCH,
    JSON_EVENT,
    read_json,
    read_json_batch,
    write_json,
    write_json_batch,
)
from peeklock.cloudevents.protobuf_format import (
    read_protobuf,
    read_protobuf_batch,
    write_protobuf,
    write_protobuf_batch,
)
from peeklock.errors import InvalidEvent
from peeklock.limits import EVENT_JSON_DEPTH_MAX
from tests.support.events import JSON_TEXTS, event

HEAD = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"'
TYPED = event(
    a=boolean(True), b=integer(-5), c=binary(b"\1\xff"), d=uri("a:b"), e=uri_reference("/x"),
    f=timestamp("2018-04-05T17:31:00.123Z"), g=string("é"),
)  # fmt: skip


def read(members: bytes) -> CloudEvent:
    return read_json(HEAD + b"," + members + b"}")


def test_json_01_null_is_absent() -> None:
    got = read(b'"subject":null,"time": null ,"x":null')
    assert set(got.attributes) == {"specversion", "id", "source", "type"}
    with pytest.raises(InvalidEvent, match="missing"):
        read_json(HEAD.replace(b'"1"', b"null") + b"}")


def test_json_02_integers_are_written_as_such_and_read_in_either_way() -> None:
    assert b'"x":5}' in write_json(event(x=integer(5)))
    assert read(b'"x":5').attributes["x"] == integer(5)
    assert read(b'"x":"5"').attributes["x"] == string("5")
    for bad in (b"5.0", b"5e0", b"2147483648", b"1e400"):
        with pytest.raises(InvalidEvent, match="is no Integer") as refused:
            read(b'"x":' + bad)
        assert refused.value.attribute == "x"


def test_json_03_extensions_are_members_of_the_event() -> None:
    assert write_json(event(x=boolean(False), y="z")).endswith(b',"x":false,"y":"z"}')
    for bad in (b"{}", b"[1]"):
        with pytest.raises(InvalidEvent, match="allowed is a string") as refused:
            read(b'"extensions":' + bad)
        assert refused.value.attribute == "extensions"


def test_json_04_bytes_are_base64() -> None:
    sent = event(binary_data(b"\1\xff"), datacontenttype="application/json")
    assert write_json(sent).endswith(b',"data_base64":"Af8="}')
    assert read(b'"data_base64":"Af8="').data == binary_data(b"\1\xff")
    for bad in (
        b'"data":1,"data_base64":"Af8="',
        b'"data_base64":"Af8"',
        b'"data_base64":"A$=="',
        b'"data_base64":5',
    ):
        with pytest.raises(InvalidEvent) as refused:
            read(bad)
        assert refused.value.attribute == "data"


@pytest.mark.parametrize("media", ["application/json", "X/Y+JSON; charset=utf-8", "TEXT/json"])
@pytest.mark.parametrize("text", JSON_TEXTS)
def test_json_05_json_data_is_the_value(media: str, text: bytes) -> None:
    sent = event(json_data(text), datacontenttype=media)
    assert write_json(sent).endswith(b',"data":' + text + b"}")
    assert read_json(write_json(sent)) == sent


def test_json_06_a_string_with_a_json_type_is_a_json_string() -> None:
    got = read(b'"datacontenttype":"application/json","data":"{\\"a\\":1}"')
    assert got.data == json_data(b'"{\\"a\\":1}"')


def test_json_07_other_types_have_a_string() -> None:
    got = read(b'"datacontenttype":"text/plain","data":"\\u00e9"')
    assert got.data == text_data("é")
    assert write_json(got).endswith('"data":"é"}'.encode())
    in_latin_1 = read(b'"datacontenttype":"text/x;charset=ISO-8859-1","data":"\\u00e9"')
    assert in_latin_1.data == Data(DataForm.TEXT, b"\xe9")
    assert write_json(in_latin_1).endswith('"data":"é"}'.encode())
    for bad in (b"5", b"{}", b"null"):
        with pytest.raises(InvalidEvent, match="no string") as refused:
            read(b'"datacontenttype":"text/plain","data":' + bad)
        assert refused.value.attribute == "data"


def test_json_08_null_data_survives() -> None:
    got = read(b'"data":null')
    assert got.data == json_data(b"null")
    assert write_json(got).endswith(b'"data":null}')
    assert read(b'"x":1').data is None


def test_json_09_a_batch_keeps_its_order() -> None:
    events = [
        event(json_data(b"1.10"), id="2"),
        event(text_data("é"), id="1", source="urn:x", datacontenttype="text/plain"),
        event(binary_data(b"\0"), id="3", type="other"),
    ]
    assert read_json_batch(write_json_batch(events)) == events
    assert read_json_batch(b" [ ] ") == []
    deep = event(json_data(b"[" * EVENT_JSON_DEPTH_MAX + b"]" * EVENT_JSON_DEPTH_MAX))
    assert read_json_batch(write_json_batch([deep])) == [deep]
    with pytest.raises(InvalidEvent, match="no JSON array of events"):
        read_json_batch(write_json(events[0]))


def test_json_10_media_types() -> None:
    assert JSON_EVENT == "application/cloudevents+json"
    assert JSON_BATCH == "application/cloudevents-batch+json"


def test_pb_01_each_type_has_its_variant() -> None:
    assert read_protobuf(write_protobuf(TYPED)) == TYPED
    assert b"\x12\x02\x08\x01" in write_protobuf(event(a=boolean(True)))
    for text, kept in (
        ("2018-04-05T19:31:00.5+02:00", "2018-04-05T17:31:00.500Z"),
        ("2018-04-05T17:31:00.123456789Z", "2018-04-05T17:31:00.123456789Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
    ):
        assert read_protobuf(write_protobuf(event(time=text))).text("time") == kept


def test_pb_02_text_bytes_and_messages_have_their_fields() -> None:
    text = event(text_data("é"), datacontenttype="text/plain")
    assert write_protobuf(text).endswith(b"\x3a\x02" + "é".encode())
    bytes_ = event(binary_data(b"\xff"))
    assert write_protobuf(bytes_).endswith(b"\x32\x01\xff")
    message = event(
        proto_data("example.com/T", b"\x08\1"), datacontenttype="application/protobuf"
    )
    for sent in (text, bytes_, message):
        assert read_protobuf(write_protobuf(sent)) == sent
    as_json = event(json_data(b'{"a":1.10}'), datacontenttype="application/json")
    batch = [text, bytes_, message, as_json]
    assert read_protobuf_batch(write_protobuf_batch(batch)) == batch


def test_av_01_attributes_have_their_types_and_data_the_unions() -> None:
    sent = event(a=boolean(True), b=integer(-5), c=binary(b"\1\xff"), d=string("é"))
    assert read_avro(write_avro(sent)) == sent
    assert read_avro(write_avro(TYPED)).texts() == TYPED.texts()
    for data, content_type, tail in (
        (None, "", b"\x02"),
        (binary_data(b"\xff"), "a/b", b"\x00\x02\xff"),
        (json_data(b"true"), "a/json", b"\x04\x01"),
        (json_data(b"1.5"), "a/json", b"\x0a" + bytes(6) + b"\xf8\x3f"),
        (json_data(b'"x"'), "a/json", b"\x0c\x02x"),
        (text_data("x"), "text/plain", b"\x0c\x02x"),
        (json_data(b"1.10"), "a/json", b"\x00\x081.10"),
        (json_data(b"[1]"), "a/json", b"\x00\x06[1]"),
        (json_data(b"null"), "a/json", b"\x00\x08null"),
    ):
        one = event(data, datacontenttype=content_type)
        assert write_avro(one).endswith(tail)
        assert one.says_the_same_as(read_avro(write_avro(one)))
    assert AVRO_EVENT == "application/cloudevents+avro"


def test_avro_reads_objects_and_arrays_as_others_write_them() -> None:
    head = write_avro(event(datacontenttype="application/json"))[:-1]
    # {"a": null, "b": {"c": 1.5}} and [{"d": true}], by the schema's numbers.
    document = b"\x06\x04\x02a\x00\x02b\x04\x02\x02c\x08" + bytes(6) + b"\xf8\x3f\x00\x00"
    assert read_avro(head + document).data == json_data(b'{"a":null,"b":{"c":1.5}}')
    assert read_avro(head + b"\x08\x01\x0c\x02\x02d\x02\x01\x00\x00").data == json_data(
        b'[{"d":true}]'
    )
    # An attribute of another type, and a number where a Timestamp belongs.
    with pytest.raises(InvalidEvent) as refused:
        CloudEvent({**event().attributes, "time": AttributeValue(Kind.INTEGER, "5")})
    assert refused.value.attribute == "time"
