"""Verbs about last values; MQTT calls them retained messages.

Keeping one is no verb of its own: it is part of sending, and of the same append.

    given = Submission(message, last_value=KEEP)  # CLEAR for MQTT's empty retained payload
    engine.send(peer, link, delivery_id, topic, given, now, settled=False)

Who comes later asks, and sends what is there on, page by page, each in a turn of its own:

    page = engine.last_values.page(topic, "41/+", now)
    for value in page.values:  # in the order of their subjects
        message = engine.message_of(value.entry)  # `MessageDamaged`: then `give_up` it
        ...  # value.subject, value.entry.expires_at, value.entry.number
    if page.after is not None:
        page = engine.last_values.page(topic, "41/+", now, page.after)

What a page shows may not be durable yet; an answer waits in the outbox for the journal's end.
"""

from collections.abc import Callable
from typing import Final, final

from peeklock.entities.facts import Cause, Fact, LastValueCleared
from peeklock.entities.last_values import LastValue, LastValuePage
from peeklock.entities.namespace import Namespace
from peeklock.entities.subject_tree import Subject
from peeklock.entities.topic import Topic
from peeklock.limits import LAST_VALUES_PAGE_MAX
from peeklock.types import Lsn, UnixMs


@final
class LastValueDesk:
    """The engine's, as `Engine.last_values`."""

    def __init__(self, namespace: Namespace, commit: Callable[[list[Fact]], Lsn]) -> None:
        self._namespace: Final = namespace
        self._commit: Final = commit

    def find(self, topic: Topic, subject: Subject, now: UnixMs) -> LastValue | None:
        """What is kept for exactly this subject; None of it: for signals without one."""
        return topic.last_values.find(subject, now)

    def page(
        self,
        topic: Topic,
        topic_filter: str,
        now: UnixMs,
        after: list[str] | None = None,
        *,
        count_max: int = LAST_VALUES_PAGE_MAX,
        is_root: bool = False,
    ) -> LastValuePage:
        """What is kept for subjects that match an MQTT topic filter, in their order.

        `topic_filter` is about subjects: without the topic's name. `is_root`: the subjects of
        this topic are whole topic names, and `$` in front of them means what MQTT says. There
        may be more than the page has, if it says `after`. Raises `InvalidRequest`.
        """
        return topic.last_values.page(
            topic_filter, now, after, count_max=count_max, is_root=is_root
        )

    def clear(self, topic: Topic, subjects: list[Subject]) -> Lsn:
        """Nothing is kept for these any more; where nothing was, nothing happens."""
        return self._commit(topic.clear_last_values(subjects))

    def give_up(self, topic: Topic, value: LastValue) -> None:
        """Its bytes are damaged: nobody can have it any more."""
        number = value.entry.number
        if topic.last_values.entries.get(number) is value.entry:
            self._commit([LastValueCleared(topic.topic_id, [number], Cause.DAMAGED)])

    def expire(self, now: UnixMs) -> None:
        """Those whose time is over go, one round a topic."""
        for topic_id in self._namespace.expiring.take(now):
            topic = self._namespace.topics_by_id.get(topic_id)
            if topic is None:
                continue
            facts = topic.last_values.expire(now)
            if facts:
                self._commit(facts)
            topic.last_values.watch()
