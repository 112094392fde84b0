"""What a receiver wants of what is there: a filter of its source (AMQP 1.0 §3.5.8)."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from peeklock.protocols.amqp10.terminus import AmqpMap
from peeklock.protocols.amqp10.values import Described, Symbol

SELECTOR = Symbol("apache.org:selector-filter:string")
CESQL = Symbol("peeklock:cesql-filter:string")
EVENTS = Symbol("peeklock:event-filters:list")
PATH = Symbol("peeklock:path-filter:string")


@final
class SourceFilter:
    """One that `cesql`, `event_filters` or `subject_path` has made."""

    __slots__ = ("descriptor", "value")

    def __init__(self, descriptor: Symbol, value: object) -> None:
        self.descriptor = descriptor
        self.value = value


def cesql(expression: str) -> SourceFilter:
    """CloudEvents for which a CloudEvents SQL expression is true."""
    return SourceFilter(CESQL, expression)


def event_filters(filters: Sequence[Mapping[str, Any]] | str) -> SourceFilter:
    """CloudEvents that pass all these filters of the CloudEvents Subscriptions API.

    As maps, `{"prefix": {"type": "com.example."}}`, or all of them as JSON.
    """
    return SourceFilter(EVENTS, filters if isinstance(filters, str) else list(filters))


def subject_path(path: str) -> SourceFilter:
    """Messages whose subject is under a path, with MQTT's wildcards: `building/+/floor/#`."""
    return SourceFilter(PATH, path)


def filters_of(selector: str | SourceFilter | None) -> AmqpMap | None:
    """A source's filter-set; a string is a selector of JMS, which apache.org has registered."""
    if selector is None:
        return None
    if isinstance(selector, str):
        selector = SourceFilter(SELECTOR, selector)
    return {Symbol("selector"): Described(selector.descriptor, selector.value)}
