"""Correlation filters: equality on a few properties, all of which must hold.

The cheap filter that most rules are. Strings compare exactly, numbers, instants and durations
by value; what is not there equals nothing, and values of unlike kinds are not equal: it never
fails on a message.
"""

from collections.abc import Iterable, Mapping
from typing import Final, final

from peeklock.errors import InvalidFilter
from peeklock.filters.comparison import SAME, relation
from peeklock.filters.values import Value, in_utc, shown
from peeklock.filters.view import SYSTEM_PROPERTIES, PropertyView, SystemProperty
from peeklock.limits import CORRELATION_CONDITIONS_MAX

# What a correlation filter may ask for beside application properties (Service Bus' nine
# fields, of which the ninth is those).
CORRELATED: Final = frozenset(
    {
        SystemProperty.CONTENT_TYPE,
        SystemProperty.CORRELATION_ID,
        SystemProperty.LABEL,
        SystemProperty.MESSAGE_ID,
        SystemProperty.REPLY_TO,
        SystemProperty.REPLY_TO_SESSION_ID,
        SystemProperty.SESSION_ID,
        SystemProperty.TO,
    }
)


@final
class CorrelationFilter:
    """Every property named has the value given."""

    __slots__ = ("system", "user")

    def __init__(self, system: Mapping[SystemProperty, str], user: Mapping[str, Value]) -> None:
        """Raises `InvalidFilter` for what could never match, or would always."""
        count = len(system) + len(user)
        if count == 0:
            raise InvalidFilter("a correlation filter names at least one property")
        if count > CORRELATION_CONDITIONS_MAX:
            most = CORRELATION_CONDITIONS_MAX
            raise InvalidFilter(f"{count} properties; a correlation filter has at most {most}")
        for which in system:
            if which not in CORRELATED:
                names = ", ".join(sorted(one.value for one in CORRELATED))
                raise InvalidFilter(f"{which.value} is not correlated; these are: {names}")
        for name in user:
            if user[name] is None:
                raise InvalidFilter(f"{name} is to equal null, which nothing does")
        self.system: Final = list(system.items())
        self.user: Final = [(name, in_utc(value)) for name, value in user.items()]

    def matches(self, view: PropertyView) -> bool:
        for which, text in self.system:
            if view.system(which) != text:
                return False
        for name, wanted in self.user:
            found = view.user_any_case(name)
            if found is None or relation(found, wanted) != SAME:
                return False
        return True


def correlation_filter(properties: Iterable[tuple[str, Value]]) -> CorrelationFilter:
    """By names as rules write them, "sys." before the message's own; raises `InvalidFilter`."""
    system: dict[SystemProperty, str] = {}
    user: dict[str, Value] = {}
    for name, value in properties:
        if not name.lower().startswith("sys."):
            user[name] = value
            continue
        which = SYSTEM_PROPERTIES.get(name[4:].lower())
        if which is None:
            raise InvalidFilter(f"no system property {name}")
        if not isinstance(value, str):
            raise InvalidFilter(f"{name} is compared with a string, not with {shown(value)}")
        system[which] = value
    return CorrelationFilter(system, user)
