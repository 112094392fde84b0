"""A disk that fails: the process ends, says why, and nobody is told what may not be there."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.amqp_bytes import composite, data_section
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.faulty_disk import VARIABLE
from tests.support.socket_peer import PeerClosed

EXIT_JOURNAL = 70


@pytest.fixture
def fault(tmp_path: Path) -> Path:
    return tmp_path / "fault"


@pytest.fixture
def broker(tmp_path: Path, fault: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(
        data_dir=tmp_path / "data",
        env={VARIABLE: str(fault), "PEEKLOCK_JOURNAL__SEGMENT_BYTES": "65536"},
        module="tests.support.faulty_disk",
    ) as broker:
        yield broker


def settled_until_the_end(peer: AmqpPeer) -> set[int]:
    """The deliveries that are settled before the socket ends."""
    settled: set[int] = set()
    while True:
        try:
            heard = peer.next_frame()
        except PeerClosed:
            return settled
        if heard.name == "disposition":
            first, last = heard["first"], heard["last"]
            assert isinstance(first, int)
            settled.update(range(first, (last if isinstance(last, int) else first) + 1))


@pytest.mark.parametrize("call", ["fdatasync", "pwrite", "fsync"])
def test_a_failed_write_ends_the_broker_and_nobody_hears_that_it_went_well(
    broker: BrokerProcess, fault: Path, call: str
) -> None:
    """ADR 0007. `fsync` is what a new segment needs: what went into the last one is there."""
    with ready_peer(broker.amqp_port) as sender, ready_peer(broker.amqp_port) as worker:
        sender.attach_sender("orders")
        sender.put(*(b"job-%d" % number for number in range(10)))
        worker.attach_receiver("orders", credit=2)
        held = [worker.receive()[0] for _ in range(2)]
        fault.write_text(call)
        worker.dispose(held[0]["delivery-id"], composite("accepted"))
        size = 60_000 if call == "fsync" else 10
        with suppress(BrokenPipeError, ConnectionResetError):  # the end may be there already
            for number in range(10, 14):
                sender.transfer(number, data_section(b"x" * size))
        accepted = settled_until_the_end(sender)
        completed = settled_until_the_end(worker)
        assert broker.wait() == EXIT_JOURNAL
    assert accepted < {10, 11, 12, 13}, "the last one, at least, needed a new segment"
    if call != "fsync":
        assert accepted == completed == set()
    last = broker.stderr.splitlines()[-1]
    assert last == (
        "peeklock: writing the journal failed: [Errno 5] Input/output error; "
        "ending, recovery will find out"
    )
    assert "Traceback" not in broker.stderr
    fault.unlink()
    broker.restart()
    with ready_peer(broker.amqp_port) as worker:
        worker.attach_receiver("orders", credit=20)
        bodies = []
        while len(bodies) < 9 or bodies[-1] != b"job-9":
            bodies.append(worker.receive()[1].body)
        wanted = [b"job-%d" % number for number in range(10)]
        assert bodies in (wanted, wanted[1:]), "what was accepted, in order; the first may be"
        if completed:
            assert bodies == wanted[1:], "what was completed is gone"
        for _ in accepted:
            assert worker.receive()[1].body == b"x" * size, "what was accepted is there"


def test_a_failed_snapshot_is_no_end(tmp_path: Path, fault: Path) -> None:
    """Nothing that is stored rests on it."""
    with (
        BrokerProcess(
            data_dir=tmp_path / "data",
            env={VARIABLE: str(fault), "PEEKLOCK_JOURNAL__SNAPSHOT_BYTES": "262144"},
            module="tests.support.faulty_disk",
        ) as broker,
        ready_peer(broker.amqp_port) as peer,
    ):
        peer.attach_sender("orders")
        fault.write_text("fsync")
        peer.put(*[b"x" * 60_000] * 6)
        broker.wait_for("housekeeping failed")
        peer.put(b"after", first=6)
        fault.unlink()
        broker.wait_for("snapshot taken")
        assert broker.terminate() == 0
