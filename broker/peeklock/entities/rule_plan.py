"""The rules of a topic's subscriptions, arranged for finding those that take a message."""

from typing import Final, final

from peeklock.entities.subscription import Subscription


@final
class RulePlan:
    """Made anew when a rule or subscription comes or goes; that is rare, messages are not."""

    def __init__(self, subscriptions: list[Subscription]) -> None:
        self.wants_session: Final = any(
            one.queue.settings.requires_session for one in subscriptions
        )
        self._always: Final = [one for one in subscriptions if takes_all(one)]

    def takers(self) -> list[Subscription]:
        """The subscriptions that take a message."""
        return self._always


def takes_all(subscription: Subscription) -> bool:
    return any(rule.settings.kind == "true" for rule in subscription.rules.values())
