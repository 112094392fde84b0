"""Message sessions on the wire: Service Bus' filter, order, locks, with raw frames."""

import time

from tests.support.amqp_bytes import (
    ABANDONED,
    ACCEPTED,
    Composite,
    Described,
    Raw,
    composite,
    data_section,
    described,
    int_,
    long,
    null,
    string,
)
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.amqp_sessions import (
    FILTER,
    LOCK_LOST,
    Desk,
    accept,
    granted,
    put,
    refused,
    seek,
)
from tests.support.broker_process import BrokerProcess

LOCKED_UNTIL = "com.microsoft:locked-until-utc"
CANNOT_BE_LOCKED = "com.microsoft:session-cannot-be-locked"
TICKS_1970 = 621_355_968_000_000_000


class TestAttaching:
    def test_by_id_with_its_lock_and_id_in_the_answer(
        self, ready: AmqpPeer, sessions: str
    ) -> None:
        """A session without messages is there all the same."""
        began = time.time() * 1000
        heard = accept(ready, sessions, "customer-7")
        source = heard["source"]
        assert isinstance(source, Composite)
        assert source["address"] == sessions
        properties = heard["properties"]
        assert isinstance(properties, dict)
        ticks = properties[LOCKED_UNTIL]
        assert getattr(ticks, "kind", "") == "long"
        until = (ticks - TICKS_1970) / 10_000
        assert began + 59_000 < until < began + 70_000
        assert heard["initial-delivery-count"] == 0

    def test_the_next_one_in_the_order_of_waiting(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, ("b", b"1"), ("a", b"2"), ("b", b"3"))
        for handle, name in enumerate(["b", "a"]):
            seek(ready, sessions, null(), handle)
            assert granted(ready) == name

    def test_a_described_filter_is_answered_with_a_described_one(
        self, ready: AmqpPeer, sessions: str
    ) -> None:
        for handle, wanted in enumerate([string("a"), null()]):
            if handle:
                put(ready, sessions, ("b", b"1"))
            seek(ready, sessions, described(0x137_000000C, wanted), handle)
            source = ready.expect("attach")["source"]
            assert isinstance(source, Composite)
            found = source["filter"]
            assert isinstance(found, dict)
            assert found[FILTER] == Described(0x137_000000C, "ab"[handle])

    def test_a_held_one_is_refused(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        accept(ready, sessions, "a")
        seek(other, sessions, string("a"))
        assert "'a' is held" in refused(other, CANNOT_BE_LOCKED)

    def test_without_a_free_one_the_answer_waits(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        seek(ready, sessions, null())
        ready.expect_silence()
        put(other, sessions, ("late", b"1"))
        assert granted(ready) == "late"

    def test_credit_before_the_answer_counts(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        """§2.6.7: a client may grant it with its attach, in one write."""
        seek(ready, sessions, null())
        ready.credit(1, 0, count=None)
        ready.expect_silence()
        put(other, sessions, ("late", b"1"), ("late", b"2"))
        assert granted(ready) == "late"
        assert ready.receive()[1].body == b"1"
        ready.expect_silence()

    def test_a_free_one_that_does_not_come_is_a_timeout(
        self, ready: AmqpPeer, sessions: str
    ) -> None:
        began = time.monotonic()
        seek(ready, sessions, null(), timeout=300)
        assert "300 ms" in refused(ready, "com.microsoft:timeout")
        assert 0.25 < time.monotonic() - began < 5

    def test_who_left_the_line_gets_none(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        seek(ready, sessions, null())
        ready.send("detach", handle=0, closed=True)
        ready.expect("attach", source=None)
        ready.expect("detach")
        put(ready, sessions, ("a", b"1"))
        seek(other, sessions, null())
        assert granted(other) == "a"

    def test_a_lost_connection_leaves_the_line_too(
        self, shared: BrokerProcess, ready: AmqpPeer, sessions: str
    ) -> None:
        with ready_peer(shared.amqp_port) as gone:
            seek(gone, sessions, null())
            gone.ping()
        seek(ready, sessions, null())
        with ready_peer(shared.amqp_port) as sender:
            put(sender, sessions, ("a", b"1"))
        assert granted(ready) == "a"

    def test_what_is_no_session_id(self, ready: AmqpPeer, sessions: str) -> None:
        for handle, wrong in enumerate([long(7), Raw(b"\x41")]):
            seek(ready, sessions, wrong, handle)
            assert "a string or null" in refused(ready, "amqp:invalid-field")
            ready.send("detach", handle=handle, closed=True)
        seek(ready, sessions, string("s" * 129), 2)
        assert "129 characters" in refused(ready, "amqp:invalid-field")

    def test_what_does_not_go_together(self, ready: AmqpPeer, sessions: str) -> None:
        ready.attach_sender("plain", 8)
        seek(ready, "plain", string("a"), 0)
        assert "no message sessions" in refused(ready, "amqp:not-allowed")
        ready.send(
            "attach", name="r1", handle=1, role=True,
            source=composite("source", address=sessions), target=composite("target"),
        )  # fmt: skip
        assert "ask for one" in refused(ready, "amqp:not-allowed")
        ready.send(
            "attach", name="r2", handle=2, role=True,
            source=composite(
                "source", address=sessions, distribution_mode="copy",
                filter={FILTER: null()},
            ),
            target=composite("target"),
        )  # fmt: skip
        assert "takes no session" in refused(ready, "amqp:not-allowed")
        selector = described(0x0000_468C_0000_0004, string("a = 1"))
        ready.send(
            "attach", name="r3", handle=3, role=True,
            source=composite(
                "source", address=sessions, filter={FILTER: null(), "selector": selector}
            ),
            target=composite("target"),
        )  # fmt: skip
        assert "in their order" in refused(ready, "amqp:not-allowed")

    def test_looking_and_dead_letters_need_none(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, ("a", b"1"))
        ready.attach_receiver(
            sessions, 1, credit=5,
            source=composite("source", address=sessions, distribution_mode="copy"),
        )  # fmt: skip
        assert ready.receive()[1].body == b"1"
        ready.attach_receiver(f"{sessions}/$DeadLetterQueue", 2, credit=1)
        seek(ready, f"{sessions}/$DeadLetterQueue", string("a"), 3)
        refused(ready, "amqp:not-allowed")

    def test_a_message_without_a_session_is_rejected(
        self, ready: AmqpPeer, sessions: str
    ) -> None:
        ready.attach_sender(sessions, 0)
        ready.transfer(0, data_section(b"x"))
        state = ready.expect("disposition", settled=True)["state"]
        assert isinstance(state, Composite)
        error = state["error"]
        assert isinstance(error, Composite)
        assert error["condition"] == "amqp:not-allowed"


class TestReceiving:
    def test_in_order_and_only_what_is_in_it(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, *[("ab"[n % 2], b"%d" % n) for n in range(10)])
        accept(ready, sessions, "a")
        ready.credit(3)
        bodies = [ready.receive()[1].body for _ in range(3)]
        ready.expect_silence(0.1)
        ready.credit(9, count=3)
        bodies += [ready.receive()[1].body for _ in range(2)]
        assert bodies == [b"0", b"2", b"4", b"6", b"8"]
        ready.expect_silence(0.1)

    def test_a_failure_comes_again_before_the_next(
        self, ready: AmqpPeer, sessions: str
    ) -> None:
        put(ready, sessions, ("a", b"1"), ("a", b"2"))
        accept(ready, sessions, "a")
        ready.credit(1)
        heard, _message = ready.receive()
        ready.dispose(heard["delivery-id"], ABANDONED)
        ready.expect("disposition", settled=True)
        ready.credit(2, count=1)
        again = [ready.receive()[1] for _ in range(2)]
        assert [message.body for message in again] == [b"1", b"2"]
        assert again[0].header is not None
        assert again[0].header["delivery-count"] == 1

    def test_draining(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, ("a", b"1"), ("b", b"2"))
        accept(ready, sessions, "a")
        ready.credit(5, drain=True)
        assert ready.receive()[1].body == b"1"
        assert ready.expect("flow", handle=0)["link-credit"] == 0

    def test_at_most_once(self, ready: AmqpPeer, sessions: str) -> None:
        put(ready, sessions, ("a", b"1"))
        ready.send(
            "attach", name="once", handle=0, role=True, snd_settle_mode=1,
            source=composite("source", address=sessions, filter={FILTER: string("a")}),
            target=composite("target"),
        )  # fmt: skip
        assert granted(ready) == "a"
        ready.credit(1)
        assert ready.expect("transfer")["settled"] is True
        status, _condition, _body = Desk(ready, sessions).ask(
            "peek-message", {"from-sequence-number": long(1), "message-count": int_(9)}
        )
        assert status == 204

    def test_leaving_frees_all_at_once_uncounted(
        self, ready: AmqpPeer, other: AmqpPeer, sessions: str
    ) -> None:
        put(ready, sessions, ("a", b"1"), ("a", b"2"))
        accept(ready, sessions, "a")
        ready.credit(2)
        for _ in range(2):
            ready.receive()
        ready.send("detach", handle=0, closed=True)
        ready.expect("detach")
        accept(other, sessions, "a")
        other.credit(2)
        for body in (b"1", b"2"):
            message = other.receive()[1]
            assert message.body == body
            assert message.header is None or not message.header["delivery-count"]

    def test_a_lost_connection_frees_it_at_once(
        self, shared: BrokerProcess, ready: AmqpPeer, sessions: str
    ) -> None:
        with ready_peer(shared.amqp_port) as gone:
            accept(gone, sessions, "a")
        seek(ready, sessions, null())
        with ready_peer(shared.amqp_port) as sender:
            put(sender, sessions, ("a", b"1"))
        assert granted(ready) == "a"


class TestRunningOut:
    def test_the_link_ends_and_the_attempt_counts(
        self, ready: AmqpPeer, other: AmqpPeer, brief: str
    ) -> None:
        put(ready, brief, ("a", b"1"), ("a", b"2"))
        accept(ready, brief, "a")
        ready.credit(1)
        ready.receive()
        assert "'a'" in ready.expect_error("detach", LOCK_LOST)
        accept(other, brief, "a")
        other.credit(2)
        counts = []
        for _ in range(2):
            header = other.receive()[1].header
            counts.append(header["delivery-count"] if header is not None else 0)
        assert counts == [1, 0]

    def test_renewing_keeps_it(self, ready: AmqpPeer, brief: str) -> None:
        put(ready, brief, ("a", b"1"))
        accept(ready, brief, "a")
        ready.credit(1)
        heard, _message = ready.receive()
        desk = Desk(ready, brief)
        for _ in range(5):
            time.sleep(0.15)
            status, _condition, body = desk.ask("renew-session-lock", {"session-id": "a"})
            assert status == 200
            assert isinstance(body, dict)
            assert getattr(body["expiration"], "kind", "") == "timestamp"
        ready.dispose(heard["delivery-id"], ACCEPTED)
        while True:
            answer = ready.next_frame()
            if answer.name == "disposition" and answer["role"] is False:
                break
        state = answer["state"]
        assert isinstance(state, Composite)
        assert state.name == "accepted"
