"""A derivation that is changed: what it remembers stays, and counts by the new settings."""

from dataclasses import replace
from typing import Any

import pytest

from peeklock.entities.derivation_settings import DerivationKind, DerivationSettings
from peeklock.entities.threshold import Aggregate, Threshold
from peeklock.errors import InvalidFilter, InvalidRequest, NotAllowed, NotFound
from peeklock.management.derivations import changed_derivation
from tests.support.signals import jobs
from tests.unit.engine.test_derivations import Site

PERIOD = 1000
KEY = "${path.room}"
WAITING = DerivationSettings(
    "wait",
    "evacuations",
    kind=DerivationKind.COALESCE,
    period_ms=PERIOD,
    path="room/{room}",
    key=KEY,
    body='["${key}", "${count}"]',
)
WARM = replace(
    WAITING,
    kind=DerivationKind.THRESHOLD,
    period_ms=0,
    threshold=Threshold("${data.t}", Aggregate.AVG, over_count=3, above=22),
    body='["${key}", "${value}"]',
)
LOST = replace(WAITING, kind=DerivationKind.ABSENCE, body='"${key}"')


class Changing(Site):
    def begin(self, settings: DerivationSettings) -> None:
        facts = self.house.namespace.create_derivation("site", settings, self.house.now)
        self.house.engine.commit_registry(facts)

    def change(self, name: str = "wait", **changes: Any) -> None:
        before = self.topic.derivations.find(name).settings
        after = changed_derivation(before, changes)
        facts = self.house.namespace.update_derivation("site", after, self.house.now)
        self.house.engine.commit_registry(facts)

    def hear(self, room: str = "a", t: float = 0, **given: Any) -> None:
        self.send({"t": t}, subject=f"room/{room}", **given)


@pytest.fixture
def site() -> Changing:
    return Changing()


class TestWhatItRemembersStays:
    def test_values_of_a_threshold(self, site: Changing) -> None:
        site.begin(WARM)
        for t in (20, 21):
            site.hear(t=t)
        site.change(above=20)
        assert site.bodies() == []  # a figure is worked out when a value comes
        site.hear(t=22)
        assert site.bodies() == [["a", 21.0]]
        site.change(above=25, body='["${data.t}", "${side}"]')
        site.hear(t=40)
        assert site.bodies()[1:] == [[40, "above"]]
        site.recovers()

    def test_a_smaller_window_has_the_newest(self, site: Changing) -> None:
        site.begin(WARM)
        for t in (10, 10, 30):
            site.hear(t=t)
        site.change(over_count=2)
        site.hear(t=30)
        assert site.bodies() == [["a", 30.0]]
        site.recovers()

    def test_a_larger_one_fills(self, site: Changing) -> None:
        site.begin(WARM)
        for t in (30, 30, 30):
            site.hear(t=t)
        site.change(over_count=5, above=25)
        for _ in range(2):
            site.hear(t=30)
        assert site.bodies() == [["a", 30.0]]  # it has not been back
        site.recovers()

    def test_the_side_on_which_it_was(self, site: Changing) -> None:
        site.begin(WARM)
        for t in (30, 30, 30):
            site.hear(t=t)
        site.change(above=23)
        site.hear(t=30)
        assert len(site.bodies()) == 1

    def test_not_where_the_new_bounds_are_not_left(self, site: Changing) -> None:
        site.begin(WARM)
        for t in (30, 30, 30):
            site.hear(t=t)
        site.change(above=31)
        site.hear(t=60)
        assert site.bodies() == [["a", 30.0], ["a", 40.0]]
        site.change(over_count=1, above=None, below=35)  # of the newest
        site.hear(t=34)
        assert site.bodies()[2:] == [["a", 34.0]]
        site.recovers()

    def test_nor_where_the_values_are_too_old_for_the_new_window(self, site: Changing) -> None:
        assert WARM.threshold is not None
        window = replace(WARM.threshold, over_count=0, over_ms=9 * PERIOD)
        site.begin(replace(WARM, threshold=window))
        site.hear(t=30)
        site.house.advance(PERIOD)
        site.hear(t=20)
        assert site.bodies() == [["a", 30.0]]
        site.change(over_ms=PERIOD)
        site.hear(t=40)
        assert site.bodies()[1:] == [["a", 30.0]]
        site.recovers()

    def test_signals_that_wait(self, site: Changing) -> None:
        site.begin(WAITING)
        site.hear()
        site.change(body='["${key}", "${count}", "${data.t}"]', properties={"is": "new"})
        site.house.advance(PERIOD)
        # What it did not name when the signal came, nobody knows any more.
        assert site.bodies() == [["a", 1, None]]
        assert jobs(site.queue)[0].properties["is"] == "new"
        site.recovers()

    def test_causes_that_counted(self, site: Changing) -> None:
        site.begin(WAITING)
        site.hear(id_="x")
        site.change(period_ms=2 * PERIOD)
        site.hear(id_="x")
        site.house.advance(2 * PERIOD)
        assert site.bodies() == [["a", 1]]


class TestItsTimes:
    def test_a_shorter_period_ends_sooner(self, site: Changing) -> None:
        site.begin(WAITING)
        site.hear()
        site.change(period_ms=PERIOD // 2)
        assert site.house.engine.next_deadline() <= site.house.now + PERIOD // 2
        site.house.advance(PERIOD // 2)
        assert site.bodies() == [["a", 1]]

    def test_a_longer_one_later(self, site: Changing) -> None:
        site.begin(WAITING)
        site.hear()
        site.change(period_ms=2 * PERIOD)
        site.house.advance(2 * PERIOD - 1)
        assert site.bodies() == []
        site.house.advance(1)
        assert site.bodies() == [["a", 1]]

    def test_one_that_is_over_already_ends_at_once(self, site: Changing) -> None:
        site.begin(replace(LOST, key=""))
        site.house.advance(PERIOD // 2)
        site.change(period_ms=PERIOD // 4)
        site.house.advance(0)
        assert site.bodies() == [""]
        site.house.advance(9 * PERIOD)
        assert site.bodies() == [""]  # once, until a signal comes
        site.change(period_ms=PERIOD)
        site.house.advance(9 * PERIOD)
        assert site.bodies() == [""]
        site.recovers()

    def test_a_job_that_waits_for_its_queue_goes_to_another(self, site: Changing) -> None:
        house = site.house
        house.queue("soon gone")
        site.begin(replace(WAITING, to="soon gone"))
        site.hear()
        house.engine.commit_registry(house.namespace.delete("soon gone"))
        house.advance(PERIOD)
        site.change(key=KEY)  # that the queue is gone is no reason against other changes
        site.change(to="EVACUATIONS")
        house.advance(0)
        assert site.bodies() == [["a", 1]]
        assert site.topic.derivations.find("wait").settings.to == "evacuations"


class TestWhatCannotChange:
    @pytest.mark.parametrize(
        ("before", "changes", "said"),
        [
            (WAITING, {"key": ""}, "key cannot change, since what it remembers"),
            (WAITING, {"kind": "debounce", "period_ms": 200}, "kind cannot change"),
            (WAITING, {"kind": "each"}, "kind and key cannot change"),
            (WARM, {"value": "1"}, "value cannot change"),
            (WARM, {"over_count": 0, "latest_per": KEY}, "latest_per cannot change"),
        ],
    )
    def test_what_is_remembered_by_it(
        self, site: Changing, before: DerivationSettings, changes: dict[str, Any], said: str
    ) -> None:
        site.begin(before)
        site.hear(t=1)
        with pytest.raises(NotAllowed, match=said):
            site.change(**changes)
        site.hear(t=2)
        site.recovers()

    def test_while_nothing_is_remembered_all_can(self, site: Changing) -> None:
        site.begin(WAITING)
        site.hear()
        site.house.advance(PERIOD)
        site.change(kind="absence", period_ms=PERIOD, key=None)
        site.house.advance(PERIOD)
        assert len(site.bodies()) == 2  # without a key it is waited for from then on
        site.change(kind="each", key=KEY)
        assert site.topic.derivations.find("wait").settings.period_ms == 0
        site.hear("b")
        assert site.bodies()[2] == ["b", 1]
        site.recovers()

    def test_one_that_remembers_nothing_changes_as_it_likes(self, site: Changing) -> None:
        site.derive("fire", key="${event.source}")
        site.send()
        site.change("FIRE", key=None, body='"new"', sql="[data.t] > 1")
        site.send({"t": 0})
        site.send({"t": 2})
        assert site.bodies()[1:] == ["new"]
        assert site.topic.derivations.find("fire").settings.name == "fire"
        site.recovers()

    def test_a_mistake_changes_nothing(self, site: Changing) -> None:
        site.begin(WAITING)
        with pytest.raises(InvalidFilter, match="the condition of derivation 'wait'"):
            site.change(sql="a =")
        with pytest.raises(InvalidRequest, match="there is no setting 'nonsense'"):
            site.change(nonsense=1)
        with pytest.raises(InvalidRequest, match="to is 'nowhere'"):
            site.change(to="nowhere")
        with pytest.raises(InvalidRequest, match="expected a queue, for what fails"):
            site.change(to="site")
        with pytest.raises(InvalidRequest, match="to is missing"):
            site.change(to=None)
        with pytest.raises(NotFound):
            site.house.namespace.update_derivation(
                "site", replace(WAITING, name="other"), site.house.now
            )
        assert site.topic.derivations.find("wait").settings == WAITING
