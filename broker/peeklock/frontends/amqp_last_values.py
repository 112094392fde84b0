"""A topic's last values over its own `$management` node, at any level of its tree.

`peeklock:last-values` looks at one slice, and says by `after` where the next one goes on;
`peeklock:clear-last-value` keeps nothing for a subject any more.
"""

from collections.abc import Callable
from typing import Final, final

from peeklock.engine.dispatch import within_bytes
from peeklock.engine.engine import Engine
from peeklock.entities.last_values import LastValue
from peeklock.entities.ranges import within
from peeklock.entities.subject_tree import check_subject, filter_below, levels_of
from peeklock.entities.topic import Topic
from peeklock.entities.topic_filter import has_wildcard
from peeklock.errors import EntityDisabled, InvalidRequest, NotAllowed
from peeklock.filters.filter import Filter
from peeklock.frontends.amqp_message import peeked_payload
from peeklock.frontends.amqp_request import Reply, Request, Result
from peeklock.frontends.last_events import filter_from, passes
from peeklock.limits import LAST_VALUES_PAGE_MAX, LAST_VALUES_SLICE, PEEK_BYTES_MAX
from peeklock.security.rights import Right
from peeklock.store.journal import MessageDamaged

COUNT: Final = "message-count"
AFTER: Final = "after"


@final
class LastValueOperations:
    """Each is about the topic that the node is of."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def by_name(self) -> dict[str, Callable[[Request, Reply], None]]:
        return {
            "peeklock:last-values": self._look,
            "peeklock:clear-last-value": self._clear,
        }

    def _look(self, request: Request, reply: Reply) -> None:
        """A slice of what is kept for a `path`: a subject with all below it, or a topic filter.

        In the order of the subjects. Those that pass the `filter` are told, which is in the
        `dialect`; `after` is missing behind the last slice.
        """
        topic = topic_of(request, Right.LISTEN)
        if not topic.settings.status.receives:
            raise EntityDisabled(f"{topic.path!r} is {topic.settings.status}: it tells nothing")
        text = request.text("filter", "")
        wanted = filter_from(text or None, request.text("dialect", "cesql"))
        count = request.whole(COUNT, LAST_VALUES_SLICE)
        within(COUNT, count, 1, LAST_VALUES_PAGE_MAX)
        page = self._engine.last_values.page(
            topic,
            filter_below(request.text("path", "")),
            request.now,
            levels_in(request),
            count_max=min(count, LAST_VALUES_SLICE),
        )
        fitting = len(within_bytes([value.entry for value in page.values], PEEK_BYTES_MAX))
        values = page.values[:fitting]
        after = page.after
        if fitting < len(page.values):
            after = levels_of(values[-1].subject)
        if after is not None:
            reply.result = {AFTER: list(after)}
        reply.messages = lambda: self._read(topic, values, wanted)

    def _read(
        self, topic: Topic, values: list[LastValue], wanted: Filter | None
    ) -> list[Result]:
        """Those that can be read, and pass; what is damaged is given up."""
        engine = self._engine
        results: list[Result] = []
        for value in values:
            try:
                message = engine.message_of(value.entry)
            except MessageDamaged:
                engine.last_values.give_up(topic, value)
                continue
            if wanted is None or passes(wanted, topic, (value, message), engine.namespace.lens):
                told = peeked_payload(value.entry, message)
                results.append({"subject": value.subject, "message": told})
        return results

    def _clear(self, request: Request, reply: Reply) -> None:
        topic = topic_of(request, Right.SEND)
        subject = request.text("subject", "")
        if not subject or has_wildcard(subject):
            raise InvalidRequest(f"{subject[:80]!r} is no single subject, whose value can go")
        check_subject(subject)
        self._engine.last_values.clear(topic, [subject])


def topic_of(request: Request, right: Right) -> Topic:
    """Raises `NotAllowed`, `Unauthorized`."""
    topic = request.node.topic
    if topic is None:
        raise NotAllowed(f"{request.queue.path!r} is no topic: those keep last values")
    request.principal.require(right, topic.path)
    return topic


def levels_in(request: Request) -> list[str] | None:
    """Where the slice before ended, as it has told."""
    if request.arguments.get(AFTER) is None:
        return None
    levels: list[str] = []
    for level in request.values(AFTER):
        if not isinstance(level, str):
            raise InvalidRequest(f"{request.operation}: {AFTER} has {level!r} in it")
        levels.append(str(level))
    return levels
