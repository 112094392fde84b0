"""A connection's time-outs are durations: no setting of the machine's clock touches them."""

import pytest

from peeklock.engine.link_desk import LinkDesk
from peeklock.frontends.amqp10 import AmqpFrontend, AmqpHost
from peeklock.frontends.amqp_management import ManagementNode
from peeklock.limits import AMQP_IDLE_TIMEOUT, AMQP_OPEN_TIMEOUT
from peeklock.security.authenticators import AnyoneIn
from peeklock.security.tokens import Tokens
from tests.support import amqp_bytes as wire
from tests.support.house import House

OPENING = wire.AMQP_HEADER + wire.frame(wire.composite("open", container_id="peer"))
STEPS = (-86_400_000, -1, 1, 86_400_000)


class Line:
    """A front-end, and the clock that it is told."""

    def __init__(self) -> None:
        house = House()
        self.clock = house.clock
        engine = house.engine
        host = AmqpHost(
            engine=engine,
            link_desk=LinkDesk(engine),
            management=ManagementNode(engine, dict),
            authenticator=AnyoneIn(),
            tokens=Tokens([]),
            container_id="broker",
            creates_queues=False,
        )
        now, elapsed = self.clock.now(), self.clock.elapsed()
        self.frontend = AmqpFrontend(host, now, elapsed, "peer")

    def say(self, data: bytes) -> None:
        self.frontend.receive_data(data, self.clock.now(), self.clock.elapsed())

    def is_cut_after(self, ms: int) -> bool:
        self.clock.advance(ms)
        self.frontend.tick(self.clock.now(), self.clock.elapsed())
        return self.frontend.closed


@pytest.mark.parametrize("step", STEPS)
def test_an_idle_peer_is_cut_when_its_time_is_up_whatever_the_clock_says(step: int) -> None:
    """§2.4.5; what we announce is half of what we bear."""
    line = Line()
    line.say(OPENING)
    line.clock.step(step)
    assert not line.is_cut_after(2 * AMQP_IDLE_TIMEOUT - 1)
    line.clock.step(step)
    assert line.is_cut_after(1)


@pytest.mark.parametrize("step", STEPS)
def test_a_peer_that_does_not_open_is_cut_when_its_time_is_up(step: int) -> None:
    line = Line()
    line.clock.step(step)
    assert not line.is_cut_after(AMQP_OPEN_TIMEOUT - 1)
    assert line.frontend.next_deadline() == line.clock.elapsed() + 1
    assert line.is_cut_after(1)
