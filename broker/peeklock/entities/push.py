"""Where a queue's messages are pushed to: its owner's choice, and the receiver's leave."""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, urlsplit

from peeklock.entities.push_headers import HEADER_TEXT, fields_in
from peeklock.entities.ranges import none_or_within, within
from peeklock.errors import InvalidRequest
from peeklock.limits import (
    INSTANT_MAX,
    PUSH_AUTHORIZATION_CHARACTERS_MAX,
    PUSH_CONCURRENCY_MAX,
    PUSH_PER_MINUTE_MAX,
    PUSH_TIMEOUT_DEFAULT,
    PUSH_TIMEOUT_MAX,
    PUSH_TIMEOUT_MIN,
    PUSH_URL_CHARACTERS_MAX,
)
from peeklock.types import Millis, UnixMs

# What a request line can have: all else is to be percent-encoded by whoever writes the URL.
URL_TEXT: Final = re.compile(r"[\x21-\x7e]+")
PORTS: Final = {"http": 80, "https": 443}


class PushMode(StrEnum):
    """How a pushed event is written (CloudEvents HTTP binding §3)."""

    BINARY = "binary"  # its data is the body, its attributes are headers
    STRUCTURED = "structured"  # all of it is one JSON document


class PushStatus(StrEnum):
    """Whether messages are pushed."""

    ACTIVE = "active"
    PAUSED = "paused"  # its owner's wish
    GONE = "gone"  # the receiver has said that it wants none any more (410)


@dataclass(frozen=True)
class Push:
    """A webhook. Durations in milliseconds; 0: none. The last two are the broker's to set."""

    to: str = ""  # a URL that each message is POSTed to as a CloudEvent
    mode: PushMode = PushMode.BINARY  # how the event is written
    concurrency: int = 1  # requests at a time; 1 keeps the order
    per_minute: int = 0  # requests at most; 0: as many as the receiver allows
    timeout_ms: int = PUSH_TIMEOUT_DEFAULT  # for the receiver's answer
    authorization: str = field(default="", repr=False)  # Authorization header; never shown
    authorized_until: int = 0  # when that lapses, in ms since 1970, UTC; 0: never
    headers: str = field(default="", repr=False)  # further header fields, as a JSON object
    status: PushStatus = PushStatus.ACTIVE  # gone: it was told so, with status 410
    granted: bool = False  # the receiver has allowed it
    granted_per_minute: int = 0  # how many requests; 0: any number

    def __post_init__(self) -> None:
        within("push_concurrency", self.concurrency, 1, PUSH_CONCURRENCY_MAX)
        none_or_within("push_per_minute", self.per_minute, 1, PUSH_PER_MINUTE_MAX)
        within("push_timeout_ms", self.timeout_ms, PUSH_TIMEOUT_MIN, PUSH_TIMEOUT_MAX)
        if self.to:
            parts_of_url(self.to)
        if len(self.authorization) > PUSH_AUTHORIZATION_CHARACTERS_MAX:
            raise InvalidRequest(
                f"push_authorization has {len(self.authorization)} characters; "
                f"allowed are {PUSH_AUTHORIZATION_CHARACTERS_MAX}"
            )
        if self.authorization and not HEADER_TEXT.fullmatch(self.authorization):
            raise InvalidRequest("push_authorization is the value of a header: ASCII, one line")
        within("push_authorized_until", self.authorized_until, 0, INSTANT_MAX)
        fields_in(self.headers)

    def asks_as(self, other: "Push") -> bool:
        """Is a message asked for in the same way?"""
        return self.asking == other.asking

    @property
    def asking(self) -> tuple[object, ...]:
        """What a message is asked for with."""
        secrets = (self.authorization, self.authorized_until, self.headers)
        return (self.to, self.mode, *secrets, self.concurrency, self.timeout_ms)

    def lapses_in(self, now: UnixMs) -> Millis | None:
        """How long the receiver will still know who asks; 0: no more. None: for ever."""
        if not self.authorization or not self.authorized_until:
            return None
        return Millis(max(0, self.authorized_until - now))

    @property
    def rate(self) -> int:
        """Requests a minute, by what both ends say; 0: any number."""
        said = [rate for rate in (self.per_minute, self.granted_per_minute) if rate]
        return min(said, default=0)


NO_PUSH: Final = Push()


def parts_of_url(url: str) -> SplitResult:
    """Of a URL that can be pushed to; raises `InvalidRequest` for any other."""
    if len(url) > PUSH_URL_CHARACTERS_MAX or not URL_TEXT.fullmatch(url):
        raise InvalidRequest(
            f"push_to is a URL of up to {PUSH_URL_CHARACTERS_MAX} ASCII characters"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequest("push_to is no URL such as https://erp.example/events") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise InvalidRequest("push_to begins with https:// or http:// and the name of a host")
    if "@" in parts.netloc:
        raise InvalidRequest("push_to names no user: push_authorization says who asks")
    if parts.fragment or port == 0:
        raise InvalidRequest("push_to has no fragment, and no port 0")
    return parts


def origin_of(url: str) -> str:
    """Scheme, host and port, for a comparison (RFC 6454 §4)."""
    parts = parts_of_url(url)
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"


def renewed(before: Push, wanted: Push, names: set[str]) -> Push:
    """`wanted`, after a change of the settings in `names` from what they were `before`.

    Another receiver has allowed nothing yet, may not be told the secret that was for the one
    before, and has not said that it is gone. Another rate is asked for anew, and another secret
    does not lapse when the one before did.
    """
    found = wanted
    if "push_authorization" in names and "push_authorized_until" not in names:
        found = replace(found, authorized_until=0)
    if wanted.to != before.to:
        found = replace(found, granted=False, granted_per_minute=0)
        if "push_status" not in names and before.status is PushStatus.GONE:
            found = replace(found, status=PushStatus.ACTIVE)
        is_elsewhere = (
            not wanted.to or not before.to or origin_of(wanted.to) != origin_of(before.to)
        )
        if is_elsewhere and "push_authorization" not in names:
            found = replace(found, authorization="", authorized_until=0)
        if is_elsewhere and "push_headers" not in names:
            found = replace(found, headers="")
    elif wanted.per_minute != before.per_minute:
        found = replace(found, granted=False, granted_per_minute=0)
    return found
