"""Attribute values as HTTP header values, and back (CloudEvents HTTP binding §3.1.3.2)."""

import re
from typing import Final

# Printable ASCII without space, double quote and percent sign goes as it is.
PLAIN: Final = re.compile(r"[!#$&-~]*")
ESCAPED: Final = [
    chr(code) if 0x21 <= code <= 0x7E and code not in (0x22, 0x25) else f"%{code:02X}"
    for code in range(256)
]
PERCENT: Final = 0x25
QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


class BadHeaderValue(Exception):
    """The value cannot be decoded; it says why."""


def encode_value(text: str) -> str:
    if PLAIN.fullmatch(text) is not None:
        return text
    return "".join([ESCAPED[byte] for byte in text.encode()])


def decode_value(value: str) -> str:
    """A header's value, each of its bytes a character (Latin-1), as HTTP servers give it.

    Older senders quote values: that is undone first. Then comes one round of percent-decoding.
    Raises `BadHeaderValue` for escapes that are none, and for what is then no UTF-8.
    """
    if value.startswith('"'):
        quoted = QUOTED.fullmatch(value)
        if quoted is None:
            raise BadHeaderValue("a quoted string that does not end")
        value = QUOTED_PAIR.sub(r"\1", quoted.group(1))
    try:
        return unescaped(value.encode("latin-1")).decode()
    except UnicodeEncodeError:
        raise BadHeaderValue("characters that are no bytes of a header") from None
    except UnicodeDecodeError:
        raise BadHeaderValue("escapes of bytes that are not UTF-8") from None


def unescaped(raw: bytes) -> bytes:
    first, *rest = raw.split(b"%")
    if not rest:
        return raw
    decoded = [first]
    for part in rest:
        byte = hex_byte(part)
        decoded.append(byte + part[2:])
    return b"".join(decoded)


def hex_byte(part: bytes) -> bytes:
    """Two hexadecimal digits, of either case, and nothing that int() would take beside."""
    digits = part[:2]
    if len(digits) == 2 and digits.isalnum():
        try:
            return bytes([int(digits, 16)])
        except ValueError:
            pass
    raise BadHeaderValue("a percent sign without two hexadecimal digits; allowed is %25")
