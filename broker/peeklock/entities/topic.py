"""A topic: it stores nothing; each of its subscriptions takes what its rules say."""

from typing import Final, final

from peeklock.entities.deduplication import Deduplication
from peeklock.entities.facts import MessageIdSeen, Numbered, TopicCreated
from peeklock.entities.settings import TopicSettings
from peeklock.entities.subscription import Subscription
from peeklock.errors import NotFound
from peeklock.types import EntityPath, Millis, QueueId, SequenceNumber, UnixMs


@final
class Topic:
    """Subscriptions by name, and what the topic itself has to remember."""

    def __init__(self, created: TopicCreated) -> None:
        self.topic_id: Final[QueueId] = created.queue_id
        self.path: Final[EntityPath] = created.path
        self.settings: TopicSettings = created.settings
        self.created_at: Final[UnixMs] = created.created_at
        self.subscriptions: Final[dict[str, Subscription]] = {}  # by name in lower case
        self.next_number = SequenceNumber(1)  # of the messages that were sent to it
        self.seen: Final = Deduplication()

    def find(self, name: str) -> Subscription:
        """The subscription with this name, in any case; raises `NotFound`."""
        subscription = self.subscriptions.get(name.casefold())
        if subscription is None:
            raise NotFound(f"{self.path}/Subscriptions/{name}")
        return subscription

    def apply(self, fact: MessageIdSeen | Numbered) -> None:
        if isinstance(fact, Numbered):
            self.next_number = fact.next_number
            return
        self.seen.add(fact.key, fact.at, Millis(self.settings.duplicate_window_ms))
