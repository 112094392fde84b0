"""A topic's derivations: which jobs its signals make, and what is remembered for that.

As in a queue, a verb decides and returns facts, and `apply` obeys. What the same append has
brought already is in its `Arrivals`; so is, when a verb is done, each job on its way.
"""

from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Final, final

from peeklock.entities.address import derivation_path
from peeklock.entities.arrivals import Arrivals, Derived
from peeklock.entities.deduplication import Deduplication
from peeklock.entities.derivation import Derivation, Taken
from peeklock.entities.derivation_facts import (
    CauseSeen,
    DerivationCreated,
    DerivationDeleted,
    DerivationFact,
    DerivationUpdated,
    KeyFact,
    SignalTaken,
)
from peeklock.entities.derivation_settings import DerivationKind, DerivationSettings
from peeklock.entities.facts import Fact
from peeklock.entities.job_draft import DueJob, drafted, instant_text
from peeklock.entities.key_account import KeyAccount
from peeklock.entities.ledger import Ledger
from peeklock.entities.lens import Lens
from peeklock.entities.scratch import Scratch
from peeklock.entities.signal_reader import Cause, SignalReader
from peeklock.entities.submission import Passage, SharedBytes, Submission
from peeklock.errors import AlreadyExists, FilterError, NotAllowed, NotFound, QuotaExceeded
from peeklock.filters.view import PropertyView
from peeklock.limits import (
    DEAD_LETTER_TEXT_CHARACTERS_MAX,
    DERIVATION_CAUSE_WINDOW,
    DERIVATION_CAUSES_MAX,
    DERIVATIONS_MAX,
)
from peeklock.types import NEVER, EntityPath, QueueId, SequenceNumber, UnixMs

WAKES_SPARE: Final = 1000  # that may stand there for nothing, beside one for each account
FAILED: Final = "DerivationFailed"  # why a signal is among the dead letters of a job's queue


@final
class Derivations:
    """By name, in lower case."""

    def __init__(self, topic_id: QueueId, topic: EntityPath, lens: Lens) -> None:
        self._topic_id: Final = topic_id
        self._topic: Final = topic
        self._lens: Final = lens
        self.by_name: Final[dict[str, Ledger]] = {}
        self.causes: Final = Deduplication()
        self._next_serial = 1  # of the next fact about a key
        # When a key is to be looked at, by its derivation's name in lower case. A time may
        # stand here after it has been put off, and a key after its account was closed.
        self._wakes: Final[list[tuple[UnixMs, str, str]]] = []

    # ---- verbs

    def add(self, settings: DerivationSettings, now: UnixMs) -> list[Fact]:
        """One more; raises `AlreadyExists`, `QuotaExceeded`, `InvalidFilter`."""
        if settings.name.casefold() in self.by_name:
            raise AlreadyExists(derivation_path(self._topic, settings.name))
        if len(self.by_name) >= DERIVATIONS_MAX:
            raise QuotaExceeded(f"topic {self._topic!r} has {DERIVATIONS_MAX} derivations")
        Derivation(settings)
        facts: list[Fact] = [DerivationCreated(self._topic_id, settings, now)]
        if settings.waits_unasked:
            facts.append(self._begun(settings, now))
        return facts

    def update(self, settings: DerivationSettings, now: UnixMs) -> list[Fact]:
        """Other settings for the one of this name, whose name stays as it is written.

        What it remembers stays: raises `NotAllowed` for settings by which that would mean
        something else. And `NotFound`, `InvalidFilter`.
        """
        ledger = self.find(settings.name)
        before, after = ledger.settings.memory, settings.memory
        if ledger.accounts and before != after:
            path = derivation_path(self._topic, ledger.settings.name)
            changed = [name for name in before if before[name] != after.get(name)]
            raise NotAllowed(
                f"{path}: {' and '.join(changed)} cannot change, since what it remembers is by "
                f"it (keys: {len(ledger.accounts)}); delete it, which forgets that, and make "
                "another"
            )
        Derivation(settings)
        named = replace(settings, name=ledger.settings.name)
        facts: list[Fact] = [DerivationUpdated(self._topic_id, named)]
        if named.threshold is not None:
            facts += ledger.released(named.threshold, now, self._next_serial)
        if named.waits_unasked and before != after:
            facts.append(self._begun(named, now))
        return facts

    def _begun(self, settings: DerivationSettings, now: UnixMs) -> SignalTaken:
        """Silence begins now for one that waits unasked."""
        since = f"since {instant_text(now)}"
        serial = self._next_serial
        return SignalTaken(
            self._topic_id, settings.name, serial, "", now, self._topic, since, b""
        )

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
        facts: list[Fact] = []
        cause: Cause | None = None  # not looked at before one means it
        for ledger in self.by_name.values():
            why = ""
            taken: Taken | None = None
            try:
                taken = ledger.take(signal)
            except FilterError as error:
                why = str(error)
                if not ledger.settings.dead_letter_on_error:
                    continue
            if taken is None and not why:
                continue
            if cause is None:
                cause = signal.cause()
                key = cause.key()
                known = self._scratch(arrivals).causes
                if key in known or self.causes.is_duplicate(key, DERIVATION_CAUSE_WINDOW, now):
                    return []  # it came before: in this append, or within the window
                known.add(key)
                facts.append(CauseSeen(self._topic_id, key, now))
            if taken is not None:
                facts.extend(self._obey(ledger, taken, cause, given, now, arrivals))
            else:
                self._give_up(ledger, why, given, arrivals)
        return facts

    def _obey(
        self,
        ledger: Ledger,
        taken: Taken,
        cause: Cause,
        given: Submission,
        now: UnixMs,
        arrivals: Arrivals,
    ) -> list[Fact]:
        if ledger.settings.kind is DerivationKind.EACH:
            due = DueJob(taken.key, cause, cause, taken.values, 1, now, now)
            self._make(ledger, due, given.passage, given.not_before, arrivals)
            return []
        jobs: list[DueJob] = []
        facts: list[Fact] = []
        try:
            if given.not_before > now:
                raise FilterError("it is scheduled: only what is there counts towards a job")
            facts = ledger.count(taken, cause, now, self._scratch(arrivals), jobs)
        except FilterError as error:
            if ledger.settings.dead_letter_on_error:
                self._give_up(ledger, str(error), given, arrivals)
        for due in jobs:
            before = given.passage if due.cause is cause else None
            self._make(ledger, due, before, NEVER, arrivals)
        return facts

    def close(self, name: str, key: str, now: UnixMs, arrivals: Arrivals) -> list[Fact]:
        """The time of a key has come, as `take_due` has said: its job is made."""
        ledger = self.by_name.get(name)
        if ledger is None:
            return []
        jobs: list[DueJob] = []
        facts = ledger.close(key, self._scratch(arrivals), jobs)
        for due in jobs:
            self._make(ledger, due, None, NEVER, arrivals)
        return facts

    def _scratch(self, arrivals: Arrivals) -> Scratch:
        load = arrivals.load(self._topic_id)
        scratch = load.scratch
        if scratch is None:
            scratch = Scratch(self._next_serial)
            load.scratch = scratch
        return scratch

    def _make(
        self,
        ledger: Ledger,
        due: DueJob,
        before: Passage | None,
        not_before: UnixMs,
        arrivals: Arrivals,
    ) -> None:
        """A job, on its way; `before` is how its signal came, None for one of time alone."""
        derivation = ledger.derivation
        if derivation is None:
            return
        message = self._lens.compose(drafted(self._topic, derivation, due))
        passage = Passage(SharedBytes(), hop_count=1)
        if before is not None:
            hops = before.hop_count + 1
            passage = Passage(SharedBytes(), before.source_number, hop_count=hops)
        message_id, session_id = self._lens.identity(message)
        job = Submission(message, not_before, message_id, session_id, passage)
        path = derivation_path(self._topic, ledger.settings.name)
        arrivals.derived.append(Derived(path, ledger.settings.to, job))

    def _give_up(self, ledger: Ledger, why: str, given: Submission, arrivals: Arrivals) -> None:
        """The signal itself, to the dead letters of the queue that would have had its job."""
        path = derivation_path(self._topic, ledger.settings.name)
        text = f"{path}: {why}"[:DEAD_LETTER_TEXT_CHARACTERS_MAX]
        arrivals.derived.append(Derived(path, ledger.settings.to, given, FAILED, text))

    # ---- looks

    def find(self, name: str) -> Ledger:
        """The one with this name, in any case; raises `NotFound`."""
        found = self.by_name.get(name.casefold())
        if found is None:
            raise NotFound(derivation_path(self._topic, name))
        return found

    # ---- time

    def start(self, now: UnixMs) -> None:
        """After recovery. Nobody was there to hear signals: silence begins now."""
        for ledger in self.by_name.values():
            ledger.started_at = now

    def next_wake(self) -> UnixMs:
        """When `take_due` may have something; NEVER when it has nothing."""
        return self._wakes[0][0] if self._wakes else NEVER

    def take_due(self, now: UnixMs, count: int) -> list[tuple[str, str]]:
        """Some keys whose time has come, each with its derivation's name, for `close`.

        They are not looked at again: who does not close one has to `put_off` it.
        """
        found: list[tuple[str, str]] = []
        while len(found) < count and self._wakes and self._wakes[0][0] <= now:
            at, name, key = heappop(self._wakes)
            ledger = self.by_name.get(name)
            account = None if ledger is None else ledger.accounts.get(key)
            if ledger is None or account is None or account.wake_at != at:
                continue
            due_at = ledger.due_at(account)
            if due_at <= now:
                account.wake_at = NEVER
                found.append((name, key))
            else:
                self._wake(account, name, key, due_at)
        return found

    def put_off(self, name: str, key: str, until: UnixMs) -> None:
        """It is due, and its job cannot be made for now."""
        ledger = self.by_name.get(name)
        account = None if ledger is None else ledger.accounts.get(key)
        if account is not None:
            self._wake(account, name, key, until)

    def _wake(self, account: KeyAccount, name: str, key: str, at: UnixMs) -> None:
        account.wake_at = at
        heappush(self._wakes, (at, name, key))
        if len(self._wakes) > WAKES_SPARE + 2 * self._account_count():
            self._forget_wakes()

    def _account_count(self) -> int:
        return sum([len(ledger.accounts) for ledger in self.by_name.values()])

    def _forget_wakes(self) -> None:
        """Those that are about nothing any more."""
        self._wakes[:] = [
            (account.wake_at, name, key)
            for name, ledger in self.by_name.items()
            for key, account in ledger.accounts.items()
            if account.wake_at != NEVER
        ]
        heapify(self._wakes)

    def _look_again(self, ledger: Ledger) -> None:
        """At all its keys: by its settings their times are others now."""
        for account in ledger.accounts.values():
            account.wake_at = ledger.due_at(account)
        self._forget_wakes()

    # ---- obedience

    def apply(self, fact: DerivationFact) -> None:
        if isinstance(fact, CauseSeen):
            self.causes.add(fact.key, fact.at, DERIVATION_CAUSE_WINDOW, DERIVATION_CAUSES_MAX)
        elif isinstance(fact, DerivationCreated):
            self.by_name[fact.settings.name.casefold()] = Ledger(fact)
        elif isinstance(fact, DerivationUpdated):
            ledger = self.by_name.get(fact.settings.name.casefold())
            if ledger is not None:
                ledger.obey(fact.settings)
                self._look_again(ledger)
        elif isinstance(fact, DerivationDeleted):
            self.by_name.pop(fact.name.casefold(), None)
        else:
            self._apply_to_key(fact)

    def _apply_to_key(self, fact: KeyFact) -> None:
        self._next_serial = max(self._next_serial, fact.serial + 1)
        name = fact.name.casefold()
        ledger = self.by_name.get(name)
        if ledger is None:
            return
        ledger.apply(fact)
        account = ledger.accounts.get(fact.key)
        if account is not None and account.wake_at == NEVER:
            due_at = ledger.due_at(account)
            if due_at != NEVER:
                self._wake(account, name, fact.key, due_at)
