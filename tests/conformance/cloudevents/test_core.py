"""The core specification (CloudEvents 1.0)."""

import pytest

from peeklock.cloudevents.amqp_binding import AmqpParts, write_amqp_binary
from peeklock.cloudevents.attribute import (
    AttributeValue,
    Kind,
    binary,
    boolean,
    integer,
    string,
    untyped,
)
from peeklock.cloudevents.data import binary_data, text_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import HttpParts, read_http_binary, write_http_binary
from peeklock.cloudevents.json_format import read_json, write_json
from peeklock.cloudevents.mqtt_binding import MqttParts, read_mqtt_binary
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.transcode import Form, Hop, mode_of, read_parts, write_exactly
from peeklock.errors import InvalidEvent
from tests.support.events import ALL_WAYS, event, over_the_wire

REQUIRED = ("specversion", "id", "source", "type")


@pytest.mark.parametrize("missing", REQUIRED)
def test_core_01_what_lacks_a_required_attribute_is_no_event(missing: str) -> None:
    texts = {name: text for name, text in event().texts().items() if name != missing}
    with pytest.raises(InvalidEvent, match="missing") as refused:
        CloudEvent({name: untyped(name, text) for name, text in texts.items()})
    assert refused.value.attribute == missing
    in_json = "{" + ",".join(f'"{name}":"{text}"' for name, text in texts.items()) + "}"
    with pytest.raises(InvalidEvent):
        read_json(in_json.encode())
    amqp = AmqpParts(None, {f"cloudEvents:{n}": text for n, text in texts.items()}, b"")
    http = HttpParts([(f"ce-{name}", text) for name, text in texts.items()], b"")
    for parts in (amqp, http, MqttParts(None, texts.items(), b"")):
        assert mode_of(parts) is ContentMode.PLAIN


@pytest.mark.parametrize("name", [*REQUIRED, "subject", "dataschema", "datacontenttype"])
def test_core_02_what_the_specification_names_is_not_empty(name: str) -> None:
    texts = {**event().texts(), name: ""}
    with pytest.raises(InvalidEvent) as refused:
        CloudEvent({name: untyped(name, text) for name, text in texts.items()})
    assert refused.value.attribute == name


@pytest.mark.parametrize("name", ["data", "Foo", "a-b", "a_b", "é", "", "a b"])
def test_core_03_names_are_lower_case_letters_and_digits(name: str) -> None:
    attributes = {**event().attributes, name: string("x")}
    with pytest.raises(InvalidEvent, match="allowed are a-z and 0-9"):
        CloudEvent(attributes)


@pytest.mark.parametrize(("hop", "form"), ALL_WAYS)
def test_core_04_long_names_are_taken_and_forwarded(hop: Hop, form: Form) -> None:
    name = "a" * 40
    parts = over_the_wire(write_exactly(event(**{name: "x"}), hop, form))
    assert read_parts(parts).text(name) == "x"


def test_core_05_an_attribute_twice_is_refused() -> None:
    texts = event().texts()
    http = HttpParts([*((f"ce-{n}", t) for n, t in texts.items()), ("CE-ID", "2")], b"")
    mqtt = MqttParts(None, [*texts.items(), ("id", "2")], b"")
    with pytest.raises(InvalidEvent) as by_http:
        read_http_binary(http)
    with pytest.raises(InvalidEvent) as by_mqtt:
        read_mqtt_binary(mqtt)
    with pytest.raises(InvalidEvent) as by_json:
        read_json(b'{"id":"1",' + write_json(event())[1:])
    for refused in (by_http, by_mqtt, by_json):
        assert refused.value.attribute == "id"
        assert "twice" in refused.value.what


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1, 10**30])
def test_core_06_integers_have_32_bits_and_strings_of_digits_any_number(number: int) -> None:
    with pytest.raises(InvalidEvent, match="-2147483648 to 2147483647") as refused:
        event(level=integer(number))
    assert refused.value.attribute == "level"
    as_text = event(level=string(str(number)))
    for hop, form in ALL_WAYS:
        value = read_parts(write_exactly(as_text, hop, form)).attributes["level"]
        assert value == AttributeValue(Kind.STRING, str(number))


@pytest.mark.parametrize(
    "bad",
    [
        "\0",
        "\x1f",
        "\x7f",
        "\x85",
        "\x9f",
        "\ud800",
        "\ufdd0",
        "\ufffe",
        "\U0010ffff",
    ],
)
def test_core_07_strings_have_no_control_and_no_noncharacters(bad: str) -> None:
    with pytest.raises(InvalidEvent, match=f"U\\+{ord(bad):04X} at character 1") as refused:
        event(subject=f"a{bad}b")
    assert refused.value.attribute == "subject"


@pytest.mark.parametrize(("hop", "form"), ALL_WAYS)
def test_core_08_extensions_are_forwarded_unchanged(hop: Hop, form: Form) -> None:
    sent = event(
        a=boolean(True), b=integer(-5), c=binary(b"\1\xff"), sampledrate="7", d=string("")
    )
    got = read_parts(over_the_wire(write_exactly(sent, hop, form)))
    assert got.texts() == sent.texts()


@pytest.mark.parametrize(("hop", "form"), ALL_WAYS)
def test_core_09_what_is_absent_stays_absent(hop: Hop, form: Form) -> None:
    got = read_parts(over_the_wire(write_exactly(event(), hop, form)))
    assert set(got.attributes) == set(REQUIRED)
    assert got.data is None


@pytest.mark.parametrize(("hop", "form"), ALL_WAYS)
@pytest.mark.parametrize("in_attributes", [False, True])
def test_core_10_64_kib_cross_every_hop(hop: Hop, form: Form, in_attributes: bool) -> None:
    large = "x" * (64 * 1024 - 300)
    sent = (
        event(note=large)
        if in_attributes
        else event(text_data(large), datacontenttype="text/plain")
    )
    assert sent.says_the_same_as(read_parts(over_the_wire(write_exactly(sent, hop, form))))


def test_core_11_media_types_are_compared_in_any_case_and_kept_as_they_are() -> None:
    given = "Application/JSON; Charset=UTF-8"
    document = write_json(event(datacontenttype=given))[:-1] + b',"data":{"a":1.10}}'
    sent = read_json(document)
    assert sent.content_type == given
    for hop, form in ALL_WAYS:
        got = read_parts(over_the_wire(write_exactly(sent, hop, form)))
        assert got.content_type == given
        assert got.data is not None
        assert got.data.content == b'{"a":1.10}'


@pytest.mark.parametrize("version", ["0.3", "1.1", "2.0-wip"])
def test_core_12_other_versions_are_forwarded_and_not_rewritten(version: str) -> None:
    sent = event(binary_data(b"eA=="), specversion=version, datacontentencoding="base64")
    for hop, form in ALL_WAYS:
        got = read_parts(over_the_wire(write_exactly(sent, hop, form)))
        assert got.text("specversion") == version
        assert sent.says_the_same_as(got)


def test_a_binary_message_may_be_asked_what_it_lacks() -> None:
    """Where only events are taken, whoever sends something else hears what is missing."""
    headers = write_http_binary(event()).headers
    with pytest.raises(InvalidEvent) as refused:
        read_http_binary(HttpParts(headers[1:], b""))
    assert refused.value.attribute == "specversion"
    assert mode_of(write_amqp_binary(event())) is ContentMode.BINARY
