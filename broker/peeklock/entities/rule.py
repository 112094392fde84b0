"""A rule in force: what its author wrote, and what was made of it, once."""

from typing import Final, final

from peeklock.entities.settings import RuleSettings
from peeklock.errors import FilterError, InvalidFilter
from peeklock.filters.actions import Action, sql_action
from peeklock.filters.filter import Filter, rule_filter
from peeklock.filters.view import PropertyView
from peeklock.types import UnixMs


@final
class UnusableFilter:
    """Of a rule that this version cannot read: an older or newer one has written it.

    Recovery must not stop at it, nor may messages be lost by it: it fails on every message, and
    the subscription's settings say what becomes of those.
    """

    def __init__(self, why: str) -> None:
        self._why: Final = why

    def matches(self, view: PropertyView) -> bool:
        raise FilterError(self._why)


@final
class Rule:
    """One rule of a subscription."""

    __slots__ = ("action", "created_at", "filter", "settings")

    def __init__(self, settings: RuleSettings, created_at: UnixMs) -> None:
        self.settings: Final = settings
        self.created_at: Final = created_at
        self.filter: Filter
        self.action: Action | None = None  # None: the copy is the message as it came
        try:
            self.filter = filter_of(settings)
            self.action = action_of(settings)
        except InvalidFilter as error:
            self.filter = UnusableFilter(str(error))


def filter_of(settings: RuleSettings) -> Filter:
    """Raises `InvalidFilter`."""
    return rule_filter(
        settings.kind, settings.expression, settings.properties, dict(settings.parameters)
    )


def action_of(settings: RuleSettings) -> Action | None:
    """Raises `InvalidFilter`."""
    if not settings.action:
        return None
    return sql_action(settings.action, dict(settings.action_parameters))
