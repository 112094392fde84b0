"""An entity's status: who may send to it and receive from it, from the update on."""

import pytest

from peeklock.engine.dispatch import ReceiveMode, Waiting
from peeklock.engine.effects import Accepted, Deliver, Refused
from peeklock.entities.dispositions import COMPLETE, DEFER
from peeklock.entities.queue import Queue
from peeklock.entities.queue_index import DEFERRED, READY
from peeklock.entities.settings import Status
from peeklock.errors import EntityDisabled, InvalidRequest
from peeklock.management.operations import update_queue
from peeklock.management.ways_on import of_right
from tests.support.house import House

TAKING = [Status.ACTIVE, Status.RECEIVE_DISABLED]
HANDING_OUT = [Status.ACTIVE, Status.SEND_DISABLED]


def set_status(house: House, queue: Queue, status: Status) -> None:
    update_queue(house.engine, queue.path, {"status": str(status)}, house.now, of_right)


@pytest.mark.parametrize("status", Status)
def test_what_is_sent_is_taken_or_refused(status: Status) -> None:
    house = House()
    queue = house.queue(status=status)
    house.send(queue)
    (answer,) = house.sync()
    if status in TAKING:
        assert isinstance(answer, Accepted)
        assert queue.counts[READY] == 1
    else:
        assert isinstance(answer, Refused)
        assert isinstance(answer.error, EntityDisabled)
        assert "'orders'" in str(answer.error)
        assert str(status) in str(answer.error)
        assert len(queue.entries) == 0


@pytest.mark.parametrize("status", Status)
def test_a_receiver_may_come_or_is_refused(status: Status) -> None:
    house = House()
    queue = house.queue(status=status)
    if status in HANDING_OUT:
        house.receiver(queue, 1)
    else:
        with pytest.raises(EntityDisabled, match="hands out no messages"):
            house.receiver(queue, 1)


def test_an_update_stops_receivers_that_are_there_and_another_lets_them_go_on() -> None:
    house = House()
    queue = house.queue()
    receiver = house.receiver(queue, 2)
    house.turn()
    set_status(house, queue, Status.RECEIVE_DISABLED)
    house.send(queue)
    house.turn()
    assert queue.counts[READY] == 1
    assert receiver.why_waiting() is Waiting.DISABLED
    set_status(house, queue, Status.ACTIVE)
    house.turn()
    assert len(house.held(receiver)) == 1


def test_what_is_held_may_be_settled_and_renewed() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    receiver = house.receiver(queue, 1)
    house.turn()
    set_status(house, queue, Status.DISABLED)
    (token,) = house.held(receiver)
    house.engine.renew(queue, [token], house.now)
    house.engine.settle_tokens(queue, [token], COMPLETE, house.now)
    assert len(queue.entries) == 0


def test_deferred_ones_are_not_handed_out() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    receiver = house.receiver(queue, 1)
    house.turn()
    house.engine.settle_tokens(queue, house.held(receiver), DEFER, house.now)
    set_status(house, queue, Status.RECEIVE_DISABLED)
    with pytest.raises(EntityDisabled):
        house.engine.receive_deferred(queue, [queue.next_number], house.now, delete=False)
    assert queue.counts[DEFERRED] == 1


def test_looking_is_always_allowed() -> None:
    house = House()
    queue = house.queue()
    house.send(queue)
    set_status(house, queue, Status.DISABLED)
    house.receiver(queue, 1, ReceiveMode.BROWSE)
    shown = [effect for effect in house.sync() if isinstance(effect, Deliver)]
    assert [entry.number for effect in shown for entry in effect.entries] == [1]


def test_a_queue_that_is_paused_still_shows() -> None:
    house = House()
    queue = house.queue(dispatch=False)
    house.send(queue)
    house.receiver(queue, 1, ReceiveMode.BROWSE)
    assert any(isinstance(effect, Deliver) for effect in house.sync())


def test_a_drained_receiver_of_a_disabled_queue_is_told_that_there_is_nothing() -> None:
    house = House()
    queue = house.queue()
    receiver = house.receiver(queue)
    house.send(queue)
    set_status(house, queue, Status.RECEIVE_DISABLED)
    house.sync()
    house.engine.set_credit(receiver, 5, draining=True)
    house.sync()
    assert receiver.credit == 0
    assert queue.counts[READY] == 1


def test_the_dead_letters_of_a_disabled_queue_are_to_be_had() -> None:
    house = House()
    queue = house.queue(dead_letter_on_expiry=True)
    house.send(queue, ttl_ms=10)
    set_status(house, queue, Status.DISABLED)
    house.advance(20)
    receiver = house.receiver(house.dead_letters(queue), 1)
    house.turn()
    assert len(house.held(receiver)) == 1


def test_a_status_that_is_none_is_refused_naming_those_that_are() -> None:
    house = House()
    queue = house.queue()
    with pytest.raises(InvalidRequest, match="send-disabled, receive-disabled"):
        update_queue(house.engine, queue.path, {"status": "asleep"}, house.now, of_right)
    assert queue.settings.status is Status.ACTIVE
