"""A receiver of a message session, on the wire: Service Bus' filter and link properties.

The source's filter `com.microsoft:session-filter` names the session, or is null for the next
free one. The attach is answered when there is one, with its id in that filter.
"""

from dataclasses import dataclass
from typing import Final

from peeklock.errors import InvalidRequest
from peeklock.limits import DURATION_MAX, SESSION_PATIENCE_DEFAULT
from peeklock.protocols.amqp10.link import SenderLink
from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import AmqpValue, Described, Symbol
from peeklock.types import Millis, SessionId, UnixMs

SESSION_FILTER: Final = Symbol("com.microsoft:session-filter")
LOCKED_UNTIL_UTC: Final = Symbol("com.microsoft:locked-until-utc")
TIMEOUT: Final = "com.microsoft:timeout"
# .NET counts ticks of 100 ns since the year 1.
TICKS_AT_UNIX_EPOCH: Final = 621_355_968_000_000_000
TICKS_PER_MS: Final = 10_000


@dataclass(frozen=True)
class SessionWish:
    """What an attach asks for."""

    session_id: SessionId | None  # None: the next free one
    patience: Millis  # how long it may take


def session_wish(link: SenderLink) -> SessionWish | None:
    """The session that a receiver wants; None when it wants none. Raises `InvalidRequest`."""
    filters = link.source.filter if link.source is not None else None
    if filters is None or SESSION_FILTER not in filters:
        return None
    wanted = plain(filters[SESSION_FILTER])
    if wanted is None:
        return SessionWish(None, patience_of(link))
    if not isinstance(wanted, str):
        raise InvalidRequest(f"{SESSION_FILTER} is a string or null, not {wanted!r}")
    return SessionWish(SessionId(str(wanted)), patience_of(link))


def patience_of(link: SenderLink) -> Millis:
    attach = link.remote_attach
    properties = (attach.properties if attach is not None else None) or {}
    given = properties.get(TIMEOUT)
    if given is None:
        return SESSION_PATIENCE_DEFAULT
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise InvalidRequest(f"{TIMEOUT} is a number of milliseconds, not {given!r}")
    return Millis(min(int(given), DURATION_MAX))


def granted_filter(link: SenderLink, session_id: SessionId) -> AmqpMap:
    """The session that it has, in the form in which it was asked for."""
    filters = link.source.filter if link.source is not None else None
    asked = (filters or {}).get(SESSION_FILTER)
    text = str(session_id)
    if isinstance(asked, Described):
        return {SESSION_FILTER: Described(asked.descriptor, text)}
    return {SESSION_FILTER: text}


def granted_properties(locked_until: UnixMs) -> AmqpMap:
    return {LOCKED_UNTIL_UTC: TICKS_AT_UNIX_EPOCH + locked_until * TICKS_PER_MS}


def plain(value: AmqpValue) -> AmqpValue:
    """A filter's value; some clients describe it, as §3.5.8 wants filters to be."""
    return value.value if isinstance(value, Described) else value
