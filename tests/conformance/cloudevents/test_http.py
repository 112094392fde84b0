"""The HTTP binding and web hooks (CloudEvents 1.0)."""

import pytest

from peeklock.cloudevents.attribute import binary, boolean, integer, string
from peeklock.cloudevents.data import binary_data, json_data
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import (
    HttpParts,
    http_mode,
    read_http,
    read_http_batch,
    read_http_binary,
    write_http_batch,
    write_http_binary,
    write_http_structured,
)
from peeklock.cloudevents.json_format import write_json
from peeklock.cloudevents.structured import ContentMode
from peeklock.cloudevents.transcode import Form, Hop, transcode
from peeklock.cloudevents.webhook import (
    METHOD,
    VALIDATION_METHOD,
    Verdict,
    allowance,
    delivery,
    retry_at,
    validation_headers,
    verdict,
)
from peeklock.errors import InvalidEvent
from peeklock.types import Millis, UnixMs
from tests.support.events import event

MINIMAL = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")]


def header_of(text: str) -> str:
    value = write_http_binary(event(x=string(text))).header("ce-x")
    assert value is not None
    return value


def text_of(header: str) -> str | None:
    return read_http_binary(HttpParts([*MINIMAL, ("ce-x", header)], b"")).text("x")


def test_http_01_each_attribute_is_a_header_with_a_prefix() -> None:
    sent = event(
        binary_data(b"\1"), datacontenttype="image/png", a=boolean(False), b=integer(5),
        c=binary(b"\1\xff"), time="2018-04-05T17:31:00Z",
    )  # fmt: skip
    assert write_http_binary(sent).headers == (
        ("content-type", "image/png"),
        ("ce-specversion", "1.0"),
        ("ce-id", "A234-1234"),
        ("ce-source", "/site/berlin"),
        ("ce-type", "com.example.opened"),
        ("ce-a", "false"),
        ("ce-b", "5"),
        ("ce-c", "Af8="),
        ("ce-time", "2018-04-05T17:31:00Z"),
    )


def test_http_02_the_content_type_is_the_datas() -> None:
    sent = write_http_binary(event(binary_data(b"x"), datacontenttype="text/x"))
    assert sent.content_type == "text/x"
    assert sent.header("ce-datacontenttype") is None
    both = HttpParts([*sent.headers, ("ce-datacontenttype", "text/y")], b"x")
    assert read_http(both).content_type == "text/x"


def test_http_03_header_names_have_no_case() -> None:
    got = read_http(HttpParts([(n.upper(), v) for n, v in [*MINIMAL, ("Ce-Fresh", "1")]], b""))
    assert set(got.attributes) == {"specversion", "id", "source", "type", "fresh"}


def test_http_04_what_is_not_printable_ascii_is_escaped() -> None:
    assert header_of("Euro € 😀") == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert header_of('a "%" b') == "a%20%22%25%22%20b"
    assert text_of("Euro%20%E2%82%AC%20%F0%9F%98%80") == "Euro € 😀"


def test_http_05_other_printable_ascii_is_not_escaped() -> None:
    printable = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')
    assert header_of(printable) == printable


def test_http_06_upper_case_out_either_case_in() -> None:
    assert header_of("ü") == "%C3%BC"
    assert text_of("%c3%bC") == "ü"


def test_http_07_one_round_of_decoding() -> None:
    assert text_of("%2541") == "%41"


def test_http_08_needless_escapes_are_taken() -> None:
    assert text_of("%41%2D") == "A-"


@pytest.mark.parametrize(
    "bad", ["%C0%A0", "%ED%A0%80", "%", "a%", "%zz", "%+1", "%4", "%F0%9F"]
)
def test_http_09_bad_escapes_are_refused(bad: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        text_of(bad)
    assert refused.value.attribute == "x"


def test_http_10_quoted_values_are_unquoted_first() -> None:
    assert text_of('"a \\"b\\" c"') == 'a "b" c'
    assert text_of('"%41\\\\"') == "A\\"
    with pytest.raises(InvalidEvent, match="quoted string that does not end"):
        text_of('"a')


def test_http_11_a_character_beyond_the_bmp_is_four_bytes() -> None:
    assert header_of("\U0001f600") == "%F0%9F%98%80"
    with pytest.raises(InvalidEvent):
        text_of("%ED%A0%BD%ED%B8%80")  # as two surrogates


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        ("application/cloudevents-batch+json", ContentMode.BATCH),
        ("Application/CloudEvents-Batch+JSON; charset=utf-8", ContentMode.BATCH),
        ("APPLICATION/cloudevents+json;charset=UTF-8", ContentMode.STRUCTURED),
        ("application/cloudevents+protobuf", ContentMode.STRUCTURED),
        ("application/json", ContentMode.BINARY),
        ("text/plain; a=application/cloudevents+json", ContentMode.BINARY),
    ],
)
def test_http_12_the_content_type_tells_the_mode(content_type: str, mode: ContentMode) -> None:
    assert http_mode(HttpParts([*MINIMAL, ("Content-Type", content_type)], b"")) is mode


def test_http_13_structured_json_is_read_and_written() -> None:
    sent = event(json_data(b'{"a":1.10}'))
    parts = write_http_structured(sent)
    assert parts.headers == (("content-type", "application/cloudevents+json"),)
    assert read_http(parts) == sent


def test_http_14_in_structured_mode_the_body_counts() -> None:
    parts = write_http_structured(event(), others=[("ce-id", "other"), ("ce-%", "%")])
    assert read_http(parts).id == "A234-1234"


def test_http_15_batches_only_where_asked_for_and_one_by_one_good_or_bad() -> None:
    one, two = event(id="1"), event(json_data(b"1.0"), id="2", source="/other")
    for events in ([], [one, two]):
        assert read_http_batch(write_http_batch(events)) == events
    body = b"[" + write_json(one) + b',{"id":"x"},' + write_json(two) + b"]"
    first, bad, last = read_http_batch(
        HttpParts([("content-type", "application/cloudevents-batch+json")], body)
    )
    assert [first, last] == [one, two]
    assert isinstance(bad, InvalidEvent)
    assert bad.attribute == "specversion"
    # What is passed on goes one by one.
    for parts in transcode(write_http_batch([one, two]), Hop.HTTP):
        assert http_mode(parts) is ContentMode.BINARY
    for parts in transcode(write_http_batch([one, two]), Hop.MQTT):
        [again] = transcode(parts, Hop.HTTP, Form.BINARY)
        assert http_mode(again) is ContentMode.BINARY


def test_http_16_an_unknown_format_is_passed_on_unchanged() -> None:
    parts = HttpParts([("content-type", "application/cloudevents+cbor; x=y")], b"\xa0\xff")
    assert http_mode(parts) is ContentMode.UNKNOWN_FORMAT
    assert transcode(parts, Hop.HTTP) == [parts]
    [over] = transcode(parts, Hop.AMQP)
    [back] = transcode(over, Hop.HTTP)
    assert isinstance(back, HttpParts)
    assert (back.headers, back.body) == (parts.headers, parts.body)


def test_http_17_no_body_and_no_type_is_no_data_and_no_type() -> None:
    got = read_http(HttpParts(MINIMAL, b""))
    assert got.data is None
    assert got.content_type is None
    assert write_http_binary(got).content_type is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *((status, Verdict.DELIVERED) for status in (200, 201, 202, 204)),
        *((status, Verdict.REFUSED) for status in (400, 413, 415, 422)),
        *((status, Verdict.RETRY) for status in (301, 307, 401, 404, 408, 429, 500, 503)),
        (410, Verdict.GONE),
    ],
)
def test_http_18_deliveries_are_posted_and_answers_understood(
    status: int, meaning: Verdict
) -> None:
    assert METHOD == "POST"
    assert verdict(status) is meaning
    for sent in (event(), event(json_data(b"1")), event(datacontenttype="text/x")):
        posted = delivery(sent, "broker.example")
        assert posted.content_type is not None
        assert posted.body, "a payload (§2.1)"
    now, hour = UnixMs(1_000_000), Millis(3_600_000)
    assert retry_at(HttpParts([("Retry-After", "120")], b""), now, hour) == now + 120_000
    assert retry_at(HttpParts([("Retry-After", "99999999")], b""), now, hour) == now + hour
    dated = HttpParts([("retry-after", "Thu, 01 Jan 1970 00:20:00 GMT")], b"")
    assert retry_at(dated, now, hour) == 1_200_000
    for nothing in ([], [("retry-after", "soon")], [("retry-after", "-5")]):
        assert retry_at(HttpParts(nothing, b""), now, hour) == now


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ([], False),
        ([("WebHook-Allowed-Origin", "*")], True),
        ([("webhook-allowed-origin", "Broker.example")], True),
        ([("WebHook-Allowed-Origin", "other.example")], False),
        ([("Allow", "POST"), ("WebHook-Allowed-Rate", "100")], False),
    ],
)
def test_http_19_nothing_is_delivered_without_leave(
    headers: list[tuple[str, str]], allowed: bool
) -> None:
    assert VALIDATION_METHOD == "OPTIONS"
    assert ("WebHook-Request-Origin", "broker.example") in validation_headers("broker.example")
    assert allowance(HttpParts(headers, b""), "broker.example").allowed is allowed


def test_a_receiver_may_grant_a_rate() -> None:
    assert validation_headers("b", 120)[1] == ("WebHook-Request-Rate", "120")
    later = validation_headers("b", callback="https://b/c")
    assert later[1] == ("WebHook-Request-Callback", "https://b/c")
    for rate, granted in (("100", 100), ("*", None), ("0", None)):
        answer = HttpParts(
            [("WebHook-Allowed-Origin", "*"), ("WebHook-Allowed-Rate", rate)], b""
        )
        assert allowance(answer, "b").per_minute == granted


def test_too_many_headers_go_in_structured_mode() -> None:
    large: CloudEvent = event(note="x" * 9000)
    with pytest.raises(InvalidEvent, match="binary mode allows 8192"):
        write_http_binary(large)
    assert http_mode(delivery(large, "b")) is ContentMode.STRUCTURED
