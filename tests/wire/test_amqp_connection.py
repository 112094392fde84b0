"""Protocol headers, SASL, open, close, idle time-outs (part 2 §2.2–2.4, part 5 §5.3)."""

import time
from contextlib import ExitStack
from typing import ClassVar

import pytest

from tests.support.amqp_bytes import AMQP_HEADER, SASL_HEADER, composite, frame
from tests.support.amqp_peer import AmqpPeer, ready_peer
from tests.support.broker_process import BrokerProcess
from tests.support.socket_peer import PeerClosed

OPEN = frame(composite("open", container_id="peer"))
BEGIN = frame(composite("begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9))


class TestHeaders:
    """§2.2"""

    def test_the_same_header_comes_back(self, peer: AmqpPeer) -> None:
        peer.send_bytes(AMQP_HEADER)
        assert peer.take(8) == AMQP_HEADER

    def test_a_header_may_come_byte_by_byte(self, peer: AmqpPeer) -> None:
        for byte in AMQP_HEADER + OPEN:
            peer.send_bytes(bytes([byte]))
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")

    @pytest.mark.parametrize(
        "wrong",
        [
            b"AMQP\x00\x00\x09\x01",  # AMQP 0-9-1, as older RabbitMQ clients say
            b"AMQP\x00\x02\x00\x00",
            b"AMQP\x00\x01\x01\x00",
            b"AMQP\x02\x01\x00\x00",  # the TLS layer of §5.2, which we have as a port
            b"AMQP\x07\x01\x00\x00",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
            b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00",
            b"\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\n",
            b"AMQX",
        ],
        ids=lambda data: repr(data[:8]),
    )
    def test_another_one_is_answered_with_ours_and_the_end(
        self, peer: AmqpPeer, wrong: bytes
    ) -> None:
        peer.send_bytes(wrong)
        assert peer.take(8) == AMQP_HEADER
        peer.expect_end()

    def test_header_open_begin_may_be_pipelined(self, peer: AmqpPeer) -> None:
        """§2.4.1"""
        peer.send_bytes(AMQP_HEADER + OPEN + BEGIN)
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        peer.expect("begin", remote_channel=0)

    def test_close_may_be_pipelined_too(self, peer: AmqpPeer) -> None:
        """§2.4.1"""
        peer.send_bytes(AMQP_HEADER + OPEN + frame(composite("close")))
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        peer.expect("close", error=None)
        peer.expect_end()


class TestSasl:
    """§5.3"""

    @pytest.mark.parametrize(
        ("mechanism", "response"),
        [
            ("ANONYMOUS", None),
            ("ANONYMOUS", b"trace@example.org"),
            ("MSSBCBS", None),
            ("PLAIN", b"\0any\0body"),
        ],
    )
    def test_dev_lets_in(self, peer: AmqpPeer, mechanism: str, response: bytes | None) -> None:
        """§5.3.3.6"""
        assert peer.sasl(mechanism, response) == 0
        peer.open()

    def test_mechanisms_are_offered_at_once(self, peer: AmqpPeer) -> None:
        """§5.3.2"""
        peer.send_bytes(SASL_HEADER)
        assert peer.take(8) == SASL_HEADER
        offered = peer.expect("sasl-mechanisms")["sasl-server-mechanisms"]
        assert isinstance(offered, list)
        assert {"ANONYMOUS", "PLAIN", "MSSBCBS"} <= set(offered)

    def test_everything_may_be_pipelined(self, peer: AmqpPeer) -> None:
        """§5.3.2, §2.4.1"""
        init = frame(composite("sasl-init", mechanism="ANONYMOUS"), kind=1)
        peer.send_bytes(SASL_HEADER + init + AMQP_HEADER + OPEN + BEGIN)
        assert peer.take(8) == SASL_HEADER
        peer.expect("sasl-mechanisms")
        peer.expect("sasl-outcome", code=0)
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        peer.expect("begin")

    def test_an_unknown_mechanism_is_refused(self, peer: AmqpPeer) -> None:
        """§5.3.3.6"""
        assert peer.sasl("KERBEROS") != 0
        peer.expect_end()

    def test_a_second_init_ends_it(self, peer: AmqpPeer) -> None:
        """§5.3.2"""
        init = frame(composite("sasl-init", mechanism="ANONYMOUS"), kind=1)
        peer.send_bytes(SASL_HEADER + init + init)
        assert peer.take(8) == SASL_HEADER
        peer.expect("sasl-mechanisms")
        with pytest.raises(PeerClosed):
            peer.take(1000)

    def test_an_amqp_frame_in_the_sasl_layer_ends_it(self, peer: AmqpPeer) -> None:
        """§5.3.1"""
        peer.send_bytes(SASL_HEADER + OPEN)
        assert peer.take(8) == SASL_HEADER
        peer.expect("sasl-mechanisms")
        peer.expect_end()

    def test_a_response_before_the_init_ends_it(self, peer: AmqpPeer) -> None:
        """§5.3.2"""
        response = frame(composite("sasl-response", response=b"x"), kind=1)
        peer.send_bytes(SASL_HEADER + response)
        assert peer.take(8) == SASL_HEADER
        peer.expect("sasl-mechanisms")
        peer.expect_end()

    def test_a_sasl_header_twice_ends_it(self, peer: AmqpPeer) -> None:
        """§5.3.2"""
        assert peer.sasl("ANONYMOUS") == 0
        peer.send_bytes(SASL_HEADER)
        assert peer.take(8) == AMQP_HEADER
        peer.expect_end()

    def test_a_huge_sasl_frame_ends_it_before_it_has_come(self, peer: AmqpPeer) -> None:
        """§5.3.1"""
        peer.send_bytes(SASL_HEADER + b"\x00\x10\x00\x00\x02\x01\x00\x00")
        assert peer.take(8) == SASL_HEADER
        peer.expect("sasl-mechanisms")
        peer.expect_end()


class TestOpen:
    """§2.4, §2.7.1"""

    def test_ours_says_what_we_bear(self, peer: AmqpPeer) -> None:
        heard = peer.open()
        assert isinstance(heard["container-id"], str)
        assert heard["container-id"]
        assert heard["max-frame-size"] == 65536
        assert heard["channel-max"] == 255
        assert heard["idle-time-out"] == 120_000

    def test_it_is_written_with_all_its_fields(self, peer: AmqpPeer) -> None:
        """Some clients index into the list without looking at its length."""
        assert peer.open().performative.count == 10
        assert peer.begin().performative.count == 8

    @pytest.mark.parametrize(
        "given",
        [
            {"hostname": "broker.example"},
            {"idle_time_out": 60_000},
            {"max_frame_size": 512},
            {"channel_max": 0},
            {"desired_capabilities": ["sole-connection-for-container", "x"]},
            {"desired_capabilities": "one"},
            {"offered_capabilities": []},
            {"incoming_locales": "en-US", "outgoing_locales": ["en-US", "de-DE"]},
            {"properties": {"product": "peer", "nested": {"a": [1, 2]}}},
            {"max_frame_size": 0xFFFFFFFF, "channel_max": 0xFFFF},
        ],
        ids=lambda given: next(iter(given)) if isinstance(given, dict) else None,
    )
    def test_what_a_peer_may_say(self, peer: AmqpPeer, given: dict[str, object]) -> None:
        peer.open(**given)
        peer.begin()

    def test_frames_are_no_larger_than_the_peer_bears(self, shared: BrokerProcess) -> None:
        """§2.7.1"""
        with AmqpPeer(shared.amqp_port) as peer:
            peer.open(max_frame_size=512)
            peer.begin()
            peer.attach_sender("small-frames", 0)
            peer.transfer(0, b"\x00\x53\x75\xb0\x00\x00\x0f\xa0" + bytes(4000))
            peer.hear_accepted(0, 0)
            peer.attach_receiver("small-frames", 1, credit=1)
            sizes = []
            while True:
                heard = peer.expect("transfer")
                sizes.append(len(heard.payload))
                if not heard["more"]:
                    break
            assert max(sizes) <= 512 - 8
            assert sum(sizes) > 4000

    def test_a_frame_size_below_512_is_refused(self, peer: AmqpPeer) -> None:
        """§2.7.1"""
        peer.send_bytes(
            AMQP_HEADER + frame(composite("open", container_id="x", max_frame_size=511))
        )
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        assert "511" in peer.expect_close("amqp:invalid-field")

    def test_without_a_container_id_is_refused(self, peer: AmqpPeer) -> None:
        """§2.7.1"""
        peer.send_bytes(AMQP_HEADER + frame(composite("open", hostname="x")))
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        assert "container-id" in peer.expect_close("amqp:decode-error")

    def test_twice_is_refused(self, peer: AmqpPeer) -> None:
        """§2.4.6"""
        peer.open()
        peer.send_bytes(OPEN)
        peer.expect_close("amqp:illegal-state")

    def test_a_begin_before_it_is_refused(self, peer: AmqpPeer) -> None:
        """§2.4.6"""
        peer.send_bytes(AMQP_HEADER + BEGIN)
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        peer.expect_close("amqp:illegal-state")

    def test_a_transfer_before_it_is_refused(self, peer: AmqpPeer) -> None:
        """§2.4.6"""
        peer.send_bytes(AMQP_HEADER)
        peer.transfer(0, b"")
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")
        peer.expect_close("amqp:illegal-state")

    def test_empty_frames_are_welcome(self, peer: AmqpPeer) -> None:
        """§2.4.5"""
        peer.open()
        peer.send_bytes(frame(b"") * 3)
        peer.begin()

    def test_an_extended_header_is_passed_over(self, peer: AmqpPeer) -> None:
        """§2.3.1"""
        peer.send_bytes(AMQP_HEADER)
        peer.send_bytes(frame(composite("open", container_id="x"), extended=bytes(8)))
        assert peer.take(8) == AMQP_HEADER
        peer.expect("open")


class TestClose:
    """§2.4.3, §2.4.5, §2.7.9"""

    def test_is_answered_and_ends(self, peer: AmqpPeer) -> None:
        peer.open()
        peer.send("close")
        peer.expect("close", error=None)
        peer.expect_end()

    def test_with_an_error_is_answered_too(self, peer: AmqpPeer) -> None:
        peer.open()
        peer.send("close", error=composite("error", condition="amqp:internal-error"))
        peer.expect("close", error=None)
        peer.expect_end()

    def test_without_it_the_others_notice_nothing(
        self, shared: BrokerProcess, ready: AmqpPeer
    ) -> None:
        with AmqpPeer(shared.amqp_port) as rude:
            rude.open()
        ready.ping()

    def test_a_heartbeat_comes_within_the_time_that_the_peer_bears(
        self, peer: AmqpPeer
    ) -> None:
        """§2.4.5"""
        peer.open(idle_time_out=300)
        began = time.monotonic()
        assert peer.take(8) == frame(b"")
        assert peer.take(8) == frame(b"")
        assert time.monotonic() - began >= 0.1


class TestOneTooMany:
    """§2.4.3, design: connections have a limit, and who is beyond it is told so."""

    MOST: ClassVar = {"PEEKLOCK_CONNECTIONS_MAX": "2"}

    def test_is_told_whatever_it_has_pipelined(self) -> None:
        with BrokerProcess(env=self.MOST) as broker, ready_peer(broker.amqp_port) as first:
            with ready_peer(broker.amqp_port), AmqpPeer(broker.amqp_port) as third:
                third.send_bytes(AMQP_HEADER + OPEN + BEGIN)
                assert third.take(8) == AMQP_HEADER
                third.expect("open")
                words = third.expect_close("amqp:resource-limit-exceeded")
                assert words == "there are 2 connections already; allowed are 2"
                first.ping()
            first.ping()
            with ready_peer(broker.amqp_port) as next_one:
                next_one.ping()

    def test_a_hundred_of_them_are_cut_off_without_a_word(self) -> None:
        with BrokerProcess(env=self.MOST) as broker, ExitStack() as stack:
            ready = [stack.enter_context(ready_peer(broker.amqp_port)) for _ in range(2)]
            for _ in range(100):
                stack.enter_context(AmqpPeer(broker.amqp_port))
            ready[0].ping()
            last = stack.enter_context(AmqpPeer(broker.amqp_port))
            with pytest.raises(PeerClosed):
                last.take(1)
            ready[1].ping()
