"""Transactions (part 4), frame by frame: a controller, what it does, and how it ends."""

import pytest

from tests.support.amqp_bytes import (
    ACCEPTED,
    RELEASED,
    Composite,
    Raw,
    composite,
    data_section,
    rejected,
)
from tests.support.amqp_controller import CONTROL, Controller, within
from tests.support.amqp_peer import AmqpPeer, Heard, ready_peer
from tests.support.broker_process import BrokerProcess


def post(peer: AmqpPeer, number: int, body: bytes, txn_id: bytes) -> Composite:
    """Send under a transaction; returns the provisional outcome."""
    peer.transfer(number, data_section(body), state=within(txn_id))
    state = peer.expect("disposition", first=number, settled=True)["state"]
    assert isinstance(state, Composite)
    assert state.name == "transactional-state"
    assert state["txn-id"] == txn_id
    outcome = state["outcome"]
    assert isinstance(outcome, Composite)
    return outcome


def error_of(state: Composite) -> str:
    assert state.name == "rejected", state
    error = state["error"]
    assert isinstance(error, Composite)
    condition = error["condition"]
    assert isinstance(condition, str)
    return condition


@pytest.fixture
def controller(ready: AmqpPeer, queue: str) -> Controller:
    """With a link that sends to the queue on handle 0."""
    ready.attach_sender(queue, 0)
    return Controller(ready)


def test_the_coordinator_says_what_it_can(ready: AmqpPeer) -> None:
    """§4.5.1, §4.6."""
    heard = ready.attach_sender(None, CONTROL, target=composite("coordinator"))
    target = heard["target"]
    assert isinstance(target, Composite)
    assert target.name == "coordinator"
    capabilities = target["capabilities"]
    assert isinstance(capabilities, list)
    assert "amqp:local-transactions" in capabilities


class TestPosting:
    """§4.4.2."""

    def test_nothing_is_there_before_the_discharge(
        self, shared: BrokerProcess, controller: Controller, queue: str
    ) -> None:
        peer = controller.peer
        txn_id = controller.declare()
        assert post(peer, 0, b"a", txn_id).name == "accepted"
        assert post(peer, 1, b"b", txn_id).name == "accepted"
        with ready_peer(shared.amqp_port) as other:
            other.attach_receiver(queue, 1, credit=10)
            other.expect_silence()
            assert controller.discharge(txn_id).name == "accepted"
            assert [other.receive()[1].body for _ in range(2)] == [b"a", b"b"]

    def test_nothing_is_there_after_a_roll_back(
        self, controller: Controller, queue: str
    ) -> None:
        peer = controller.peer
        txn_id = controller.declare()
        post(peer, 0, b"a", txn_id)
        assert controller.discharge(txn_id, fail=True).name == "accepted"
        peer.attach_receiver(queue, 1, credit=10)
        peer.expect_silence()

    def test_two_transactions_at_a_time(self, controller: Controller, queue: str) -> None:
        peer = controller.peer
        one, two = controller.declare(), controller.declare()
        assert one != two
        post(peer, 0, b"one", one)
        post(peer, 1, b"two", two)
        assert controller.discharge(two).name == "accepted"
        assert controller.discharge(one, fail=True).name == "accepted"
        peer.attach_receiver(queue, 1, credit=10)
        assert peer.receive()[1].body == b"two"
        peer.expect_silence()

    def test_one_that_fails_takes_the_rest_along(
        self, shared: BrokerProcess, controller: Controller, queue: str
    ) -> None:
        """A message that cannot be taken: its transaction can only be rolled back."""
        peer = controller.peer
        txn_id = controller.declare()
        assert post(peer, 0, b"a", txn_id).name == "accepted"
        peer.transfer(1, data_section(b"b"), state=within(b"nobody's"))
        state = peer.expect("disposition", first=1)["state"]
        assert isinstance(state, Composite)
        outcome = state["outcome"]
        assert isinstance(outcome, Composite)
        assert error_of(outcome) == "amqp:transaction:unknown-id"
        assert controller.discharge(txn_id).name == "accepted", "that was another one's"

    def test_a_controller_that_leaves_rolls_back(
        self, shared: BrokerProcess, controller: Controller, queue: str
    ) -> None:
        """§4.3."""
        peer = controller.peer
        txn_id = controller.declare()
        post(peer, 0, b"a", txn_id)
        peer.send("detach", handle=CONTROL, closed=True)
        peer.expect("detach", closed=True)
        assert post(peer, 1, b"b", txn_id).name == "rejected"
        peer.attach_receiver(queue, 1, credit=10)
        peer.expect_silence()


class TestRetiring:
    """§4.4.3."""

    @pytest.fixture
    def held(self, controller: Controller, queue: str) -> Heard:
        peer = controller.peer
        peer.put(b"job")
        peer.attach_receiver(queue, 1, credit=1)
        return peer.receive()[0]

    def test_it_is_settled_with_the_transaction(
        self, controller: Controller, held: Heard, queue: str
    ) -> None:
        peer = controller.peer
        txn_id = controller.declare()
        number = held["delivery-id"]
        peer.dispose(number, within(txn_id, ACCEPTED))
        peer.expect_silence()
        assert controller.discharge(txn_id).name == "accepted"
        (settled,) = controller.settled
        assert settled["first"] == number
        state = settled["state"]
        assert isinstance(state, Composite)
        assert state.name == "transactional-state"
        peer.credit(1, 1, count=1)
        peer.expect_silence()

    def test_a_roll_back_leaves_it_held(self, controller: Controller, held: Heard) -> None:
        """What was not settled on the wire may be settled again, outside or inside one."""
        peer = controller.peer
        txn_id = controller.declare()
        peer.dispose(held["delivery-id"], within(txn_id, ACCEPTED))
        assert controller.discharge(txn_id, fail=True).name == "accepted"
        peer.dispose(held["delivery-id"], RELEASED)
        peer.expect("disposition", role=False, settled=True, first=held["delivery-id"])

    def test_a_roll_back_gives_back_what_was_settled(
        self, controller: Controller, held: Heard
    ) -> None:
        peer = controller.peer
        txn_id = controller.declare()
        peer.dispose(held["delivery-id"], within(txn_id, ACCEPTED), settled=True)
        assert controller.discharge(txn_id, fail=True).name == "accepted"
        peer.credit(1, 1, count=1)
        assert peer.receive()[1].body == b"job"

    def test_settle_and_send_go_together(
        self, shared: BrokerProcess, controller: Controller, held: Heard, queue: str
    ) -> None:
        """From one queue to another: there is one of it at any time."""
        peer = controller.peer
        peer.attach_sender(queue + "-next", 2)
        txn_id = controller.declare()
        peer.dispose(held["delivery-id"], within(txn_id, ACCEPTED))
        peer.transfer(50, data_section(b"job"), 2, state=within(txn_id))
        peer.expect("disposition", first=50)
        assert controller.discharge(txn_id).name == "accepted"
        with ready_peer(shared.amqp_port) as other:
            other.attach_receiver(queue + "-next", 0, credit=5)
            assert other.receive()[1].body == b"job"
            other.attach_receiver(queue, 1, credit=5)
            other.expect_silence()

    def test_a_lost_lock_fails_the_discharge(
        self, shared: BrokerProcess, controller: Controller, held: Heard, queue: str
    ) -> None:
        peer = controller.peer
        txn_id = controller.declare()
        peer.dispose(held["delivery-id"], within(txn_id, ACCEPTED))
        peer.transfer(50, data_section(b"next"), state=within(txn_id))
        peer.expect("disposition", first=50)
        peer.send("detach", handle=1, closed=True)
        peer.expect("detach")
        state = controller.discharge(txn_id)
        assert error_of(state) == "amqp:transaction:rollback"
        with ready_peer(shared.amqp_port) as other:
            other.attach_receiver(queue, 0, credit=5)
            assert other.receive()[1].body == b"job"
            other.expect_silence()


class TestWhatIsRefused:
    def test_an_id_that_nobody_declared(self, controller: Controller) -> None:
        """§4.5.4."""
        assert error_of(controller.discharge(b"nobody's")) == "amqp:transaction:unknown-id"

    def test_a_second_discharge(self, controller: Controller) -> None:
        txn_id = controller.declare()
        assert controller.discharge(txn_id).name == "accepted"
        assert error_of(controller.discharge(txn_id)) == "amqp:transaction:unknown-id"

    def test_a_global_id(self, controller: Controller) -> None:
        """§4.5.2: distributed transactions are not offered."""
        state = controller.ask(composite("declare", global_id="xa-1"))
        assert error_of(state) == "amqp:not-implemented"

    @pytest.mark.parametrize(
        "request_", [composite("accepted"), composite("discharge"), rejected("a", "b")]
    )
    def test_what_is_no_request(self, controller: Controller, request_: Raw) -> None:
        """§4.2."""
        assert error_of(controller.ask(request_)) == "amqp:decode-error"

    def test_too_many_open_ones(self, controller: Controller) -> None:
        for _ in range(100):
            controller.declare()
        state = controller.ask(composite("declare"))
        assert error_of(state) == "amqp:resource-limit-exceeded"
