"""The last value of each subject: its newest signal, kept for those who come later.

MQTT calls it the retained message (5.0 §3.3.1.3). One is kept where its sender says so
(`Submission.last_value`), or each where the topic's `keep_last_value` does. It is another
holder of the message's bytes, beside the subscriptions' copies: nobody takes it by receiving.
It goes when another takes its place, when it is cleared, and when its time to live is over.

A topic keeps so many subjects and so many bytes; a signal that is one too many is refused as
a whole, as one for which a subscription has no room, and its sender hears of it. What is kept
is never thrown out for what is new.
"""

from typing import Final, final

from peeklock.entities.due_topics import DueTopics
from peeklock.entities.facts import Cause, Fact, LastValueCleared, LastValueSet, Relocated
from peeklock.entities.queue_index import READY, Deadlines, Entry
from peeklock.entities.residency import Residency
from peeklock.entities.subject_tree import Subject, SubjectTree, check_subject
from peeklock.entities.submission import Passage, Submission
from peeklock.errors import QuotaExceeded
from peeklock.filters.subject_path import subject_of
from peeklock.filters.view import PropertyView, SystemProperty
from peeklock.limits import (
    DISPATCH_RUN_MAX,
    LAST_VALUE_VISITS_MAX,
    LAST_VALUES_MAX,
    LAST_VALUES_PAGE_MAX,
)
from peeklock.message import NO_TTL
from peeklock.types import NEVER, NOWHERE, EntityPath, QueueId, SequenceNumber, UnixMs, soonest


@final
class LastValue:
    """A subject and the signal that is kept for it; `Engine.message_of` has its bytes."""

    __slots__ = ("entry", "subject")
    __match_args__ = ("subject", "entry")

    def __init__(self, subject: Subject, entry: Entry) -> None:
        self.subject: Final = subject  # None: it has none
        self.entry: Final = entry  # its number is the topic's; enqueued when it was kept


@final
class LastValuePage:
    """Some last values, in the order of their subjects; ask again with `after` for more."""

    __slots__ = ("after", "values")
    __match_args__ = ("values", "after")

    def __init__(self, values: list[LastValue], after: list[str] | None) -> None:
        self.values: Final = values
        self.after: Final = after  # None: there are no more; else perhaps


@final
class Keeping:
    """What one append makes of a topic's last values, before it is recorded."""

    __slots__ = ("count", "size_bytes", "values")

    def __init__(self) -> None:
        self.values: Final[dict[Subject, tuple[SequenceNumber, int] | None]] = {}
        self.count = 0  # how many more there are then, perhaps fewer
        self.size_bytes = 0  # and how many more bytes

    def copy(self) -> "Keeping":
        other = Keeping()
        other.values.update(self.values)
        other.count = self.count
        other.size_bytes = self.size_bytes
        return other


def subject_in_tree(view: PropertyView, *, is_named: bool) -> Subject:
    """Where a signal is in its topic's tree: at its subject.

    `is_named`: MQTT has named it, and is told of it by that name ([MQTT-3.3.2-3]). Where the
    name has no subject, the signal is the topic's own, whatever an event in it says.
    """
    if is_named and view.system(SystemProperty.LABEL) is None:
        return None
    return subject_of(view)


@final
class LastValues:
    """Those of one topic."""

    def __init__(
        self, topic_id: QueueId, path: EntityPath, residency: Residency, due: DueTopics
    ) -> None:
        self.queue_id: Final = topic_id
        self.entries: Final[dict[SequenceNumber, Entry]] = {}
        self.size_bytes = 0
        self.count_max = LAST_VALUES_MAX
        self._path: Final = path
        self._subjects: Final[dict[SequenceNumber, Subject]] = {}
        self._tree: Final = SubjectTree()
        self._residency: Final = residency
        self._expiring: Final = Deadlines()
        self._due: Final = due

    # ---- verbs

    def keep(
        self,
        given: Submission,
        passage: Passage,
        subject: Subject,
        number: SequenceNumber,
        now: UnixMs,
        keeping: Keeping,
    ) -> Fact:
        """This signal instead of the one before.

        `passage` says what it shares with the copies of the same append, and `keeping` what
        else the append keeps. Raises `QuotaExceeded`, `InvalidRequest`.
        """
        check_subject(subject)
        before = self._before(subject, keeping)
        if before is None and len(self.entries) + keeping.count >= self.count_max:
            raise QuotaExceeded(
                f"topic {self._path!r} keeps the last values of {self.count_max} subjects, "
                "the most that one keeps: clear some, or let them expire"
            )
        message = given.message
        ttl = message.ttl_ms
        own = NEVER if ttl == NO_TTL else UnixMs(now + max(ttl, 1))
        fact = LastValueSet(
            self.queue_id,
            number,
            subject,
            message,
            now,
            message.size,
            soonest(own, passage.expires_at),
            passage.body_at,
            passage.source_number,
            passage.bytes.first,
        )
        passage.bytes.stay_with(fact)
        keeping.values[subject] = (number, message.size)
        keeping.count += 1 if before is None else 0
        keeping.size_bytes += message.size - (0 if before is None else before[1])
        return fact

    def clear(self, subject: Subject, keeping: Keeping) -> list[Fact]:
        """Nothing for this subject any more; no facts if there was nothing."""
        before = self._before(subject, keeping)
        if before is None:
            return []
        keeping.values[subject] = None
        keeping.count -= 1
        keeping.size_bytes -= before[1]
        return [LastValueCleared(self.queue_id, [before[0]], Cause.PURGED)]

    def _before(self, subject: Subject, keeping: Keeping) -> tuple[SequenceNumber, int] | None:
        """Number and size of what is kept for it so far."""
        if subject in keeping.values:
            return keeping.values[subject]
        number = self._tree.find(subject)
        return None if number is None else (number, self.entries[number].size)

    def expire(self, now: UnixMs) -> list[Fact]:
        """Those whose time is over, some of them; the rest is due again at once.

        They are taken off the deadlines, which are no state that a fact tells of.
        """
        expiring = self._expiring
        numbers: list[SequenceNumber] = []
        while len(expiring) and expiring.first_at() <= now and len(numbers) < DISPATCH_RUN_MAX:
            number = expiring.first_number()
            expiring.drop_first()
            if number in self.entries:
                numbers.append(number)
        if not numbers:
            return []
        return [LastValueCleared(self.queue_id, numbers, Cause.EXPIRED)]

    # ---- looks

    def find(self, subject: Subject, now: UnixMs) -> LastValue | None:
        """What is kept for exactly this subject."""
        number = self._tree.find(subject)
        return None if number is None else self._unexpired(number, now)

    def page(
        self,
        topic_filter: str,
        now: UnixMs,
        after: list[str] | None = None,
        *,
        count_max: int = LAST_VALUES_PAGE_MAX,
        is_root: bool = False,
    ) -> LastValuePage:
        """What is kept for subjects that match, in the order of their levels.

        The filter is about subjects, so it has the topic's name not before it: `41/+` asks
        for what is published to `rooms/41/lobby` in the topic `rooms`. `#` matches a signal
        without a subject, too. `after` is the last page's. `is_root`: see `SubjectTree.walk`.
        Raises `InvalidRequest` for what is no topic filter.
        """
        found = self._tree.walk(
            topic_filter,
            after,
            count_max=count_max,
            visits_max=LAST_VALUE_VISITS_MAX,
            is_root=is_root,
        )
        values: list[LastValue] = []
        for number in found.numbers:
            value = self._unexpired(number, now)
            if value is not None:
                values.append(value)
        return LastValuePage(values, found.after)

    def _unexpired(self, number: SequenceNumber, now: UnixMs) -> LastValue | None:
        entry = self.entries[number]
        if NEVER != entry.expires_at <= now:
            return None
        return LastValue(self._subjects[number], entry)

    def facts_of(self, number: SequenceNumber) -> list[Fact]:
        """What makes this one again, for a snapshot; none if it is kept no more."""
        entry = self.entries.get(number)
        if entry is None:
            return []
        return [
            LastValueSet(
                self.queue_id,
                number,
                self._subjects[number],
                None,
                entry.enqueued_at,
                entry.size,
                entry.expires_at,
                entry.body_at,
                entry.source_number,
            )
        ]

    # ---- obedience

    def apply(self, fact: LastValueSet | LastValueCleared | Relocated) -> None:
        """Recovery may say again what a snapshot knows already, and what is older than it."""
        if isinstance(fact, LastValueSet):
            self._set(fact)
        elif isinstance(fact, LastValueCleared):
            for number in fact.numbers:
                if number in self.entries:
                    self._forget(number)
            self._trim_deadlines()
        elif fact.number in self.entries:
            entry = self.entries[fact.number]
            self._residency.spare_shared(entry.body_at, entry.size)
            entry.body_at = fact.body_at
            self._residency.want_shared(entry.body_at, entry.size)

    def _set(self, fact: LastValueSet) -> None:
        number = fact.number
        before = self._tree.find(fact.subject)
        if before is not None:
            if before >= number:
                return
            self._forget(before)
        residency = self._residency
        message = fact.message
        if fact.body_at != NOWHERE and not residency.has_room_to_keep(fact.size):
            message = None
        message = residency.hold_shared(message, fact.body_at, fact.size)
        if message is not None:
            residency.kept_bytes += fact.size
        self.entries[number] = Entry(
            number,
            message,
            fact.body_at,
            fact.size,
            0,
            fact.kept_at,
            fact.expires_at,
            NEVER,
            0,
            None,
            READY,
            None,
            fact.source_number,
        )
        self._subjects[number] = fact.subject
        self._tree.put(fact.subject, number)
        self.size_bytes += fact.size
        if fact.expires_at != NEVER:
            self._expiring.add(fact.expires_at, number, self.entries)
        self._trim_deadlines()

    def _forget(self, number: SequenceNumber) -> None:
        entry = self.entries.pop(number)
        self.size_bytes -= entry.size
        if entry.message is not None:
            self._residency.kept_bytes -= entry.size
        self._residency.let_go_shared(entry.message, entry.body_at, entry.size)
        self._tree.remove(self._subjects.pop(number))

    def forget_all(self) -> None:
        """The topic was deleted."""
        for number in list(self.entries):
            self._forget(number)

    def _trim_deadlines(self) -> None:
        while len(self._expiring) and self._expiring.first_number() not in self.entries:
            self._expiring.drop_first()
        self.watch()

    def watch(self) -> None:
        """Have it noted when the first expires."""
        self._due.note(self._expiring.first_at(), self.queue_id)
