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
REQUEST_CALLBACK: Final = "WebHook-Request-Callback"
# Statuses that are about this very message: another one may be taken (RFC 9110, RFC 6585).
OF_THE_MESSAGE: Final = frozenset((400, 413, 415, 422, 431))
ALLOWED_ORIGIN: Final = "webhook-allowed-origin"
ALLOWED_RATE: Final = "webhook-allowed-rate"
RETRY_AFTER: Final = "retry-after"


class Verdict(Enum):
    """What an answer to a delivery means (§2.2)."""

    DELIVERED = "delivered"
    RETRY = "retry"  # later, and not before what `retry_at` says
    REFUSED = "refused"  # this message would be refused again
    GONE = "gone"  # the receiver wants nothing any more


@final
class Allowance:
    """What a receiver grants: whether, and how many requests a minute (None: any number)."""

    __slots__ = ("allowed", "per_minute")

    def __init__(self, allowed: bool, per_minute: int | None = None) -> None:
        self.allowed: Final = allowed
        self.per_minute: Final = per_minute


def validation_headers(
    origin: str, per_minute: int | None = None, callback: str = ""
) -> list[Header]:
    """Of the OPTIONS request that asks for leave; `origin` is the sender's DNS name (§4.1).

    `callback` is a URL by which leave may be given later (§4.1.3).
    """
    headers = [(REQUEST_ORIGIN, origin)]
    if callback:
        headers.append((REQUEST_CALLBACK, callback))
    if per_minute is not None:
        headers.append((REQUEST_RATE, str(per_minute)))
    return headers


def allowance(answer: HttpParts, origin: str) -> Allowance:
    """Of the answer's headers alone: a status of 200 proves nothing (§4.2)."""
    allowed = answer.header(ALLOWED_ORIGIN)
    if allowed is None or (allowed != "*" and allowed.lower() != origin.lower()):
        return Allowance(False)
    return Allowance(True, rate_in(answer.header(ALLOWED_RATE)))


def rate_in(value: str | None) -> int | None:
    """Of WebHook-Allowed-Rate: requests a minute; None: any number (§4.2.2)."""
    if value is not None and value.isascii() and value.isdigit():
        return int(value[:9]) or None
    return None


def delivery(event: CloudEvent, origin: str, preferred: Form = Form.BINARY) -> HttpParts:
    """The POST request. It has a Content-Type and a payload, as it must (§2.1): an event that
    names none, or has no data, goes in structured mode."""
    parts = write_exactly(event, Hop.HTTP, preferred)
    assert isinstance(parts, HttpParts)
    if parts.content_type is None or not parts.body:
        parts = write_http_structured(event)
    return HttpParts([*parts.headers, (REQUEST_ORIGIN, origin)], parts.body)


def verdict(status: int) -> Verdict:
    """§2.2. A redirection is not followed: the receiver there has allowed nothing.

    Statuses that say nothing of the message, a wrong token, say, or a page that is not there,
    are for the receiver's owner to mend: it is tried again.
    """
    if 200 <= status <= 299:
        return Verdict.DELIVERED
    if status == 410:
        return Verdict.GONE
    return Verdict.REFUSED if status in OF_THE_MESSAGE else Verdict.RETRY


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
