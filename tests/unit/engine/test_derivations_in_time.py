"""Jobs that wait: for quiet, for a window's end. What they remember is there after a crash."""

from typing import Any

import pytest

from peeklock.engine.effects import Overheard, Signalled
from peeklock.engine.relay import Relay
from peeklock.engine.signal_desk import SignalDesk
from peeklock.entities.arrivals import Arrivals
from peeklock.entities.derivation_settings import DerivationKind
from peeklock.entities.derivations import WAKES_SPARE
from peeklock.entities.listeners import Wanted
from peeklock.entities.submission import Submission
from peeklock.errors import DiskFull, InvalidRequest
from peeklock.limits import (
    DERIVATION_CONTEXT_BYTES_MAX,
    DERIVATION_KEY_CHARACTERS_MAX,
    DERIVATION_KEYS_MAX,
    DERIVATION_PERIOD_MAX,
    DERIVATION_PERIOD_MIN,
    DERIVATION_RUN_MAX,
    FORWARD_RETRY,
)
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER, Millis
from tests.support.disk_house import Recording
from tests.support.house import House, replayed
from tests.support.signals import jobs, signal
from tests.unit.engine.test_derivations import Site

PERIOD = 1000
BODY = '{"count": "${count}", "t": "${data.t}"}'
DEBOUNCE = DerivationKind.DEBOUNCE
COALESCE = DerivationKind.COALESCE


class FullJournal(Recording):
    """Of a disk that is nearly full."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # nobody writes here

    @property
    def has_room(self) -> bool:
        return False


class Rooms(Site):
    """Signals of rooms; a derivation waits for each room by itself."""

    def wait_for(self, kind: DerivationKind, **settings: Any) -> None:
        given = {
            "path": "room/{room}",
            "key": "${path.room}",
            "body": BODY,
            "period_ms": PERIOD,
            **settings,
        }
        self.derive("wait", kind=kind, **given)

    def hear(self, room: str, t: object = 0, **given: Any) -> None:
        self.send({"t": t}, subject=f"room/{room}", **given)

    def seen(self) -> list[tuple[str, int, object]]:
        """Of each job: key, count, and the last signal's value."""
        return [
            (job.properties["derived_key"], job.body["count"], job.body["t"])
            for job in jobs(self.queue)
        ]


@pytest.fixture
def site() -> Rooms:
    return Rooms()


class TestDebounce:
    def test_the_last_one_makes_a_job_when_it_is_quiet(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        for t in range(3):
            site.hear("a", t)
            site.house.advance(PERIOD - 1)
        assert site.seen() == []
        assert site.house.engine.next_deadline() <= site.house.now + 1
        site.house.advance(1)
        assert site.seen() == [("a", 3, 2)]
        site.house.advance(10 * PERIOD)
        assert len(site.queue.entries) == 1
        site.recovers()

    def test_each_key_by_itself(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        site.hear("a", 1)
        site.house.advance(600)
        site.hear("b", 2)
        site.house.advance(400)
        assert site.seen() == [("a", 1, 1)]
        site.house.advance(600)
        assert site.seen() == [("a", 1, 1), ("b", 1, 2)]

    def test_a_signal_that_comes_again_puts_nothing_off(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        site.hear("a", id_="x")
        site.house.advance(PERIOD - 1)
        site.hear("a", id_="x")
        site.house.advance(1)
        assert site.seen() == [("a", 1, 0)]

    def test_a_job_that_goes_on_to_a_topic_is_heard_there(self, site: Rooms) -> None:
        house = site.house
        house.topic("site/jobs")
        house.queue("on", forward_to="site/jobs")
        site.wait_for(DEBOUNCE, to="on")
        desk = SignalDesk(house.engine)
        session = desk.enter(house.peer, "u", "c", Millis(0), house.now, is_clean=True)
        desk.listen(session, "site/jobs/#", Wanted(session.listener, 0), house.now)
        house.engine.follow(house.peer, house.namespace.find_topic("site/jobs"))
        site.hear("a")
        house.advance(PERIOD)
        told = [type(one) for one in house.sync() if isinstance(one, Overheard | Signalled)]
        assert told == [Overheard, Signalled]


class TestCoalesce:
    def test_a_windows_signals_make_one_job_at_its_end(self, site: Rooms) -> None:
        site.wait_for(COALESCE)
        for t in range(4):
            site.hear("a", t)
            site.house.advance(300)
        assert site.seen() == [("a", 4, 3)]
        site.hear("a", 9)
        site.house.advance(PERIOD)
        assert site.seen()[1:] == [("a", 1, 9)]
        first, second = jobs(site.queue)
        assert first.message_id != second.message_id
        site.recovers()

    def test_its_message_id_is_that_of_the_first_cause(self, site: Rooms) -> None:
        other = Rooms()
        for one, more in ((site, 3), (other, 1)):
            one.wait_for(COALESCE)
            for number in range(more):
                one.hear("a", id_=f"s{number}")
            one.house.advance(PERIOD)
        (mine,) = jobs(site.queue)
        (its,) = jobs(other.queue)
        assert mine.message_id == its.message_id
        assert (mine.correlation_id, its.correlation_id) == ("s2", "s0")


class TestAfterACrash:
    @pytest.mark.parametrize("kind", [DEBOUNCE, COALESCE])
    def test_what_was_waited_for_comes(self, site: Rooms, kind: DerivationKind) -> None:
        site.wait_for(kind)
        site.hear("a", 1)
        site.house.advance(10)
        site.hear("a", 2)
        site.house.journal.sync()
        journal = site.house.journal
        assert isinstance(journal, MemoryJournal)
        house = House(namespace=replayed(journal._facts))
        house.engine.start(house.now)
        queue = house.namespace.find("evacuations")
        house.advance(10)
        assert jobs(queue) == []
        house.advance(PERIOD)
        assert [job.body for job in jobs(queue)] == [{"count": 2, "t": 2}]
        assert house.engine.next_deadline() == NEVER


class TestBounds:
    def test_the_key_that_was_silent_longest_gives_way_early(self, site: Rooms) -> None:
        site.wait_for(COALESCE, period_ms=60_000)
        given = [
            Submission(signal({"t": n}, id_=f"s{n}", subject=f"room/{n}"))
            for n in range(DERIVATION_KEYS_MAX)
        ]
        site.submit(*given[:5000])
        site.submit(*given[5000:])
        site.hear("0", -1)
        assert site.seen() == []
        site.hear("new", 7)
        assert site.seen() == [("1", 1, 1)]
        site.submit(
            *(Submission(signal({}, id_=f"m{n}", subject=f"room/m{n}")) for n in range(3))
        )
        assert [key for key, _count, _t in site.seen()] == ["1", "2", "3", "4"]
        ledger = site.topic.derivations.find("wait")
        assert len(ledger.accounts) == DERIVATION_KEYS_MAX
        site.recovers()

    def test_jobs_are_made_in_slices(self, site: Rooms) -> None:
        site.wait_for(COALESCE)
        site.submit(
            *(
                Submission(signal({}, id_=f"m{n}", subject=f"room/m{n}"))
                for n in range(DERIVATION_RUN_MAX + 1)
            )
        )
        site.house.advance(PERIOD)
        assert len(site.queue.entries) == DERIVATION_RUN_MAX
        assert site.house.engine.next_deadline() <= site.house.now
        site.house.advance(0)
        assert len(site.queue.entries) == DERIVATION_RUN_MAX + 1

    def test_what_waits_for_accounts_that_are_gone_is_forgotten(self, site: Rooms) -> None:
        derivations = site.topic.derivations
        for _ in range(WAKES_SPARE + 10):
            site.wait_for(DEBOUNCE)
            site.hear("a")
            site.house.engine.commit_registry(derivations.remove("wait"))
        assert len(derivations._wakes) <= WAKES_SPARE
        site.wait_for(DEBOUNCE)
        site.hear("a")
        site.house.advance(PERIOD)
        assert site.seen() == [("a", 1, 0)]

    @pytest.mark.parametrize(
        ("room", "given", "why"),
        [
            ("x" * (DERIVATION_KEY_CHARACTERS_MAX + 1), {}, "its key has 257 characters"),
            ("a", {"t": "x" * DERIVATION_CONTEXT_BYTES_MAX}, "are kept"),
            ("a", {"source": "/" + "x" * DERIVATION_CONTEXT_BYTES_MAX}, "are kept"),
            ("a", {"not_before": 1 << 50}, "it is scheduled"),
        ],
    )
    def test_what_cannot_count_is_a_dead_letter(
        self, site: Rooms, room: str, given: dict[str, Any], why: str
    ) -> None:
        site.wait_for(DEBOUNCE)
        site.hear(room, **given)
        ((reason, description),) = site.reasons()
        assert reason == "DerivationFailed"
        assert why in description
        site.house.advance(PERIOD)
        assert site.seen() == []

    @pytest.mark.parametrize(
        ("kind", "period", "said"),
        [
            (DEBOUNCE, 0, f"period_ms is 0; for debounce it is {DERIVATION_PERIOD_MIN} to"),
            (COALESCE, DERIVATION_PERIOD_MAX + 1, "for coalesce"),
            (DerivationKind.EACH, 5, "each waits for nothing"),
        ],
    )
    def test_a_period_that_is_none(
        self, site: Rooms, kind: DerivationKind, period: int, said: str
    ) -> None:
        with pytest.raises(InvalidRequest, match=said):
            site.wait_for(kind, period_ms=period)


class TestWhenItCannotBe:
    def test_a_job_waits_for_its_queue_to_be_there_again(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        house = site.house
        site.hear("a", 5)
        house.engine.commit_registry(house.namespace.delete("evacuations"))
        house.advance(PERIOD)
        assert house.engine.next_deadline() == house.now + FORWARD_RETRY
        queue = house.queue("evacuations")
        house.advance(FORWARD_RETRY)
        assert [job.body for job in jobs(queue)] == [{"count": 1, "t": 5}]

    def test_a_full_queue_has_it_among_its_dead_letters(self) -> None:
        site = Rooms(max_messages=1)
        site.wait_for(DEBOUNCE)
        site.hear("a", 5)
        site.hear("b", 6)
        site.house.advance(PERIOD)
        assert site.seen() == [("a", 1, 5)]
        assert [reason for reason, _why in site.reasons()] == ["DerivedJobRefused"]
        site.recovers()

    def test_a_full_disk_lets_it_wait(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        site.hear("a", 5)
        relay = site.house.engine.relay
        arrivals = Arrivals()
        full = Relay(site.house.namespace, FullJournal())
        with pytest.raises(DiskFull):
            full.due_job(site.topic, "wait", "a", site.house.now, arrivals)
        facts = relay.due_job(site.topic, "wait", "a", site.house.now, arrivals)
        site.house.engine.commit_facts(facts)
        assert site.seen() == [("a", 1, 5)]

    def test_a_derivation_that_is_deleted_waits_for_nothing(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        site.hear("a")
        site.house.engine.commit_registry(site.topic.derivations.remove("wait"))
        site.wait_for(DEBOUNCE)
        site.house.advance(PERIOD)
        assert site.seen() == []
        site.recovers()

    def test_a_topic_that_is_deleted_neither(self, site: Rooms) -> None:
        site.wait_for(DEBOUNCE)
        site.hear("a")
        house = site.house
        house.engine.commit_registry(house.namespace.delete_topic("site"))
        house.advance(PERIOD)
        assert site.seen() == []
        assert house.engine.next_deadline() == NEVER
