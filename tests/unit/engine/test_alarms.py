"""What is to be done at an instant."""

from peeklock.engine.alarms import Alarms
from peeklock.types import NEVER, UnixMs


def test_each_when_it_is_due_and_in_order() -> None:
    alarms = Alarms()
    done: list[tuple[str, int]] = []
    for name, at in (("late", 30), ("first", 10), ("second", 10)):
        alarms.set(UnixMs(at), lambda now, name=name: done.append((name, now)))
    assert alarms.next_deadline() == 10
    alarms.ring(UnixMs(9))
    assert done == []
    alarms.ring(UnixMs(12))
    assert done == [("first", 12), ("second", 12)]
    assert alarms.next_deadline() == 30


def test_a_cancelled_one_is_no_deadline() -> None:
    alarms = Alarms()
    done: list[int] = []
    first = alarms.set(UnixMs(10), done.append)
    second = alarms.set(UnixMs(20), done.append)
    alarms.set(UnixMs(30), done.append)
    alarms.cancel(second)
    assert alarms.next_deadline() == 10
    alarms.cancel(first)
    assert alarms.next_deadline() == 30
    alarms.ring(UnixMs(30))
    assert done == [30]
    assert alarms.next_deadline() == NEVER


def test_one_may_set_another() -> None:
    alarms = Alarms()
    done: list[int] = []
    alarms.set(UnixMs(10), lambda now: alarms.set(UnixMs(now + 5), done.append))
    alarms.ring(UnixMs(10))
    assert alarms.next_deadline() == 15
    alarms.ring(UnixMs(15))
    assert done == [15]
