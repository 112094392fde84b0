"""What a receiver wants: the one filter of a source's filter-set (§3.5.8) that we apply.

apache.org has registered selectors. For CloudEvents' languages nobody has registered anything,
so that their descriptors begin with our name; there are symbols alone, as numbers are given out
by vendor.
"""

from collections.abc import Callable
from typing import Final

from peeklock.errors import InvalidFilter
from peeklock.filters.event_dialects import event_filters, filters_text
from peeklock.filters.filter import Filter, cesql_filter, path_filter, selector
from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import AmqpValue, Described

# apache.org's registered filter, by either of its descriptors; clients choose the map's key.
SELECTOR: Final = "apache.org:selector-filter:string"
SELECTOR_CODE: Final = 0x0000_468C_0000_0004
CESQL: Final = "peeklock:cesql-filter:string"
PATH: Final = "peeklock:path-filter:string"
# The Subscriptions API's: a list of maps, as in its JSON, or that JSON as a string.
EVENTS: Final = "peeklock:event-filters:list"


def source_filter_of(filters: AmqpMap | None) -> tuple[AmqpValue, Filter] | None:
    """The filter with its key, by which the answer tells that it is in force.

    None when there is none. Raises `InvalidFilter` for one that cannot be used, and for two.
    """
    found: list[tuple[AmqpValue, Filter]] = []
    for key, value in (filters or {}).items():
        if isinstance(value, Described):
            one = filter_in(value)
            if one is not None:
                found.append((key, one))
    if len(found) > 1:
        raise InvalidFilter(f"{len(found)} filters; a receiver has one")
    return found[0] if found else None


def filter_in(described: Described) -> Filter | None:
    """None for a filter that is not ours to apply."""
    value = described.value
    descriptor = described.descriptor
    if not isinstance(descriptor, (str, int)):
        return None
    if descriptor == EVENTS and isinstance(value, list):
        return event_filters(filters_text(value))
    found = ON_TEXTS.get(descriptor)
    if found is None:
        return None
    called, make = found
    if not isinstance(value, str):
        raise InvalidFilter(f"{called} is a string, not {value!r:.80}")
    return make(str(value))


ON_TEXTS: Final[dict[str | int, tuple[str, Callable[[str], Filter]]]] = {
    SELECTOR: ("a selector", selector),
    SELECTOR_CODE: ("a selector", selector),
    CESQL: ("a CESQL expression", cesql_filter),
    PATH: ("a path", path_filter),
    EVENTS: ("a list of event filters", event_filters),
}
