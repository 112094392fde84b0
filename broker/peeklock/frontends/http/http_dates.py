"""Instants as HTTP has them (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`."""

import re
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from peeklock.types import UnixMs

HTTP_DATE: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
LAST_MS: Final = 253_402_300_799_000  # the last second of the year 9999
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def write_date(at: int) -> str:
    """Milliseconds since 1970 as an HTTP date, down to the second; at most the last."""
    return formatdate(min(at, LAST_MS) // 1000, usegmt=True)


def read_date(text: str) -> UnixMs | None:
    """An HTTP date in its preferred form; None for what is none. Nothing is before 1970."""
    if not HTTP_DATE.fullmatch(text):
        return None
    try:
        return ms_of(parsedate_to_datetime(text))
    except ValueError:  # 31 February, say
        return None


def read_instant(text: str) -> UnixMs | None:
    """An HTTP date, or one of ISO 8601, in UTC unless it says otherwise."""
    found = read_date(text)
    if found is not None:
        return found
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ms_of(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def ms_of(at: datetime) -> UnixMs | None:
    ms = round((at - EPOCH).total_seconds() * 1000)
    return UnixMs(ms) if ms >= 0 else None
