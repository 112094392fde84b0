"""Atom documents (RFC 4287) as Service Bus wraps its descriptions: entries, feeds, errors."""

from typing import Final
from urllib.parse import quote

from peeklock.errors import InvalidRequest
from peeklock.frontends.http.instants import write_instant
from peeklock.frontends.http.xml_tree import Element, read_xml

ATOM: Final = {"xmlns": "http://www.w3.org/2005/Atom"}
XML_TYPE: Final = {"type": "application/xml"}
# All that a path may have as it is (RFC 3986 §3.3): JavaScript's client decodes nothing.
UNQUOTED: Final = "/!$&'()*+,;=:@~"
ENTRY_TYPE: Final = "application/atom+xml; type=entry; charset=utf-8"
FEED_TYPE: Final = "application/atom+xml; type=feed; charset=utf-8"


def content_of(document: bytes) -> Element:
    """The description in an entry that a client sent; raises `InvalidRequest`."""
    if not document.strip():
        raise InvalidRequest("the body is empty; there is to be an Atom entry")
    content = read_xml(document).find("content")
    if content is None or not content.below:
        raise InvalidRequest("the body is no Atom entry with a description as its content")
    return content.below[0]


def entry(
    base_url: str, path: str, title: str, content: Element, at: int, changed_at: int
) -> Element:
    """One entity, made `at`. Clients take its name from the title or from the end of the id."""
    url = f"{base_url}/{quote(path, safe=UNQUOTED)}"
    return Element(
        "entry",
        Element("id", text=url),
        Element("title", text=title, attributes={"type": "text"}),
        Element("published", text=write_instant(at)),
        Element("updated", text=write_instant(changed_at)),
        Element("author", Element("name", text="peeklock")),
        Element("link", attributes={"rel": "self", "href": url}),
        Element("content", content, attributes=XML_TYPE),
        attributes=ATOM,
    )


def feed(base_url: str, path: str, entries: list[Element], at: int, following: str) -> Element:
    """A page of entities; `following` is the query of the next one, "" on the last."""
    url = f"{base_url}/{quote(path, safe=UNQUOTED)}"
    links = [Element("link", attributes={"rel": "self", "href": url})]
    if following:
        links.append(Element("link", attributes={"rel": "next", "href": f"{url}?{following}"}))
    return Element(
        "feed",
        Element("title", text=path, attributes={"type": "text"}),
        Element("id", text=url),
        Element("updated", text=write_instant(at)),
        *links,
        *entries,
        attributes=ATOM,
    )


def error(status: int, detail: str) -> Element:
    return Element("Error", Element("Code", text=str(status)), Element("Detail", text=detail))
