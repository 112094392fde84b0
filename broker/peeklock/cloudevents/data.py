"""An event's data, and what its `datacontenttype` says of it (CloudEvents 1.0 §2.4, JSON §3.1).

Data is bytes, as a binary mode would carry them, and the form in which they came: no form is
made of another before a format asks for it. JSON is never parsed into values and written anew,
so numbers, key order and escapes come out as they came in. An event without data has None,
which is neither empty data nor JSON's null.
"""

import re
from enum import Enum
from typing import Final, final

import orjson

from peeklock.cloudevents.json_scan import BadJson, check_json
from peeklock.errors import InvalidEvent

JSON_TYPE: Final = "application/json"
PROTOBUF_TYPE: Final = "application/protobuf"
CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)"?', re.IGNORECASE)
# Character sets in which a text can be told from its bytes and back, without a table of ours.
CODECS: Final[dict[str, str]] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "cp1252",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
TEXT_SUBTYPES: Final = ("xml", "javascript", "yaml", "x-www-form-urlencoded", "graphql", "sql")


class DataForm(Enum):
    """How the data came."""

    JSON = "JSON"  # a JSON value's text
    TEXT = "text"  # of a format that tells text from bytes
    BINARY = "binary"  # of a format that does
    PROTO = "protobuf"  # a message in `google.protobuf.Any`
    PAYLOAD = "payload"  # a binary mode's bytes: only the datacontenttype says what they are


@final
class Data:
    """`type_url` is the name of a protobuf message's type, and "" for all other data."""

    __slots__ = ("content", "form", "type_url")
    __match_args__ = ("form", "content", "type_url")

    def __init__(self, form: DataForm, content: bytes, type_url: str = "") -> None:
        self.form: Final = form
        self.content: Final = content
        self.type_url: Final = type_url

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Data):
            return NotImplemented
        same = self.form is other.form and self.type_url == other.type_url
        return same and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    def __repr__(self) -> str:
        named = f", {self.type_url!r}" if self.type_url else ""
        return f"Data({self.form.name}, {self.content!r}{named})"


def json_data(text: bytes) -> Data:
    """JSON's text in UTF-8, kept as it is; raises `InvalidEvent` when it is none."""
    try:
        check_json(text)
    except BadJson as error:
        raise InvalidEvent("data", f"no JSON: {error}") from None
    return Data(DataForm.JSON, text)


def text_data(text: str, content_type: str | None = None) -> Data:
    """Text, in the character set that `content_type` names; raises `InvalidEvent` when that is
    not one that we know, or does not have its characters."""
    codec = codec_of(content_type)
    if codec is None:
        known = ", ".join(sorted(CODECS))
        raise InvalidEvent(
            "datacontenttype",
            f"text in a character set that is not known here; allowed are {known}",
        )
    try:
        return Data(DataForm.TEXT, text.encode(codec))
    except UnicodeEncodeError:
        raise InvalidEvent("data", f"characters that {codec} does not have") from None


def binary_data(content: bytes) -> Data:
    return Data(DataForm.BINARY, content)


def proto_data(type_url: str, content: bytes) -> Data:
    """A protobuf message, unparsed."""
    return Data(DataForm.PROTO, content, type_url)


def payload_data(payload: bytes, content_type: str | None) -> Data | None:
    """A binary mode's payload. Such a mode cannot tell none from empty: without a content type
    it is none, with one it is empty data of that type."""
    if not payload and content_type is None:
        return None
    return Data(DataForm.PAYLOAD, payload)


def written_form(data: Data, content_type: str | None) -> DataForm:
    """As what a format writes this data that tells JSON, text and bytes apart: JSON, TEXT or
    BINARY. Whatever it says can be read as the same bytes again."""
    form = data.form
    if content_type is None:
        return DataForm.JSON if form is DataForm.JSON else DataForm.BINARY
    if is_json_type(content_type):
        if form is DataForm.JSON:
            return form
        wanted = form is DataForm.PAYLOAD or form is DataForm.TEXT
        return DataForm.JSON if wanted and is_plain_json(data.content) else DataForm.BINARY
    wanted = form is DataForm.TEXT or (form is DataForm.PAYLOAD and is_text_type(content_type))
    if wanted and decoded(data.content, content_type) is not None:
        return DataForm.TEXT
    return DataForm.BINARY


def is_plain_json(content: bytes) -> bool:
    """Is this JSON as everybody reads it alike? Only then it may stand in an event as JSON."""
    try:
        check_json(content, strict=True)
    except BadJson:
        return False
    return True


def decoded(content: bytes, content_type: str | None) -> str | None:
    """The text that these bytes are; None when they are none that we know."""
    codec = codec_of(content_type)
    if codec is None:
        return None
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        return None
    return text


def codec_of(content_type: str | None) -> str | None:
    """Python's name for a media type's character set, UTF-8 without one; None: not known."""
    found = None if content_type is None else CHARSET.search(content_type)
    return "utf-8" if found is None else CODECS.get(found.group(1).lower())


def media_type(content_type: str) -> str:
    """Without its parameters, in lower case: media types are told apart in no other way."""
    return content_type.partition(";")[0].strip().lower()


def subtype_of(content_type: str) -> str:
    return media_type(content_type).partition("/")[2]


def is_json_type(content_type: str) -> bool:
    """`*/json` or `*/*+json` (JSON format §3.1.1)."""
    subtype = subtype_of(content_type)
    return subtype == "json" or subtype.endswith("+json")


def is_text_type(content_type: str) -> bool:
    """A type whose bytes are meant to be read as text."""
    subtype = subtype_of(content_type)
    return (
        media_type(content_type).startswith("text/")
        or subtype.endswith("+xml")
        or subtype in TEXT_SUBTYPES
    )


def json_string(text: str) -> bytes:
    """`text` as JSON writes it."""
    return orjson.dumps(text)
