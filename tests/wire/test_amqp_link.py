"""Links: attach, refusal, credit, drain, detach, addresses (§2.6, §3.5)."""

import pytest

from tests.support.amqp_bytes import Composite, Raw, boolean, composite, symbol
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess


class TestAttach:
    """§2.6.3, §2.7.3"""

    def test_of_a_sender_is_answered_in_the_mirror(self, ready: AmqpPeer, queue: str) -> None:
        heard = ready.attach_sender(queue, 0, name="mine", snd_settle_mode=2)
        assert heard["name"] == "mine"
        assert heard["role"] is True
        assert heard["initial-delivery-count"] is None
        target = heard["target"]
        assert isinstance(target, Composite)
        assert target["address"] == queue

    def test_of_a_receiver_is_answered_in_the_mirror(self, ready: AmqpPeer, queue: str) -> None:
        heard = ready.attach_receiver(queue, 0)
        assert heard["role"] is False
        assert heard["initial-delivery-count"] == 0
        source = heard["source"]
        assert isinstance(source, Composite)
        assert source["address"] == queue

    def test_is_written_with_all_its_fields(self, ready: AmqpPeer, queue: str) -> None:
        assert ready.attach_receiver(queue, 0).performative.count == 14

    @pytest.mark.parametrize("snd", [0, 1, 2])
    @pytest.mark.parametrize("rcv", [0, 1])
    def test_settle_modes_are_echoed(
        self, ready: AmqpPeer, queue: str, snd: int, rcv: int
    ) -> None:
        """§2.8.2, §2.8.3"""
        heard = ready.attach_receiver(queue, 0, snd_settle_mode=snd, rcv_settle_mode=rcv)
        assert heard["snd-settle-mode"] == snd
        assert heard["rcv-settle-mode"] == rcv

    def test_a_link_says_how_large_a_message_may_be(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.3"""
        assert ready.attach_sender(queue, 0)["max-message-size"] == 100 * 1024 * 1024

    def test_a_hundred_on_one_session(self, ready: AmqpPeer, queue: str) -> None:
        for handle in range(100):
            ready.attach_sender(queue, handle)
        ready.put(b"last", handle=99)

    def test_a_handle_in_use(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.3: the session ends, the connection does not."""
        ready.attach_sender(queue, 0)
        ready.send("attach", name="other", handle=0, role=False)
        ready.expect_error("end", "amqp:session:handle-in-use")
        ready.send("end")
        ready.begin()

    def test_a_handle_beyond_handle_max(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.2: "the peer MUST close the connection with a framing-error"."""
        ready.send("attach", name="x", handle=1024, role=False)
        ready.expect_error("close", "amqp:connection:framing-error")

    @pytest.mark.parametrize("missing", ["name", "handle", "role"])
    def test_without_a_mandatory_field(self, ready: AmqpPeer, missing: str) -> None:
        """§2.7.3"""
        given: dict[str, object] = {"name": "x", "handle": 0, "role": False}
        del given[missing]
        ready.send("attach", **given)
        assert missing in ready.expect_close("amqp:decode-error")

    @pytest.mark.parametrize(
        ("field", "value"), [("snd_settle_mode", 3), ("rcv_settle_mode", 2)]
    )
    def test_an_unknown_settle_mode(self, ready: AmqpPeer, field: str, value: int) -> None:
        """§2.8.2, §2.8.3"""
        fields: dict[str, object] = {"name": "x", "handle": 0, "role": False, field: value}
        ready.send("attach", **fields)
        ready.expect_close("amqp:decode-error")

    def test_the_same_name_steals_the_link(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.1: one link of a name and direction."""
        ready.attach_sender(queue, 0, name="same")
        ready.send(
            "attach", name="same", handle=1, role=False, initial_delivery_count=0,
            source=composite("source"), target=composite("target", address=queue),
        )  # fmt: skip
        ready.expect_error("detach", "amqp:link:stolen")
        ready.expect("attach", name="same")

    def test_the_same_name_in_both_directions(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.1"""
        ready.attach_sender(queue, 0, name="same")
        ready.attach_receiver(queue, 1, name="same")


class TestRefusal:
    """§2.6.3: attach without the terminus, then detach with the reason."""

    def refused(self, peer: AmqpPeer, condition: str, **given: object) -> str:
        wanted: dict[str, object] = {"name": "x", "handle": 0, "role": False}
        peer.send("attach", **(wanted | given))
        attach = peer.expect("attach")
        assert attach["target" if not given.get("role") else "source"] is None
        reason = peer.expect_error("detach", condition)
        peer.send("detach", handle=0, closed=True)
        peer.ping()
        return reason

    def test_an_unknown_address_is_named(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with (
            BrokerProcess(
                dev=False,
                data_dir=tmp_path_factory.mktemp("strict"),
            ) as strict,
            AmqpPeer(strict.amqp_port) as peer,
        ):
            import json

            found = json.loads((strict.data_dir / "credentials.json").read_text())
            secret = f"\0{found['user']}\0{found['password']}".encode()
            assert peer.sasl("PLAIN", secret) == 0
            peer.open()
            peer.begin()
            for role, field in ((False, "target"), (True, "source")):
                terminus = composite(field, address="no/such/queue")
                wanted: dict[str, object] = {"role": role, field: terminus}
                assert "no/such/queue" in self.refused(peer, "amqp:not-found", **wanted)

    def test_no_target(self, ready: AmqpPeer) -> None:
        self.refused(ready, "amqp:invalid-field", source=composite("source"))

    def test_no_source(self, ready: AmqpPeer) -> None:
        self.refused(ready, "amqp:invalid-field", role=True, target=composite("target"))

    @pytest.mark.parametrize(
        "address",
        ["", "a" * 261, "nul\0byte", "orders/$NoSuchThing", "$unknown"],
        ids=repr,
    )
    def test_an_address_that_can_be_none(self, ready: AmqpPeer, address: str) -> None:
        ready.send(
            "attach", name="x", handle=0, role=False,
            target=composite("target", address=address),
        )  # fmt: skip
        ready.expect("attach", target=None)
        detach = ready.expect("detach")
        error = detach["error"]
        assert isinstance(error, Composite)
        assert error["condition"] in ("amqp:invalid-field", "amqp:not-found")
        assert error["description"]

    @pytest.mark.parametrize("address", [symbol("orders"), boolean(1), composite("accepted")])
    def test_an_address_that_is_no_string(self, ready: AmqpPeer, address: Raw) -> None:
        """§3.5.3"""
        self.refused(ready, "amqp:invalid-field", target=composite("target", address=address))

    def test_an_unknown_distribution_mode(self, ready: AmqpPeer, queue: str) -> None:
        """§3.5.7"""
        source = composite("source", address=queue, distribution_mode="share")
        self.refused(ready, "amqp:invalid-field", role=True, source=source)


class TestAddresses:
    @pytest.mark.parametrize(
        "form",
        [
            "{}",
            "/{}",
            "/queues/{}",
            "queue://{}",
            "amqp://127.0.0.1:5672/{}",
            "sb://name.example/{}",
        ],
    )
    def test_forms_of_the_same_queue(self, ready: AmqpPeer, queue: str, form: str) -> None:
        """design: Addresses"""
        ready.attach_sender(form.format(queue.upper()), 0)
        ready.put(b"a")
        heard = ready.attach_receiver(queue, 1, credit=1)
        assert heard["source"] is not None
        assert ready.receive()[1].body == b"a"

    def test_percent_encoding(self, ready: AmqpPeer, queue: str) -> None:
        """design: Addresses"""
        ready.attach_sender(f"{queue}%2Fsub", 0)
        ready.put(b"a")
        ready.attach_receiver(f"{queue}/sub", 1, credit=1)
        assert ready.receive()[1].body == b"a"

    def test_a_dynamic_node(self, ready: AmqpPeer, shared: BrokerProcess) -> None:
        """§3.5.9: named by the broker, reachable by others, gone with its link."""
        heard = ready.attach_receiver(None, 0, source=composite("source", dynamic=True))
        source = heard["source"]
        assert isinstance(source, Composite)
        address = source["address"]
        assert isinstance(address, str)
        with ready_peer(shared.amqp_port) as other:
            other.attach_sender(address, 0)
            other.put(b"reply")
            ready.credit(1)
            heard_, message = ready.receive()
            assert message.body == b"reply"
            ready.dispose(heard_["delivery-id"], composite("accepted"), settled=True)
            ready.send("detach", handle=0, closed=True)
            ready.expect("detach")
            other.send(
                "attach", name="late", handle=1, role=False,
                target=composite("target", address=address + "/$management"),
            )  # fmt: skip
            ready.ping()


class TestCredit:
    """§2.6.7"""

    def test_nothing_comes_without_it(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.attach_receiver(queue, 1)
        ready.expect_silence()

    def test_no_more_comes_than_it_allows(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b", b"c")
        ready.attach_receiver(queue, 1, credit=2)
        assert [ready.receive()[1].body for _ in range(2)] == [b"a", b"b"]
        ready.expect_silence()
        ready.credit(1, 1, count=2)
        assert ready.receive()[1].body == b"c"

    def test_it_is_counted_from_the_receivers_view(self, ready: AmqpPeer, queue: str) -> None:
        """credit = delivery-count(rcv) + link-credit(rcv) - delivery-count(snd)"""
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b", b"c")
        ready.attach_receiver(queue, 1, credit=1)
        ready.receive()
        ready.credit(2, 1, count=0)  # written before the first delivery had been seen
        ready.receive()
        ready.expect_silence()

    def test_it_may_be_taken_back(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(queue, 1, credit=5)
        ready.credit(0, 1)
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.expect_silence()

    def test_drain_of_an_empty_queue(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(queue, 1)
        ready.credit(10, 1, drain=True)
        flow = ready.expect("flow", handle=0, link_credit=0, drain=True)
        assert flow["delivery-count"] == 10

    def test_drain_sends_what_is_there_first(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b")
        ready.attach_receiver(queue, 1)
        ready.credit(10, 1, drain=True)
        ready.receive()
        ready.receive()
        flow = ready.expect("flow", link_credit=0, drain=True)
        assert flow["delivery-count"] == 10
        ready.put(b"c", first=2)
        ready.expect_silence()
        ready.credit(1, 1, count=10)
        assert ready.receive()[1].body == b"c"

    def test_echo_tells_the_links_state(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.4"""
        ready.attach_receiver(queue, 0)
        ready.credit(3, echo=True)
        assert ready.expect("flow")["link-credit"] == 3

    def test_a_flow_for_no_link(self, ready: AmqpPeer) -> None:
        """§2.7.4"""
        ready.credit(3, handle=9)
        ready.expect_error("end", "amqp:session:unattached-handle")

    def test_senders_get_it_back_as_they_are_answered(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        ready.attach_sender(queue, 0)
        for start in range(0, 3000, 500):
            ready.put(*[b"x"] * 500, first=start)

    def test_two_receivers_share_by_turns(
        self, ready: AmqpPeer, shared: BrokerProcess, queue: str
    ) -> None:
        with ready_peer(shared.amqp_port) as other:
            ready.attach_receiver(queue, 0, credit=100)
            other.attach_receiver(queue, 0, credit=100)
            other.attach_sender(queue, 1)
            other.send_bytes(b"")
            sent = 0
            for number in range(20):
                other.transfer(number, b"\x00\x53\x75\xa0\x01x", handle=1)
                sent += 1
            got = [0, 0]
            while sum(got) < sent:
                for place, one in enumerate((ready, other)):
                    one.socket.settimeout(0.2)
                    try:
                        while True:
                            got[place] += one.next_frame().name == "transfer"
                    except TimeoutError:
                        pass
            assert min(got) >= 5, got


class TestDetach:
    """§2.6.5, §2.6.6"""

    @pytest.mark.parametrize("closed", [True, False])
    def test_is_answered_alike_and_the_handle_is_free(
        self, ready: AmqpPeer, queue: str, closed: bool
    ) -> None:
        ready.attach_sender(queue, 0)
        ready.send("detach", handle=0, closed=closed)
        ready.expect("detach", closed=closed, error=None)
        ready.attach_sender(queue, 0)
        ready.put(b"a")

    def test_gives_locks_back_without_counting(self, ready: AmqpPeer, queue: str) -> None:
        """design: Settlement"""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.attach_receiver(queue, 1, credit=1)
        ready.receive()
        ready.send("detach", handle=1, closed=True)
        ready.expect("detach")
        ready.attach_receiver(queue, 1, credit=1)
        _heard, message = ready.receive()
        assert message.header is None or not message.header["delivery-count"]

    def test_of_no_link(self, ready: AmqpPeer) -> None:
        """§2.7.7"""
        ready.send("detach", handle=3)
        ready.expect_error("end", "amqp:session:unattached-handle")

    def test_a_deleted_queue_ends_its_receivers(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """§2.8.15 resource-deleted"""
        import asyncio

        from peeklock_client import connect

        with (
            BrokerProcess(data_dir=tmp_path_factory.mktemp("deleted")) as broker,
            ready_peer(broker.amqp_port) as peer,
        ):
            peer.attach_receiver("doomed", 0, credit=1)

            async def delete() -> None:
                async with connect(broker.url) as client:
                    await client.queue("doomed").delete()

            asyncio.run(delete())
            assert "doomed" in peer.expect_error("detach", "amqp:resource-deleted")
            peer.send("detach", handle=0, closed=True)
            peer.ping()
