"""Finds where JSON values (RFC 8259) begin and end, without building them.

orjson, like every reader, makes values: of 1.10 it makes 1.1, and it refuses 1e400. An event's
data has to come out as it came in, so it is cut out of its document as text. This reader
checks the grammar, keeps a stack of its own instead of recursing, and takes linear time.
"""

import re
from typing import Final, final

import orjson

from peeklock.limits import EVENT_JSON_DEPTH_MAX, EVENT_JSON_MEMBERS_MAX

SPACE: Final = re.compile(rb"[ \t\n\r]*+")
STRING: Final = re.compile(
    rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+"'
)
SCALAR: Final = re.compile(
    rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+"'
    rb"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
    rb"|true|false|null"
)
OPEN_OBJECT: Final = 0x7B
CLOSE_OBJECT: Final = 0x7D
OPEN_ARRAY: Final = 0x5B
CLOSE_ARRAY: Final = 0x5D
COMMA: Final = 0x2C
COLON: Final = 0x3A
END: Final = -1


class BadJson(Exception):
    """The text is no JSON, or not such as is asked for; it says where."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"{what} at byte {at}")


@final
class Names:
    """The member names of the objects that are open, to find one that comes twice."""

    __slots__ = ("_open", "_seen")

    def __init__(self) -> None:
        self._open: list[set[object]] = []
        self._seen = 0

    def begin(self) -> None:
        self._open.append(set())

    def end(self) -> None:
        self._open.pop()

    def add(self, raw: bytes, at: int) -> None:
        name = string_value(raw, at) if b"\\" in raw else raw[1:-1].decode()
        self._seen += 1
        if name in self._open[-1] or self._seen > EVENT_JSON_MEMBERS_MAX:
            raise BadJson("a name twice in an object", at)
        self._open[-1].add(name)


def check_json(text: bytes, strict: bool = False) -> None:
    """Is this one JSON value in UTF-8, with no space around it? Raises `BadJson`.

    `strict`: no object has a name twice, and no escape is half a surrogate pair. Readers
    disagree about such JSON.
    """
    check_utf8(text)
    end = skip_value(text, 0, Names() if strict else None, EVENT_JSON_DEPTH_MAX)
    if end != len(text) or text[:1] in b" \t\n\r":
        raise BadJson("more than one value", end)


def check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise BadJson("bytes that are not UTF-8", error.start) from None


def members(text: bytes, limit: int) -> list[tuple[str, bytes]]:
    """The members of the object that `text` is, in order: names, and values as text."""
    found: list[tuple[str, bytes]] = []
    at = skip_space(text, 0)
    if code_at(text, at) != OPEN_OBJECT:
        raise BadJson("no object", at)
    at = skip_space(text, at + 1)
    if code_at(text, at) == CLOSE_OBJECT:
        check_end(text, at + 1)
        return found
    while True:
        end = skip_string(text, at)
        name = string_value(text[at:end], at)
        at = skip_colon(text, end)
        end = skip_value(text, at, None, EVENT_JSON_DEPTH_MAX)
        if len(found) == limit:
            raise BadJson(f"more than {limit} members", at)
        found.append((name, text[at:end]))
        at, more = after_element(text, end, CLOSE_OBJECT)
        if not more:
            return found


def elements(text: bytes, limit: int) -> list[bytes]:
    """The elements of the array that `text` is, as text."""
    found: list[bytes] = []
    at = skip_space(text, 0)
    if code_at(text, at) != OPEN_ARRAY:
        raise BadJson("no array", at)
    at = skip_space(text, at + 1)
    if code_at(text, at) == CLOSE_ARRAY:
        check_end(text, at + 1)
        return found
    while True:
        end = skip_value(text, at, None, EVENT_JSON_DEPTH_MAX + 1)  # data, and its event
        if len(found) == limit:
            raise BadJson(f"more than {limit} elements", at)
        found.append(text[at:end])
        at, more = after_element(text, end, CLOSE_ARRAY)
        if not more:
            return found


def after_element(text: bytes, at: int, closing: int) -> tuple[int, bool]:
    """Where the next element begins, and True; or False at the document's end."""
    at = skip_space(text, at)
    code = code_at(text, at)
    if code == COMMA:
        return skip_space(text, at + 1), True
    if code != closing:
        raise BadJson("neither a comma nor an end", at)
    check_end(text, at + 1)
    return at, False


def check_end(text: bytes, at: int) -> None:
    at = skip_space(text, at)
    if at != len(text):
        raise BadJson("more than one value", at)


def string_value(raw: bytes, at: int) -> str:
    """What a JSON string, quotes and all, says."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadJson("half a surrogate pair, or no string,", at) from None
    assert isinstance(value, str)
    return value


def skip_value(text: bytes, at: int, names: Names | None, depth_max: int) -> int:
    """The offset after the value that begins at `at`, or behind the space there."""
    closings: list[int] = []  # of what is open, innermost last
    at = skip_space(text, at)
    while True:
        code = code_at(text, at)
        if code == OPEN_OBJECT or code == OPEN_ARRAY:
            if len(closings) == depth_max:
                raise BadJson(f"nesting of more than {depth_max}", at)
            closing = CLOSE_OBJECT if code == OPEN_OBJECT else CLOSE_ARRAY
            if names is not None and code == OPEN_OBJECT:
                names.begin()
            at = skip_space(text, at + 1)
            closings.append(closing)
            if code_at(text, at) != closing:
                if code == OPEN_OBJECT:
                    at = skip_name(text, at, names)
                continue
        else:
            at = skip_scalar(text, at, names is not None)
        at = skip_closings(text, at, closings, names)
        if not closings:
            return at
        if closings[-1] == CLOSE_OBJECT:
            at = skip_name(text, at, names)


def skip_closings(text: bytes, at: int, closings: list[int], names: Names | None) -> int:
    """Behind a value: over what ends with it, and over the comma before the next one."""
    while closings:
        at = skip_space(text, at)
        code = code_at(text, at)
        if code == COMMA:
            at = skip_space(text, at + 1)
            return at
        if code != closings[-1]:
            raise BadJson("neither a comma nor an end", at)
        closings.pop()
        if names is not None and code == CLOSE_OBJECT:
            names.end()
        at += 1
    return at


def skip_name(text: bytes, at: int, names: Names | None) -> int:
    """Over a member's name and its colon, to its value."""
    end = skip_string(text, at)
    if names is not None:
        names.add(text[at:end], at)
    return skip_colon(text, end)


def skip_colon(text: bytes, at: int) -> int:
    at = skip_space(text, at)
    if code_at(text, at) != COLON:
        raise BadJson("no colon", at)
    return skip_space(text, at + 1)


def skip_string(text: bytes, at: int) -> int:
    found = STRING.match(text, at)
    if found is None:
        raise BadJson("no name", at)
    return found.end()


def skip_scalar(text: bytes, at: int, strict: bool) -> int:
    found = SCALAR.match(text, at)
    if found is None:
        raise BadJson("no value", at)
    end = found.end()
    if strict and code_at(text, at) == 0x22 and b"\\u" in text[at:end]:
        string_value(text[at:end], at)
    return end


def skip_space(text: bytes, at: int) -> int:
    code = code_at(text, at)
    if code > 0x20 or code == END:
        return at
    found = SPACE.match(text, at)
    assert found is not None, "it matches nothing, too"
    return found.end()


def code_at(text: bytes, at: int) -> int:
    return text[at] if at < len(text) else END
