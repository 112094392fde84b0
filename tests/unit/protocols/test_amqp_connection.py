"""The AMQP engine by itself: time, its own close, bounds, numbers that wrap, both roles."""

import pytest

from peeklock.limits import AMQP_CLOSE_TIMEOUT, AMQP_OPEN_TIMEOUT
from peeklock.protocols.amqp10.connection import Connection
from peeklock.protocols.amqp10.events import (
    AttachReceived,
    ConnectionClosed,
    DeliverySettled,
    LinkDetached,
    MessageReceived,
    OutcomeReceived,
    SaslFailed,
    SaslInitReceived,
    SenderFlowed,
    SessionEnded,
    SessionOpened,
)
from peeklock.protocols.amqp10.exchange import ConnectionSettings
from peeklock.protocols.amqp10.link import ReceiverLink, SenderLink
from peeklock.protocols.amqp10.outcomes import ACCEPTED, RELEASED, AmqpError
from peeklock.protocols.amqp10.sasl_layer import SaslClient, SaslServer
from peeklock.protocols.amqp10.session import Session
from peeklock.protocols.amqp10.terminus import Source, Target
from peeklock.types import NO_TIMEOUT, ElapsedMs
from tests.support import amqp_bytes as wire
from tests.support.amqp_pair import NOW, Pair

EMPTY_FRAME = wire.frame(b"")
OPEN = wire.frame(wire.composite("open", container_id="peer"))
BEGIN = wire.frame(
    wire.composite("begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9)
)
CLOSE = wire.frame(wire.composite("close"))
ATTACH = wire.frame(
    wire.composite(
        "attach", name="s", handle=0, role=False, source=wire.composite("source"),
        target=wire.composite("target", address="q"), initial_delivery_count=0,
    )
)  # fmt: skip


def later(by: int) -> ElapsedMs:
    return ElapsedMs(NOW + by)


def transfer(number: int) -> bytes:
    fields = wire.composite("transfer", handle=0, delivery_id=number, delivery_tag=b"t")
    return wire.frame(fields + wire.data_section(b"x"))


def opened(peer_open: bytes = OPEN, **given: object) -> Connection:
    """A server whose peer has opened; what it said so far is taken."""
    settings = ConnectionSettings("s", **given)  # type: ignore[arg-type]  # the class checks
    server = Connection.server(settings, NOW)
    server.receive_data(wire.AMQP_HEADER + peer_open, NOW)
    server.data_to_send()
    return server


def frames(data: bytes) -> list[wire.Composite]:
    """The performatives in these bytes."""
    found: list[wire.Composite] = []
    while data:
        size = int.from_bytes(data[:4], "big")
        performative, _at = wire.decode(data[8:size])
        assert isinstance(performative, wire.Composite)
        found.append(performative)
        data = data[size:]
    return found


def error_of(event: ConnectionClosed | SessionEnded | LinkDetached) -> str:
    assert event.error is not None
    return event.error.condition


class TestTime:
    """§2.4.5"""

    def test_a_silent_peer_is_closed_after_twice_the_announced_time(self) -> None:
        server = opened(idle_time_out_ms=60_000)
        assert server.next_deadline() == later(120_000)
        assert server.tick(later(119_999)) == []
        (closed,) = server.tick(later(120_000))
        assert isinstance(closed, ConnectionClosed)
        assert error_of(closed) == "amqp:resource-limit-exceeded"
        (close,) = frames(server.data_to_send())
        assert close.name == "close"
        assert server.closed

    def test_an_empty_frame_is_a_sign_of_life(self) -> None:
        server = opened(idle_time_out_ms=60_000)
        server.receive_data(EMPTY_FRAME, later(100_000))
        assert server.tick(later(150_000)) == []
        assert server.next_deadline() == later(220_000)

    def test_we_bear_any_silence_where_we_announce_nothing(self) -> None:
        server = opened()
        assert server.next_deadline() == NO_TIMEOUT
        assert server.tick(later(10**9)) == []

    def test_we_are_never_silent_for_as_long_as_the_peer_announces(self) -> None:
        server = opened(wire.frame(wire.composite("open", container_id="p", idle_time_out=900)))
        silent_since = NOW
        for moment in range(0, 10_000, 10):
            server.tick(later(moment))
            if server.data_to_send():
                silent_since = later(moment)
            assert later(moment) - silent_since <= 600
            if moment % 700 == 0:  # now and then there is something else to say
                server.receive_data(BEGIN + wire.frame(wire.composite("end")), later(moment))

    def test_the_heartbeat_is_spared_where_something_else_was_said(self) -> None:
        server = opened(wire.frame(wire.composite("open", container_id="p", idle_time_out=900)))
        server.tick(later(300))
        server.data_to_send()
        server.receive_data(BEGIN, later(400))
        server.data_to_send()
        server.tick(later(600))
        assert server.data_to_send() == b""
        server.tick(later(900))
        assert server.data_to_send() == EMPTY_FRAME

    @pytest.mark.parametrize("time_out", [1, 99])
    def test_a_time_out_that_no_timer_can_keep_is_refused(self, time_out: int) -> None:
        """ "it SHOULD close the connection using a close frame with an error" """
        server = Connection.server(ConnectionSettings("s"), NOW)
        open_ = wire.composite("open", container_id="p", idle_time_out=time_out)
        (closed,) = server.receive_data(wire.AMQP_HEADER + wire.frame(open_), NOW)
        assert isinstance(closed, ConnectionClosed)
        assert error_of(closed) == "amqp:not-allowed"

    def test_zero_is_no_time_out(self) -> None:
        """§2.4.5: "A value of zero is the same as if it was not set"."""
        opening = wire.composite("open", container_id="p", idle_time_out=0)
        assert opened(wire.frame(opening)).next_deadline() == NO_TIMEOUT

    def test_who_does_not_open_in_time_is_left(self) -> None:
        server = Connection.server(ConnectionSettings("s"), NOW)
        server.receive_data(wire.AMQP_HEADER, NOW)
        assert server.next_deadline() == later(AMQP_OPEN_TIMEOUT)
        (closed,) = server.tick(later(AMQP_OPEN_TIMEOUT))
        assert isinstance(closed, ConnectionClosed)
        assert server.closed

    def test_who_does_not_close_in_time_is_left(self) -> None:
        server = opened()
        server.close()
        assert not server.closed
        server.tick(later(AMQP_CLOSE_TIMEOUT))
        assert server.closed


class TestClose:
    """§2.4.3, §2.4.6"""

    def test_nothing_follows_our_close(self) -> None:
        """Answers that become due later are not for this connection any more."""
        server = opened()
        events = server.receive_data(BEGIN + ATTACH, NOW)
        (link,) = [e.link for e in events if isinstance(e, AttachReceived)]
        assert isinstance(link, ReceiverLink)
        link.accept(source=link.source, target=link.target)
        server.receive_data(transfer(0) + transfer(1), NOW)
        link.settle(0, ACCEPTED)
        server.close(AmqpError("amqp:connection:forced"))
        link.settle(1, ACCEPTED)
        link.grant(5)
        server.tick(later(10))
        names = [one.name for one in frames(server.data_to_send())]
        assert names[-2:] == ["disposition", "close"]
        link.settle(1, RELEASED)
        assert server.data_to_send() == b""

    def test_what_comes_behind_our_close_is_passed_over(self) -> None:
        server = opened()
        events = server.receive_data(BEGIN + ATTACH, NOW)
        (link,) = [e.link for e in events if isinstance(e, AttachReceived)]
        link.accept(source=link.source, target=link.target)
        server.close()
        assert server.receive_data(transfer(0) + BEGIN, NOW) == []
        assert not server.closed
        events = server.receive_data(CLOSE, NOW)
        assert isinstance(events[-1], ConnectionClosed)
        assert server.closed

    def test_wrong_frames_behind_the_first_do_not_hide_the_close(self) -> None:
        server = opened()
        wrong = wire.frame(b"\x40")
        (closed,) = server.receive_data(wrong * 50 + CLOSE, NOW)
        assert isinstance(closed, ConnectionClosed)
        assert server.closed
        assert [one.name for one in frames(server.data_to_send())] == ["close"]

    def test_the_end_of_the_bytes_is_told_once(self) -> None:
        server = opened()
        assert [type(e) for e in server.receive_eof(NOW)] == [ConnectionClosed]
        assert server.receive_eof(NOW) == []


class TestLimits:
    """Of credit, which a server may enforce (the broker does not: a much-used client grants
    itself some), and of what is kept."""

    def test_a_delivery_beyond_the_credit(self) -> None:
        """§2.8.18 transfer-limit-exceeded: the link ends"""
        server = opened(enforce_credit=True)
        events = server.receive_data(BEGIN + ATTACH, NOW)
        (link,) = [e.link for e in events if isinstance(e, AttachReceived)]
        assert isinstance(link, ReceiverLink)
        link.accept(source=link.source, target=link.target)
        link.grant(1)
        events = server.receive_data(transfer(0) + transfer(1), NOW)
        assert [type(e) for e in events] == [MessageReceived, LinkDetached]
        assert isinstance(events[1], LinkDetached)
        assert error_of(events[1]) == "amqp:link:transfer-limit-exceeded"

    def test_unfinished_deliveries_have_a_bound_together(self) -> None:
        """limits: bytes of deliveries whose last transfer has not come"""
        server = opened(partial_bytes_max=1000)
        events = server.receive_data(BEGIN + ATTACH, NOW)
        (link,) = [e.link for e in events if isinstance(e, AttachReceived)]
        link.accept(source=link.source, target=link.target)
        part = wire.composite("transfer", handle=0, delivery_id=0, delivery_tag=b"t", more=True)
        events = []
        for _ in range(10):
            events += server.receive_data(wire.frame(part + bytes(100)), NOW)
        (detached,) = [e for e in events if isinstance(e, LinkDetached)]
        assert error_of(detached) == "amqp:resource-limit-exceeded"
        assert server._exchange.partial_bytes == 0


class TestSessions:
    """§2.5.5: the states of a session"""

    def test_an_answer_to_a_begin_that_we_have_taken_back(self) -> None:
        """END SENT before mapped: the peer's begin does not revive it."""
        client = Connection.client(ConnectionSettings("c"), NOW)
        client.receive_data(wire.AMQP_HEADER + OPEN, NOW)
        session = client.begin()
        session.end()
        answer = wire.composite(
            "begin", remote_channel=0, next_outgoing_id=0, incoming_window=9, outgoing_window=9
        )
        events = client.receive_data(wire.frame(answer, 3), NOW)
        assert not any(isinstance(e, SessionOpened) for e in events)
        client.receive_data(wire.frame(wire.composite("end"), 3), NOW)
        assert client.begin().channel == 0, "its channel is free again"

    def test_what_waits_for_the_window_is_forgotten_with_its_session(self) -> None:
        """Else it would count against the connection for ever."""
        pair = Pair([1000], 4096, 1)
        pair.run()
        session = pair.client.begin()
        pair.run()
        sender = session.attach_sender("s", source=Source(), target=Target(address="q"))
        pair.run()
        session._peer_window = 0
        sender.send(b"t", bytes(3000))
        assert pair.client.backlog_bytes > 3000
        session.end()
        assert pair.client.backlog_bytes == 0


def linked(window: int = 100) -> tuple[Pair, Session, SenderLink]:
    """A client's session with a link on which it sends."""
    pair = Pair([1000], 4096, window)
    pair.run()
    session = pair.client.begin()
    pair.run()
    sender = session.attach_sender("s", source=Source(), target=Target(address="q"))
    pair.run()
    return pair, session, sender


class TestWrapping:
    """§2.8.10: serial numbers of 32 bits"""

    def test_delivery_ids_of_what_we_send(self) -> None:
        pair, session, sender = linked()
        session._next_delivery_id = (1 << 32) - 2
        ids = [sender.send(b"t%d" % n, b"m") for n in range(4)]
        assert ids == [(1 << 32) - 2, (1 << 32) - 1, 0, 1]
        pair.run()
        got = [e for e in pair.server_events if isinstance(e, MessageReceived)]
        assert [e.delivery_id for e in got] == ids
        for event in got:
            event.link.settle(event.delivery_id, ACCEPTED)
        pair.run()
        outcomes = [e for e in pair.client_events if isinstance(e, OutcomeReceived)]
        tags = [tag for event in outcomes for tag in event.tags]
        assert tags == [b"t0", b"t1", b"t2", b"t3"]
        assert session._outgoing == {}

    def test_a_range_over_the_wrap_is_answered(self) -> None:
        """§2.7.6 with rcv-settle-mode second, both ways."""
        pair, session, sender = linked()
        session._next_delivery_id = (1 << 32) - 1
        for number in range(3):
            sender.send(b"t%d" % number, b"m")
        pair.run()
        (first, *_rest) = [e for e in pair.server_events if isinstance(e, MessageReceived)]
        first.link.settle_range((1 << 32) - 1, 1, ACCEPTED, settled=False)
        pair.run()
        for event in [e for e in pair.client_events if isinstance(e, OutcomeReceived)]:
            last = (event.first_delivery_id + len(event.tags) - 1) % (1 << 32)
            sender.settle_range(event.first_delivery_id, last, ACCEPTED)
        pair.run()
        settled = [e for e in pair.server_events if isinstance(e, DeliverySettled)]
        assert sorted(e.delivery_id for e in settled) == [0, 1, (1 << 32) - 1]
        assert session._outgoing == {}

    def test_transfer_ids_and_windows(self) -> None:
        """§2.5.6: next-outgoing-id and next-incoming-id wrap, and the window goes on."""
        pair = Pair([1000], 512, 3)
        pair.run()
        session = pair.client.begin()
        session._next_outgoing_id = (1 << 32) - 4
        pair.client.data_to_send()  # the begin said 0: say it anew
        session.write_begin(None)
        pair.run()
        sender = session.attach_sender("s", source=Source(), target=Target(address="q"))
        pair.run()
        sender.send(b"t", bytes(5000))
        pair.run()
        (got,) = [e for e in pair.server_events if isinstance(e, MessageReceived)]
        assert got.payload == bytes(5000)
        assert session._next_outgoing_id < 100

    def test_delivery_counts_of_a_link(self) -> None:
        """§2.6.7: credit is a difference of counts."""
        pair = Pair([1000], 4096, 100)
        pair.run()
        session = pair.client.begin()
        pair.run()
        sender = SenderLink(session, "s", session._free_handle())
        sender.delivery_count = (1 << 32) - 2
        session._ask(sender, Source(), Target(address="q"), 0, 0, None, None)
        pair.run()
        for number in range(12):
            assert sender.credit > 0
            sender.send(b"t", b"m", settled=True)
            pair.run()
            (event,) = [e for e in pair.server_events if isinstance(e, MessageReceived)][
                number:
            ]
            event.link.grant(5)
            pair.run()
        assert sender.delivery_count == 10
        assert event.link.delivery_count == 10


class TestDrain:
    """§2.6.7, from the receiver's end"""

    def test_the_rest_of_the_credit_comes_back(self) -> None:
        pair = Pair([1000], 4096, 100)
        pair.run()
        session = pair.client.begin()
        pair.run()
        receiver = session.attach_receiver("r", source=Source(address="q"), target=Target())
        receiver.grant(5)
        pair.run()
        (outlet,) = [e.link for e in pair.server_events if isinstance(e, AttachReceived)]
        assert isinstance(outlet, SenderLink)
        assert outlet.credit == 5
        outlet.send(b"t", b"m", settled=True)
        receiver.drain()
        pair.run()
        assert outlet.draining
        outlet.available = 0
        outlet.drained()
        pair.run()
        (flowed,) = [e for e in pair.client_events if isinstance(e, SenderFlowed)]
        assert (flowed.credit, flowed.forfeited, flowed.available) == (0, 4, 0)
        assert receiver.delivery_count == outlet.delivery_count == 5
        receiver.grant(1)
        pair.run()
        assert not outlet.draining
        assert outlet.credit == 1


class TestSaslClient:
    """§5.3.3.1: a client takes what it prefers of what is offered."""

    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [(("EXTERNAL", "PLAIN"), "EXTERNAL"), (("PLAIN", "ANONYMOUS"), "ANONYMOUS")],
    )
    def test_it_chooses(self, offered: tuple[str, ...], chosen: str) -> None:
        wanted = SaslClient("EXTERNAL", b"", SaslClient("ANONYMOUS", b""))
        client = Connection.client(ConnectionSettings("c"), NOW, wanted)
        server = Connection.server(ConnectionSettings("s"), NOW, SaslServer(offered))
        server.receive_data(client.data_to_send(), NOW)
        client.receive_data(server.data_to_send(), NOW)
        (init,) = server.receive_data(client.data_to_send(), NOW)
        assert isinstance(init, SaslInitReceived)
        assert init.mechanism == chosen

    def test_it_fails_where_it_likes_nothing(self) -> None:
        client = Connection.client(ConnectionSettings("c"), NOW, SaslClient("ANONYMOUS"))
        server = Connection.server(ConnectionSettings("s"), NOW, SaslServer(("PLAIN",)))
        server.receive_data(client.data_to_send(), NOW)
        events = client.receive_data(server.data_to_send(), NOW)
        assert isinstance(events[0], SaslFailed)
        assert client.closed
