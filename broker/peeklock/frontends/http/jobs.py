"""Jobs over HTTP: what a request asks of an entity, as the engine's verbs."""

from collections.abc import Mapping
from typing import Final

from peeklock.engine.engine import Engine
from peeklock.entities.address import Address
from peeklock.entities.dispositions import (
    ABANDON,
    DEFER,
    RELEASE,
    Disposition,
    Verdict,
)
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, LockLost, NotAllowed, ProtocolViolation
from peeklock.frontends.amqp_nodes import find_queue
from peeklock.frontends.amqp_outcomes import cut
from peeklock.frontends.amqp_view import as_text
from peeklock.frontends.http.broker_properties import read_token
from peeklock.limits import DURATION_MAX
from peeklock.protocols.amqp10.sections import read_properties
from peeklock.security.principal import Principal
from peeklock.security.rights import Right
from peeklock.store.journal import MessageDamaged
from peeklock.types import BY_TIME, EntityPath, LockToken, Millis, SequenceNumber, UnixMs

DISPOSITIONS: Final = "abandon, release, defer and dead-letter"
NUMBER_DIGITS_MAX: Final = 18


class Jobs:
    """Finds entities and settles messages; raises `BrokerError`.

    What it has changed may not be durable yet.
    """

    def __init__(self, engine: Engine, *, creates_queues: bool) -> None:
        """`creates_queues`: of `--dev`, where an unknown queue is made when it is used."""
        self.engine: Final = engine
        self._creates_queues: Final = creates_queues

    # ---- entities

    def to_send_to(self, principal: Principal, path: str, now: UnixMs) -> Queue | Topic:
        principal.require(Right.SEND, path)
        namespace = self.engine.namespace
        if namespace.has_topic(path):
            topic = namespace.find_topic(path)
            topic.check_taking()
            return topic
        queue = self._queue(path, now)
        owner = namespace.subscription_of(queue)
        if owner is not None:
            raise NotAllowed(
                f"a subscription takes from its topic alone: send to {owner[0].path!r}"
            )
        queue.check_taking()
        return queue

    def to_receive_from(self, principal: Principal, path: str, now: UnixMs) -> Queue:
        """Also the entity whose messages are to be settled."""
        principal.require(Right.LISTEN, path)
        if self.engine.namespace.has_topic(path):
            raise NotAllowed(
                f"a topic hands nothing out: receive from {path}/subscriptions/<name>"
            )
        return self._queue(path, now)

    def to_follow(self, principal: Principal, path: str) -> Topic:
        """Whose messages are wanted live, as they come."""
        principal.require(Right.LISTEN, path)
        namespace = self.engine.namespace
        if not namespace.has_topic(path):
            queue = namespace.find(path)
            raise NotAllowed(f"{queue.path!r} is no topic: only a topic's events are streamed")
        return namespace.find_topic(path)

    def _queue(self, path: str, now: UnixMs) -> Queue:
        address = Address(EntityPath(path))
        return find_queue(self.engine, address, path, now, creates=self._creates_queues)

    # ---- locked messages

    def settle(
        self, queue: Queue, which: str, token: str, disposition: Disposition, now: UnixMs
    ) -> None:
        """Of the message with this number or message-id; raises `LockLost`."""
        held = self._held(queue, which, token, now)
        self.engine.settle_tokens(queue, [held], disposition, now)

    def renew(self, queue: Queue, which: str, token: str, now: UnixMs) -> UnixMs:
        """Until when its lock is now."""
        (until,) = self.engine.renew(queue, [self._held(queue, which, token, now)], now)
        return until

    def release(self, queue: Queue, token: LockToken, now: UnixMs) -> None:
        """It was handed to somebody who has gone: free at once, and no attempt is counted."""
        try:
            self.engine.settle_tokens(queue, [token], RELEASE, now)
        except LockLost:
            return  # its time was over anyway

    def lock_deferred(self, queue: Queue, number: str, now: UnixMs) -> Entry:
        """A deferred message, by its number, under a lock that ends by time."""
        wanted = number_in(number)
        if wanted is None:
            raise InvalidRequest(f"{number[:80]!r} is no sequence number")
        (entry,) = self.engine.receive_deferred(
            queue, [wanted], now, delete=False, link_id=BY_TIME
        )
        return entry

    def _held(self, queue: Queue, which: str, token: str, now: UnixMs) -> LockToken:
        """The token, if it holds the message that `which` names."""
        given = read_token(token)
        if given is None:
            raise InvalidRequest(f"{token[:80]!r} is no lock token: a GUID, as it was told")
        number = queue.held_by(given, now)
        if number_in(which) != number and self._message_id(queue.entries[number]) != which:
            raise InvalidRequest(
                f"the lock token is that of message {number}, not of {which!r}"
            )
        return given

    def _message_id(self, entry: Entry) -> str | None:
        try:
            found = read_properties(self.engine.message_of(entry).bare)
        except (MessageDamaged, ProtocolViolation):
            return None  # it has none that anybody could know
        return None if found is None else as_text(found.message_id)


def number_in(text: str) -> SequenceNumber | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX
    return SequenceNumber(int(text)) if is_number else None


def disposition_in(query: Mapping[str, str], now: UnixMs) -> Disposition:
    """What a PUT of a locked message asks for: `disposition`, and what belongs to it.

    Without one it is Service Bus' Unlock: abandon. `delay` is in seconds.
    """
    wanted = query.get("disposition", "abandon")
    if "delay" in query and wanted != "abandon":
        raise InvalidRequest("a delay is for disposition=abandon alone")
    if wanted == "abandon":
        if "delay" not in query:
            return ABANDON
        delay = seconds_in(query, "delay", Millis(0), DURATION_MAX)
        return Disposition(Verdict.ABANDON, not_before=UnixMs(now + delay))
    if wanted == "release":
        return RELEASE
    if wanted == "defer":
        return DEFER
    if wanted == "dead-letter":
        return Disposition(
            Verdict.DEAD_LETTER,
            reason=cut(query.get("reason", "")),
            description=cut(query.get("description", "")),
        )
    raise InvalidRequest(f"disposition is {wanted[:40]!r}; there are {DISPOSITIONS}")


def seconds_in(query: Mapping[str, str], name: str, default: Millis, most: Millis) -> Millis:
    """A duration in whole seconds, as milliseconds."""
    text = query.get(name)
    if text is None:
        return default
    longest = most // 1000
    if number_in(text) is None or int(text) > longest:
        raise InvalidRequest(
            f"{name} is {text[:40]!r}; allowed are whole seconds from 0 to {longest}"
        )
    return Millis(int(text) * 1000)
