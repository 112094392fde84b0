"""kill -9 between a 201 and what follows: what was answered is so."""

from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.http_peer import HttpPeer

pytestmark = pytest.mark.crash
ROUNDS = 10


def test_what_was_answered_is_so(tmp_path: Path) -> None:
    """Sent is there; completed is not; locked still is, and settled by its token."""
    with BrokerProcess(data_dir=tmp_path) as process:
        http = HttpPeer(process)
        for number in range(ROUNDS):
            http.send("orders", b"%d" % number)
            if number % 2:
                process.kill()
                process.start()
            held = http.lock("orders")
            assert (held.status, held.body) == (201, b"%d" % number)
            assert held.broker["DeliveryCount"] == 1
            process.kill()
            process.start()
            assert http.lock("orders").status == 204, "it is held, restart or not"
            renewed = http.ask("POST", held.place)
            assert renewed.status == 200
            assert http.ask("DELETE", held.place).status == 200
            process.kill()
            process.start()
            assert http.lock("orders").status == 204
            gone = http.ask("DELETE", held.place)
            assert gone.status == 404
            assert gone.problem["condition"] == "com.microsoft:message-lock-lost"


def test_a_lock_runs_out_over_a_restart(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as process:
        http = HttpPeer(process)
        description = "<QueueDescription><LockDuration>PT2S</LockDuration></QueueDescription>"
        body = f"<entry><content>{description}</content></entry>"
        assert http.ask("PUT", "/orders", body).status == 201
        http.send("orders")
        held = http.lock("orders")
        process.kill()
        process.start()
        again = http.lock("orders", timeout=20)
        assert (again.status, again.broker["DeliveryCount"]) == (201, 2)
        assert http.ask("DELETE", held.place).status == 404
        assert http.ask("DELETE", again.place).status == 200


def test_a_batch_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as process:
        http = HttpPeer(process)
        kind = "application/vnd.microsoft.servicebus.json"
        batch = b"[" + b",".join(b'{"Body": "%d"}' % number for number in range(100)) + b"]"
        http.send("orders", batch, Content_Type=kind)
        process.kill()
        process.start()
        assert [http.take("orders").body for _ in range(100)] == [b"%d" % n for n in range(100)]
        assert http.take("orders").status == 204
