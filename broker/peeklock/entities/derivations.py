"""A topic's derivations: which jobs its signals make, and what is remembered for that.

As in a queue, a verb decides and returns facts, and `apply` obeys. What the same append has
brought already is in its `Arrivals`; so is, when a verb is done, each job on its way.
"""

from typing import Final, final

from peeklock.entities.arrivals import Arrivals, Derived, Load
from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivation import Derivation, Taken
from peeklock.entities.derivation_facts import (
    CauseSeen,
    DerivationCreated,
    DerivationDeleted,
    DerivationFact,
)
from peeklock.entities.derivation_settings import DerivationSettings
from peeklock.entities.facts import Fact
from peeklock.entities.job_draft import Cause, drafted
from peeklock.entities.lens import Lens
from peeklock.entities.signal_reader import SignalReader
from peeklock.entities.submission import Passage, SharedBytes, Submission
from peeklock.errors import AlreadyExists, FilterError, InvalidFilter, NotFound, QuotaExceeded
from peeklock.filters.view import PropertyView
from peeklock.limits import (
    DEAD_LETTER_TEXT_CHARACTERS_MAX,
    DERIVATION_CAUSE_WINDOW,
    DERIVATION_CAUSES_MAX,
    DERIVATIONS_MAX,
)
from peeklock.types import EntityPath, QueueId, SequenceNumber, UnixMs

FAILED: Final = "DerivationFailed"  # why a signal is among the dead letters of a job's queue


@final
class Ledger:
    """One derivation, and what it remembers."""

    def __init__(self, created: DerivationCreated) -> None:
        self.settings: Final = created.settings
        self.created_at: Final = created.created_at
        # None: of another version, and not to be read; recovery must not stop at it.
        self.derivation: Derivation | None = None
        self.why_not = ""
        try:
            self.derivation = Derivation(created.settings, created.created_at)
        except InvalidFilter as error:
            self.why_not = str(error)

    def take(self, signal: SignalReader) -> Taken | None:
        """As `Derivation.take`; raises `FilterError`."""
        if self.derivation is None:
            raise FilterError(self.why_not)
        return self.derivation.take(signal)


@final
class Derivations:
    """By name, in lower case."""

    def __init__(self, topic_id: QueueId, topic: EntityPath, lens: Lens) -> None:
        self._topic_id: Final = topic_id
        self._topic: Final = topic
        self._lens: Final = lens
        self.by_name: Final[dict[str, Ledger]] = {}
        self.causes: Final = Deduplication()

    # ---- verbs

    def add(self, settings: DerivationSettings, now: UnixMs) -> list[Fact]:
        """One more; raises `AlreadyExists`, `QuotaExceeded`, `InvalidFilter`."""
        if settings.name.casefold() in self.by_name:
            raise AlreadyExists(self.path_of(settings.name))
        if len(self.by_name) >= DERIVATIONS_MAX:
            raise QuotaExceeded(f"topic {self._topic!r} has {DERIVATIONS_MAX} derivations")
        Derivation(settings, now)
        return [DerivationCreated(self._topic_id, settings, now)]

    def remove(self, name: str) -> list[Fact]:
        """One less, with what it remembers; raises `NotFound`."""
        return [DerivationDeleted(self._topic_id, self.find(name).settings.name)]

    def take(
        self,
        given: Submission,
        view: PropertyView,
        number: SequenceNumber,
        subject: str | None,
        now: UnixMs,
        arrivals: Arrivals,
    ) -> list[Fact]:
        """What a signal leads to. `given` has a passage; `number` is the topic's for it."""
        signal = SignalReader(given.message, view, self._lens, self._topic, number, subject)
        load = arrivals.load(self._topic_id)
        facts: list[Fact] = []
        for ledger in self.by_name.values():
            why = ""
            taken: Taken | None = None
            try:
                taken = ledger.take(signal)
            except FilterError as error:
                if ledger.settings.dead_letter_on_error:
                    why = str(error)
            if taken is None and not why:
                continue
            if not facts:  # the first that means it
                if self._is_known(signal.cause_key, load, now):
                    return []
                load.causes.add(signal.cause_key)
                facts.append(CauseSeen(self._topic_id, signal.cause_key, now))
            if taken is not None:
                facts.extend(self._obey(ledger, taken, signal, given, arrivals))
            else:
                self._give_up(ledger, why, given, arrivals)
        return facts

    def _is_known(self, key: bytes, load: Load, now: UnixMs) -> bool:
        """Did it come before: in this append, or within the window?"""
        return key in load.causes or self.causes.is_duplicate(key, DERIVATION_CAUSE_WINDOW, now)

    def _obey(
        self,
        ledger: Ledger,
        taken: Taken,
        signal: SignalReader,
        given: Submission,
        arrivals: Arrivals,
    ) -> list[Fact]:
        derivation = ledger.derivation
        assert derivation is not None
        cause = Cause(signal.source, signal.id)
        draft = drafted(self._topic, derivation, taken.key, cause, cause, taken.values)
        message = self._lens.compose(draft)
        before = given.passage
        assert before is not None
        passage = Passage(SharedBytes(), before.source_number, hop_count=before.hop_count + 1)
        message_id, session_id = self._lens.identity(message)
        job = Submission(message, given.not_before, message_id, session_id, passage)
        path = self.path_of(ledger.settings.name)
        arrivals.derived.append(Derived(path, ledger.settings.to, job))
        return []

    def _give_up(self, ledger: Ledger, why: str, given: Submission, arrivals: Arrivals) -> None:
        """The signal itself, to the dead letters of the queue that would have had its job."""
        path = self.path_of(ledger.settings.name)
        text = f"{path}: {why}"[:DEAD_LETTER_TEXT_CHARACTERS_MAX]
        arrivals.derived.append(Derived(path, ledger.settings.to, given, FAILED, text))

    # ---- looks

    def path_of(self, name: str) -> str:
        """By which people know a derivation."""
        return f"{self._topic}/Derivations/{name}"

    def find(self, name: str) -> Ledger:
        """The one with this name, in any case; raises `NotFound`."""
        found = self.by_name.get(name.casefold())
        if found is None:
            raise NotFound(self.path_of(name))
        return found

    # ---- obedience

    def apply(self, fact: DerivationFact) -> None:
        if isinstance(fact, CauseSeen):
            self.causes.add(fact.key, fact.at, DERIVATION_CAUSE_WINDOW, DERIVATION_CAUSES_MAX)
        elif isinstance(fact, DerivationCreated):
            self.by_name[fact.settings.name.casefold()] = Ledger(fact)
        else:
            self.by_name.pop(fact.name.casefold(), None)
