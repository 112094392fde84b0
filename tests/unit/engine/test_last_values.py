"""What a topic keeps of each subject: for how long, how much, and where its bytes are."""

from pathlib import Path

import pytest

from peeklock.engine.effects import Refused
from peeklock.entities.dispositions import COMPLETE
from peeklock.entities.facts import Enqueued, Fact, LastValueCleared, LastValueSet, Numbered
from peeklock.entities.residency import KEPT_PART
from peeklock.entities.settings import RuleSettings
from peeklock.entities.submission import AS_THE_TOPIC_SAYS, CLEAR, KEEP, Publication, Submission
from peeklock.entities.topic import Topic
from peeklock.errors import InvalidRequest, QuotaExceeded
from peeklock.limits import DISPATCH_RUN_MAX
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import DataBody, Properties, encode_bare
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, UnixMs
from tests.support.disk_house import DiskHouse, recover
from tests.support.house import House, picture, pictures, replayed, topic_picture


def signal(subject: str | None, body: bytes = b"x") -> bytes:
    return encode_bare(Properties(subject=subject), None, DataBody([body]))


def keep(house: House, topic: Topic, subject: str | None, body: bytes = b"x") -> None:
    house.send(topic, signal(subject, body), last_value=KEEP)


def kept(house: House, topic: Topic, topic_filter: str = "#") -> list[str | None]:
    page = house.engine.last_values.page(topic, topic_filter, house.now)
    return [value.subject for value in page.values]


def bare_at(house: House, topic: Topic, subject: str | None) -> bytes | None:
    value = house.engine.last_values.find(topic, subject, house.now)
    return None if value is None else house.engine.message_of(value.entry).bare


def last_append(house: House) -> list[Fact]:
    journal = house.journal
    assert isinstance(journal, MemoryJournal)
    return journal._facts[-1][1]


def refusal(house: House) -> Exception:
    (refused,) = [e for e in house.sync() if isinstance(e, Refused)]
    return refused.error


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def rooms(house: House) -> Topic:
    return house.topic("rooms")


class TestKeeping:
    def test_the_newest_of_each_subject(self, house: House, rooms: Topic) -> None:
        for subject, body in (("41/lobby", b"1"), ("41/attic", b"2"), ("41/lobby", b"3")):
            keep(house, rooms, subject, body)
        assert kept(house, rooms) == ["41/attic", "41/lobby"]
        assert bare_at(house, rooms, "41/lobby") == signal("41/lobby", b"3")
        assert bare_at(house, rooms, "41/cellar") is None

    def test_only_what_its_sender_wants_kept(self, house: House, rooms: Topic) -> None:
        house.send(rooms, signal("a"))
        assert kept(house, rooms) == []

    def test_or_each_where_the_topic_says_so(self, house: House) -> None:
        rooms = house.topic("rooms", keep_last_value=True)
        house.send(rooms, signal("a"))
        house.send(rooms, signal("b"), last_value=AS_THE_TOPIC_SAYS)
        assert kept(house, rooms) == ["a", "b"]

    def test_one_without_a_subject_is_the_topics_own(self, house: House, rooms: Topic) -> None:
        """And not that of the empty subject: `rooms` is another topic name than `rooms/`."""
        keep(house, rooms, None, b"of none")
        keep(house, rooms, "", b"of the empty one")
        assert kept(house, rooms) == [None, ""]
        assert bare_at(house, rooms, None) == signal(None, b"of none")
        assert kept(house, rooms, "+") == [""]

    def test_the_subject_of_an_event_counts_where_its_message_has_none(
        self, house: House, rooms: Topic
    ) -> None:
        bare = encode_bare(None, {"cloudEvents:subject": "41"}, DataBody([b"x"]))
        house.send(rooms, bare, last_value=KEEP)
        assert kept(house, rooms) == ["41"]
        named = Publication("rooms", 1, True, None)  # MQTT's own name counts before
        given = Submission(Message(bare), publication=named, last_value=KEEP)
        house.engine.publish(rooms, [given], house.now)
        assert kept(house, rooms) == [None, "41"]

    def test_a_filter_finds_those_below_a_level(self, house: House, rooms: Topic) -> None:
        for subject in ("41/1/lobby", "41/2/lobby", "42/1/lobby", "41"):
            keep(house, rooms, subject)
        assert kept(house, rooms, "41/#") == ["41", "41/1/lobby", "41/2/lobby"]
        assert kept(house, rooms, "+/1/lobby") == ["41/1/lobby", "42/1/lobby"]

    def test_page_by_page(self, house: House, rooms: Topic) -> None:
        for number in range(5):
            keep(house, rooms, f"{number}")
        desk = house.engine.last_values
        first = desk.page(rooms, "#", house.now, count_max=3)
        assert [value.subject for value in first.values] == ["0", "1", "2"]
        second = desk.page(rooms, "#", house.now, first.after, count_max=3)
        assert [value.subject for value in second.values] == ["3", "4"]
        assert second.after is None

    def test_it_is_one_append_with_the_copies_and_shares_their_bytes(
        self, house: House, rooms: Topic
    ) -> None:
        house.subscription(rooms, "a")
        house.subscription(rooms, "b")
        keep(house, rooms, "41")
        first, second, last, numbered = last_append(house)
        assert isinstance(first, Enqueued)
        assert isinstance(second, Enqueued)
        assert isinstance(last, LastValueSet)
        assert isinstance(numbered, Numbered)
        assert last.shares is first
        assert (last.number, second.source_number) == (1, 1)

    def test_without_a_copy_it_brings_its_own_bytes(self, house: House, rooms: Topic) -> None:
        keep(house, rooms, "41")
        last, _numbered = last_append(house)
        assert isinstance(last, LastValueSet)
        assert last.shares is None

    def test_copies_that_are_forwarded_share_its_bytes(
        self, house: House, rooms: Topic
    ) -> None:
        house.queue("audit")
        house.subscription(rooms, "a", forward_to="audit")
        keep(house, rooms, "41")
        facts = last_append(house)
        (last,) = [fact for fact in facts if isinstance(fact, LastValueSet)]
        (copy,) = [fact for fact in facts if isinstance(fact, Enqueued)]
        assert copy.shares is last

    def test_a_changed_copy_changes_nothing_of_it(self, house: House, rooms: Topic) -> None:
        house.subscription(rooms, "a", RuleSettings("r", "true", action="SET seen = TRUE"))
        keep(house, rooms, "41")
        assert bare_at(house, rooms, "41") == signal("41")

    def test_a_duplicate_is_not_kept(self, house: House) -> None:
        rooms = house.topic("rooms", duplicate_window_ms=20_000)
        for body in (b"first", b"again"):
            house.send(rooms, signal("41", body), last_value=KEEP, message_id=b"id")
        assert bare_at(house, rooms, "41") == signal("41", b"first")

    def test_of_several_in_one_append_the_last(self, house: House, rooms: Topic) -> None:
        given = Submission(Message(signal("41")), last_value=KEEP)
        house.engine.publish(rooms, [given, given], house.now)
        assert rooms.last_values.entries.keys() == {2}

    def test_what_is_scheduled_is_not_so_yet(self, house: House) -> None:
        rooms = house.topic("rooms", keep_last_value=True)
        house.subscription(rooms, "a")
        later = house.now + 1000
        house.send(rooms, signal("41"), not_before=later)
        house.sync()
        assert kept(house, rooms) == []
        house.send(rooms, signal("41"), not_before=later, last_value=KEEP)
        assert isinstance(refusal(house), InvalidRequest)


class TestGoing:
    def test_cleared_by_a_signal_that_subscriptions_get_too(
        self, house: House, rooms: Topic
    ) -> None:
        copies = house.subscription(rooms, "a")
        keep(house, rooms, "41")
        house.send(rooms, signal("41", b""), last_value=CLEAR)
        assert kept(house, rooms) == []
        assert len(copies.entries) == 2
        house.send(rooms, signal("41", b""), last_value=CLEAR)  # there is nothing: all right
        assert not any(isinstance(fact, LastValueCleared) for fact in last_append(house))

    def test_kept_and_cleared_in_one_append(self, house: House, rooms: Topic) -> None:
        def given(subject: str, last_value: int) -> Submission:
            return Submission(Message(signal(subject)), last_value=last_value)

        house.engine.publish(
            rooms,
            [given("a", KEEP), given("a", CLEAR), given("b", KEEP), given("a", CLEAR)],
            house.now,
        )
        assert kept(house, rooms) == ["b"]
        assert rooms.size_bytes == rooms.last_values.size_bytes == len(signal("b"))

    def test_cleared_by_an_owner(self, house: House, rooms: Topic) -> None:
        keep(house, rooms, "41")
        keep(house, rooms, None)
        house.engine.last_values.clear(rooms, ["41", "42", "41", None])
        assert kept(house, rooms) == []

    def test_expired_by_its_own_time_to_live(self, house: House, rooms: Topic) -> None:
        house.send(rooms, signal("41"), last_value=KEEP, ttl_ms=1000)
        keep(house, rooms, "42")
        house.advance(999)
        assert kept(house, rooms) == ["41", "42"]
        assert house.engine.next_deadline() == house.now + 1
        house.clock.advance(1)
        assert kept(house, rooms) == ["42"]  # already, before the tick
        house.advance(0)
        assert len(rooms.last_values.entries) == 1
        assert house.engine.next_deadline() == NEVER

    def test_expired_by_the_topics(self, house: House) -> None:
        rooms = house.topic("rooms", default_ttl_ms=500)
        house.send(rooms, signal("41"), last_value=KEEP, ttl_ms=1000)
        house.advance(500)
        assert kept(house, rooms) == []

    def test_replaced_before_it_expires(self, house: House, rooms: Topic) -> None:
        house.send(rooms, signal("41"), last_value=KEEP, ttl_ms=1000)
        keep(house, rooms, "41", b"for good")
        house.advance(1000)
        assert bare_at(house, rooms, "41") == signal("41", b"for good")

    def test_many_expire_in_rounds(self, house: House, rooms: Topic) -> None:
        for number in range(2 * DISPATCH_RUN_MAX + 1):
            house.send(rooms, signal(f"{number}"), last_value=KEEP, ttl_ms=1000)
        house.clock.advance(1000)
        rounds = 0
        while house.engine.next_deadline() != NEVER:
            assert house.engine.next_deadline() <= house.now
            house.engine.tick(house.now)
            rounds += 1
        assert rooms.last_values.entries == {}
        assert rounds == 3

    def test_with_its_topic(self, house: House, rooms: Topic) -> None:
        house.send(rooms, signal("41"), last_value=KEEP, ttl_ms=1000)
        house.engine.commit_registry(house.namespace.delete_topic("rooms"))
        assert house.namespace.residency.used_bytes == 0
        assert house.namespace.residency.kept_bytes == 0
        house.advance(1000)
        assert house.engine.next_deadline() == NEVER

    def test_damaged_bytes_are_given_up_once(self, house: House, rooms: Topic) -> None:
        keep(house, rooms, "41")
        value = house.engine.last_values.find(rooms, "41", house.now)
        assert value is not None
        keep(house, rooms, "41", b"newer")
        house.engine.last_values.give_up(rooms, value)  # it is another's place by now
        assert kept(house, rooms) == ["41"]
        newer = house.engine.last_values.find(rooms, "41", house.now)
        assert newer is not None
        house.engine.last_values.give_up(rooms, newer)
        assert kept(house, rooms) == []


class TestBounds:
    def test_subjects_and_none_of_those_kept_gives_way(
        self, house: House, rooms: Topic
    ) -> None:
        rooms.last_values.count_max = 2
        copies = house.subscription(rooms, "a")
        keep(house, rooms, "1")
        keep(house, rooms, "2")
        house.sync()
        keep(house, rooms, "3")
        error = refusal(house)
        assert isinstance(error, QuotaExceeded)
        assert "2 subjects" in str(error)
        assert kept(house, rooms) == ["1", "2"]
        assert len(copies.entries) == 2  # refused as a whole
        keep(house, rooms, "2", b"newer")
        house.send(rooms, signal("1"), last_value=CLEAR)
        keep(house, rooms, "3")
        assert kept(house, rooms) == ["2", "3"]

    def test_within_one_append_too(self, house: House, rooms: Topic) -> None:
        rooms.last_values.count_max = 2
        given = [Submission(Message(signal(f"{n}")), last_value=KEEP) for n in range(3)]
        with pytest.raises(QuotaExceeded):
            house.engine.publish(rooms, given, house.now)
        house.engine.publish(rooms, [given[0], given[1], given[0]], house.now)
        assert kept(house, rooms) == ["0", "1"]

    def test_bytes_count_for_the_topics(self, house: House) -> None:
        size = len(signal("1", bytes(100)))
        rooms = house.topic("rooms", max_bytes=size + 10)
        keep(house, rooms, "1", bytes(100))
        house.sync()
        keep(house, rooms, "1", bytes(100))  # instead of the one before, not beside it
        keep(house, rooms, "2", bytes(100))
        assert f"its subscriptions hold 0 bytes, its last values {size}" in str(refusal(house))

    def test_a_refused_signal_frees_nothing(self, house: House) -> None:
        """It would have taken a larger one's place; the topic is as full as before."""
        rooms = house.topic("rooms", max_bytes=1000)
        keep(house, rooms, "1", bytes(600))
        full = house.queue("full", max_messages=1)
        house.send(full)
        house.subscription(rooms, "a", forward_to="full")
        house.sync()
        keep(house, rooms, "1", b"small")
        assert "'full' is full" in str(refusal(house))
        house.engine.commit_registry(house.namespace.delete("rooms/Subscriptions/a"))
        keep(house, rooms, "2", bytes(600))
        assert "its last values" in str(refusal(house))

    @pytest.mark.parametrize("subject", ["/" * 200, "x" * 70_000])
    def test_a_subject_that_has_no_place(
        self, house: House, rooms: Topic, subject: str
    ) -> None:
        keep(house, rooms, subject)
        assert isinstance(refusal(house), InvalidRequest)

    def test_memory_has_a_part_of_the_budget_and_the_journal_the_rest(self) -> None:
        """Where the journal has the bytes; without a disk, all are in memory."""
        house = House()
        rooms = house.topic("rooms")
        house.namespace.residency.budget_bytes = 0
        keep(house, rooms, "1")
        (entry,) = rooms.last_values.entries.values()
        assert entry.message is not None
        size = entry.size
        house.namespace.residency.budget_bytes = 2 * KEPT_PART * size
        for number in range(2, 6):
            message = Message(signal(f"{number}"))
            fact = LastValueSet(
                rooms.topic_id, number, f"{number}", message, house.now, size, body_at=number
            )  # type: ignore[arg-type]  # as if the journal had them
            rooms.apply(fact)
        inside = [entry.message is not None for entry in rooms.last_values.entries.values()]
        assert inside == [True, True, False, False, False]
        assert house.namespace.residency.kept_bytes == 2 * size
        house.engine.commit_registry(house.namespace.delete_topic("rooms"))
        assert house.namespace.residency.kept_bytes == 0
        assert house.namespace.residency.used_bytes == 0


class TestRecovery:
    def test_from_the_journal_alone(self, house: House, rooms: Topic) -> None:
        keep(house, rooms, "1")
        house.send(rooms, signal("2"), last_value=KEEP, ttl_ms=1000)
        keep(house, rooms, "1", b"newer")
        keep(house, rooms, "3")
        house.send(rooms, signal("3"), last_value=CLEAR)
        house.journal.sync()
        journal = house.journal
        assert isinstance(journal, MemoryJournal)
        again = replayed(journal._facts)
        assert pictures(again, house.now) == pictures(house.namespace, house.now)
        assert again.expiring.first_at() == house.now + 1000

    def test_what_a_snapshot_knows_better_is_not_undone(
        self, house: House, rooms: Topic
    ) -> None:
        """The record of the newer one is damaged, say; the snapshot had it."""
        keep(house, rooms, "1", b"older")
        older = [fact for fact in last_append(house) if isinstance(fact, LastValueSet)]
        keep(house, rooms, "1", b"newer")
        before = topic_picture(rooms, house.now)
        for fact in older:
            rooms.apply(fact)
        assert topic_picture(rooms, house.now) == before

    def test_a_number_is_not_given_again_when_its_record_is_all_there_is(
        self, house: House, rooms: Topic
    ) -> None:
        rooms.apply(
            LastValueSet(rooms.topic_id, 7, "a", Message(b""), UnixMs(1), 0)  # type: ignore[arg-type]
        )
        assert rooms.next_number == 8

    def test_segments_are_emptied_around_it(self, tmp_path: Path) -> None:
        """It outlives the segment that it was written to, and a restart."""
        disk = DiskHouse(tmp_path / "data")
        rooms = disk.house.topic("rooms")
        copies = disk.house.subscription(rooms, "a")
        disk.house.send(rooms, signal("41", b"precious"), last_value=KEEP)
        disk.house.send(rooms, signal("42", b"precious"), last_value=KEEP)
        tokens = disk.house.held(disk.lock(2, copies))
        for _ in range(30):
            disk.house.send(disk.queue, bytes(900))
            disk.house.sync()
        held = disk.house.held(disk.lock(30))
        disk.house.engine.settle_tokens(disk.queue, held, COMPLETE, disk.house.now)
        disk.house.engine.settle_tokens(copies, tokens[:1], COMPLETE, disk.house.now)
        disk.house.sync()
        for _ in range(4):
            disk.housekeep()
            if disk.journal.segments[0] > 0:
                break  # the snapshot knows the old place, and the journal's tail the new one
        else:
            pytest.fail("nothing was freed")
        before = picture(copies, disk.house.now), topic_picture(rooms, disk.house.now)
        disk.close()
        recovered = recover(disk.folder)
        again = recovered.namespace.find_topic("rooms")
        queue = recovered.namespace.find(copies.path)
        assert (picture(queue, disk.house.now), topic_picture(again, disk.house.now)) == before
        positions = {entry.body_at for entry in again.last_values.entries.values()}
        assert {entry.body_at for entry in queue.entries.values()} <= positions  # shared still
        bodies = {recovered.journal.fetch(at).bare for at in positions}
        assert bodies == {signal("41", b"precious"), signal("42", b"precious")}
        recovered.journal.close()
