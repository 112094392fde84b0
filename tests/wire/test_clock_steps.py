"""Somebody sets the machine's clock while the broker runs (ADR 0005)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.stepped_broker import stepped_broker

HOUR_MS = 3_600_000
EMPTY_FRAME = b"\0\0\0\x08\x02\0\0\0"


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """What is added to the wall clock."""
    return tmp_path / "clock"


@pytest.fixture
def broker(tmp_path: Path, clock: Path) -> Iterator[BrokerProcess]:
    with stepped_broker(tmp_path / "data", clock) as broker:
        yield broker


def open_with_heartbeats(port: int) -> AmqpPeer:
    """The broker has to say something every 100 ms, so it looks at the clock as often."""
    peer = AmqpPeer(port)
    peer.open(idle_time_out=300)
    return peer


def hear_heartbeats(peer: AmqpPeer, count: int) -> float:
    """Returns how many seconds they took."""
    began = time.monotonic()
    for _ in range(count):
        assert peer.take(8) == EMPTY_FRAME
    return time.monotonic() - began


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS], ids=["forward", "backward"])
def test_connections_live_through_a_step_and_are_kept_alive(
    broker: BrokerProcess, clock: Path, step_ms: int
) -> None:
    with open_with_heartbeats(broker.amqp_port) as peer:
        hear_heartbeats(peer, 2)
        clock.write_text(str(step_ms))
        assert hear_heartbeats(peer, 10) < 5
        peer.begin()
        peer.attach_sender("orders")
        peer.put(b"after the step")


def test_a_step_forward_lets_locks_run_out_soon(broker: BrokerProcess, clock: Path) -> None:
    """By ADR 0005 they are instants. Nobody else has to say anything for it."""
    with ready_peer(broker.amqp_port) as peer, ready_peer(broker.amqp_port) as other:
        peer.attach_sender("orders")
        peer.put(b"job")
        peer.attach_receiver("orders", 1, credit=1)
        assert peer.receive()[1].body == b"job"
        other.attach_receiver("orders", credit=1)
        other.ping()
        clock.write_text(str(HOUR_MS))
        began = time.monotonic()
        assert other.receive()[1].body == b"job"
        assert time.monotonic() - began < 5, "the lock is of a minute"


def test_a_step_backward_makes_locks_longer_and_nothing_else(
    broker: BrokerProcess, clock: Path
) -> None:
    with ready_peer(broker.amqp_port) as peer:
        peer.attach_sender("orders")
        peer.put(b"job")
        peer.attach_receiver("orders", 1, credit=1)
        peer.receive()
        clock.write_text(str(-HOUR_MS))
        peer.put(b"another", first=1)
        peer.credit(1, 1, count=1)
        assert peer.receive()[1].body == b"another"
