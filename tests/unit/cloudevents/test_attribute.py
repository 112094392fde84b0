"""Attributes: which names and values may be, and what is said of those that may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.cloudevents.attribute import (
    AttributeValue,
    Kind,
    binary,
    boolean,
    bytes_of,
    checked,
    integer,
    string,
    timestamp,
    untyped,
)
from peeklock.errors import InvalidEvent


def refusal(name: str, value: AttributeValue) -> str:
    with pytest.raises(InvalidEvent) as refused:
        checked(name, value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("kind", "text", "allowed"),
    [
        (Kind.BOOLEAN, "True", "true or false"),
        (Kind.INTEGER, "5.0", "-2147483648 to 2147483647"),
        (Kind.INTEGER, "\u0665", "-2147483648 to 2147483647"),
        (Kind.INTEGER, "05", "-2147483648 to 2147483647"),
        (Kind.BINARY, "A", "base64"),
        (Kind.BINARY, "Af8", "base64"),
        (Kind.URI, "/relative", "an absolute URI"),
        (Kind.URI, "http://a b", "an absolute URI"),
        (Kind.URI_REFERENCE, "1:b", "a URI or a reference"),
        (Kind.URI_REFERENCE, "%zz", "a URI or a reference"),
        (Kind.URI_REFERENCE, "é", "a URI or a reference"),
        (Kind.TIMESTAMP, "yesterday", "RFC 3339"),
    ],
)
def test_a_refusal_names_the_attribute_and_what_is_allowed(
    kind: Kind, text: str, allowed: str
) -> None:
    said = refusal("level", AttributeValue(kind, text))
    assert said.startswith(f"CloudEvents level: {text!a} is no {kind.value}; allowed is ")
    assert allowed in said


@pytest.mark.parametrize("name", ["source", "id", "time", "datacontenttype", "dataschema"])
def test_the_specifications_attributes_have_their_types(name: str) -> None:
    assert refusal(name, boolean(True)).startswith(f"CloudEvents {name}: of type Boolean")
    assert refusal(name, integer(5)).startswith(f"CloudEvents {name}: of type Integer")
    assert refusal(name, binary(b"x")).startswith(f"CloudEvents {name}: of type Binary")


def test_texts_become_the_type_that_the_specification_has() -> None:
    assert checked("source", string("/a")).kind is Kind.URI_REFERENCE
    assert checked("time", string("2018-04-05T17:31:00Z")).kind is Kind.TIMESTAMP
    assert checked("subject", timestamp("2018-04-05T17:31:00Z")).kind is Kind.STRING
    assert untyped("dataschema", "a:b").kind is Kind.URI
    assert untyped("level", "5").kind is Kind.STRING


@pytest.mark.parametrize("text", ["json", "a/", "/b", "a b/c", "text/plain x", "a/b/c"])
def test_a_media_type_is_one(text: str) -> None:
    assert "media type" in refusal("datacontenttype", string(text))


def test_long_values_are_cut_in_what_is_said() -> None:
    said = refusal("time", timestamp("x" * 100_000))
    assert len(said) < 200
    assert "…" in said
    assert len(refusal("É" * 100_000, string(""))) < 600


@given(st.binary(max_size=20))
def test_bytes_come_back(content: bytes) -> None:
    assert bytes_of(checked("x", binary(content))) == content


def test_values_are_compared_by_type_and_text() -> None:
    assert integer(5) == integer(5)
    assert integer(5) != string("5")
    assert repr(integer(5)) == "Integer('5')"
    assert len({integer(5), integer(5), string("5")}) == 2
