"""Every packet of MQTT, both versions: there and back, in pieces, and nonsense (§1.5–§3)."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from peeklock.protocols.mqtt.connect import MQTT_5_0
from peeklock.protocols.mqtt.packet_reader import PacketReader
from peeklock.protocols.mqtt.packets import Packet, decode_packet, encode_packet
from peeklock.protocols.mqtt.publish import EncodedPublish, Publish
from peeklock.protocols.mqtt.reason_codes import MqttViolation
from peeklock.protocols.mqtt.settings import PACKET_BYTES_MAX
from peeklock.protocols.mqtt.varint import VARINT_MAX, read_varint, varint_bytes, write_varint
from tests.support.mqtt_packets import VERSIONS, as_tuple, packets, publishes

BOTH = VERSIONS.flatmap(lambda version: st.tuples(st.just(version), packets(version)))


def read_all(data: bytes, sizes: list[int], *, is_v5: bool) -> list[Packet]:
    """The packets of a stream that comes in pieces of these sizes, over and over."""
    reader = PacketReader(PACKET_BYTES_MAX)
    found: list[Packet] = []
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        reader.feed(data[at : at + size])
        at += size
        turn += 1
        while reader.next_packet():
            packet = decode_packet(
                reader.first, reader.data, reader.at, reader.end, is_v5=is_v5
            )
            found.append(packet)
    assert reader.unread_bytes == 0
    return found


@settings(max_examples=600)
@given(both=BOTH)
def test_what_is_written_is_read_as_the_same(both: tuple[int, Packet]) -> None:
    version, packet = both
    is_v5 = version == MQTT_5_0
    data = encode_packet(packet, is_v5=is_v5)
    (back,) = read_all(data, [len(data)], is_v5=is_v5)
    assert as_tuple(back) == as_tuple(packet)
    assert encode_packet(back, is_v5=is_v5) == data


@settings(max_examples=200)
@given(
    version=VERSIONS, data=st.data(), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5)
)
def test_pieces_do_not_matter(version: int, data: st.DataObject, sizes: list[int]) -> None:
    is_v5 = version == MQTT_5_0
    given_ = data.draw(st.lists(packets(version), min_size=1, max_size=6))
    stream = b"".join(encode_packet(packet, is_v5=is_v5) for packet in given_)
    found = read_all(stream, sizes, is_v5=is_v5)
    assert [as_tuple(one) for one in found] == [as_tuple(one) for one in given_]


@settings(max_examples=300)
@given(both=BOTH, cut=st.integers(1, 30))
def test_a_packet_that_is_cut_off_is_refused_or_another_packet(
    both: tuple[int, Packet], cut: int
) -> None:
    """Never anything but a violation; what is left may happen to be a packet."""
    version, packet = both
    is_v5 = version == MQTT_5_0
    data = encode_packet(packet, is_v5=is_v5)
    start = 2 if data[1] < 0x80 else 3
    end = max(start, len(data) - cut)
    with suppress(MqttViolation):
        decode_packet(data[0], data, start, end, is_v5=is_v5)


@settings(max_examples=500)
@given(first=st.integers(0, 255), body=st.binary(max_size=60), is_v5=st.booleans())
def test_nonsense_is_refused_or_read(first: int, body: bytes, is_v5: bool) -> None:
    try:
        packet = decode_packet(first, body, 0, len(body), is_v5=is_v5)
    except MqttViolation:
        return
    again = encode_packet(packet, is_v5=is_v5)
    start = 1 + varint_bytes(len(again) - 2)
    back = decode_packet(again[0], again, start, len(again), is_v5=is_v5)
    assert as_tuple(back) == as_tuple(packet)


@given(value=st.integers(0, VARINT_MAX))
def test_integers(value: int) -> None:
    """§1.5.5."""
    data = write_varint(value)
    assert len(data) == varint_bytes(value)
    assert read_varint(data + b"\x01", 0, len(data) + 1) == (value, len(data))
    for end in range(len(data)):
        assert read_varint(data, 0, end) is None


@given(data=st.binary(min_size=1, max_size=6))
def test_an_integer_has_one_form(data: bytes) -> None:
    """[MQTT-1.5.5-1]"""
    try:
        found = read_varint(data, 0, len(data))
    except MqttViolation:
        return
    if found is not None:
        assert write_varint(found[0]) == data[: found[1]]


@given(publish=VERSIONS.flatmap(publishes), is_v5=st.booleans())
def test_a_publish_that_was_encoded_for_many_is_the_same_packet(
    publish: Publish, is_v5: bool
) -> None:
    parts = (publish.topic_name, publish.payload, publish.qos, publish.retain)
    found = publish.properties
    single = Publish(*parts, packet_id=publish.packet_id, properties=found)
    encoded = EncodedPublish(*parts, found, is_v5=is_v5)
    packet = encoded.with_packet_id(publish.packet_id)
    assert packet == encode_packet(single, is_v5=is_v5)
    assert encoded.packet_bytes == len(packet)
