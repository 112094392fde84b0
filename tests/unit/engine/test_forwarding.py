"""Forwards: a message ends up where they lead, by one append, or its sender hears why not."""

import pytest

from peeklock.engine.capture import Capture
from peeklock.engine.dispatch import Waiting
from peeklock.engine.effects import Accepted, Deliver, Refused, Signalled
from peeklock.engine.transactions import Transactions
from peeklock.entities.dispositions import ABANDON, COMPLETE, Disposition, Verdict
from peeklock.entities.facts import Cause, Enqueued, Fact, Numbered, Removed
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import READY, WAITING, Entry
from peeklock.entities.settings import Overflow, RuleSettings, Status
from peeklock.entities.submission import Submission
from peeklock.errors import (
    BrokerError,
    EntityDisabled,
    ForwardTargetGone,
    MessageTooLarge,
    NotAllowed,
    QuotaExceeded,
)
from peeklock.limits import FORWARD_HOPS_MAX, FORWARD_RETRY, FORWARD_RUN_MAX
from peeklock.management.operations import delete_queue, redrive_dead_letters, update_queue
from peeklock.management.ways_on import of_right
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import DataBody, Properties, encode_bare
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, SessionId, UnixMs
from tests.support.house import House, pictures, replayed

BAD = Disposition(Verdict.DEAD_LETTER, reason="bad", description="why")


@pytest.fixture
def house() -> House:
    return House()


def bodies(queue: Queue) -> list[bytes]:
    return [entry.message.bare for entry in queue.entries.values() if entry.message]


def only(queue: Queue) -> Entry:
    (entry,) = queue.entries.values()
    return entry


def refusal(house: House) -> BrokerError:
    """Why the one message that was sent last was refused."""
    (error,) = [effect.error for effect in house.sync() if isinstance(effect, Refused)]
    return error


def last_append(house: House) -> list[Fact]:
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    return journal._facts[-1][1]


def check_replay(house: House) -> None:
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    assert pictures(replayed(journal._facts), house.now) == pictures(house.namespace, house.now)


def dead_letter(house: House, queue: Queue, disposition: Disposition = BAD) -> None:
    """The oldest message of `queue` is received and settled so."""
    receiver = house.receiver(queue, 1)
    house.turn()
    house.engine.settle_tokens(queue, house.held(receiver), disposition, house.now)
    house.engine.detach(receiver, house.now)


class TestSends:
    def test_the_target_has_it_by_one_append_and_the_source_never(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        house.send(source, b"job")
        facts = last_append(house)
        assert [type(fact) for fact in facts] == [Numbered, Enqueued]
        assert len(source.entries) == 0
        assert bodies(target) == [b"job"]
        assert [type(effect) for effect in house.sync()] == [Accepted]
        check_replay(house)

    def test_it_has_the_targets_number_and_tells_the_sources(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        house.send(target)
        house.send(source)
        house.send(source)
        found = [(entry.number, entry.source_number) for entry in target.entries.values()]
        assert found == [(1, 0), (2, 1), (3, 2)]

    def test_a_receiver_of_the_target_gets_it(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        house.receiver(target, 1)
        house.send(source)
        assert {type(effect) for effect in house.sync()} == {Accepted, Deliver}

    def test_a_batch_goes_on_together(self, house: House) -> None:
        target = house.queue("audit", max_messages=2)
        source = house.queue("orders", forward_to="audit")
        batch = [Submission(Message(body)) for body in (b"a", b"b")]
        assert house.engine.enqueue(source, batch, house.now) == [1, 2]
        assert bodies(target) == [b"a", b"b"]
        with pytest.raises(QuotaExceeded, match="'audit' is full"):
            house.engine.enqueue(source, batch, house.now)

    def test_the_shortest_time_to_live_on_the_way_holds(self, house: House) -> None:
        target = house.queue("audit", default_ttl_ms=5000)
        source = house.queue("orders", forward_to="audit", default_ttl_ms=700)
        house.send(source)
        house.send(source, ttl_ms=300)
        expected = [house.now + 700, house.now + 300]
        assert [entry.expires_at for entry in target.entries.values()] == expected

    def test_duplicates_are_dropped_at_either_end(self, house: House) -> None:
        target = house.queue("audit", duplicate_window_ms=60_000)
        source = house.queue("orders", forward_to="audit", duplicate_window_ms=60_000)
        house.send(source, b"a", message_id=b"1")
        house.send(source, b"a again", message_id=b"1")
        house.send(target, b"from elsewhere", message_id=b"2")
        house.send(source, b"b", message_id=b"2")
        assert bodies(target) == [b"a", b"from elsewhere"]
        check_replay(house)

    def test_a_session_comes_along(self, house: House) -> None:
        target = house.queue("audit", requires_session=True)
        source = house.queue("orders", forward_to="audit")
        house.send(source, session_id=SessionId("s"))
        assert only(target).session_id == "s"
        house.send(source)
        assert isinstance(refusal(house), NotAllowed)


class TestRefusals:
    """The sender hears of it, and where."""

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"status": Status.SEND_DISABLED}, EntityDisabled),
            ({"max_messages": 1}, QuotaExceeded),
        ],
    )
    def test_the_target_refuses(
        self, house: House, settings: dict[str, object], expected: type[BrokerError]
    ) -> None:
        target = house.queue("audit", **settings)
        source = house.queue("orders", forward_to="audit")
        if target.takes:
            house.send(target)
        house.sync()
        before = pictures(house.namespace, house.now)
        house.send(source)
        error = refusal(house)
        assert isinstance(error, expected)
        assert "'audit'" in str(error)
        assert pictures(house.namespace, house.now) == before

    def test_the_target_takes_no_message_so_large(self, house: House) -> None:
        house.queue("audit", max_message_bytes=2)
        house.send(house.queue("orders", forward_to="audit"))
        assert isinstance(refusal(house), MessageTooLarge)

    def test_the_target_is_gone(self, house: House) -> None:
        """As with Service Bus, it may be deleted; then nothing is taken."""
        house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        delete_queue(house.engine, "audit")
        house.send(source)
        error = refusal(house)
        assert isinstance(error, ForwardTargetGone)
        assert str(error) == "'orders' forwards to 'audit', which is not there"
        again = house.queue("audit")
        house.send(source)
        assert len(again.entries) == 1

    def test_the_source_is_disabled(self, house: House) -> None:
        target = house.queue("audit")
        house.send(house.queue("orders", forward_to="audit", status=Status.DISABLED))
        assert "'orders'" in str(refusal(house))
        assert len(target.entries) == 0

    def test_nobody_receives_from_what_forwards(self, house: House) -> None:
        house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        with pytest.raises(NotAllowed, match="receive from there"):
            house.receiver(source)


class TestChains:
    def chain(self, house: House, length: int) -> list[Queue]:
        """Queues `q0` to `q<length>`, each of which but the last forwards to the next."""
        queues = [house.queue(f"q{length}")]
        for number in reversed(range(length)):
            queues.insert(0, house.queue(f"q{number}", forward_to=f"q{number + 1}"))
        return queues

    def test_as_long_as_it_may_be(self, house: House) -> None:
        queues = self.chain(house, FORWARD_HOPS_MAX)
        house.send(queues[0], b"job")
        assert bodies(queues[-1]) == [b"job"]
        assert [len(queue.entries) for queue in queues[:-1]] == [0] * FORWARD_HOPS_MAX
        assert only(queues[-1]).source_number == 1

    def test_one_too_many_ends_in_the_dead_letters_of_the_last(self, house: House) -> None:
        queues = self.chain(house, FORWARD_HOPS_MAX + 1)
        house.send(queues[0], b"job")
        assert [type(effect) for effect in house.sync()] == [Accepted]
        assert all(len(queue.entries) == 0 for queue in queues)
        dead = only(house.dead_letters(queues[FORWARD_HOPS_MAX]))
        assert dead.origin is not None
        assert dead.origin.reason == "MaxTransferHopCountExceeded"
        assert dead.origin.source == f"q{FORWARD_HOPS_MAX}"
        check_replay(house)


class TestTopics:
    def test_a_queue_may_lead_to_a_topic(self, house: House) -> None:
        tickets = house.topic()
        erp = house.subscription(tickets, "erp")
        gate = house.subscription(tickets, "gate")
        source = house.queue("orders", forward_to="tickets")
        house.send(source, b"job")
        assert (bodies(erp), bodies(gate)) == ([b"job"], [b"job"])
        assert only(erp).source_number == 1
        check_replay(house)

    def test_a_subscription_may_lead_to_a_queue(self, house: House) -> None:
        target = house.queue("audit")
        tickets = house.topic()
        erp = house.subscription(tickets, "erp")
        forwarding = house.subscription(tickets, "all", forward_to="audit")
        house.send(tickets, b"job")
        assert bodies(erp) == bodies(target) == [b"job"]
        assert len(forwarding.entries) == 0
        copies = [fact for fact in last_append(house) if isinstance(fact, Enqueued)]
        assert [copy.shares for copy in copies] == [None, copies[0]], "bytes are stored once"
        check_replay(house)

    def test_two_ways_to_one_queue_bring_two_copies(self, house: House) -> None:
        target = house.queue("audit", max_messages=2)
        tickets = house.topic()
        house.subscription(tickets, "a", forward_to="audit")
        house.subscription(tickets, "b", forward_to="audit")
        house.send(tickets, b"job")
        assert bodies(target) == [b"job", b"job"]
        check_replay(house)
        house.send(tickets, b"job")
        assert isinstance(refusal(house), QuotaExceeded)
        assert len(target.entries) == 2

    def test_two_ways_to_one_queue_that_drops_duplicates_bring_one(self, house: House) -> None:
        target = house.queue("audit", duplicate_window_ms=60_000)
        tickets = house.topic()
        house.subscription(tickets, "a", forward_to="audit")
        house.subscription(tickets, "b", forward_to="audit")
        house.send(tickets, b"job", message_id=b"1")
        assert bodies(target) == [b"job"]
        check_replay(house)

    def test_two_ways_to_one_topic_number_it_twice(self, house: House) -> None:
        last = house.topic("last")
        erp = house.subscription(last, "erp")
        house.queue("between", forward_to="last")
        first = house.topic("first")
        house.subscription(first, "a", forward_to="last")
        house.subscription(first, "b", forward_to="between")
        house.send(first, b"job")
        assert [entry.number for entry in erp.entries.values()] == [1, 2]
        assert last.next_number == 3
        check_replay(house)

    def test_what_an_action_changed_goes_on_changed(self, house: House) -> None:
        target = house.queue("audit")
        tickets = house.topic()
        rule = RuleSettings("vip", "sql", "TRUE", action="SET sys.Label = 'vip'")
        house.subscription(tickets, "vips", rule, forward_to="audit")
        house.send(tickets, encode_bare(Properties(message_id="m"), {}, DataBody([b"x"])))
        assert b"vip" in bodies(target)[0]

    def test_a_full_target_of_one_refuses_for_all(self, house: House) -> None:
        house.queue("audit", max_messages=1)
        tickets = house.topic()
        erp = house.subscription(tickets, "erp")
        house.subscription(tickets, "all", forward_to="audit")
        house.send(tickets, b"one")
        house.send(tickets, b"two")
        assert isinstance(refusal(house), QuotaExceeded)
        assert bodies(erp) == [b"one"]


class TestScheduled:
    def test_one_waits_where_its_sender_can_cancel_it(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        given = Submission(Message(b"later"), UnixMs(house.now + 500))
        first, second = house.engine.enqueue(source, [given, given], house.now)
        assert source.counts[WAITING] == 2
        house.engine.commit(source, source.cancel_scheduled([first]), house.now)
        house.advance(500)
        assert bodies(target) == [b"later"]
        assert only(target).source_number == second
        assert len(source.entries) == 0
        check_replay(house)


class TestWhatIsThere:
    def test_it_goes_on_when_a_forward_is_set(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders")
        for number in range(3 * FORWARD_RUN_MAX):
            house.send(source, b"%d" % number)
        update_queue(house.engine, "orders", {"forward_to": "audit"}, house.now, of_right)
        house.engine.turn(house.now)
        assert len(target.entries) == FORWARD_RUN_MAX, "a slice a turn"
        house.turn()
        assert bodies(target) == [b"%d" % number for number in range(3 * FORWARD_RUN_MAX)]
        assert len(source.entries) == 0
        check_replay(house)

    def test_what_is_held_goes_when_it_is_given_back(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders")
        house.send(source, b"a")
        house.send(source, b"b")
        receiver = house.receiver(source, 2)
        house.turn()
        update_queue(house.engine, "orders", {"forward_to": "audit"}, house.now, of_right)
        house.turn()
        assert receiver.why_waiting() is Waiting.FORWARDED
        first, second = house.held(receiver)
        house.engine.settle_tokens(source, [first], COMPLETE, house.now)
        house.engine.settle_tokens(source, [second], ABANDON, house.now)
        house.turn()
        assert bodies(target) == [b"b"]
        assert only(target).delivery_count == 0

    def test_it_keeps_its_end_of_life(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders")
        house.send(source, ttl_ms=1000)
        house.advance(400)
        update_queue(house.engine, "orders", {"forward_to": "audit"}, house.now, of_right)
        house.turn()
        assert only(target).expires_at == house.now + 600

    def test_a_target_that_is_full_takes_as_many_as_it_can(self, house: House) -> None:
        target = house.queue("audit", max_messages=3)
        source = house.queue("orders")
        for body in (b"a", b"b", b"c", b"d", b"e"):
            house.send(source, body)
        update_queue(house.engine, "orders", {"forward_to": "audit"}, house.now, of_right)
        house.turn()
        assert bodies(target) == [b"a", b"b", b"c"]
        assert bodies(source) == [b"d", b"e"]
        house.advance(FORWARD_RETRY)
        assert bodies(source) == [b"d", b"e"]
        house.engine.commit(target, target.purge((READY,), 10), house.now)
        house.advance(FORWARD_RETRY)
        assert bodies(target) == [b"d", b"e"]
        check_replay(house)

    def test_one_that_can_never_go_on_is_a_dead_letter(self, house: House) -> None:
        target = house.queue("audit", max_message_bytes=3)
        source = house.queue("orders")
        for body in (b"a", b"too large", b"b"):
            house.send(source, body)
        update_queue(house.engine, "orders", {"forward_to": "audit"}, house.now, of_right)
        house.turn()
        assert bodies(target) == [b"a", b"b"]
        dead = only(house.dead_letters(source))
        assert dead.origin is not None
        assert dead.origin.reason == "ForwardingRefused"
        assert "9 bytes" in dead.origin.description

    def test_a_paused_queue_keeps_what_comes_until_it_is_resumed(self, house: House) -> None:
        target = house.queue("audit")
        source = house.queue("orders", forward_to="audit", dispatch=False)
        house.send(source, b"job")
        house.turn()
        assert bodies(source) == [b"job"]
        update_queue(house.engine, "orders", {"dispatch": True}, house.now, of_right)
        house.turn()
        assert bodies(target) == [b"job"]

    def test_it_goes_on_after_a_restart(self, house: House) -> None:
        house.queue("audit")
        source = house.queue("orders", forward_to="audit", dispatch=False)
        house.send(source, b"job")
        update_queue(
            house.engine, "orders", {"dispatch": True}, house.now, of_right
        )  # and the broker dies
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        again = House(namespace=replayed(journal._facts))
        again.engine.start(again.now)
        again.turn()
        assert len(again.namespace.find("audit").entries) == 1


class TestDeadLetters:
    def test_they_go_there_instead_with_their_reason(self, house: House) -> None:
        morgue = house.queue("morgue", default_ttl_ms=9000)
        source = house.queue("orders", forward_dead_letters_to="morgue")
        house.send(source, b"job", ttl_ms=5000)
        dead_letter(house, source)
        assert [type(fact) for fact in last_append(house)] == [Removed, Enqueued]
        assert len(house.dead_letters(source).entries) == 0
        dead = only(morgue)
        assert dead.origin is not None
        assert (dead.origin.source, dead.origin.number) == ("orders", 1)
        assert (dead.origin.reason, dead.origin.description) == ("bad", "why")
        assert dead.expires_at == house.now + 9000, "the sender's own has had its say"
        assert (dead.source_number, dead.delivery_count) == (1, 0)
        check_replay(house)

    def test_those_that_time_makes_go_there_too(self, house: House) -> None:
        morgue = house.queue("morgue")
        source = house.queue(
            "orders", forward_dead_letters_to="morgue", dead_letter_on_expiry=True,
            max_delivery_count=1, lock_duration_ms=100,
        )  # fmt: skip
        house.send(source, b"late", ttl_ms=10)
        house.advance(10)
        house.send(source, b"held")
        house.receiver(source, 1)
        house.turn()
        house.advance(100)
        reasons = [e.origin.reason for e in morgue.entries.values() if e.origin is not None]
        assert reasons == ["TTLExpiredException", "MaxDeliveryCountExceeded"]
        check_replay(house)

    @pytest.mark.parametrize("why", ["gone", "full", "disabled", "too small"])
    def test_where_they_cannot_go_they_stay(self, house: House, why: str) -> None:
        settings: dict[str, dict[str, object]] = {
            "gone": {},
            "full": {"max_messages": 1},
            "disabled": {"status": Status.DISABLED},
            "too small": {"max_message_bytes": 1},
        }
        morgue = house.queue("morgue", **settings[why])
        source = house.queue("orders", forward_dead_letters_to="morgue")
        if why == "full":
            house.send(morgue, b"x")
        if why == "gone":
            delete_queue(house.engine, "morgue")
        house.send(source, b"job")
        dead_letter(house, source)
        assert bodies(house.dead_letters(source)) == [b"job"]
        assert len(source.entries) == 0
        check_replay(house)

    def test_of_several_some_go_and_some_stay(self, house: House) -> None:
        morgue = house.queue("morgue", max_messages=1)
        source = house.queue("orders", forward_dead_letters_to="morgue")
        for body in (b"a", b"b"):
            house.send(source, body)
        receiver = house.receiver(source, 2)
        house.turn()
        house.engine.settle(receiver, 0, house.held(receiver), BAD, "", house.now, settled=True)
        assert bodies(morgue) == [b"a"]
        assert bodies(house.dead_letters(source)) == [b"b"]
        check_replay(house)

    def test_room_is_made_where_the_oldest_give_way(self, house: House) -> None:
        morgue = house.queue("morgue", max_messages=1, overflow=Overflow.DROP_OLDEST)
        source = house.queue("orders", forward_dead_letters_to="morgue")
        for body in (b"a", b"b"):
            house.send(source, body)
            dead_letter(house, source)
        assert bodies(morgue) == [b"b"]
        check_replay(house)

    def test_none_is_dropped_as_a_duplicate(self, house: House) -> None:
        """The same job may fail twice, and both times somebody should know."""
        morgue = house.queue("morgue", duplicate_window_ms=60_000)
        source = house.queue("orders", forward_dead_letters_to="morgue")
        same = encode_bare(Properties(message_id="m"), {}, DataBody([b"x"]))
        for _ in range(2):
            house.send(source, same)
            dead_letter(house, source)
        assert len(morgue.entries) == 2

    def test_they_may_go_to_a_topic_and_on(self, house: House) -> None:
        deepest = house.queue("deepest")
        failures = house.topic("failures")
        house.subscription(failures, "all", forward_to="deepest")
        mine = house.subscription(failures, "mine")
        source = house.queue("orders", forward_dead_letters_to="failures")
        house.send(source, b"job")
        dead_letter(house, source)
        for queue in (deepest, mine):
            origin = only(queue).origin
            assert origin is not None
            assert origin.reason == "bad"
        check_replay(house)

    def test_a_topic_that_nobody_takes_it_from_is_no_place_for_one(self, house: House) -> None:
        failures = house.topic("failures")
        house.subscription(failures, "none", RuleSettings("none", "false"))
        source = house.queue("orders", forward_dead_letters_to="failures")
        house.send(source, b"job")
        dead_letter(house, source)
        assert bodies(house.dead_letters(source)) == [b"job"]

    def test_one_that_a_rule_changed_is_there_all_the_same(self, house: House) -> None:
        rule = RuleSettings("vip", "sql", "TRUE", action="SET sys.Label = 'vip'")
        mine = house.subscription(house.topic("failures"), "mine", rule)
        source = house.queue("orders", forward_dead_letters_to="failures")
        house.send(source, encode_bare(Properties(message_id="m"), {}, DataBody([b"x"])))
        dead_letter(house, source)
        assert len(house.dead_letters(source).entries) == 0
        assert b"vip" in bodies(mine)[0]

    def test_a_copy_that_a_subscription_cannot_take_goes_there(self, house: House) -> None:
        morgue = house.queue("morgue")
        tickets = house.topic()
        plain = house.subscription(tickets, "plain")
        picky = house.subscription(
            tickets, "picky", requires_session=True, forward_dead_letters_to="morgue"
        )
        house.send(tickets, b"job")
        assert bodies(plain) == bodies(morgue) == [b"job"]
        origin = only(morgue).origin
        assert origin is not None
        assert origin.source == picky.path
        check_replay(house)

    def test_what_a_failed_try_made_is_nobodys_bytes(self, house: House) -> None:
        """A copy must not name a fact that never came to be."""
        house.queue("morgue", max_messages=1)
        house.send(house.namespace.find("morgue"), b"x")
        tickets = house.topic()
        picky = house.subscription(
            tickets, "picky", requires_session=True, forward_dead_letters_to="morgue"
        )
        house.send(tickets, b"job")
        (copy,) = [fact for fact in last_append(house) if isinstance(fact, Enqueued)]
        assert copy.shares is None
        assert bodies(house.dead_letters(picky)) == [b"job"]

    def test_they_are_sent_back_from_their_own_queue_only(self, house: House) -> None:
        house.queue("morgue")
        source = house.queue("orders", forward_dead_letters_to="morgue")
        delete_queue(house.engine, "morgue")
        house.send(source, b"job")
        dead_letter(house, source)
        moved = redrive_dead_letters(
            house.engine, house.dead_letters(source), [], 10, house.now
        )
        assert moved == 1
        assert bodies(source) == [b"job"]


class TestTransactions:
    def test_forwards_hold_in_them(self, house: House) -> None:
        target = house.queue("audit", max_messages=2)
        source = house.queue("orders", forward_to="audit")
        transactions = Transactions(house.engine, house.peer, "link")
        txn = transactions.find(transactions.declare(house.now), house.now)
        given = Submission(Message(b"job"))
        transactions.send(txn, source, given, house.now)
        transactions.send(txn, target, given, house.now)
        assert len(target.entries) == 0
        transactions.discharge(txn.txn_id, 0, house.now, fail=False)
        assert bodies(target) == [b"job", b"job"]
        txn = transactions.find(transactions.declare(house.now), house.now)
        with pytest.raises(QuotaExceeded):
            transactions.send(txn, source, given, house.now)
        check_replay(house)


class TestRecovery:
    def test_a_number_that_the_snapshot_has_gone_beyond_is_not_given_again(
        self, house: House
    ) -> None:
        house.queue("audit")
        source = house.queue("orders", forward_to="audit")
        capture = Capture(house.namespace)
        began_at = house.journal.end
        slices = [capture.next_slice(house.journal.end)]
        house.send(source, b"passed on")
        update_queue(house.engine, "orders", {"forward_to": ""}, house.now, of_right)
        house.send(source, b"kept")
        while facts := capture.next_slice(house.journal.end):
            slices.append(facts)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        tail = [(end, facts) for end, facts in journal._facts if end > began_at]
        recovered = replayed([*[(began_at, facts) for facts in slices], *tail])
        assert recovered.find("orders").next_number == 3
        assert pictures(recovered, house.now) == pictures(house.namespace, house.now)

    def test_ids_are_remembered_as_long_as_the_queue_says_by_now(self, house: House) -> None:
        """A snapshot's definitions may be older than its slices."""
        queue = house.queue(duplicate_window_ms=20_000)
        house.send(queue, message_id=b"first")
        capture = Capture(house.namespace)
        began_at = house.journal.end
        slices = [capture.next_slice(house.journal.end)]
        update_queue(
            house.engine, "orders", {"duplicate_window_ms": 60_000}, house.now, of_right
        )
        house.advance(30_000)
        house.send(queue, message_id=b"second")
        while facts := capture.next_slice(house.journal.end):
            slices.append(facts)
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        tail = [(end, facts) for end, facts in journal._facts if end > began_at]
        recovered = replayed([*[(began_at, facts) for facts in slices], *tail])
        assert recovered.find("orders").seen.items() == queue.seen.items()
        assert len(queue.seen) == 2


def test_causes_are_as_they_should_be(house: House) -> None:
    house.queue("audit")
    source = house.queue("orders")
    house.send(source)
    update_queue(house.engine, "orders", {"forward_to": "audit"}, house.now, of_right)
    house.turn()
    (removed,) = [fact for fact in last_append(house) if isinstance(fact, Removed)]
    assert removed.cause is Cause.MOVED
    assert source.next_deadline() == NEVER


class TestFollowers:
    """Who follows a topic has all that it takes, by whichever way it comes."""

    def followed(self, house: House) -> None:
        house.engine.follow(house.peer, house.topic("alarms"))

    def told(self, house: House) -> list[bytes]:
        return [one.message.bare for one in house.sync() if isinstance(one, Signalled)]

    def test_what_is_forwarded(self, house: House) -> None:
        self.followed(house)
        house.send(house.queue("in", forward_to="alarms"), b"a")
        assert self.told(house) == [b"a"]

    def test_what_goes_on_later(self, house: House) -> None:
        self.followed(house)
        house.send(house.queue("in", forward_to="alarms"), b"a", not_before=house.now + 1000)
        assert self.told(house) == []
        house.advance(1000)
        assert self.told(house) == [b"a"]

    def test_what_is_dead_lettered(self, house: House) -> None:
        self.followed(house)
        queue = house.queue("in", forward_dead_letters_to="alarms")
        house.subscription(house.namespace.find_topic("alarms"), "all")
        house.send(queue, b"a")
        dead_letter(house, queue)
        assert self.told(house) == [b"a"]

    def test_nobody_hears_of_a_forward_that_failed(self, house: House) -> None:
        self.followed(house)
        queue = house.queue("in", forward_dead_letters_to="alarms")  # which nobody takes from
        house.send(queue, b"a")
        dead_letter(house, queue)
        assert self.told(house) == []
