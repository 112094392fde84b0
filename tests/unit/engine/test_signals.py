"""Sessions that listen: what is stored for them, what they are told, and what it costs."""

import pytest

from peeklock.engine.capture import Capture
from peeklock.engine.effects import Accepted, Overheard
from peeklock.engine.link_desk import LinkDesk
from peeklock.engine.signal_desk import RELEASED, TAKEN, Session, SignalDesk, find_signals
from peeklock.entities.dispositions import ABANDON
from peeklock.entities.facts import Fact, TopicCreated, WillSet
from peeklock.entities.kept_links import SESSION_LINK, LinkKey
from peeklock.entities.listeners import Ear, Listener, Wanted
from peeklock.entities.namespace import Namespace
from peeklock.entities.submission import Publication, Submission
from peeklock.errors import InvalidRequest, NotAllowed, QuotaExceeded, Unauthorized
from peeklock.limits import MQTT_GROUPS_MAX, MQTT_QUEUED_MESSAGES_MAX, MQTT_SESSIONS_MAX
from peeklock.message import Message
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, NOWHERE, Lsn, Millis, UnixMs
from tests.support.house import House, Recorder, pictures, replayed

MINUTE = 60_000


class Desk:
    """A house with MQTT clients."""

    def __init__(self) -> None:
        self.house = House()
        self.desk = SignalDesk(self.house.engine)

    def enter(
        self,
        client_id: str,
        lifetime_ms: int = MINUTE,
        *,
        clean: bool = False,
        user: str = "u",
        peer: Recorder | None = None,
    ) -> Session:
        """On a connection of its own, where there is a `peer`."""
        house = self.house
        return self.desk.enter(
            peer or house.peer, user, client_id, Millis(lifetime_ms), house.now, is_clean=clean
        )

    def leave(self, session: Session, lifetime_ms: int = MINUTE) -> None:
        self.desk.leave(session, Millis(lifetime_ms), self.house.now)

    def listen(self, session: Session, topic_filter: str = "#", qos: int = 2) -> None:
        wanted = Wanted(session.listener, qos)
        self.desk.listen(session, topic_filter, wanted, self.house.now)

    def publish(
        self, name: str, qos: int, body: bytes = b"", *, not_before: int = NEVER, ttl: int = -1
    ) -> None:
        house = self.house
        topic = find_signals(house.engine, house.now)
        given = Submission(
            Message(body, ttl_ms=ttl), UnixMs(not_before),
            publication=Publication(name, qos, False, None),
        )  # fmt: skip
        house.engine.send(house.peer, None, 1, topic, given, house.now, settled=qos == 0)

    def heard(self) -> list[tuple[str, int]]:
        """What is told now, without waiting for the disk."""
        return [
            (one.heard.signal.topic_name, one.heard.hearing.qos)
            for one in self.house.engine.take_effects()
            if isinstance(one, Overheard)
        ]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def stored(session: Session) -> list[tuple[str | None, int]]:
    return [(one.session_id, one.priority) for one in session.queue.entries.values()]


def lost(desk: Desk) -> int:
    return desk.house.namespace.listeners.lost_count


def recovered(desk: Desk) -> list[Namespace]:
    """From the journal, and from a snapshot."""
    journal = desk.house.journal
    assert isinstance(journal, MemoryJournal)
    capture = Capture(desk.house.namespace, slice_count=2)
    slices = []
    while facts := capture.next_slice(journal.end):
        slices.append((Lsn(0), facts))
    return [replayed(journal._facts), replayed(slices)]


def kept_of(namespace: Namespace) -> dict[str, object]:
    return {
        client_id: (
            link.key.user, link.lifetime_ms, link.until, sorted(link.outcomes),
            link.will, link.will_delay_ms,
            [(rule.name, rule.properties)
             for rule in namespace.listeners.rules_of(link.entity_id)],
        )
        for client_id, link in namespace.links.sessions.items()
    }  # fmt: skip


def check_recovery(desk: Desk) -> None:
    now = desk.house.now
    for namespace in recovered(desk):
        assert pictures(namespace, now) == pictures(desk.house.namespace, now)
        assert kept_of(namespace) == kept_of(desk.house.namespace)


class TestStored:
    def test_for_a_session_that_is_kept(self, desk: Desk) -> None:
        one = desk.enter("one")
        desk.listen(one)
        desk.listen(one, "A/+", 1)
        desk.leave(one)
        for qos in range(3):
            desk.publish("a", qos)
        assert stored(one) == [("a", 1), ("a", 2)]
        check_recovery(desk)

    def test_scheduled_signals_are_for_those_who_store_them(self, desk: Desk) -> None:
        kept, passing = desk.enter("kept"), desk.enter("passing", 0)
        for one in (kept, passing):
            desk.listen(one)
        desk.publish("a", 1, not_before=desk.house.now + 500)
        assert desk.heard() == []
        assert desk.house.namespace.listeners.any
        assert kept.queue.first_ready(1) == []
        desk.house.advance(500)
        assert len(kept.queue.first_ready(1)) == 1

    def test_oldest_ones_give_way(self, desk: Desk) -> None:
        one = desk.enter("one")
        desk.listen(one)
        for number in range(MQTT_QUEUED_MESSAGES_MAX + 2):
            desk.publish(str(number), 1)
        assert len(stored(one)) == MQTT_QUEUED_MESSAGES_MAX
        assert stored(one)[0] == ("2", 1)
        assert lost(desk) == 2

    def test_without_any_that_can_give_way_the_new_one_is_lost(self, desk: Desk) -> None:
        """And its publisher hears nothing of that: others have it."""
        one, other = desk.enter("one"), desk.enter("other")
        desk.listen(one)
        desk.publish("a", 1, bytes(1 << 26))
        desk.house.receiver(one.queue, 1)
        desk.house.turn()
        desk.listen(other)
        desk.publish("b", 1, b"x")
        assert stored(one) == [("a", 1)]
        assert stored(other) == [("b", 1)]
        assert lost(desk) == 1
        assert all(isinstance(effect, Accepted) for effect in desk.house.sync()[-1:])

    def test_what_expires_goes(self, desk: Desk) -> None:
        """[MQTT-3.3.2-5]"""
        one = desk.enter("one")
        desk.listen(one)
        desk.publish("a", 1, ttl=100)
        desk.house.advance(100)
        assert stored(one) == []
        assert lost(desk) == 1
        desk.leave(one, 0)
        assert lost(desk) == 1  # also of those that are over

    def test_what_was_counted_before_is_not_after_a_restart(self, desk: Desk) -> None:
        """As Mosquitto's counters: since the broker started."""
        one = desk.enter("one")
        desk.listen(one)
        desk.publish("a", 1, ttl=100)
        desk.house.advance(100)
        desk.house.engine.start(desk.house.now)
        assert lost(desk) == 0

    def test_a_qos_2_exchange_that_has_begun_stays(self, desk: Desk) -> None:
        """[MQTT-4.3.3-7]: it neither expires nor gives way; one with QoS 1 does."""
        one = desk.enter("one")
        desk.listen(one)
        for qos in (1, 2):
            desk.publish(f"sent-{qos}", qos, ttl=100)
        receiver = desk.house.receiver(one.queue, 2)
        desk.house.turn()
        tokens = desk.house.held(receiver)
        assert len(tokens) == 2
        desk.publish("waits", 2, ttl=100)
        desk.house.engine.settle(
            receiver, 0, tokens, ABANDON, None, desk.house.now, settled=True
        )
        desk.house.engine.detach(receiver, desk.house.now)
        desk.house.advance(100)
        assert stored(one) == [("sent-2", 2)]
        assert desk.house.namespace.by_id[one.queue.queue_id].next_deadline() == NEVER
        check_recovery(desk)
        for namespace in recovered(desk):
            assert namespace.by_id[one.queue.queue_id].next_deadline() == NEVER
        for number in range(MQTT_QUEUED_MESSAGES_MAX):
            desk.publish(str(number), 1)
        assert stored(one)[:2] == [("sent-2", 2), ("1", 1)]
        assert len(stored(one)) == MQTT_QUEUED_MESSAGES_MAX


class TestTold:
    def test_without_facts_nothing_is_waited_for(self, desk: Desk) -> None:
        """docs/adr/0028"""
        desk.publish("a", 0)  # makes the built-in topic
        one = desk.enter("one", 0)
        desk.listen(one)
        end = desk.house.journal.end
        desk.publish("a", 0)
        desk.publish("b", 1)
        assert desk.house.journal.end == end
        assert desk.house.journal.durable < end
        assert desk.heard() == [("a", 0), ("b", 1)]

    def test_with_facts_it_waits_for_them(self, desk: Desk) -> None:
        passing, kept = desk.enter("passing", 0), desk.enter("kept")
        for session in (passing, kept):
            desk.listen(session)
        desk.publish("a", 1)
        desk.publish("b", 0)  # waits for nothing but for what was told before it
        assert desk.heard() == []
        desk.house.journal.sync()
        assert desk.heard() == [("a", 1), ("b", 0), ("b", 0)]

    def test_by_way_of_a_forward(self, desk: Desk) -> None:
        house = desk.house
        tickets = house.topic("tickets")
        queue = house.queue("in", forward_to="tickets")
        passing = desk.enter("passing", 0)
        desk.listen(passing)
        house.send(queue, b"")
        house.journal.sync()
        assert desk.heard() == [("tickets", 2)]
        assert tickets.next_number == 1

    def test_whoever_has_left_is_told_nothing(self, desk: Desk) -> None:
        desk.publish("a", 0)
        one = desk.enter("one", 0)
        desk.listen(one)
        desk.leave(one)
        desk.publish("a", 1)
        assert desk.heard() == []


class TestSessions:
    def test_it_is_there_again(self, desk: Desk) -> None:
        one = desk.enter("one")
        assert not one.is_present
        desk.leave(one)
        assert desk.enter("one").is_present
        check_recovery(desk)

    def test_it_ends_in_time(self, desk: Desk) -> None:
        desk.leave(desk.enter("one"), 500)
        desk.enter("here", 500)
        desk.house.advance(499)
        assert set(desk.house.namespace.links.sessions) == {"one", "here"}
        desk.house.advance(1)
        assert set(desk.house.namespace.links.sessions) == {"here"}
        assert len(desk.house.namespace.by_id) == 1
        check_recovery(desk)

    @pytest.mark.parametrize("lifetime", [0, MINUTE])
    def test_a_clean_start(self, desk: Desk, lifetime: int) -> None:
        one = desk.enter("one")
        desk.listen(one)
        desk.leave(one)
        again = desk.enter("one", lifetime, clean=True)
        assert not again.is_present
        assert again.lsn != NOWHERE
        desk.publish("a", 1)
        assert again.listener.wanted == {}
        check_recovery(desk)

    def test_another_users(self, desk: Desk) -> None:
        desk.leave(desk.enter("one"))
        for clean in (True, False):
            with pytest.raises(Unauthorized, match="another user"):
                desk.enter("one", user="other", clean=clean)

    def test_too_many(self, desk: Desk) -> None:
        one = desk.enter("one")
        assert one.link is not None
        desk.leave(one)
        sessions = desk.house.namespace.links.sessions
        sessions.update({f"s{n}": one.link for n in range(MQTT_SESSIONS_MAX - 1)})
        with pytest.raises(QuotaExceeded, match="10000 MQTT sessions"):
            desk.enter("three")
        desk.enter("three", 0)
        assert desk.enter("one").is_present

    def test_too_many_shared_filters(self, desk: Desk) -> None:
        group = desk.desk.group("$share/g/a", desk.house.now)
        groups = desk.house.namespace.listeners.groups
        groups.update({f"$share/{n}/a": group for n in range(MQTT_GROUPS_MAX - 1)})
        with pytest.raises(QuotaExceeded, match="10000 shared subscriptions"):
            desk.desk.group("$share/new/a", desk.house.now)
        assert desk.desk.group("$share/g/a", desk.house.now) is group

    def test_filters_are_kept_as_they_are_written(self, desk: Desk) -> None:
        """[MQTT-4.7.3-4]"""
        one = desk.enter("one")
        for topic_filter in ("a", "A", "$queue/x"):
            desk.listen(one, topic_filter)
        desk.desk.unlisten(one, "A")
        assert list(one.listener.wanted) == ["a", "$queue/x"]
        check_recovery(desk)

    def test_what_is_no_filter(self, desk: Desk) -> None:
        one = desk.enter("one")
        with pytest.raises(InvalidRequest):
            desk.listen(one, "a/#/b")
        assert one.listener.wanted == {}

    def test_packet_identifiers(self, desk: Desk) -> None:
        one = desk.enter("one")
        desk.listen(one)
        desk.publish("a", 2)
        desk.house.engine.commit_facts(desk.desk.take(one, 7))
        desk.house.engine.commit_facts(desk.desk.take(one, 65_535))
        desk.desk.hand_over(one, 7, one.queue.first_ready(1)[0].number)
        assert one.packet_ids(TAKEN) == [7, 65_535]
        assert one.packet_ids(RELEASED) == [7]
        assert stored(one) == []
        check_recovery(desk)
        desk.desk.release(one, 7)
        desk.desk.confirm(one, 7)
        desk.desk.confirm(one, 8)
        assert (one.packet_ids(TAKEN), one.packet_ids(RELEASED)) == ([65_535], [])
        check_recovery(desk)

    def test_one_whose_record_is_damaged_is_begun_anew(self, desk: Desk) -> None:
        one = desk.enter("one")
        desk.listen(one)
        journal = desk.house.journal
        assert isinstance(journal, MemoryJournal)
        left = [
            (end, facts)
            for end, facts in journal._facts
            if not any(isinstance(fact, TopicCreated) for fact in facts)
        ]
        desk.house = House(namespace=replayed(left))
        desk.desk = SignalDesk(desk.house.engine)
        assert desk.house.namespace.links.sessions
        again = desk.enter("one")
        assert not again.is_present
        desk.listen(again)
        desk.publish("a", 1)
        assert stored(again) == [("a", 1)]

    def test_its_will_is_kept_until_it_is_published_or_taken_back(self, desk: Desk) -> None:
        house, signals = desk.house, desk.desk
        published: list[tuple[str, int]] = []

        def come(client_id: str, will: bytes, delay_ms: int) -> Session:
            session = signals.enter(
                house.peer, "u", client_id, Millis(MINUTE), house.now,
                is_clean=False, will=will, will_delay_ms=Millis(delay_ms),
            )  # fmt: skip
            check_recovery(desk)
            return session

        def go(session: Session, client_id: str, delay_ms: int, *, is_due: bool) -> None:
            def publish(now: UnixMs, beside: list[Fact]) -> None:
                published.append((client_id, now))
                house.engine.commit_facts(beside)

            delay = Millis(delay_ms)
            will = publish if is_due else None
            signals.leave(session, Millis(MINUTE), house.now, will, delay)
            check_recovery(desk)

        began = house.now
        go(come("at once", b"w", 0), "at once", 0, is_due=True)
        go(come("later", b"w", 500), "later", 500, is_due=True)
        go(come("taken back", b"w", 500), "taken back", 500, is_due=False)
        go(come("at its end", b"w", 2 * MINUTE), "at its end", 2 * MINUTE, is_due=True)
        go(come("back", b"w", 500), "back", 500, is_due=True)
        wills = {one: link.will for one, link in house.namespace.links.sessions.items()}
        assert wills == {
            "at once": b"", "later": b"w", "taken back": b"", "at its end": b"w", "back": b"w",
        }  # fmt: skip
        come("back", b"", 0)
        house.advance(500)
        house.advance(MINUTE - 500)
        assert [(one, at - began) for one, at in published] == [
            ("at once", 0), ("later", 500), ("at its end", MINUTE),
        ]  # fmt: skip
        assert set(house.namespace.links.sessions) == {"back"}
        check_recovery(desk)

    def test_an_operators_end_loses_no_will_to_a_crash(self, desk: Desk) -> None:
        """It is published, and owed no more, by one append ahead of the session's end."""
        house, signals = desk.house, desk.desk
        hour = Millis(60 * MINUTE)
        session = signals.enter(
            *(house.peer, "u", "c", hour, house.now), is_clean=False, will=b"w"
        )
        taken_back: list[list[Fact]] = []

        def publish(now: UnixMs, beside: list[Fact]) -> None:
            assert "c" in house.namespace.links.sessions
            taken_back.append(beside)

        signals.leave(session, hour, house.now, publish, hour)
        link = session.link
        assert link is not None
        signals.end(link, house.now)
        assert [[type(fact) for fact in facts] for facts in taken_back] == [[WillSet]]
        assert not house.namespace.links.sessions
        check_recovery(desk)

    def test_no_recoverable_link_of_amqp_can_take_it(self, desk: Desk) -> None:
        house = desk.house
        desk.leave(desk.enter("one"))
        key = LinkKey("u", "one", SESSION_LINK, is_sender=True)
        with pytest.raises(InvalidRequest, match="mqtt"):
            LinkDesk(house.engine).attach_sender(
                house.peer, "link", key, house.queue(), Millis(1), None, house.now
            )
        assert desk.enter("one").is_present

    def test_the_built_in_topic_stays_while_sessions_are_kept(self, desk: Desk) -> None:
        one = desk.enter("one")
        for name in ("signals", one.queue.path):
            with pytest.raises(InvalidRequest):
                desk.house.namespace.delete_topic(name) if name == "signals" else (
                    desk.house.namespace.delete(name)
                )
        desk.leave(one, 0)
        desk.house.engine.commit_registry(desk.house.namespace.delete_topic("signals"))
        desk.publish("a", 1)  # it is made again

    def test_a_queue_of_its_name(self, desk: Desk) -> None:
        desk.house.queue("signals")
        with pytest.raises(NotAllowed, match="'signals'"):
            desk.enter("one")


class TestGroups:
    NAME = "$share/g/a/+"

    def join(self, desk: Desk, session: Session) -> None:
        desk.desk.group(self.NAME, desk.house.now)
        desk.listen(session, self.NAME, 1)

    def test_one_copy_for_all_members(self, desk: Desk) -> None:
        kept, passing = desk.enter("kept"), desk.enter("passing", 0)
        for one in (kept, passing):
            self.join(desk, one)
        desk.publish("a/b", 2)
        desk.publish("b", 2)
        group = desk.house.namespace.listeners.groups[self.NAME]
        assert group.queue is not None
        assert [one.session_id for one in group.queue.entries.values()] == ["a/b"]
        assert stored(kept) == []
        check_recovery(desk)

    def test_it_goes_with_the_last_session_that_has_it(self, desk: Desk) -> None:
        kept, passing = desk.enter("kept", 500), desk.enter("passing", 0)
        for one in (kept, passing):
            self.join(desk, one)
        desk.leave(kept, 500)
        desk.leave(passing)
        groups = desk.house.namespace.listeners.groups
        assert list(groups) == [self.NAME]
        check_recovery(desk)
        desk.house.advance(500)
        assert groups == {}
        assert desk.house.namespace.by_id == {}
        check_recovery(desk)

    def test_passing_members_do_not_keep_it_over_a_restart(self, desk: Desk) -> None:
        self.join(desk, desk.enter("passing", 0))
        after = House(namespace=recovered(desk)[0])
        assert list(after.namespace.listeners.groups) == [self.NAME]
        after.engine.start(after.now)
        assert after.namespace.listeners.groups == {}

    def test_members_take_turns_at_what_is_not_stored(self, desk: Desk) -> None:
        desk.publish("x", 0)
        listener = Listener(None)
        ears = [Ear(object()) for _ in range(3)]
        for ear in ears:
            listener.hear_by(ear)
        turns = [listener.next_ear() for _ in range(6)]
        assert sorted(map(ears.index, turns)) == [0, 0, 1, 1, 2, 2]  # type: ignore[arg-type]  # none is None
        for ear in ears:
            listener.unhear(ear)
        assert listener.next_ear() is None
