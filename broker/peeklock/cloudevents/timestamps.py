"""Timestamps (RFC 3339) as text, and as the numbers that AMQP and protobuf have for them.

An event keeps the text. A number stands for it where the same text can be made of it again:
`milliseconds` and `seconds_and_nanos` say None otherwise, and the caller writes text.
"""

import re
from datetime import date
from typing import Final

RFC3339: Final = re.compile(
    "([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
DAY_SECONDS: Final = 86_400
# Days from 0001-01-01 (which Python counts as 1) to 1970-01-01.
EPOCH_ORDINAL: Final = 719_163
SECONDS_MIN: Final = (1 - EPOCH_ORDINAL) * DAY_SECONDS  # 0001-01-01T00:00:00Z
SECONDS_MAX: Final = (3_652_059 - EPOCH_ORDINAL + 1) * DAY_SECONDS - 1  # 9999-12-31T23:59:59Z
DAYS_OF_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NANOS: Final = 1_000_000_000


def is_timestamp(text: str) -> bool:
    """RFC 3339 §5.6, with dates that exist (§5.7) and leap seconds only where they can be."""
    found = RFC3339.fullmatch(text)
    if found is None:
        return False
    year, month, day, hour, minute, second = [int(part) for part in found.groups()[:6]]
    if not (1 <= month <= 12 and 1 <= day <= days_of(year, month)):
        return False
    if hour > 23 or minute > 59 or second > 60:
        return False
    offset = offset_minutes(found)
    if offset is None:
        return False
    return second < 60 or (hour * 60 + minute - offset) % 1440 == 1439


def days_of(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else DAYS_OF_MONTHS[month - 1]


def offset_minutes(found: re.Match[str]) -> int | None:
    """East of UTC; None for more than a day has."""
    sign, hours, minutes = found.groups()[7:]
    if sign is None:
        return 0
    if int(hours) > 23 or int(minutes) > 59:
        return None
    offset = int(hours) * 60 + int(minutes)
    return -offset if sign == "-" else offset


def instant(text: str) -> tuple[int, int] | None:
    """Seconds since 1970-01-01 UTC and nanoseconds of a timestamp; None outside the years 1
    to 9999. What is below a nanosecond is cut; a leap second is the first of the next day.
    """
    found = RFC3339.fullmatch(text)
    assert found is not None, "a checked timestamp"
    year, month, day, hour, minute, second = [int(part) for part in found.groups()[:6]]
    if year == 0:
        return None
    days = date(year, month, day).toordinal() - EPOCH_ORDINAL
    offset = offset_minutes(found)
    assert offset is not None
    seconds = days * DAY_SECONDS + (hour * 60 + minute - offset) * 60 + second
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        return None
    fraction = found.group(7) or ""
    return seconds, int(fraction[:9].ljust(9, "0"))


def milliseconds(text: str) -> int | None:
    """Milliseconds since 1970-01-01 UTC, if `from_milliseconds` makes the same text of them."""
    at = instant(text)
    if at is None:
        return None
    found = at[0] * 1000 + at[1] // 1_000_000
    return found if from_milliseconds(found) == text else None


def from_milliseconds(at_ms: int) -> str | None:
    """With three digits of a fraction, or without one; None outside the years 1 to 9999."""
    seconds, rest = divmod(at_ms, 1000)
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        return None
    return utc_text(seconds, f".{rest:03}" if rest else "")


def from_seconds(seconds: int, nanos: int) -> str | None:
    """As protobuf's JSON has them: no fraction, or 3, 6 or 9 digits. None: out of range."""
    if not (SECONDS_MIN <= seconds <= SECONDS_MAX and 0 <= nanos < NANOS):
        return None
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return utc_text(seconds, f".{digits}" if digits else "")


def utc_text(seconds: int, fraction: str) -> str:
    days, rest = divmod(seconds, DAY_SECONDS)
    day = date.fromordinal(days + EPOCH_ORDINAL).isoformat()
    hours, rest = divmod(rest, 3600)
    minutes, second = divmod(rest, 60)
    return f"{day}T{hours:02}:{minutes:02}:{second:02}{fraction}Z"
