"""Delivering events to webhooks (CloudEvents HTTP 1.1 Web Hooks 1.0): what to ask, and what an
answer means. Whoever has sockets sends the requests.
"""

from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, final

from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.http_binding import Header, HttpParts, write_http_structured
from peeklock.cloudevents.transcode import Form, Hop, write_exactly
from peeklock.types import Millis, UnixMs

METHOD: Final = "POST"  # §2.1
VALIDATION_METHOD: Final = "OPTIONS"  # §4.1
REQUEST_ORIGIN: Final = "WebHook-Request-Origin"
REQUEST_RATE: Final = "WebHook-Request-Rate"
ALLOWED_ORIGIN: Final = "webhook-allowed-origin"
ALLOWED_RATE: Final = "webhook-allowed-rate"
RETRY_AFTER: Final = "retry-after"


class Verdict(Enum):
    """What an answer to a delivery means (§2.2)."""

    DELIVERED = "delivered"
    RETRY = "retry"  # later, and not before what `retry_at` says
    REFUSED = "refused"  # the same request would be refused again
    GONE = "gone"  # the receiver wants nothing any more


@final
class Allowance:
    """What a receiver grants: whether, and how many requests a minute (None: any number)."""

    __slots__ = ("allowed", "per_minute")

    def __init__(self, allowed: bool, per_minute: int | None = None) -> None:
        self.allowed: Final = allowed
        self.per_minute: Final = per_minute


def validation_headers(origin: str, per_minute: int | None = None) -> list[Header]:
    """Of the OPTIONS request that asks for leave; `origin` is the sender's DNS name (§4.1)."""
    headers = [(REQUEST_ORIGIN, origin)]
    if per_minute is not None:
        headers.append((REQUEST_RATE, str(per_minute)))
    return headers


def allowance(answer: HttpParts, origin: str) -> Allowance:
    """Of the answer's headers alone: a status of 200 proves nothing (§4.2)."""
    allowed = answer.header(ALLOWED_ORIGIN)
    if allowed is None or (allowed != "*" and allowed.lower() != origin.lower()):
        return Allowance(False)
    rate = answer.header(ALLOWED_RATE)
    if rate is not None and rate.isascii() and rate.isdigit() and int(rate[:9]) > 0:
        return Allowance(True, int(rate[:9]))
    return Allowance(True)


def delivery(event: CloudEvent, origin: str, preferred: Form = Form.BINARY) -> HttpParts:
    """The POST request. It has a Content-Type, as a delivery must (§2.1): an event that names
    none goes in structured mode."""
    parts = write_exactly(event, Hop.HTTP, preferred)
    assert isinstance(parts, HttpParts)
    if parts.content_type is None:
        parts = write_http_structured(event)
    return HttpParts([*parts.headers, (REQUEST_ORIGIN, origin)], parts.body)


def verdict(status: int) -> Verdict:
    """§2.2. A redirection is not followed: the receiver there has allowed nothing."""
    if 200 <= status <= 299:
        return Verdict.DELIVERED
    if status == 410:
        return Verdict.GONE
    if status == 408 or status == 429 or status >= 500:
        return Verdict.RETRY
    return Verdict.REFUSED


def retry_at(answer: HttpParts, now: UnixMs, longest: Millis) -> UnixMs:
    """The instant before which Retry-After wants no other request, `longest` from now at most;
    `now` when it says nothing (RFC 9110 §10.2.3: seconds, or a date)."""
    value = answer.header(RETRY_AFTER)
    if value is None:
        return now
    latest = now + longest
    if value.isascii() and value.isdigit():
        return UnixMs(min(latest, now + int(value[:12]) * 1000))
    try:
        at = int(parsedate_to_datetime(value).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError, IndexError):
        return now
    return UnixMs(max(now, min(latest, at)))
