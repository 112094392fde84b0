"""Deadlines come in order, and what is stale does not pile up behind what stays."""

from hypothesis import given
from hypothesis import strategies as st

from peeklock.entities.dispositions import COMPLETE
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import LOCKED, SWEEP_AT_MIN, Deadlines, Entry
from peeklock.message import NO_TTL
from peeklock.types import NEVER, NOWHERE, SequenceNumber, UnixMs
from tests.support.house import House

instants = st.integers(1, 2**48).map(UnixMs)
numbers = st.integers(1, 2**63 - 1).map(SequenceNumber)


def entries_of(pairs: list[tuple[UnixMs, SequenceNumber]]) -> dict[SequenceNumber, Entry]:
    return {
        number: Entry(
            number,
            None,
            NOWHERE,
            0,
            0,
            UnixMs(1),
            at,
            NEVER,
            0,
            None,
            0,
            None,
            SequenceNumber(0),
        )
        for at, number in pairs
    }


@given(st.lists(st.tuples(instants, numbers), max_size=60), instants)
def test_deadlines_are_the_pairs_in_order(
    pairs: list[tuple[UnixMs, SequenceNumber]], now: UnixMs
) -> None:
    deadlines = Deadlines()
    for at, number in pairs:
        deadlines.add(at, number, entries_of(pairs))
    due = [number for at, number in pairs if at <= now]
    assert sorted(deadlines.due(now, 1000)) == sorted(due)
    assert len(deadlines.due(now, 2)) == min(2, len(due))
    assert sorted(deadlines.numbers()) == sorted(number for _at, number in pairs)
    found = []
    while len(deadlines):
        found.append((deadlines.first_at(), deadlines.first_number()))
        deadlines.drop_first()
    assert found == sorted(pairs)
    assert deadlines.first_at() == NEVER


def do_the_newest(house: House, queue: Queue, *, ttl_ms: int = NO_TTL) -> None:
    """Send a message, lock it and complete it, past all that came before."""
    house.send(queue, ttl_ms=ttl_ms)
    newest = queue.entries[SequenceNumber(queue.next_number - 1)]
    locked = queue.receive([newest], house.ids.nonce(), house.now)
    house.engine.commit(queue, [locked], house.now)
    done = queue.settle([newest.number], COMPLETE, house.now)
    house.engine.commit(queue, done, house.now)


def test_a_straggler_does_not_keep_the_expiry_of_what_is_done() -> None:
    """The oldest message stays, and those behind it come and go."""
    house = House()
    queue = house.queue()
    house.send(queue, ttl_ms=10**9)
    for _ in range(3 * SWEEP_AT_MIN):
        do_the_newest(house, queue, ttl_ms=10**9)
    assert len(queue.entries) == 1
    assert len(queue._expiring) <= SWEEP_AT_MIN
    assert queue.next_deadline() == house.now + 10**9


def test_a_message_that_nobody_takes_does_not_keep_the_numbers_of_what_expired() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    for _ in range(3 * SWEEP_AT_MIN):
        house.send(queue, ttl_ms=1)
        house.advance(1)
    assert len(queue.entries) == 1
    assert sum(len(lane.fresh) for lane in queue._lanes) <= SWEEP_AT_MIN + 3
    house.send(queue)
    assert [entry.number for entry in queue.first_ready(10)] == list(queue.entries)


def test_a_slow_worker_does_not_keep_the_locks_that_others_have_settled() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    house.receiver(queue, 1)
    house.turn()
    for _ in range(3 * SWEEP_AT_MIN):
        do_the_newest(house, queue)
    assert queue.counts[LOCKED] == 1
    assert len(queue._lock_ends.heap) <= SWEEP_AT_MIN
    assert queue.next_deadline() == house.now + queue.settings.lock_duration_ms
