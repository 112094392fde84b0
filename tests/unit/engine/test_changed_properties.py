"""Settling may change a message's properties: by the same append, all of it or nothing."""

from pathlib import Path

import pytest

from peeklock.engine.capture import Capture
from peeklock.engine.dispatch import Receiver
from peeklock.engine.effects import Deliver, Refused, Settled, SettleRefused
from peeklock.engine.link_desk import LinkDesk
from peeklock.engine.restore import Restorer
from peeklock.engine.transactions import Transactions
from peeklock.entities.dispositions import COMPLETE, Disposition, Verdict
from peeklock.entities.facts import Rewritten
from peeklock.entities.kept_links import LinkKey
from peeklock.entities.queue import Queue, token_of
from peeklock.entities.queue_index import DEFERRED, READY, WAITING, Entry
from peeklock.entities.settings import Overflow
from peeklock.entities.submission import Submission
from peeklock.errors import (
    DiskFull,
    InvalidRequest,
    LockLost,
    MessageTooLarge,
    MessageUnreadable,
    QuotaExceeded,
    TransactionFailed,
)
from peeklock.filters.filter import selector
from peeklock.limits import CHANGED_BYTES_MAX
from peeklock.management.operations import update_queue
from peeklock.management.ways_on import of_right
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import LockToken, Millis, SequenceNumber, UnixMs
from tests.support.changes import job, properties_of, setting
from tests.support.disk_house import DiskHouse, flip, live_bytes_of, recover
from tests.support.house import House, empty_namespace, pictures, replayed

TRIED = setting(Verdict.ABANDON, tried=1)
BAD = setting(Verdict.DEAD_LETTER, tried=1)
ASIDE = setting(Verdict.DEFER, tried=1)
LARGE = setting(Verdict.ABANDON, tried="x" * 2000)


@pytest.fixture
def house() -> House:
    return House()


def hold(house: House, queue: Queue, count: int = 1) -> tuple[Receiver, list[LockToken]]:
    receiver = house.receiver(queue, count)
    house.turn()
    return receiver, house.held(receiver)


def settle(house: House, queue: Queue, how: Disposition, count: int = 1) -> None:
    """The oldest messages are received and settled so; their receiver leaves."""
    receiver, tokens = hold(house, queue, count)
    try:
        house.engine.settle_tokens(queue, tokens, how, house.now)
    finally:
        house.engine.detach(receiver, house.now)


def only(queue: Queue) -> Entry:
    (entry,) = queue.entries.values()
    return entry


def shown(queue: Queue) -> list[object]:
    return [properties_of(entry.message) for entry in queue.entries.values()]


def check_replay(house: House) -> None:
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    recovered = replayed(journal._facts)
    assert pictures(recovered, house.now) == pictures(house.namespace, house.now)
    used = sum(queue.size_bytes for queue in house.namespace.by_id.values())
    assert house.namespace.residency.used_bytes == used


class TestWhatChanges:
    def test_abandon_sets_and_overwrites_and_leaves_the_rest(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job(b"body", color="red", tried=0))
        before = only(queue).enqueued_at
        house.advance(5)
        settle(house, queue, TRIED)
        entry = only(queue)
        assert entry.message is not None
        assert entry.message.bare == job(b"body", color="red", tried=1)
        assert (entry.number, entry.enqueued_at) == (1, before)
        assert (entry.state, entry.delivery_count) == (READY, 1)
        assert entry.size == entry.message.size == queue.size_bytes
        check_replay(house)

    def test_again_and_again(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job())
        for attempt in range(5):
            settle(house, queue, setting(Verdict.ABANDON, attempt=attempt, log="x" * attempt))
        assert shown(queue) == [{"attempt": 4, "log": "xxxx"}]
        check_replay(house)

    def test_defer_sets_aside_what_is_changed(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job())
        settle(house, queue, ASIDE)
        assert only(queue).state == DEFERRED
        number = SequenceNumber(1)
        (entry,) = house.engine.receive_deferred(queue, [number], house.now, delete=False)
        assert properties_of(entry.message) == {"tried": 1}
        more = setting(Verdict.ABANDON, more=True)
        house.engine.settle_tokens(queue, [token_of(entry)], more, house.now)
        assert shown(queue) == [{"tried": 1, "more": True}]
        check_replay(house)

    def test_a_dead_letter_arrives_changed_by_one_fact(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job())
        settle(house, queue, BAD)
        dead = only(house.dead_letters(queue))
        assert properties_of(dead.message) == {"tried": 1}
        assert dead.origin is not None
        assert dead.origin.reason == "bad"
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        last = [type(fact).__name__ for fact in journal._facts[-1][1]]
        assert last == ["Removed", "Enqueued"]
        check_replay(house)

    def test_so_does_what_fails_for_the_last_time(self, house: House) -> None:
        queue = house.queue(max_delivery_count=2)
        for _ in range(2):
            house.send(queue, job())
        settle(house, queue, TRIED)
        again = setting(Verdict.ABANDON, again=True)
        settle(house, queue, again, 2)  # one of them has failed before
        assert shown(house.dead_letters(queue)) == [{"tried": 1, "again": True}]
        assert shown(queue) == [{"again": True}]
        check_replay(house)

    def test_a_dead_letter_that_fails_again_stays_changed(self, house: House) -> None:
        queue = house.queue()
        dead = house.dead_letters(queue)
        house.send(queue, job())
        settle(house, queue, BAD)
        settle(house, dead, setting(Verdict.ABANDON, tried=2))
        assert shown(dead) == [{"tried": 2}]
        check_replay(house)

    def test_with_a_time_it_waits_changed(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job())
        at = UnixMs(house.now + 500)
        later = Disposition(Verdict.ABANDON, at, properties=TRIED.properties)
        settle(house, queue, later)
        assert only(queue).state == WAITING
        house.advance(500)
        assert (only(queue).state, shown(queue)) == (READY, [{"tried": 1}])
        check_replay(house)

    def test_a_selector_sees_it_when_it_is_back(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job(tried=0))
        wanted = selector("tried = 1")
        other = house.engine.attach(
            house.peer, "link", queue, house.receiver(queue).mode, wanted
        )
        house.engine.set_credit(other, 1, draining=False)
        house.turn()
        assert other.held_numbers() == []
        settle(house, queue, TRIED)
        house.turn()
        assert other.held_numbers() == [1]

    def test_in_a_message_session_order_stays(self, house: House) -> None:
        queue = house.queue(requires_session=True)
        for body in (b"a", b"b"):
            house.send(queue, job(body), session_id="s")
        holder = house.seek(queue, "s", 1)
        house.engine.settle_tokens(queue, house.held(holder), TRIED, house.now)
        house.engine.set_credit(holder, 2, draining=False)
        house.turn()
        assert holder.held_numbers() == [1, 2]
        assert shown(queue) == [{"tried": 1}, {}]
        check_replay(house)


class TestCopies:
    def test_others_of_a_topics_message_stay_as_they_were(self, house: House) -> None:
        topic = house.topic()
        one, two = (house.subscription(topic, name) for name in "ab")
        house.send(topic, job())
        size = only(one).size
        settle(house, one, TRIED)
        assert (shown(one), shown(two)) == ([{"tried": 1}], [{}])
        residency = house.namespace.residency
        assert residency.used_bytes == only(one).size + size
        for queue in (one, two):
            settle(house, queue, COMPLETE)
        assert residency.used_bytes == 0

    def test_a_dead_letter_of_one_has_bytes_of_its_own(self, house: House) -> None:
        topic = house.topic()
        one, two = (house.subscription(topic, name) for name in "ab")
        house.send(topic, job())
        settle(house, one, BAD)
        dead = house.dead_letters(one)
        assert (shown(dead), shown(two)) == ([{"tried": 1}], [{}])
        for queue in (dead, two):
            settle(house, queue, COMPLETE)
        assert house.namespace.residency.used_bytes == 0


class TestForwardedDeadLetters:
    def test_they_go_changed(self, house: House) -> None:
        morgue = house.queue("morgue")
        queue = house.queue(forward_dead_letters_to="morgue")
        house.send(queue, job())
        settle(house, queue, BAD)
        assert shown(morgue) == [{"tried": 1}]
        check_replay(house)

    def test_to_all_subscriptions_by_one_copy_of_the_bytes(self, house: House) -> None:
        topic = house.topic("morgue")
        one, two = (house.subscription(topic, name) for name in "ab")
        queue = house.queue(forward_dead_letters_to="morgue")
        house.send(queue, job())
        settle(house, queue, BAD)
        assert shown(one) == shown(two) == [{"tried": 1}]
        assert only(one).message is only(two).message

    def test_what_is_too_large_there_stays_with_its_queue(self, house: House) -> None:
        size = len(job())
        morgue = house.queue("morgue", max_message_bytes=size)
        queue = house.queue(forward_dead_letters_to="morgue")
        house.send(queue, job())
        settle(house, queue, BAD)
        assert len(morgue.entries) == 0
        assert shown(house.dead_letters(queue)) == [{"tried": 1}]
        check_replay(house)


class TestRefusals:
    """Nothing is changed, and what was held still is."""

    def test_larger_than_the_queue_takes(self, house: House) -> None:
        queue = house.queue(max_message_bytes=1000)
        house.send(queue, job())
        receiver, tokens = hold(house, queue)
        end = house.journal.end
        with pytest.raises(MessageTooLarge, match="up to 1000"):
            house.engine.settle_tokens(queue, tokens, LARGE, house.now)
        assert house.journal.end == end
        assert house.held(receiver) == tokens
        house.engine.settle_tokens(queue, tokens, COMPLETE, house.now)

    def test_larger_than_a_younger_limit_and_not_growing(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job(tried=10))
        update_queue(house.engine, "orders", {"max_message_bytes": 5}, house.now, of_right)
        settle(house, queue, TRIED)
        assert shown(queue) == [{"tried": 1}]

    def test_a_run_hears_it_for_each_and_of_locks_that_are_lost(self, house: House) -> None:
        queue = house.queue(max_message_bytes=1000)
        for _ in range(3):
            house.send(queue, job())
        receiver = house.receiver(queue, 3)
        house.sync()
        tokens = house.held(receiver)
        asked = [tokens[0], LockToken(bytes(16)), tokens[2]]
        house.engine.settle(receiver, 7, asked, LARGE, "state", house.now, settled=False)
        told = [e for e in house.sync() if isinstance(e, SettleRefused | Settled)]
        assert [
            (e.delivery_id, type(e.error)) for e in told if isinstance(e, SettleRefused)
        ] == [(7, MessageTooLarge), (8, LockLost), (9, MessageTooLarge)]
        assert len(told) == 3
        assert house.held(receiver) == tokens

    def test_a_settled_one_stays_held(self, house: House) -> None:
        queue = house.queue(max_message_bytes=1000)
        house.send(queue, job())
        receiver, tokens = hold(house, queue)
        house.engine.settle(receiver, 0, tokens, LARGE, "state", house.now, settled=True)
        assert house.held(receiver) == tokens

    def test_too_many_bytes_at_once(self, house: House) -> None:
        queue = house.queue()
        for _ in range(2):
            house.send(queue, job(bytes(CHANGED_BYTES_MAX // 2)))
        with pytest.raises(QuotaExceeded, match="settle fewer at once"):
            settle(house, queue, TRIED, 2)
        settle(house, queue, TRIED)
        assert [bool(found) for found in shown(queue)] == [True, False]

    def test_too_many_bytes_of_properties_at_once(self, house: House) -> None:
        queue = house.queue()
        for _ in range(CHANGED_BYTES_MAX // 60_000 + 1):
            house.send(queue, job())
        with pytest.raises(QuotaExceeded, match="settle fewer at once"):
            settle(house, queue, setting(Verdict.DEFER, log="x" * 60_000), 1000)
        assert queue.counts[READY] == len(queue.entries)

    def test_a_message_without_properties_that_can_be_read(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, b"no message")
        with pytest.raises(InvalidRequest, match="cannot be changed"):
            settle(house, queue, TRIED)

    def test_a_full_queue(self, house: House) -> None:
        queue = house.queue(max_bytes=len(job()))
        house.send(queue, job())
        with pytest.raises(QuotaExceeded):
            settle(house, queue, TRIED)
        settle(house, queue, BAD)  # it leaves
        assert shown(house.dead_letters(queue)) == [{"tried": 1}]

    def test_in_a_full_queue_the_oldest_may_give_way(self, house: House) -> None:
        body = bytes(100)
        limit = 2 * len(job(body))
        queue = house.queue(max_bytes=limit, overflow=Overflow.DROP_OLDEST)
        for _ in range(2):
            house.send(queue, job(body))
        settle(house, queue, TRIED)
        assert shown(queue) == [{"tried": 1}]
        assert queue.size_bytes <= limit
        check_replay(house)

    def test_a_nearly_full_disk(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        queue = house.queue()
        house.send(queue, job())
        monkeypatch.setattr(MemoryJournal, "has_room", False)
        with pytest.raises(DiskFull, match="without properties still works"):
            settle(house, queue, TRIED)
        settle(house, queue, COMPLETE)


class TestDurability:
    def test_a_delivery_waits_for_what_was_changed(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job())
        receiver = house.receiver(queue, 1)
        house.sync()
        other = house.receiver(queue, 1)
        tokens = house.held(receiver)
        house.engine.settle(receiver, 0, tokens, TRIED, "state", house.now, settled=False)
        house.turn()
        assert other.held_numbers() == [1]
        assert house.engine.take_effects() == []
        assert [type(effect) for effect in house.sync()] == [Settled, Deliver]

    def test_the_message_is_changed_and_settled_or_neither(self, house: House) -> None:
        queue = house.queue()
        house.send(queue, job())
        settle(house, queue, TRIED)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        (append,) = [
            facts
            for _end, facts in journal._facts
            if any(isinstance(fact, Rewritten) for fact in facts)
        ]
        assert [type(fact).__name__ for fact in append] == ["Rewritten", "Unlocked"]


class TestTransactions:
    def open(self, house: House) -> tuple[Transactions, bytes]:
        transactions = Transactions(house.engine, house.peer, "link")
        return transactions, transactions.declare(house.now)

    def test_it_changes_when_the_transaction_does(self, house: House) -> None:
        queue, others = house.queue(), house.queue("others")
        house.send(queue, job())
        receiver, tokens = hold(house, queue)
        transactions, txn_id = self.open(house)
        txn = transactions.find(txn_id, house.now)
        given = Submission(Message(job()))
        transactions.send(txn, others, given, house.now)
        transactions.settle(txn, receiver, 0, tokens, TRIED, "state", house.now, settled=False)
        assert shown(queue) == [{}]
        transactions.discharge(txn_id, 0, house.now, fail=False)
        assert (shown(queue), len(others.entries)) == ([{"tried": 1}], 1)
        check_replay(house)

    def test_what_is_refused_rolls_all_of_it_back(self, house: House) -> None:
        queue = house.queue(max_bytes=len(job()) + 5)  # for what is there, and no more
        house.send(queue, job())
        receiver, tokens = hold(house, queue)
        transactions, txn_id = self.open(house)
        txn = transactions.find(txn_id, house.now)
        transactions.settle(txn, receiver, 0, tokens, TRIED, "state", house.now, settled=False)
        transactions.discharge(txn_id, 0, house.now, fail=False)
        (refused,) = [e for e in house.sync() if isinstance(e, Refused)]
        assert isinstance(refused.error, TransactionFailed)
        assert shown(queue) == [{}]
        assert house.held(receiver) == tokens


class TestRecoverableLinks:
    def test_a_claim_that_is_refused_stays_held(self, house: House) -> None:
        queue = house.queue(max_message_bytes=1000)
        desk = LinkDesk(house.engine)
        key = LinkKey("user", "container", "in", is_sender=False)
        for _ in range(2):
            house.send(queue, job())

        def come(claims: dict[bytes, Disposition | None]) -> tuple[Receiver, set[bytes]]:
            comeback = desk.attach_receiver(
                house.peer, object(), key, queue, None, Millis(10_000), claims, house.now,
                says_all=True,
            )  # fmt: skip
            return comeback.receiver, set(comeback.held)

        receiver, _held = come({})
        house.engine.set_credit(receiver, 2, draining=False)
        house.turn()
        first, second = (bytes(token) for token in house.held(receiver))
        _receiver, still = come({first: TRIED, second: LARGE})
        assert still == {second}
        assert shown(queue) == [{"tried": 1}, {}]


class TestOnDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> DiskHouse:
        return DiskHouse(tmp_path / "data")

    def test_what_changed_is_read_back_and_the_old_bytes_are_dead(
        self, disk: DiskHouse
    ) -> None:
        disk.house.send(disk.queue, job(bytes(500)))
        settle(disk.house, disk.queue, TRIED)
        entry = only(disk.queue)
        assert entry.message is None, "nothing is resident here"
        assert disk.journal.fetch(entry.body_at).bare == job(bytes(500), tried=1)
        live = sum(disk.live._areas.values())
        settle(disk.house, disk.queue, COMPLETE)
        assert live > entry.size
        assert disk.live._areas == {}
        disk.close()

    def test_damaged_bytes_cannot_be_changed_and_may_be_completed(
        self, disk: DiskHouse
    ) -> None:
        disk.house.send(disk.queue, job(bytes(500)))
        disk.house.sync()
        receiver, tokens = hold(disk.house, disk.queue)
        flip(disk.folder / "journal" / f"{0:020d}.journal", only(disk.queue).body_at + 200)
        with pytest.raises(MessageUnreadable, match="message 1 cannot be read"):
            disk.house.engine.settle_tokens(disk.queue, tokens, TRIED, disk.house.now)
        assert disk.house.held(receiver) == tokens
        disk.house.engine.settle_tokens(disk.queue, tokens, COMPLETE, disk.house.now)
        disk.close()

    def test_of_a_message_whose_own_record_was_lost_it_is_left_out(
        self, disk: DiskHouse
    ) -> None:
        for _ in range(2):
            disk.house.send(disk.queue, job(bytes(300)))
        disk.house.sync()
        first = disk.queue.entries[SequenceNumber(1)]
        lost_at = first.body_at
        settle(disk.house, disk.queue, TRIED)
        disk.house.sync()
        disk.close()
        flip(disk.folder / "journal" / f"{0:020d}.journal", lost_at + 50)
        recovered = recover(disk.folder)
        queue = recovered.namespace.find("orders")
        assert list(queue.entries) == [2]
        assert recovered.restorer.left_out_count > 0
        recovered.journal.close()


@pytest.mark.parametrize("forwards", [False, True])
def test_a_changed_dead_letter_brings_its_bytes(tmp_path: Path, forwards: bool) -> None:
    disk = DiskHouse(tmp_path / "data")
    where = disk.dead
    if forwards:
        where = disk.house.queue("morgue")
        changes = {"forward_dead_letters_to": "morgue"}
        update_queue(disk.house.engine, "orders", changes, disk.house.now, of_right)
    disk.house.send(disk.queue, job())
    settle(disk.house, disk.queue, BAD)
    entry = only(where)
    assert disk.journal.fetch(entry.body_at).bare == job(tried=1)
    assert disk.live._areas == live_bytes_of(disk.house.namespace)
    disk.close()


def test_what_a_snapshot_knows_already_is_not_changed_again(house: House) -> None:
    """Changed, and gone, while the snapshot was being taken."""
    queue = house.queue()
    for _ in range(2):
        house.send(queue, job())
    capture = Capture(house.namespace)
    captured_at = house.journal.end
    slices = [capture.next_slice(captured_at)]
    settle(house, queue, TRIED)
    settle(house, queue, COMPLETE)
    settle(house, queue, setting(Verdict.ABANDON, tried=2))
    while facts := capture.next_slice(house.journal.end):
        slices.append(facts)
    settle(house, queue, setting(Verdict.ABANDON, tried="three"))
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    namespace = empty_namespace()
    restorer = Restorer(namespace)
    for facts in slices:
        restorer.apply(facts, captured_at)
    for end, facts in journal._facts:
        if end > captured_at:
            restorer.apply(facts, end)
    assert restorer.left_out_count == 0
    assert pictures(namespace, house.now) == pictures(house.namespace, house.now)
    assert properties_of(only(namespace.find("orders")).message) == {"tried": "three"}
