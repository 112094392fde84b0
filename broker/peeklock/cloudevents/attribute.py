"""Context attributes (CloudEvents 1.0 §3): names, types, and values as canonical text.

A value is its type and the text that §3.1 gives it. Texts are kept as they came: a timestamp
with its offset and all its digits, an integer with its sign.
"""

import re
from base64 import b64encode
from binascii import Error as BadBase64
from binascii import a2b_base64
from enum import Enum
from typing import Final, final

from peeklock.cloudevents.timestamps import is_timestamp
from peeklock.errors import InvalidEvent

INTEGER_MIN: Final = -(1 << 31)  # §3.1: 32 bits
INTEGER_MAX: Final = (1 << 31) - 1
SHOWN_CHARACTERS_MAX: Final = 64  # of a wrong value, in what is said about it

NAME: Final = re.compile("[a-z0-9]+")
INTEGER: Final = re.compile("-?(?:0|[1-9][0-9]{0,9})")
# §3.1, String: no control characters, noncharacters, or halves of surrogate pairs.
FORBIDDEN: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(
        f"{chr((plane << 16) + 0xFFFE)}{chr((plane << 16) + 0xFFFF)}" for plane in range(17)
    )
    + "]"
)
# RFC 3986 §2: reserved and unreserved characters, and escapes that are whole.
URI_PART: Final = r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})"
SCHEME: Final = "[A-Za-z][A-Za-z0-9+.-]*"
URI: Final = re.compile(f"{SCHEME}:{URI_PART}*(?:#{URI_PART}*)?")
# A relative reference has no colon in its first segment (§4.2): it would be a scheme.
RELATIVE: Final = re.compile(f"(?![^/?#]*:){URI_PART}*(?:#{URI_PART}*)?")
WORD: Final = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
MEDIA_TYPE: Final = re.compile(
    rf"{WORD}/{WORD}(?:\s*;.*)?"
)  # RFC 2046; parameters as they come


class Kind(Enum):
    """The types of CloudEvents' type system (§3.1)."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    STRING = "String"
    BINARY = "Binary"
    URI = "URI"
    URI_REFERENCE = "URI-reference"
    TIMESTAMP = "Timestamp"


REQUIRED: Final = ("specversion", "id", "source", "type")  # §2.3.1
# The attributes that the specification itself has, and their types (§2.3).
CORE_KINDS: Final[dict[str, Kind]] = {
    "specversion": Kind.STRING,
    "id": Kind.STRING,
    "source": Kind.URI_REFERENCE,
    "type": Kind.STRING,
    "datacontenttype": Kind.STRING,
    "dataschema": Kind.URI,
    "subject": Kind.STRING,
    "time": Kind.TIMESTAMP,
}
TEXTUAL: Final = (Kind.STRING, Kind.URI, Kind.URI_REFERENCE)


@final
class AttributeValue:
    """A value: `kind` is its type, `text` its canonical string (§3.1); Binary's is base64."""

    __slots__ = ("kind", "text")
    __match_args__ = ("kind", "text")

    def __init__(self, kind: Kind, text: str) -> None:
        self.kind: Final = kind
        self.text: Final = text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AttributeValue):
            return NotImplemented
        return self.kind is other.kind and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"{self.kind.value}({self.text!r})"


def boolean(value: bool) -> AttributeValue:
    return AttributeValue(Kind.BOOLEAN, "true" if value else "false")


def integer(value: int) -> AttributeValue:
    """From -2**31 to 2**31 - 1; the event that is given another refuses it."""
    return AttributeValue(Kind.INTEGER, str(value))


def string(value: str) -> AttributeValue:
    return AttributeValue(Kind.STRING, value)


def binary(value: bytes) -> AttributeValue:
    return AttributeValue(Kind.BINARY, b64encode(value).decode())


def uri(value: str) -> AttributeValue:
    return AttributeValue(Kind.URI, value)


def uri_reference(value: str) -> AttributeValue:
    return AttributeValue(Kind.URI_REFERENCE, value)


def timestamp(value: str) -> AttributeValue:
    """`value` is an RFC 3339 text, which is kept as it is."""
    return AttributeValue(Kind.TIMESTAMP, value)


def untyped(name: str, text: str) -> AttributeValue:
    """A value from where everything is text: the specification's attributes have their type,
    any other is a String."""
    return AttributeValue(CORE_KINDS.get(name, Kind.STRING), text)


def bytes_of(value: AttributeValue) -> bytes:
    """A Binary's bytes."""
    return a2b_base64(value.text)


def checked(name: str, value: AttributeValue) -> AttributeValue:
    """The value as the event keeps it; raises `InvalidEvent`.

    A String, or a text of a nearby type, becomes the type that the specification gives this
    attribute: not every wire can tell them apart.
    """
    if NAME.fullmatch(name) is None or name == "data":
        raise InvalidEvent(named(name), "no name; allowed are a-z and 0-9, but not 'data'")
    kind = CORE_KINDS.get(name)
    if kind is not None and kind is not value.kind:
        if value.kind not in TEXTUAL and not (
            kind is Kind.STRING and value.kind is Kind.TIMESTAMP
        ):
            raise InvalidEvent(name, f"of type {value.kind.value}; allowed is {kind.value}")
        value = AttributeValue(kind, value.text)
    check_text(named(name), value)
    if kind is not None and not value.text:
        raise InvalidEvent(name, "empty; allowed is a text of at least one character")
    if name == "datacontenttype" and MEDIA_TYPE.fullmatch(value.text) is None:
        wrong = shown(value.text)
        raise InvalidEvent(name, f"{wrong} is no media type; allowed is one as RFC 2046 has it")
    return value


def check_text(name: str, value: AttributeValue) -> None:
    """Is the text one of its type? Raises `InvalidEvent`."""
    text = value.text
    bad = FORBIDDEN.search(text)
    if bad is not None:
        raise InvalidEvent(
            name,
            f"U+{ord(bad.group()):04X} at character {bad.start()}; allowed are all characters"
            " but U+0000-001F, U+007F-009F, noncharacters and surrogates",
        )
    allowed = what_is_allowed(value.kind, text)
    if allowed:
        raise InvalidEvent(
            name, f"{shown(text)} is no {value.kind.value}; allowed is {allowed}"
        )


def what_is_allowed(kind: Kind, text: str) -> str:
    """Empty when `text` is a canonical text of this type."""
    if kind is Kind.STRING:
        return ""
    if kind is Kind.TIMESTAMP:
        good = is_timestamp(text)
        return "" if good else "RFC 3339, such as 2018-04-05T17:31:00Z"
    if kind is Kind.INTEGER:
        good = INTEGER.fullmatch(text) is not None and INTEGER_MIN <= int(text) <= INTEGER_MAX
        return "" if good else f"{INTEGER_MIN} to {INTEGER_MAX}, in digits"
    if kind is Kind.BOOLEAN:
        return "" if text in ("true", "false") else "true or false"
    if kind is Kind.BINARY:
        return "" if is_base64(text) else "base64 as RFC 4648 §4 has it"
    if URI.fullmatch(text) is not None:
        return ""
    if kind is Kind.URI:
        return "an absolute URI as RFC 3986 §4.3 has it"
    return "" if RELATIVE.fullmatch(text) else "a URI or a reference as RFC 3986 §4.1 has it"


def is_base64(text: str) -> bool:
    try:
        a2b_base64(text, strict_mode=True)
    except (BadBase64, ValueError):
        return False
    return True


def named(name: str) -> str:
    """A name as a refusal has it: as it is, if it could be one."""
    good = NAME.fullmatch(name) is not None and len(name) <= SHOWN_CHARACTERS_MAX
    return name if good else shown(name)


def shown(text: str) -> str:
    """A wrong text, quoted, and cut where it is long."""
    cut = text[:SHOWN_CHARACTERS_MAX]
    return ascii(cut) if len(cut) == len(text) else f"{cut!a}…"
