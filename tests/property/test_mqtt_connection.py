"""Two MQTT engines, ours at both ends, over a wire that splits bytes anywhere and may break."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from peeklock.limits import KIB
from peeklock.protocols.mqtt.acceptance import Acceptance
from peeklock.protocols.mqtt.connect import MQTT_3_1_1, MQTT_5_0, Connect
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.connection_state import FORBIDS, STEPS, State, Step, step
from peeklock.protocols.mqtt.events import (
    ConnectionClosed,
    ConnectReceived,
    Event,
    PublishAcknowledged,
    PublishCompleted,
    PublishRecorded,
    PublishReleased,
)
from peeklock.protocols.mqtt.message_flow import NO_QUOTA
from peeklock.protocols.mqtt.packets import encode_packet
from peeklock.protocols.mqtt.publish import Publish
from peeklock.protocols.mqtt.reason_codes import MqttViolation
from peeklock.protocols.mqtt.settings import ConnectionSettings
from tests.support.mqtt_packets import VERSIONS, as_tuple, packets, publishes
from tests.support.mqtt_pair import NOW, Pair

QOS_1_2 = st.integers(1, 2)
CHUNKS = st.lists(st.integers(1, 60), min_size=1, max_size=6).map(tuple)
SMALL = ConnectionSettings(
    packet_bytes_max=2 * KIB, connect_bytes_max=1 * KIB, unread_bytes_max=1 * KIB,
    topic_alias_maximum=3, receive_maximum=5,
)  # fmt: skip


@settings(max_examples=150)
@given(version=VERSIONS, chunks=CHUNKS, data=st.data(), aliases=st.integers(0, 3))
def test_messages_arrive_as_they_were_sent(
    version: int, chunks: tuple[int, ...], data: st.DataObject, aliases: int
) -> None:
    """Topic, payload, QoS, RETAIN and properties; in order; with aliases or without (§3.3)."""
    ends = ConnectionSettings(topic_aliases_sent=aliases)
    pair = Pair(Connect("c", version), client=ends, server=ends, chunks=chunks)
    pair.run()
    sent = data.draw(st.lists(publishes(version), max_size=8))
    for to_server in (True, False):
        one = pair.client if to_server else pair.server
        for publish in sent:
            found = publish.properties.without(0x23, *([0x0B] if to_server else []))
            parts = (publish.topic_name, publish.payload, publish.qos, publish.retain, found)
            assert one.messages.publish(*parts) >= 0
            pair.run()
        events = pair.take(Publish, at_server=to_server)
        assert len(events) == len(sent)
        for event, publish in zip(events, sent, strict=True):
            assert isinstance(event, Publish)
            left = publish.properties.without(0x23, *([0x0B] if to_server else []))
            assert (event.topic_name, event.payload) == (publish.topic_name, publish.payload)
            assert (event.qos, event.retain) == (publish.qos, publish.retain)
            assert as_tuple(event.properties) == as_tuple(left)
        assert one.messages.quota == one.settings.in_flight_max


@settings(max_examples=150)
@given(version=VERSIONS, sizes=CHUNKS, data=st.data())
def test_pieces_give_the_same_events(
    version: int, sizes: tuple[int, ...], data: st.DataObject
) -> None:
    """[MQTT-6.0.0-2] holds of any transport: what is sent and told does not depend on them."""
    is_v5 = version == MQTT_5_0
    some = data.draw(st.lists(packets(version), min_size=1, max_size=6))
    stream = b"".join(encode_packet(packet, is_v5=is_v5) for packet in some)
    whole = played(version, [stream])
    pieces = []
    turn = 0
    while stream:
        size = sizes[turn % len(sizes)]
        pieces.append(stream[:size])
        stream = stream[size:]
        turn += 1
    assert played(version, pieces) == whole


def played(version: int, pieces: list[bytes]) -> tuple[list[object], bytes, bool]:
    """What a server that has let a client in tells and sends."""
    one = opened(version, SMALL)
    events: list[object] = []
    sent = b""
    for piece in pieces:
        for event in one.receive_data(piece, NOW):
            events.append(as_tuple(event))
        sent += one.data_to_send()
    names = [event[0] if isinstance(event, tuple) else type(event).__name__ for event in events]
    return names, sent, one.closed


def opened(version: int, ours: ConnectionSettings) -> Connection:
    one = Connection.server(ours, NOW)
    one.receive_data(encode_packet(Connect("c", version), is_v5=version == MQTT_5_0), NOW)
    one.accept(Acceptance(), NOW)
    one.data_to_send()
    return one


@settings(max_examples=400)
@given(
    data=st.lists(st.binary(max_size=300), max_size=8),
    version=VERSIONS,
    is_open=st.booleans(),
    is_server=st.booleans(),
)
def test_nonsense_at_any_time_never_raises_and_is_not_kept(
    data: list[bytes], version: int, is_open: bool, is_server: bool
) -> None:
    if not is_server:
        pair = Pair(Connect("c", version), client=SMALL)
        if is_open:
            pair.run()
        one = pair.client
    else:
        one = opened(version, SMALL) if is_open else Connection.server(SMALL, NOW)
    events: list[Event] = []
    for piece in data:
        events += one.receive_data(piece, NOW)
        one.data_to_send()
        assert one.held_bytes <= held_max(SMALL)
    events += one.receive_eof(NOW)
    assert one.closed
    assert [type(event) for event in events].count(ConnectionClosed) == 1
    assert isinstance(events[-1], ConnectionClosed)
    assert one.held_bytes <= held_max(SMALL)


def held_max(ours: ConnectionSettings) -> int:
    """As the connection's docstring has it; a name is at most a packet."""
    aliases = ours.topic_alias_maximum * min(0xFFFF, ours.packet_bytes_max)
    return max(ours.packet_bytes_max, ours.unread_bytes_max) + aliases


@settings(max_examples=200)
@given(version=VERSIONS, data=st.data(), place=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_changed_byte_never_raises(
    version: int, data: st.DataObject, place: int, byte: int
) -> None:
    is_v5 = version == MQTT_5_0
    some = data.draw(st.lists(packets(version), min_size=1, max_size=4))
    stream = bytearray(b"".join(encode_packet(packet, is_v5=is_v5) for packet in some))
    stream[place % len(stream)] = byte
    one = opened(version, SMALL)
    one.receive_data(bytes(stream), NOW)
    one.data_to_send()
    one.receive_eof(NOW)


def test_the_states_table_is_total() -> None:
    """An answer for each step in each state, and a statement for each that is forbidden."""
    for state in State:
        for taken in Step:
            if (state, taken) in STEPS:
                assert step(state, taken) is STEPS[state, taken]
                continue
            with pytest.raises(MqttViolation, match=r"\[MQTT-\d+\.\d+\.\d+-\d+\]"):
                step(state, taken)
    assert not FORBIDS.keys() & STEPS.keys()


class Session(RuleBasedStateMachine):
    """QoS 1 and 2 over connections that break anywhere (§4.3, §4.4).

    The client publishes; both ends keep their session as an owner would, through cuts in which
    bytes under way are lost. QoS 2 arrives exactly once, QoS 1 at least once, in order.
    """

    @initialize(version=VERSIONS, receive_maximum=st.integers(1, 4))
    def start(self, version: int, receive_maximum: int) -> None:
        self.version = version
        self.receive_maximum = receive_maximum
        self.unsent: list[tuple[int, int]] = []  # (number, QoS) that wait for quota
        self.under_way: dict[int, tuple[int, int]] = {}  # packet id → the same, in order
        self.released: dict[int, tuple[int, int]] = {}  # the same, PUBREC has come
        self.again: list[int] = []  # under way, not delivered again yet on this connection
        self.held: set[int] = set()  # the server's: QoS 2 identifiers that it has taken
        self.got: list[tuple[int, int]] = []
        self.finished: list[tuple[int, int]] = []
        self.count = 0
        self.connect(session_present=False)

    def connect(self, *, session_present: bool) -> None:
        ends = ConnectionSettings(
            receive_maximum=self.receive_maximum,
            in_flight_max=self.receive_maximum,
            answers_by_itself=False,
        )
        connect = Connect("c", self.version, clean_start=not session_present)
        kept = [*self.under_way, *self.released]
        acceptance = Acceptance(session_present=session_present, kept_received=tuple(self.held))
        self.client = Connection.client(
            ends, connect, NOW, kept_sent=kept, has_session=session_present
        )
        self.server = Connection.server(ends, NOW)
        self.server.receive_data(self.client.data_to_send(), NOW)
        self.server.accept(acceptance, NOW)
        self.client.receive_data(self.server.data_to_send(), NOW)
        assert self.client.is_open
        for packet_id in self.released:
            self.client.messages.redeliver_release(packet_id)
        self.again = list(self.under_way)
        self.send()

    def send(self) -> None:
        while self.again:
            number, qos = self.under_way[self.again[0]]
            publish = Publish("t", b"%d" % number, qos, packet_id=self.again[0])
            if self.client.messages.redeliver(publish) == NO_QUOTA:
                return
            self.again.pop(0)
        while self.unsent:
            number, qos = self.unsent[0]
            packet_id = self.client.messages.publish("t", b"%d" % number, qos)
            if packet_id == NO_QUOTA:
                return
            self.under_way[packet_id] = self.unsent.pop(0)

    @rule(qos=st.integers(1, 2))
    def publish(self, qos: int) -> None:
        self.unsent.append((self.count, qos))
        self.count += 1
        self.send()

    @rule(share=st.floats(0, 1))
    def cross_to_server(self, share: float) -> None:
        """Some or all of what is under way arrives; the rest is lost with the connection."""
        data = self.client.data_to_send()
        cut = len(data) if share > 0.5 else int(len(data) * share * 2)
        for event in self.server.receive_data(data[:cut], NOW):
            self.at_server(event)
        if cut < len(data):
            self.connect(session_present=True)

    def at_server(self, event: Event) -> None:
        if isinstance(event, Publish):
            number = int(event.payload)
            self.got.append((number, event.qos))
            if event.qos == 2:
                self.held.add(event.packet_id)
            self.server.messages.acknowledge(event.packet_id)
        elif isinstance(event, PublishReleased):
            self.held.discard(event.packet_id)
            self.server.messages.complete(event.packet_id)
        else:
            raise AssertionError(event)

    @rule(share=st.floats(0, 1))
    def cross_to_client(self, share: float) -> None:
        data = self.server.data_to_send()
        cut = len(data) if share > 0.5 else int(len(data) * share * 2)
        for event in self.client.receive_data(data[:cut], NOW):
            self.at_client(event)
        if cut < len(data):
            self.connect(session_present=True)
        else:
            self.send()

    def at_client(self, event: Event) -> None:
        if isinstance(event, PublishAcknowledged):
            self.finished.append(self.under_way.pop(event.packet_id))
        elif isinstance(event, PublishRecorded):
            self.released[event.packet_id] = self.under_way.pop(event.packet_id)
            self.client.messages.release(event.packet_id)
        elif isinstance(event, PublishCompleted):
            self.finished.append(self.released.pop(event.packet_id))
        else:
            raise AssertionError(event)

    @rule()
    def cut(self) -> None:
        self.connect(session_present=True)

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not self.client.closed
        assert not self.server.closed

    def teardown(self) -> None:
        for _ in range(8 * (self.count + 2)):
            self.cross_to_server(1.0)
            self.cross_to_client(1.0)
        assert not self.unsent
        assert not self.under_way
        assert not self.released
        assert not self.held
        exactly_once = [number for number, qos in self.got if qos == 2]
        assert exactly_once == sorted(set(exactly_once))
        first_seen = list(dict.fromkeys(number for number, qos in self.got if qos == 1))
        assert first_seen == sorted(first_seen)
        assert {number for number, _qos in self.got} == set(range(self.count))
        assert sorted(number for number, _qos in self.finished) == list(range(self.count))
        assert self.client.messages.quota == self.receive_maximum


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=80, stateful_step_count=30)


def test_what_a_client_sends_ahead_waits_for_the_decision() -> None:
    """§3.1.4: it may; nothing of it is told before the CONNECT is decided [MQTT-3.1.4-6]."""
    for version in (MQTT_3_1_1, MQTT_5_0):
        is_v5 = version == MQTT_5_0
        one = Connection.server(SMALL, NOW)
        ahead = encode_packet(Publish("t", b"x"), is_v5=is_v5)
        events = one.receive_data(
            encode_packet(Connect("c", version), is_v5=is_v5) + ahead, NOW
        )
        assert [type(event) for event in events] == [ConnectReceived]
        one.accept(Acceptance(), NOW)
        assert [type(event) for event in one.take_events()] == [Publish]


@settings(max_examples=100)
@given(version=VERSIONS, order=st.permutations(range(6)), qos=st.lists(QOS_1_2, min_size=6))
def test_answers_keep_the_order_of_messages_however_they_are_decided(
    version: int, order: list[int], qos: list[int]
) -> None:
    """[MQTT-4.6.0-2] [MQTT-4.6.0-3], from a server, too; and none is held back for good."""
    pair = Pair(Connect("c", version), answers=False)
    pair.run()
    numbers = [pair.client.messages.publish("t", b"", one) for one in qos[:6]]
    pair.run()
    for place in order:
        pair.server.messages.acknowledge(numbers[place])
    answered = []
    for event in pair.client.receive_data(pair.server.data_to_send(), NOW):
        assert isinstance(event, PublishAcknowledged | PublishRecorded)
        answered.append(event.packet_id)
    assert answered == numbers
    pair.run()
    assert pair.client.messages.quota == pair.client.settings.in_flight_max
