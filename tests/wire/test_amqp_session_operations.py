"""Message sessions over `$management`: renewal, state, lists, deferred ones, in raw frames."""

import time
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    DEFERRED,
    annotations,
    array,
    int_,
    long,
    null,
    read_message,
    timestamp,
    uint,
)
from tests.support.amqp_operator import AmqpOperator
from tests.support.amqp_peer import AmqpPeer
from tests.support.amqp_sessions import (
    LOCK_LOST,
    Desk,
    accept,
    granted,
    in_session,
    put,
    seek,
)

ALL_TIMES = 253_402_300_800_000


class TestOperations:
    def test_state_is_kept_for_the_next_holder(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        accept(ready, sessions, "a")
        desk = Desk(ready, sessions)
        asked = {"session-id": "a"}
        assert desk.ask("get-session-state", asked) == (200, "", {"session-state": None})
        kept = {"session-id": "a", "session-state": b"page 7"}
        assert desk.ask("set-session-state", kept) == (200, "", {})
        ready.send("detach", handle=0, closed=True)
        ready.expect("detach")
        assert desk.ask("get-session-state", asked)[:2] == (410, LOCK_LOST)
        accept(other, sessions, "a")
        desk = Desk(other, sessions)
        assert desk.ask("get-session-state", asked)[2] == {"session-state": b"page 7"}
        cleared = {"session-id": "a", "session-state": None}
        assert desk.ask("set-session-state", cleared)[0] == 200
        assert desk.ask("get-session-state", asked)[2] == {"session-state": None}

    @pytest.mark.parametrize(
        "operation", ["renew-session-lock", "set-session-state", "get-session-state"]
    )
    def test_they_are_for_the_holder_only(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str, operation: str
    ) -> None:
        accept(ready, sessions, "a")
        asked = {"session-id": "a", "session-state": b"x"}
        assert Desk(other, sessions).ask(operation, asked)[:2] == (410, LOCK_LOST)
        desk = Desk(ready, sessions)
        assert desk.ask(operation, asked, "another link")[:2] == (410, LOCK_LOST)
        assert desk.ask(operation, asked, "r0")[0] == 200
        unknown = {"session-id": "never seen", "session-state": b"x"}
        assert desk.ask(operation, unknown)[:2] == (410, LOCK_LOST)
        assert desk.ask(operation, {})[0] == 400
        assert desk.ask(operation, {"session-id": long(1)})[0] == 400

    def test_state_is_binary_and_bounded(
        self, ready: AmqpPeer, operator: AmqpOperator, sessions: str
    ) -> None:
        operator.change(sessions, max_message_bytes=100)
        accept(ready, sessions, "a")
        desk = Desk(ready, sessions)
        wrong = {"session-id": "a", "session-state": "text"}
        assert desk.ask("set-session-state", wrong)[:2] == (400, "com.microsoft:argument-error")
        large = {"session-id": "a", "session-state": bytes(101)}
        assert desk.ask("set-session-state", large)[0] == 413

    def test_sessions_are_listed_by_page(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, *[(f"s{n}", b"x") for n in range(5)])
        desk = Desk(ready, sessions)
        pages = []
        for skip in (0, 2, 4, 5):
            status, condition, body = desk.ask("get-message-sessions", {
                "last-updated-time": timestamp(ALL_TIMES), "skip": int_(skip), "top": int_(2),
            })  # fmt: skip
            if status == 204:
                assert condition == "com.microsoft:session-not-found"
                break
            assert isinstance(body, dict)
            pages.append(body["sessions-ids"])
        assert pages == [["s0", "s1"], ["s2", "s3"], ["s4"]]

    def test_or_by_when_their_state_was_set(self, ready: AmqpPeer, sessions: str) -> None:
        accept(ready, sessions, "a")
        put(ready, sessions, ("with a message", b"x"))
        desk = Desk(ready, sessions)
        desk.ask("set-session-state", {"session-id": "a", "session-state": b"x"})
        for since, found in ((0, ["a"]), (int(time.time() * 1000) + 60_000, None)):
            status, _condition, body = desk.ask(
                "get-message-sessions", {"last-updated-time": timestamp(since)}
            )
            assert (status == 204) if found is None else isinstance(body, dict)
            if isinstance(body, dict) and found:
                assert body["sessions-ids"] == found

    def test_a_plain_queue_has_none(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        desk = Desk(ready, queue)
        for operation in ("get-message-sessions", "renew-session-lock", "peek-message"):
            status, condition, _body = desk.ask(operation, {"session-id": "a"})
            assert (status, condition) == (405, "amqp:not-allowed")

    def test_peek_in_a_session(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, *[("ab"[n % 2], b"%d" % n) for n in range(6)])
        desk = Desk(ready, sessions)

        def peeked(start: int, **session: str) -> list[bytes]:
            asked = {"from-sequence-number": long(start), "message-count": int_(10), **session}
            _status, _condition, body = desk.ask("peek-message", asked)
            assert isinstance(body, dict)
            return [read_message(one["message"]).body for one in body["messages"]]

        assert peeked(1) == [b"0", b"1", b"2", b"3", b"4", b"5"]
        assert peeked(3, **{"session-id": "b"}) == [b"3", b"5"]

    def test_deferred_ones_are_fetched_and_settled_in_their_session(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        put(ready, sessions, ("a", b"1"))
        accept(ready, sessions, "a")
        ready.credit(1)
        heard, _message = ready.receive()
        ready.dispose(heard["delivery-id"], DEFERRED)
        ready.expect("disposition", settled=True)
        wanted = {
            "sequence-numbers": array(0x81, [(1).to_bytes(8, "big")]),
            "receiver-settle-mode": uint(1),
        }
        in_a = {"session-id": "a"}
        assert Desk(other, sessions).ask("receive-by-sequence-number", wanted | in_a)[:2] == (
            410,
            LOCK_LOST,
        )
        desk = Desk(ready, sessions)
        assert desk.ask("receive-by-sequence-number", wanted)[0] == 405
        status, _condition, body = desk.ask("receive-by-sequence-number", wanted | in_a)
        assert status == 200
        assert isinstance(body, dict)
        token = body["messages"][0]["lock-token"]
        assert isinstance(token, UUID)
        settle = {
            "disposition-status": "completed",
            "lock-tokens": array(0x98, [token.bytes]),
        }
        accept(ready, sessions, "b", 1)
        in_b = {"session-id": "b"}
        assert desk.ask("update-disposition", settle | in_b)[:2] == (410, LOCK_LOST)
        assert desk.ask("update-disposition", settle | in_a)[0] == 200
        assert desk.ask("update-disposition", settle | in_a)[:2] == (
            410,
            "com.microsoft:message-lock-lost",
        )
        ready.send("detach", handle=0, closed=True)
        ready.expect("detach")
        assert desk.ask("update-disposition", settle | in_a)[:2] == (410, LOCK_LOST)
        assert desk.ask("update-disposition", settle)[:2] == (410, LOCK_LOST)

    def test_a_messages_lock_is_renewed_by_its_session(
        self, ready: AmqpPeer, sessions: str
    ) -> None:
        put(ready, sessions, ("a", b"1"))
        accept(ready, sessions, "a")
        ready.credit(1)
        heard, _message = ready.receive()
        tag = heard["delivery-tag"]
        assert isinstance(tag, bytes)
        tokens = {"lock-tokens": array(0x98, [UUID(bytes_le=tag).bytes])}
        assert Desk(ready, sessions).ask("renew-lock", tokens)[0] == 405

    def test_a_schedule_in_a_session(self, ready: AmqpPeer, sessions: str) -> None:
        due = timestamp(int(time.time() * 1000) + 300)
        message = annotations(x_opt_scheduled_enqueue_time=due) + in_session("a", b"later")
        status, _condition, _body = Desk(ready, sessions).ask(
            "schedule-message", {"messages": [{"message-id": "1", "message": message}]}
        )
        assert status == 200
        seek(ready, sessions, null())
        assert granted(ready) == "a"
        ready.credit(1)
        assert ready.receive()[1].body == b"later"
