"""Application properties as header fields, in the form of Service Bus' REST API.

A value in double quotes is a string, or an instant when it is an HTTP date; `true` and `false`
are booleans, numbers are numbers, and all other text is a string as it stands. So that nothing
is lost, whatever cannot be a field goes into one field of ours, as JSON: a property with a name
that no field may have, or that of a field of HTTP's own.
"""

import json
import math
import re
from base64 import b64encode
from typing import Final
from uuid import UUID

import orjson

from peeklock.errors import InvalidRequest
from peeklock.frontends.http.http_dates import LAST_MS, read_date, write_date
from peeklock.protocols.amqp10.decimals import read_decimal
from peeklock.protocols.amqp10.values import (
    AmqpValue,
    Decimal32,
    Decimal64,
    Decimal128,
    Timestamp,
    ULong,
)

BROKER_PROPERTIES: Final = "BrokerProperties"
MORE_PROPERTIES: Final = "Peeklock-Properties"  # a JSON object, as in a batch

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
WHOLE: Final = re.compile(r"-?(0|[1-9]\d*)")
FRACTION: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
ULONG_MAX: Final = 2**64 - 1

# Fields of HTTP's own, of proxies and browsers, and ours: these are no application properties.
# `Priority` is one, though RFC 9218 has it: Service Bus' own example uses it so.
OF_HTTP: Final = frozenset(
    """
    accept accept-charset accept-encoding accept-language age allow alt-svc authorization
    brokerproperties cache-control connection cookie date dnt etag expect expires forwarded from
    host http2-settings keep-alive last-modified link location max-forwards origin
    peeklock-properties pragma range referer retry-after server set-cookie
    strict-transport-security te trailer transfer-encoding upgrade upgrade-insecure-requests
    user-agent vary via warning www-authenticate x-real-ip
    """.split()
)
OF_HTTP_PREFIXES: Final = (
    *("access-control-", "content-", "if-", "proxy-", "sec-"),
    *("servicebus", "x-forwarded-", "x-ms-"),
)


def is_property_name(name: str) -> bool:
    """May a header field of this name be an application property?"""
    folded = name.lower()
    if folded in OF_HTTP or folded.startswith(OF_HTTP_PREFIXES):
        return False
    return TOKEN.fullmatch(name) is not None


# ---- from a request


def read_properties(fields: list[tuple[str, bytes]]) -> dict[AmqpValue, AmqpValue]:
    """The application properties among a request's header fields; raises `InvalidRequest`."""
    found: dict[AmqpValue, AmqpValue] = {}
    for name, raw in fields:
        if is_property_name(name):
            more = {name: read_property(text_of(name, raw))}
        elif name.lower() == MORE_PROPERTIES.lower():
            more = read_json_properties(name, read_object(name, raw))
        else:
            continue
        for key, value in more.items():
            if key in found:
                raise InvalidRequest(f"the property {key[:80]!r} is there twice")
            found[key] = value
    return found


def text_of(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"the header {name} is not UTF-8") from None


def read_object(name: str, raw: bytes) -> dict[str, object]:
    """A JSON object; `name` says where it is."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{name} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} is no JSON object")
    return value


def read_property(text: str) -> AmqpValue:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        string = unquoted(text)
        at = read_date(string)
        return string if at is None else Timestamp(at)
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    if WHOLE.fullmatch(text):
        number = int(text) if len(text) < 21 else ULONG_MAX + 1
        if LONG_MIN <= number <= ULONG_MAX:
            return number if number <= LONG_MAX else ULong(number)
    elif FRACTION.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def unquoted(text: str) -> str:
    """As JSON has strings; or, as Service Bus' clients write them, with \\" alone escaped."""
    try:
        value = json.loads(text, strict=False)
        value.encode()  # half a surrogate pair is no text
    except ValueError:
        return text[1:-1].replace('\\"', '"')
    assert isinstance(value, str)
    return value


def read_json_properties(where: str, given: dict[str, object]) -> dict[str, AmqpValue]:
    """Properties as JSON has them: strings, numbers, booleans and null."""
    return {name: read_json_property(where, name, value) for name, value in given.items()}


def read_json_property(where: str, name: str, value: object) -> AmqpValue:
    if isinstance(value, int) and not isinstance(value, bool) and value > LONG_MAX:
        return ULong(value)  # orjson has no larger ones
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise InvalidRequest(
        f"{where}: the property {name[:80]!r} is a {type(value).__name__}; "
        "there are strings, numbers, booleans and null"
    )


# ---- into an answer


def write_properties(
    properties: dict[AmqpValue, AmqpValue], reserved: str | None = None
) -> list[tuple[str, str]]:
    """Application properties as header fields, all of them ASCII.

    Fields whose names begin with `reserved` mean something else in this response.
    """
    fields: list[tuple[str, str]] = []
    more: dict[str, object] = {}
    names: set[str] = set()
    for key, value in properties.items():
        name = str(key)
        text = write_property(value)
        if text is None:
            continue  # a list, say, which no property may be (AMQP 1.0 §3.2.5)
        folded = name.lower()  # a field's name is the same in any case
        is_free = reserved is None or not folded.startswith(reserved)
        if is_free and is_property_name(name) and folded not in names:
            names.add(folded)
            fields.append((name, text))
        else:
            more[name] = json.loads(text)
    if more:
        fields.append((MORE_PROPERTIES, json.dumps(more)))
    return fields


def write_property(value: AmqpValue) -> str | None:
    """A value as JSON writes it, with an instant as an HTTP date in quotes."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, Timestamp) and 0 <= value <= LAST_MS:
        return json.dumps(write_date(value))
    if isinstance(value, (Decimal32, Decimal64, Decimal128)):
        return json.dumps(str(read_decimal(value)))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        number = float(value)
        return repr(number) if math.isfinite(number) else json.dumps(str(number))
    if isinstance(value, str):
        return json.dumps(str(value))
    if isinstance(value, bytes):
        return json.dumps(b64encode(value).decode())
    return json.dumps(str(value)) if isinstance(value, UUID) else None
