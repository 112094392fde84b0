"""A transaction controller (part 4) for a scripted peer."""

from tests.support.amqp_bytes import Composite, Raw, composite, value_section
from tests.support.amqp_peer import AmqpPeer, Heard

CONTROL = 9  # the controller's handle


class Controller:
    """A coordinator's link on handle 9, whose deliveries have ids of their own."""

    def __init__(self, peer: AmqpPeer) -> None:
        self.peer = peer
        self.id = 1000
        self.settled: list[Heard] = []
        peer.attach_sender(None, CONTROL, target=composite("coordinator"))

    def ask(self, request: Raw) -> Composite:
        """Its answer; what else is settled on the way is kept."""
        self.id += 1
        self.settled = []
        self.peer.transfer(self.id, value_section(request), CONTROL)
        while True:
            heard = self.peer.next_frame()
            if heard.name == "disposition" and heard["first"] == self.id:
                break
            if heard.name == "disposition":
                self.settled.append(heard)
            else:
                assert heard.name == "flow", heard.performative
        assert heard["settled"]
        state = heard["state"]
        assert isinstance(state, Composite)
        return state

    def declare(self) -> bytes:
        state = self.ask(composite("declare"))
        assert state.name == "declared", state
        txn_id = state["txn-id"]
        assert isinstance(txn_id, bytes)
        return txn_id

    def discharge(self, txn_id: bytes, *, fail: bool = False) -> Composite:
        return self.ask(composite("discharge", txn_id=txn_id, fail=fail))


def within(txn_id: bytes, outcome: Raw | None = None) -> Raw:
    return composite("transactional-state", txn_id=txn_id, outcome=outcome)
