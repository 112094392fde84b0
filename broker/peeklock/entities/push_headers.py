"""Header fields that a webhook's owner adds to each request, as a JSON object in a setting."""

import re
from typing import Final

import orjson

from peeklock.errors import InvalidRequest
from peeklock.limits import PUSH_HEADERS_CHARACTERS_MAX, PUSH_HEADERS_MAX

HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
# What the request says of itself and of its event.
OWN_FIELDS: Final = frozenset(
    """authorization connection content-encoding content-length content-type expect host
    http2-settings keep-alive proxy-authorization proxy-connection te trailer transfer-encoding
    upgrade""".split()
)
OWN_PREFIXES: Final = ("ce-", "webhook-")


def fields_in(text: str) -> list[tuple[str, str]]:
    """Header fields that a JSON object says; raises `InvalidRequest`, naming the one that is
    wrong."""
    if not text:
        return []
    if len(text) > PUSH_HEADERS_CHARACTERS_MAX:
        raise InvalidRequest(
            f"push_headers has {len(text)} characters; "
            f"allowed are {PUSH_HEADERS_CHARACTERS_MAX}"
        )
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"push_headers is no JSON object: {error}") from None
    if not isinstance(given, dict) or len(given) > PUSH_HEADERS_MAX:
        raise InvalidRequest(
            f"push_headers is a JSON object of up to {PUSH_HEADERS_MAX} names and strings"
        )
    for name, value in given.items():
        check_field(name, value)
    if len({name.lower() for name in given}) < len(given):
        raise InvalidRequest("push_headers has a name twice; case does not count")
    return list(given.items())


def check_field(name: str, value: object) -> None:
    if not FIELD_NAME.fullmatch(name):
        raise InvalidRequest(f"push_headers: {name[:80]!r} is no header field's name")
    lower = name.lower()
    if lower in OWN_FIELDS or lower.startswith(OWN_PREFIXES):
        raise InvalidRequest(f"push_headers: {name[:80]} is a field that the broker writes")
    if not isinstance(value, str) or not HEADER_TEXT.fullmatch(value):
        raise InvalidRequest(f"push_headers: {name[:80]} is not a text in ASCII, of one line")
