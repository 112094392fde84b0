"""Who is told of a signal, and how."""

import pytest

from peeklock.entities.listeners import (
    Ear,
    Hearing,
    Listener,
    Listeners,
    Wanted,
    how_of,
    named_under,
    under_of,
    wanted_of,
)
from peeklock.entities.submission import Publication
from peeklock.errors import QuotaExceeded
from peeklock.limits import MQTT_FILTER_LEVELS_MAX
from tests.support.house import House


class Wants:
    """Listeners that are here, and what they are told."""

    def __init__(self) -> None:
        self.all = Listeners()

    def listener(self, *filters: tuple[str, int], here: bool = True, **more: bool) -> Listener:
        one = Listener(None)
        if here:
            one.hear_by(Ear(object()))
        for topic_filter, qos in filters:
            self.all.listen(one, topic_filter, Wanted(one, qos, **more))
        return one

    def told(
        self, qos: int = 2, publisher: object = None, *, retain: bool = False
    ) -> list[Hearing]:
        return self.all.hearings("a/b", Publication("a/b", qos, retain, publisher))


@pytest.fixture
def wants() -> Wants:
    return Wants()


def test_the_lower_qos_of_both(wants: Wants) -> None:
    one = wants.listener(("a/+", 1))
    for given, expected in ((0, 0), (1, 1), (2, 1)):
        (hearing,) = wants.told(given)
        assert (hearing.listener, hearing.qos) == (one, expected)


def test_the_highest_of_several_filters(wants: Wants) -> None:
    one = wants.listener(("a/+", 0), ("#", 2), ("a/b", 1), ("other", 2))
    (hearing,) = wants.told()
    assert (hearing.listener, hearing.qos) == (one, 2)


def test_what_amqp_brings_has_the_filters_qos(wants: Wants) -> None:
    wants.listener(("#", 2))
    (hearing,) = wants.all.hearings("a/b", None)
    assert (hearing.qos, hearing.retain) == (2, False)


def test_no_local(wants: Wants) -> None:
    """[MQTT-3.8.3-3]"""
    mine = wants.listener(("a/#", 1), no_local=True)
    other = wants.listener(("a/#", 1), no_local=True)
    assert [one.listener for one in wants.told(1, mine)] == [other]
    assert {one.listener for one in wants.told(1)} == {mine, other}


def test_retain_as_published(wants: Wants) -> None:
    """[MQTT-3.3.1-12] [MQTT-3.3.1-13]"""
    wants.listener(("a/#", 1))
    wants.listener(("a/#", 1), retain_as_published=True)
    assert [one.retain for one in wants.told(1, retain=True)] == [False, True]
    assert [one.retain for one in wants.told(1)] == [False, False]


def test_whoever_is_away_and_keeps_nothing_is_told_nothing(wants: Wants) -> None:
    wants.listener(("a/#", 1), here=False)
    kept = Listener(House().queue())
    wants.all.listen(kept, "a/#", Wanted(kept, 1))
    assert [one.listener for one in wants.told(1)] == [kept]
    assert wants.told(0) == []


def test_it_listens_no_more(wants: Wants) -> None:
    one = wants.listener(("a/#", 1), ("a/b", 1))
    assert wants.all.any
    wants.all.unlisten(one, "a/#")
    wants.all.unlisten(one, "a/#")
    assert len(wants.told()) == 1
    wants.all.forget(one)
    assert wants.told() == []
    assert not wants.all.any
    assert one.wanted == {}


@pytest.mark.parametrize("identifiers", [(), (7,), (1, 268_435_455)])
@pytest.mark.parametrize("retain", [True, False])
def test_what_a_stored_signal_remembers(identifiers: tuple[int, ...], retain: bool) -> None:
    hearing = Hearing(Listener(None))
    hearing.qos = 2
    hearing.retain = retain
    hearing.identifiers = identifiers
    assert named_under(under_of("a/b,7", hearing)) == ("a/b,7", identifiers)
    assert how_of(hearing) == (6 if retain else 2)


def test_a_filter_is_a_rule() -> None:
    house = House()
    queue = house.queue()
    listeners = Listeners()
    listeners.keep(queue)
    listener = listeners.by_queue[queue.queue_id]
    wanted = Wanted(listener, 2, True, True, 1, 99)
    fact = listeners.rule_of(queue.queue_id, "A/+", wanted, house.now)
    listeners.apply(fact)
    (rule,) = listeners.rules_of(queue.queue_id)
    assert fact.rule == rule
    again = wanted_of(listener, rule)
    for name in ("qos", "no_local", "retain_as_published", "retain_handling", "identifier"):
        assert getattr(again, name) == getattr(wanted, name)


def test_filters_of_many_levels_are_refused_from_some_place_on(wants: Wants) -> None:
    one = wants.listener()
    levels = "/x" * 100 + "/+"
    for number in range(MQTT_FILTER_LEVELS_MAX // 102):
        wants.all.check_ways(one, f"{number}{levels}")
        wants.all.listen(one, f"{number}{levels}", Wanted(one, 0))
    with pytest.raises(QuotaExceeded, match=r"levels; allowed are"):
        wants.all.check_ways(one, f"a{levels}")
    wants.all.check_ways(one, f"0{levels}")  # it has this one
    wants.all.check_ways(one, "a/b/c")
    wants.all.unlisten(one, f"0{levels}")
    wants.all.check_ways(one, f"a{levels}")
