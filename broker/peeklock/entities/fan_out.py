"""Copies of a topic's messages for the subscriptions that take them: the facts of one append.

The first copy of a message brings its bytes, and all that are like it share them. A copy that
an action changes has bytes of its own.
"""

from typing import Final, final

from peeklock.entities.facts import UNNUMBERED, Enqueued, Fact, Numbered, Origin
from peeklock.entities.lens import Lens
from peeklock.entities.message_session import check_session_id
from peeklock.entities.queue import Queue
from peeklock.entities.rule import Rule
from peeklock.entities.rule_plan import RulePlan, Taking
from peeklock.entities.submission import Submission
from peeklock.entities.subscription import Subscription
from peeklock.errors import FilterError, MessageTooLarge
from peeklock.filters.view import PropertyView, SystemProperty
from peeklock.limits import DEAD_LETTER_TEXT_CHARACTERS_MAX
from peeklock.types import QueueId, SequenceNumber, SessionId, UnixMs

NO_SESSION: Final = "Session ID is null."  # Service Bus' words
NO_SESSION_WHY: Final = "the subscription takes messages of a session only: set a group-id"
RULE_FAILED: Final = "FilterEvaluationException"
RULE_NAME: Final = "RuleName"  # on a changed copy: the rule that made it (Service Bus' word)


@final
class Load:
    """What comes to one queue."""

    __slots__ = ("count", "queue", "size_bytes")

    def __init__(self, queue: Queue) -> None:
        self.queue: Final = queue
        self.count = 0
        self.size_bytes = 0


@final
class FanOut:
    """Gathers copies, message by message, and gives them out as facts."""

    def __init__(
        self,
        topic_id: QueueId,
        next_number: SequenceNumber,
        ttl_ms: int,
        lens: Lens,
        now: UnixMs,
        arrivals: dict[QueueId, int],
    ) -> None:
        self._topic_id: Final = topic_id
        self._first_number: Final = next_number
        self._number = next_number
        self._ttl_ms: Final = ttl_ms  # the topic's; 0: none
        self._lens: Final = lens
        self._now: Final = now
        self._arrivals: Final = arrivals  # how many the append brings in, by queue
        self._copies: Final[list[Fact]] = []
        self._loads: Final[dict[QueueId, Load]] = {}
        self._first: Enqueued | None = None  # of the message at hand, the copy with its bytes
        self.size_bytes = 0  # of all copies

    def add(self, given: Submission, plan: RulePlan, *, number: bool) -> None:
        """One message, for whom `plan` says. It is numbered if anybody takes it, or `number`.

        Raises `MessageTooLarge`.
        """
        self._first = None
        before = len(self._copies)
        for subscription in plan.always:
            self._take(given, subscription)
        if plan.looks:
            view = self._lens.view(given.message, self._now, self._number, 0)
            for taking in plan.takings(view):
                self._obey(given, view, taking)
        if number or len(self._copies) > before:
            self._number = SequenceNumber(self._number + 1)

    def facts(self) -> list[Fact]:
        """All copies behind what gives way to them; raises `QuotaExceeded`."""
        facts: list[Fact] = []
        for load in self._loads.values():
            facts.extend(load.queue.room_for(load.size_bytes, load.count))
        facts.extend(self._copies)
        if self._number != self._first_number:
            facts.append(Numbered(self._topic_id, self._number))
        return facts

    # ---- one subscription

    def _obey(self, given: Submission, view: PropertyView, taking: Taking) -> None:
        subscription = taking.subscription
        if taking.is_plain:
            self._take(given, subscription)
        for rule in taking.rules:
            try:
                changed = self._changed(given, view, rule)
            except FilterError as error:
                taking.errors.append(f"action of rule {rule.settings.name!r}: {error}")
                continue
            self._take(changed, subscription, is_changed=True)
        if taking.errors and subscription.queue.settings.dead_letter_on_filter_error:
            why = "; ".join(taking.errors)[:DEAD_LETTER_TEXT_CHARACTERS_MAX]
            self._dead_letter(given, subscription, RULE_FAILED, why, is_changed=False)

    def _changed(self, given: Submission, view: PropertyView, rule: Rule) -> Submission:
        """What the rule's action makes of the message; raises `FilterError`."""
        action = rule.action
        assert action is not None
        changes = action.apply(view)
        changes.set_user(RULE_NAME, rule.settings.name)
        session_id = given.session_id
        if SystemProperty.SESSION_ID in changes.system:
            text = changes.system[SystemProperty.SESSION_ID]
            session_id = None if text is None else SessionId(text)
        message = self._lens.changed(given.message, changes)
        return Submission(message, given.not_before, given.message_id, session_id)

    def _take(
        self, given: Submission, subscription: Subscription, *, is_changed: bool = False
    ) -> None:
        queue = subscription.queue
        if not queue.takes:
            return
        size = given.message.size
        if size > queue.settings.max_message_bytes:
            raise MessageTooLarge(size, queue.settings.max_message_bytes)
        if queue.settings.requires_session:
            if given.session_id is None:
                self._dead_letter(given, subscription, NO_SESSION, NO_SESSION_WHY, is_changed)
                return
            check_session_id(given.session_id)
        place = self._place(queue, size)
        shares = None if is_changed else self._first
        copy = queue.take_copy(given, self._now, place, self._ttl_ms, self._number, shares)
        self._keep(copy, is_changed)

    def _dead_letter(
        self,
        given: Submission,
        subscription: Subscription,
        reason: str,
        description: str,
        is_changed: bool,
    ) -> None:
        """Straight to the subscription's dead letters: it has never been in its queue."""
        source = subscription.queue.path
        origin = Origin(source, UNNUMBERED, self._now, reason, description)
        dead_letters = subscription.dead_letters
        place = self._place(dead_letters, given.message.size)
        shares = None if is_changed else self._first
        copy = dead_letters.take_dead_copy(
            given, self._now, place, origin, self._number, shares
        )
        self._keep(copy, is_changed)

    def _place(self, queue: Queue, size: int) -> int:
        """Room for one more; returns which of this append's arrivals it is there, from 0."""
        load = self._loads.get(queue.queue_id)
        if load is None:
            load = Load(queue)
            self._loads[queue.queue_id] = load
        load.count += 1
        load.size_bytes += size
        self.size_bytes += size
        place = self._arrivals.get(queue.queue_id, 0)
        self._arrivals[queue.queue_id] = place + 1
        return place

    def _keep(self, copy: Enqueued, is_changed: bool) -> None:
        self._copies.append(copy)
        if self._first is None and not is_changed:
            self._first = copy
