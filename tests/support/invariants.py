"""What must be true whatever happens, named once: for property tests and crash tests alike."""

from dataclasses import dataclass, field


@dataclass
class Audit:
    """What producers and consumers were told, and what they saw. Jobs by their message-id.

    `in_doubt`: asked for, and the broker died before it answered; either is right then.
    """

    sent: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)
    failures: dict[str, int] = field(default_factory=dict)  # confirmed ones
    held: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)  # sequence numbers seen
    delivery_count = 0

    def receive(self, job: str, attempt: int, number: int) -> None:
        """A consumer was handed a job."""
        assert job in self.sent, f"{job} was never sent"
        assert job not in self.completed, f"{job} was completed, and is back"
        assert job not in self.held, f"{job} is held by two"
        assert attempt > self.failures.get(job, 0), f"{job} forgot an attempt"
        assert self.numbers.setdefault(job, number) == number, f"{job} changed its number"
        self.held.add(job)
        self.delivery_count += 1

    def drop_all(self) -> None:
        """The broker was killed: nobody holds anything any more."""
        self.held.clear()

    def nothing_accepted_is_lost(self, left: set[str]) -> None:
        """`left` is what the queue still had at the end."""
        lost = self.accepted - left - self.completed - self.in_doubt
        assert not lost, f"{len(lost)} accepted jobs are lost, such as {min(lost)}"

    def nothing_is_invented(self, left: set[str]) -> None:
        assert left <= self.sent
        assert not left & self.completed
