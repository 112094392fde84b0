"""Application properties as header fields, both ways."""

import json
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import InvalidRequest
from peeklock.frontends.http.property_values import (
    is_property_name,
    read_properties,
    read_property,
    write_properties,
    write_property,
)
from peeklock.protocols.amqp10.decimals import write_decimal
from peeklock.protocols.amqp10.values import Float, Int, Symbol, Timestamp, UByte, ULong


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"text"', "text"),
        ('""', ""),
        ('"7"', "7"),
        ('"true"', "true"),
        ('"say \\"hi\\""', 'say "hi"'),
        ('"half \\ud800"', "half \\ud800"),
        ('"C:\\temp\\x"', "C:\\temp\\x"),
        ('"', '"'),
        ("High, and so on", "High, and so on"),
        ("", ""),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("0", 0),
        ("-0.0", -0.0),
        ("-7", -7),
        ("+7", "+7"),
        ("007", "007"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775809", "-9223372036854775809"),
        ("9" * 30, "9" * 30),
        ("9" * 30_000, "9" * 30_000),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ("1_000", "1_000"),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", "\N{ARABIC-INDIC DIGIT SEVEN}"),
    ],
)
def test_what_a_field_says(text: str, value: object) -> None:
    found = read_property(text)
    assert found == value
    assert type(found) is type(value)


def test_kinds_that_python_has_not() -> None:
    at = read_property('"Sun, 06 Nov 1994 08:49:37 GMT"')
    assert isinstance(at, Timestamp)
    assert at == 784_111_777_000
    assert isinstance(read_property(str(2**64 - 1)), ULong)
    assert read_property('"Sun, 06 Nov 1994 08:49:37 CET"') == "Sun, 06 Nov 1994 08:49:37 CET"
    assert read_property('"Thu, 31 Feb 1994 08:49:37 GMT"') == "Thu, 31 Feb 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Symbol("red"), '"red"'),
        (Int(-7), "-7"),
        (UByte(7), "7"),
        (Float(0.5), "0.5"),
        (float("inf"), '"inf"'),
        (write_decimal(Decimal("1.10")), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"\0\xff", '"AP8="'),
        (Timestamp(784_111_777_999), '"Sun, 06 Nov 1994 08:49:37 GMT"'),
        (Timestamp(-1), "-1"),
        ("a\r\nb\0ü", '"a\\r\\nb\\u0000\\u00fc"'),
        ([1], None),
        ({}, None),
    ],
)
def test_what_is_told(value: object, text: str | None) -> None:
    assert write_property(value) == text


@given(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
def test_there_and_back(value: object) -> None:
    text = write_property(value)
    assert text is not None
    assert text.isascii()
    assert text.isprintable()
    found = read_property(text)
    assert found == value
    assert isinstance(found, type(value))


@given(st.dictionaries(st.text(), st.text() | st.integers(0, 9), max_size=5))
def test_all_of_a_message_there_and_back(properties: dict[str, object]) -> None:
    """Whatever the names are: what no field may have goes into one of ours."""
    fields = write_properties(dict(properties.items()))
    for name, text in fields:
        assert name == "Peeklock-Properties" or is_property_name(name)
        assert text.isascii()
        assert text.isprintable()
    assert len({name.lower() for name, _text in fields}) == len(fields)
    assert read_properties([(name, text.encode()) for name, text in fields]) == properties


@pytest.mark.parametrize(
    "name",
    ["Host", "content-type", "Content-Length", "If-Match", "X-Forwarded-For", "a b", "", "a:b",
     "brokerProperties", "Set-Cookie", "sec-fetch-site", "servicebusDlq"],
)  # fmt: skip
def test_fields_that_are_no_properties(name: str) -> None:
    assert not is_property_name(name)
    assert read_properties([(name, b"x")]) == {}
    ((told, text),) = write_properties({name: "x"})
    assert (told, json.loads(text)) == ("Peeklock-Properties", {name: "x"})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([("a", b"1"), ("a", b"2")], "'a' is there twice"),
        ([("a", b"\xff")], "the header a is not UTF-8"),
        ([("Peeklock-Properties", b"[")], "no JSON"),
        ([("Peeklock-Properties", b'{"a": {"b": 1}}')], "'a' is a dict"),
    ],
)
def test_what_is_wrong(fields: list[tuple[str, bytes]], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        read_properties(fields)
