"""A connection's time-outs are durations: no setting of the machine's clock touches them."""

import pytest

from peeklock.limits import AMQP_IDLE_TIMEOUT, AMQP_OPEN_TIMEOUT
from tests.support.amqp_house import AmqpHouse

STEPS = (-86_400_000, -1, 1, 86_400_000)


@pytest.mark.parametrize("step", STEPS)
def test_an_idle_peer_is_cut_when_its_time_is_up_whatever_the_clock_says(step: int) -> None:
    """§2.4.5; what we announce is half of what we bear."""
    house = AmqpHouse()
    house.open()
    house.clock.step(step)
    assert not house.is_cut_after(2 * AMQP_IDLE_TIMEOUT - 1)
    house.clock.step(step)
    assert house.is_cut_after(1)


@pytest.mark.parametrize("step", STEPS)
def test_a_peer_that_does_not_open_is_cut_when_its_time_is_up(step: int) -> None:
    house = AmqpHouse()
    house.clock.step(step)
    assert not house.is_cut_after(AMQP_OPEN_TIMEOUT - 1)
    assert house.frontend.next_deadline() == house.clock.elapsed() + 1
    assert house.is_cut_after(1)
