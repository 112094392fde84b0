"""XML as a tree of elements: read with limits, written as it is given.

Read with the standard library's expat, by which a document type is refused as soon as it
begins: without one there are no entities to expand and nothing to fetch. Names of what was
read are without their namespaces, since Service Bus' clients differ in how they write those.
"""

import re
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from peeklock.errors import InvalidRequest
from peeklock.limits import XML_DEPTH_MAX, XML_ELEMENTS_MAX

SEPARATOR: Final = " "  # between a namespace and a name; neither has one
# What XML 1.0 has no way to write (§2.2), and what its readers would take for a new line.
UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
RETURN: Final = {"\r": "&#13;"}


class Element:
    """A name, attributes by name, and either text or elements below it."""

    def __init__(
        self,
        name: str,
        *below: "Element",
        text: str = "",
        attributes: dict[str, str] | None = None,
    ) -> None:
        self.name: Final = name
        self.attributes: Final = attributes or {}
        self.below: Final = list(below)
        self.text = text

    def find(self, name: str) -> "Element | None":
        """The first one below it with this name."""
        return next((one for one in self.below if one.name == name), None)

    def text_at(self, name: str) -> str:
        """The text of the first one below it with this name; "" when there is none."""
        found = self.find(name)
        return "" if found is None else found.text


def read_xml(document: bytes) -> Element:
    """The root of a document; raises `InvalidRequest`."""
    reader = Reader()
    parser = expat.ParserCreate(namespace_separator=SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = reader.on_start
    parser.EndElementHandler = reader.on_end
    parser.CharacterDataHandler = reader.on_text
    parser.StartDoctypeDeclHandler = reader.on_doctype
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the latter: its encoding
        raise InvalidRequest(f"the body is no XML: {error}") from None
    return reader.root


class Reader:
    """Builds the tree; raises `InvalidRequest` for what is too much."""

    def __init__(self) -> None:
        self._open: Final = [Element("")]
        self._count = 0

    @property
    def root(self) -> Element:
        return self._open[0].below[0]

    def on_doctype(self, *_what: object) -> None:
        raise InvalidRequest("the body has a document type (DTD), which is not taken")

    def on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > XML_ELEMENTS_MAX:
            raise InvalidRequest(f"the body has more than {XML_ELEMENTS_MAX} elements")
        if len(self._open) > XML_DEPTH_MAX:
            raise InvalidRequest(f"the body nests more than {XML_DEPTH_MAX} elements")
        plain = {local(key): value for key, value in attributes.items()}
        element = Element(local(name), attributes=plain)
        self._open[-1].below.append(element)
        self._open.append(element)

    def on_end(self, _name: str) -> None:
        element = self._open.pop()
        if element.below:
            element.text = ""  # between elements there is white space only

    def on_text(self, text: str) -> None:
        self._open[-1].text += text


def local(name: str) -> str:
    return name.rpartition(SEPARATOR)[2]


def write_xml(root: Element) -> bytes:
    """A whole document."""
    parts = ['<?xml version="1.0" encoding="utf-8"?>']
    write_into(parts, root)
    return "".join(parts).encode()


def write_into(parts: list[str], element: Element) -> None:
    attributes = "".join(
        f" {name}={quoteattr(writable(value))}" for name, value in element.attributes.items()
    )
    if not element.below and not element.text:
        parts.append(f"<{element.name}{attributes} />")
        return
    parts.append(f"<{element.name}{attributes}>")
    parts.append(escape(writable(element.text), RETURN))
    for one in element.below:
        write_into(parts, one)
    parts.append(f"</{element.name}>")


def writable(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)
