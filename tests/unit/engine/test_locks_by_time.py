"""Locks that outlast whoever took them: nothing but time, or their token, ends them."""

from peeklock.engine.dispatch import Receiver
from peeklock.engine.effects import Deliver
from peeklock.entities.dispositions import COMPLETE, DEFER
from peeklock.entities.facts import Fact
from peeklock.entities.queue import Queue, token_of
from peeklock.types import BY_TIME, LockToken
from tests.support.house import House, Recorder, replayed


def take_one(house: House, queue: Queue) -> tuple[Receiver, LockToken]:
    """As a request does that waits for one message and then goes."""
    receiver = house.receiver(queue)
    receiver.link_id = BY_TIME
    house.engine.set_credit(receiver, 1, draining=False)
    house.sync()
    assert isinstance(receiver.peer, Recorder)
    (delivery,) = receiver.peer.told
    assert isinstance(delivery, Deliver)
    token = token_of(delivery.entries[0])
    house.engine.detach(receiver, house.now, keep=True)
    return receiver, token


def restarted(house: House) -> House:
    """A house over what its journal has; nobody of before is there."""
    appends: list[tuple[int, list[Fact]]] = []
    for facts in house.journal.read():
        appends.append(((appends[-1][0] if appends else 0) + len(facts), facts))
    after = House(journal=house.journal, namespace=replayed(appends))
    after.clock = house.clock
    after.engine.start(after.now)
    return after


def test_the_lock_stays_when_its_taker_has_gone() -> None:
    house = House()
    queue = house.queue(lock_duration_ms=30_000)
    house.send(queue)
    _receiver, token = take_one(house, queue)
    house.advance(29_999)
    house.engine.settle_tokens(queue, [token], COMPLETE, house.now)
    assert not queue.entries


def test_and_runs_out_as_any_other() -> None:
    house = House()
    queue = house.queue(lock_duration_ms=30_000)
    house.send(queue)
    take_one(house, queue)
    house.advance(30_000)
    (entry,) = queue.first_ready(1)
    assert entry.delivery_count == 1


def test_it_is_told_when_it_is_durable() -> None:
    """Its token must be known after a crash, too."""
    house = House()
    queue = house.queue()
    house.send(queue)
    house.sync()
    receiver = house.receiver(queue)
    receiver.link_id = BY_TIME
    house.engine.set_credit(receiver, 1, draining=False)
    house.turn()
    assert not house.engine.take_effects()
    house.journal.sync()
    (effect,) = house.engine.take_effects()
    assert isinstance(effect, Deliver)


def test_a_restart_does_not_end_it() -> None:
    house = House()
    queue = house.queue(lock_duration_ms=30_000)
    house.send(queue)
    _receiver, token = take_one(house, queue)
    house.engine.renew(queue, [token], house.now)
    house.sync()
    after = restarted(house)
    found = after.namespace.find("orders")
    assert token_of(found.entries[found.held_by(token, after.now)]) == token
    after.engine.settle_tokens(found, [token], COMPLETE, after.now)
    assert not found.entries


def test_nor_that_of_a_deferred_message() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    _receiver, token = take_one(house, queue)
    house.engine.settle_tokens(queue, [token], DEFER, house.now)
    number = next(iter(queue.entries))
    (entry,) = house.engine.receive_deferred(
        queue, [number], house.now, delete=False, link_id=BY_TIME
    )
    again = token_of(entry)
    house.sync()
    after = restarted(house)
    assert after.namespace.find("orders").held_by(again, after.now) == number


def test_a_shutdown_does_not_wait_for_it() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    take_one(house, queue)
    assert not house.engine.is_held()
    house.send(queue)
    house.receiver(queue, credit=1)
    house.sync()
    assert house.engine.is_held()


def test_who_leaves_without_keeping_gives_it_back_untried() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    receiver = house.receiver(queue)
    receiver.link_id = BY_TIME
    house.engine.set_credit(receiver, 1, draining=False)
    house.turn()
    house.engine.detach(receiver, house.now)
    (entry,) = queue.first_ready(1)
    assert entry.delivery_count == 0
