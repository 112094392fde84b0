"""The one promise of the store."""

from collections.abc import Iterator
from typing import Protocol

from peeklock.entities.facts import Fact
from peeklock.message import Message
from peeklock.types import Lsn


class JournalFailed(Exception):
    """A write or sync failed: nobody knows what is on the disk, so the process ends."""


class MemoryBehindJournal(Exception):
    """Facts were appended and could not be applied: only recovery knows the truth now."""


class MessageDamaged(Exception):
    """The bytes of a message are not what was written; says where."""


class Journal(Protocol):
    """An ordered, append-only record of facts that survives `kill -9`.

    The contract, which tests/unit/store/test_journal_contract.py runs on every
    implementation:

    - `append` never blocks and never fails, also while a `sync` runs in another thread:
      what it is given is in order, not yet safe.
    - the facts of one `append` are read back together or not at all; an `append` of
      nothing returns the journal's end.
    - after `sync` returns n, all facts whose `append` returned n or less are read back by
      any later `read`, whatever happens to the process or the machine's power.
    - a crash may lose a suffix of what was not synced. It never loses a middle, and never
      invents a fact.
    """

    @property
    def end(self) -> Lsn:
        """The position after everything appended."""
        ...

    @property
    def durable(self) -> Lsn:
        """The position up to which everything is safe."""
        ...

    @property
    def has_room(self) -> bool:
        """Is there disk space for more than the settling of what is there?"""
        ...

    def append(self, facts: list[Fact]) -> Lsn:
        """Buffer `facts` as one unit; returns the position after them.

        A message that the journal does not hold yet is written with its `Enqueued`,
        `Rewritten` or `Relocated`, whose `body_at` is set to where it lies.
        """
        ...

    def sync(self) -> Lsn:
        """Make everything appended so far durable. Blocks: call it off the event loop.

        Returns up to where. That is less than was asked for when the disk has no room: what
        is left over is kept, and a later `sync` tries again.
        Raises `JournalFailed`, after which the journal is not to be used.
        """
        ...

    def fetch(self, body_at: Lsn) -> Message:
        """The message whose bytes an `append` has put at `body_at`.

        Raises `MessageDamaged` when they are not what was written.
        """
        ...

    def read(self) -> Iterator[list[Fact]]:
        """Every synced append since the journal's beginning, oldest first."""
        ...
