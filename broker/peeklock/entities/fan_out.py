"""Copies of a topic's messages for the subscriptions that take them: the facts of one append.

The first copy of a message brings its bytes, and all that are like it share them. A copy that
an action changes has bytes of its own.
"""

from typing import Final, final

from peeklock.entities.arrivals import Arrivals, Heard, NamedSignal, Stillborn
from peeklock.entities.derivations import Derivations
from peeklock.entities.facts import UNNUMBERED, Fact, Numbered
from peeklock.entities.last_values import Keeping, LastValues, subject_in_tree
from peeklock.entities.lens import Lens
from peeklock.entities.listeners import Audience, how_of, under_of
from peeklock.entities.message_session import check_session_id
from peeklock.entities.queue import Queue
from peeklock.entities.rule import Rule
from peeklock.entities.rule_plan import RulePlan, Taking
from peeklock.entities.submission import (
    AS_THE_TOPIC_SAYS,
    CLEAR,
    KEEP,
    Passage,
    Publication,
    SharedBytes,
    Submission,
)
from peeklock.entities.subscription import Subscription
from peeklock.errors import FilterError, InvalidRequest, QuotaExceeded
from peeklock.filters.subject_path import subject_of
from peeklock.filters.view import PropertyView, SystemProperty
from peeklock.limits import DEAD_LETTER_TEXT_CHARACTERS_MAX
from peeklock.message import NO_TTL, Message
from peeklock.types import NEVER, QueueId, SequenceNumber, SessionId, UnixMs, soonest

NO_SESSION: Final = "Session ID is null."  # Service Bus' words
NO_SESSION_WHY: Final = "the subscription takes messages of a session only: set a group-id"
RULE_FAILED: Final = "FilterEvaluationException"
RULE_NAME: Final = "RuleName"  # on a changed copy: the rule that made it (Service Bus' word)


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
        arrivals: Arrivals,
        last_values: LastValues,
        derivations: Derivations | None,
        *,
        keeps_all: bool,
    ) -> None:
        self._topic_id: Final = topic_id
        self._next_number: Final = next_number
        self._ttl_ms: Final = ttl_ms  # the topic's; 0: none
        self._lens: Final = lens
        self._now: Final = now
        self._arrivals: Final = arrivals
        self._derivations: Final = derivations  # None: the topic has none
        self._load: Final = arrivals.load(topic_id)
        self._numbered_before: Final = self._load.number_count
        self._facts: Final[list[Fact]] = []
        self._last_values: Final = last_values
        self._keeps_all: Final = keeps_all
        self._copy_count = 0
        self._view: PropertyView | None = None  # of the message that is added next
        self.size_bytes = 0  # of all copies, and what last values grow by

    @property
    def _own_number(self) -> SequenceNumber:
        """Of the message that is added next, if it gets one."""
        return SequenceNumber(self._next_number + self._load.number_count)

    def view_of(self, message: Message) -> PropertyView:
        """Of the message that is added next: one for all who look at it, if anybody does."""
        view = self._view
        if view is None:
            view = self._lens.view(message, self._now, self._own_number, 0)
            self._view = view
        return view

    def add(
        self, given: Submission, plan: RulePlan, audience: Audience | None, *, number: bool
    ) -> None:
        """One message, for whom `plan` says. It is numbered if anybody takes it, or `number`.

        So it is if it is kept as a last value. `audience` listens, too; None: nobody does.
        Raises what those say that take it: `MessageTooLarge`, say.
        """
        own_number = self._own_number
        copy = self._copy_of(given, own_number)
        before = self._copy_count
        for subscription in plan.always:
            self._take(copy, subscription)
        if plan.looks:
            view = self.view_of(given.message)
            for taking in plan.takings(view):
                self._obey(copy, view, taking)
        if audience is not None:
            self._tell(copy, audience, given.publication)
        is_kept = False
        if self._keeps_all or given.last_value != AS_THE_TOPIC_SAYS:
            is_kept = self._keep(given, copy, own_number)
        is_derived = False
        if self._derivations is not None:
            view = self.view_of(given.message)
            derived = self._derivations.take(
                copy, view, own_number, subject_of(view), self._now, self._arrivals
            )
            self._facts.extend(derived)
            is_derived = bool(derived)
        if number or is_kept or is_derived or self._copy_count > before:
            self._load.number()
        self._view = None

    def _tell(
        self, given: Submission, audience: Audience, publication: Publication | None
    ) -> None:
        """Each as its hearing says [MQTT-4.5.0-1]. Who has no room loses the message: its
        publisher is not held up by it. What is scheduled cannot be told yet, so it is for those
        who store it.
        """
        signal: NamedSignal | None = None
        for hearing in audience.hearings:
            queue = hearing.listener.queue
            if queue is not None and hearing.is_stored:
                if self._has_place(queue, given.message.size):
                    under = SessionId(under_of(audience.topic_name, hearing))
                    how = how_of(hearing)
                    self._facts.append(
                        queue.take_signal(given, under, how, self._now, self._arrivals)
                    )
                    self._copy_count += 1
                else:
                    self._arrivals.turn_away(queue.tally)
            elif given.not_before <= self._now:
                if signal is None:
                    publish = None if publication is None else publication.publish
                    signal = self._signal_of(given, audience.topic_name, publish)
                self._arrivals.heard.append(Heard(signal, hearing))

    def _signal_of(self, given: Submission, topic_name: str, publish: object) -> NamedSignal:
        message = given.message
        passage = given.passage
        assert passage is not None
        expires_at = passage.expires_at
        if message.ttl_ms != NO_TTL:
            expires_at = soonest(expires_at, UnixMs(self._now + max(message.ttl_ms, 1)))
        return NamedSignal(topic_name, message, self._now, expires_at, publish)

    def _has_place(self, queue: Queue, size: int) -> bool:
        """Oldest ones that are not under way give way."""
        load = self._arrivals.load(queue.queue_id)
        try:
            queue.room_for(load.size_bytes + size, load.count + 1)
        except QuotaExceeded:
            return False
        return True

    def facts(self) -> list[Fact]:
        """All copies; the caller asks their queues for room."""
        count = self._load.number_count
        if count == self._numbered_before:
            return self._facts
        next_number = SequenceNumber(self._next_number + count)
        return [*self._facts, Numbered(self._topic_id, next_number)]

    def _copy_of(self, given: Submission, number: SequenceNumber) -> Submission:
        """The message as it leaves the topic: all of its copies are this one."""
        before = given.passage or Passage(SharedBytes())
        start = max(self._now, given.not_before)
        ttl = self._ttl_ms
        passage = Passage(
            before.bytes,
            before.source_number or number,
            soonest(before.expires_at, UnixMs(start + ttl) if ttl else NEVER),
            before.hop_count,
            before.body_at,
            before.origin,
        )
        return Submission(
            given.message, given.not_before, given.message_id, given.session_id, passage
        )

    # ---- the last value

    def _keep(self, given: Submission, copy: Submission, number: SequenceNumber) -> bool:
        """Says whether it is kept. What is scheduled is not: it is not so yet; nor is a dead
        letter, which is no news of its subject."""
        passage = copy.passage
        assert passage is not None
        if passage.origin is not None:
            return False
        if given.not_before > self._now:
            if given.last_value == KEEP:
                raise InvalidRequest("a signal that is scheduled cannot be kept as last value")
            return False
        view = self.view_of(given.message)
        subject = subject_in_tree(view, is_named=given.publication is not None)
        keeping = self._load.keeping
        if keeping is None:
            keeping = Keeping()
            self._load.keeping = keeping
        before_bytes = keeping.size_bytes
        if given.last_value == CLEAR:
            self._facts.extend(self._last_values.clear(subject, keeping))
        else:
            self._facts.append(
                self._last_values.keep(copy, passage, subject, number, self._now, keeping)
            )
        self.size_bytes += keeping.size_bytes - before_bytes
        return given.last_value != CLEAR

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
            if self._take(changed, subscription):
                assert given.passage is not None
                given.passage.bytes.is_taken = True  # it, changed
        if taking.errors and subscription.queue.settings.dead_letter_on_filter_error:
            why = "; ".join(taking.errors)[:DEAD_LETTER_TEXT_CHARACTERS_MAX]
            self._dead_letter(given, subscription, RULE_FAILED, why)

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
        passage = given.passage
        assert passage is not None
        own = Passage(  # with bytes of its own
            SharedBytes(),
            passage.source_number,
            passage.expires_at,
            passage.hop_count,
            origin=passage.origin,
        )
        return Submission(message, given.not_before, given.message_id, session_id, own)

    def _take(self, given: Submission, subscription: Subscription) -> bool:
        """Says whether there is a copy, in the queue or among its dead letters."""
        queue = subscription.queue
        if not queue.takes:
            return False
        size = given.message.size
        if queue.settings.requires_session:
            if given.session_id is None:
                self._dead_letter(given, subscription, NO_SESSION, NO_SESSION_WHY)
                return True
            check_session_id(given.session_id)
        if queue.forwards:
            self._facts.extend(queue.send_all([given], self._now, self._arrivals))
        else:
            self._facts.append(queue.take_copy(given, self._now, self._arrivals))
        self._count(size)
        return True

    def _dead_letter(
        self, given: Submission, subscription: Subscription, reason: str, description: str
    ) -> None:
        """Straight to the subscription's dead letters: it has never been in its queue."""
        queue_id = subscription.queue.queue_id
        dead = Stillborn(queue_id, UNNUMBERED, given, reason, description)
        self._arrivals.stillborn.append(dead)
        self._count(given.message.size)

    def _count(self, size: int) -> None:
        self._copy_count += 1
        self.size_bytes += size
