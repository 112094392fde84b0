"""ISO 8601 durations, as Service Bus writes them: `PT1M`, `P1DT2H3M4.5S`.

Settings are milliseconds; what a message is compared with may be finer, and negative.
"""

import re
from datetime import timedelta
from typing import Final

from peeklock.errors import InvalidRequest
from peeklock.types import Millis

# Years and months have no fixed length. Ten digits hold every duration that there is.
PATTERN: Final = re.compile(
    r"P(?:(\d{1,10})W|(?:(\d{1,10})D)?"
    r"(?:T(?=\d)(?:(\d{1,10})H)?(?:(\d{1,10})M)?(?:(\d{1,10})(?:\.(\d{1,9}))?S)?)?)",
    re.ASCII,
)
SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY


def read_duration(text: str) -> Millis:
    """Milliseconds, cut to whole ones; raises `InvalidRequest`."""
    return Millis(microseconds_in(text) // 1000)


def read_span(text: str) -> timedelta:
    """A duration cut to microseconds; it may be negative. Raises `InvalidRequest`."""
    plain = text.strip()
    sign = -1 if plain.startswith("-") else 1
    try:
        return timedelta(microseconds=sign * microseconds_in(plain.removeprefix("-")))
    except OverflowError:
        raise InvalidRequest(f"{text[:40]!r} is longer than can be said here") from None


def microseconds_in(text: str) -> int:
    found = PATTERN.fullmatch(text.strip())
    if found is None or text.strip() == "P":
        raise InvalidRequest(
            f"{text[:40]!r} is no duration in days, hours, minutes and seconds, such as PT30S"
        )
    weeks, days, hours, minutes, seconds = (int(found[place] or 0) for place in range(1, 6))
    millionths = int((found[6] or "").ljust(6, "0")[:6])
    whole = weeks * WEEK + days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND
    return whole * 1000 + millionths


def write_duration(duration: int) -> str:
    """The shortest text for so many milliseconds."""
    return write_span(timedelta(milliseconds=duration))


def write_span(span: timedelta) -> str:
    """The shortest text for a duration, with a minus before a negative one."""
    if span < timedelta(0):
        return "-" + write_span(-span)
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    time = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    if seconds or span.microseconds:
        time += f"{seconds}.{span.microseconds:06d}".rstrip("0").rstrip(".") + "S"
    date = f"{span.days}D" * bool(span.days)
    if not date and not time:
        return "PT0S"
    return f"P{date}T{time}" if time else f"P{date}"
