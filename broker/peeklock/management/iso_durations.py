"""ISO 8601 durations ⇄ milliseconds, as Service Bus writes them: `PT1M`, `P1DT2H3M4.5S`."""

import re
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
    found = PATTERN.fullmatch(text.strip())
    if found is None or text.strip() == "P":
        raise InvalidRequest(
            f"{text[:40]!r} is no duration in days, hours, minutes and seconds, such as PT30S"
        )
    weeks, days, hours, minutes, seconds = (int(found[place] or 0) for place in range(1, 6))
    thousandths = int((found[6] or "").ljust(3, "0")[:3])
    whole = weeks * WEEK + days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND
    return Millis(whole + thousandths)


def write_duration(duration: int) -> str:
    """The shortest text for so many milliseconds."""
    days, rest = divmod(duration, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    time = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    if rest:
        time += f"{rest / SECOND:.3f}".rstrip("0").rstrip(".") + "S"
    date = f"{days}D" * bool(days)
    if not date and not time:
        return "PT0S"
    return f"P{date}T{time}" if time else f"P{date}"
