"""The rules of a topic's subscriptions, arranged for finding those that take a message.

Subscriptions that take everything are known beforehand. Correlation filters are found by one
of their conditions: a look at that property leads to those that want its value, however many
others there are. What is left, SQL and the like, is asked one filter after the other, filters
with the same text once.
"""

from decimal import Decimal
from typing import Final, TypeAlias, final

from peeklock.entities.rule import Rule
from peeklock.entities.subscription import Subscription
from peeklock.errors import FilterError
from peeklock.filters.correlation import CorrelationFilter
from peeklock.filters.filter import FalseFilter, Filter, TrueFilter
from peeklock.filters.values import Value
from peeklock.filters.view import PropertyView, SystemProperty
from peeklock.types import QueueId

Property: TypeAlias = SystemProperty | str  # the message's own, or an application property
Key: TypeAlias = str | int | float  # what buckets are found by: equal values have equal hashes
# A decimal beyond this equals no whole number that a filter can say.
WHOLE_MAX: Final = 1 << 64


@final
class Taking:
    """What the rules of one subscription say of one message, beside "always"."""

    __slots__ = ("errors", "is_plain", "rules", "subscription")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription: Final = subscription
        self.is_plain = False  # rules without an action take it: one copy, as it came
        self.rules: Final[list[Rule]] = []  # those with an action: a changed copy each
        self.errors: Final[list[str]] = []  # of rules that failed on it


@final
class Place:
    """A rule, and whose it is."""

    __slots__ = ("rule", "subscription")

    def __init__(self, subscription: Subscription, rule: Rule) -> None:
        self.subscription: Final = subscription
        self.rule: Final = rule


@final
class RulePlan:
    """Made anew when a rule or subscription comes or goes; that is rare, messages are not."""

    def __init__(self, subscriptions: list[Subscription]) -> None:
        self.wants_identity: Final = any(one.queue.wants_identity for one in subscriptions)
        self.always: Final = [one for one in subscriptions if takes_all(one)]
        self._buckets: Final[dict[Property, dict[Key, list[Place]]]] = {}
        self._scanned: Final[dict[Filter, list[Place]]] = {}
        for subscription in subscriptions:
            is_sure = takes_all(subscription)
            for rule in subscription.rules.values():
                if isinstance(rule.filter, FalseFilter) or (is_sure and rule.action is None):
                    continue
                self._add(Place(subscription, rule))

    def _add(self, place: Place) -> None:
        wanted = place.rule.filter
        if isinstance(wanted, CorrelationFilter):
            where = self._best_bucket(wanted)
            if where is not None:
                bucket = self._buckets.setdefault(where[0], {}).setdefault(where[1], [])
                bucket.append(place)
                return
        self._scanned.setdefault(wanted, []).append(place)

    def _best_bucket(self, wanted: CorrelationFilter) -> tuple[Property, Key] | None:
        """By which of its conditions the fewest others are found, too; None: by none."""
        best: tuple[Property, Key] | None = None
        least = 0
        for name, key in conditions_of(wanted):
            buckets = self._buckets.get(name)
            # A property that nobody looks at yet costs every message one look more.
            cost = 1 if buckets is None else 2 * len(buckets.get(key, []))
            if best is None or cost < least:
                best = (name, key)
                least = cost
        return best

    @property
    def looks(self) -> bool:
        """Does anything here have to look at a message?"""
        return bool(self._buckets or self._scanned)

    def takings(self, view: PropertyView) -> list[Taking]:
        """What other rules say than those of `always`; subscriptions that take nothing, and
        where nothing failed, are left out."""
        found: dict[QueueId, Taking] = {}
        for name, buckets in self._buckets.items():
            key = key_of(property_of(view, name))
            if key is None:
                continue
            for place in buckets.get(key, []):
                if place.rule.filter.matches(view):
                    note(found, place)
        for wanted, places in self._scanned.items():
            try:
                if not wanted.matches(view):
                    continue
            except FilterError as error:
                for place in places:
                    name_of_rule = place.rule.settings.name
                    taking(found, place).errors.append(f"rule {name_of_rule!r}: {error}")
                continue
            for place in places:
                note(found, place)
        return list(found.values())


def takes_all(subscription: Subscription) -> bool:
    """By a rule that takes everything as it is."""
    for rule in subscription.rules.values():
        if isinstance(rule.filter, TrueFilter) and rule.action is None:
            return True
    return False


def conditions_of(wanted: CorrelationFilter) -> list[tuple[Property, Key]]:
    """Those of its conditions by which it can be found.

    Not doubles: a decimal that says the same has another hash.
    """
    found: list[tuple[Property, Key]] = []
    for which, text in wanted.system:
        found.append((which, text))
    for name, value in wanted.user:
        if isinstance(value, (str, int)):
            found.append((name, value))
    return found


def property_of(view: PropertyView, name: Property) -> Value:
    if isinstance(name, SystemProperty):
        return view.system(name)
    return view.user_any_case(name)


def key_of(value: Value) -> Key | None:
    """What a message's value is found by; None for one that no bucket can be for.

    Too much may be found, as `True` with 1: the filter itself is asked afterwards.
    """
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Decimal) and value.is_finite() and -WHOLE_MAX < value < WHOLE_MAX:
        whole = int(value)
        return whole if whole == value else None
    return None


def taking(found: dict[QueueId, Taking], place: Place) -> Taking:
    queue_id = place.subscription.queue.queue_id
    one = found.get(queue_id)
    if one is None:
        one = Taking(place.subscription)
        found[queue_id] = one
    return one


def note(found: dict[QueueId, Taking], place: Place) -> None:
    """This rule takes the message."""
    one = taking(found, place)
    if place.rule.action is None:
        one.is_plain = True
    else:
        one.rules.append(place.rule)
