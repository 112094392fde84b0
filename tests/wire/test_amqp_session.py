"""Sessions: begin, windows, ends, and that an error ends nothing wider (§2.5, §2.7)."""

import pytest

from tests.support.amqp_bytes import composite, data_section
from tests.support.amqp_peer import AmqpPeer


class TestBegin:
    """§2.5.1, §2.7.2"""

    def test_is_answered_naming_the_peers_channel(self, peer: AmqpPeer) -> None:
        peer.open()
        peer.begin(channel=7)
        peer.send("begin", 9, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
        heard = peer.expect("begin", remote_channel=9)
        assert heard.channel != 7, "our channel numbers are ours"

    def test_says_its_windows_and_handles(self, peer: AmqpPeer) -> None:
        peer.open()
        heard = peer.begin()
        assert heard["incoming-window"] == 8192
        assert heard["handle-max"] == 1023

    def test_many_on_one_connection(self, ready: AmqpPeer) -> None:
        for channel in range(1, 256):
            ready.begin(channel)
        for channel in (0, 255):
            ready.ping(channel)

    def test_beyond_channel_max(self, ready: AmqpPeer) -> None:
        """§2.7.1"""
        ready.send("begin", 256, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
        ready.expect_close("amqp:not-allowed")

    def test_more_sessions_than_the_peer_itself_takes(self, peer: AmqpPeer) -> None:
        """§2.7.1: its channel-max bounds ours."""
        peer.open(channel_max=0)
        peer.begin(0)
        peer.send("begin", 1, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
        peer.expect_close("amqp:not-allowed")

    def test_on_a_channel_in_use(self, ready: AmqpPeer) -> None:
        """§2.5.1"""
        ready.send("begin", 0, next_outgoing_id=0, incoming_window=1, outgoing_window=1)
        ready.expect_close("amqp:not-allowed")

    def test_answering_what_nobody_asked(self, ready: AmqpPeer) -> None:
        """§2.7.2"""
        ready.send(
            "begin", 1, remote_channel=4, next_outgoing_id=0,
            incoming_window=1, outgoing_window=1,
        )  # fmt: skip
        ready.expect_close("amqp:invalid-field")

    @pytest.mark.parametrize("missing", ["next_outgoing_id", "incoming_window"])
    def test_without_a_mandatory_field(self, ready: AmqpPeer, missing: str) -> None:
        """§2.7.2"""
        given = {"next_outgoing_id": 0, "incoming_window": 1, "outgoing_window": 1}
        ready.send("begin", 1, **{key: one for key, one in given.items() if key != missing})
        assert missing.replace("_", "-") in ready.expect_close("amqp:decode-error")

    @pytest.mark.parametrize(
        "name", ["attach", "flow", "transfer", "disposition", "detach", "end"]
    )
    def test_missing_before_another_frame(self, ready: AmqpPeer, name: str) -> None:
        """§2.5.1: a channel without a session."""
        fields: dict[str, dict[str, object]] = {
            "attach": {"name": "x", "handle": 0, "role": False},
            "flow": {"incoming_window": 1, "next_outgoing_id": 0, "outgoing_window": 1},
            "transfer": {"handle": 0},
            "disposition": {"role": True, "first": 0},
            "detach": {"handle": 0},
            "end": {},
        }
        ready.send(name, 77, **fields[name])
        assert "77" in ready.expect_close("amqp:not-allowed")


class TestEnd:
    """§2.5.2, §2.5.3"""

    def test_is_answered_and_the_channel_is_free(self, ready: AmqpPeer) -> None:
        ready.send("end")
        ready.expect("end", error=None)
        ready.begin(0)

    def test_gives_locks_back(self, ready: AmqpPeer, queue: str) -> None:
        """design: Settlement"""
        ready.attach_sender(queue, 0)
        ready.put(b"a")
        ready.begin(1)
        ready.send(
            "attach", 1, name="r", handle=0, role=True,
            source=composite("source", address=queue), target=composite("target"),
        )  # fmt: skip
        ready.expect("attach")
        ready.send(
            "flow", 1, handle=0, delivery_count=0, link_credit=1, incoming_window=9,
            next_outgoing_id=0, outgoing_window=9, next_incoming_id=0,
        )  # fmt: skip
        ready.expect("transfer")
        ready.send("end", 1)
        ready.expect("end")
        ready.attach_receiver(queue, 1, credit=1)
        _heard, message = ready.receive()
        assert message.body == b"a"
        assert message.header is None or not message.header["delivery-count"]

    def test_an_error_ends_only_its_session(self, ready: AmqpPeer, queue: str) -> None:
        """§2.5.3: what still comes on it is passed over until the peer's end."""
        ready.begin(1)
        ready.send("detach", 1, handle=5)
        assert "5" in ready.expect_error("end", "amqp:session:unattached-handle")
        ready.send("detach", 1, handle=6)
        ready.send("transfer", 1, handle=6, delivery_id=0)
        ready.ping(0)
        ready.send("end", 1)
        ready.begin(1)

    def test_with_an_error_is_answered(self, ready: AmqpPeer) -> None:
        ready.send("end", error=composite("error", condition="amqp:internal-error"))
        ready.expect("end", error=None)


class TestWindows:
    """§2.5.6"""

    def test_transfers_stop_at_the_peers_window_and_go_on(
        self, peer: AmqpPeer, queue: str
    ) -> None:
        peer.open()
        peer.begin(incoming_window=2)
        peer.attach_sender(queue, 0)
        peer.put(b"a", b"b", b"c", b"d", b"e")
        peer.attach_receiver(queue, 1)
        peer.credit(10, 1, incoming_window=2)
        for _ in range(2):
            peer.expect("transfer")
        peer.expect_silence()
        # The session's flow alone, without a link in it, lets the next ones through.
        peer.send(
            "flow", next_incoming_id=2, incoming_window=2, next_outgoing_id=5,
            outgoing_window=9,
        )  # fmt: skip
        for _ in range(2):
            peer.expect("transfer")
        peer.expect_silence()
        peer.send(
            "flow", next_incoming_id=4, incoming_window=9, next_outgoing_id=5,
            outgoing_window=9,
        )  # fmt: skip
        peer.expect("transfer")

    def test_a_shut_window_holds_back_transfers_only(self, peer: AmqpPeer, queue: str) -> None:
        """Attach, credit and dispositions are no transfers."""
        peer.open()
        peer.begin(incoming_window=0)
        peer.attach_sender(queue, 0)
        peer.put(b"a")
        peer.attach_receiver(queue, 1)
        peer.credit(5, 1, incoming_window=0)
        peer.attach_sender(queue + "-other", 2)
        peer.put(b"b", handle=2, first=1)
        peer.send("detach", handle=1, closed=True)
        peer.expect("detach")
        peer.attach_receiver(queue, 1)
        peer.credit(5, 1, incoming_window=9)
        assert peer.receive()[1].body == b"a"

    def test_ours_is_widened_before_it_is_used_up(self, ready: AmqpPeer, queue: str) -> None:
        ready.attach_sender(queue, 0)
        for number in range(8):
            for part in range(600):
                ready.transfer(number if part == 0 else None, b"", more=True)
            ready.transfer(None, data_section(b"x"))
        seen = set()
        accepted = 0
        while accepted < 8:
            heard = ready.next_frame()
            seen.add(heard.name)
            if heard.name == "disposition":
                last = heard["last"] if heard["last"] is not None else heard["first"]
                assert isinstance(last, int)
                accepted = last + 1
        assert "flow" in seen

    def test_echo_is_answered(self, ready: AmqpPeer) -> None:
        """§2.7.4"""
        ready.ping()

    def test_a_flow_without_a_window_is_refused(self, ready: AmqpPeer) -> None:
        """§2.7.4"""
        ready.send("flow", next_outgoing_id=0, outgoing_window=1)
        ready.expect_close("amqp:decode-error")
