"""The MQTT engine by itself: time, closing, wills, bounds, sessions that go on, late words."""

import pytest

from peeklock.limits import MQTT_CONNECT_TIMEOUT, MQTT_PING_TIMEOUT
from peeklock.protocols.mqtt.acceptance import Acceptance
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connack, Connect, Will
from peeklock.protocols.mqtt.connection import FOREVER, Connection
from peeklock.protocols.mqtt.events import (
    Connected,
    ConnectionClosed,
    ConnectReceived,
    ConnectRefused,
    Event,
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
    PublishReleased,
    SubackReceived,
    SubscribeReceived,
)
from peeklock.protocols.mqtt.message_flow import NO_QUOTA, NOT_OFFERED, TOO_LARGE
from peeklock.protocols.mqtt.packets import Disconnect, encode_packet
from peeklock.protocols.mqtt.properties import (
    ASSIGNED_CLIENT_IDENTIFIER,
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    REQUEST_RESPONSE_INFORMATION,
    RESPONSE_INFORMATION,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    SERVER_REFERENCE,
    SESSION_EXPIRY_INTERVAL,
    TOPIC_ALIAS_MAXIMUM,
    USER_PROPERTY,
    Properties,
)
from peeklock.protocols.mqtt.publish import EncodedPublish, Publish
from peeklock.protocols.mqtt.reason_codes import (
    BAD_USER_NAME_OR_PASSWORD,
    DISCONNECT_WITH_WILL,
    KEEP_ALIVE_TIMEOUT,
    NOT_AUTHORIZED,
    PAYLOAD_FORMAT_INVALID,
    QUOTA_EXCEEDED,
    SERVER_MOVED,
    SESSION_TAKEN_OVER,
    SUCCESS,
    USE_ANOTHER_SERVER,
)
from peeklock.protocols.mqtt.settings import ConnectionSettings
from peeklock.protocols.mqtt.subscribe import FilterRequest
from peeklock.types import NO_TIMEOUT, ElapsedMs
from tests.support.mqtt_pair import NOW, ORDINARY, Pair

BOTH = pytest.mark.parametrize("version", [MQTT_3_1_1, MQTT_5_0])
OWNER_ANSWERS = ConnectionSettings(answers_by_itself=False)


def after(milliseconds: int) -> ElapsedMs:
    return ElapsedMs(NOW + milliseconds)


def opened(connect: Connect, settings: ConnectionSettings = ORDINARY) -> Connection:
    """A server's connection that let this client in."""
    one = Connection.server(settings, NOW)
    one.receive_data(encode_packet(connect, is_v5=connect.version == MQTT_5_0), NOW)
    one.accept(Acceptance(), NOW)
    one.data_to_send()
    return one


def closing(events: list[Event]) -> ConnectionClosed:
    (event,) = [event for event in events if isinstance(event, ConnectionClosed)]
    assert events[-1] is event
    return event


class TestTime:
    @BOTH
    def test_one_and_a_half_times_the_keep_alive(self, version: int) -> None:
        """[MQTT-3.1.2-22]; in 5.0 the client is told."""
        one = opened(Connect("c", version, keep_alive=10))
        assert one.next_deadline() == after(15_000)
        one.receive_data(b"\xc0", after(9_000))  # half a packet is no packet
        assert one.next_deadline() == after(15_000)
        one.receive_data(b"\x00", after(9_000))
        assert one.next_deadline() == after(24_000)
        one.data_to_send()
        assert one.tick(after(23_999)) == []
        closed = closing(one.tick(after(24_000)))
        assert closed.reason_code == KEEP_ALIVE_TIMEOUT
        number = "MQTT-3.1.2-22" if version == MQTT_5_0 else "MQTT-3.1.2-24"
        assert number in closed.what
        assert (b"\x8d" in one.data_to_send()) == (version == MQTT_5_0)
        assert one.closed
        assert one.next_deadline() == NO_TIMEOUT

    def test_no_keep_alive_no_deadline(self) -> None:
        one = opened(Connect("c", keep_alive=0))
        assert one.next_deadline() == NO_TIMEOUT
        assert one.tick(after(10_000_000)) == []

    def test_the_servers_own_keep_alive_counts(self) -> None:
        """[MQTT-3.1.2-21] [MQTT-3.2.2-21]: where the client asked for more, or for none."""
        for asked in (0, 100):
            ends = ConnectionSettings(keep_alive_max=10)
            pair = Pair(Connect("c", keep_alive=asked), server=ends)
            pair.run()
            assert pair.server.next_deadline() == after(15_000)
            assert pair.client.next_deadline() == after(10_000)

    @BOTH
    def test_a_client_pings_when_it_has_sent_nothing(self, version: int) -> None:
        """[MQTT-3.1.2-20]"""
        pair = Pair(Connect("c", version, keep_alive=10))
        pair.run()
        client = pair.client
        assert client.next_deadline() == after(10_000)
        client.tick(after(4_000))
        client.messages.publish("a", b"")
        assert client.data_to_send()
        assert client.next_deadline() == after(14_000)
        client.tick(after(14_000))
        assert client.data_to_send() == b"\xc0\x00"
        assert client.next_deadline() == min(after(24_000), after(14_000 + MQTT_PING_TIMEOUT))
        client.receive_data(b"\xd0\x00", after(15_000))
        assert client.next_deadline() == after(24_000)

    def test_a_server_that_does_not_answer_is_gone(self) -> None:
        pair = Pair(Connect("c", keep_alive=60))
        pair.run()
        pair.client.tick(after(60_000))
        assert pair.client.data_to_send() == b"\xc0\x00"
        assert pair.client.tick(after(60_000 + MQTT_PING_TIMEOUT - 1)) == []
        closed = closing(pair.client.tick(after(60_000 + MQTT_PING_TIMEOUT)))
        assert closed.reason_code == KEEP_ALIVE_TIMEOUT

    def test_a_server_that_sends_something_is_there(self) -> None:
        pair = Pair(Connect("c", keep_alive=60))
        pair.run()
        pair.client.ping(after(1_000))
        message = encode_packet(Publish("a", b""), is_v5=True)
        pair.client.receive_data(message, after(9_000))
        assert pair.client.next_deadline() == after(9_000 + MQTT_PING_TIMEOUT)

    def test_a_long_decision_is_no_silence_of_the_client(self) -> None:
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(Connect("c", keep_alive=1), is_v5=True), NOW)
        one.accept(Acceptance(), after(20_000))
        assert one.next_deadline() == after(21_500)

    def test_a_login_takes_only_so_long(self) -> None:
        one = Connection.server(ORDINARY, NOW)
        assert one.next_deadline() == after(MQTT_CONNECT_TIMEOUT)
        one.receive_data(b"\x10", after(1))
        assert one.tick(after(MQTT_CONNECT_TIMEOUT - 1)) == []
        assert "in time" in closing(one.tick(after(MQTT_CONNECT_TIMEOUT))).what
        assert one.data_to_send() == b""
        assert one.tick(after(MQTT_CONNECT_TIMEOUT)) == []

    def test_a_client_waits_only_so_long_for_its_connack(self) -> None:
        one = Connection.client(ORDINARY, Connect("c"), NOW)
        closing(one.tick(after(MQTT_CONNECT_TIMEOUT)))


class TestLogin:
    def test_what_the_server_says_of_itself(self) -> None:
        asked = Properties({REQUEST_RESPONSE_INFORMATION: 1})
        acceptance = Acceptance(
            assigned_client_id="mine",
            session_expiry_interval=60,
            response_information="replies/",
            user=(("k", "v"), ("k", "v")),
        )
        ends = ConnectionSettings(maximum_qos=1, retain_available=False, receive_maximum=7)
        pair = Pair(Connect("", properties=asked), server=ends, acceptance=acceptance)
        pair.run()
        (event,) = pair.take(Connected, at_server=False)
        assert isinstance(event, Connected)
        told = event.connack.properties
        assert told.text(ASSIGNED_CLIENT_IDENTIFIER) == pair.client.client_id == "mine"
        assert pair.server.client_id == "mine"
        assert told.number(SESSION_EXPIRY_INTERVAL, 0) == 60
        assert pair.client.session_expiry_interval == pair.server.session_expiry_interval == 60
        assert told.text(RESPONSE_INFORMATION) == "replies/"
        assert told.user == (("k", "v"), ("k", "v"))
        assert told.number(RECEIVE_MAXIMUM, 0) == 7 == pair.client.messages.quota
        assert not told.has(SERVER_KEEP_ALIVE)
        assert pair.client.messages.publish("a", b"", 2) == NOT_OFFERED
        assert pair.client.messages.publish("a", b"", 0, True) == NOT_OFFERED
        assert pair.client.messages.publish("a", b"", 1) > 0

    def test_response_information_is_for_those_who_asked(self) -> None:
        """[MQTT-3.1.2-28]"""
        pair = Pair(acceptance=Acceptance(response_information="replies/"))
        pair.run()
        (event,) = pair.take(Connected, at_server=False)
        assert isinstance(event, Connected)
        assert not event.connack.properties.has(RESPONSE_INFORMATION)

    def test_a_client_says_what_it_takes(self) -> None:
        ends = ConnectionSettings(
            packet_bytes_max=500, receive_maximum=3, topic_alias_maximum=2
        )
        mine = Properties({SESSION_EXPIRY_INTERVAL: 9}, (("k", "v"),))
        pair = Pair(Connect("c", properties=mine), client=ends)
        pair.run()
        (event,) = pair.take(ConnectReceived, at_server=True)
        assert isinstance(event, ConnectReceived)
        told = event.connect.properties
        assert told.values == {
            MAXIMUM_PACKET_SIZE: 500,
            RECEIVE_MAXIMUM: 3,
            TOPIC_ALIAS_MAXIMUM: 2,
            SESSION_EXPIRY_INTERVAL: 9,
        }
        assert told.user == (("k", "v"),)
        assert pair.server.messages.quota == 3
        assert pair.server.messages.publish("a", bytes(500)) == TOO_LARGE

    @BOTH
    def test_how_long_a_session_lasts(self, version: int) -> None:
        """In 3.1.1 it ends with the connection, or never (§3.1.2.4)."""
        kept = 0 if version == MQTT_5_0 else FOREVER
        assert opened(Connect("c", version)).session_expiry_interval == 0
        one = opened(Connect("c", version, clean_start=False))
        assert one.session_expiry_interval == kept

    @pytest.mark.parametrize(
        ("code", "v3"), [(BAD_USER_NAME_OR_PASSWORD, 4), (NOT_AUTHORIZED, 5), (0x89, 3)]
    )
    def test_a_refusal(self, code: int, v3: int) -> None:
        """[MQTT-3.2.2-7]: and then the connection is closed."""
        for version in (MQTT_3_1_1, MQTT_5_0):
            client = Connection.client(ORDINARY, Connect("c", version), NOW)
            server = Connection.server(ORDINARY, NOW)
            server.receive_data(client.data_to_send(), NOW)
            server.refuse(code, "go away")
            assert server.closed
            closing(server.take_events())
            answer = server.data_to_send()
            assert answer[3] == (code if version == MQTT_5_0 else v3)
            refused, closed = client.receive_data(answer, NOW)
            assert isinstance(refused, ConnectRefused)
            assert isinstance(closed, ConnectionClosed)
            assert client.closed

    def test_a_refusal_that_3_1_1_has_no_words_for(self) -> None:
        """[MQTT-3.2.2-6 of 3.1.1]: closed without a CONNACK."""
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(Connect("c", MQTT_3_1_1), is_v5=False), NOW)
        one.refuse(USE_ANOTHER_SERVER, server_reference="b")
        assert one.closed
        assert one.data_to_send() == b""

    def test_another_server(self) -> None:
        pair = Pair()
        out = pair.client.data_to_send()
        pair.server.receive_data(out, NOW)
        pair.server.refuse(SERVER_MOVED, server_reference="b:1883", user=(("k", "v"),))
        refused, _closed = pair.client.receive_data(pair.server.data_to_send(), NOW)
        assert isinstance(refused, ConnectRefused)
        assert refused.connack.properties.text(SERVER_REFERENCE) == "b:1883"
        assert refused.connack.properties.user == (("k", "v"),)

    def test_too_much_ahead_of_the_decision(self) -> None:
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(Connect("c"), is_v5=True), NOW)
        piece = encode_packet(Publish("t", bytes(60_000)), is_v5=True)
        events: list[Event] = []
        while not one.closed:
            events += one.receive_data(piece, NOW)
            assert one.held_bytes <= ORDINARY.unread_bytes_max
        assert closing(events).reason_code == QUOTA_EXCEEDED
        assert one.held_bytes == 0

    def test_what_came_ahead_in_pieces_is_dealt_with(self) -> None:
        one = Connection.server(ORDINARY, NOW)
        connect = encode_packet(Connect("c"), is_v5=True)
        ahead = encode_packet(Publish("t", b"x" * 300), is_v5=True)
        stream = connect + ahead + ahead
        one.receive_data(stream[: len(connect) + 100], NOW)
        for at in range(len(connect) + 100, len(stream) - 10, 7):
            assert one.receive_data(stream[at : min(at + 7, len(stream) - 10)], NOW) == []
        one.accept(Acceptance(), NOW)
        assert len(one.take_events()) == 1
        assert len(one.receive_data(stream[-10:], NOW)) == 1

    def test_a_client_that_takes_no_connack(self) -> None:
        tiny = Connect("c", properties=Properties({MAXIMUM_PACKET_SIZE: 5}))
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(tiny, is_v5=True), NOW)
        one.accept(Acceptance(), NOW)
        closing(one.take_events())
        assert one.data_to_send() == b""

    def test_a_login_by_steps_is_done_in_time(self) -> None:
        """§4.12: whoever answers one challenge after the other has no more of it."""
        asked = Properties({AUTHENTICATION_METHOD: "SCRAM-SHA-256"})
        client = Connection.client(ORDINARY, Connect("c", properties=asked), NOW)
        server = Connection.server(ORDINARY, NOW)
        server.receive_data(client.data_to_send(), NOW)
        for quarter in (1, 2, 3):
            now = after(quarter * MQTT_CONNECT_TIMEOUT // 4)
            assert server.tick(now) == []
            server.authenticate(0x18)
            client.receive_data(server.data_to_send(), now)
            client.authenticate(0x18)
            server.receive_data(client.data_to_send(), now)
        assert "in time" in closing(server.tick(after(MQTT_CONNECT_TIMEOUT))).what

    def test_login_by_steps_carries_its_data(self) -> None:
        """§4.12: the last ones come with the CONNACK [MQTT-4.12.0-5]."""
        asked = Properties({AUTHENTICATION_METHOD: "SCRAM-SHA-256", AUTHENTICATION_DATA: b"1"})
        client = Connection.client(ORDINARY, Connect("c", properties=asked), NOW)
        server = Connection.server(ORDINARY, NOW)
        server.receive_data(client.data_to_send(), NOW)
        server.authenticate(0x18, b"2", "go on")
        assert len(client.receive_data(server.data_to_send(), NOW)) == 1
        client.authenticate(0x18, b"3")
        assert len(server.receive_data(client.data_to_send(), NOW)) == 1
        server.accept(Acceptance(authentication_data=b"4"), NOW)
        (event,) = client.receive_data(server.data_to_send(), NOW)
        assert isinstance(event, Connected)
        assert event.connack.properties.binary(AUTHENTICATION_DATA) == b"4"
        assert event.connack.properties.text(AUTHENTICATION_METHOD) == "SCRAM-SHA-256"


class TestEnding:
    WILL = Will("gone", b"")

    @BOTH
    @pytest.mark.parametrize(
        ("ending", "is_due"), [("disconnect", False), ("eof", True), ("violation", True)]
    )
    def test_whether_the_will_is_due(self, version: int, ending: str, is_due: bool) -> None:
        """[MQTT-3.1.2-8] [MQTT-3.14.4-3]"""
        one = opened(Connect("c", version, will=self.WILL))
        if ending == "disconnect":
            events = one.receive_data(b"\xe0\x00", NOW)
        elif ending == "eof":
            events = one.receive_eof(NOW)
        else:
            events = one.receive_data(b"\x00\x00", NOW)
        assert closing(events).is_will_due is is_due

    def test_disconnect_with_will(self) -> None:
        one = opened(Connect("c", will=self.WILL))
        data = encode_packet(Disconnect(DISCONNECT_WITH_WILL), is_v5=True)
        closed = closing(one.receive_data(data, NOW))
        assert closed.is_will_due
        assert closed.disconnect is not None
        assert closed.reason_code == DISCONNECT_WITH_WILL

    def test_no_will_of_a_client_that_was_not_let_in(self) -> None:
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(Connect("c", will=self.WILL), is_v5=True), NOW)
        assert not closing(one.receive_eof(NOW)).is_will_due

    @BOTH
    def test_a_server_that_takes_a_session_over(self, version: int) -> None:
        """[MQTT-3.1.4-3]; in 3.1.1 there is nothing to say it with."""
        one = opened(Connect("c", version, will=self.WILL))
        one.disconnect(SESSION_TAKEN_OVER, "you are there twice", user=(("k", "v"),))
        assert closing(one.take_events()).is_will_due
        assert one.closed
        assert (b"twice" in one.data_to_send()) == (version == MQTT_5_0)

    @BOTH
    def test_a_client_leaves(self, version: int) -> None:
        pair = Pair(Connect("c", version))
        pair.run()
        pair.client.disconnect()
        assert pair.client.data_to_send() == b"\xe0\x00"
        assert pair.client.closed
        assert closing(pair.client.take_events()).reason_code == SUCCESS

    def test_a_client_changes_how_long_its_session_lasts(self) -> None:
        """§3.14.2.2.2"""
        pair = Pair(Connect("c", properties=Properties({SESSION_EXPIRY_INTERVAL: 5})))
        pair.run()
        pair.client.disconnect(session_expiry_interval=60)
        pair.run()
        assert pair.server.session_expiry_interval == 60
        (event,) = pair.take(ConnectionClosed, at_server=True)
        assert isinstance(event, ConnectionClosed)
        assert event.reason_code == SUCCESS

    def test_what_is_said_after_the_end_goes_nowhere(self) -> None:
        """[MQTT-3.14.4-1]; an owner need not know at once that a connection has closed."""
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(Connect("c"), is_v5=True), NOW)
        one.receive_eof(NOW)
        one.accept(Acceptance(), NOW)
        one.refuse(NOT_AUTHORIZED)
        one.authenticate(0x18)
        one.disconnect()
        assert one.take_events() == []
        assert one.data_to_send() == b""
        other = opened(Connect("c"))
        other.receive_data(encode_packet(Publish("t", b"", 1, packet_id=1), is_v5=True), NOW)
        other.receive_eof(NOW)
        other.messages.acknowledge(1)
        other.messages.publish("t", b"")
        assert other.receive_data(b"\xc0\x00", NOW) == []
        assert other.data_to_send() == b""

    def test_it_is_told_once(self) -> None:
        one = opened(Connect("c"))
        closing(one.receive_data(b"\x00\x00", NOW))
        assert one.receive_eof(NOW) == []


class TestMessages:
    def test_none_before_the_connack(self) -> None:
        """[MQTT-3.2.0-1]: an owner's mistake is its own."""
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(Connect("c"), is_v5=True), NOW)
        with pytest.raises(AssertionError):
            one.messages.publish("a", b"")

    def test_the_owner_may_hold_pubrel_and_pubcomp_back(self) -> None:
        """Until what they promise is durable [MQTT-4.3.3-4] [MQTT-4.3.3-11]."""
        pair = Pair(client=OWNER_ANSWERS, server=OWNER_ANSWERS)
        pair.run()
        packet_id = pair.client.messages.publish("a", b"x", 2)
        pair.run()
        assert len(pair.take(PublishRecorded, at_server=False)) == 1
        assert pair.take(PublishReleased, at_server=True) == []
        pair.client.messages.release(packet_id)
        pair.run()
        assert len(pair.take(PublishReleased, at_server=True)) == 1
        assert pair.take(PublishCompleted, at_server=False) == []
        pair.server.messages.complete(packet_id)
        pair.run()
        assert len(pair.take(PublishCompleted, at_server=False)) == 1

    def test_a_message_may_be_refused_with_a_reason(self) -> None:
        pair = Pair(answers=False)
        pair.run()
        for qos in (1, 2):
            packet_id = pair.client.messages.publish("a", b"x", qos)
            pair.run()
            pair.server.messages.acknowledge(
                packet_id, PAYLOAD_FORMAT_INVALID, Properties(user=(("k", "v"),))
            )
            pair.run()
            (event,) = pair.take(PublishAcknowledged, at_server=False)
            assert isinstance(event, PublishAcknowledged)
            assert (event.packet_id, event.reason_code) == (packet_id, PAYLOAD_FORMAT_INVALID)
            assert event.properties.user == (("k", "v"),)
        assert pair.client.messages.quota == ORDINARY.in_flight_max

    @BOTH
    def test_a_session_goes_on(self, version: int) -> None:
        """[MQTT-4.4.0-1] [MQTT-4.6.0-1]: PUBLISH with DUP, PUBREL, their old identifiers, in
        their order.
        """
        pair = Pair(
            Connect("c", version, clean_start=False),
            acceptance=Acceptance(
                session_present=True, kept_sent=(4, 5, 6), kept_received=(9,)
            ),
            has_session=True,
        )
        pair.run()
        messages = pair.server.messages
        messages.redeliver_release(6)
        assert messages.redeliver(Publish("a", b"1", 1, packet_id=4)) == 4
        assert messages.redeliver(Publish("a", b"2", 2, packet_id=5)) == 5
        assert messages.publish("a", b"3", 1) == 1
        pair.run()
        events = pair.take(Publish, at_server=False)
        assert [(e.packet_id, e.dup) for e in events if isinstance(e, Publish)] == [
            (4, True), (5, True), (1, False),
        ]  # fmt: skip
        assert messages.quota == ORDINARY.in_flight_max
        duplicate = Publish("a", b"old", 2, dup=True, packet_id=9)
        data = encode_packet(duplicate, is_v5=version == MQTT_5_0)
        assert pair.server.receive_data(data, NOW) == []
        assert pair.server.data_to_send() == b"\x50\x02\x00\x09"

    def test_a_session_that_the_server_has_lost(self) -> None:
        """[MQTT-3.2.2-5]"""
        pair = Pair(Connect("c", clean_start=False), kept_sent=(1, 2), has_session=True)
        pair.run()
        assert pair.client.messages.publish("a", b"", 1) == 1

    def test_redelivery_keeps_to_the_quota(self) -> None:
        connect = Connect("c", clean_start=False, properties=Properties({RECEIVE_MAXIMUM: 1}))
        one = Connection.server(ORDINARY, NOW)
        one.receive_data(encode_packet(connect, is_v5=True), NOW)
        one.accept(Acceptance(session_present=True, kept_sent=(1, 2, 3)), NOW)
        assert one.messages.redeliver(Publish("a", b"", 1, packet_id=1)) == 1
        assert one.messages.redeliver(Publish("a", b"", 1, packet_id=2)) == NO_QUOTA
        one.receive_data(b"\x40\x02\x00\x01", NOW)
        assert one.messages.redeliver(Publish("a", b"", 1, packet_id=2)) == 2

    def test_a_redelivery_that_is_too_large_now_frees_its_identifier(self) -> None:
        """[MQTT-3.1.2-25]"""
        small = Properties({MAXIMUM_PACKET_SIZE: 60})
        one = Connection.server(ORDINARY, NOW)
        connect = Connect("c", clean_start=False, properties=small)
        one.receive_data(encode_packet(connect, is_v5=True), NOW)
        one.accept(Acceptance(session_present=True, kept_sent=(1,)), NOW)
        assert one.messages.redeliver(Publish("a", bytes(60), 1, packet_id=1)) == TOO_LARGE
        assert one.messages.publish("a", b"", 1) == 1

    @BOTH
    def test_one_encoding_for_many(self, version: int) -> None:
        is_v5 = version == MQTT_5_0
        found = Properties(user=(("k", "v"),))
        for qos in (0, 1, 2):
            encoded = EncodedPublish("a/b", b"x", qos, True, found, is_v5=is_v5)
            for _ in range(2):
                pair = Pair(Connect("c", version))
                pair.run()
                assert (pair.server.messages.publish_encoded(encoded) > 0) == (qos > 0)
                pair.run()
                (event,) = pair.take(Publish, at_server=False)
                assert isinstance(event, Publish)
                assert (event.topic_name, event.payload, event.qos) == ("a/b", b"x", qos)
                assert event.retain
                assert event.properties.user == (found.user if is_v5 else ())

    def test_one_encoding_for_those_who_take_no_more(self) -> None:
        told = Properties({RECEIVE_MAXIMUM: 1, MAXIMUM_PACKET_SIZE: 60})
        one = opened(Connect("c", properties=told))
        empty = Properties()
        small = EncodedPublish("a", b"", 1, False, empty, is_v5=True)
        large = EncodedPublish("a", bytes(60), 1, False, empty, is_v5=True)
        assert one.messages.publish_encoded(large) == TOO_LARGE
        assert one.messages.publish_encoded(small) == 1
        assert one.messages.publish_encoded(small) == NO_QUOTA

    def test_aliases_both_ways_at_once(self) -> None:
        """A name that was too large to be sent is none that the peer knows."""
        ends = ConnectionSettings(topic_aliases_sent=2, packet_bytes_max=100)
        pair = Pair(client=ends, server=ends)
        pair.run()
        for one in (pair.client, pair.server):
            assert one.messages.publish("a/long/name", bytes(100)) == TOO_LARGE
            for _ in range(3):
                assert one.messages.publish("a/long/name", b"x") == 0
            assert one.messages.publish("b", b"x") == 0
            assert one.messages.publish("c", b"x") == 0
        pair.run()
        for at_server in (True, False):
            events = pair.take(Publish, at_server=at_server)
            names = [event.topic_name for event in events if isinstance(event, Publish)]
            assert names == ["a/long/name"] * 3 + ["b", "c"]
        assert pair.server.messages.alias_characters == len("a/long/name") + 1


class TestRequests:
    def test_none_before_the_connack(self) -> None:
        """[MQTT-3.1.2-30]: an owner's mistake is its own."""
        one = Connection.client(ORDINARY, Connect("c"), NOW)
        with pytest.raises(AssertionError):
            one.requests.subscribe((FilterRequest("a"),))

    def test_answers_may_come_late_and_in_any_order(self) -> None:
        one = opened(Connect("c"))
        client = Connection.client(ORDINARY, Connect("c"), NOW)
        client.data_to_send()
        client.receive_data(encode_packet(Connack(), is_v5=True), NOW)
        first = client.requests.subscribe((FilterRequest("a", 1), FilterRequest("b")))
        second = client.requests.subscribe((FilterRequest("c", 2),))
        events = one.receive_data(client.data_to_send(), NOW)
        assert [type(event) for event in events] == [SubscribeReceived] * 2
        assert one.requests.suback(second, (0x87,), Properties(user=(("k", "v"),)))
        assert one.requests.suback(first, (1, 0x8F))
        answers = client.receive_data(one.data_to_send(), NOW)
        codes = [e.suback.reason_codes for e in answers if isinstance(e, SubackReceived)]
        assert codes == [(0x87,), (1, 0x8F)]

    def test_the_same_identifier_before_the_answer(self) -> None:
        """[MQTT-2.2.1-3]"""
        one = opened(Connect("c"))
        client = Pair()
        client.run()
        client.client.requests.subscribe((FilterRequest("a"),))
        data = client.client.data_to_send()
        assert "[MQTT-2.2.1-3]" in closing(one.receive_data(data + data, NOW)).what

    def test_what_the_other_takes_not(self) -> None:
        ends = ConnectionSettings(packet_bytes_max=40)
        pair = Pair(server=ends)
        pair.run()
        many = tuple(FilterRequest(f"filter/{number}") for number in range(5))
        assert pair.client.requests.subscribe(many) == -1
        assert pair.client.requests.unsubscribe(tuple(one.topic_filter for one in many)) == -1
        assert pair.client.requests.subscribe(many[:1]) > 0

    def test_a_code_for_each_filter(self) -> None:
        """[MQTT-3.8.4-6]: an owner's mistake is its own."""
        pair = Pair()
        pair.run()
        pair.client.requests.subscribe((FilterRequest("a"),))
        pair.server.receive_data(pair.client.data_to_send(), NOW)
        with pytest.raises(AssertionError):
            pair.server.requests.suback(1, (0, 0))


def test_announcements_leave_defaults_out() -> None:
    quiet = ConnectionSettings(receive_maximum=65_535, topic_alias_maximum=0)
    assert list(quiet.announced(by_server=False)) == [MAXIMUM_PACKET_SIZE]
    loud = ConnectionSettings(maximum_qos=0, retain_available=False)
    assert loud.announced(by_server=True)[MAXIMUM_QOS] == 0
    assert loud.announced(by_server=True)[RETAIN_AVAILABLE] == 0
    assert RETAIN_AVAILABLE not in loud.announced(by_server=False)
    assert USER_PROPERTY not in loud.announced(by_server=True)
