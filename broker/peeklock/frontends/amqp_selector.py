"""A receiver's selector: the one filter of a source's filter-set (§3.5.8) that we apply."""

from typing import Final

from peeklock.errors import InvalidFilter
from peeklock.filters.filter import Filter, selector
from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import AmqpValue, Described

# apache.org's registered filter, by either of its descriptors; clients choose the map's key.
SELECTOR: Final = "apache.org:selector-filter:string"
SELECTOR_CODE: Final = 0x0000_468C_0000_0004


def selector_of(filters: AmqpMap | None) -> tuple[AmqpValue, Filter] | None:
    """The selector with its key, by which the answer tells that it is in force.

    None when there is none. Raises `InvalidFilter` for one that is no selector, and for two.
    """
    found: list[tuple[AmqpValue, Filter]] = []
    for key, value in (filters or {}).items():
        if isinstance(value, Described) and is_selector(value.descriptor):
            if not isinstance(value.value, str):
                raise InvalidFilter(f"a selector is a string, not {value.value!r}")
            found.append((key, selector(str(value.value))))
    if len(found) > 1:
        raise InvalidFilter(f"{len(found)} selectors; a receiver has one")
    return found[0] if found else None


def is_selector(descriptor: AmqpValue) -> bool:
    return descriptor == SELECTOR or descriptor == SELECTOR_CODE
