"""Sizes: frames of a peer that takes 512 bytes, and bounds of everything else (§2.3, §2.7)."""

import struct

import pytest

from tests.support.amqp_bytes import (
    ABANDONED,
    ACCEPTED,
    AMQP_HEADER,
    Composite,
    composite,
    data_section,
    decode,
    frame,
    rejected,
    ubyte,
    ulong,
)
from tests.support.amqp_peer import AmqpPeer, Heard
from tests.support.broker_process import BrokerProcess


class SmallPeer(AmqpPeer):
    """Takes frames of 512 bytes, and looks at each."""

    def next_frame(self) -> Heard:
        size = struct.unpack(">I", self.take(4))[0]
        assert size <= 512, "a frame larger than we take (§2.7.1)"
        self._buffer = struct.pack(">I", size) + self._buffer
        return super().next_frame()


@pytest.fixture
def small(shared: BrokerProcess) -> SmallPeer:
    peer = SmallPeer(shared.amqp_port)
    peer.open(max_frame_size=512)
    peer.begin()
    return peer


class TestSmallFrames:
    """§2.7.1: a peer MUST NOT send frames larger than its partner can handle."""

    def test_a_large_message_comes_in_many(self, small: SmallPeer, queue: str) -> None:
        """§2.6.14; each of its transfers has the delivery's id and tag, or leaves them out."""
        with small:
            whole = data_section(bytes(range(256)) * 200)
            small.attach_sender(queue, 0)
            for at in range(0, len(whole), 400):
                last = at + 400 >= len(whole)
                small.transfer(None if at else 0, whole[at : at + 400], more=not last)
            small.hear_accepted(0, 0)
            small.attach_receiver(queue, 1, credit=1)
            payload = b""
            first: Heard | None = None
            while True:
                heard = small.expect("transfer")
                first = first or heard
                assert heard["delivery-id"] in (None, first["delivery-id"])
                assert heard["delivery-tag"] in (None, first["delivery-tag"])
                payload += heard.payload
                if not heard["more"]:
                    break
            assert payload.endswith(whole)
            small.dispose(first["delivery-id"], ACCEPTED)
            small.expect("disposition", settled=True)

    @pytest.mark.parametrize("size", [300, 350, 400, 430, 431, 432, 433, 440, 500, 864])
    def test_messages_about_as_large_as_a_frame(
        self, small: SmallPeer, queue: str, size: int
    ) -> None:
        with small:
            small.attach_sender(queue, 0)
            whole = data_section(bytes(size))
            small.transfer(0, whole[:300], more=True)
            small.transfer(None, whole[300:])
            small.hear_accepted(0, 0)
            small.attach_receiver(queue, 1, credit=1)
            payload = b""
            more: object = True
            while more:
                heard = small.expect("transfer")
                payload += heard.payload
                more = heard["more"]
            assert payload.endswith(whole)

    def test_an_attach_whose_answer_does_not_fit(self, small: SmallPeer, queue: str) -> None:
        """§2.8.15 frame-size-too-small: the link is refused, the session lives."""
        with small:
            small.send(
                "attach", name="r", handle=0, role=True,
                source=composite("source", address=queue),
                target=composite("target", address="t" * 600),
            )  # fmt: skip
            small.expect("attach", source=None, target=None)
            small.expect_error("detach", "amqp:frame-size-too-small")
            small.send("detach", handle=0, closed=True)
            small.ping()
            small.attach_receiver(queue, 0)

    def test_a_dynamic_node_whose_name_does_not_fit_is_not_left_behind(
        self, small: SmallPeer
    ) -> None:
        """§3.5.9"""
        with small:
            small.send(
                "attach", name="r", handle=0, role=True,
                source=composite("source", dynamic=True, outcomes=["amqp:accepted:list"] * 30),
                target=composite("target"),
            )  # fmt: skip
            small.expect("attach", source=None)
            small.expect_error("detach", "amqp:frame-size-too-small")
            small.send("detach", handle=0, closed=True)
            small.ping()

    def test_a_link_whose_name_alone_does_not_fit(self, small: SmallPeer, queue: str) -> None:
        """§2.8.15: there is no attach to answer with, so the session ends."""
        with small:
            target = composite("target", address=queue)
            small.send("attach", name="n" * 600, handle=0, role=False, target=target)
            small.expect_error("end", "amqp:frame-size-too-small")
            small.send("end")
            small.begin()

    def test_an_error_is_cut_to_fit(self, small: SmallPeer) -> None:
        """§2.8.14: the description is for people; the condition stays."""
        with small:
            address = "ä" * 3000 + "/$DeadLetterQueue"
            target = composite("target", address=address)
            small.send("attach", name="s", handle=0, role=False, target=target)
            small.expect("attach", target=None)
            assert "ää" in small.expect_error("detach", "amqp:not-found")

    def test_an_outcome_is_echoed_without_what_does_not_fit(
        self, small: SmallPeer, queue: str
    ) -> None:
        """§3.4.5: the annotations are ours now, and need not come back."""
        with small:
            small.attach_sender(queue, 0)
            small.put(b"a", b"b")
            small.attach_receiver(queue, 1, credit=2)
            first, second = (small.receive()[0]["delivery-id"] for _ in range(2))
            notes = {f"x-note-{n}": "v" * 100 for n in range(20)}
            small.credit(0, 1, count=2)
            for delivery_id, state, name in (
                (first, composite("modified", message_annotations=notes), "modified"),
                (second, rejected("app:bad", "w" * 2000, more="x" * 2000), "rejected"),
            ):
                small.dispose(delivery_id, state)
                answer = small.expect("disposition", settled=True)["state"]
                assert isinstance(answer, Composite)
                assert answer.name == name

    def test_a_refused_message_is_told_so(self, small: SmallPeer, queue: str) -> None:
        """§3.4.3"""
        with small:
            small.attach_sender(queue, 0)
            key = "x-opt-scheduled-enqueue-time"
            notes = composite("header", durable=True)
            bad = b"\x00\x53\x72\xd1" + struct.pack(">II", 4 + 2 + len(key) + 5 + 3000, 2)
            bad += b"\xa3" + bytes([len(key)]) + key.encode() + b"\xb1"
            bad += struct.pack(">I", 3000) + b"x" * 3000
            whole = notes + bad + data_section(b"x")
            for at in range(0, len(whole), 400):
                last = at + 400 >= len(whole)
                small.transfer(None if at else 0, whole[at : at + 400], more=not last)
            state = small.expect("disposition", settled=True)["state"]
            assert isinstance(state, Composite)
            assert state.name == "rejected"

    def test_the_open_itself_fits_the_smallest_frame(self, peer: AmqpPeer) -> None:
        """§2.4.1: until the peer has said what it takes, that is 512 bytes."""
        peer.send_bytes(AMQP_HEADER + frame(composite("open", container_id="x")))
        assert peer.take(8) == AMQP_HEADER
        size = struct.unpack(">I", peer.take(4))[0]
        assert size <= 512
        assert decode(peer.take(size - 4)[4:])[0]


class TestOurFrames:
    """§2.7.1: what we take is 64 KiB."""

    def test_a_frame_of_just_that(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        fields = composite(
            "transfer", handle=0, delivery_id=0, delivery_tag=b"t", message_format=0
        )
        room = 65536 - 8 - len(fields) - 8
        data = frame(fields + b"\x00\x53\x75\xb0" + struct.pack(">I", room) + bytes(room))
        assert len(data) == 65536
        ready.send_bytes(data)
        ready.hear_accepted(0, 0)

    def test_a_frame_of_one_byte_more(self, ready: AmqpPeer, queue: str) -> None:
        """§2.3.1: told at its first eight bytes."""
        ready.attach_sender(queue, 0)
        ready.send_bytes(struct.pack(">IBBH", 65537, 2, 0, 0))
        ready.expect_error("close", "amqp:connection:framing-error")

    def test_the_reason_is_heard_though_the_whole_frame_was_sent(
        self, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.4.3: a reset must not take our close away from a peer that was still sending."""
        ready.attach_sender(queue, 0)
        ready.send_bytes(frame(composite("transfer", handle=0) + bytes(1_000_000)))
        ready.expect_error("close", "amqp:connection:framing-error")

    def test_an_extended_header_as_long_as_it_can_be(self, ready: AmqpPeer) -> None:
        """§2.3.1: doff is one byte, in words."""
        flow = composite(
            "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0,
            outgoing_window=9, echo=True,
        )  # fmt: skip
        ready.send_bytes(frame(flow, extended=bytes(4 * 253)))
        ready.expect("flow")


class TestCounts:
    """Bounds over one connection"""

    def test_links(self, ready: AmqpPeer, queue: str) -> None:
        """limits: 4,096 links, over all sessions; the session that asks for more ends."""
        for channel in range(1, 5):
            ready.begin(channel)
        target = composite("target", address=queue)
        sent = 0
        while sent < 4097:
            channel, handle = divmod(sent, 1000)
            ready.send(
                "attach", channel, name=f"{sent}", handle=handle, role=False, target=target
            )
            sent += 1
            if sent <= 4096:
                ready.expect("attach")
                ready.expect("flow")
        heard = ready.expect("end")
        assert heard.channel == 4
        assert "amqp:resource-limit-exceeded" in str(heard["error"])
        ready.send("end", 4)
        ready.send("detach", 0, handle=0, closed=True)
        ready.expect("detach")
        ready.attach_sender(queue, 0, name="again")

    def test_handles_that_the_peer_takes(self, peer: AmqpPeer, queue: str) -> None:
        """§2.7.2 handle-max: ours for its second link would be beyond it."""
        peer.open()
        peer.begin(handle_max=0)
        peer.attach_sender(queue, 5)
        peer.send("attach", name="x", handle=6, role=False)
        peer.expect_error("end", "amqp:resource-limit-exceeded")
        peer.send("end")
        peer.begin()

    def test_our_handles_are_used_again(self, peer: AmqpPeer, queue: str) -> None:
        """§2.6.2: a peer that takes one link may have one after the other."""
        peer.open()
        peer.begin(handle_max=0)
        for number in range(20):
            heard = peer.attach_sender(queue, 7, name=f"n{number}")
            assert heard["handle"] == 0
            peer.send("detach", handle=7, closed=True)
            peer.expect("detach", handle=0)

    def test_sessions_begin_and_end_on_one_channel(self, peer: AmqpPeer, queue: str) -> None:
        """§2.5.1, §2.5.3: the channel is free once both ends have ended."""
        peer.open(channel_max=0)
        for _ in range(300):
            assert peer.begin(0).channel == 0
            peer.send("end")
            peer.expect("end")

    def test_an_unfinished_delivery_of_empty_frames(
        self, shared: BrokerProcess, ready: AmqpPeer, queue: str
    ) -> None:
        """§2.6.14: frames without payload add nothing that is kept."""
        ready.attach_sender(queue, 0)
        ready.transfer(0, b"", more=True)
        ready.ping()
        empty = frame(composite("transfer", handle=0, more=True))
        before = shared.rss_bytes
        ready.socket.settimeout(30)
        for _ in range(100):
            ready.send_bytes(empty * 2_000)
        ready.transfer(None, data_section(b"x"))
        ready.hear_accepted(0, 0)
        assert shared.rss_bytes - before < 4 * 1024 * 1024

    def test_requests_to_a_management_node(self, ready: AmqpPeer, queue: str) -> None:
        """§2.7.3: all of a request is decoded, so it has a bound."""
        ready.attach_sender(queue, 0)
        heard = ready.attach_sender(f"{queue}/$management", 1)
        assert heard["max-message-size"] == 4 * 1024 * 1024


class TestMessageSize:
    """§2.7.3 max-message-size"""

    def test_a_receivers_zero_is_no_bound(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(bytes(1000))
        ready.attach_receiver(queue, 1, credit=1, max_message_size=ulong(0))
        assert ready.receive()[1].body == bytes(1000)

    def test_a_receivers_bound_that_is_just_enough(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        ready.put(b"x")
        ready.attach_receiver(queue, 1, credit=1)
        heard = ready.receive()[0]
        size = len(heard.payload)
        ready.dispose(heard["delivery-id"], ABANDONED, settled=True)
        ready.send("detach", handle=1, closed=True)
        ready.expect("detach")
        ready.attach_receiver(queue, 1, credit=1, max_message_size=ulong(size + 1))
        assert ready.receive()[1].body == b"x"

    @pytest.mark.parametrize("mode", [1, 0], ids=["receive-and-delete", "peek-lock"])
    def test_what_a_receiver_cannot_take_stays_for_others(
        self, ready: AmqpPeer, queue: str, mode: int
    ) -> None:
        """§2.7.3: it is told behind what it could take, and no attempt is counted."""
        ready.attach_sender(queue, 0)
        ready.put(b"small", bytes(2000), b"after")
        small = {"snd_settle_mode": ubyte(mode), "max_message_size": ulong(1500)}
        ready.attach_receiver(queue, 1, credit=10, **small)
        assert ready.receive()[1].body == b"small"
        error = ready.expect("detach")["error"]
        assert isinstance(error, Composite)
        assert error["condition"] == "amqp:link:message-size-exceeded"
        assert error["description"] == "message 2 is larger than the link's max-message-size"
        ready.send("detach", handle=1, closed=True)
        ready.attach_receiver(queue, 2, credit=10)
        left = [b"small"] if mode == 0 else []  # it was held: free again with its link
        left += [bytes(2000), b"after"]
        for body in left:
            message = ready.receive()[1]
            assert message.body == body
            assert message.header is not None
            assert not message.header["delivery-count"]
