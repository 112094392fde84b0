"""A link's life: pipelined, detached, attached again, resumed; settle modes; dynamic nodes.

Part 2 §2.6 (links), §2.7.3, §2.7.5–2.7.7, §2.8.2–2.8.3; part 3 §3.5.9–3.5.10.
"""

import pytest

from tests.support.amqp_bytes import (
    ABANDONED,
    ACCEPTED,
    RELEASED,
    Composite,
    Described,
    Raw,
    annotations,
    application_properties,
    binary,
    composite,
    data_section,
    described,
    frame,
    list_,
    long,
    map_,
    null,
    string,
    symbol,
    uint,
    value_section,
)
from tests.support.amqp_peer import AmqpPeer, Heard, ready_peer
from tests.support.broker_process import BrokerProcess


def attach_frame(name: str, handle: int, *, role: bool, address: str) -> bytes:
    """A peer's attach: of a receiver with `role`, else of a sender."""
    here = composite("source", address=address) if role else composite("source")
    there = composite("target") if role else composite("target", address=address)
    count = None if role else 0
    return frame(
        composite(
            "attach", name=name, handle=handle, role=role, source=here, target=there,
            initial_delivery_count=count,
        )
    )  # fmt: skip


def failures_of(message_header: Composite | None) -> object:
    return 0 if message_header is None else message_header["delivery-count"] or 0


class Listener(AmqpPeer):
    """Keeps the fields' count of each performative, and looks at its descriptor."""

    counts: dict[str, int]

    def next_frame(self) -> Heard:
        head = self.take(8)
        size = int.from_bytes(head[:4], "big")
        body = self.take(size - 8)
        assert body[:2] == b"\x00\x53", "a small descriptor, always"
        self._buffer = head + body + self._buffer
        heard = super().next_frame()
        self.counts[heard.name] = heard.performative.count
        return heard


def test_every_performative_is_written_with_all_its_fields(
    shared: BrokerProcess, queue: str
) -> None:
    """§2.7, §2.8.14: clients index them without asking how many there are."""
    with Listener(shared.amqp_port) as peer:
        peer.counts = {}
        peer.open()
        peer.begin()
        peer.attach_sender(queue, 0)
        peer.put(b"a")
        peer.attach_receiver(queue, 1, credit=1)
        peer.dispose(peer.receive()[0]["delivery-id"], ACCEPTED)
        peer.expect("disposition", settled=True)
        peer.transfer(1, b"", delivery_tag=None)
        detach = peer.expect("detach")
        error = detach["error"]
        assert isinstance(error, Composite)
        assert error.count == 3
        peer.send("end")
        peer.expect("end")
        peer.send("close")
        peer.expect("close")
    assert peer.counts == {
        "open": 10, "begin": 8, "attach": 14, "flow": 11, "transfer": 11, "disposition": 6,
        "detach": 3, "end": 1, "close": 1,
    }  # fmt: skip


class TestPipelined:
    """§2.4.1, §2.6: nobody has to wait for an answer."""

    def test_a_whole_life_in_one_write(self, ready: AmqpPeer, queue: str) -> None:
        transfer = composite(
            "transfer", handle=0, delivery_id=0, delivery_tag=b"t", message_format=0,
            settled=True,
        )  # fmt: skip
        ready.send_bytes(
            attach_frame("s", 0, role=False, address=queue)
            + frame(transfer + data_section(b"fire and forget"))
            + frame(composite("detach", handle=0, closed=True))
            + attach_frame("r", 1, role=True, address=queue)
            + frame(
                composite(
                    "flow", handle=1, delivery_count=0, link_credit=1, next_incoming_id=0,
                    incoming_window=9, next_outgoing_id=1, outgoing_window=9,
                )
            )
        )  # fmt: skip
        ready.expect("attach", name="s")
        ready.expect("detach", closed=True)
        ready.expect("attach", name="r")
        assert ready.receive()[1].body == b"fire and forget"

    def test_a_receiver_that_is_gone_before_it_is_served(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.6.6: what it would have held is for others."""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.send_bytes(
            attach_frame("r", 1, role=True, address=queue)
            + frame(
                composite(
                    "flow", handle=1, delivery_count=0, link_credit=1, next_incoming_id=0,
                    incoming_window=9, next_outgoing_id=1, outgoing_window=9,
                )
            )
            + frame(composite("detach", handle=1, closed=True))
        )  # fmt: skip
        ready.expect("attach", name="r")
        ready.expect("detach")
        ready.attach_receiver(queue, 1, name="r2", credit=1)
        assert failures_of(ready.receive()[1].header) == 0

    def test_a_session_with_a_link_that_ends_at_once(self, ready: AmqpPeer, queue: str) -> None:
        """§2.5.3"""
        ready.send_bytes(
            attach_frame("s", 0, role=False, address=queue) + frame(composite("end"))
        )
        while ready.next_frame().name != "end":
            pass
        ready.begin()


class TestAgain:
    """§2.6.5, §2.6.6, §2.6.1: detached, and attached again by the same name."""

    @pytest.mark.parametrize("closed", [True, False])
    def test_a_receiver_with_what_it_remembers(
        self, ready: AmqpPeer, queue: str, closed: bool
    ) -> None:
        """§2.6.13: our answer remembers nothing, since its locks went with the detach."""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.attach_receiver(queue, 1, name="again", credit=1)
        tag = ready.receive()[0]["delivery-tag"]
        assert isinstance(tag, bytes)
        ready.send("detach", handle=1, closed=closed)
        ready.expect("detach", closed=closed)
        remembered = map_([(binary(tag), composite("accepted"))])
        heard = ready.attach_receiver(queue, 1, name="again", credit=1, unsettled=remembered)
        assert heard["unsettled"] is None
        assert heard["initial-delivery-count"] == 0
        again, message = ready.receive()
        assert again["delivery-tag"] != tag, "another lock"
        assert again["resume"] is False
        assert failures_of(message.header) == 0

    def test_a_sender_with_what_it_remembers(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.13: what was not answered is sent anew."""
        ready.attach_sender(queue, 0, name="again")
        ready.transfer(0, data_section(b"half")[:4], more=True)
        ready.send("detach", handle=0, closed=False)
        ready.expect("detach", closed=False)
        remembered = map_([(binary(b"tag-0"), null())])
        heard = ready.attach_sender(queue, 0, name="again", unsettled=remembered)
        assert heard["unsettled"] is None
        ready.put(b"whole", first=1)
        ready.attach_receiver(queue, 1, credit=2)
        assert ready.receive()[1].body == b"whole"
        ready.expect_silence(0.05)

    def test_a_resumed_delivery_that_we_do_not_know(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.5: "the receiver MUST ignore resumed deliveries that are not in its local
        unsettled map"; it counts against credit, which comes back."""
        ready.attach_sender(queue, 0)
        whole = data_section(b"resumed")
        ready.transfer(0, whole[:4], more=True, resume=True)
        ready.transfer(None, whole[4:])
        ready.transfer(1, whole, resume=True)
        ready.transfer(2, b"", resume=True, state=composite("accepted"), settled=True)
        flow = ready.expect("flow", delivery_count=3)
        while flow["link-credit"] != 1000:
            flow = ready.expect("flow", delivery_count=3)
        ready.put(b"new", first=3)
        ready.attach_receiver(queue, 1, credit=5)
        assert ready.receive()[1].body == b"new"
        ready.expect_silence(0.05)

    def test_while_our_detach_is_not_answered(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.1: the name is free, the handle is not."""
        ready.attach_sender(queue, 0, name="n")
        ready.transfer(0, b"", delivery_tag=None)
        ready.expect_error("detach", "amqp:invalid-field")
        ready.transfer(1, data_section(b"ignored"))
        ready.attach_sender(queue, 1, name="n")
        ready.put(b"a", handle=1, first=2)
        ready.send("detach", handle=0, closed=True)
        ready.ping()

    def test_the_handle_before_our_detach_is_answered(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.7.3 handle-in-use"""
        ready.attach_sender(queue, 0, name="n")
        ready.transfer(0, b"", delivery_tag=None)
        ready.expect_error("detach", "amqp:invalid-field")
        ready.send_bytes(attach_frame("other", 0, role=False, address=queue))
        ready.expect_error("end", "amqp:session:handle-in-use")

    def test_many_times(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.2: no handle, name or credit is used up by it."""
        for number in range(200):
            ready.attach_sender(queue, 0, name="n")
            ready.transfer(number, data_section(b"x"), settled=True)
            ready.send("detach", handle=0, closed=number % 2 == 0)
            ready.expect("detach")
        ready.attach_receiver(queue, 0, credit=300)
        for _ in range(200):
            ready.receive()


class TestSettleModes:
    """§2.8.2, §2.8.3"""

    @pytest.mark.parametrize("snd", [0, 2])
    @pytest.mark.parametrize("rcv", [0, 1])
    def test_a_receivers_unsettled_outcome_is_settled_by_us(
        self, ready: AmqpPeer, queue: str, snd: int, rcv: int
    ) -> None:
        """§2.6.12: exactly once: disposition, our settled one, and the receiver forgets."""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.attach_receiver(queue, 1, credit=1, snd_settle_mode=snd, rcv_settle_mode=rcv)
        heard = ready.receive()[0]
        assert heard["settled"] is False
        ready.dispose(heard["delivery-id"], ACCEPTED)
        ready.expect("disposition", role=False, settled=True, first=heard["delivery-id"])
        ready.dispose(heard["delivery-id"], ACCEPTED, settled=True)  # it forgets, and says so
        ready.dispose(heard["delivery-id"], RELEASED)  # and now knows nothing of it
        ready.ping()

    @pytest.mark.parametrize("rcv", [0, 1])
    def test_a_senders_delivery_is_settled_by_us(
        self, ready: AmqpPeer, queue: str, rcv: int
    ) -> None:
        """§2.8.3 second would have us wait; the Service Bus SDKs ask for it and do not answer,
        so a message that is durable is settled, whatever the mode."""
        heard = ready.attach_sender(queue, 0, rcv_settle_mode=rcv)
        assert heard["rcv-settle-mode"] == rcv
        ready.transfer(0, data_section(b"a"), rcv_settle_mode=rcv)
        ready.expect("disposition", role=True, settled=True, first=0)

    def test_a_transfer_that_wants_second_on_a_link_of_first(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.7.5: "it is illegal to set this field to second"."""
        ready.attach_sender(queue, 0, rcv_settle_mode=0)
        ready.transfer(0, data_section(b"a"), rcv_settle_mode=1)
        ready.expect_error("detach", "amqp:invalid-field")
        ready.send("detach", handle=0, closed=True)
        ready.ping()

    def test_settled_and_unsettled_on_one_link(self, ready: AmqpPeer, queue: str) -> None:
        """§2.8.2 mixed"""
        ready.attach_sender(queue, 0, snd_settle_mode=2)
        ready.transfer(0, data_section(b"a"), settled=True)
        ready.transfer(1, data_section(b"b"))
        ready.expect("disposition", first=1, settled=True)
        ready.attach_receiver(queue, 1, credit=2)
        assert [ready.receive()[1].body for _ in range(2)] == [b"a", b"b"]

    @pytest.mark.parametrize("settled", [True, False])
    def test_batchable_is_a_hint(self, ready: AmqpPeer, queue: str, settled: bool) -> None:
        """§2.7.5, §2.7.6"""
        ready.attach_sender(queue, 0)
        ready.transfer(0, data_section(b"a"), batchable=True)
        ready.hear_accepted(0, 0)
        ready.attach_receiver(queue, 1, credit=1)
        heard = ready.receive()[0]
        ready.dispose(heard["delivery-id"], ACCEPTED, batchable=True, settled=settled)
        if not settled:
            ready.expect("disposition", settled=True)
        ready.ping()

    def test_received_and_settled_is_no_outcome(self, ready: AmqpPeer, queue: str) -> None:
        """§3.4.1, §3.5.3: settled without an outcome, so the default one holds."""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        source = composite("source", address=queue, default_outcome=ABANDONED)
        ready.attach_receiver(queue, 1, credit=2, source=source)
        heard = ready.receive()[0]
        received = composite("received", section_number=0, section_offset=0)
        ready.dispose(heard["delivery-id"], received, settled=True)
        assert failures_of(ready.receive()[1].header) == 1

    def test_a_default_that_is_no_outcome_is_none(self, ready: AmqpPeer, queue: str) -> None:
        """§3.5.3: then it is released."""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        received = composite("received", section_number=0, section_offset=0)
        source = composite("source", address=queue, default_outcome=received)
        ready.attach_receiver(queue, 1, credit=2, source=source)
        heard = ready.receive()[0]
        ready.dispose(heard["delivery-id"], None, settled=True)
        assert failures_of(ready.receive()[1].header) == 0

    def test_a_state_on_a_transfer_is_passed_over(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.5: a sender may say what it thinks of its own delivery."""
        ready.attach_sender(queue, 0)
        ready.transfer(0, data_section(b"a"), state=composite("accepted"))
        ready.hear_accepted(0, 0)

    @pytest.mark.parametrize("message_format", [1, 0x80013701])
    def test_a_message_format_that_we_do_not_know(
        self, ready: AmqpPeer, queue: str, message_format: int
    ) -> None:
        """§2.7.5, §3.2.16: refused, where it would be taken apart by the wrong rules."""
        ready.attach_sender(queue, 0)
        ready.transfer(0, data_section(b"a"), message_format=message_format)
        state = ready.expect("disposition", settled=True)["state"]
        assert isinstance(state, Composite)
        assert state.name == "rejected"
        assert f"0x{message_format:08x}" in str(state["error"])
        ready.put(b"b", first=1)


class TestTermini:
    """§3.5"""

    @pytest.mark.parametrize(
        ("field", "terminus"),
        [
            ("target", described(0x468C00000001, list_([]))),
            ("target", Raw(b"\x00" + symbol("example:target:list") + b"\x45")),
            ("target", string("orders")),
            ("target", composite("source", address="orders")),
            ("source", described(0x468C00000002, map_([]))),
        ],
        ids=["numeric", "symbolic", "no composite", "a source", "a map"],
    )
    def test_of_a_type_that_we_do_not_know(
        self, ready: AmqpPeer, queue: str, field: str, terminus: Raw
    ) -> None:
        """§2.7.3: other specifications define other termini; only the link is refused."""
        wanted: dict[str, object] = {
            "source": composite("source"), "target": composite("target", address=queue)
        }  # fmt: skip
        wanted[field] = terminus
        ready.send("attach", name="x", handle=0, role=False, **wanted)
        ready.expect("attach", target=None)
        ready.expect_error("detach", "amqp:not-implemented")
        ready.send("detach", handle=0, closed=True)
        ready.ping()

    def test_filters_that_we_do_not_know_are_not_in_the_answer(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§3.5.8: the answer says which filters are really in place."""
        unknown = described(0x1234000000FF, string("colour"))
        source = composite("source", address=queue, filter={"example:filter": unknown})
        answer = ready.attach_receiver(queue, 0, source=source)["source"]
        assert isinstance(answer, Composite)
        assert not answer["filter"]

    def test_outcomes_that_we_know_are_in_the_answer(self, ready: AmqpPeer, queue: str) -> None:
        """§3.5.3 outcomes, §3.4"""
        answer = ready.attach_receiver(queue, 0)["source"]
        assert isinstance(answer, Composite)
        outcomes = answer["outcomes"]
        assert isinstance(outcomes, list)
        kinds = {"accepted", "rejected", "released", "modified"}
        assert set(outcomes) == {f"amqp:{kind}:list" for kind in kinds}

    def test_capabilities_and_properties_of_an_attach(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.7.3: unknown ones are passed over; the answer's properties are a map."""
        heard = ready.attach_receiver(
            queue, 0, desired_capabilities=["example:a", "example:b"],
            offered_capabilities="example:c", properties={"example:d": [1, {"e": 2}]},
        )  # fmt: skip
        assert heard["properties"] == {"peeklock:lock-duration-ms": 60_000}
        assert heard["offered-capabilities"] in (None, [])


class TestDynamicNodes:
    """§3.5.9, §3.5.10"""

    def made(self, peer: AmqpPeer, handle: int = 0) -> str:
        source = composite("source", dynamic=True)
        answer = peer.attach_receiver(None, handle, source=source)["source"]
        assert isinstance(answer, Composite)
        address = answer["address"]
        assert isinstance(address, str)
        return address

    def gone(self, peer: AmqpPeer, address: str) -> None:
        """Nobody can look at it any more."""
        target = composite("target", address=address + "/$management")
        peer.send("attach", name="late", handle=99, role=False, target=target)
        peer.expect("attach", target=None)
        peer.expect_error("detach", "amqp:not-found")
        peer.send("detach", handle=99, closed=True)

    def test_the_answer_says_what_it_is(self, ready: AmqpPeer) -> None:
        """§3.5.9: the actual properties, not the wanted ones."""
        wanted = described(0x2E, list_([]))  # delete-on-no-links-or-messages
        source = composite(
            "source", dynamic=True, dynamic_node_properties={"lifetime-policy": wanted, "x": 1}
        )
        answer = ready.attach_receiver(None, 0, source=source)["source"]
        assert isinstance(answer, Composite)
        assert answer["dynamic"] is True
        properties = answer["dynamic-node-properties"]
        assert isinstance(properties, dict)
        assert set(properties) == {"lifetime-policy"}
        policy = properties["lifetime-policy"]
        assert isinstance(policy, Described)
        assert policy.descriptor == 0x2B

    @pytest.mark.parametrize("closed", [True, False])
    def test_it_goes_with_its_link(self, ready: AmqpPeer, closed: bool) -> None:
        address = self.made(ready)
        ready.send("detach", handle=0, closed=closed)
        ready.expect("detach")
        self.gone(ready, address)

    def test_it_goes_with_its_session(self, ready: AmqpPeer) -> None:
        address = self.made(ready)
        ready.send("end")
        ready.expect("end")
        ready.begin()
        self.gone(ready, address)

    def test_it_goes_with_its_connection(self, shared: BrokerProcess, ready: AmqpPeer) -> None:
        with ready_peer(shared.amqp_port) as other:
            address = self.made(other)
            other.send("close")
            other.expect("close")
            other.expect_end()
        self.gone(ready, address)

    def test_it_does_not_go_with_anothers(self, shared: BrokerProcess, ready: AmqpPeer) -> None:
        """§3.5.10 delete-on-close: its own link, and no other."""
        address = self.made(ready)
        with ready_peer(shared.amqp_port) as other:
            other.attach_receiver(address, 0)
            other.send("detach", handle=0, closed=True)
            other.expect("detach")
            other.attach_sender(address, 0)
            other.put(b"a")
            other.send("detach", handle=0, closed=True)
            other.expect("detach")
        ready.credit(1)
        assert ready.receive()[1].body == b"a"

    def test_others_hear_that_it_went(self, shared: BrokerProcess, ready: AmqpPeer) -> None:
        """§2.8.15 resource-deleted, told to receivers at once and to senders when they send."""
        address = self.made(ready)
        with ready_peer(shared.amqp_port) as other:
            other.attach_receiver(address, 0, credit=1)
            other.attach_sender(address, 1)
            ready.send("detach", handle=0, closed=True)
            ready.expect("detach")
            assert address in other.expect_error("detach", "amqp:resource-deleted")
            other.send("detach", handle=0, closed=True)
            other.transfer(0, data_section(b"lost"), handle=1)
            state = other.expect("disposition", settled=True)["state"]
            assert isinstance(state, Composite)
            assert state.name == "rejected"
            assert address in other.expect_error("detach", "amqp:resource-deleted")
            other.send("detach", handle=1, closed=True)
            other.ping()

    def test_as_a_target(self, shared: BrokerProcess, ready: AmqpPeer) -> None:
        """§3.5.4 dynamic"""
        target = composite("target", dynamic=True)
        answer = ready.attach_sender(None, 0, target=target)["target"]
        assert isinstance(answer, Composite)
        address = answer["address"]
        assert isinstance(address, str)
        ready.put(b"a")
        with ready_peer(shared.amqp_port) as other:
            other.attach_receiver(address, 0, credit=1)
            assert other.receive()[1].body == b"a"
            other.send("detach", handle=0, closed=True)
            other.expect("detach")
        ready.put(b"b", first=1)
        ready.send("detach", handle=0, closed=True)
        ready.expect("detach")
        self.gone(ready, address)


class TestReplies:
    """Replies of a management node wait for credit (§2.6.7), within a bound."""

    def ask(self, peer: AmqpPeer, queue: str, number: int) -> None:
        peer.transfer(
            number,
            composite("properties", message_id=long(number))
            + application_properties({"operation": "com.microsoft:peek-message"})
            + value_section({"from-sequence-number": 1, "message-count": 1}),
            settled=True,
        )

    def test_they_come_with_credit(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(f"{queue}", 2)
        ready.attach_receiver(f"{queue}/$management", 1)
        ready.attach_sender(f"{queue}/$management", 0)
        for number in range(3):
            self.ask(ready, queue, number)
            ready.expect("flow", handle=2)
        available: object = 0
        while available != 3:  # an answer waits for what it rests on to be durable
            ready.credit(0, 1, echo=True)
            available = ready.expect("flow", handle=1)["available"]
        ready.credit(2, 1)
        ready.expect("transfer", handle=1, settled=True)
        ready.expect("transfer", handle=1, settled=True)
        ready.expect_silence(0.05)
        ready.credit(5, 1, count=2, drain=True)
        ready.expect("transfer", handle=1)
        ready.expect("flow", handle=1, link_credit=0, drain=True, available=0)

    def test_too_many_end_their_link(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(f"{queue}", 2)
        ready.attach_receiver(f"{queue}/$management", 1)
        ready.attach_sender(f"{queue}/$management", 0)
        for number in range(101):
            self.ask(ready, queue, number)
        while True:
            heard = ready.next_frame()
            if heard.name != "flow":
                break
        assert heard.name == "detach"
        assert heard["handle"] == 1
        assert "amqp:resource-limit-exceeded" in str(heard["error"])
        ready.send("detach", handle=1, closed=True)

    def test_a_request_id_of_zero_is_answered_by_it(self, ready: AmqpPeer, queue: str) -> None:
        """§3.2.4 correlation-id: with the same value and type."""
        ready.attach_receiver(f"{queue}", 2)
        ready.attach_receiver(f"{queue}/$management", 1, credit=1)
        ready.attach_sender(f"{queue}/$management", 0)
        ready.transfer(
            0,
            composite("properties", message_id=uint(0), correlation_id="other")
            + application_properties({"operation": "no-such"})
            + value_section({}),
            settled=True,
        )
        ready.expect("flow")
        payload = ready.expect("transfer").payload
        assert b"other" not in payload
        expected = list_([null()] * 5 + [uint(0)] + [null()] * 7)
        assert described(0x73, expected) in payload


def test_a_message_of_another_links_annotations_is_its_own(ready: AmqpPeer, queue: str) -> None:
    """§3.2.3: nothing of one message leaks into the next."""
    ready.attach_sender(queue, 0)
    ready.transfer(0, annotations(x_mine="first") + data_section(b"a"))
    ready.transfer(1, data_section(b"b"))
    ready.hear_accepted(0, 1)
    ready.attach_receiver(queue, 1, credit=2)
    assert ready.receive()[1].annotations["x-mine"] == "first"
    assert "x-mine" not in ready.receive()[1].annotations
