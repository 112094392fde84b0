"""Flow state: windows, credit, `available`, echo, and numbers that wrap (§2.5.6, §2.6.7)."""

import pytest

from tests.support.amqp_bytes import composite, data_section
from tests.support.amqp_peer import AmqpPeer

LAST = 0xFFFFFFFF


def session_flow(peer: AmqpPeer, seen: int, window: int, channel: int = 0) -> None:
    """The session's own flow: so many of the broker's transfers were seen."""
    peer.send(
        "flow", channel, next_incoming_id=seen, incoming_window=window, next_outgoing_id=0,
        outgoing_window=9,
    )  # fmt: skip


class TestPeersWindow:
    """§2.5.6: remote-incoming-window"""

    @pytest.mark.parametrize("window", [LAST, 0x80000000, 0x7FFFFFFF])
    def test_it_may_be_as_large_as_a_uint(
        self, peer: AmqpPeer, queue: str, window: int
    ) -> None:
        """§2.7.2: a peer that does not care says the largest number."""
        peer.open()
        peer.begin(incoming_window=window)
        peer.attach_sender(queue, 0)
        peer.put(b"a", b"b")
        peer.attach_receiver(queue, 1)
        peer.credit(1, 1, incoming_window=window)
        assert peer.receive()[1].body == b"a"
        peer.credit(1, 1, count=1, incoming_window=window, next_incoming_id=1)
        assert peer.receive()[1].body == b"b"

    def test_one_frame_at_a_time(self, peer: AmqpPeer, queue: str) -> None:
        """A message of many frames trickles through a window of one."""
        peer.open(max_frame_size=512)
        peer.begin(incoming_window=1)
        body = bytes(range(256)) * 8
        peer.attach_sender(queue, 0)
        peer.put(body)
        peer.attach_receiver(queue, 1)
        peer.credit(1, 1, incoming_window=1)
        payload = b""
        for seen in range(1, 100):
            heard = peer.expect("transfer")
            payload += heard.payload
            if not heard["more"]:
                break
            peer.expect_silence(0.02)
            session_flow(peer, seen, 1)
        assert payload.endswith(body)

    def test_it_may_shrink(self, peer: AmqpPeer, queue: str) -> None:
        """What is on its way already counts against a new, smaller window."""
        peer.open()
        peer.begin(incoming_window=10)
        peer.attach_sender(queue, 0)
        peer.put(b"a", b"b", b"c")
        peer.attach_receiver(queue, 1)
        peer.credit(2, 1, incoming_window=10)
        peer.receive()
        peer.receive()
        session_flow(peer, 0, 1)  # written before the two were seen
        peer.credit(5, 1, count=2, incoming_window=1, next_incoming_id=0)
        peer.expect_silence()
        session_flow(peer, 2, 1)
        assert peer.receive()[1].body == b"c"

    def test_a_detach_behind_a_shut_window_is_answered(
        self, peer: AmqpPeer, queue: str
    ) -> None:
        """§2.6.6: transfers that wait go with their link, and no frame of it comes later."""
        peer.open()
        peer.begin(incoming_window=0)
        peer.attach_sender(queue, 0)
        peer.put(b"a")
        peer.attach_receiver(queue, 1)
        peer.credit(5, 1, incoming_window=0)
        peer.expect_silence(0.05)
        peer.send("detach", handle=1, closed=False)
        peer.expect("detach", closed=False, error=None)
        session_flow(peer, 0, 100)
        peer.expect_silence(0.05)
        peer.attach_receiver(queue, 1)
        peer.credit(5, 1)
        assert peer.receive()[1].body == b"a"

    def test_an_error_behind_a_shut_window_is_told_when_the_peer_detaches(
        self, peer: AmqpPeer, queue: str
    ) -> None:
        """§2.6.5: our detach waits behind the link's transfers; the peer's lets it go."""
        peer.open()
        peer.begin(incoming_window=0)
        peer.attach_sender(queue, 0)
        peer.put(b"a")
        peer.attach_receiver(queue, 1)
        peer.credit(5, 1, incoming_window=0)
        peer.transfer(9, b"", handle=1)  # a mistake: on a link whose receiver it is
        peer.expect_silence(0.05)
        peer.send("detach", handle=1, closed=True)
        peer.expect_error("detach", "amqp:not-allowed")
        peer.ping()

    def test_the_end_of_a_session_frees_what_waited(self, peer: AmqpPeer, queue: str) -> None:
        """§2.5.3: 2 MiB behind a shut window of one session hold up no other."""
        peer.open()
        peer.begin(0, incoming_window=0)
        peer.attach_sender(queue, 0)
        for number, size in enumerate((600_000, 600_000, 5)):
            whole = data_section(bytes(size))
            for at in range(0, len(whole), 60_000):
                part = whole[at : at + 60_000]
                last = at + 60_000 >= len(whole)
                peer.transfer(None if at else number, part, more=not last)
        peer.hear_accepted(0, 2)
        peer.attach_receiver(queue, 1)
        peer.credit(5, 1, incoming_window=0)
        peer.expect_silence(0.2)
        peer.send("end")
        peer.expect("end")
        peer.begin(0)
        peer.attach_receiver(queue, 0, credit=3)
        bodies = []
        payload = b""
        while len(bodies) < 3:
            heard = peer.expect("transfer")
            payload += heard.payload
            if not heard["more"]:
                bodies.append(payload)
                payload = b""
        assert bodies[2].endswith(data_section(bytes(5)))


class TestOurWindow:
    """§2.5.6: incoming-window, next-incoming-id"""

    def test_transfer_ids_wrap(self, peer: AmqpPeer, queue: str) -> None:
        """§2.8.10"""
        peer.open()
        peer.begin(next_outgoing_id=LAST - 1)
        peer.attach_sender(queue, 0)
        peer.put(b"a", b"b", b"c")
        peer.send(
            "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=1,
            outgoing_window=9, echo=True,
        )  # fmt: skip
        assert peer.expect("flow")["next-incoming-id"] == 1

    def test_each_frame_counts(self, ready: AmqpPeer, queue: str) -> None:
        """Frames, not deliveries."""
        ready.attach_sender(queue, 0)
        whole = data_section(b"abcdef")
        ready.transfer(0, whole[:4], more=True)
        ready.transfer(None, whole[4:6], more=True)
        ready.transfer(None, whole[6:])
        ready.hear_accepted(0, 0)
        ready.send(
            "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=3,
            outgoing_window=9, echo=True,
        )  # fmt: skip
        heard = ready.expect("flow")
        assert heard["next-incoming-id"] == 3
        assert heard["incoming-window"] == 8192
        assert heard["handle"] is None
        for unset in ("delivery-count", "link-credit", "available"):
            assert heard[unset] is None, "a session's flow says nothing of links (§2.7.4)"

    def test_a_flow_before_our_begin_was_seen(self, peer: AmqpPeer, queue: str) -> None:
        """§2.7.4: next-incoming-id is not there yet."""
        peer.open()
        peer.send("begin", next_outgoing_id=0, incoming_window=2, outgoing_window=2)
        peer.send("flow", incoming_window=5, next_outgoing_id=0, outgoing_window=2, echo=True)
        peer.expect("begin")
        peer.expect("flow")


class TestCreditCounts:
    """§2.6.7: delivery-count"""

    def test_a_senders_count_begins_where_it_says_and_wraps(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.8.10: credit is topped up at half, so the third flow is behind the wrap."""
        ready.attach_sender(queue, 0, initial_delivery_count=LAST - 300)
        ready.put(*[b"x"] * 499)
        ready.transfer(499, data_section(b"x"))
        flows = []
        while not flows:
            heard = ready.next_frame()
            if heard.name == "flow":
                flows.append(heard)
        assert flows[0]["link-credit"] == 1000
        assert flows[0]["delivery-count"] == (LAST - 300 + 500) % (LAST + 1)

    def test_credit_of_a_receiver_whose_count_is_null(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.7.4: it has not seen our attach, so it counts from our first."""
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b")
        ready.send(
            "attach", name="r", handle=1, role=True,
            source=composite("source", address=queue), target=composite("target"),
        )  # fmt: skip
        ready.send(
            "flow", handle=1, link_credit=1, next_incoming_id=0, incoming_window=9,
            next_outgoing_id=2, outgoing_window=9,
        )  # fmt: skip
        ready.expect("attach")
        assert ready.receive()[1].body == b"a"
        ready.expect_silence(0.05)

    def test_the_largest_credit(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.attach_receiver(queue, 1, credit=LAST)
        assert ready.receive()[1].body == b"a"
        ready.transfer(1, data_section(b"b"))
        assert {ready.next_frame().name for _ in range(2)} == {"transfer", "disposition"}

    def test_drain_of_the_largest_credit(self, ready: AmqpPeer, queue: str) -> None:
        """§2.6.7: the count advances by all of it, and wraps to just before itself."""
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b")
        ready.attach_receiver(queue, 1)
        ready.credit(LAST, 1, drain=True)
        ready.receive()
        ready.receive()
        flow = ready.expect("flow", link_credit=0, drain=True)
        assert flow["delivery-count"] == LAST
        ready.put(b"c", b"d", first=2)
        ready.credit(2, 1, count=LAST)
        assert ready.receive()[1].body == b"c"
        assert ready.receive()[1].body == b"d"  # our count is 1 by now
        ready.put(b"e", first=4)
        ready.credit(1, 1, count=1)
        assert ready.receive()[1].body == b"e"

    def test_a_sender_that_moves_its_count_gets_its_credit_back(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.6.7: it may use up credit without a message; else it would wait for ever."""
        ready.attach_sender(queue, 0)
        ready.send(
            "flow", handle=0, delivery_count=1000, link_credit=0, next_incoming_id=0,
            incoming_window=9, next_outgoing_id=0, outgoing_window=9,
        )  # fmt: skip
        heard = ready.expect("flow", handle=0, delivery_count=1000)
        assert heard["link-credit"] == 1000

    def test_aborted_deliveries_cost_no_credit_in_the_end(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.7.5: each counts, and none is answered."""
        ready.attach_sender(queue, 0)
        for number in range(1500):
            ready.transfer(number, b"", aborted=True)
        ready.ping_link(0)
        ready.put(b"a", first=1500)


class TestAvailable:
    """§2.6.7: the sender's estimate of what it could send, given credit"""

    def test_an_echo_tells_it(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b", b"c")
        ready.attach_receiver(queue, 1)
        ready.credit(0, 1, echo=True)
        heard = ready.expect("flow", handle=1)
        assert heard["available"] == 3
        assert heard["link-credit"] == 0
        assert heard["delivery-count"] == 0

    def test_it_is_what_is_left_after_the_credit_was_used(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """The echo comes behind what the same flow's credit brings."""
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b", b"c")
        ready.attach_receiver(queue, 1)
        ready.credit(2, 1, echo=True)
        ready.receive()
        ready.receive()
        heard = ready.expect("flow", handle=1)
        assert (heard["available"], heard["link-credit"], heard["delivery-count"]) == (1, 0, 2)

    def test_a_drain_tells_it(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.attach_receiver(queue, 1)
        ready.credit(5, 1, drain=True)
        ready.receive()
        assert ready.expect("flow", link_credit=0, drain=True)["available"] == 0

    def test_a_sender_hears_its_own_word_back(self, ready: AmqpPeer, queue: str) -> None:
        """The receiver's flows repeat the last known value."""
        ready.attach_sender(queue, 0)
        ready.send(
            "flow", handle=0, delivery_count=0, link_credit=1000, available=77, echo=True,
            next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9,
        )  # fmt: skip
        assert ready.expect("flow", handle=0)["available"] == 77


class TestDrain:
    """§2.6.7"""

    def test_with_echo_both_are_answered(self, ready: AmqpPeer, queue: str) -> None:
        """The drain's own flow, and the echo, which repeats that the link drains."""
        ready.attach_receiver(queue, 0)
        ready.credit(5, 0, drain=True, echo=True)
        for _ in range(2):
            heard = ready.expect("flow", handle=0, link_credit=0, drain=True)
            assert heard["delivery-count"] == 5

    def test_without_credit_is_answered(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(queue, 0)
        ready.credit(0, 0, drain=True)
        ready.expect("flow", handle=0, link_credit=0, drain=True, delivery_count=0)

    def test_again_and_again(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(queue, 0)
        for round_ in range(5):
            ready.credit(10, 0, count=10 * round_, drain=True)
            heard = ready.expect("flow", link_credit=0, drain=True)
            assert heard["delivery-count"] == 10 * round_ + 10

    def test_an_end_of_it_gives_credit_that_stays(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_receiver(queue, 1)
        ready.credit(5, 1, drain=True)
        ready.expect("flow", link_credit=0, drain=True)
        ready.credit(1, 1, count=5)
        ready.attach_sender(queue, 0)
        ready.transfer(0, data_section(b"later"))
        assert {ready.next_frame().name for _ in range(2)} == {"transfer", "disposition"}

    def test_browsing_drains_at_the_last_message(self, ready: AmqpPeer, queue: str) -> None:
        """§3.5.7 copy"""
        ready.attach_sender(queue, 0)
        ready.put(b"a", b"b")
        source = composite("source", address=queue, distribution_mode="copy")
        ready.attach_receiver(queue, 1, source=source)
        ready.credit(5, 1, drain=True)
        assert [ready.receive()[1].body for _ in range(2)] == [b"a", b"b"]
        ready.expect("flow", link_credit=0, drain=True, delivery_count=5)


class TestFlowFields:
    """§2.7.4"""

    def test_properties_and_unknown_keys_in_them_are_passed_over(self, ready: AmqpPeer) -> None:
        ready.send(
            "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0,
            outgoing_window=9, echo=True, properties={"x-unknown": [1, 2]},
        )  # fmt: skip
        ready.expect("flow")

    def test_for_a_link_that_we_have_refused(self, ready: AmqpPeer) -> None:
        """§2.6.3: until the peer's detach, its frames for it are passed over."""
        ready.send("attach", name="x", handle=0, role=True, source=composite("source"))
        ready.expect("attach", source=None)
        ready.expect("detach")
        ready.credit(5, 0, echo=True)
        ready.send("detach", handle=0, closed=True)
        ready.ping()

    @pytest.mark.parametrize("missing", ["next_outgoing_id", "outgoing_window"])
    def test_without_a_mandatory_field(self, ready: AmqpPeer, missing: str) -> None:
        given = {"incoming_window": 1, "next_outgoing_id": 0, "outgoing_window": 1}
        del given[missing]
        ready.send("flow", **given)
        assert missing.replace("_", "-") in ready.expect_close("amqp:decode-error")
