"""Texts with placeholders, `${…}`, and JSON documents whose strings have some.

A placeholder names where its value comes from: an event's attribute (`${event.subject}`), an
application property (`${property.region}`), a level of the path (`${path.floor}`), the JSON
data or a part of it (`${data}`, `${data.readings.0}`), or what the one who renders knows
(`${key}`). `$$` is one dollar sign.

In a text, a value that is not there is nothing. A string of a document that is one placeholder
and nothing else becomes the value itself: a number stays a number, and what is not there, null.
So what comes out is JSON whatever the values are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias, final

import orjson

from peeklock.errors import InvalidFilter
from peeklock.filters.places import refusal
from peeklock.limits import (
    TEMPLATE_CHARACTERS_MAX,
    TEMPLATE_DEPTH_MAX,
    TEMPLATE_PLACEHOLDERS_MAX,
)

EVENT: Final = "event"
PROPERTY: Final = "property"
PATH: Final = "path"
DATA: Final = "data"
OF_A_SIGNAL: Final = frozenset((EVENT, PROPERTY, PATH, DATA))
NAMED: Final = frozenset((EVENT, PROPERTY, PATH))  # they have one thing for each name
NAME_OF_AN_ATTRIBUTE: Final = re.compile("[a-z0-9]+")  # CloudEvents 1.0 §3.1
OPENING: Final = "${"
Values: TypeAlias = Mapping[str, object]  # by the placeholder's text; JSON's values


@final
class Reference:
    """What one placeholder names."""

    __slots__ = ("name", "root", "steps", "text")

    def __init__(self, root: str, name: str, text: str) -> None:
        self.root: Final = root
        self.name: Final = name  # "": all of it
        self.text: Final = text  # as its author wrote it
        self.steps: Final[list[str]] = name.split(".") if name else []


Part: TypeAlias = str | Reference


@final
class Template:
    """A text with placeholders."""

    __slots__ = ("_parts", "references", "text")

    def __init__(self, text: str, roots: Iterable[str]) -> None:
        """`roots` are what placeholders may name; raises `InvalidFilter`."""
        if len(text) > TEMPLATE_CHARACTERS_MAX:
            raise InvalidFilter(
                f"a template has up to {TEMPLATE_CHARACTERS_MAX} characters, not {len(text)}"
            )
        self.text: Final = text
        self._parts: Final[list[Part]] = list(parts_of(text, sorted(roots)))
        self.references: Final[list[Reference]] = [
            part for part in self._parts if isinstance(part, Reference)
        ]
        count = len(self.references)
        if count > TEMPLATE_PLACEHOLDERS_MAX:
            raise InvalidFilter(
                f"a template has up to {TEMPLATE_PLACEHOLDERS_MAX} placeholders, not {count}"
            )

    def render(self, values: Values) -> str:
        found: list[str] = []
        for part in self._parts:
            if isinstance(part, Reference):
                found.append(as_text(values.get(part.text)))
            else:
                found.append(part)
        return "".join(found)

    def value(self, values: Values) -> object:
        """As `render`, or the one placeholder's value as it is."""
        if len(self._parts) == 1:
            only = self._parts[0]
            if isinstance(only, Reference):
                return values.get(only.text)
        return self.render(values)


@final
class JsonTemplate:
    """A JSON document whose strings are templates; names in it stay as they are."""

    __slots__ = ("_document", "references", "text")

    def __init__(self, text: str, roots: Iterable[str]) -> None:
        """Raises `InvalidFilter`."""
        known = list(roots)
        # As a text first: mistakes are found where their author sees them.
        self.references: Final[list[Reference]] = Template(text, known).references
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            what = error.msg.partition(":")[0]
            raise InvalidFilter(f"no JSON: {what}", error.lineno, error.colno) from None
        self.text: Final = text
        self._document: Final[object] = compiled(document, known, 0)

    def render(self, values: Values) -> bytes:
        """JSON's text, in UTF-8."""
        return orjson.dumps(filled(self._document, values))


def parts_of(text: str, roots: list[str]) -> Iterator[Part]:
    """Stretches of plain text and placeholders, in their order."""
    at = 0
    plain = ""
    while True:
        dollar = text.find("$", at)
        if dollar < 0:
            break
        plain += text[at:dollar]
        if text.startswith("$$", dollar):
            plain += "$"
            at = dollar + 2
            continue
        if not text.startswith(OPENING, dollar):
            raise wrong("a $ that begins no placeholder", text, dollar, ("${", "$$"))
        end = text.find("}", dollar)
        if end < 0:
            raise wrong("a placeholder without its }", text, dollar, ("}",))
        if plain:
            yield plain
            plain = ""
        start = dollar + len(OPENING)
        yield read_reference(text, start, end, roots)
        at = end + 1
    plain += text[at:]
    if plain or not text:
        yield plain


def read_reference(text: str, start: int, end: int, roots: list[str]) -> Reference:
    """The one between `start` and `end`; raises `InvalidFilter`."""
    inner = text[start:end]
    root, dot, name = inner.partition(".")
    if root not in roots:
        known = tuple([f"{one}.…" if one in NAMED else one for one in roots])
        raise wrong(f"no placeholder begins with {root!r}", text, start, known)
    if not name and (dot or root in NAMED):
        raise wrong(f"{inner!r} says nothing of which", text, start, (f"{root}.…",))
    if name and root not in OF_A_SIGNAL:
        raise wrong(f"{root!r} has nothing below it", text, start, (root,))
    if root == DATA and name and "" in name.split("."):
        raise wrong("a step without a name", text, start, ("data.name",))
    if root == EVENT and not NAME_OF_AN_ATTRIBUTE.fullmatch(name):
        raise wrong(f"{name!r} is no attribute's name", text, start, ("a-z and 0-9",))
    return Reference(root, name, inner)


def wrong(what: str, text: str, at: int, expected: tuple[str, ...]) -> InvalidFilter:
    listed = ", ".join(expected[:-1]) + " or " if len(expected) > 1 else ""
    return refusal(text, at, f"{what}; expected {listed}{expected[-1]}", expected)


def compiled(document: object, roots: list[str], depth: int) -> object:
    """The document with templates in place of its strings that have placeholders."""
    if depth > TEMPLATE_DEPTH_MAX:
        raise InvalidFilter(f"a document nests up to {TEMPLATE_DEPTH_MAX} deep")
    if isinstance(document, str):
        return Template(document, roots)
    if isinstance(document, list):
        return [compiled(one, roots, depth + 1) for one in document]
    if isinstance(document, dict):
        return {name: compiled(one, roots, depth + 1) for name, one in document.items()}
    return document


def filled(document: object, values: Values) -> object:
    if isinstance(document, Template):
        return document.value(values)
    if isinstance(document, list):
        return [filled(one, values) for one in document]
    if isinstance(document, dict):
        return {name: filled(one, values) for name, one in document.items()}
    return document


def as_text(value: object) -> str:
    """A JSON value within a text: a string as it is, nothing for null, else its JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
