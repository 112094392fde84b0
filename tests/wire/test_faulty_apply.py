"""A mistake of ours between append and apply ends the process; recovery knows the truth."""

from pathlib import Path

from tests.support.amqp_bytes import composite
from tests.support.amqp_peer import ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.faulty_apply import VARIABLE
from tests.support.socket_peer import PeerClosed

EXIT_JOURNAL = 70


def test_a_fact_that_cannot_be_applied_ends_the_broker_at_once(tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    with BrokerProcess(
        data_dir=tmp_path / "data",
        env={VARIABLE: str(fault)},
        module="tests.support.faulty_apply",
    ) as broker:
        with ready_peer(broker.amqp_port) as sender, ready_peer(broker.amqp_port) as worker:
            sender.attach_sender("orders")
            sender.put(*(b"job-%d" % number for number in range(3)))
            worker.attach_receiver("orders", credit=1)
            held, _message = worker.receive()
            fault.touch()
            worker.dispose(held["delivery-id"], composite("accepted"))
            heard = []
            try:
                while True:
                    heard.append(worker.next_frame().name)
            except (PeerClosed, ConnectionError):
                pass
            assert broker.wait() == EXIT_JOURNAL
        assert heard == [], "neither that it went well nor that one connection failed"
        last = broker.stderr.splitlines()[-1]
        assert last.startswith("peeklock: a mistake of ours: memory is behind the journal (")
        assert last.endswith("; ending, recovery will find out")
        fault.unlink()
        broker.restart()
        with ready_peer(broker.amqp_port) as worker:
            worker.attach_receiver("orders", credit=3)
            bodies = []
            while bodies[-1:] != [b"job-2"]:
                bodies.append(worker.receive()[1].body)
        # Whether the disk heard of the first one's end before ours is not said.
        assert bodies in ([b"job-0", b"job-1", b"job-2"], [b"job-1", b"job-2"])
