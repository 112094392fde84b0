"""Where a message ends up: sends, forwards, dead letters; one batch of facts, or none.

A queue that forwards does not keep what comes: the message gets a number there, and goes on to
where `forward_to` leads, which may be a topic or forward again. All of it is one append, so a
message is never in two places, or in none.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias, final

from peeklock.entities.arrivals import Arrivals, Derived, Heard, Onward, Signal, Stillborn
from peeklock.entities.dispositions import Disposition, Properties, Verdict
from peeklock.entities.facts import UNNUMBERED, Cause, Fact, Origin, Removed, Rewritten
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.submission import Passage, SharedBytes, Submission
from peeklock.entities.topic import Topic
from peeklock.errors import (
    BrokerError,
    DiskFull,
    ForwardTargetGone,
    InvalidRequest,
    MessageTooLarge,
    MessageUnreadable,
    QuotaExceeded,
)
from peeklock.limits import (
    CHANGED_BYTES_MAX,
    DEAD_LETTER_TEXT_CHARACTERS_MAX,
    FORWARD_HOPS_MAX,
)
from peeklock.message import Message
from peeklock.store.journal import Journal, MessageDamaged
from peeklock.types import NEVER, NOWHERE, SequenceNumber, UnixMs

FORWARD_REFUSED: Final = "ForwardingRefused"
JOB_REFUSED: Final = "DerivedJobRefused"
TOO_MANY_HOPS: Final = "MaxTransferHopCountExceeded"  # Service Bus' word
Send: TypeAlias = tuple[Queue | Topic, list[Submission]]
Changed: TypeAlias = Mapping[SequenceNumber, Message]  # messages with other properties
UNCHANGED: Final[Changed] = MappingProxyType({})


@final
class Relay:
    """Follows messages through the namespace. It decides; the engine records."""

    def __init__(self, namespace: Namespace, journal: Journal) -> None:
        self._namespace: Final = namespace
        self._journal: Final = journal
        # What listeners and followers are to be told once the facts are recorded that were
        # decided with it.
        self.heard: list[Heard] = []
        self.signals: list[Signal] = []

    # ---- what is sent

    def sent(
        self,
        sends: Sequence[Send],
        now: UnixMs,
        arrivals: Arrivals,
        *,
        number_all: bool = False,
    ) -> list[Fact]:
        """Where these submissions end up; raises `BrokerError`, and then none is taken.

        `arrivals` has what the same append brings in already, and what is to be told of it,
        if it comes to that append: see `tell`. `number_all`: see `Topic`.
        """
        facts: list[Fact] = []
        for entity, given in sends:
            if isinstance(entity, Topic):
                facts.extend(entity.send_all(given, now, arrivals, number_all=number_all))
            else:
                facts.extend(entity.send_all(given, now, arrivals))
        facts.extend(self._follow(arrivals, now))
        return self.room(arrivals) + facts

    def tell(self, arrivals: Arrivals) -> None:
        """What was decided is recorded next: who listens or follows hears of it then."""
        if arrivals.heard:
            self.heard.extend(arrivals.heard)
        if arrivals.signals:
            self.signals.extend(arrivals.signals)
        if arrivals.turned_away is not None:
            for tally in arrivals.turned_away:
                tally.turned_away_count += 1

    def room(self, arrivals: Arrivals) -> list[Fact]:
        """What gives way to all that an append brings in; raises `QuotaExceeded`."""
        facts: list[Fact] = []
        for entity_id, load in arrivals.loads.items():
            if load.count or load.size_bytes:
                queue = self._namespace.by_id[entity_id]
                facts.extend(queue.room_for(load.size_bytes, load.count))
        return facts

    def _follow(self, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        """Until nothing is under way any more. Raises what refuses one of them."""
        facts: list[Fact] = []
        while arrivals.onward or arrivals.stillborn or arrivals.derived:
            onward = arrivals.onward[:]
            stillborn = arrivals.stillborn[:]
            derived = arrivals.derived[:]
            arrivals.onward.clear()
            arrivals.stillborn.clear()
            arrivals.derived.clear()
            for one in onward:
                facts.extend(self._pass_on(one, arrivals, now))
            for job in derived:
                facts.extend(self._take_in(job, arrivals, now))
            for dead in stillborn:
                facts.extend(self._bury(dead, arrivals, now))
        return facts

    def _pass_on(self, one: Onward, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        source = self._namespace.by_id[one.queue_id]
        passage = one.given.passage
        assert passage is not None
        if passage.hop_count > FORWARD_HOPS_MAX:
            why = f"it was forwarded {FORWARD_HOPS_MAX} times, the limit"
            dead = Stillborn(one.queue_id, one.number, one.given, TOO_MANY_HOPS, why)
            return self._bury_here(dead, arrivals, now)
        target = self._namespace.find_target(source, source.settings.forward_to)
        return target.send_all([one.given], now, arrivals)

    # ---- what is derived

    def due_job(
        self, topic: Topic, name: str, key: str, now: UnixMs, arrivals: Arrivals
    ) -> list[Fact]:
        """The job that a derivation makes for a key whose time has come.

        Raises `ForwardTargetGone`, `DiskFull`.
        """
        if not self._journal.has_room:
            raise DiskFull("the broker's disk is nearly full; jobs wait until it has room")
        facts = topic.derivations.close(name, key, now, arrivals)
        facts.extend(self._follow(arrivals, now))
        room = self.room(arrivals)
        self.tell(arrivals)
        return room + facts

    def _take_in(self, job: Derived, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        """A job, in its queue; or among its dead letters, where that queue cannot have it.

        Whoever sent the signal is not to suffer from a queue that is full. Raises
        `ForwardTargetGone`, for there is no place for it then.
        """
        queue = self._namespace.find_queue(job.path, job.to)
        reason, description = job.reason, job.description
        if not reason:
            try:
                return self._send_job(queue, job.given, arrivals, now)
            except BrokerError as error:
                reason, description = JOB_REFUSED, f"{job.path}: {error}"
        text = description[:DEAD_LETTER_TEXT_CHARACTERS_MAX]
        dead = Stillborn(queue.queue_id, UNNUMBERED, job.given, reason, text)
        return self._bury(dead, arrivals, now)

    def _send_job(
        self, queue: Queue, given: Submission, arrivals: Arrivals, now: UnixMs
    ) -> list[Fact]:
        """Raises what refuses it, and has changed nothing then."""
        if not queue.forwards:
            load = arrivals.load(queue.queue_id)
            queue.room_for(load.size_bytes + given.message.size, load.count + 1)
            return queue.send_all([given], now, arrivals)
        passage = given.passage
        assert passage is not None
        attempt = arrivals.copy()
        try:
            facts = queue.send_all([given], now, attempt)
            facts.extend(self._follow(attempt, now))
            self.room(attempt)
        except BrokerError:
            passage.bytes.first = None  # what the try has made does not come to be
            raise
        arrivals.become(attempt)
        return facts

    # ---- what is settled

    def settled(
        self,
        queue: Queue,
        numbers: list[SequenceNumber],
        disposition: Disposition,
        now: UnixMs,
        arrivals: Arrivals | None = None,
    ) -> list[Fact]:
        """What a disposition of held messages leads to; `arrivals`: see `with_moves`.

        It may be refused, and then nothing is changed: raises `NotAllowed`, and where it
        changes properties `MessageTooLarge`, `QuotaExceeded`, `InvalidRequest`,
        `MessageUnreadable`.
        """
        facts = queue.settle(numbers, disposition, now)
        if disposition.properties is None:
            return self.with_moves(queue, facts, now, arrivals)
        changed = self._changed(queue, numbers, disposition.properties)
        together = arrivals or Arrivals()
        rewritten = rewritten_where_they_are(queue, changed, facts)
        for fact in rewritten:
            together.load(queue.queue_id).grow(fact.size - queue.entries[fact.number].size)
        facts = self.with_moves(queue, [*rewritten, *facts], now, together, changed)
        if arrivals is not None:
            return facts
        room = self.room(together)
        self.tell(together)
        return room + facts

    def _changed(
        self, queue: Queue, numbers: list[SequenceNumber], properties: Properties
    ) -> Changed:
        """These messages with these properties."""
        if not self._journal.has_room:
            raise DiskFull(
                "the broker's disk is nearly full; settling without properties still works"
            )
        size = changed_bytes(queue, numbers, properties)
        if size > CHANGED_BYTES_MAX and len(numbers) > 1:
            raise QuotaExceeded(
                f"{len(numbers)} messages to be changed by one settlement, to {size} bytes;"
                f" allowed are {CHANGED_BYTES_MAX}: settle fewer at once"
            )
        return {
            number: self._with_properties(queue, queue.entries[number], properties)
            for number in numbers
        }

    def _with_properties(self, queue: Queue, entry: Entry, properties: Properties) -> Message:
        message = entry.message
        if message is None:
            try:
                message = self._journal.fetch(entry.body_at)
            except (MessageDamaged, OSError) as error:
                raise MessageUnreadable(entry.number, str(error)) from error
        changed = self._namespace.lens.with_properties(message, properties)
        limit = queue.settings.max_message_bytes
        if changed.size > limit and changed.size > entry.size:  # the limit may be younger
            raise MessageTooLarge(changed.size, limit)
        return changed

    # ---- dead letters

    def _bury(self, dead: Stillborn, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        """Where its queue's dead letters go, or to its own if they cannot go there."""
        queue = self._namespace.by_id[dead.queue_id]
        passage = dead.given.passage
        assert passage is not None
        if queue.settings.forward_dead_letters_to:
            origin = origin_of(queue, dead, now)
            first = passage.bytes.first
            passage.bytes.is_taken = False
            try:
                return self._forward_dead(queue, [as_dead(dead.given, origin)], arrivals, now)
            except BrokerError:
                passage.bytes.first = first  # what the try has made does not come to be
        return self._bury_here(dead, arrivals, now)

    def _bury_here(self, dead: Stillborn, arrivals: Arrivals, now: UnixMs) -> list[Fact]:
        queue = self._namespace.by_id[dead.queue_id]
        dead_letters = self._namespace.dead_letters_of(queue)
        passage = dead.given.passage
        assert passage is not None
        place = arrivals.load(dead_letters.queue_id).number()
        origin = origin_of(queue, dead, now)
        return [dead_letters.bury(dead.given, passage, origin, now, place)]

    def _forward_dead(
        self, queue: Queue, given: list[Submission], arrivals: Arrivals, now: UnixMs
    ) -> list[Fact]:
        """To where `queue` forwards its dead letters; raises, and has changed nothing then.

        A topic without a taker for one of them is no place for it.
        """
        name = queue.settings.forward_dead_letters_to
        target = self._namespace.find_target(queue, name)
        attempt = arrivals.copy()
        facts = target.send_all(given, now, attempt)
        facts.extend(self._follow(attempt, now))
        self.room(attempt)
        for one in given:
            if one.passage is not None and not one.passage.bytes.is_taken:
                raise ForwardTargetGone(queue.path, name)
        arrivals.become(attempt)
        return facts

    def with_moves(
        self,
        queue: Queue,
        facts: list[Fact],
        now: UnixMs,
        arrivals: Arrivals | None = None,
        changed: Changed = UNCHANGED,
    ) -> list[Fact]:
        """`facts` of `queue`, and for each message it dead-letters, its arrival elsewhere.

        `arrivals`: of an append that goes on; its caller asks for room when it is whole.
        """
        moved: list[Fact] = []
        together = arrivals or Arrivals()
        for fact in facts:
            if isinstance(fact, Removed) and fact.cause is Cause.DEAD_LETTERED:
                moved.extend(self._moved_dead(queue, fact, together, now, changed))
        if not moved:
            return facts
        if arrivals is not None:
            return facts + moved
        room = self.room(together)
        self.tell(together)
        return room + facts + moved

    def _moved_dead(
        self, queue: Queue, fact: Removed, arrivals: Arrivals, now: UnixMs, changed: Changed
    ) -> list[Fact]:
        if queue.settings.forward_dead_letters_to:
            try:
                letters = [
                    self._dead_letter(queue, number, fact, changed.get(number))
                    for number in fact.numbers
                ]
                return self._forward_dead(queue, letters, arrivals, now)
            except (BrokerError, MessageDamaged, OSError):
                if len(fact.numbers) > 1:  # let each have its own fate
                    return [
                        moved
                        for number in fact.numbers
                        for moved in self._moved_dead(
                            queue, alone(fact, number), arrivals, now, changed
                        )
                    ]
        dead_letters = self._namespace.dead_letters_of(queue)
        load = arrivals.load(dead_letters.queue_id)
        return [
            dead_letters.adopt(
                queue.entries[number],
                queue.path,
                fact.reason,
                fact.description,
                now,
                load.number(),
                changed.get(number),
            )
            for number in fact.numbers
        ]

    def _dead_letter(
        self, queue: Queue, number: SequenceNumber, fact: Removed, changed: Message | None
    ) -> Submission:
        entry = queue.entries[number]
        origin = Origin(queue.path, number, entry.enqueued_at, fact.reason, fact.description)
        return as_dead(self._submission_of(entry, 0, changed), origin)

    # ---- what is there already

    def moved_on(self, queue: Queue, entries: list[Entry], now: UnixMs) -> list[Fact]:
        """Some of these leave a queue that forwards: as many of the first as its target takes.

        One that can never go on is dead-lettered. Raises what refuses the first for now, and
        `OSError` when its bytes cannot be read.
        """
        while True:
            try:
                return self._moved(queue, entries, now)
            except BrokerError as error:
                if len(entries) == 1:
                    if error.retryable:
                        raise
                    return self._out_with(queue, entries[0].number, error, now)
            except MessageDamaged:
                if len(entries) == 1:
                    return [Removed(queue.queue_id, [entries[0].number], Cause.DAMAGED)]
            entries = entries[: len(entries) // 2]

    def _out_with(
        self, queue: Queue, number: SequenceNumber, error: BrokerError, now: UnixMs
    ) -> list[Fact]:
        text = str(error)[:DEAD_LETTER_TEXT_CHARACTERS_MAX]
        dead = Disposition(Verdict.DEAD_LETTER, NEVER, FORWARD_REFUSED, text)
        return self.with_moves(queue, queue.settle([number], dead, now), now)

    def _moved(self, queue: Queue, entries: list[Entry], now: UnixMs) -> list[Fact]:
        arrivals = Arrivals()
        given = [self._submission_of(entry, 1) for entry in entries]
        target = self._namespace.find_target(queue, queue.settings.forward_to)
        moved = target.send_all(given, now, arrivals)
        moved.extend(self._follow(arrivals, now))
        numbers = [entry.number for entry in entries]
        gone: list[Fact] = [Removed(queue.queue_id, numbers, Cause.MOVED)]
        room = self.room(arrivals)
        self.tell(arrivals)
        return gone + room + moved

    def _submission_of(
        self, entry: Entry, hop_count: int, changed: Message | None = None
    ) -> Submission:
        """As its sender handed it in, but that its bytes are stored, unless it is `changed`."""
        message = entry.message if changed is None else changed
        if message is None:
            message = self._journal.fetch(entry.body_at)
        message_id, session_id = self._namespace.lens.identity(message)
        passage = Passage(
            SharedBytes(),
            entry.source_number or entry.number,
            entry.expires_at,
            hop_count,
            entry.body_at if changed is None else NOWHERE,
            entry.origin,
        )
        return Submission(message, NEVER, message_id, session_id, passage)


def changed_bytes(queue: Queue, numbers: list[SequenceNumber], properties: Properties) -> int:
    """How large these messages may become, all together."""
    added = sum(len(name) + len(value) for name, value in properties.items())
    return sum(queue.entries[number].size + added for number in numbers)


def rewritten_where_they_are(
    queue: Queue, changed: Changed, facts: list[Fact]
) -> list[Rewritten]:
    """Facts of those that stay in their queue; what leaves it arrives elsewhere changed."""
    gone: set[SequenceNumber] = set()
    for fact in facts:
        if isinstance(fact, Removed):
            gone.update(fact.numbers)
    return [
        Rewritten(queue.queue_id, number, message, message.size)
        for number, message in changed.items()
        if number not in gone
    ]


def as_dead(given: Submission, origin: Origin) -> Submission:
    """On its way to where dead letters are forwarded. There, none is anybody's duplicate."""
    before = given.passage
    assert before is not None
    passage = Passage(
        before.bytes,
        before.source_number,
        NEVER,
        before.hop_count + 1,
        before.body_at,
        origin,
    )
    return Submission(given.message, NEVER, b"", given.session_id, passage)


def origin_of(queue: Queue, dead: Stillborn, now: UnixMs) -> Origin:
    return Origin(queue.path, dead.number, now, dead.reason, dead.description)


def alone(fact: Removed, number: SequenceNumber) -> Removed:
    return Removed(fact.queue_id, [number], fact.cause, fact.reason, fact.description)


def redrive(
    namespace: Namespace, dead_letters: Queue, numbers: list[SequenceNumber], now: UnixMs
) -> list[Fact]:
    """Dead letters go back to the end of the queue they came from, as if never tried."""
    target = namespace.by_id.get(dead_letters.dead_letters_of)
    if target is None:
        raise InvalidRequest(f"{dead_letters.path!r} is no dead-letter queue")
    facts: list[Fact] = [Removed(dead_letters.queue_id, numbers, Cause.MOVED)]
    for place, number in enumerate(numbers):
        facts.append(target.take_back(dead_letters.entries[number], now, place))
    return facts
