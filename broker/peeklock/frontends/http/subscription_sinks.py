"""Where the events of a subscription object go (CloudEvents Subscriptions API §3.2.1.9, §3.2.2,
§3.2.3) ⇄ settings of the broker.

By HTTP they are pushed to a URL. By AMQP they go to a queue or topic of this very broker, as a
forward does it: in the append that brings them, without a connection to anywhere.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from peeklock.cloudevents.timestamps import from_milliseconds, instant, is_timestamp
from peeklock.entities.settings import QueueSettings
from peeklock.errors import InvalidRequest
from peeklock.frontends.http.json_members import Json, object_in, text_in
from peeklock.management.operations import UNSETTABLE, UNSPOKEN

HTTP: Final = "HTTP"
AMQP: Final = "AMQP"
PROTOCOLS: Final = (HTTP, AMQP)
SINKS: Final = {
    HTTP: "the URL that events are POSTed to",
    AMQP: "a queue or topic of this broker, as amqp:///orders",
}
# Said by other members of the object, or by nobody.
NOT_IN_CONFIG: Final = UNSETTABLE | {
    *(UNSPOKEN, "push_to", "push_authorization", "push_authorized_until", "push_headers"),
    "forward_to",
}
SAID_BY: Final = "sink, sinkcredential and protocolsettings"
CREDENTIALS: Final = (
    "PLAIN (identifier, secret) and ACCESSTOKEN (accesstoken, accesstokentype, "
    "accesstokenexpiresutc)"
)
WHERE: Final = "sinkcredential."
UNTIL: Final = "accesstokenexpiresutc"
BASIC: Final = "PLAIN"
BEARER: Final = "ACCESSTOKEN"
KINDS: Final = (BASIC, BEARER)
SECRETS: Final = frozenset({"identifier", "secret", "accesstoken"})
SCHEMES: Final = ("", "amqp", "amqps")
NOT_SAID: Final = object()  # what JSON cannot say: null is a credential, too


# ---- by HTTP


def push_settings(sink: str, protocol_settings: Json, credential: object) -> dict[str, object]:
    """Settings for a URL; raises `InvalidRequest`."""
    found: dict[str, object] = {"push_to": sink}
    for name, value in protocol_settings.items():
        if name == "headers":
            headers = object_in(protocol_settings, name)
            found["push_headers"] = json.dumps(headers) if headers else ""
        elif (name, value) != ("method", "POST"):
            raise InvalidRequest(
                f"protocolsettings.{name[:80]} cannot be {str(value)[:80]!r}; there are "
                "method, which is POST, and headers"
            )
    if names_no_secret(credential):
        until = until_in(small_letters(credential))
        if until:  # of the one that is there, another end
            found["push_authorized_until"] = until
    elif credential is not NOT_SAID:
        found["push_authorization"], found["push_authorized_until"] = authorization_of(
            credential
        )
    return found


def names_no_secret(credential: object) -> bool:
    """As it is told: then whoever says it again means the one that is there."""
    parts = small_letters(credential)
    return parts.get("credentialtype") in KINDS and not SECRETS & set(parts)


def small_letters(credential: object) -> Json:
    """Its members by their names, as some write them with capitals; none of what has none."""
    if not isinstance(credential, dict):
        return {}
    return {str(name).lower(): value for name, value in credential.items()}


def authorization_of(given: object) -> tuple[str, int]:
    """The Authorization header that a credential is (§3.2.3), and until when; null: none."""
    if given is None:
        return "", 0
    if not isinstance(given, dict):
        raise InvalidRequest(f"sinkcredential is an object; there are {CREDENTIALS}")
    parts = small_letters(given)
    kind = text_in(parts, "credentialtype", WHERE)
    if kind == BASIC:
        pair = f"{text_in(parts, 'identifier', WHERE)}:{text_in(parts, 'secret', WHERE)}"
        return "Basic " + b64encode(pair.encode()).decode(), 0
    token = text_in(parts, "accesstoken", WHERE)
    if kind == BEARER and token:
        scheme = text_in(parts, "accesstokentype", WHERE) or "Bearer"
        scheme = "Bearer" if scheme.lower() == "bearer" else scheme
        return f"{scheme} {token}", until_in(parts)
    raise InvalidRequest(f"no such sinkcredential; there are {CREDENTIALS}")


def until_in(credential: Json) -> int:
    """Until when it may be sent, in milliseconds since 1970; 0: nothing is said of it."""
    text = text_in(credential, UNTIL, WHERE)
    if not text:
        return 0
    at = instant(text) if is_timestamp(text) else None
    if at is None or at[0] <= 0:
        raise InvalidRequest(
            f"{WHERE}{UNTIL} is {text[:80]!r}; "
            "allowed is RFC 3339, such as 2018-04-05T17:31:00Z"
        )
    return at[0] * 1000 + at[1] // 1_000_000


# ---- by AMQP


def forward_settings(
    config: Mapping[str, object],
    sink: str,
    protocol_settings: Json,
    credential: object,
    host: str,
) -> dict[str, object]:
    """Settings for a queue or topic of ours; raises `InvalidRequest`."""
    for name in config:
        if name.startswith("push_"):
            raise InvalidRequest(f"config.{name} is of subscriptions by {HTTP}")
    if credential is not NOT_SAID and credential is not None:
        raise InvalidRequest(
            "sinkcredential is of subscriptions by HTTP: this broker knows itself"
        )
    for name in protocol_settings:
        if name != "address":
            raise InvalidRequest(f"protocolsettings.{name[:80]}: there is address, and no more")
    return {"forward_to": entity_in(sink, text_in(protocol_settings, "address"), host)}


def entity_in(sink: str, address: str, host: str) -> str:
    """The path that a sink names, or the address beside it."""
    try:
        parts = urlsplit(sink)
        authority = parts.hostname or ""
    except ValueError:
        raise InvalidRequest(f"sink is to be {SINKS[AMQP]}; {sink[:80]!r} is no URL") from None
    if parts.scheme not in SCHEMES or authority not in ("", host.lower()):
        raise InvalidRequest(
            f"sink is {sink[:80]!r}: by {AMQP} events go to {SINKS[AMQP]}; what is elsewhere "
            f"is pushed to by {HTTP}, or receives from the subscription"
        )
    named = unquote(parts.path).strip("/")
    wanted = address.strip("/")
    if named and wanted and named.casefold() != wanted.casefold():
        raise InvalidRequest(f"sink names {named[:80]!r}, protocolsettings.address another one")
    if not (named or wanted):
        raise InvalidRequest(f"sink is to name {SINKS[AMQP]}")
    return named or wanted


# ---- the other way


def sink_of(settings: QueueSettings, *, to_owner: bool) -> Json:
    """Without its secret. Headers may have some, too: they are told who may change them."""
    if settings.forward_to:
        return {
            "sink": f"amqp:///{quote(settings.forward_to)}",
            "protocol": AMQP,
            "protocolsettings": {"address": settings.forward_to},
        }
    push = settings.push
    how: Json = {"method": "POST"}
    if push.headers and to_owner:
        how["headers"] = json.loads(push.headers)
    found: Json = {"sink": push.to, "protocol": HTTP, "protocolsettings": how}
    if push.authorization:
        is_plain = push.authorization.startswith("Basic ")
        credential = {"credentialtype": BASIC if is_plain else BEARER}
        until = from_milliseconds(push.authorized_until) if push.authorized_until else None
        if until is not None:
            credential[UNTIL] = until
        found["sinkcredential"] = credential
    return found
