"""How often a selection looks. What it finds, tests/property/test_selection.py checks."""

from peeklock.entities.dispositions import COMPLETE, RELEASE
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import Entry
from peeklock.entities.selection import Selection
from peeklock.limits import DISPATCH_RUN_MAX
from tests.support.house import House

ROUNDS = 3


class EveryNth:
    def __init__(self, step: int) -> None:
        self._step = step
        self.asked = 0

    def matches(self, entry: Entry) -> bool:
        self.asked += 1
        return entry.number % self._step == 0


def take_all(house: House, queue: Queue, selection: Selection) -> list[int]:
    """One at a time, completed at once, as a slow worker does."""
    taken: list[int] = []
    while selection.has_more(queue.next_number):
        for entry in selection.first(1, queue.next_number):
            locked = queue.receive([entry], house.ids.nonce(), house.now)
            house.engine.commit(queue, [locked], house.now)
            facts = queue.settle([entry.number], COMPLETE, house.now)
            house.engine.commit(queue, facts, house.now)
            taken.append(entry.number)
    return taken


def with_backlog(count: int) -> tuple[House, Queue]:
    house = House()
    queue = house.queue()
    for _ in range(count):
        house.send(queue, b"x")
    return house, queue


def test_a_long_backlog_is_read_once() -> None:
    house, queue = with_backlog(ROUNDS * DISPATCH_RUN_MAX)
    selector = EveryNth(100)
    taken = take_all(house, queue, queue.select(selector))
    assert taken == list(range(100, ROUNDS * DISPATCH_RUN_MAX + 1, 100))
    assert selector.asked == ROUNDS * DISPATCH_RUN_MAX


def test_it_looks_no_further_than_it_is_asked_for() -> None:
    _house, queue = with_backlog(500)
    selector = EveryNth(10)
    selection = queue.select(selector)
    assert [entry.number for entry in selection.first(2, queue.next_number)] == [10, 20]
    assert selector.asked == 20


def test_one_round_is_bounded() -> None:
    _house, queue = with_backlog(2 * DISPATCH_RUN_MAX)
    selector = EveryNth(DISPATCH_RUN_MAX + 1)
    selection = queue.select(selector)
    assert selection.first(1, queue.next_number) == []
    assert selector.asked == DISPATCH_RUN_MAX
    assert selection.has_more(queue.next_number)
    assert len(selection.first(1, queue.next_number)) == 1


def test_numbers_that_are_gone_are_not_tried() -> None:
    """Of a queue that is old and nearly empty."""
    house, queue = with_backlog(50_000)
    numbers = [number for number in queue.entries if number not in (7, 20_000, 49_999)]
    house.engine.commit(queue, queue.settle(numbers, COMPLETE, house.now), house.now)
    selector = EveryNth(1)
    selection = queue.select(selector)
    found = selection.first(10, queue.next_number)
    assert [entry.number for entry in found] == [7, 20_000, 49_999]
    house.send(queue, b"x")
    assert len(selection.first(10, queue.next_number)) == 4


def test_what_comes_back_is_looked_at_again_and_in_its_place() -> None:
    house, queue = with_backlog(5)
    selection = queue.select(EveryNth(1))
    first, second = selection.first(2, queue.next_number)
    locked = queue.receive([first, second], house.ids.nonce(), house.now)
    house.engine.commit(queue, [locked], house.now)
    assert [one.number for one in selection.first(1, queue.next_number)] == [3]
    house.engine.commit(queue, queue.settle([first.number], RELEASE, house.now), house.now)
    assert [one.number for one in selection.first(2, queue.next_number)] == [1, 3]


def test_nobody_is_told_after_the_last_has_gone() -> None:
    house, queue = with_backlog(1)
    selector = EveryNth(1)
    selection = queue.select(selector)
    queue.unselect(selection)
    house.receiver(queue, 1)
    house.turn()
    house.advance(queue.settings.lock_duration_ms)
    assert selector.asked == 0
