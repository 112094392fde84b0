"""A selection finds what asking every ready message would find, in the queue's order."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from peeklock.entities.dispositions import ABANDON, COMPLETE, DEFER, RELEASE, Disposition
from peeklock.entities.queue_index import DEFERRED, Entry
from peeklock.entities.selection import Selection
from peeklock.errors import LockLost
from peeklock.limits import DISPATCH_RUN_MAX
from tests.support.house import House

WANTED = b"w"


class BodySelector:
    """Takes messages whose body says so, and that have not failed twice."""

    def __init__(self) -> None:
        self.asked = 0

    def matches(self, entry: Entry) -> bool:
        self.asked += 1
        assert entry.message is not None
        return entry.message.bare == WANTED and entry.delivery_count < 2


class SelectionLife(RuleBasedStateMachine):
    """A queue that others receive from, and one that selects."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.selector = BodySelector()
        self.looks_due = 0  # how many questions are fair: one an arrival, one a return

    @initialize(priorities=st.booleans())
    def begin(self, priorities: bool) -> None:
        self.queue = self.house.queue(
            priorities=priorities, lock_duration_ms=1000, max_delivery_count=100
        )
        self.selection: Selection = self.queue.select(self.selector)
        self.plain = self.house.receiver(self.queue)

    @rule(
        bodies=st.lists(st.sampled_from([WANTED, b"x"]), min_size=1, max_size=8),
        priority=st.integers(0, 9),
        delay=st.sampled_from([0, 0, 500]),
        ttl=st.sampled_from([-1, -1, 700]),
    )
    def send(self, bodies: list[bytes], priority: int, delay: int, ttl: int) -> None:
        for body in bodies:
            at = self.house.now + delay if delay else 0
            self.house.send(self.queue, body, priority=priority, not_before=at, ttl_ms=ttl)
        self.looks_due += len(bodies)

    @rule(count=st.integers(1, 6))
    def others_receive(self, count: int) -> None:
        self.house.engine.set_credit(self.plain, count, draining=False)
        self.house.turn()

    @precondition(lambda self: self.plain.held_numbers())
    @rule(data=st.data(), how=st.sampled_from([COMPLETE, ABANDON, RELEASE, DEFER]))
    def others_settle(self, data: st.DataObject, how: Disposition) -> None:
        tokens = self.house.held(self.plain)
        chosen = data.draw(st.lists(st.sampled_from(tokens), min_size=1, unique=True))
        try:
            self.house.engine.settle_tokens(self.queue, chosen, how, self.house.now)
        except LockLost:
            return
        self.looks_due += len(chosen)

    @rule(ms=st.sampled_from([100, 500, 1000]))
    def time_passes(self, ms: int) -> None:
        self.looks_due += len(self.queue.entries)
        self.house.advance(ms)

    @rule()
    def fetch_deferred(self) -> None:
        numbers = [n for n, one in self.queue.entries.items() if one.state == DEFERRED]
        if numbers:
            self.house.engine.receive_deferred(
                self.queue, numbers, self.house.now, delete=False
            )

    @rule(count=st.integers(1, 5), take=st.booleans())
    def select(self, count: int, take: bool) -> None:
        expected = [
            entry.number
            for entry in self.queue.first_ready(1 << 30)
            if BodySelector().matches(entry)
        ]
        found = self.selection.first(count, self.queue.next_number)
        assert [entry.number for entry in found] == expected[:count]
        if take and found:
            nonce = self.house.ids.nonce()
            locked = self.queue.receive(found, nonce, self.house.now)
            self.plain.remember(locked)
            self.house.engine.commit(self.queue, [locked], self.house.now)
            expected = expected[len(found) :]
        if expected:
            assert self.selection.has_more(self.queue.next_number)

    @rule()
    def select_all(self) -> None:
        self.selection.first(DISPATCH_RUN_MAX, self.queue.next_number)
        has_any = any(
            BodySelector().matches(entry) for entry in self.queue.first_ready(1 << 30)
        )
        assert self.selection.has_more(self.queue.next_number) is has_any

    @invariant()
    def nothing_is_asked_again_without_a_reason(self) -> None:
        assert self.selector.asked <= self.looks_due


TestSelectionLife = SelectionLife.TestCase
TestSelectionLife.settings = settings(
    max_examples=int(os.environ.get("PEEKLOCK_EXAMPLES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
