"""Dispositions and outcomes (§2.6.12, §2.7.6, §3.4), and what the design makes of them."""

import time
from uuid import UUID

import pytest

from tests.support.amqp_bytes import (
    ABANDONED,
    ACCEPTED,
    DEFERRED,
    RELEASED,
    Composite,
    Raw,
    array,
    composite,
    data_section,
    rejected,
    timestamp,
)
from tests.support.amqp_peer import AmqpPeer, Heard, ready_peer
from tests.support.amqp_sessions import Desk
from tests.support.broker_process import BrokerProcess


@pytest.fixture
def held(ready: AmqpPeer, queue: str) -> tuple[AmqpPeer, Heard]:
    """A peer that holds one delivery on handle 1, with credit for more."""
    ready.attach_sender(queue, 0)
    ready.put(b"job")
    ready.attach_receiver(queue, 1, credit=10)
    return ready, ready.receive()[0]


def state_name(heard: Heard) -> str:
    state = heard["state"]
    assert isinstance(state, Composite)
    return state.name


class TestOutcomes:
    """§3.4: unsettled ones are answered with the same, settled, once that is durable."""

    @pytest.mark.parametrize(
        ("state", "name"),
        [
            (ACCEPTED, "accepted"),
            (RELEASED, "released"),
            (ABANDONED, "modified"),
            (DEFERRED, "modified"),
            (composite("modified"), "modified"),
            (rejected("app:bad", "no such order"), "rejected"),
            (composite("rejected"), "rejected"),
        ],
    )
    def test_each_is_answered(
        self, held: tuple[AmqpPeer, Heard], state: Raw, name: str
    ) -> None:
        peer, heard = held
        peer.credit(0, 1, count=1)
        peer.dispose(heard["delivery-id"], state)
        answer = peer.expect("disposition", role=False, settled=True)
        assert answer["first"] == heard["delivery-id"]
        assert state_name(answer) == name

    @pytest.mark.parametrize("state", [ACCEPTED, RELEASED, ABANDONED, rejected("app:bad")])
    def test_a_settled_one_is_not(self, held: tuple[AmqpPeer, Heard], state: Raw) -> None:
        """§2.6.12"""
        peer, heard = held
        peer.credit(0, 1, count=1)
        peer.dispose(heard["delivery-id"], state, settled=True)
        peer.expect_silence()

    def test_accepted_is_the_end_of_it(self, held: tuple[AmqpPeer, Heard]) -> None:
        peer, heard = held
        peer.dispose(heard["delivery-id"], ACCEPTED, settled=True)
        peer.send("detach", handle=1, closed=True)
        peer.expect("detach")
        peer.put(b"next", first=1)

    def test_released_comes_again_uncounted(self, held: tuple[AmqpPeer, Heard]) -> None:
        peer, heard = held
        peer.dispose(heard["delivery-id"], RELEASED, settled=True)
        _again, message = peer.receive()
        assert message.header is None or not message.header["delivery-count"]

    def test_modified_comes_again_counted(self, held: tuple[AmqpPeer, Heard]) -> None:
        peer, heard = held
        peer.dispose(heard["delivery-id"], ABANDONED, settled=True)
        _again, message = peer.receive()
        assert message.header is not None
        assert message.header["delivery-count"] == 1

    def test_modified_with_a_time_comes_then(self, held: tuple[AmqpPeer, Heard]) -> None:
        """design: Settlement, x-opt-delivery-time"""
        peer, heard = held
        at = int(time.time() * 1000) + 600
        state = composite(
            "modified",
            delivery_failed=True,
            message_annotations={"x-opt-delivery-time": timestamp(at)},
        )
        peer.dispose(heard["delivery-id"], state, settled=True)
        peer.expect_silence(0.1)
        peer.receive()
        assert time.time() * 1000 >= at

    def test_undeliverable_here_sets_it_aside(self, held: tuple[AmqpPeer, Heard]) -> None:
        peer, heard = held
        peer.dispose(heard["delivery-id"], DEFERRED, settled=True)
        peer.expect_silence()

    def test_rejected_goes_to_the_dead_letter_queue(
        self, held: tuple[AmqpPeer, Heard], queue: str
    ) -> None:
        """design: Settlement"""
        peer, heard = held
        state = rejected(
            "com.microsoft:dead-letter",
            "dropped",
            DeadLetterReason="NoSuchOrder",
            DeadLetterErrorDescription="4711 is unknown",
        )
        peer.dispose(heard["delivery-id"], state)
        peer.expect("disposition", settled=True)
        peer.attach_receiver(f"{queue}/$DeadLetterQueue", 2, credit=1)
        dead, message = peer.receive()
        assert message.body == b"job"
        assert message.application_properties["DeadLetterReason"] == "NoSuchOrder"
        assert message.application_properties["DeadLetterErrorDescription"] == "4711 is unknown"
        peer.dispose(dead["delivery-id"], ACCEPTED)
        peer.expect("disposition", settled=True)

    def test_the_rejections_own_error_is_the_reason_else(
        self, held: tuple[AmqpPeer, Heard], queue: str
    ) -> None:
        peer, heard = held
        peer.dispose(heard["delivery-id"], rejected("app:bad", "why"), settled=True)
        peer.attach_receiver(f"{queue}/$deadletterqueue", 2, credit=1)
        found = peer.receive()[1].application_properties
        assert found["DeadLetterReason"] == "app:bad"
        assert found["DeadLetterErrorDescription"] == "why"

    def test_too_many_failures_go_to_the_dead_letter_queue(
        self, held: tuple[AmqpPeer, Heard], queue: str
    ) -> None:
        peer, heard = held
        for attempt in range(1, 11):
            peer.dispose(heard["delivery-id"], ABANDONED, settled=True)
            if attempt < 10:
                heard = peer.receive()[0]
        peer.attach_receiver(f"{queue}/$deadletterqueue", 2, credit=1)
        message = peer.receive()[1]
        found = message.application_properties
        assert found["DeadLetterReason"] == "MaxDeliveryCountExceeded"
        assert message.header is not None
        assert message.header["delivery-count"] == 10

    def test_dead_letters_are_not_rejected(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        """Whoever awaits an answer is told. It stays held, and may be settled otherwise."""
        dead = f"{queue}/$DeadLetterQueue"
        ready.attach_sender(queue, 0)
        ready.put(b"job")
        ready.attach_receiver(queue, 1, credit=1)
        ready.dispose(ready.receive()[0]["delivery-id"], rejected("app:bad"), settled=True)
        ready.attach_receiver(dead, 2, credit=5)
        aside = ready_peer(shared.amqp_port)
        desk = Desk(aside, dead)
        for is_settled in (False, True):
            heard, _message = ready.receive()
            ready.dispose(heard["delivery-id"], rejected("app:worse"), settled=is_settled)
            if not is_settled:
                answer = ready.expect("disposition", role=False, settled=True)
                assert isinstance(answer["state"], Composite)
                error = answer["state"]["error"]
                assert isinstance(error, Composite)
                assert error["condition"] == "amqp:not-allowed"
            ready.expect_silence()
            token = UUID(bytes_le=bytes(heard["delivery-tag"]))  # type: ignore[call-overload]
            given = {"lock-tokens": array(0x98, [token.bytes])}
            for status, code in (("suspended", 405), ("abandoned", 200)):
                asked = {**given, "disposition-status": status}
                assert desk.ask("update-disposition", asked)[0] == code
        aside.socket.close()

    def test_the_default_outcome_is_taken_where_none_is_given(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§3.5.3 default-outcome"""
        ready.attach_sender(queue, 0)
        ready.put(b"job")
        source = composite("source", address=queue, default_outcome=ABANDONED)
        ready.attach_receiver(queue, 1, credit=2, source=source)
        heard = ready.receive()[0]
        ready.dispose(heard["delivery-id"], None, settled=True)
        _again, message = ready.receive()
        assert message.header is not None
        assert message.header["delivery-count"] == 1

    def test_without_a_default_it_is_given_back(self, held: tuple[AmqpPeer, Heard]) -> None:
        """§3.5.3: "if no default is given, the outcome is released"."""
        peer, heard = held
        peer.dispose(heard["delivery-id"], None, settled=True)
        _again, message = peer.receive()
        assert message.header is None or not message.header["delivery-count"]

    def test_received_is_no_outcome(self, held: tuple[AmqpPeer, Heard]) -> None:
        """§3.4.1"""
        peer, heard = held
        state = composite("received", section_number=0, section_offset=5)
        peer.dispose(heard["delivery-id"], state)
        peer.expect_silence()
        peer.dispose(heard["delivery-id"], ACCEPTED)
        peer.expect("disposition", settled=True)

    def test_an_unknown_state(self, held: tuple[AmqpPeer, Heard]) -> None:
        """part 3 §3.4: a delivery-state is one of those"""
        peer, heard = held
        peer.dispose(heard["delivery-id"], composite("source"))
        peer.expect_error("close", "amqp:decode-error")


class TestRanges:
    """§2.7.6"""

    def test_one_disposition_for_many(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(*[b"x"] * 50)
        ready.attach_receiver(queue, 1, credit=50)
        ids = [ready.receive()[0]["delivery-id"] for _ in range(50)]
        ready.dispose(ids[0], ACCEPTED, last=ids[-1])
        answer = ready.expect("disposition", settled=True)
        assert (answer["first"], answer["last"]) == (ids[0], ids[-1])

    def test_what_was_settled_before_is_passed_over(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b", b"c")
        ready.attach_receiver(queue, 1, credit=3)
        ids = [ready.receive()[0]["delivery-id"] for _ in range(3)]
        ready.dispose(ids[1], ACCEPTED, settled=True)
        ready.dispose(ids[0], ACCEPTED, last=ids[2])
        answered = set()
        while len(answered) < 2:
            heard = ready.expect("disposition", settled=True)
            first = heard["first"]
            last = heard["last"] if heard["last"] is not None else first
            assert isinstance(first, int)
            assert isinstance(last, int)
            answered |= set(range(first, last + 1))
        assert answered == {ids[0], ids[2]}

    def test_a_range_over_all_ids_costs_nothing(self, held: tuple[AmqpPeer, Heard]) -> None:
        peer, heard = held
        peer.dispose(0, ACCEPTED, last=0x7FFFFFFF)
        peer.expect("disposition", settled=True, first=heard["delivery-id"])

    def test_a_range_that_ends_before_it_begins(self, held: tuple[AmqpPeer, Heard]) -> None:
        peer, _heard = held
        peer.dispose(5, ACCEPTED, last=4)
        peer.expect_error("end", "amqp:invalid-field")
        peer.send("end")
        peer.begin()

    def test_ids_that_nobody_has_seen(self, ready: AmqpPeer) -> None:
        ready.dispose(1234, ACCEPTED)
        ready.ping()

    def test_as_a_sender_of_nothing(self, ready: AmqpPeer) -> None:
        ready.send("disposition", role=False, first=0, last=9, settled=True)
        ready.ping()


class TestLocks:
    """design: the promise, 1"""

    def test_a_late_settle_is_refused_and_told_so(self) -> None:
        config = "[[queues]]\nname = 'short'\nlock_duration_ms = 200\n"
        with (
            BrokerProcess(config=config) as broker,
            ready_peer(broker.amqp_port) as slow,
            ready_peer(broker.amqp_port) as other,
        ):
            slow.attach_sender("short", 0)
            slow.put(b"job")
            slow.attach_receiver("short", 1, credit=1)
            heard = slow.receive()[0]
            other.attach_receiver("short", 0, credit=1)
            _heard, message = other.receive()
            assert message.header is not None
            assert message.header["delivery-count"] == 1
            slow.dispose(heard["delivery-id"], ACCEPTED)
            answer = slow.expect("disposition", settled=True)
            state = answer["state"]
            assert isinstance(state, Composite)
            assert state.name == "rejected"
            assert "com.microsoft:message-lock-lost" in str(state["error"])

    def test_a_dropped_connection_gives_back_at_once(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"job")
        with ready_peer(shared.amqp_port) as rude:
            rude.attach_receiver(queue, 0, credit=1)
            rude.receive()
        ready.attach_receiver(queue, 1, credit=1)
        assert ready.receive()[1].body == b"job"

    def test_receive_and_delete_holds_nothing(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.8.2 settled: at most once"""
        ready.attach_sender(queue, 0)
        ready.put(b"once")
        with ready_peer(shared.amqp_port) as rude:
            rude.attach_receiver(queue, 0, credit=1, snd_settle_mode=1)
            assert rude.receive()[0]["settled"] is True
        ready.attach_receiver(queue, 1, credit=1)
        ready.expect_silence()

    def test_browsing_touches_nothing(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        """§3.5.7 copy"""
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b")
        source = composite("source", address=queue, distribution_mode="copy")
        with ready_peer(shared.amqp_port) as looker:
            looker.attach_receiver(queue, 0, credit=10, source=source)
            assert [looker.receive()[1].body for _ in range(2)] == [b"a", b"b"]
            ready.attach_receiver(queue, 1, credit=2)
            assert [ready.receive()[1].body for _ in range(2)] == [b"a", b"b"]


class TestFull:
    """§3.4.3, §2.8.15 resource-limit-exceeded: a full queue"""

    def test_says_resource_limit_exceeded(self) -> None:
        config = "[[queues]]\nname = 'two'\nmax_messages = 2\n"
        with (
            BrokerProcess(config=config) as broker,
            ready_peer(broker.amqp_port) as peer,
        ):
            peer.attach_sender("two", 0)
            peer.put(b"a", b"b")
            peer.transfer(2, data_section(b"c"))
            state = peer.expect("disposition", settled=True)["state"]
            assert isinstance(state, Composite)
            assert state.name == "rejected"
            assert "amqp:resource-limit-exceeded" in str(state["error"])
            peer.attach_receiver("two", 1, credit=1)
            heard = peer.receive()[0]
            peer.dispose(heard["delivery-id"], ACCEPTED)
            peer.expect("disposition", settled=True)
            peer.put(b"c", first=3)
