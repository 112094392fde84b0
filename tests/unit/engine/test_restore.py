"""What recovery leaves out, what it makes up for, and that it counts only what was lost."""

import pytest

from peeklock.engine.capture import Capture
from peeklock.engine.dispatch import Receiver
from peeklock.engine.restore import Restorer
from peeklock.entities.dispositions import COMPLETE, Disposition, Verdict
from peeklock.entities.facts import Enqueued, Fact, Locked, QueueCreated, QueueDeleted, Unlocked
from peeklock.entities.namespace import Namespace
from peeklock.entities.queue_index import LOCKED, READY
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import Lsn
from tests.support.house import House, empty_namespace, pictures

Appends = list[tuple[Lsn, list[Fact]]]


def appends_of(house: House) -> Appends:
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    return list(journal._facts)


def restored(appends: Appends) -> tuple[Namespace, Restorer]:
    namespace = empty_namespace()
    restorer = Restorer(namespace)
    for end, facts in appends:
        restorer.apply(facts, end)
    return namespace, restorer


def held(house: House, count: int) -> Receiver:
    receiver = house.receiver(house.namespace.find("orders"), count)
    house.turn()
    return receiver


def without(appends: Appends, kind: type) -> Appends:
    """As if the records with such a fact had been damaged."""
    return [
        (end, facts) for end, facts in appends if not any(isinstance(f, kind) for f in facts)
    ]


def test_messages_of_a_queue_whose_own_record_is_lost_are_kept() -> None:
    house = House()
    queue = house.queue()
    for _ in range(3):
        house.send(queue)
    receiver = held(house, 1)
    bad = Disposition(Verdict.DEAD_LETTER, reason="bad", description="why")
    house.engine.settle_tokens(queue, house.held(receiver), bad, house.now)
    namespace, restorer = restored(without(appends_of(house), QueueCreated))
    found = namespace.find("recovered-1")
    assert list(found.entries) == [2, 3]
    assert list(namespace.dead_letters_of(found).entries) == [1]
    assert restorer.stand_ins == ["recovered-1"]
    after = House(namespace=namespace)
    assert after.queue("orders").queue_id == 3, "its number is not used again"


def test_dead_letters_alone_bring_their_queue_with_them() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    bad = Disposition(Verdict.DEAD_LETTER, reason="bad", description="why")
    house.engine.settle_tokens(queue, house.held(held(house, 1)), bad, house.now)
    moves = [
        (end, facts)
        for end, facts in appends_of(house)
        if any(isinstance(f, Enqueued) and f.origin is not None for f in facts)
    ]
    namespace, _restorer = restored(moves)
    assert len(namespace.find("recovered-1/$DeadLetterQueue").entries) == 1
    assert len(namespace.find("recovered-1").entries) == 0


def test_a_stand_in_takes_no_name_that_is_taken() -> None:
    house = House()
    queue = house.queue("orders")
    house.queue("recovered-1")
    house.send(queue)
    appends = [
        (end, facts)
        for end, facts in appends_of(house)
        if not any(isinstance(f, QueueCreated) and f.path == "orders" for f in facts)
    ]
    namespace, restorer = restored(appends)
    assert restorer.stand_ins == ["recovered-1-again"]
    assert len(namespace.find("recovered-1-again").entries) == 1
    assert len(namespace.find("recovered-1").entries) == 0


def test_a_deletion_that_was_lost_is_seen_when_its_name_is_taken_again() -> None:
    house = House()
    house.send(house.queue())
    house.engine.commit_registry(house.namespace.delete("orders"))
    again = house.queue()
    house.send(again)
    namespace, restorer = restored(without(appends_of(house), QueueDeleted))
    assert pictures(namespace, house.now) == pictures(house.namespace, house.now)
    assert restorer.left_out_count == 2, "the queue and its dead letters"


def test_nothing_comes_back_from_a_deleted_queue() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    house.engine.commit_registry(house.namespace.delete("orders"))
    late = [
        (Lsn(1 << 20), [Enqueued(queue.queue_id, queue.next_number, None, house.now, 1, 0)])
    ]
    namespace, restorer = restored([*appends_of(house), *late])
    assert namespace.by_id == {}
    assert restorer.stand_ins == []


def test_facts_about_messages_that_are_lost_are_left_out_and_counted() -> None:
    house = House()
    queue = house.queue()
    for _ in range(5):
        house.send(queue)
    receiver = held(house, 5)
    house.engine.settle_tokens(queue, house.held(receiver)[:2], COMPLETE, house.now)
    appends = appends_of(house)
    lost = [facts for _end, facts in appends if isinstance(facts[0], Enqueued)][1]
    namespace, restorer = restored([(end, facts) for end, facts in appends if facts != lost])
    assert list(namespace.find("orders").entries) == [3, 4, 5]
    assert restorer.left_out_count == 2, "it was locked, and removed"


def test_what_the_snapshot_knows_is_not_counted_as_lost() -> None:
    """Facts that came while it was taken are in it and in the journal's tail."""
    house = House()
    queue = house.queue()
    for _ in range(10):
        house.send(queue)
    capture = Capture(house.namespace, slice_count=4)
    began_at = house.journal.end
    slices: Appends = []
    while True:
        facts = capture.next_slice(house.journal.end)
        if not facts:
            break
        slices.append((began_at, facts))
        house.send(queue)
        receiver = held(house, 2)
        house.engine.settle_tokens(queue, house.held(receiver), COMPLETE, house.now)
    tail = [(end, facts) for end, facts in appends_of(house) if end > began_at]
    namespace, restorer = restored([*slices, *tail])
    assert pictures(namespace, house.now) == pictures(house.namespace, house.now)
    assert restorer.left_out_count == 0


def test_a_message_whose_unlocking_was_lost_can_be_locked_again() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    house.engine.detach(held(house, 1), house.now)
    held(house, 1)
    appends = appends_of(house)
    assert sum(isinstance(facts[0], Locked) for _end, facts in appends) == 2
    namespace, _restorer = restored(without(appends, Unlocked))
    found = namespace.find("orders")
    assert found.counts[LOCKED] == 1
    after = House(namespace=namespace)
    after.clock.advance(10_000_000)
    after.engine.start(after.now)
    assert found.counts[READY] == 1
    assert found.next_deadline() == 0, "no lock that nobody holds is waited for"


@pytest.mark.parametrize("deleted", [False, True])
def test_a_send_to_a_queue_that_is_gone_is_refused(deleted: bool) -> None:
    """Or it would be accepted, and be nowhere after the next start."""
    house = House()
    queue = house.queue()
    if deleted:
        house.engine.commit_registry(house.namespace.delete("orders"))
    house.send(queue)
    house.sync()
    assert [type(effect).__name__ for effect in house.peer.told] == [
        "Refused" if deleted else "Accepted"
    ]
    assert len(queue.entries) == (0 if deleted else 1)
