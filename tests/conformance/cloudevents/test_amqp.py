"""The AMQP binding (CloudEvents 1.0), over the bytes of real messages."""

from itertools import chain

import pytest

from peeklock.cloudevents.amqp_binding import (
    AmqpParts,
    AmqpTimestamp,
    Separator,
    amqp_mode,
    other_properties,
    read_amqp,
    write_amqp_binary,
    write_amqp_structured,
)
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
from peeklock.cloudevents.data import binary_data, json_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.structured import ContentMode, EventFormat
from peeklock.cloudevents.transcode import Hop, transcode
from peeklock.errors import InvalidEvent
from peeklock.frontends.amqp_event import bare_of, parts_of
from peeklock.frontends.amqp_message import read_message
from peeklock.protocols.amqp10.sections import (
    Body,
    DataBody,
    Properties,
    SequenceBody,
    ValueBody,
    encode_bare,
    find_section,
    read_application_properties,
)
from peeklock.protocols.amqp10.values import (
    Byte,
    Decimal64,
    Int,
    Short,
    Symbol,
    Timestamp,
    UInt,
    ULong,
)
from tests.support.events import event

TIME = "2018-04-05T17:31:00Z"
TYPED = event(
    binary_data(b"\1"), datacontenttype="image/png", a=boolean(True), b=integer(-5),
    c=binary(b"\1\xff"), d=uri("a:b"), e=uri_reference("/x"), time=TIME, f=string("é"),
)  # fmt: skip
MINIMAL = {f"cloudEvents:{name}": text for name, text in event().texts().items()}


def bare(properties: dict[str, object], body: Body | None = None, **fields: str) -> bytes:
    """A message as another sender may write it."""
    sections = Properties(**fields) if fields else None  # type: ignore[arg-type] # texts alone
    return encode_bare(sections, {**properties}, DataBody([b"x"]) if body is None else body)


def value(native: object) -> AttributeValue:
    return read_amqp(parts_of(bare({**MINIMAL, "cloudEvents:x": native}))).attributes["x"]


@pytest.mark.parametrize("separator", Separator)
def test_amqp_01_one_prefix_in_a_message(separator: Separator) -> None:
    written = write_amqp_binary(TYPED, separator=separator)
    assert {key[:12] for key in written.properties} == {separator.value}
    colon = {key[:12] for key in write_amqp_binary(TYPED).properties}
    assert colon == {"cloudEvents:"}


@pytest.mark.parametrize("separator", Separator)
def test_amqp_02_either_prefix_is_read(separator: Separator) -> None:
    parts = parts_of(bare_of(write_amqp_binary(TYPED, separator=separator)))
    assert amqp_mode(parts) is ContentMode.BINARY
    assert TYPED.says_the_same_as(read_amqp(parts))
    other_case = {key.replace("cloud", "Cloud"): text for key, text in MINIMAL.items()}
    assert amqp_mode(parts_of(bare(other_case))) is ContentMode.PLAIN
    mixed = {**MINIMAL, "cloudEvents_x": "1"}
    with pytest.raises(InvalidEvent, match="both prefixes"):
        read_amqp(parts_of(bare(mixed)))


def test_amqp_03_the_content_type_is_a_symbol_in_the_properties() -> None:
    written = bare_of(write_amqp_binary(TYPED))
    properties = find_section(written, 0x73)
    assert isinstance(properties, list)
    assert type(properties[6]) is Symbol
    assert properties[6] == "image/png"
    assert "cloudEvents:datacontenttype" not in read_application_properties(written)
    assert read_amqp(parts_of(written)).content_type == "image/png"


def test_amqp_04_each_type_has_its_native_one() -> None:
    written = read_application_properties(bare_of(write_amqp_binary(TYPED)))
    found = {str(key)[12:]: item for key, item in written.items()}
    assert (found["a"], found["b"], found["c"]) == (True, -5, b"\1\xff")
    assert [type(found[name]) for name in "abcdef"] == [bool, int, bytes, str, str, str]
    assert found["time"] == Timestamp(1_522_949_460_000)
    assert type(found["time"]) is Timestamp


@pytest.mark.parametrize(
    ("native", "text", "expected"),
    [
        (True, "true", boolean(True)),
        (5, "5", integer(5)),
        (b"\1\xff", "Af8=", binary(b"\1\xff")),
        (Timestamp(1_522_949_460_000), TIME, timestamp(TIME)),
        ("a:b", "a:b", string("a:b")),
    ],
)
def test_amqp_05_native_or_canonical_string(
    native: object, text: str, expected: AttributeValue
) -> None:
    assert value(native) == expected
    assert value(text).text == expected.text
    # The third is what the official SDK for Python makes of it.
    for time in (Timestamp(1_522_949_460_000), TIME, 1_522_949_460_000):
        got = read_amqp(parts_of(bare({**MINIMAL, "cloudEvents:time": time})))
        assert got.attributes["time"] == timestamp(TIME)


@pytest.mark.parametrize("width", [Int, UInt, ULong, Short, Byte])
def test_amqp_06_integers_of_any_width_are_read(width: type[int]) -> None:
    assert value(width(5)) == integer(5)
    with pytest.raises(InvalidEvent) as refused:
        value(1 << 31)
    assert refused.value.attribute == "x"


def test_amqp_07_no_other_types_are_written() -> None:
    written = read_application_properties(bare_of(write_amqp_binary(TYPED)))
    assert {type(item) for item in written.values()} == {bool, int, bytes, str, Timestamp}
    as_text = write_amqp_binary(event(x=AttributeValue(Kind.INTEGER, "-0")))
    assert as_text.properties["cloudEvents:x"] == "-0"  # which no long says
    for odd in (1.5, [1], Decimal64(bytes(8))):
        parts = bare({**MINIMAL, "cloudEvents:x": odd}) if not isinstance(odd, list) else None
        with pytest.raises(InvalidEvent, match="allowed are string, boolean") as refused:
            read_amqp(
                AmqpParts(None, {**MINIMAL, "cloudEvents:x": odd}, b"")
                if parts is None
                else parts_of(parts)
            )
        assert refused.value.attribute == "x"


@pytest.mark.parametrize(
    "text",
    [
        *("2018-04-05T17:31:00+02:00", "2018-04-05T17:31:00.123456Z", "1990-12-31T23:59:60Z"),
        *("2018-04-05T17:31:00.120Z", "2018-04-05T17:31:00.12Z", "2018-04-05T17:31:00-00:00"),
        *("2018-04-05t17:31:00z", "0000-01-01T00:00:00Z", "1890-01-01T00:00:00.001Z"),
    ],
)
def test_amqp_08_a_timestamp_keeps_its_text(text: str) -> None:
    written = write_amqp_binary(event(time=text))
    native = text in ("2018-04-05T17:31:00.120Z", "1890-01-01T00:00:00.001Z")
    assert isinstance(written.properties["cloudEvents:time"], AmqpTimestamp) is native
    assert read_amqp(parts_of(bare_of(written))).text("time") == text


def test_amqp_09_data_sections_are_joined() -> None:
    parts = parts_of(bare(MINIMAL, DataBody([b"ab", b"", b"c"])))
    data = read_amqp(parts).data
    assert data is not None
    assert data.content == b"abc"
    assert bare_of(write_amqp_binary(event(binary_data(b"abc")))).endswith(b"\0Su\xa0\3abc")


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json", "Application/CLOUDEVENTS+json; charset=UTF-8"],
)
def test_amqp_10_structured_mode_by_its_media_type(content_type: str) -> None:
    document = write_amqp_structured(event()).body
    assert document is not None
    parts = parts_of(bare({}, DataBody([document]), content_type=content_type))
    assert amqp_mode(parts) is ContentMode.STRUCTURED
    assert read_amqp(parts) == event()


@pytest.mark.parametrize("event_format", EventFormat)
def test_amqp_11_structured_mode_is_read_and_written(event_format: EventFormat) -> None:
    sent = event(json_data(b'{"a":1.10}'), datacontenttype="application/json")
    written = write_amqp_structured(sent, event_format)
    assert written.content_type == event_format.value
    assert sent.says_the_same_as(read_amqp(parts_of(bare_of(written))))


def test_amqp_12_in_structured_mode_the_body_counts() -> None:
    written = write_amqp_structured(event(), others={"cloudEvents:id": "other"})
    assert read_amqp(parts_of(bare_of(written))).id == "A234-1234"


@pytest.mark.parametrize("kind", ["+cbor", "-batch+json", "", "x+json"])
def test_amqp_13_an_unknown_format_is_passed_on(kind: str) -> None:
    given = f"application/cloudevents{kind}"
    parts = parts_of(bare(MINIMAL, content_type=given))
    assert amqp_mode(parts) is ContentMode.UNKNOWN_FORMAT
    [mqtt] = transcode(parts, Hop.MQTT)
    [back] = transcode(mqtt, Hop.AMQP)
    assert isinstance(back, AmqpParts)
    assert (back.content_type, back.body) == (given, b"x")


def test_amqp_14_other_bodies_are_not_taken_for_data_unseen() -> None:
    """A string or binary value is taken, and flagged; of all else no data can be made."""
    for given, content in (("é", "é".encode()), (b"\1", b"\1")):
        parts = parts_of(bare(MINIMAL, ValueBody(given)))
        assert parts.value_body
        assert read_amqp(parts).data == read_amqp(AmqpParts(None, MINIMAL, content)).data
    for body in (ValueBody(5), ValueBody(None), ValueBody(Symbol("x")), SequenceBody([[1]])):
        parts = parts_of(bare(MINIMAL, body))
        if isinstance(body, ValueBody) and isinstance(body.value, str):
            assert parts.value_body
            continue
        assert amqp_mode(parts) is ContentMode.PLAIN
        with pytest.raises(InvalidEvent) as refused:
            read_amqp(parts)
        assert refused.value.attribute == "data"


def test_amqp_15_other_properties_are_kept_apart() -> None:
    others = {"priority": 5, "at": Timestamp(1), "cloudevents:x": "y"}
    parts = parts_of(bare({**MINIMAL, **others}))
    assert set(read_amqp(parts).attributes) == {"specversion", "id", "source", "type"}
    assert other_properties(parts) == others
    again = write_amqp_binary(read_amqp(parts), other_properties(parts))
    assert other_properties(parts_of(bare_of(again))) == others


@pytest.mark.parametrize("separator", Separator)
def test_amqp_16_from_amqp_to_amqp_every_byte_is_kept(separator: Separator) -> None:
    written = bare_of(write_amqp_binary(TYPED, separator=separator), Properties(subject="s"))
    assert read_message(b"\0Sp\x45" + written).bare == written
    parts = parts_of(written)
    assert transcode(parts, Hop.AMQP) == [parts]


def test_every_kind_is_one_of_these() -> None:
    kinds = set(chain(one.kind for one in TYPED.attributes.values()))
    assert kinds == set(Kind)
    assert isinstance(TYPED, CloudEvent)
