"""Jobs of figures that leave their bounds, and of silence."""

from itertools import count
from typing import Any

import pytest

from peeklock.entities.derivation_facts import SampleTaken
from peeklock.entities.derivation_settings import DerivationKind
from peeklock.entities.submission import Submission
from peeklock.entities.threshold import Aggregate, Threshold
from peeklock.errors import InvalidRequest
from peeklock.limits import (
    DERIVATION_KEYS_MAX,
    DERIVATION_SAMPLES_IN_ALL_MAX,
    DERIVATION_SAMPLES_MAX,
)
from peeklock.store.memory_journal import MemoryJournal
from peeklock.types import NEVER
from tests.support.house import House, replayed
from tests.support.signals import jobs, signal
from tests.unit.engine.test_derivations import Site

PERIOD = 1000
PATH = "floor/{floor}/room/{room}"
T = "${data.t}"
BODY = '["${key}", "${side}", "${value}", "${count}"]'


class Building(Site):
    """Rooms' climate; a derivation looks at floors."""

    def watch(self, **settings: Any) -> None:
        threshold = Threshold(**{"value": T, **settings})
        self.derive(
            "climate",
            kind=DerivationKind.THRESHOLD,
            path=PATH,
            key="${path.floor}",
            body=BODY,
            threshold=threshold,
        )

    def feel(self, t: object, room: str = "1", floor: str = "3", **given: Any) -> None:
        self.send({"t": t}, subject=f"floor/{floor}/room/{room}", **given)


@pytest.fixture
def site() -> Building:
    return Building()


class TestThreshold:
    def test_the_last_value_makes_one_job_until_it_is_back(self, site: Building) -> None:
        site.watch(above=22, below=18, hysteresis=1)
        for t in (20, 23, 24, 21.5, 23, 21, 22, 22.5, 10, 11):
            site.feel(t)
        assert site.bodies() == [
            ["3", "above", 23.0, 1],
            ["3", "above", 22.5, 1],
            ["3", "below", 10.0, 1],
        ]
        site.recovers()

    def test_its_cause_is_the_signal_that_crossed(self, site: Building) -> None:
        site.watch(above=22)
        site.feel(20, id_="a")
        site.feel(30, id_="b")
        site.feel(30, id_="b")
        site.feel(31, id_="c")
        (job,) = jobs(site.queue)
        assert job.properties["cause_id"] == "b"
        (entry,) = site.queue.entries.values()
        assert entry.source_number == 2

    def test_the_average_of_a_floors_rooms_is_of_the_last_value_of_each(
        self, site: Building
    ) -> None:
        """A room that says more than others does not weigh more."""
        site.watch(aggregate=Aggregate.AVG, latest_per="${path.room}", above=22, below=18)
        site.feel(20, "1")
        site.feel(20, "2")
        for t in (21, 22, 23, 24):
            site.feel(t, "1")
        assert site.bodies() == []
        site.feel(25, "1")
        assert site.bodies() == [["3", "above", 22.5, 2]]
        site.feel(99, "1", floor="4")
        assert site.bodies()[1:] == [["4", "above", 99.0, 1]]
        site.recovers()

    def test_a_window_of_time(self, site: Building) -> None:
        site.watch(aggregate=Aggregate.AVG, over_ms=PERIOD, above=22)
        site.feel(10)
        site.house.advance(PERIOD - 1)
        site.feel(30)
        assert site.bodies() == []
        site.house.advance(1)
        site.feel(30)
        assert site.bodies() == [["3", "above", 30.0, 2]]
        site.recovers()

    def test_a_window_of_so_many(self, site: Building) -> None:
        site.watch(aggregate=Aggregate.MIN, over_count=3, above=1)
        for t in (5, 5, 0, 5, 5, 5):
            site.feel(t)
        assert site.bodies() == [["3", "above", 5.0, 3]]

    def test_how_many(self, site: Building) -> None:
        site.watch(value="", aggregate=Aggregate.COUNT, over_ms=PERIOD, above=2)
        for _ in range(4):
            site.feel(None)
        assert site.bodies() == [["3", "above", 3.0, 3]]
        site.house.advance(PERIOD)
        for _ in range(3):
            site.feel(None)
        assert len(site.bodies()) == 2

    def test_several_by_one_append(self, site: Building) -> None:
        site.watch(above=22)
        site.submit(
            *(
                Submission(signal({"t": t}, id_=f"s{n}", subject="floor/3/room/1"))
                for n, t in enumerate((30, 31, 20, 40))
            )
        )
        assert [body[2] for body in site.bodies()] == [30.0, 40.0]
        site.recovers()

    @pytest.mark.parametrize("t", ["21.5", " 30 "])
    def test_a_text_that_is_a_number_is_one(self, site: Building, t: str) -> None:
        """As MQTT's user properties have them."""
        site.watch(above=0)
        site.feel(t)
        assert site.bodies()[0][2] == float(t)

    @pytest.mark.parametrize("t", ["warm", "", True, None, [1], "nan", "inf", 10**400])
    def test_what_is_no_number_is_a_dead_letter(self, site: Building, t: object) -> None:
        site.watch(above=0)
        data = b'{"t": 1%s}' % (b"0" * 400) if t == 10**400 else {"t": t}
        site.send(data, subject="floor/3/room/1")
        ((_reason, why),) = site.reasons()
        assert "its value is no number" in why or "no JSON" in why
        assert site.bodies() == []

    def test_the_newest_values_are_kept(self, site: Building) -> None:
        site.watch(aggregate=Aggregate.MIN, over_ms=10**6, above=5)
        site.feel(0)
        for n in range(0, DERIVATION_SAMPLES_MAX, 100):
            site.submit(
                *(
                    Submission(signal({"t": 9}, id_=f"{n}-{m}", subject="floor/3/room/1"))
                    for m in range(100)
                )
            )
        assert site.bodies() == [["3", "above", 9.0, DERIVATION_SAMPLES_MAX]]
        ledger = site.topic.derivations.find("climate")
        assert ledger.sample_count == DERIVATION_SAMPLES_MAX

    def test_the_key_that_was_silent_longest_is_forgotten(self, site: Building) -> None:
        site.watch(above=22)
        for start in range(0, DERIVATION_KEYS_MAX, 1000):
            site.submit(
                *(
                    Submission(signal({"t": 30}, id_=f"{n}", subject=f"floor/{n}/room/1"))
                    for n in range(start, start + 1000)
                )
            )
        before = len(site.queue.entries)
        assert before == DERIVATION_KEYS_MAX
        site.feel(30, floor="0")
        site.feel(20, floor="new")
        assert len(site.queue.entries) == before
        site.feel(30, floor="1")
        assert len(site.queue.entries) == before + 1
        ledger = site.topic.derivations.find("climate")
        assert len(ledger.accounts) == ledger.sample_count == DERIVATION_KEYS_MAX

    def test_values_of_all_keys_have_a_bound(self, site: Building) -> None:
        """Beyond it a key gives way, also to one that is there, and one is enough."""
        site.watch(aggregate=Aggregate.MIN, over_ms=10**6, above=5)
        serial = count(1)
        for floor in range(DERIVATION_SAMPLES_IN_ALL_MAX // DERIVATION_SAMPLES_MAX):
            for _ in range(DERIVATION_SAMPLES_MAX):
                site.topic.derivations.apply(
                    SampleTaken(
                        site.topic.topic_id, "climate", next(serial), str(floor),
                        site.house.now, "", 1.0,
                    )
                )  # fmt: skip
        ledger = site.topic.derivations.find("climate")
        assert ledger.sample_count == DERIVATION_SAMPLES_IN_ALL_MAX
        keys = len(ledger.accounts)
        site.submit(
            *(
                Submission(signal({"t": 1}, id_=f"more {n}", subject="floor/0/room/1"))
                for n in range(3)
            )
        )
        assert len(ledger.accounts) == keys - 1
        assert next(iter(ledger.accounts)) == "2"
        assert "0" in ledger.accounts
        site.feel(1, floor="new")
        assert next(reversed(ledger.accounts)) == "new"
        assert ledger.sample_count < DERIVATION_SAMPLES_IN_ALL_MAX

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"kind": DerivationKind.THRESHOLD}, "above and below are missing"),
            ({"threshold": Threshold(T, above=1.0)}, "what only a threshold has"),
            (
                {"kind": DerivationKind.THRESHOLD, "threshold": Threshold(above=1.0)},
                "value is missing",
            ),
            (
                {
                    "kind": DerivationKind.THRESHOLD,
                    "threshold": Threshold(T, above=1.0),
                    "period_ms": 100,
                },
                "period_ms is 100; threshold waits for nothing",
            ),
        ],
    )
    def test_mistakes(self, site: Building, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidRequest, match=said):
            site.derive(**settings)


class Sensors(Site):
    """They say that they are there."""

    def expect(self, **settings: Any) -> None:
        given = {"key": "${event.source}", "period_ms": PERIOD, **settings}
        body = '["${key}", "${count}", "${last_at}", "${data.battery}"]'
        self.derive("lost", kind=DerivationKind.ABSENCE, body=body, **given)

    def beat(self, sensor: str, **data: object) -> None:
        self.send(data, source=sensor)

    def lost(self) -> list[tuple[str, int, object]]:
        return [(body[0], body[1], body[3]) for body in self.bodies()]


class TestAbsence:
    def test_who_was_heard_and_is_silent_makes_one_job(self) -> None:
        site = Sensors()
        site.expect()
        site.beat("/a", battery=9)
        site.beat("/b")
        for battery in (8, 7):
            site.house.advance(PERIOD - 1)
            site.beat("/a", battery=battery)
        assert site.lost() == [("/b", 1, None)]
        site.house.advance(PERIOD)
        assert site.lost()[1:] == [("/a", 3, 7)]
        site.house.advance(100 * PERIOD)
        assert len(site.queue.entries) == 2
        site.beat("/a")
        site.house.advance(PERIOD)
        assert site.lost()[2:] == [("/a", 1, None)]
        messages = {job.message_id for job in jobs(site.queue)}
        assert len(messages) == 3
        site.recovers()

    def test_it_says_since_when(self) -> None:
        site = Sensors()
        site.expect()
        site.beat("/a")
        site.house.advance(PERIOD)
        assert site.bodies()[0][2] == "1970-01-01T00:16:40.000Z"  # the fake clock's first

    def test_without_a_key_silence_begins_at_once(self) -> None:
        site = Sensors()
        site.expect(key="")
        site.house.advance(PERIOD)
        (job,) = jobs(site.queue)
        assert job.body[:2] == ["", 1]
        assert job.properties["cause_source"] == "site"
        assert job.properties["cause_id"] == "since 1970-01-01T00:16:40.000Z"
        site.house.advance(10 * PERIOD)
        assert len(site.queue.entries) == 1
        site.beat("/a")
        site.beat("/b")
        site.house.advance(PERIOD)
        assert len(site.queue.entries) == 2
        site.recovers()

    def test_while_the_broker_is_down_nobody_is_silent(self) -> None:
        site = Sensors()
        site.expect()
        site.beat("/a")
        site.house.journal.sync()
        journal = site.house.journal
        assert isinstance(journal, MemoryJournal)
        house = House(namespace=replayed(journal._facts))
        house.clock.advance(60 * PERIOD)
        house.engine.start(house.now)
        queue = house.namespace.find("evacuations")
        house.advance(PERIOD - 1)
        assert jobs(queue) == []
        house.advance(1)
        assert [job.body[0] for job in jobs(queue)] == ["/a"]
        assert house.engine.next_deadline() == NEVER

    def test_one_more_key_than_there_may_be_is_not_waited_for(self) -> None:
        site = Sensors()
        site.expect()
        for start in range(0, DERIVATION_KEYS_MAX, 1000):
            site.submit(
                *(
                    Submission(signal({}, id_="1", source=f"/{n}"))
                    for n in range(start, start + 1000)
                )
            )
        site.beat("/one more")
        ((_reason, why),) = site.reasons()
        assert "its key is not" in why
        site.beat("/5")
        assert len(site.reasons()) == 1
