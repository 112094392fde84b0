"""Google's protobuf and fastavro read what our codecs write, and the other way round."""

from typing import Any

import pytest
from hypothesis import given, settings

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
from peeklock.cloudevents.avro_format import read_avro, write_avro
from peeklock.cloudevents.data import binary_data, json_data, proto_data, text_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.protobuf_format import (
    read_protobuf,
    read_protobuf_batch,
    write_protobuf,
    write_protobuf_batch,
)
from tests.support.events import event, events

pytestmark = pytest.mark.interop

TYPED = event(
    a=boolean(True), b=integer(-5), c=binary(b"\1\xff"), d=uri("a:b"), e=uri_reference("/x"),
    f=timestamp("2018-04-05T17:31:00.123Z"), g=string("é"), h=boolean(False), i=integer(0),
)  # fmt: skip
EVENTS = [
    TYPED,
    event(),
    event(text_data("é"), datacontenttype="text/plain"),
    event(binary_data(b"\0\xff"), datacontenttype="image/png"),
    event(json_data(b'{"a":1.10}'), datacontenttype="application/json"),
    event(proto_data("example.com/T", b"\x08\1"), datacontenttype="application/protobuf"),
]

# ---- protobuf

REQUIRED = {"id": 1, "source": 2, "spec_version": 3, "type": 4}
VARIANTS = {
    "ce_boolean": "bool", "ce_integer": "int32", "ce_string": "string", "ce_bytes": "bytes",
    "ce_uri": "string", "ce_uri_ref": "string", "ce_timestamp": ".google.protobuf.Timestamp",
}  # fmt: skip
DATA = {"binary_data": "bytes", "text_data": "string", "proto_data": ".google.protobuf.Any"}


def protobuf_classes() -> tuple[Any, Any]:
    """CloudEvent and CloudEventBatch, made from the official schema's names and numbers."""
    reason = "protobuf is not installed (pip install protobuf)"
    pytest.importorskip("google.protobuf", reason=reason)
    from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf import timestamp_pb2 as timestamps

    file = descriptor_pb2.FileDescriptorProto(name="ce.proto", package="ce", syntax="proto3")
    file.dependency.extend([any_pb2.DESCRIPTOR.name, timestamps.DESCRIPTOR.name])

    def field(message: Any, name: str, number: int, kind: str, **more: object) -> None:
        one = message.field.add(name=name, number=number, label=1, **more)
        if kind.startswith("."):
            one.type, one.type_name = 11, kind
        else:
            one.type = getattr(one, f"TYPE_{kind.upper()}")

    whole = file.message_type.add(name="CloudEvent")
    for name, number in REQUIRED.items():
        field(whole, name, number, "string")
    entry = whole.nested_type.add(name="AttributesEntry")
    entry.options.map_entry = True
    field(entry, "key", 1, "string")
    field(entry, "value", 2, ".ce.Value")
    field(whole, "attributes", 5, ".ce.CloudEvent.AttributesEntry")
    whole.field[-1].label = 3
    whole.oneof_decl.add(name="data")
    for number, (name, kind) in enumerate(DATA.items(), start=6):
        field(whole, name, number, kind, oneof_index=0)
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="attr")
    for number, (name, kind) in enumerate(VARIANTS.items(), start=1):
        field(value, name, number, kind, oneof_index=0)
    batch = file.message_type.add(name="CloudEventBatch")
    field(batch, "events", 1, ".ce.CloudEvent")
    batch.field[-1].label = 3
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2.DESCRIPTOR, timestamps.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.Add(file)
    names = ("ce.CloudEvent", "ce.CloudEventBatch")
    found = [message_factory.GetMessageClass(pool.FindMessageTypeByName(n)) for n in names]
    return found[0], found[1]


def variant(value: AttributeValue) -> str:
    ours = {Kind.BINARY: "ce_bytes", Kind.URI_REFERENCE: "ce_uri_ref"}
    return ours.get(value.kind, f"ce_{value.kind.value.lower()}")


@pytest.mark.parametrize("sent", EVENTS)
def test_protobuf_reads_ours_and_we_read_its(sent: CloudEvent) -> None:
    cloud_event, _batch = protobuf_classes()
    theirs = cloud_event.FromString(write_protobuf(sent))
    assert theirs.id == sent.id
    for name, value in theirs.attributes.items():
        assert value.WhichOneof("attr") == variant(sent.attributes[name])
    assert len(theirs.attributes) == len(sent.attributes) - len(REQUIRED)
    assert (theirs.WhichOneof("data") is None) == (sent.data is None)
    assert read_protobuf(theirs.SerializeToString()) == sent


@settings(max_examples=50)
@given(events())
def test_protobuf_reads_any_event_as_we_do(sent: CloudEvent) -> None:
    cloud_event, _batch = protobuf_classes()
    written = write_protobuf(sent)
    theirs = cloud_event.FromString(written).SerializeToString(deterministic=True)
    assert read_protobuf(theirs) == read_protobuf(written)


def test_protobuf_reads_our_batches() -> None:
    _cloud_event, batch = protobuf_classes()
    theirs = batch.FromString(write_protobuf_batch(EVENTS))
    assert [one.id for one in theirs.events] == [one.id for one in EVENTS]
    assert read_protobuf_batch(theirs.SerializeToString()) == EVENTS


# ---- Avro

INNER = ["null", "boolean", {"type": "map", "values": "CloudEventData"},
         {"type": "array", "items": "CloudEventData"}, "double", "string"]  # fmt: skip
RECORD = {
    "type": "record",
    "name": "CloudEventData",
    "fields": [{"name": "value", "type": {"type": "map", "values": INNER}}],
}
OBJECT = {"type": "map", "values": ["null", "boolean", RECORD, "double", "string"]}
SCHEMA = {
    "namespace": "io.cloudevents",
    "type": "record",
    "name": "CloudEvent",
    "fields": [
        {
            "name": "attribute",
            "type": {"type": "map", "values": ["null", "boolean", "int", "string", "bytes"]},
        },
        {
            "name": "data",
            "type": [
                *("bytes", "null", "boolean"),
                *(OBJECT, {"type": "array", "items": "CloudEventData"}),
                *("double", "string"),
            ],
        },
    ],
}


def avro() -> tuple[Any, Any]:
    """The library, and the official schema as it has it."""
    reason = "fastavro is not installed (pip install fastavro)"
    library = pytest.importorskip("fastavro", reason=reason)
    return library, library.parse_schema(SCHEMA)


def avro_reads(record: bytes) -> Any:
    from io import BytesIO

    library, schema = avro()
    stream = BytesIO(record)
    found = library.schemaless_reader(stream, schema)
    assert stream.tell() == len(record)
    return found


def avro_writes(value: object) -> bytes:
    from io import BytesIO

    library, schema = avro()
    stream = BytesIO()
    library.schemaless_writer(stream, schema, value)
    return stream.getvalue()


@pytest.mark.parametrize("sent", EVENTS[:5])
def test_avro_reads_ours_and_we_read_its(sent: CloudEvent) -> None:
    found = avro_reads(write_avro(sent))
    assert set(found["attribute"]) == set(sent.attributes)
    again = read_avro(avro_writes(found))
    assert again == read_avro(write_avro(sent))
    assert sent.says_the_same_as(again)


@settings(max_examples=50)
@given(events())
def test_avro_reads_any_event_as_we_do(sent: CloudEvent) -> None:
    found = avro_reads(write_avro(sent))
    assert read_avro(avro_writes(found)) == read_avro(write_avro(sent))


def test_types_of_avro() -> None:
    attributes = avro_reads(write_avro(TYPED))["attribute"]
    expected = {"a": True, "b": -5, "c": b"\1\xff", "d": "a:b", "g": "é", "h": False, "i": 0}
    assert {name: attributes[name] for name in expected} == expected


def test_we_read_what_avro_makes_of_objects() -> None:
    texts = event(datacontenttype="application/json").texts()
    data = {"a": None, "b": {"value": {"c": 1.5, "d": [{"value": {"e": "é"}}]}}}
    got = read_avro(avro_writes({"attribute": texts, "data": data}))
    assert got.data == json_data('{"a":null,"b":{"c":1.5,"d":[{"e":"é"}]}}'.encode())
