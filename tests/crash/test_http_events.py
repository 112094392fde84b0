"""kill -9 right after a 202: the events are there, all of a batch."""

from pathlib import Path

import pytest

from peeklock.cloudevents.http_binding import write_http_batch
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer

pytestmark = pytest.mark.crash
ROUNDS = 5


def test_what_was_accepted_is_there(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as process:
        http = HttpPeer(process)
        for number in range(ROUNDS):
            ids = [f"{number}-{place}" for place in range(50)]
            parts = write_http_batch([event(id=one) for one in ids])
            headers = dict(parts.headers)
            assert http.ask_with("POST", "/q/events", parts.body, headers).status == 202
            process.kill()
            process.start()
            found = [http.take("q").broker["MessageId"] for _ in ids]
            assert found == [f"/site/berlin {one}" for one in ids]
            assert http.take("q").status == 204
