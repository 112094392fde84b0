"""A derivation and what it remembers: an account for each key that signals count towards.

Accounts stand in the order in which their last signals came. When there are too many, the
first one gives way: its job is made early, or the values of a threshold are forgotten. Of keys
that are waited for, none does: that would be a false alarm, or none at all. The new one is left
out instead, and its signal a dead letter.
"""

from itertools import islice
from typing import Final, final

import orjson

from peeklock.entities.derivation import SIDE, VALUE, Derivation, Taken
from peeklock.entities.derivation_facts import (
    DerivationCreated,
    KeyClosed,
    KeyCrossed,
    KeyFact,
    KeyKept,
    SampleTaken,
    SignalTaken,
)
from peeklock.entities.derivation_settings import DerivationKind, DerivationSettings
from peeklock.entities.facts import Fact
from peeklock.entities.job_draft import NOBODY, DueJob
from peeklock.entities.key_account import KeyAccount, account_from
from peeklock.entities.scratch import Scratch
from peeklock.entities.signal_reader import Cause, SignalReader
from peeklock.entities.threshold import SIDES, WITHIN, Threshold
from peeklock.errors import FilterError, InvalidFilter
from peeklock.limits import (
    DERIVATION_CONTEXT_BYTES_MAX,
    DERIVATION_KEYS_MAX,
    DERIVATION_SAMPLES_IN_ALL_MAX,
)
from peeklock.types import NEVER, QueueId, UnixMs


@final
class Ledger:
    """One derivation of a topic."""

    def __init__(self, created: DerivationCreated) -> None:
        self.settings: DerivationSettings = created.settings
        self.created_at: Final = created.created_at
        self._topic_id: Final[QueueId] = created.queue_id
        # None: of another version, and not to be read; recovery must not stop at it.
        self.derivation: Derivation | None = None
        self.why_not = ""
        self.accounts: Final[dict[str, KeyAccount]] = {}
        self.sample_count = 0  # of all accounts
        # From then on silence is the signals': before, the broker was not there to hear them.
        self.started_at: UnixMs = NEVER
        self.obey(created.settings)

    # ---- verbs

    def take(self, signal: SignalReader) -> Taken | None:
        """As `Derivation.take`; raises `FilterError`."""
        if self.derivation is None:
            raise FilterError(self.why_not)
        return self.derivation.take(signal)

    def count(
        self, taken: Taken, cause: Cause, now: UnixMs, scratch: Scratch, jobs: list[DueJob]
    ) -> list[Fact]:
        """A signal counts towards a later job. What is due by it goes to `jobs`.

        Raises `FilterError` for one that cannot count.
        """
        if self.settings.threshold is not None:
            return self._weigh(taken, cause, now, self.settings.threshold, scratch, jobs)
        context = orjson.dumps(taken.values)
        size = len(context) + len(cause.source) + len(cause.id)
        if size > DERIVATION_CONTEXT_BYTES_MAX:
            raise FilterError(
                f"its source, its id and what the job's template wants of it are {size} bytes; "
                f"until the job is due, up to {DERIVATION_CONTEXT_BYTES_MAX} are kept"
            )
        facts, account, is_new = self._opened(taken.key, cause, now, scratch, jobs)
        name = self.settings.name
        fact = SignalTaken(
            self._topic_id,
            name,
            scratch.serial(),
            taken.key,
            now,
            cause.source,
            cause.id,
            context,
        )
        account.note(fact)
        scratch.keep(name, taken.key, account, is_new=is_new)
        return [*facts, fact]

    def _weigh(
        self,
        taken: Taken,
        cause: Cause,
        now: UnixMs,
        threshold: Threshold,
        scratch: Scratch,
        jobs: list[DueJob],
    ) -> list[Fact]:
        """A value comes to those of its key. Their figure makes a job when it leaves its
        bounds, and no other before it is back in them.
        """
        facts, account, is_new = self._opened(taken.key, cause, now, scratch, jobs)
        name = self.settings.name
        sample = SampleTaken(
            self._topic_id, name, scratch.serial(), taken.key, now, taken.part, taken.figure
        )
        account.sample(sample, threshold)
        facts.append(sample)
        figure = threshold.figure(account.values())
        side = account.side if figure is None else threshold.side(figure, account.side)
        if side != account.side:
            account.serial = scratch.serial()
            account.side = side
            facts.append(KeyCrossed(self._topic_id, name, account.serial, taken.key, side))
            if side != WITHIN:
                values = {**taken.values, VALUE: figure, SIDE: SIDES[side]}
                first_at = account.first_at()
                due = DueJob(taken.key, cause, cause, values, account.count, first_at, now)
                jobs.append(due)
        scratch.keep(name, taken.key, account, is_new=is_new)
        return facts

    def _opened(
        self, key: str, cause: Cause, now: UnixMs, scratch: Scratch, jobs: list[DueJob]
    ) -> tuple[list[Fact], KeyAccount, bool]:
        """The account of a key, to be changed; whether it is new, and what gave way to it.

        Raises `FilterError` when there is no place for one more.
        """
        account = self._account(key, scratch)
        facts: list[Fact] = []
        if self._is_full(scratch, is_new=account is None):
            facts = self._make_place(key, scratch, jobs)
        if account is not None:
            return facts, account.copy(), False
        return facts, KeyAccount(now, cause), True

    def _is_full(self, scratch: Scratch, *, is_new: bool) -> bool:
        """Has it as many keys, or values of them, as it may?"""
        name = self.settings.name
        if self.sample_count - scratch.freed(name) >= DERIVATION_SAMPLES_IN_ALL_MAX:
            return True
        count = len(self.accounts) + scratch.growth(name)
        return is_new and count >= DERIVATION_KEYS_MAX

    def close(self, key: str, scratch: Scratch, jobs: list[DueJob]) -> list[Fact]:
        """The time of a key has come: its job is due. A threshold's has none."""
        account = self._account(key, scratch)
        if account is None:
            return []
        if self.settings.threshold is None:
            values = orjson.loads(account.context) if account.context else {}
            jobs.append(
                DueJob(
                    key,
                    account.cause,
                    account.first,
                    values,
                    account.count,
                    account.opened_at,
                    account.heard_at,
                )
            )
        scratch.drop(self.settings.name, key, len(account.samples))
        return [KeyClosed(self._topic_id, self.settings.name, scratch.serial(), key)]

    def _account(self, key: str, scratch: Scratch) -> KeyAccount | None:
        """As it is, or as the append that is under way has made it."""
        if scratch.has(self.settings.name, key):
            return scratch.account(self.settings.name, key)
        return self.accounts.get(key)

    def _make_place(self, wanted: str, scratch: Scratch, jobs: list[DueJob]) -> list[Fact]:
        """For key `wanted`: the first other one that this append has not touched gives way.

        Raises `FilterError` when none may, or one append brings too many.
        """
        name = self.settings.name
        if self.settings.kind is DerivationKind.ABSENCE:
            raise FilterError(
                f"{DERIVATION_KEYS_MAX} keys are waited for, the limit: its key is not"
            )
        for key in islice(self.accounts, scratch.passed(name), None):
            scratch.pass_over(name)
            if key != wanted and not scratch.has(name, key):
                return self.close(key, scratch, jobs)
        raise FilterError(f"more than {DERIVATION_KEYS_MAX} keys at once")

    def released(self, threshold: Threshold, now: UnixMs, serial: int) -> list[Fact]:
        """Keys that these other bounds take back: the next value may make a job by them.

        What is out of them is noticed by the next value, too. `serial` is the next one.
        """
        facts: list[Fact] = []
        for key, account in self.accounts.items():
            if account.side == WITHIN:
                continue
            figure = threshold.figure(account.values_within(threshold, now))
            if figure is not None and threshold.side(figure, account.side) != account.side:
                name = self.settings.name
                facts.append(KeyCrossed(self._topic_id, name, serial + len(facts), key, WITHIN))
        return facts

    # ---- looks

    def due_at(self, account: KeyAccount) -> UnixMs:
        """When the time of an account has come, unless another signal puts it off."""
        kind = self.settings.kind
        if kind is DerivationKind.DEBOUNCE:
            return UnixMs(account.heard_at + self.settings.period_ms)
        if kind is DerivationKind.COALESCE:
            return UnixMs(account.opened_at + self.settings.period_ms)
        if kind is DerivationKind.ABSENCE:
            since = max(account.heard_at, self.started_at)
            return UnixMs(since + self.settings.period_ms)
        return NEVER

    def facts(self, key: str) -> list[Fact]:
        """What makes this key's account again."""
        account = self.accounts.get(key)
        if account is None:
            return []
        name = self.settings.name
        return [KeyKept(self._topic_id, name, account.serial, key, account.as_json())]

    # ---- obedience

    def obey(self, settings: DerivationSettings) -> None:
        """These settings from now on."""
        self.settings = settings
        self.derivation = None
        self.why_not = ""
        try:
            self.derivation = Derivation(settings)
        except InvalidFilter as error:
            self.why_not = str(error)

    def apply(self, fact: KeyFact) -> None:
        """What the snapshot knows already is left out, by its serial."""
        account = self.accounts.pop(fact.key, None)
        if account is not None:
            self.sample_count -= len(account.samples)
        if account is None or fact.serial > account.serial:
            account = self._changed(account, fact)
        if account is not None:
            self.accounts[fact.key] = account
            self.sample_count += len(account.samples)

    def _changed(self, account: KeyAccount | None, fact: KeyFact) -> KeyAccount | None:
        """What a fact makes of an account; None for none."""
        if isinstance(fact, KeyKept):
            return account_from(fact.account, fact.serial)
        if isinstance(fact, SignalTaken):
            if account is None:
                account = KeyAccount(fact.at, Cause(fact.cause_source, fact.cause_id))
            account.note(fact)
        elif isinstance(fact, SampleTaken):
            if account is None:
                account = KeyAccount(fact.at, NOBODY)
            account.sample(fact, self.settings.threshold or Threshold())
        elif isinstance(fact, KeyCrossed):
            if account is not None:
                account.serial = fact.serial
                account.side = fact.side
        else:
            return None
        return account
