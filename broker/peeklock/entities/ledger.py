"""A derivation and what it remembers: an account for each key that signals count towards.

Accounts stand in the order in which their last signals came. When there are too many, the
first one gives way: its job is made early.
"""

from itertools import islice
from typing import Final, final

import orjson

from peeklock.entities.derivation import Derivation, Taken
from peeklock.entities.derivation_facts import (
    DerivationCreated,
    KeyClosed,
    KeyFact,
    KeyKept,
    SignalTaken,
)
from peeklock.entities.derivation_settings import DerivationKind
from peeklock.entities.facts import Fact
from peeklock.entities.job_draft import Cause, DueJob
from peeklock.entities.key_account import KeyAccount, account_from
from peeklock.entities.scratch import Scratch
from peeklock.entities.signal_reader import SignalReader
from peeklock.errors import FilterError, InvalidFilter
from peeklock.limits import (
    DERIVATION_CONTEXT_BYTES_MAX,
    DERIVATION_KEY_CHARACTERS_MAX,
    DERIVATION_KEYS_MAX,
)
from peeklock.types import NEVER, QueueId, UnixMs


@final
class Ledger:
    """One derivation of a topic."""

    def __init__(self, created: DerivationCreated) -> None:
        self.settings: Final = created.settings
        self.created_at: Final = created.created_at
        self._topic_id: Final[QueueId] = created.queue_id
        # None: of another version, and not to be read; recovery must not stop at it.
        self.derivation: Derivation | None = None
        self.why_not = ""
        self.accounts: Final[dict[str, KeyAccount]] = {}
        try:
            self.derivation = Derivation(created.settings, created.created_at)
        except InvalidFilter as error:
            self.why_not = str(error)

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
        context = orjson.dumps(taken.values)
        size = len(context) + len(cause.source) + len(cause.id)
        if size > DERIVATION_CONTEXT_BYTES_MAX:
            raise FilterError(
                f"its source, its id and what the job's template wants of it are {size} bytes; "
                f"until the job is due, up to {DERIVATION_CONTEXT_BYTES_MAX} are kept"
            )
        if len(taken.key) > DERIVATION_KEY_CHARACTERS_MAX:
            raise FilterError(
                f"its key has {len(taken.key)} characters; allowed are "
                f"{DERIVATION_KEY_CHARACTERS_MAX}"
            )
        facts: list[Fact] = []
        account = self._account(taken.key, scratch)
        if account is None:
            facts.extend(self._make_place(scratch, jobs))
            account = KeyAccount(now, cause)
        else:
            account = account.copy()
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
        scratch.keep(name, taken.key, account, is_new=account.count == 1)
        return [*facts, fact]

    def close(self, key: str, scratch: Scratch, jobs: list[DueJob]) -> list[Fact]:
        """The time of a key has come: its job is due."""
        account = self._account(key, scratch)
        if account is None:
            return []
        values = orjson.loads(account.context) if account.context else {}
        jobs.append(DueJob(key, account.cause, account.first, values, account.count))
        scratch.drop(self.settings.name, key)
        return [KeyClosed(self._topic_id, self.settings.name, scratch.serial(), key)]

    def _account(self, key: str, scratch: Scratch) -> KeyAccount | None:
        """As it is, or as the append that is under way has made it."""
        if scratch.has(self.settings.name, key):
            return scratch.account(self.settings.name, key)
        return self.accounts.get(key)

    def _make_place(self, scratch: Scratch, jobs: list[DueJob]) -> list[Fact]:
        """For one more key; raises `FilterError` when one append brings too many."""
        name = self.settings.name
        if len(self.accounts) + scratch.growth(name) < DERIVATION_KEYS_MAX:
            return []
        for key in islice(self.accounts, scratch.passed(name), None):
            scratch.pass_over(name)
            if not scratch.has(name, key):
                return self.close(key, scratch, jobs)
        raise FilterError(f"more than {DERIVATION_KEYS_MAX} keys at once")

    # ---- looks

    def due_at(self, account: KeyAccount) -> UnixMs:
        """When the time of an account has come, unless another signal puts it off."""
        kind = self.settings.kind
        if kind is DerivationKind.DEBOUNCE:
            return UnixMs(account.heard_at + self.settings.period_ms)
        if kind is DerivationKind.COALESCE:
            return UnixMs(account.opened_at + self.settings.period_ms)
        return NEVER

    def facts(self, key: str) -> list[Fact]:
        """What makes this key's account again."""
        account = self.accounts.get(key)
        if account is None:
            return []
        name = self.settings.name
        return [KeyKept(self._topic_id, name, account.serial, key, account.as_json())]

    # ---- obedience

    def apply(self, fact: KeyFact) -> None:
        """What the snapshot knows already is left out, by its serial."""
        account = self.accounts.pop(fact.key, None)
        if isinstance(fact, KeyKept):
            self.accounts[fact.key] = account_from(fact.account, fact.serial)
            return
        if account is not None and fact.serial <= account.serial:
            self.accounts[fact.key] = account
            return
        if isinstance(fact, KeyClosed):
            return
        assert isinstance(fact, SignalTaken)
        if account is None:
            account = KeyAccount(fact.at, Cause(fact.cause_source, fact.cause_id))
        account.note(fact)
        self.accounts[fact.key] = account
