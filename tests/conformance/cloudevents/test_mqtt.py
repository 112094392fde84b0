"""The MQTT binding (CloudEvents 1.0)."""

import pytest

from peeklock.cloudevents.attribute import binary, boolean, integer, string
from peeklock.cloudevents.data import Data, DataForm, binary_data, json_data
from peeklock.cloudevents.json_format import read_json, write_json
from peeklock.cloudevents.mqtt_binding import (
    Mqtt311Parts,
    MqttParts,
    mqtt311_mode,
    mqtt_mode,
    other_user_properties,
    read_mqtt,
    read_mqtt311,
    read_mqtt_binary,
    write_mqtt311,
    write_mqtt_binary,
    write_mqtt_structured,
)
from peeklock.cloudevents.structured import ContentMode, EventFormat
from peeklock.cloudevents.transcode import Hop, transcode, write_exactly
from peeklock.errors import InvalidEvent
from tests.support.events import event

TYPED = event(
    binary_data(b"\1\xff"), datacontenttype="image/png", a=boolean(True), b=integer(-5),
    c=binary(b"\1\xff"), time="2018-04-05T17:31:00+02:00",
)  # fmt: skip
MINIMAL = tuple(event().texts().items())


def test_mqtt_01_names_are_the_attributes_without_a_prefix() -> None:
    names = [name for name, _text in write_mqtt_binary(TYPED).user_properties]
    assert names == ["specversion", "id", "source", "type", "a", "b", "c", "time"]


def test_mqtt_02_values_are_canonical_strings() -> None:
    written = dict(write_mqtt_binary(TYPED).user_properties)
    assert (written["a"], written["b"], written["c"]) == ("true", "-5", "Af8=")
    assert written["time"] == "2018-04-05T17:31:00+02:00"


def test_mqtt_03_the_content_type_is_the_datas() -> None:
    written = write_mqtt_binary(TYPED)
    assert written.content_type == "image/png"
    assert "datacontenttype" not in dict(written.user_properties)
    both = MqttParts("text/x", [*MINIMAL, ("datacontenttype", "text/y")], b"")
    assert read_mqtt(both).content_type == "text/x"
    one = MqttParts(None, [*MINIMAL, ("datacontenttype", "text/y")], b"")
    assert read_mqtt(one).content_type == "text/y"


def test_mqtt_04_the_payload_is_the_data() -> None:
    assert write_mqtt_binary(TYPED).payload == b"\1\xff"
    assert read_mqtt(MqttParts("a/b", MINIMAL, b"\1")).data == Data(DataForm.PAYLOAD, b"\1")


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json", "APPLICATION/CloudEvents+JSON; charset=utf-8"],
)
def test_mqtt_05_structured_mode_by_its_media_type(content_type: str) -> None:
    parts = MqttParts(content_type, [("id", "other")], write_json(event()))
    assert mqtt_mode(parts) is ContentMode.STRUCTURED
    assert read_mqtt(parts) == event()
    unknown = MqttParts("application/cloudevents+cbor", MINIMAL, b"")
    assert mqtt_mode(unknown) is ContentMode.UNKNOWN_FORMAT


@pytest.mark.parametrize("event_format", EventFormat)
def test_mqtt_06_structured_mode_names_its_format(event_format: EventFormat) -> None:
    written = write_mqtt_structured(TYPED, event_format)
    assert written.content_type == event_format.value
    assert set(TYPED.attributes) == set(read_mqtt(written).attributes)


def test_mqtt_07_version_3_1_1_has_json_alone() -> None:
    written = write_mqtt311(TYPED)
    assert TYPED.says_the_same_as(read_json(written.payload))
    assert mqtt311_mode(written) is ContentMode.STRUCTURED
    assert TYPED.says_the_same_as(read_mqtt311(written))


def test_mqtt_08_a_subscriber_gets_what_its_version_can_have() -> None:
    parts = write_mqtt_binary(TYPED, others=[("X-Other", "1")])
    [old] = transcode(parts, Hop.MQTT_311)
    assert isinstance(old, Mqtt311Parts)
    assert TYPED.says_the_same_as(read_mqtt311(old))
    assert transcode(parts, Hop.MQTT) == [parts]


@pytest.mark.parametrize(
    "payload", [b"", b"21.5", b"{}", b'{"id":1}', b"[{}]", b"\xff", b'{"specversion":"1.0"}']
)
def test_mqtt_09_what_is_no_event_in_json_is_a_plain_message(payload: bytes) -> None:
    parts = Mqtt311Parts(payload)
    assert mqtt311_mode(parts) is ContentMode.PLAIN
    [over] = transcode(parts, Hop.MQTT)
    assert isinstance(over, MqttParts)
    assert (over.content_type, over.user_properties, over.payload) == (None, (), payload)


def test_mqtt_10_an_attribute_twice_makes_it_no_event() -> None:
    parts = MqttParts(None, [*MINIMAL, ("id", "2"), ("X", "1")], b"")
    assert mqtt_mode(parts) is ContentMode.PLAIN
    assert transcode(parts, Hop.MQTT) == [parts]
    with pytest.raises(InvalidEvent) as refused:
        read_mqtt_binary(parts)
    assert refused.value.attribute == "id"


def test_mqtt_11_other_user_properties_are_kept_in_order() -> None:
    others = [("X-b", "1"), ("x_a", "2"), ("X-b", "1"), ("é", ""), ("data", "3"), ("data", "4")]
    parts = MqttParts(None, [others[0], *MINIMAL, *others[1:]], b"")
    assert mqtt_mode(parts) is ContentMode.BINARY
    assert other_user_properties(parts) == others
    again = write_mqtt_binary(read_mqtt(parts), other_user_properties(parts))
    assert other_user_properties(again) == others


def test_mqtt_12_what_mqtts_strings_do_not_hold_goes_in_structured_mode() -> None:
    fits, longer = event(note="é" * 32_767), event(note="é" * 32_768)
    assert write_mqtt_binary(fits).content_type is None
    with pytest.raises(InvalidEvent, match="up to 65535") as refused:
        write_mqtt_binary(longer)
    assert refused.value.attribute == "note"
    parts = write_exactly(longer, Hop.MQTT)
    assert isinstance(parts, MqttParts)
    assert mqtt_mode(parts) is ContentMode.STRUCTURED
    assert read_mqtt(parts) == longer
    with pytest.raises(InvalidEvent, match=r"U\+0000"):
        event(note=string("a\0b"))  # no event has it


def test_mqtt_13_the_rest_of_the_packet_is_not_the_bindings() -> None:
    """What it takes and gives has no place for it: whoever has the packet keeps it."""
    for parts in (write_mqtt_binary(TYPED), write_mqtt_structured(TYPED), write_mqtt311(TYPED)):
        for name in ("topic", "payload_format_indicator", "response_topic", "correlation_data"):
            assert not hasattr(parts, name)
    assert json_data(b"1").content == write_mqtt_binary(event(json_data(b"1"))).payload
