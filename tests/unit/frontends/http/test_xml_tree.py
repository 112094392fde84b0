"""XML in and out, and what a hostile document may cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peeklock.errors import InvalidRequest
from peeklock.frontends.http.xml_tree import Element, read_xml, write_xml
from peeklock.limits import XML_DEPTH_MAX, XML_ELEMENTS_MAX


def test_namespaces_are_left_out() -> None:
    root = read_xml(
        b'<a:entry xmlns:a="urn:1" xmlns:i="urn:2"><a:b i:type="x:y">text</a:b></a:entry>'
    )
    assert root.name == "entry"
    (below,) = root.below
    assert (below.name, below.text, below.attributes) == ("b", "text", {"type": "x:y"})


def test_text_between_elements_is_white_space() -> None:
    root = read_xml(b"<a>\n  <b> x </b>\n  <c/>\n</a>")
    assert (root.text, root.text_at("b"), root.text_at("c"), root.text_at("d")) == (
        "",
        " x ",
        "",
        "",
    )


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/x"><a/>',
    ],
    ids=("internal", "external", "subset"),
)
def test_no_document_type(document: bytes) -> None:
    with pytest.raises(InvalidRequest, match="document type"):
        read_xml(document)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<x:a/>",
        b"<a>&x;</a>",
        b"<a>\x00</a>",
        b'<?xml version="1.0" encoding="nothing-like-it"?><a/>',
        b"\xff\xfe<",
        b"{}",
    ],
)
def test_no_xml(document: bytes) -> None:
    with pytest.raises(InvalidRequest, match="no XML"):
        read_xml(document)


def test_depth_is_bounded() -> None:
    assert read_xml(b"<a>" * XML_DEPTH_MAX + b"</a>" * XML_DEPTH_MAX).name == "a"
    with pytest.raises(InvalidRequest, match="nests more than"):
        read_xml(b"<a>" * 100_000)


def test_elements_are_bounded() -> None:
    with pytest.raises(InvalidRequest, match="elements"):
        read_xml(b"<a>" + b"<b/>" * XML_ELEMENTS_MAX + b"</a>")


@given(st.text(), st.text())
def test_what_is_written_is_read(text: str, value: str) -> None:
    """But for what XML cannot write, and white space in attributes."""
    root = read_xml(write_xml(Element("a", text=text, attributes={"b": value})))
    if all(c.isprintable() or c in "\t\n\r" for c in text):
        assert root.text == text
    if value.isprintable():
        assert root.attributes == {"b": value}
