"""A subscription: named rules, and a queue of its own for what they take."""

from typing import Final, final

from peeklock.entities.address import rule_path
from peeklock.entities.facts import Fact, RuleCreated, RuleDeleted
from peeklock.entities.queue import Queue
from peeklock.entities.rule import Rule, action_of, filter_of
from peeklock.entities.settings import RuleSettings
from peeklock.errors import AlreadyExists, InvalidFilter, InvalidRequest, NotFound
from peeklock.limits import RULE_NAME_CHARACTERS_MAX
from peeklock.types import UnixMs

DEFAULT_RULE: Final = "$Default"  # what a subscription has when nobody gave it another


@final
class Subscription:
    """Rules over a queue. The queue's settings are the subscription's."""

    def __init__(self, name: str, queue: Queue) -> None:
        self.name: Final = name
        self.queue: Final = queue
        self.rules: Final[dict[str, Rule]] = {}  # by name in lower case, in order of creation

    # ---- verbs

    def add_rule(self, rule: RuleSettings, now: UnixMs) -> list[Fact]:
        """One more rule; raises `AlreadyExists`, `InvalidRequest`, `InvalidFilter`."""
        if rule.name.casefold() in self.rules:
            raise AlreadyExists(rule_path(self.queue.path, rule.name))
        check_rule(rule)
        return [RuleCreated(self.queue.queue_id, rule, now)]

    def update_rule(self, rule: RuleSettings) -> list[Fact]:
        """Another filter or action under a name that is there.

        It stays as old as it is. Raises `NotFound`, `InvalidFilter`.
        """
        before = self.find_rule(rule.name)
        check_rule(rule)
        return [RuleCreated(self.queue.queue_id, rule, before.created_at)]

    def remove_rule(self, name: str) -> list[Fact]:
        """One rule less; raises `NotFound`. Without rules a subscription takes nothing."""
        return [RuleDeleted(self.queue.queue_id, self.find_rule(name).settings.name)]

    # ---- looks

    def find_rule(self, name: str) -> Rule:
        rule = self.rules.get(name.casefold())
        if rule is None:
            raise NotFound(rule_path(self.queue.path, name))
        return rule

    # ---- obedience

    def apply(self, fact: RuleCreated | RuleDeleted) -> None:
        if isinstance(fact, RuleCreated):
            self.rules[fact.rule.name.casefold()] = Rule(fact.rule, fact.created_at)
        else:
            self.rules.pop(fact.name.casefold(), None)


def check_rule(rule: RuleSettings) -> None:
    """Refuse what is no rule: raises `InvalidRequest`, `InvalidFilter`."""
    if not 0 < len(rule.name) <= RULE_NAME_CHARACTERS_MAX:
        raise InvalidRequest(
            f"a rule's name has 1 to {RULE_NAME_CHARACTERS_MAX} characters, "
            f"not {len(rule.name)}"
        )
    what = "filter"
    try:
        filter_of(rule)
        what = "action"
        action_of(rule)
    except InvalidFilter as error:
        raise in_rule(error, what, rule.name) from None


def in_rule(error: InvalidFilter, what: str, name: str) -> InvalidFilter:
    """The same, with the rule that has it."""
    told = f"{error.what} (the {what} of rule {name!r})"
    return InvalidFilter(told, error.line, error.column, error.expected, error.path)
