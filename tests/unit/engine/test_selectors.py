"""Receivers with a selector, as the engine serves them."""

from peeklock.engine.dispatch import ReceiveMode, Receiver
from peeklock.engine.effects import Deliver, Drained
from peeklock.entities.dispositions import Disposition, Verdict
from peeklock.entities.queue import Queue
from peeklock.entities.submission import Submission
from peeklock.filters.filter import Filter, selector
from peeklock.filters.view import PropertyView
from peeklock.message import Message
from peeklock.protocols.amqp10.sections import encode_bare
from tests.support.house import House, Recorder

WANTED = "kind = 'a'"


class Counting:
    """A filter that counts the questions."""

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        self.asked = 0

    def matches(self, view: PropertyView) -> bool:
        self.asked += 1
        return self._wanted.matches(view)


def send(house: House, queue: Queue, kinds: str) -> None:
    for kind in kinds:
        given = Submission(Message(encode_bare(None, {"kind": kind}, None)))
        house.engine.send(house.peer, "link", 0, queue, given, house.now, settled=False)


def selecting(
    house: House,
    queue: Queue,
    wanted: Filter,
    credit: int = 0,
    mode: ReceiveMode = ReceiveMode.PEEK_LOCK,
) -> Receiver:
    receiver = house.engine.attach(Recorder(), "link", queue, mode, wanted)
    if credit:
        house.engine.set_credit(receiver, credit, draining=False)
    return receiver


def test_it_has_what_matches_and_others_have_anything() -> None:
    house = House()
    queue = house.queue()
    send(house, queue, "babab")
    few = selecting(house, queue, selector(WANTED), 10)
    house.turn()
    assert few.held_numbers() == [2, 4]
    other = house.receiver(queue, 10)
    house.turn()
    assert other.held_numbers() == [1, 3, 5]


def test_a_dead_letters_reason_is_among_its_properties() -> None:
    """As whoever receives it sees it."""
    house = House()
    queue = house.queue()
    send(house, queue, "abc")
    worker = house.receiver(queue, 3)
    house.turn()
    for place, reason in enumerate(("Malformed", "Late", "")):
        dead = Disposition(Verdict.DEAD_LETTER, reason=reason, description="line 1")
        token = house.held(worker)[0]
        house.engine.settle(worker, place, [token], dead, None, house.now, settled=True)
    letters = house.dead_letters(queue)
    wanted = selector("DeadLetterReason = 'Late' AND kind = 'b'")
    assert selecting_numbers(house, letters, wanted) == [2]
    assert selecting_numbers(house, letters, selector("DeadLetterReason IS NULL")) == []
    described = selector("DeadLetterErrorDescription LIKE 'line%'")
    assert selecting_numbers(house, letters, described) == [1, 3]  # 2 is held


def selecting_numbers(house: House, queue: Queue, wanted: Filter) -> list[int]:
    receiver = selecting(house, queue, wanted, 10)
    house.turn()
    return [int(number) for number in receiver.held_numbers()]


def test_the_broker_rests_when_nothing_more_matches() -> None:
    house = House()
    queue = house.queue()
    send(house, queue, "b" * 2500)
    selecting(house, queue, selector(WANTED), 10)
    turns = 1
    while house.engine.turn(house.now):
        turns += 1
    assert turns == 3
    assert not house.engine.turn(house.now)


def test_those_with_the_same_selector_look_once_and_share() -> None:
    house = House()
    queue = house.queue()
    wanted = Counting(selector(WANTED))
    receivers = [selecting(house, queue, wanted, 5) for _ in range(4)]
    send(house, queue, "ab" * 10)
    house.turn()
    assert wanted.asked == 20
    assert sorted(number for one in receivers for number in one.held_numbers()) == [
        *range(1, 21, 2)
    ]
    assert sorted(len(one.held_numbers()) for one in receivers) == [1, 3, 3, 3]


def test_what_a_gone_one_held_goes_to_the_next() -> None:
    house = House()
    queue = house.queue()
    send(house, queue, "aba")
    first = selecting(house, queue, selector(WANTED), 10)
    house.turn()
    second = selecting(house, queue, selector(WANTED), 10)
    house.engine.detach(first, house.now)
    house.turn()
    assert second.held_numbers() == [1, 3]


def test_nothing_is_looked_at_for_nobody() -> None:
    house = House()
    queue = house.queue()
    wanted = Counting(selector(WANTED))
    house.engine.detach(selecting(house, queue, wanted), house.now)
    send(house, queue, "ab")
    holder = house.receiver(queue, 2)
    house.turn()
    house.engine.detach(holder, house.now)
    house.turn()
    assert wanted.asked == 0


def test_a_drain_ends_when_all_has_been_looked_at() -> None:
    house = House()
    queue = house.queue()
    send(house, queue, "b" * 1500 + "a")
    receiver = selecting(house, queue, selector(WANTED))
    house.engine.set_credit(receiver, 5, draining=True)
    kinds = [type(effect) for effect in house.sync() if isinstance(effect, Deliver | Drained)]
    assert kinds == [Deliver, Drained]


def test_a_browser_reads_on_behind_what_does_not_match() -> None:
    house = House()
    queue = house.queue()
    send(house, queue, "b" * 2500 + "a" + "b" * 10 + "a")
    browser = selecting(house, queue, selector(WANTED), 1, ReceiveMode.BROWSE)
    house.sync()
    house.engine.set_credit(browser, 5, draining=False)
    house.sync()
    recorder = browser.peer
    assert isinstance(recorder, Recorder)
    shown = [
        e.number for told in recorder.told if isinstance(told, Deliver) for e in told.entries
    ]
    assert shown == [2501, 2512]
    assert not house.engine.turn(house.now)


def test_priority_goes_first_among_what_matches() -> None:
    house = House()
    queue = house.queue(priorities=True)
    for priority in (1, 9, 5):
        message = Message(encode_bare(None, {"kind": "a"}, None), priority=priority)
        house.engine.send(
            house.peer, "link", 0, queue, Submission(message), house.now, settled=False
        )
    receiver = selecting(house, queue, selector(WANTED), 1)
    house.turn()
    assert receiver.held_numbers() == [2]
