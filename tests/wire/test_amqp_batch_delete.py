"""Service Bus' batch-delete-messages over `$management`, in raw frames.

.NET's DeleteMessagesAsync and PurgeMessagesAsync ask it; the SDKs that we test with do not.
"""

import time

from tests.support.amqp_bytes import int_, timestamp
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.amqp_sessions import LOCK_LOST, Desk, accept, put

OPERATION = "batch-delete-messages"


def asked(count: int, before: int | None = None, **session: str) -> dict[str, object]:
    at = int(time.time() * 1000) + 60_000 if before is None else before
    return {"enqueued-time-utc": timestamp(at), "message-count": int_(count), **session}


class TestBatchDelete:
    def test_the_oldest_free_ones_go(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"held", b"1", b"2", b"3")
        ready.attach_receiver(queue, 1, credit=1)
        assert ready.receive()[1].body == b"held"
        desk = Desk(ready, queue)
        assert desk.ask(OPERATION, asked(2)) == (200, "", {"message-count": 2})
        ready.credit(1, 1, count=1)
        assert ready.receive()[1].body == b"3"
        assert desk.ask(OPERATION, asked(2))[2] == {"message-count": 0}

    def test_what_came_later_stays(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"1")
        desk = Desk(ready, queue)
        assert desk.ask(OPERATION, asked(10, before=1))[2] == {"message-count": 0}
        assert desk.ask(OPERATION, asked(10))[2] == {"message-count": 1}

    def test_in_a_session_for_its_holder(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        put(ready, sessions, ("a", b"1"), ("b", b"2"), ("a", b"3"))
        accept(ready, sessions, "a")
        in_a = asked(10, **{"session-id": "a"})
        assert Desk(other, sessions).ask(OPERATION, in_a)[:2] == (410, LOCK_LOST)
        desk = Desk(ready, sessions)
        assert desk.ask(OPERATION, in_a)[2] == {"message-count": 2}
        assert desk.ask(OPERATION, asked(10))[:2] == (405, "amqp:not-allowed")

    def test_wrong_requests(self, ready: AmqpPeer, operator: AmqpOperator, queue: str) -> None:
        desk = Desk(ready, queue)
        assert desk.ask(OPERATION, asked(0))[0] == 400
        assert desk.ask(OPERATION, asked(4001))[0] == 400
        assert desk.ask(OPERATION, {"message-count": int_(1)})[0] == 400
        operator.change(queue, status="receive-disabled")
        assert desk.ask(OPERATION, asked(1))[:2] == (403, "com.microsoft:entity-disabled")
