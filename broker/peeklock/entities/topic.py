"""A topic: its subscriptions take what their rules say; of its own it has last values."""

from typing import Final, final

from peeklock.entities.address import subscription_path
from peeklock.entities.arrivals import Arrivals, Signal
from peeklock.entities.conformity import Conformity, UnusableSchema
from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivations import Derivations
from peeklock.entities.due_topics import DueTopics
from peeklock.entities.facts import (
    Cause,
    Fact,
    LastValueCleared,
    LastValueSet,
    MessageIdSeen,
    Numbered,
    Relocated,
    Removed,
    TopicCreated,
    TopicUpdated,
)
from peeklock.entities.fan_out import FanOut
from peeklock.entities.last_values import Keeping, LastValues
from peeklock.entities.lens import Lens
from peeklock.entities.listeners import Audience, Listeners
from peeklock.entities.residency import Residency
from peeklock.entities.rule_plan import RulePlan
from peeklock.entities.settings import TopicSettings
from peeklock.entities.subject_tree import Subject
from peeklock.entities.submission import Submission
from peeklock.entities.subscription import Subscription
from peeklock.entities.topic_names import topic_name_of
from peeklock.errors import (
    EntityDisabled,
    InvalidRequest,
    MessageNotFound,
    MessageTooLarge,
    NotFound,
    QuotaExceeded,
)
from peeklock.filters.subject_path import subject_of
from peeklock.types import EntityPath, Millis, QueueId, SequenceNumber, UnixMs


@final
class Topic:
    """Subscriptions by name, and what the topic itself has to remember."""

    def __init__(
        self,
        created: TopicCreated,
        lens: Lens,
        residency: Residency,
        due: DueTopics,
        listeners: Listeners,
    ) -> None:
        self.topic_id: Final[QueueId] = created.queue_id
        self.path: Final[EntityPath] = created.path
        self.settings: TopicSettings = created.settings
        self._conformity = conformity_of(created.settings, lens)
        self.created_at: Final[UnixMs] = created.created_at
        self.updated_at: UnixMs = created.updated_at or created.created_at  # its settings
        self.subscriptions: Final[dict[str, Subscription]] = {}  # by name in lower case
        self.next_number = SequenceNumber(1)  # of the messages that were sent to it
        self.seen: Final = Deduplication()
        self.is_followed = False  # does anybody want its messages live?
        self.last_values: Final = LastValues(created.queue_id, created.path, residency, due)
        self.derivations: Final = Derivations(created.queue_id, created.path, lens)
        self._lens: Final = lens
        self._listeners: Final = listeners
        self._plan: RulePlan | None = None  # None: rules have changed since it was made
        # At least what it holds: exact when it was last counted, and every
        # send since then added. Counting all of them for each message would take too long.
        self._bytes_at_most = 0

    # ---- verbs

    def send_all(
        self,
        given: list[Submission],
        now: UnixMs,
        arrivals: Arrivals,
        *,
        number_all: bool = False,
    ) -> list[Fact]:
        """Copies for the subscriptions that take them, or raise and take none of them.

        A duplicate has none. Raises `EntityDisabled`, `MessageTooLarge`, `InvalidEvent` (it
        does not conform to the topic's schema, or is no event), and `QuotaExceeded`:
        a message for which one taker has no room is refused as a whole, so that its sender
        hears of it and may try again.
        `arrivals` has what the same append brings in already, and gets what does not stay; the
        caller asks the queues for room.
        `number_all`: those that nobody takes get a number, too, for their sender to know.
        """
        self.check_taking()
        conformity = self._conformity
        copies = FanOut(
            self.topic_id,
            self.next_number,
            self.settings.default_ttl_ms,
            self._lens,
            now,
            arrivals,
            self.last_values,
            self.derivations if self.derivations.by_name else None,
            keeps_all=self.settings.keep_last_value,
        )
        plan = self.plan
        seen: list[Fact] = []
        load = arrivals.load(self.topic_id)
        for one in given:
            if one.message.size > self.settings.max_message_bytes:
                raise MessageTooLarge(one.message.size, self.settings.max_message_bytes)
            if conformity is not None:
                conformity.check(one.message)
            if self._is_duplicate(one, now) or load.has_id(one.message_id):
                continue
            if one.message_id and self.settings.duplicate_window_ms:
                load.note_id(one.message_id)
                seen.append(MessageIdSeen(self.topic_id, one.message_id, now))
            audience = self._audience_of(one, copies) if self._listeners.any else None
            copies.add(one, plan, audience, number=number_all)
            if self.is_followed and one.not_before <= now:  # a schedule is not due
                arrivals.signals.append(Signal(self.topic_id, one))
        self._check_room(copies.size_bytes)
        return copies.facts() + seen

    def clear_last_values(self, subjects: list[Subject]) -> list[Fact]:
        """Nothing is kept for these any more; no facts where nothing was."""
        keeping = Keeping()
        return [
            fact for subject in subjects for fact in self.last_values.clear(subject, keeping)
        ]

    def cancel_scheduled(self, numbers: list[SequenceNumber]) -> list[Fact]:
        """Remove what is not due yet; `MessageNotFound` when nobody has one of these."""
        wanted = set(numbers)
        found: set[SequenceNumber] = set()
        facts: list[Fact] = []
        for subscription in self.subscriptions.values():
            queue = subscription.queue
            copies = queue.waiting_copies(wanted)
            found.update([queue.entries[number].source_number for number in copies])
            if copies:
                facts.append(Removed(queue.queue_id, copies, Cause.PURGED))
        for number in numbers:
            if number not in found:
                raise MessageNotFound(self.path, number, "scheduled")
        return facts

    def _audience_of(self, given: Submission, copies: FanOut) -> Audience | None:
        """Who listens to this one. What MQTT has no topic name for is heard by nobody."""
        publication = given.publication
        name: str | None
        if publication is not None:
            name = publication.topic_name
        else:
            subject = subject_of(copies.view_of(given.message))
            name = topic_name_of(self.path, subject)
        if name is None:
            return None
        hearings = self._listeners.hearings(name, publication)
        return Audience(name, hearings) if hearings else None

    def _is_duplicate(self, given: Submission, now: UnixMs) -> bool:
        window = self.settings.duplicate_window_ms
        if window == 0 or not given.message_id:
            return False
        return self.seen.is_duplicate(given.message_id, Millis(window), now)

    def _check_room(self, wanted_bytes: int) -> None:
        limit = self.settings.max_bytes
        if self._bytes_at_most + wanted_bytes > limit:
            self._bytes_at_most = self.size_bytes
            if self._bytes_at_most + wanted_bytes > limit:
                kept = self.last_values.size_bytes
                beside = f", its last values {kept}" if kept else ""
                raise QuotaExceeded(
                    f"topic {self.path!r} is full: its subscriptions hold "
                    f"{self._bytes_at_most - kept} bytes{beside}"
                )
        # What becomes less may still be refused, by whoever else takes it.
        self._bytes_at_most += max(0, wanted_bytes)

    # ---- looks

    def check_taking(self) -> None:
        """Raises `EntityDisabled` when its status lets nobody send."""
        if not self.settings.status.sends:
            raise EntityDisabled(
                f"{self.path!r} is {self.settings.status}: it takes no messages for now"
            )

    def find(self, name: str) -> Subscription:
        """The subscription with this name, in any case; raises `NotFound`."""
        subscription = self.subscriptions.get(name.casefold())
        if subscription is None:
            raise NotFound(subscription_path(self.path, name))
        return subscription

    @property
    def size_bytes(self) -> int:
        """What its subscriptions hold, each for itself, and what it keeps."""
        held = sum([one.queue.size_bytes for one in self.subscriptions.values()])
        return held + self.last_values.size_bytes

    @property
    def wants_identity(self) -> bool:
        """Does anybody here look at a message's id or session? Else nobody need read them."""
        return self.settings.duplicate_window_ms != 0 or self.plan.wants_identity

    @property
    def plan(self) -> RulePlan:
        """Its subscriptions' rules, arranged for finding those that take a message."""
        plan = self._plan
        if plan is None:
            plan = RulePlan(list(self.subscriptions.values()))
            self._plan = plan
        return plan

    # ---- obedience

    def apply(
        self, fact: MessageIdSeen | Numbered | LastValueSet | LastValueCleared | Relocated
    ) -> None:
        if isinstance(fact, Numbered):
            self.next_number = fact.next_number
            return
        if isinstance(fact, (LastValueSet, LastValueCleared, Relocated)):
            if isinstance(fact, LastValueSet) and fact.number >= self.next_number:
                self.next_number = SequenceNumber(fact.number + 1)
            self.last_values.apply(fact)
            return
        self.seen.add(fact.key, fact.at, Millis(self.settings.duplicate_window_ms))

    def obey(self, fact: TopicUpdated) -> None:
        """Other settings, from now on."""
        if wanted_of(fact.settings) != wanted_of(self.settings):
            self._conformity = conformity_of(fact.settings, self._lens)
        self.settings = fact.settings
        self.updated_at = fact.updated_at or self.updated_at

    def on_rules_changed(self) -> None:
        """A subscription or rule came or went."""
        self._plan = None


def wanted_of(settings: TopicSettings) -> tuple[str, bool]:
    """What is asked of messages."""
    return settings.event_schema, settings.events_only


def conformity_of(settings: TopicSettings, lens: Lens) -> Conformity | None:
    """What asks it; None: nothing is. Does not raise: facts are true."""
    if not (settings.event_schema or settings.events_only):
        return None
    try:
        return lens.conformity(settings.event_schema, events_only=settings.events_only)
    except InvalidRequest as error:
        return UnusableSchema(str(error))
