"""kill -9 while events are pushed: each one that was accepted is pushed at least once."""

import time
from pathlib import Path

import pytest

from peeklock.cloudevents.data import json_data
from peeklock.cloudevents.http_binding import write_http_batch
from tests.support.amqp_operator import AmqpOperator
from tests.support.broker_process import BrokerProcess
from tests.support.events import event
from tests.support.http_peer import HttpPeer
from tests.support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.crash
ROUNDS = 5


@pytest.mark.parametrize("concurrency", [1, 8])
def test_what_was_accepted_is_pushed(tmp_path: Path, concurrency: int) -> None:
    accepted: list[str] = []
    with WebhookReceiver() as receiver, BrokerProcess(data_dir=tmp_path) as process:
        operator = AmqpOperator(process.amqp_port)
        operator.create("q", push_to=receiver.url, push_concurrency=concurrency)
        operator.close()
        for number in range(ROUNDS):
            ids = [f"{number}-{place}" for place in range(100)]
            parts = write_http_batch(
                [
                    event(json_data(b"1"), datacontenttype="application/json", id=one)
                    for one in ids
                ]
            )
            headers = dict(parts.headers)
            answered = HttpPeer(process).ask_with("POST", "/q/events", parts.body, headers)
            assert answered.status == 202
            accepted += ids
            time.sleep(0.05 * number)  # so that it dies at another point of its work
            process.kill()
            process.restart()
        receiver.wait_until(lambda: {id_of(one) for one in receiver.asked} >= set(accepted))
        operator = AmqpOperator(process.amqp_port)
        until = time.monotonic() + 20
        while operator.ask("READ", "q", {})["messages"]:  # type: ignore[index]  # a map
            assert time.monotonic() < until, "what was pushed is settled"
            time.sleep(0.05)
        operator.close()
    doubled = len(receiver.posted) - len(accepted)
    assert 0 <= doubled <= ROUNDS * 100


def id_of(asked: object) -> str:
    return str(asked.headers.get("ce-id", ""))  # type: ignore[attr-defined]  # Asked
