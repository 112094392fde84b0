"""What of a CloudEvent the broker acts upon, whichever protocol brings it: who it is, and how
long it lives.
"""

from hashlib import sha256
from typing import Final

from peeklock.cloudevents.event import CloudEvent
from peeklock.cloudevents.timestamps import instant, is_timestamp
from peeklock.errors import InvalidEvent
from peeklock.limits import ID_CHARACTERS_MAX
from peeklock.types import UnixMs

TTL_MS_MAX: Final = 2**32 - 1  # AMQP 1.0 §3.2.1 has it in 32 bits: 49 days


def event_id(event: CloudEvent) -> str:
    """Source and id together, which say which event it is (CloudEvents 1.0 §2.3.1).

    No source has a space in it. Where both are longer than a message-id may be, it is a digest.
    """
    name = f"{event.source} {event.id}"
    if len(name) <= ID_CHARACTERS_MAX:
        return name
    return "sha256:" + sha256(name.encode()).hexdigest()


def time_to_live(event: CloudEvent, now: UnixMs) -> int | None:
    """Until its `expirytime`, in milliseconds; None: for ever, or longer than AMQP can say."""
    text = event.text("expirytime")
    if text is None:
        return None
    if not is_timestamp(text):
        raise InvalidEvent("expirytime", "no Timestamp; allowed is RFC 3339")
    at = instant(text)
    if at is None:
        raise InvalidEvent("expirytime", "outside of the years 1 to 9999")
    left = at[0] * 1000 + at[1] // 1_000_000 - now
    if left <= 0:
        raise InvalidEvent("expirytime", "over; the event has expired before it came")
    return left if left <= TTL_MS_MAX else None


def shorter(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
