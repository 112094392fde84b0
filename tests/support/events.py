"""CloudEvents for tests: a usual one, and any."""

from typing import Any

from hypothesis import strategies as st

from peeklock.cloudevents.amqp_binding import AmqpParts
from peeklock.cloudevents.attribute import (
    CORE_KINDS,
    FORBIDDEN,
    AttributeValue,
    Kind,
    binary,
    boolean,
    integer,
    string,
    timestamp,
    untyped,
    uri,
    uri_reference,
)
from peeklock.cloudevents.data import (
    Data,
    DataForm,
    binary_data,
    is_json_type,
    json_data,
    text_data,
)
from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import HttpParts
from peeklock.cloudevents.transcode import Form, Hop, Parts
from peeklock.errors import InvalidEvent
from peeklock.frontends.amqp_event import bare_of, parts_of

ALL_WAYS = [(hop, form) for hop in (Hop.AMQP, Hop.MQTT, Hop.HTTP) for form in Form]
ALL_WAYS.append((Hop.MQTT_311, Form.JSON))


def event(data: Data | None = None, **attributes: str | AttributeValue) -> CloudEvent:
    """Texts are untyped attributes; an empty one takes a default away."""
    given: dict[str, str | AttributeValue] = {
        "specversion": "1.0",
        "id": "A234-1234",
        "source": "/site/berlin",
        "type": "com.example.opened",
    }
    given.update(attributes)
    return CloudEvent(
        {
            name: untyped(name, value) if isinstance(value, str) else value
            for name, value in given.items()
            if value != ""
        },
        data,
    )


def over_the_wire(parts: Parts) -> Parts:
    """Through the bytes of an AMQP message, and HTTP's header names in another case."""
    if isinstance(parts, AmqpParts):
        return parts_of(bare_of(parts))
    if isinstance(parts, HttpParts):
        return HttpParts(
            [(name.title(), f" {text}") for name, text in parts.headers], parts.body
        )
    return parts


# ---- any event

texts = st.text(st.characters(codec="utf-8"), max_size=12).filter(
    lambda text: FORBIDDEN.search(text) is None
)
some_texts = texts.filter(bool)
names = st.from_regex("[a-z0-9]{1,24}", fullmatch=True).filter(
    lambda name: name not in CORE_KINDS and name != "data"
)
references = st.from_regex(r"[A-Za-z0-9/._~%2F-]{1,9}", fullmatch=True).filter(
    lambda text: "%" not in text
) | st.sampled_from(["/a%20b?c=d#e", "urn:x:1", "../a/b;c", "http://[::1]:80/", "#f", "%C3%A9"])
uris = st.sampled_from(["http://example.com/a?b=c#d", "urn:uuid:0", "a:", "mailto:a@b.c"])
INSTANTS = [
    *("2018-04-05T17:31:00Z", "2018-04-05T17:31:00+02:00", "2018-04-05T17:31:00.123456789Z"),
    *("1990-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00", "2018-04-05T17:31:00-00:00"),
    *("2018-04-05t17:31:00z", "2018-04-05T17:31:00.120Z", "2018-04-05T17:31:00.12Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999Z"),
    *(
        "2018-04-05T17:31:00.000Z",
        "2018-04-05T17:31:00.1234567890123Z",
        "1969-12-31T23:59:59.5Z",
    ),
]
instants = st.sampled_from(INSTANTS) | st.datetimes().map(
    lambda at: at.isoformat(timespec="milliseconds") + "Z"
)
values = st.one_of(
    st.booleans().map(boolean),
    st.integers(-(1 << 31), (1 << 31) - 1).map(integer),
    st.just(AttributeValue(Kind.INTEGER, "-0")),
    texts.map(string),
    st.binary(max_size=9).map(binary),
    uris.map(uri),
    references.map(uri_reference),
    instants.map(timestamp),
)
content_types = st.sampled_from(
    [
        *("application/json", "Application/JSON; charset=utf-8", "application/vnd.a+json"),
        *("text/plain", "text/plain; charset=iso-8859-1", 'text/html;charset="UTF-16LE"'),
        *("application/octet-stream", "image/png", "application/xml", "text/plain; x=\u00fc"),
        *(
            "application/cloudevents+json",
            "application/cloudevents-batch+json",
            "text/x; charset=z",
        ),
    ]
)
JSON_TEXTS = [
    *(b"null", b"true", b"1.10", b"-0", b"1e400", b"12345678901234567890123", b"0.1e-7", b'""'),
    *(b'{"b":1,"a":2.50,"b":3}', b'{"a" : [ 1 ,\n2 ] }', b'"\\u00e9\\/ \\ud83d\\ude00"', b"[]"),
    *(
        b"{}",
        b'[[],{"a":{}}]',
        b'"\\ud800"',
        '"é\u00a0😀"'.encode(),
        b"1.5",
        b'"plain"',
        b"2e5",
    ),
]
json_texts = st.sampled_from(JSON_TEXTS)


def in_charset(text: str, content_type: str | None) -> Data:
    try:
        return text_data(text, content_type)
    except InvalidEvent:
        return binary_data(text.encode())


@st.composite
def datas(draw: st.DrawFn, content_type: str | None) -> Data | None:
    kind = draw(st.sampled_from(["none", "json", "text", "binary", "payload"]))
    if kind == "none":
        return None
    if kind == "json" and (content_type is None or is_json_type(content_type)):
        return json_data(draw(json_texts))
    if kind == "text":
        return in_charset(draw(st.text(st.characters(codec="utf-8"), max_size=9)), content_type)
    content = draw(st.binary(max_size=9) | json_texts | st.just(b""))
    if kind == "payload":
        return Data(DataForm.PAYLOAD, content)
    return binary_data(content)


@st.composite
def events(
    draw: st.DrawFn, extensions: st.SearchStrategy[AttributeValue] = values
) -> CloudEvent:
    """Any valid event, of a protobuf message's data excepted."""
    attributes: dict[str, Any] = {
        "specversion": string(draw(st.sampled_from(["1.0", "1.0", "2.x"]))),
        "id": string(draw(some_texts)),
        "source": uri_reference(draw(references)),
        "type": string(draw(some_texts)),
    }
    optional = {
        "subject": some_texts.map(string),
        "time": instants.map(timestamp),
        "dataschema": uris.map(uri),
        "datacontenttype": content_types.map(string),
    }
    for name, choices in optional.items():
        if draw(st.booleans()):
            attributes[name] = draw(choices)
    attributes.update(draw(st.dictionaries(names, extensions, max_size=4)))
    content_type = attributes.get("datacontenttype")
    data = draw(datas(None if content_type is None else content_type.text))
    return CloudEvent(attributes, data)
